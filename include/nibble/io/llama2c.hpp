// SPDX-License-Identifier: BSL-1.0
// Reading llama2.c's model files (.bin), little-endian.
//
//     version 0      seven i32: dim, hidden, layers, heads, kv heads, vocabulary (negative: with a head of
//                    its own), context; then f32, each tensor for all layers in turn: embedding, attention
//                    norms, wq, wk, wv, wo, ffn norms, w1, w2, w3, last norm, two tables that are no longer
//                    used, [head]
//     version 1, 2   u32 0x616b3432, i32 version, the seven i32, u8 whether the head is the embedding,
//                    (2: i32 group size,) zeros up to byte 256; then the norms (attention, ffn, last) and
//                    embedding, wq, wk, wv, wo, w1, w2, w3, [head]: f32, or i8 followed by an f32 for each group
//
// Tensors are found by the names of published safetensors files. Nothing of a file is believed: it must be
// exactly as long as its header says.
#pragma once

#include <nibble/io/file.hpp>
#include <nibble/io/text.hpp>
#include <nibble/store/view.hpp>

#include <bit>

namespace nibble::inline NIBBLE_ARCH {

/// The head of such a file.
struct Llama2cHeader {
    std::uint32_t version = 0;
    std::uint32_t channels = 0, hidden = 0, layers = 0, heads = 0, kv_heads = 0, vocabulary = 0,
                  context = 0;
    bool tied = true;         ///< the head is the embedding
    std::uint32_t group = 0;  ///< weights that share a scale; 0: floats
};

/// One tensor of the file. `scales` is empty for floats.
struct Llama2cTensor {
    std::string name;
    std::size_t rows = 1, cols = 0;
    std::span<const std::byte> values, scales;
};

/// Header and tensors of a file, mapped.
class Llama2cFile {
public:
    /// Maps and checks the file.
    [[nodiscard]] static Llama2cFile open(const std::string& path) {
        Llama2cFile file;
        file.mapped_ = MappedFile::open(path);
        file.parse(file.mapped_.bytes(), "\"" + path + "\"");
        return file;
    }
    /// Checks a file that lies in memory; `bytes` must outlive the result.
    [[nodiscard]] static Llama2cFile from_bytes(std::span<const std::byte> bytes,
                                                const std::string& name) {
        Llama2cFile file;
        file.parse(bytes, "\"" + name + "\"");
        return file;
    }

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] const Llama2cHeader& header() const noexcept { return header_; }
    [[nodiscard]] std::span<const Llama2cTensor> tensors() const noexcept { return tensors_; }
    /// The tensor of that name; nullptr when there is none.
    [[nodiscard]] const Llama2cTensor* find(std::string_view name) const noexcept {
        for (const Llama2cTensor& t : tensors_)
            if (t.name == name) return &t;
        return nullptr;
    }

    /// Row r of a tensor as numbers.
    void read_row(const Llama2cTensor& t, std::size_t r, float* out) const noexcept {
        for (std::size_t i = 0; i < t.cols; ++i) {
            const std::size_t at = r * t.cols + i;
            if (t.scales.empty())
                out[i] = std::bit_cast<float>(load_little<std::uint32_t>(t.values.data() + 4 * at));
            else
                out[i] = static_cast<float>(std::bit_cast<std::int8_t>(t.values[at])) *
                         std::bit_cast<float>(load_little<std::uint32_t>(t.scales.data() +
                                                                         4 * (at / header_.group)));
        }
    }

private:
    static constexpr std::uint32_t magic = 0x616b3432;

    void parse(std::span<const std::byte> bytes, std::string name) {
        name_ = std::move(name);
        Cursor in(bytes, name_);
        Llama2cHeader& h = header_;
        const bool marked = bytes.size() >= 4 && load_little<std::uint32_t>(bytes.data()) == magic;
        if (marked) {
            static_cast<void>(in.integer<std::uint32_t>("magic"));
            h.version = in.integer<std::uint32_t>("version");
            if (h.version != 1 && h.version != 2)
                fail(name_ + ": version " + std::to_string(h.version) + ", expected 1 or 2");
        }
        const auto size = [&](const char* field, std::uint32_t most) {
            const std::uint64_t at = in.position();
            const auto x = in.integer<std::uint32_t>(field);
            if (x == 0 || x > most)
                fail(name_ + ": " + field + " at offset " + std::to_string(at) + " is " +
                     std::to_string(static_cast<std::int32_t>(x)) + ", expected 1 to " +
                     std::to_string(most));
            return x;
        };
        constexpr std::uint32_t widest = 1u << 24;
        h.channels = size("dim", widest);
        h.hidden = size("hidden_dim", widest);
        h.layers = size("n_layers", 4096);
        h.heads = size("n_heads", widest);
        h.kv_heads = size("n_kv_heads", widest);
        // In version 0 the sign says whether the head is the embedding.
        const auto words = static_cast<std::int32_t>(
            in.left() < 4 ? 0 : load_little<std::uint32_t>(in.take(4, "vocab_size").data()));
        h.tied = marked || words > 0;
        h.vocabulary = static_cast<std::uint32_t>(words < 0 && !marked ? -std::int64_t{words}
                                                                       : std::int64_t{words});
        if (h.vocabulary == 0 || h.vocabulary > widest)
            fail(name_ + ": vocab_size is " + std::to_string(words) + ", expected 1 to " +
                 std::to_string(widest));
        h.context = size("seq_len", widest);
        if (h.channels % h.heads != 0 || h.heads % h.kv_heads != 0 || h.channels / h.heads % 2 != 0)
            fail(name_ + ": " + std::to_string(h.channels) + " channels, " +
                 std::to_string(h.heads) + " heads and " + std::to_string(h.kv_heads) +
                 " key heads do not divide into even heads");
        if (marked) {
            const auto shared = std::to_integer<unsigned>(in.take(1, "shared classifier")[0]);
            if (shared > 1)
                fail(name_ + ": the shared classifier flag is " + std::to_string(shared));
            h.tied = shared == 1;
            if (h.version == 2) h.group = size("group size", widest);
            for (const std::byte b : in.take(256 - in.position(), "padding"))
                if (b != std::byte{0}) fail(name_ + ": the header's padding is not zero");
        }
        expect_length(in.position(), bytes.size());
        marked ? take_marked(in) : take_plain(in);
    }
    /// The sizes decide how long the file is; compared before anything is made of them.
    void expect_length(std::uint64_t begin, std::uint64_t length) const {
        const Llama2cHeader& h = header_;
        const std::uint64_t c = h.channels, kv = c / h.heads * h.kv_heads;
        std::uint64_t layer = 0, weights = 0, head = 0;
        // c and the others are below 2^25, so that the first sum is below 2^53.
        const bool fits =
            checked_multiply(2 * c * c + 2 * kv * c + 3 * c * h.hidden, h.layers, layer) &&
            checked_multiply((h.tied ? 1u : 2u) * std::uint64_t{h.vocabulary}, c, head) &&
            checked_add(layer, head, weights) && weights >> 60 == 0;
        if (!fits) fail(name_ + ": a model of these sizes takes 2^60 bytes or more");
        if (h.group != 0 && (c * c % h.group != 0 || kv * c % h.group != 0 ||
                             c * h.hidden % h.group != 0 || c * h.vocabulary % h.group != 0))
            fail(name_ + ": group size at offset 37 is " + std::to_string(h.group) +
                 ", which does not divide every tensor");
        const std::uint64_t floats =
            (2 * std::uint64_t{h.layers} + 1) * c +
            (h.version == 0 ? std::uint64_t{h.context} * (c / h.heads) : 0);
        const std::uint64_t expected =
            begin + 4 * floats + (h.group != 0 ? weights + 4 * (weights / h.group) : 4 * weights);
        if (expected != length)
            fail(name_ + ": " + std::to_string(length) +
                 " bytes, a model of the sizes in its header takes " + std::to_string(expected));
    }

    /// The next tensor.
    void take(Cursor& in, std::string name, std::size_t rows, std::size_t cols, bool weights) {
        const std::uint64_t n = std::uint64_t{rows} * cols;  // below 2^48
        Llama2cTensor t{std::move(name), rows, cols, {}, {}};
        if (weights && header_.group != 0) {
            t.values = in.take(n, t.name.c_str());
            t.scales = in.take(n / header_.group * 4, t.name.c_str());
        } else {
            t.values = in.take(4 * n, t.name.c_str());
        }
        tensors_.push_back(std::move(t));
    }
    void take_layers(Cursor& in, const char* part, std::size_t rows, std::size_t cols,
                     bool weights = true) {
        for (std::uint32_t i = 0; i < header_.layers; ++i)
            take(in, "model.layers." + std::to_string(i) + "." + part + ".weight", rows, cols,
                 weights);
    }
    void take_attention(Cursor& in) {
        const std::size_t c = header_.channels, kv = c / header_.heads * header_.kv_heads;
        take_layers(in, "self_attn.q_proj", c, c);
        take_layers(in, "self_attn.k_proj", kv, c);
        take_layers(in, "self_attn.v_proj", kv, c);
        take_layers(in, "self_attn.o_proj", c, c);
    }
    void take_mlp(Cursor& in) {
        take_layers(in, "mlp.gate_proj", header_.hidden, header_.channels);
        take_layers(in, "mlp.down_proj", header_.channels, header_.hidden);
        take_layers(in, "mlp.up_proj", header_.hidden, header_.channels);
    }
    void take_embedding(Cursor& in, const char* which) {
        take(in, std::string(which) + ".weight", header_.vocabulary, header_.channels, true);
    }
    void take_plain(Cursor& in) {
        const std::size_t c = header_.channels;
        take_embedding(in, "model.embed_tokens");
        take_layers(in, "input_layernorm", 1, c, false);
        take_attention(in);
        take_layers(in, "post_attention_layernorm", 1, c, false);
        take_mlp(in);
        take(in, "model.norm.weight", 1, c, false);
        static_cast<void>(
            in.take(std::uint64_t{header_.context} * (c / header_.heads) * 4, "rotary tables"));
        if (!header_.tied) take_embedding(in, "lm_head");
    }
    void take_marked(Cursor& in) {
        take_layers(in, "input_layernorm", 1, header_.channels, false);
        take_layers(in, "post_attention_layernorm", 1, header_.channels, false);
        take(in, "model.norm.weight", 1, header_.channels, false);
        take_embedding(in, "model.embed_tokens");
        take_attention(in);
        take_mlp(in);
        if (!header_.tied) take_embedding(in, "lm_head");
    }

    MappedFile mapped_;
    std::string name_;
    Llama2cHeader header_;
    std::vector<Llama2cTensor> tensors_;
};

}  // namespace nibble
