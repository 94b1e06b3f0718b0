// SPDX-License-Identifier: BSL-1.0
// Writing llama2.c's model files, version 0: see llama2c.hpp. The format has no place for a checksum.
#pragma once

#include <nibble/io/atomic_file.hpp>
#include <nibble/io/llama2c.hpp>

#include <cmath>

namespace nibble::inline NIBBLE_ARCH {

/// Writes a model in floats, atomically. read(name, rows, cols, out) fills a tensor, row-major, under the
/// name that the reader gives it.
template <class Read>
void write_llama2c(const std::string& path, const Llama2cHeader& h, Read&& read) {
    if (h.heads == 0 || h.kv_heads == 0 || h.channels % h.heads != 0 || h.heads % h.kv_heads != 0 ||
        h.channels / h.heads % 2 != 0 || h.hidden == 0 || h.layers == 0 || h.vocabulary == 0 ||
        h.context == 0)
        fail("write \"" + path + "\": " + std::to_string(h.channels) + " channels, " +
             std::to_string(h.heads) + " heads, " + std::to_string(h.kv_heads) + " key heads, " +
             std::to_string(h.hidden) + " hidden, " + std::to_string(h.layers) + " layers, " +
             std::to_string(h.vocabulary) + " tokens and a context of " +
             std::to_string(h.context) + " are no model of this format");
    AtomicFile file(path);
    std::vector<std::byte> bytes;
    const auto put = [&](std::uint32_t x) {
        for (unsigned i = 0; i < 4; ++i) bytes.push_back(static_cast<std::byte>(x >> 8 * i & 255));
    };
    std::vector<float> numbers;
    const auto write = [&] {
        for (const float x : numbers) put(std::bit_cast<std::uint32_t>(x));
        file.write(bytes);
        bytes.clear();
    };
    const auto tensor = [&](const std::string& name, std::size_t rows, std::size_t cols) {
        numbers.assign(rows * cols, 0.0f);
        read(name, rows, cols, std::span<float>(numbers));
        write();
    };
    const auto layers = [&](const char* part, std::size_t rows, std::size_t cols) {
        for (std::uint32_t i = 0; i < h.layers; ++i)
            tensor("model.layers." + std::to_string(i) + "." + part + ".weight", rows, cols);
    };
    for (const std::uint32_t x : {h.channels, h.hidden, h.layers, h.heads, h.kv_heads}) put(x);
    put(h.tied ? h.vocabulary : 0u - h.vocabulary);
    put(h.context);
    const std::size_t c = h.channels, kv = c / h.heads * h.kv_heads, pairs = c / h.heads / 2;
    tensor("model.embed_tokens.weight", h.vocabulary, c);
    layers("input_layernorm", 1, c);
    layers("self_attn.q_proj", c, c);
    layers("self_attn.k_proj", kv, c);
    layers("self_attn.v_proj", kv, c);
    layers("self_attn.o_proj", c, c);
    layers("post_attention_layernorm", 1, c);
    layers("mlp.gate_proj", h.hidden, c);
    layers("mlp.down_proj", c, h.hidden);
    layers("mlp.up_proj", h.hidden, c);
    tensor("model.norm.weight", 1, c);
    for (const bool sine : {false, true}) {  // the tables that old readers took
        numbers.resize(h.context * pairs);
        for (std::size_t i = 0; i < numbers.size(); ++i) {
            const double angle =
                static_cast<double>(i / pairs) *
                std::pow(10000.0, -static_cast<double>(i % pairs) / static_cast<double>(pairs));
            numbers[i] = static_cast<float>(sine ? std::sin(angle) : std::cos(angle));
        }
        write();
    }
    if (!h.tied) tensor("lm_head.weight", h.vocabulary, c);
    file.commit();
}

}  // namespace nibble
