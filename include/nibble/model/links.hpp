// SPDX-License-Identifier: BSL-1.0
// Where the parts of the known models hand over to each other by channels: what AWQ, SmoothQuant and
// rotation within heads may change (ptq/smooth.hpp).
#pragma once

#include <nibble/model/gpt2.hpp>
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

}  // namespace nibble
