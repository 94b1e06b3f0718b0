// SPDX-License-Identifier: BSL-1.0
// GPT-2 (Radford et al. 2019): learned positions, pre-norm blocks, tanh GELU, tied output.
//
//     x = wte[token] + wpe[position]
//     x += attn(ln_1(x));  x += mlp(ln_2(x))      for each block
//     logits = ln_f(x) wte^T
//
// Parameter names are GPT-2's own: wte.weight, wpe.weight, h.0.ln_1.weight, h.0.attn.c_attn.weight
// ([3 channels, channels]; rows q, k, v), ..., ln_f.bias. P is one precision for all, or
// PerComponent<Attention, Mlp, Embedding>.
#pragma once

#include <nibble/layer/attention.hpp>
#include <nibble/layer/embedding.hpp>
#include <nibble/layer/mlp.hpp>
#include <nibble/layer/norm.hpp>
#include <nibble/model/kv_sequence.hpp>
#include <nibble/model/tokens.hpp>

#include <cmath>
#include <vector>

namespace nibble::inline NIBBLE_ARCH {

/// The sizes of a GPT-2.
struct Gpt2Config {
    std::size_t vocabulary = 50257;
    std::size_t context = 1024;  ///< the longest sequence
    std::size_t layers = 12;
    std::size_t heads = 12;
    std::size_t channels = 768;

    /// What a file keeps.
    template <class F, class... C>
    static void fields(F&& f, C&... c) {
        f("vocabulary", c.vocabulary...);
        f("context", c.context...);
        f("layers", c.layers...);
        f("heads", c.heads...);
        f("channels", c.channels...);
    }
    [[nodiscard]] double weights() const {
        const double c = static_cast<double>(channels != 0 ? channels : 1);
        return c * (static_cast<double>(vocabulary) + static_cast<double>(context)) +
               12.0 * c * c * static_cast<double>(layers);
    }
};

/// Positions are few and sensitive: 16 bits where the embedding's format has scales.
template <LayerPrecision P>
using position_t = std::conditional_t<format_traits<weight_t<P>>::scaled, bfloat16, weight_t<P>>;

/// One block: attention and a feed-forward part, each with its norm and its residual path.
template <class P, class On = Host>
struct Gpt2Block {
    static_assert(Precision<P>, "P must be a format, Mixed<...> or PerComponent<...>");
    using Activations = Tensor<float, typename On::Memory>;
    template <class Q>
    using rebind = Gpt2Block<Q, On>;

    LayerNorm<attention_t<P>, On> ln_1;
    Attention<attention_t<P>, On> attn;
    LayerNorm<mlp_t<P>, On> ln_2;
    Mlp<mlp_t<P>, On> mlp;

    /// What backward needs.
    struct Saved {
        typename LayerNorm<attention_t<P>, On>::Saved ln_1;
        typename Attention<attention_t<P>, On>::Saved attn;
        typename LayerNorm<mlp_t<P>, On>::Saved ln_2;
        typename Mlp<mlp_t<P>, On>::Saved mlp;
    };

    Gpt2Block() = default;
    /// Gains 1, everything else 0.
    explicit Gpt2Block(const Gpt2Config& c)
        : ln_1(NormConfig{.width = c.channels}),
          attn(AttentionConfig{.channels = c.channels, .heads = c.heads}),
          ln_2(NormConfig{.width = c.channels}),
          mlp(MlpConfig{.in = c.channels, .hidden = 4 * c.channels}) {}

    template <class F, class... L>
    static void parameters(F&& f, L&... l) {
        f("ln_1", l.ln_1...);
        f("attn", l.attn...);
        f("ln_2", l.ln_2...);
        f("mlp", l.mlp...);
    }

    /// x [B, T, channels] to the same shape.
    [[nodiscard]] Activations forward(On& on, Activations x, Saved* saved = nullptr) const {
        auto a = attn.forward(on, ln_1.forward(on, x, saved ? &saved->ln_1 : nullptr),
                              saved ? &saved->attn : nullptr);
        add_to(on, a.view(), x.view());
        auto m = mlp.forward(on, ln_2.forward(on, x, saved ? &saved->ln_2 : nullptr),
                             saved ? &saved->mlp : nullptr);
        add_to(on, m.view(), x.view());
        return x;
    }

    [[nodiscard]] Activations backward(On& on, const Saved& saved, Activations dy,
                                       rebind<float>& gradient) const {
        auto dm = ln_2.backward(on, saved.ln_2, mlp.backward(on, saved.mlp, dy, gradient.mlp),
                                gradient.ln_2);
        add_to(on, dm.view(), dy.view());
        auto da = ln_1.backward(on, saved.ln_1, attn.backward(on, saved.attn, dy, gradient.attn),
                                gradient.ln_1);
        add_to(on, da.view(), dy.view());
        return dy;
    }

    /// x [rows, channels]: positions that continue the sequences of `parts`.
    [[nodiscard]] Activations forward(On& on, Activations x, std::span<const KvPart<On>> parts,
                                      std::size_t layer) const {
        const auto a = attn.forward(on, ln_1.forward(on, x), parts, layer);
        add_to(on, a.view(), x.view());
        const auto m = mlp.forward(on, ln_2.forward(on, x));
        add_to(on, m.view(), x.view());
        return x;
    }
};

/// The model: P is its precision, On where it runs.
template <class P, class On = Host>
struct Gpt2 {
    static_assert(Precision<P>, "P must be a format, Mixed<...> or PerComponent<...>");
    using Memory = typename On::Memory;
    using Activations = Tensor<float, Memory>;
    /// The format of keys and values where the caller names none.
    using CacheFormat = cache_t<attention_t<P>>;
    template <class Q>
    using rebind = Gpt2<Q, On>;
    static constexpr const char* name = "gpt2";

    Embedding<embedding_t<P>, On> wte;
    Embedding<position_t<embedding_t<P>>, On> wpe;
    std::vector<Gpt2Block<P, On>> h;
    LayerNorm<attention_t<P>, On> ln_f;
    Gpt2Config config;

    /// What backward needs.
    struct Saved {
        typename Embedding<embedding_t<P>, On>::Saved wte;
        typename Embedding<position_t<embedding_t<P>>, On>::Saved wpe;
        std::vector<typename Gpt2Block<P, On>::Saved> h;
        typename LayerNorm<attention_t<P>, On>::Saved ln_f;
        typename Embedding<embedding_t<P>, On>::ProjectSaved head;
    };

    Gpt2() = default;
    /// Gains 1, everything else 0. Fails when heads do not divide channels.
    explicit Gpt2(const Gpt2Config& c)
        : wte(EmbeddingConfig{c.vocabulary, c.channels}),
          wpe(EmbeddingConfig{c.context, c.channels}),
          h(c.layers, Gpt2Block<P, On>(c)),
          ln_f(NormConfig{.width = c.channels}),
          config(c) {}
    /// GPT-2's initialisation: normal numbers of deviation 0.02, 0.02 / sqrt(2 layers) for the two
    /// projections onto the residual path; biases 0. One stream in the order wte, wpe, then each
    /// block's c_attn, c_proj, c_fc, c_proj, so that every precision starts from the same weights.
    Gpt2(const Gpt2Config& c, Seed seed) : Gpt2(c) {
        On on;
        Random random(seed.value);
        const double residual = 0.02 / std::sqrt(2.0 * static_cast<double>(c.layers));
        draw_normal(on, random, 0.02, wte.weight);
        draw_normal(on, random, 0.02, wpe.weight);
        for (auto& block : h) {
            draw_normal(on, random, 0.02, block.attn.c_attn.weight);
            draw_normal(on, random, residual, block.attn.c_proj.weight);
            draw_normal(on, random, 0.02, block.mlp.c_fc.weight);
            draw_normal(on, random, residual, block.mlp.c_proj.weight);
        }
    }

    template <class F, class... L>
    static void parameters(F&& f, L&... l) {
        f("wte", l.wte...);
        f("wpe", l.wpe...);
        f("h", l.h...);
        f("ln_f", l.ln_f...);
    }

    /// Tokens of [B, T] to logits [B, T, vocabulary]. Fails on ids outside the vocabulary and on
    /// sequences that are empty, ragged or longer than the context.
    [[nodiscard]] Activations forward(On& on, Tokens tokens, Saved* saved = nullptr) const {
        const std::size_t length = tokens.length, batch = tokens.batch();
        expect_tokens("Gpt2", tokens, config.context);
        auto x = wte.forward(on, tokens.ids, saved ? &saved->wte : nullptr);
        const auto numbers = positions_of<On>(batch * length, length, 0);
        auto p = wpe.forward(on, numbers.span(), saved ? &saved->wpe : nullptr);
        add_to(on, p.view(), x.view());
        x.reshape(Shape{batch, length, config.channels});
        if (saved != nullptr) saved->h.resize(h.size());
        for (std::size_t i = 0; i < h.size(); ++i)
            x = h[i].forward(on, std::move(x), saved ? &saved->h[i] : nullptr);
        x = ln_f.forward(on, std::move(x), saved ? &saved->ln_f : nullptr);
        return wte.project(on, std::move(x), saved ? &saved->head : nullptr);
    }

    /// Gradient of the logits [B, T, vocabulary]; adds to gradient. The tied table gets both parts.
    void backward(On& on, const Saved& saved, Activations dlogits, rebind<float>& gradient) const {
        auto dx = wte.project_backward(on, saved.head, dlogits, gradient.wte);
        dx = ln_f.backward(on, saved.ln_f, std::move(dx), gradient.ln_f);
        for (std::size_t i = h.size(); i-- > 0;)
            dx = h[i].backward(on, saved.h[i], std::move(dx), gradient.h[i]);
        dx.reshape(Shape{dx.rows(), dx.cols()});
        wpe.backward(on, saved.wpe, dx, gradient.wpe);
        wte.backward(on, saved.wte, dx, gradient.wte);
    }

    /// What a sequence's caches look like.
    [[nodiscard]] KvSequenceConfig kv_config() const {
        return kv_sequence_config(config.layers, config.context,
                                  {.channels = config.channels, .heads = config.heads});
    }
    /// The next positions of several sequences to what the head takes, [ids, channels]: ids lie part by
    /// part, and what lies behind the last part is padding. Fails when a sequence would pass the context.
    [[nodiscard]] Activations hidden(On& on, std::span<const std::int32_t> ids,
                                     std::span<const KvPart<On>> parts) const {
        expect_parts("Gpt2", ids.size(), parts, config.context);
        auto x = wte.forward(on, ids);
        Buffer<std::int32_t, Memory> numbers(ids.size());
        std::size_t r = 0;
        for (const KvPart<On>& part : parts)
            for (std::size_t i = 0; i < part.rows; ++i)
                numbers[r++] = static_cast<std::int32_t>(part.sequence->length() + i);
        const auto p = wpe.forward(on, numbers.span());
        add_to(on, p.view(), x.view());
        for (std::size_t i = 0; i < h.size(); ++i) x = h[i].forward(on, std::move(x), parts, i);
        return ln_f.forward(on, std::move(x));
    }
    /// Logits [rows, vocabulary] of what hidden gave.
    [[nodiscard]] Activations logits(On& on, Activations x) const {
        return wte.project(on, std::move(x));
    }
};

}  // namespace nibble
