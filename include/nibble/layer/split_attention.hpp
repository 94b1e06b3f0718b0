// SPDX-License-Identifier: BSL-1.0
// SplitAttention: Attention with a weight each for queries, keys, values and output, as Llama and
// Mistral have them: q_proj, k_proj, v_proj, o_proj.
#pragma once

#include <nibble/layer/attention.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// x [batch, time, channels] to the same shape.
template <LayerPrecision P, class On = Host>
struct SplitAttention {
    using Memory = typename On::Memory;
    using Activations = Tensor<float, Memory>;
    using Cache = KvCache<cache_t<P>, On>;
    template <class Q>
    using rebind = SplitAttention<Q, On>;

    Linear<P, On> q_proj;  ///< channels to query_width
    Linear<P, On> k_proj;  ///< channels to key_width
    Linear<P, On> v_proj;  ///< channels to key_width
    Linear<P, On> o_proj;  ///< query_width to channels
    AttentionConfig config;

    /// What backward needs. x is kept once, by q_proj.
    struct Saved {
        typename Linear<P, On>::Saved x;
        Tensor<kept_t<P>, Memory> q;  ///< after rotation
        Tensor<kept_t<P>, Memory> k;  ///< after rotation
        Tensor<kept_t<P>, Memory> v;
        Tensor<float, Memory> lse;  ///< log of the sum of each softmax: [batch * heads, time]
        typename Linear<P, On>::Saved o_proj;
        AttentionShape shape;
    };

    SplitAttention() = default;
    /// All zeros.
    explicit SplitAttention(AttentionConfig c)
        : q_proj({checked(c).channels, c.query_width(), c.bias}),
          k_proj({c.channels, c.key_width(), c.bias}),
          v_proj({c.channels, c.key_width(), c.bias}),
          o_proj({c.query_width(), c.channels, c.bias}),
          config(c) {}
    /// The four projections from their own draws.
    SplitAttention(AttentionConfig c, Seed seed)
        : q_proj({checked(c).channels, c.query_width(), c.bias}, seed.part(0)),
          k_proj({c.channels, c.key_width(), c.bias}, seed.part(1)),
          v_proj({c.channels, c.key_width(), c.bias}, seed.part(2)),
          o_proj({c.query_width(), c.channels, c.bias}, seed.part(3)),
          config(c) {}

    template <class F, class... L>
    static void parameters(F&& f, L&... l) {
        f("q_proj", l.q_proj...);
        f("k_proj", l.k_proj...);
        f("v_proj", l.v_proj...);
        f("o_proj", l.o_proj...);
    }

    /// An empty cache for one sequence of up to `capacity` positions. With a window that fits into it
    /// it slides, and the sequence has no end.
    [[nodiscard]] Cache cache(std::size_t capacity) const {
        return cache(capacity, config.window != 0 && config.window <= capacity);
    }
    /// The same; a sliding cache forgets the oldest position when it is full.
    [[nodiscard]] Cache cache(std::size_t capacity, bool sliding) const {
        return Cache({.capacity = capacity,
                      .heads = config.key_heads(),
                      .head_size = config.size_of_head(),
                      .sliding = sliding});
    }

    [[nodiscard]] Activations forward(On& on, Activations x, Saved* saved = nullptr) const {
        const AttentionShape shape = attention_shape(config, x.shape());
        Projected p = project(on, shape, 0, std::move(x), saved ? &saved->x : nullptr);
        auto y = Activations::uninitialized(p.q.shape());
        if (saved != nullptr)
            saved->lse = Activations::uninitialized(Shape{shape.batch * shape.heads, shape.time});
        attention(on, shape, p.q.view(), p.k.view(), p.v.view(), y.view(),
                  saved ? saved->lse.view() : View<float>{});
        if (saved != nullptr) {
            saved->q = keep<P>(on, std::move(p.q));
            saved->k = keep<P>(on, std::move(p.k));
            saved->v = keep<P>(on, std::move(p.v));
            saved->shape = shape;
        }
        return o_proj.forward(on, std::move(y), saved ? &saved->o_proj : nullptr);
    }

    /// x continues the sequence in the cache: [1, time, channels] or [time, channels].
    [[nodiscard]] Activations forward(On& on, Activations x, Cache& cache) const {
        const AttentionShape shape = attention_shape(config, x.shape());
        const Projected p = project(on, shape, cache.length(), std::move(x), nullptr);
        auto y = Activations::uninitialized(p.q.shape());
        attend_cached(on, shape, p.q.view(), p.k.view(), p.v.view(), cache, y.view());
        return o_proj.forward(on, std::move(y));
    }

    /// x [rows, channels] continues several sequences, part by part: see Attention.
    template <class Part>
    [[nodiscard]] Activations forward(On& on, Activations x, std::span<const Part> parts,
                                      std::size_t layer) const {
        expect_features("Attention", x.shape(), config.channels);
        round_activation<P>(on, x);
        Projected p{q_proj.apply(on, x), k_proj.apply(on, x), v_proj.apply(on, x)};
        std::size_t r = 0;
        for (const Part& part : parts) {
            const AttentionShape shape = config.shape(1, part.rows);
            const std::size_t first = part.cache(layer).length();
            turn(on, shape, first, p.q.view().row_block(r, part.rows), Turn::forward);
            turn(on, shape, first, p.k.view().row_block(r, part.rows), Turn::forward);
            r += part.rows;
        }
        round_activation<P>(on, p.q);
        round_activation<P>(on, p.k);
        round_activation<P>(on, p.v);
        auto y = Activations::uninitialized(p.q.shape());
        r = 0;
        for (const Part& part : parts) {
            const std::size_t n = part.rows;
            part.cache(layer).attend(on, config.shape(1, n), p.q.view().row_block(r, n),
                                     p.k.view().row_block(r, n), p.v.view().row_block(r, n),
                                     y.view().row_block(r, n));
            r += n;
        }
        clear_rows(y.view(), r);
        return o_proj.forward(on, std::move(y));
    }

    [[nodiscard]] Activations backward(On& on, const Saved& saved, Activations dy,
                                       rebind<float>& gradient) const {
        const auto da = o_proj.backward(on, saved.o_proj, std::move(dy), gradient.o_proj);
        const auto& q = widened(on, saved.q);
        const auto& k = widened(on, saved.k);
        const auto& v = widened(on, saved.v);
        Activations dq(q.shape()), dk(k.shape()), dv(v.shape());
        attention_backward(on, saved.shape, q.view(), k.view(), v.view(), saved.lse.view(),
                           da.view(), dq.view(), dk.view(), dv.view());
        turn(on, saved.shape, 0, dq.view(), Turn::back);
        turn(on, saved.shape, 0, dk.view(), Turn::back);
        auto dx = q_proj.backward(on, saved.x, std::move(dq), gradient.q_proj);
        add_to(on, k_proj.backward(on, saved.x, std::move(dk), gradient.k_proj).view(), dx.view());
        add_to(on, v_proj.backward(on, saved.x, std::move(dv), gradient.v_proj).view(), dx.view());
        return dx;
    }

private:
    struct Projected {
        Activations q, k, v;
    };
    Projected project(On& on, const AttentionShape& shape, std::size_t first, Activations x,
                      typename Linear<P, On>::Saved* saved) const {
        round_activation<P>(on, x);
        Projected p{{}, k_proj.apply(on, x), v_proj.apply(on, x)};
        p.q = q_proj.forward(on, std::move(x), saved);
        turn(on, shape, first, p.q.view(), Turn::forward);
        turn(on, shape, first, p.k.view(), Turn::forward);
        round_activation<P>(on, p.q);
        round_activation<P>(on, p.k);
        round_activation<P>(on, p.v);
        return p;
    }
    void turn(On& on, const AttentionShape& shape, std::size_t first, View<float> x,
              Turn direction) const {
        if (config.rotary_base == 0.0f) return;
        rotate(on, config.rotary_shape(x.cols / shape.head_size), shape.time, first, x, direction);
    }
};

}  // namespace nibble
