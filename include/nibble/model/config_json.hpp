// SPDX-License-Identifier: BSL-1.0
// config.json, as it lies beside published safetensors files: which model it is, and its configuration.
// What the library does not have is refused by name.
#pragma once

#include <nibble/io/json.hpp>
#include <nibble/model/gpt2.hpp>
#include <nibble/model/llama.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// The models that files are read into.
enum class ModelKind { gpt2, llama };

/// "gpt2" and "llama".
[[nodiscard]] constexpr const char* name_of(ModelKind kind) noexcept {
    return kind == ModelKind::gpt2 ? "gpt2" : "llama";
}

/// Refuses a model by its name.
[[noreturn]] inline void refuse_model(const std::string& where, std::string_view name) {
    fail(where + ": a model of architecture " + in_quotes(name) +
         ", known are gpt2, llama and mistral");
}

/// Bounds of a configuration's numbers, well beyond any model that is read.
inline constexpr std::uint64_t most_layers = 4096, most_width = 1 << 24, most_context = 1 << 24;

/// A whole number in [low, high], or `otherwise` where the member is missing or null.
[[nodiscard]] inline std::size_t json_size(const Json& object, const char* field, std::uint64_t low,
                                           std::uint64_t high, std::uint64_t otherwise,
                                           const std::string& where) {
    const auto found = object.find(field);
    if (found == object.end() || found->is_null()) return static_cast<std::size_t>(otherwise);
    return static_cast<std::size_t>(json_integer(object, field, low, high, where));
}
/// A positive number up to 1e12, or `otherwise` where the member is missing or null.
[[nodiscard]] inline double json_number(const Json& object, const char* field, double otherwise,
                                        const std::string& where) {
    const auto found = object.find(field);
    if (found == object.end() || found->is_null()) return otherwise;
    if (!found->is_number() || !(found->get<double>() > 0) || !(found->get<double>() <= 1e12))
        fail(where + ": \"" + field + "\" is " + found->dump().substr(0, 80) +
             ", expected a number above 0");
    return found->get<double>();
}
/// Fails unless a member is missing, null, or one of the texts, numbers or flags in `good`.
inline void expect_setting(const Json& object, const char* field, std::initializer_list<Json> good,
                           const std::string& where) {
    const auto found = object.find(field);
    if (found == object.end() || found->is_null()) return;
    for (const Json& value : good)
        if (*found == value) return;
    fail(where + ": \"" + field + "\" is " + found->dump().substr(0, 80) +
         ", which this library does not have");
}

/// Which model a config.json describes.
[[nodiscard]] inline ModelKind model_kind(const Json& config, const std::string& where) {
    const Json& type = json_member(config, "model_type", where);
    if (type == "gpt2") return ModelKind::gpt2;
    if (type == "llama" || type == "mistral") return ModelKind::llama;
    refuse_model(where, type.is_string() ? type.get<std::string>() : type.dump());
}

/// A GPT-2's configuration.
[[nodiscard]] inline Gpt2Config gpt2_config(const Json& config, const std::string& where) {
    expect_setting(config, "activation_function", {"gelu_new", "gelu_pytorch_tanh"}, where);
    expect_setting(config, "scale_attn_weights", {true}, where);
    expect_setting(config, "scale_attn_by_inverse_layer_idx", {false}, where);
    expect_setting(config, "add_cross_attention", {false}, where);
    expect_setting(config, "tie_word_embeddings", {true}, where);
    expect_setting(config, "layer_norm_epsilon", {1e-5}, where);
    Gpt2Config c;
    c.vocabulary = json_size(config, "vocab_size", 1, most_width, 50257, where);
    c.context = json_size(config, "n_positions", 1, most_context, 1024, where);
    c.layers = json_size(config, "n_layer", 1, most_layers, 12, where);
    c.heads = json_size(config, "n_head", 1, most_width, 12, where);
    c.channels = json_size(config, "n_embd", 1, most_width, 768, where);
    expect_setting(config, "n_inner", {4 * c.channels}, where);
    return c;
}

/// How positions are slowed down: the object "rope_scaling", or "rope_parameters" of newer files.
[[nodiscard]] inline RotaryScaling rotary_scaling(const Json& rope, const std::string& where) {
    RotaryScaling s;
    if (rope.is_null()) return s;
    if (!rope.is_object()) fail(where + ": is no object");
    const auto found = rope.contains("rope_type") ? rope.find("rope_type") : rope.find("type");
    const Json type = found == rope.end() ? Json("default") : *found;
    if (type == "default") return s;
    if (type != "linear" && type != "llama3")
        fail(where + ": positions are scaled by " + type.dump().substr(0, 80) +
             ", expected \"linear\" or \"llama3\"");
    s.kind = type == "linear" ? RotaryScalingKind::linear : RotaryScalingKind::llama3;
    static_cast<void>(json_member(rope, "factor", where));
    s.factor = json_number(rope, "factor", 1, where);
    s.low = json_number(rope, "low_freq_factor", 1, where);
    s.high = json_number(rope, "high_freq_factor", 4, where);
    s.context = json_number(rope, "original_max_position_embeddings", 8192, where);
    if (s.kind == RotaryScalingKind::llama3 && !(s.low < s.high))
        fail(where + ": low_freq_factor " + std::to_string(s.low) +
             " is not below high_freq_factor " + std::to_string(s.high));
    return s;
}

/// A Llama's or Mistral's configuration.
[[nodiscard]] inline LlamaConfig llama_config(const Json& config, const std::string& where) {
    expect_setting(config, "hidden_act", {"silu"}, where);
    expect_setting(config, "partial_rotary_factor", {1.0}, where);
    LlamaConfig c;
    const auto size = [&](const char* field, std::uint64_t most) {
        return static_cast<std::size_t>(json_integer(config, field, 1, most, where));
    };
    c.vocabulary = size("vocab_size", most_width);
    c.layers = size("num_hidden_layers", most_layers);
    c.heads = size("num_attention_heads", most_width);
    c.channels = size("hidden_size", most_width);
    c.hidden = size("intermediate_size", most_width);
    c.context = json_size(config, "max_position_embeddings", 1, most_context, 2048, where);
    c.kv_heads = json_size(config, "num_key_value_heads", 1, most_width, c.heads, where);
    c.head_size = json_size(config, "head_dim", 1, most_width, 0, where);
    c.window = json_size(config, "sliding_window", 1, most_context, 0, where);
    c.epsilon = static_cast<float>(json_number(config, "rms_norm_eps", 1e-6, where));
    const Json none;
    const auto rope = config.contains("rope_parameters") ? config.find("rope_parameters")
                                                         : config.find("rope_scaling");
    c.scaling = rotary_scaling(rope == config.end() ? none : *rope, where + ": rope_scaling");
    c.rotary_base = json_number(config, "rope_theta", 10000.0, where);
    if (rope != config.end() && rope->is_object())
        c.rotary_base = json_number(*rope, "rope_theta", c.rotary_base, where);
    const auto flag = [&](const char* field) {
        expect_setting(config, field, {true, false}, where);
        return config.value(field, Json(false)) == true;
    };
    c.tied = flag("tie_word_embeddings");
    c.attention_bias = flag("attention_bias");
    c.mlp_bias = flag("mlp_bias");
    return c;
}

}  // namespace nibble
