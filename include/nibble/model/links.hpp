// SPDX-License-Identifier: BSL-1.0
// Where the parts of the known models hand over to each other by channels: what AWQ, SmoothQuant and
// rotations may change (ptq/smooth.hpp, ptq/rotate.hpp).
#pragma once

#include <nibble/model/gpt2.hpp>
#include <nibble/model/llama.hpp>
#include <nibble/ptq/network.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// GPT-2: each norm to the weights behind it, and the values to the output projection. GELU is not
/// linear, so nothing passes from c_fc to the second c_proj.
template <class P, class On>
[[nodiscard]] std::vector<ptq::Link> links_of(const Gpt2<P, On>& model) {
    std::vector<ptq::Link> links;
    const std::size_t c = model.config.channels;
    for (std::size_t i = 0; i < model.h.size(); ++i) {
        const std::string block = "h." + std::to_string(i) + ".";
        const std::string qkv = block + "attn.c_attn.";
        links.push_back({{block + "ln_1.weight", block + "ln_1.bias"}, 0, {qkv + "weight"}, c});
        links.push_back({{qkv + "weight", qkv + "bias"},
                         2 * c,
                         {block + "attn.c_proj.weight"},
                         c,
                         c / model.config.heads});
        links.push_back(
            {{block + "ln_2.weight", block + "ln_2.bias"}, 0, {block + "mlp.c_fc.weight"}, c});
    }
    return links;
}

/// Llama and Mistral: each norm to the weights behind it, the values to the output projection, and the
/// second input of the gate, which the first multiplies, to the projection down.
template <class P, class On>
[[nodiscard]] std::vector<ptq::Link> links_of(const Llama<P, On>& model) {
    std::vector<ptq::Link> links;
    const LlamaConfig& c = model.config;
    const AttentionConfig a = c.attention();
    const auto with_bias = [](const std::string& name, bool bias) {
        return bias ? std::vector<std::string>{name + "weight", name + "bias"}
                    : std::vector<std::string>{name + "weight"};
    };
    for (std::size_t i = 0; i < model.blocks.size(); ++i) {
        const std::string block = "model.layers." + std::to_string(i) + ".";
        const std::string attn = block + "self_attn.", mlp = block + "mlp.";
        links.push_back({{block + "input_layernorm.weight"},
                         0,
                         {attn + "q_proj.weight", attn + "k_proj.weight", attn + "v_proj.weight"},
                         c.channels});
        links.push_back({with_bias(attn + "v_proj.", c.attention_bias),
                         0,
                         {attn + "o_proj.weight"},
                         a.key_width(),
                         a.size_of_head(),
                         c.heads / a.key_heads()});
        links.push_back({{block + "post_attention_layernorm.weight"},
                         0,
                         {mlp + "gate_proj.weight", mlp + "up_proj.weight"},
                         c.channels});
        links.push_back(
            {with_bias(mlp + "up_proj.", c.mlp_bias), 0, {mlp + "down_proj.weight"}, c.hidden});
    }
    if (!c.tied) links.push_back({{"model.norm.weight"}, 0, {"lm_head.weight"}, c.channels});
    return links;
}

/// The residual path, for a rotation of all its channels. Empty where it cannot be rotated: a tied table
/// would need the last norm's gain, LayerNorm its mean.
template <class P, class On>
[[nodiscard]] ptq::Residual residual_of(const Gpt2<P, On>&) {
    return {};
}
template <class P, class On>
[[nodiscard]] ptq::Residual residual_of(const Llama<P, On>& model) {
    ptq::Residual path;
    const LlamaConfig& c = model.config;
    if (c.tied) return path;
    path.tables = {"model.embed_tokens.weight"};
    path.readers = {"lm_head.weight"};
    for (std::size_t i = 0; i < model.blocks.size(); ++i) {
        const std::string block = "model.layers." + std::to_string(i) + ".";
        for (const char* name : {"self_attn.o_proj.", "mlp.down_proj."}) {
            path.writers.push_back(block + name + "weight");
            if (name[0] == 's' ? c.attention_bias : c.mlp_bias)
                path.writers.push_back(block + name + "bias");
        }
        for (const char* name :
             {"self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight",
              "mlp.gate_proj.weight", "mlp.up_proj.weight"})
            path.readers.push_back(block + name);
    }
    return path;
}

/// The network of a model with all that is known of it.
template <class M>
[[nodiscard]] ptq::Network linked_network(ptq::Watched& on, M& model) {
    ptq::Network net = ptq::network_of(on, model);
    net.links = links_of(model);
    net.residual = residual_of(model);
    return net;
}

}  // namespace nibble
