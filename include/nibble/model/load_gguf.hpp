// SPDX-License-Identifier: BSL-1.0
// GPT-2, Llama and Mistral from GGUF files: the configuration from the metadata, the weights by GGUF's
// names. A tensor whose blocks are what the model's format holds (Q4_0 and Grouped<Int4Value, 32>, say)
// keeps its codes and scales; any other is decoded and rounded once.
#pragma once

#include <nibble/io/gguf_tensor.hpp>
#include <nibble/model/config_json.hpp>
#include <nibble/model/load.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// Which model a GGUF file holds.
[[nodiscard]] inline ModelKind model_kind(const GgufMetadata& file) {
    const std::string_view name = file.text("general.architecture");
    if (name == "gpt2") return ModelKind::gpt2;
    if (name == "llama") return ModelKind::llama;
    refuse_model(file.name(), name);
}

/// Tokens in the vocabulary: the rows of the embedding.
[[nodiscard]] inline std::size_t gguf_vocabulary(const GgufFile& file) {
    const GgufTensor& t = file.at("token_embd.weight");
    if (t.shape().size() != 2 || t.size() == 0)
        fail(file.name() + ": tensor \"token_embd.weight\" is " + to_string(t.shape()) +
             ", expected [tokens, channels]");
    return static_cast<std::size_t>(t.shape()[0]);
}

/// A GPT-2's configuration.
[[nodiscard]] inline Gpt2Config gpt2_config(const GgufFile& file) {
    const auto size = [&](const char* key, std::uint64_t most) {
        return static_cast<std::size_t>(file.integer(std::string("gpt2.") + key, 1, most));
    };
    Gpt2Config c;
    c.vocabulary = gguf_vocabulary(file);
    c.context = size("context_length", most_context);
    c.layers = size("block_count", most_layers);
    c.heads = size("attention.head_count", most_width);
    c.channels = size("embedding_length", most_width);
    if (size("feed_forward_length", most_width) != 4 * c.channels)
        fail(file.name() + ": key \"gpt2.feed_forward_length\" is not 4 times the channels");
    const double epsilon = file.number("gpt2.attention.layer_norm_epsilon", 1e-5);
    if (!(std::fabs(epsilon - 1e-5) < 1e-8))
        fail(file.name() + ": key \"gpt2.attention.layer_norm_epsilon\" is " +
             std::to_string(epsilon) + ", expected 0.00001");
    return c;
}

/// The scaling whose slowing-down of each pair a file lists as "rope_freqs.weight" (Llama 3.1 and later);
/// fails when it is not llama3's.
[[nodiscard]] inline RotaryScaling scaling_of_factors(const GgufFile& file, const GgufTensor& t,
                                                      const LlamaConfig& c) {
    Host on(1);
    const std::size_t pairs = c.attention().size_of_head() / 2;
    if (t.size() != pairs || pairs == 0)
        fail(file.name() + ": tensor \"rope_freqs.weight\" has " + std::to_string(t.size()) +
             " numbers, expected " + std::to_string(pairs));
    Tensor<float> factors(Shape{1, pairs});
    read_floats(on, file, t, factors.view());
    RotaryScaling s{.kind = RotaryScalingKind::llama3};
    for (std::size_t i = 0; i < pairs; ++i)
        s.factor = std::max(s.factor, static_cast<double>(factors(0, i)));
    for (std::size_t i = 0; i < pairs; ++i) {
        const double f =
            std::pow(c.rotary_base, -static_cast<double>(i) / static_cast<double>(pairs));
        const double expected = f / rotary_scaled(f, s);
        if (!(std::fabs(static_cast<double>(factors(0, i)) - expected) <= 1e-3 * expected))
            fail(file.name() + ": tensor \"rope_freqs.weight\" slows pair " + std::to_string(i) +
                 " down by " + std::to_string(factors(0, i)) + ", llama3 scaling would by " +
                 std::to_string(expected));
    }
    return s;
}

/// A Llama's or Mistral's configuration. Rotary pairs are neighbours in these files.
[[nodiscard]] inline LlamaConfig llama_config(const GgufFile& file) {
    const auto size = [&](const char* key, std::uint64_t most) {
        return static_cast<std::size_t>(file.integer(std::string("llama.") + key, 1, most));
    };
    const auto size_or = [&](const char* key, std::uint64_t most, std::size_t otherwise) {
        return static_cast<std::size_t>(
            file.integer(std::string("llama.") + key, 0, most, otherwise));
    };
    LlamaConfig c;
    c.vocabulary = gguf_vocabulary(file);
    c.context = size("context_length", most_context);
    c.layers = size("block_count", most_layers);
    c.heads = size("attention.head_count", most_width);
    c.kv_heads = size_or("attention.head_count_kv", most_width, c.heads);
    c.channels = size("embedding_length", most_width);
    c.hidden = size("feed_forward_length", most_width);
    c.head_size = size_or("attention.key_length", most_width, 0);
    c.window = size_or("attention.sliding_window", most_context, 0);
    if (size_or("attention.value_length", most_width, c.head_size) != c.head_size)
        fail(file.name() + ": keys and values of different lengths are not known");
    const std::size_t head = c.attention().size_of_head();
    if (size_or("rope.dimension_count", most_width, head) != head)
        fail(file.name() + ": key \"llama.rope.dimension_count\" is not the size of a head, " +
             std::to_string(head));
    if (size_or("expert_count", most_width, 0) != 0)
        refuse_model(file.name(), "llama with experts");
    c.epsilon = static_cast<float>(file.number("llama.attention.layer_norm_rms_epsilon"));
    c.rotary_base = file.number("llama.rope.freq_base", 10000.0);
    if (!(c.epsilon > 0) || !(c.rotary_base > 0) || !(c.rotary_base < 1e12))
        fail(file.name() + ": epsilon " + std::to_string(c.epsilon) + " and frequency base " +
             std::to_string(c.rotary_base) + ", expected positive numbers");
    c.interleaved = true;
    c.tied = file.find("output.weight") == nullptr;
    c.attention_bias = file.find("blk.0.attn_q.bias") != nullptr;
    c.mlp_bias = file.find("blk.0.ffn_up.bias") != nullptr;
    // Files without a type are scaled by the factor they give, older ones under a key of its own.
    const char* factor = "llama.rope.scaling.factor";
    if (file.value(factor) == nullptr && file.value("llama.rope.scale_linear") != nullptr)
        factor = "llama.rope.scale_linear";
    const bool scaled = file.number(factor, 1.0) != 1.0;
    const std::string_view scaling =
        file.text("llama.rope.scaling.type", scaled ? "linear" : "none");
    if (scaling != "none" && scaling != "linear")
        fail(file.name() + ": positions are scaled by " + in_quotes(scaling) +
             ", expected \"none\" or \"linear\"");
    if (scaling == "linear")
        c.scaling = {.kind = RotaryScalingKind::linear, .factor = file.number(factor)};
    if (!(c.scaling.factor > 0) || !(c.scaling.factor <= 1e6))
        fail(file.name() + ": key " + in_quotes(factor) + " is " +
             std::to_string(c.scaling.factor) + ", expected above 0");
    if (const GgufTensor* t = file.find("rope_freqs.weight")) {
        if (c.scaling.factor != 1)
            fail(file.name() +
                 ": positions are scaled both by a factor and by tensor "
                 "\"rope_freqs.weight\", expected one of them");
        c.scaling = scaling_of_factors(file, *t, c);
    }
    return c;
}

/// GGUF's name for a parameter of a Gpt2 or a Llama.
[[nodiscard]] inline std::string gguf_name(const std::string& parameter) {
    static constexpr std::pair<std::string_view, std::string_view> names[] = {
        {"model.embed_tokens.", "token_embd."},
        {"model.norm.", "output_norm."},
        {"lm_head.", "output."},
        {"model.layers.", "blk."},
        {"wte.", "token_embd."},
        {"wpe.", "position_embd."},
        {"ln_f.", "output_norm."},
        {"h.", "blk."}};
    static constexpr std::pair<std::string_view, std::string_view> parts[] = {
        {".input_layernorm.", ".attn_norm."},
        {".post_attention_layernorm.", ".ffn_norm."},
        {".self_attn.q_proj.", ".attn_q."},
        {".self_attn.k_proj.", ".attn_k."},
        {".self_attn.v_proj.", ".attn_v."},
        {".self_attn.o_proj.", ".attn_output."},
        {".mlp.gate_proj.", ".ffn_gate."},
        {".mlp.up_proj.", ".ffn_up."},
        {".mlp.down_proj.", ".ffn_down."},
        {".ln_1.", ".attn_norm."},
        {".ln_2.", ".ffn_norm."},
        {".attn.c_attn.", ".attn_qkv."},
        {".attn.c_proj.", ".attn_output."},
        {".mlp.c_fc.", ".ffn_up."},
        {".mlp.c_proj.", ".ffn_down."}};
    std::string name = parameter;
    for (const auto& [ours, theirs] : names)
        if (name.starts_with(ours)) {
            name.replace(0, ours.size(), theirs);
            break;
        }
    for (const auto& [ours, theirs] : parts)
        if (const std::size_t at = name.find(ours); at != name.npos) {
            name.replace(at, ours.size(), theirs);
            break;
        }
    return name;
}

/// Fills a parameter from a tensor whose shape has been checked.
template <class On, class V, class Memory>
void read_parameter(On& on, const GgufFile& file, const GgufTensor& t, Tensor<V, Memory>& to,
                    LoadReport& report) {
    Tensor<float> x(to.shape());
    read_floats(on, file, t, x.view());
    report.not_finite += count_not_finite(on, x);
    for (std::size_t r = 0; r < to.rows(); ++r)
        for (std::size_t c = 0; c < to.cols(); ++c)
            to.row(r).units()[c] =
                encode<V>(static_cast<compute_t<V>>(x(r, c)), ToNearest{}, report.clipped);
}
template <class On, class F, class Memory>
void read_parameter(On& on, const GgufFile& file, const GgufTensor& t, Matrix<F, Memory>& to,
                    LoadReport& report) {
    if (read_blocks(on, file, t, to)) {
        if constexpr (format_traits<F>::scaled)
            for (const auto scale : std::as_const(to).scales().row(0).units())
                report.not_finite += std::isfinite(decode(scale)) ? 0u : 1u;
        return;
    }
    Tensor<float> x(to.shape());
    read_floats(on, file, t, x.view());
    report.not_finite += count_not_finite(on, x);
    report.clipped += quantize(on, x.view(), to);
}

/// Copies every parameter of a Gpt2 or Llama from the file, whose checksum, where it has one, is compared
/// first. Fails, naming them, for tensors that are
/// missing, of the wrong shape, or that the model does not have; the model is then unchanged.
template <class On, class M>
LoadReport load_into(On& on, M& model, const GgufFile& file) {
    if (file.has_checksum()) file.verify();
    std::vector<std::string> missing, shapes, used{"rope_freqs.weight"};
    for_each_parameter(
        [&](const std::string& name, auto& p) {
            if (p.empty()) return;
            const GgufTensor* t = file.find(gguf_name(name));
            if (t == nullptr) return missing.push_back(gguf_name(name));
            used.emplace_back(t->name);
            if (!shape_fits(p, t->shape()))
                shapes.push_back(std::string(t->name) + " is " + to_string(t->shape()) +
                                 ", the model's is " + to_string(p.shape()));
        },
        model);
    // A tied head that a file holds all the same is the embedding once more.
    if constexpr (requires { model.wte; }) used.emplace_back("output.weight");
    std::sort(used.begin(), used.end());
    std::vector<std::string> extra;
    for (const GgufTensor& t : file.tensors())
        if (!std::binary_search(used.begin(), used.end(), t.name)) extra.emplace_back(t.name);
    raise_mismatches(file.name(), missing, extra, shapes, {});
    LoadReport report;
    for_each_parameter(
        [&](const std::string& name, auto& p) {
            if (p.empty()) return;
            read_parameter(on, file, file.at(gguf_name(name)), p, report);
            ++report.tensors;
        },
        model);
    return report;
}

}  // namespace nibble
