// SPDX-License-Identifier: BSL-1.0
// Llama (Touvron et al. 2023) and Mistral (Jiang et al. 2023): rotary positions, grouped-query attention,
// with a sliding window or without, RMS norms, a gated feed-forward part, a head of its own or tied.
//
//     x = embed[token]
//     x += attn(norm(x));  x += down(silu(gate(norm(x))) * up(norm(x)))      for each block
//     logits = norm(x) head^T
//
// Parameter names are those of published safetensors files: model.embed_tokens.weight,
// model.layers.0.input_layernorm.weight, model.layers.0.self_attn.q_proj.weight, ..., model.norm.weight,
// lm_head.weight (absent where it is tied). P is one precision for all, or
// PerComponent<Attention, Mlp, Embedding>.
#pragma once

#include <nibble/layer/embedding.hpp>
#include <nibble/layer/mlp.hpp>
#include <nibble/layer/norm.hpp>
#include <nibble/layer/split_attention.hpp>
#include <nibble/model/kv_sequence.hpp>
#include <nibble/model/llama_config.hpp>
#include <nibble/model/tokens.hpp>

#include <cmath>
#include <vector>

namespace nibble::inline NIBBLE_ARCH {

/// One block: attention and a gated feed-forward part, each with its norm and its residual path.
template <class P, class On = Host>
struct LlamaBlock {
    static_assert(Precision<P>, "P must be a format, Mixed<...> or PerComponent<...>");
    using Activations = Tensor<float, typename On::Memory>;
    template <class Q>
    using rebind = LlamaBlock<Q, On>;

    RmsNorm<attention_t<P>, On> input_layernorm;
    SplitAttention<attention_t<P>, On> self_attn;
    RmsNorm<mlp_t<P>, On> post_attention_layernorm;
    GatedMlp<mlp_t<P>, On> mlp;

    /// What backward needs.
    struct Saved {
        typename RmsNorm<attention_t<P>, On>::Saved input_layernorm;
        typename SplitAttention<attention_t<P>, On>::Saved self_attn;
        typename RmsNorm<mlp_t<P>, On>::Saved post_attention_layernorm;
        typename GatedMlp<mlp_t<P>, On>::Saved mlp;
    };

    LlamaBlock() = default;
    /// Gains 1, everything else 0.
    explicit LlamaBlock(const LlamaConfig& c)
        : input_layernorm(NormConfig{.width = c.channels, .epsilon = c.epsilon}),
          self_attn(c.attention()),
          post_attention_layernorm(NormConfig{.width = c.channels, .epsilon = c.epsilon}),
          mlp(GatedMlpConfig{.in = c.channels, .hidden = c.hidden, .bias = c.mlp_bias}) {}

    template <class F, class... L>
    static void parameters(F&& f, L&... l) {
        f("input_layernorm", l.input_layernorm...);
        f("self_attn", l.self_attn...);
        f("post_attention_layernorm", l.post_attention_layernorm...);
        f("mlp", l.mlp...);
    }

    /// x [B, T, channels] to the same shape.
    [[nodiscard]] Activations forward(On& on, Activations x, Saved* saved = nullptr) const {
        auto a = self_attn.forward(
            on, input_layernorm.forward(on, x, saved ? &saved->input_layernorm : nullptr),
            saved ? &saved->self_attn : nullptr);
        add_to(on, a.view(), x.view());
        auto m = mlp.forward(on,
                             post_attention_layernorm.forward(
                                 on, x, saved ? &saved->post_attention_layernorm : nullptr),
                             saved ? &saved->mlp : nullptr);
        add_to(on, m.view(), x.view());
        return x;
    }
    /// x [rows, channels]: positions that continue the sequences of `parts`.
    [[nodiscard]] Activations forward(On& on, Activations x, std::span<const KvPart<On>> parts,
                                      std::size_t layer) const {
        const auto a = self_attn.forward(on, input_layernorm.forward(on, x), parts, layer);
        add_to(on, a.view(), x.view());
        const auto m = mlp.forward(on, post_attention_layernorm.forward(on, x));
        add_to(on, m.view(), x.view());
        return x;
    }

    [[nodiscard]] Activations backward(On& on, const Saved& saved, Activations dy,
                                       rebind<float>& gradient) const {
        auto dm = post_attention_layernorm.backward(on, saved.post_attention_layernorm,
                                                    mlp.backward(on, saved.mlp, dy, gradient.mlp),
                                                    gradient.post_attention_layernorm);
        add_to(on, dm.view(), dy.view());
        auto da = input_layernorm.backward(
            on, saved.input_layernorm,
            self_attn.backward(on, saved.self_attn, dy, gradient.self_attn),
            gradient.input_layernorm);
        add_to(on, da.view(), dy.view());
        return dy;
    }
};

/// The model: P is its precision, On where it runs.
template <class P, class On = Host>
struct Llama {
    static_assert(Precision<P>, "P must be a format, Mixed<...> or PerComponent<...>");
    using Activations = Tensor<float, typename On::Memory>;
    using Head = Linear<embedding_t<P>, On>;
    /// The format of keys and values where the caller names none.
    using CacheFormat = cache_t<attention_t<P>>;
    template <class Q>
    using rebind = Llama<Q, On>;
    static constexpr const char* name = "llama";

    Embedding<embedding_t<P>, On> embed_tokens;
    std::vector<LlamaBlock<P, On>> blocks;
    RmsNorm<attention_t<P>, On> norm;
    Head lm_head;  ///< empty where it is tied
    LlamaConfig config;

    /// What backward needs.
    struct Saved {
        typename Embedding<embedding_t<P>, On>::Saved embed_tokens;
        std::vector<typename LlamaBlock<P, On>::Saved> blocks;
        typename RmsNorm<attention_t<P>, On>::Saved norm;
        typename Embedding<embedding_t<P>, On>::ProjectSaved tied;
        typename Head::Saved lm_head;
    };

    Llama() = default;
    /// Gains 1, everything else 0. Fails when sizes do not fit together.
    explicit Llama(const LlamaConfig& c)
        : embed_tokens(EmbeddingConfig{checked(c).vocabulary, c.channels}),
          blocks(c.layers, LlamaBlock<P, On>(c)),
          norm(NormConfig{.width = c.channels, .epsilon = c.epsilon}),
          config(c) {
        if (!c.tied) lm_head = Head({c.channels, c.vocabulary, false});
    }
    /// Normal numbers of deviation 0.02, 0.02 / sqrt(2 layers) for the two projections onto the residual
    /// path, in the order of parameters; every precision starts from the same weights.
    Llama(const LlamaConfig& c, Seed seed) : Llama(c) {
        On on;
        Random random(seed.value);
        const double residual = 0.02 / std::sqrt(2.0 * static_cast<double>(c.layers));
        draw_normal(on, random, 0.02, embed_tokens.weight);
        for (auto& b : blocks) {
            for (auto* linear : {&b.self_attn.q_proj, &b.self_attn.k_proj, &b.self_attn.v_proj})
                draw_normal(on, random, 0.02, linear->weight);
            draw_normal(on, random, residual, b.self_attn.o_proj.weight);
            draw_normal(on, random, 0.02, b.mlp.gate_proj.weight);
            draw_normal(on, random, 0.02, b.mlp.up_proj.weight);
            draw_normal(on, random, residual, b.mlp.down_proj.weight);
        }
        if (!c.tied) draw_normal(on, random, 0.02, lm_head.weight);
    }

    template <class F, class... L>
    static void parameters(F&& f, L&... l) {
        f("model.embed_tokens", l.embed_tokens...);
        f("model.layers", l.blocks...);
        f("model.norm", l.norm...);
        f("lm_head", l.lm_head...);
    }

    /// Tokens of [B, T] to logits [B, T, vocabulary]. Fails on ids outside the vocabulary and on
    /// sequences that are empty, ragged or longer than the context.
    [[nodiscard]] Activations forward(On& on, Tokens tokens, Saved* saved = nullptr) const {
        const std::size_t length = tokens.length, batch = tokens.batch();
        expect_tokens("Llama", tokens, config.context);
        auto x = embed_tokens.forward(on, tokens.ids, saved ? &saved->embed_tokens : nullptr);
        x.reshape(Shape{batch, length, config.channels});
        if (saved != nullptr) saved->blocks.resize(blocks.size());
        for (std::size_t i = 0; i < blocks.size(); ++i)
            x = blocks[i].forward(on, std::move(x), saved ? &saved->blocks[i] : nullptr);
        x = norm.forward(on, std::move(x), saved ? &saved->norm : nullptr);
        return config.tied ? embed_tokens.project(on, std::move(x), saved ? &saved->tied : nullptr)
                           : lm_head.forward(on, std::move(x), saved ? &saved->lm_head : nullptr);
    }

    /// Gradient of the logits [B, T, vocabulary]; adds to gradient. A tied table gets both parts.
    void backward(On& on, const Saved& saved, Activations dlogits, rebind<float>& gradient) const {
        auto dx =
            config.tied
                ? embed_tokens.project_backward(on, saved.tied, dlogits, gradient.embed_tokens)
                : lm_head.backward(on, saved.lm_head, std::move(dlogits), gradient.lm_head);
        dx = norm.backward(on, saved.norm, std::move(dx), gradient.norm);
        for (std::size_t i = blocks.size(); i-- > 0;)
            dx = blocks[i].backward(on, saved.blocks[i], std::move(dx), gradient.blocks[i]);
        dx.reshape(Shape{dx.rows(), dx.cols()});
        embed_tokens.backward(on, saved.embed_tokens, dx, gradient.embed_tokens);
    }

    /// What a sequence's caches look like. With a window they slide, a block of positions beyond it.
    [[nodiscard]] KvSequenceConfig kv_config() const {
        return kv_sequence_config(config.layers, config.context, config.attention());
    }
    /// The next positions of several sequences to what the head takes, [ids, channels]: ids lie part by
    /// part, and what lies behind the last part is padding. Fails when a sequence would pass the context.
    [[nodiscard]] Activations hidden(On& on, std::span<const std::int32_t> ids,
                                     std::span<const KvPart<On>> parts) const {
        expect_parts("Llama", ids.size(), parts, config.context);
        auto x = embed_tokens.forward(on, ids);
        for (std::size_t i = 0; i < blocks.size(); ++i)
            x = blocks[i].forward(on, std::move(x), parts, i);
        return norm.forward(on, std::move(x));
    }
    /// Logits [rows, vocabulary] of what hidden gave.
    [[nodiscard]] Activations logits(On& on, Activations x) const {
        return config.tied ? embed_tokens.project(on, std::move(x))
                           : lm_head.forward(on, std::move(x));
    }
};

}  // namespace nibble
