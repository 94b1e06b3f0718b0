// SPDX-License-Identifier: BSL-1.0
// The sizes and rules of a Llama or Mistral: what is read from config.json, GGUF metadata or the head of
// llama2.c's files, and kept in our own.
#pragma once

#include <nibble/layer/attention.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// The sizes and rules of a Llama or Mistral. Zeros choose the usual: see each.
struct LlamaConfig {
    std::size_t vocabulary = 32000;
    std::size_t context = 2048;  ///< the longest sequence
    std::size_t layers = 32;
    std::size_t heads = 32;
    std::size_t kv_heads = 0;  ///< a divisor of heads; 0: as many
    std::size_t channels = 4096;
    std::size_t hidden = 11008;  ///< of the feed-forward part
    std::size_t head_size = 0;   ///< 0: channels / heads
    std::size_t window = 0;      ///< positions that one sees, the own one included; 0: all
    float epsilon = 1e-5f;
    double rotary_base = 10000.0;
    bool interleaved = false;  ///< rotary pairs (2i, 2i + 1), as GGUF and llama2.c have them
    bool tied = false;         ///< the head is the embedding
    bool attention_bias = false;
    bool mlp_bias = false;
    RotaryScaling scaling{};

    /// What a file keeps.
    template <class F, class... C>
    static void fields(F&& f, C&... c) {
        f("vocabulary", c.vocabulary...);
        f("context", c.context...);
        f("layers", c.layers...);
        f("heads", c.heads...);
        f("kv_heads", c.kv_heads...);
        f("channels", c.channels...);
        f("hidden", c.hidden...);
        f("head_size", c.head_size...);
        f("window", c.window...);
        f("epsilon", c.epsilon...);
        f("rotary_base", c.rotary_base...);
        f("interleaved", c.interleaved...);
        f("tied", c.tied...);
        f("attention_bias", c.attention_bias...);
        f("mlp_bias", c.mlp_bias...);
        f("scaling.kind", c.scaling.kind...);
        f("scaling.factor", c.scaling.factor...);
        f("scaling.low", c.scaling.low...);
        f("scaling.high", c.scaling.high...);
        f("scaling.context", c.scaling.context...);
    }
    /// A lower bound of the weights, for any numbers a file may claim.
    [[nodiscard]] double weights() const {
        const auto at_least = [](std::size_t n) { return static_cast<double>(n != 0 ? n : 1); };
        const double c = at_least(channels);
        const double queries = at_least(heads) * (head_size != 0 ? at_least(head_size) : 1);
        return c * static_cast<double>(vocabulary) +
               static_cast<double>(layers) * c * (2 * queries + 3 * static_cast<double>(hidden));
    }
    [[nodiscard]] AttentionConfig attention() const {
        return {.channels = channels,
                .heads = heads,
                .kv_heads = kv_heads,
                .head_size = head_size,
                .bias = attention_bias,
                .window = window,
                .rotary_base = static_cast<float>(rotary_base),
                .rotary_interleaved = interleaved,
                .rotary_scaling = scaling};
    }
};

/// The smallest configuration that is still a language model: 256 channels, 2 layers and 10,000 tokens,
/// about 4 million weights. A fallback for machines that have room for nothing else.
inline constexpr LlamaConfig ultra_small_fallback{.vocabulary = 10000,
                                                  .context = 512,
                                                  .layers = 2,
                                                  .heads = 4,
                                                  .kv_heads = 2,
                                                  .channels = 256,
                                                  .hidden = 688,
                                                  .tied = true};

/// The same, after a check of what no layer looks at.
[[nodiscard]] inline const LlamaConfig& checked(const LlamaConfig& c) {
    if (c.context == 0 || c.context > std::size_t{1} << 24)
        fail("Llama: a context of " + std::to_string(c.context) + ", expected 1 to 16777216");
    if (c.scaling.kind > RotaryScalingKind::llama3 || !(c.scaling.factor > 0) ||
        !(c.rotary_base > 0) || !(c.epsilon > 0))
        fail(
            "Llama: an unknown scaling of positions, or a factor, base or epsilon that is not "
            "above 0");
    return c;
}

}  // namespace nibble
