// SPDX-License-Identifier: BSL-1.0
// Multi-head attention (Vaswani et al. 2017), grouped-query (Ainslie et al. 2023), causal or not, with
// an optional sliding window, and rotary positions (Su et al. 2021) or none.
//
//     q, k, v = x W^T;   y = softmax(q k^T / sqrt(head size)) v, each head by itself;   out = y W_o^T
//
// Attention has one weight for queries, keys and values: c_attn, rows q | k | v, as GPT-2 names it.
// SplitAttention (split_attention.hpp) has one each, as Llama.
#pragma once

#include <nibble/kernel/attention.hpp>
#include <nibble/kernel/attention_backward.hpp>
#include <nibble/kernel/attention_cached.hpp>
#include <nibble/layer/kv_cache.hpp>
#include <nibble/layer/linear.hpp>
#include <nibble/layer/positions.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// What an attention layer looks like. Zeros choose the usual: see each.
struct AttentionConfig {
    std::size_t channels = 0;  ///< features of x and of the output
    std::size_t heads = 0;
    std::size_t kv_heads = 0;         ///< heads of keys and values, a divisor of heads; 0: as many
    std::size_t head_size = 0;        ///< 0: channels / heads
    bool bias = true;                 ///< of all projections
    bool causal = true;               ///< position t sees no position after t
    std::size_t window = 0;           ///< positions seen, the own one included; 0: all
    float rotary_base = 0.0f;         ///< 10000, say; 0: no rotary positions
    bool rotary_interleaved = false;  ///< pairs (2i, 2i + 1) instead of (i, i + head size / 2)
    RotaryScaling rotary_scaling{};   ///< for contexts longer than in training

    [[nodiscard]] constexpr std::size_t key_heads() const noexcept {
        return kv_heads != 0 ? kv_heads : heads;
    }
    [[nodiscard]] constexpr std::size_t size_of_head() const noexcept {
        return head_size != 0 || heads == 0 ? head_size : channels / heads;
    }
    /// Features of all queries, and of all keys.
    [[nodiscard]] constexpr std::size_t query_width() const noexcept {
        return heads * size_of_head();
    }
    [[nodiscard]] constexpr std::size_t key_width() const noexcept {
        return key_heads() * size_of_head();
    }
    /// The same for the kernels; `turning` heads lie side by side.
    [[nodiscard]] constexpr RotaryShape rotary_shape(std::size_t turning) const noexcept {
        return {.heads = turning,
                .head_size = size_of_head(),
                .base = static_cast<double>(rotary_base),
                .interleaved = rotary_interleaved,
                .scaling = rotary_scaling};
    }
    [[nodiscard]] constexpr AttentionShape shape(std::size_t batch,
                                                 std::size_t time) const noexcept {
        return {.batch = batch,
                .time = time,
                .heads = heads,
                .kv_heads = key_heads(),
                .head_size = size_of_head(),
                .window = window,
                .causal = causal};
    }
};

/// The config itself; fails when its numbers do not fit together.
[[nodiscard]] inline const AttentionConfig& checked(const AttentionConfig& c) {
    const std::string met = std::to_string(c.channels) + " channels, " + std::to_string(c.heads) +
                            " heads, " + std::to_string(c.key_heads()) + " key heads";
    if (c.channels == 0 || c.heads == 0) fail("Attention: " + met + ", expected all above 0");
    if (c.head_size == 0 && c.channels % c.heads != 0)
        fail("Attention: " + met + ", expected heads to divide channels");
    if (c.heads % c.key_heads() != 0)
        fail("Attention: " + met + ", expected key heads to divide heads");
    if (c.rotary_base != 0.0f && c.size_of_head() % 2 != 0)
        fail("Attention: heads of " + std::to_string(c.size_of_head()) +
             ", expected an even size for rotary positions");
    return c;
}

/// Batch and time of x: [batch, time, channels], or [time, channels] for a batch of one.
[[nodiscard]] inline AttentionShape attention_shape(const AttentionConfig& c, const Shape& x) {
    if (x.rank() < 2 || x.rank() > 3)
        fail("Attention: input " + to_string(x) + ", expected [batch, time, channels]");
    expect_features("Attention", x, c.channels);
    return c.shape(x.rank() == 3 ? x[0] : 1, x[x.rank() - 2]);
}

/// Adds positions to the cache and attends over what it holds: q, k and v are `time` consecutive
/// positions of one sequence, rotated already.
template <class On, class F>
void attend_cached(On& on, const AttentionShape& shape, View<const float> q, View<const float> k,
                   View<const float> v, KvCache<F, On>& cache, View<float> y) {
    if (shape.batch != 1)
        fail("Attention: a cache holds one sequence, but the input is a batch of " +
             std::to_string(shape.batch));
    const KvShape& kv = cache.store().shape();
    if (kv.heads != shape.kv_heads || kv.head_size != shape.head_size)
        fail("Attention: the cache has " + std::to_string(kv.heads) + " heads of " +
             std::to_string(kv.head_size) + ", expected " + std::to_string(shape.kv_heads) +
             " of " + std::to_string(shape.head_size));
    cache.expect_room(shape.time);
    const std::size_t capacity = cache.capacity();
    const std::size_t window =
        shape.window != 0 && shape.window < capacity ? shape.window : capacity;
    for (std::size_t t = 0; t < shape.time;) {
        // As many at once as overwrite no position that one of them still sees.
        const std::size_t room = capacity - cache.held(), spare = capacity - window + 1;
        const std::size_t most = room > spare ? room : spare, left = shape.time - t;
        const std::size_t n = left < most ? left : most;
        for (std::size_t i = t; i < t + n; ++i) cache.append(on, k.row(i), v.row(i));
        attention_cached(
            on,
            {.heads = shape.heads, .queries = n, .length = cache.length(), .window = shape.window},
            q.row_block(t, n), cache.store(), y.row_block(t, n));
        t += n;
    }
}

/// Zeros in the rows from `first` on.
inline void clear_rows(View<float> y, std::size_t first) noexcept {
    for (std::size_t r = first; r < y.rows; ++r) std::memset(y.row(r), 0, y.cols * sizeof(float));
}

/// x [batch, time, channels] to the same shape.
template <LayerPrecision P, class On = Host>
struct Attention {
    using Memory = typename On::Memory;
    using Activations = Tensor<float, Memory>;
    using Cache = KvCache<cache_t<P>, On>;
    template <class Q>
    using rebind = Attention<Q, On>;

    Linear<P, On> c_attn;  ///< channels to query_width + 2 key_width: rows q | k | v
    Linear<P, On> c_proj;  ///< query_width to channels
    AttentionConfig config;

    /// What backward needs.
    struct Saved {
        typename Linear<P, On>::Saved c_attn;
        Tensor<kept_t<P>, Memory> qkv;  ///< after rotation
        Tensor<float, Memory> lse;      ///< log of the sum of each softmax: [batch * heads, time]
        typename Linear<P, On>::Saved c_proj;
        AttentionShape shape;
    };

    Attention() = default;
    /// All zeros.
    explicit Attention(AttentionConfig c)
        : c_attn({checked(c).channels, c.query_width() + 2 * c.key_width(), c.bias}),
          c_proj({c.query_width(), c.channels, c.bias}),
          config(c) {}
    /// Both projections from their own draws.
    Attention(AttentionConfig c, Seed seed)
        : c_attn({checked(c).channels, c.query_width() + 2 * c.key_width(), c.bias}, seed.part(0)),
          c_proj({c.query_width(), c.channels, c.bias}, seed.part(1)),
          config(c) {}

    template <class F, class... L>
    static void parameters(F&& f, L&... l) {
        f("c_attn", l.c_attn...);
        f("c_proj", l.c_proj...);
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
        auto qkv = c_attn.forward(on, std::move(x), saved ? &saved->c_attn : nullptr);
        turn(on, shape, 0, qkv.view(), Turn::forward);
        round_activation<P>(on, qkv);
        auto y = Activations::uninitialized(qkv.shape().with_cols(config.query_width()));
        if (saved != nullptr)
            saved->lse = Activations::uninitialized(Shape{shape.batch * shape.heads, shape.time});
        attention(on, shape, queries(qkv), keys(qkv), values(qkv), y.view(),
                  saved ? saved->lse.view() : View<float>{});
        if (saved != nullptr) {
            saved->qkv = keep<P>(on, std::move(qkv));
            saved->shape = shape;
        }
        return c_proj.forward(on, std::move(y), saved ? &saved->c_proj : nullptr);
    }

    /// x continues the sequence in the cache: [1, time, channels] or [time, channels].
    [[nodiscard]] Activations forward(On& on, Activations x, Cache& cache) const {
        const AttentionShape shape = attention_shape(config, x.shape());
        auto qkv = c_attn.forward(on, std::move(x));
        turn(on, shape, cache.length(), qkv.view(), Turn::forward);
        round_activation<P>(on, qkv);
        auto y = Activations::uninitialized(qkv.shape().with_cols(config.query_width()));
        attend_cached(on, shape, queries(qkv), keys(qkv), values(qkv), cache, y.view());
        return c_proj.forward(on, std::move(y));
    }

    /// x [rows, channels] continues several sequences, part by part. A part has `rows` and cache(layer),
    /// which has length() and attend() (model/kv_sequence.hpp). Rows after the last part stand for
    /// nothing.
    template <class Part>
    [[nodiscard]] Activations forward(On& on, Activations x, std::span<const Part> parts,
                                      std::size_t layer) const {
        expect_features("Attention", x.shape(), config.channels);
        auto qkv = c_attn.forward(on, std::move(x));
        std::size_t r = 0;
        for (const Part& part : parts) {
            turn(on, config.shape(1, part.rows), part.cache(layer).length(),
                 qkv.view().row_block(r, part.rows), Turn::forward);
            r += part.rows;
        }
        round_activation<P>(on, qkv);
        auto y = Activations::uninitialized(qkv.shape().with_cols(config.query_width()));
        r = 0;
        for (const Part& part : parts) {
            const std::size_t n = part.rows;
            part.cache(layer).attend(on, config.shape(1, n), queries(qkv).row_block(r, n),
                                     keys(qkv).row_block(r, n), values(qkv).row_block(r, n),
                                     y.view().row_block(r, n));
            r += n;
        }
        clear_rows(y.view(), r);
        return c_proj.forward(on, std::move(y));
    }

    [[nodiscard]] Activations backward(On& on, const Saved& saved, Activations dy,
                                       rebind<float>& gradient) const {
        const auto da = c_proj.backward(on, saved.c_proj, std::move(dy), gradient.c_proj);
        const auto& qkv = widened(on, saved.qkv);
        Activations d(qkv.shape());
        attention_backward(on, saved.shape, queries(qkv), keys(qkv), values(qkv), saved.lse.view(),
                           da.view(), part(d, 0, config.query_width()),
                           part(d, config.query_width(), config.key_width()),
                           part(d, config.query_width() + config.key_width(), config.key_width()));
        turn(on, saved.shape, 0, d.view(), Turn::back);
        return c_attn.backward(on, saved.c_attn, std::move(d), gradient.c_attn);
    }

private:
    static View<float> part(Activations& x, std::size_t first, std::size_t n) {
        return x.view().col_block(first, n);
    }
    View<const float> queries(const Activations& qkv) const {
        return qkv.view().col_block(0, config.query_width());
    }
    View<const float> keys(const Activations& qkv) const {
        return qkv.view().col_block(config.query_width(), config.key_width());
    }
    View<const float> values(const Activations& qkv) const {
        return qkv.view().col_block(config.query_width() + config.key_width(), config.key_width());
    }
    /// Rotates queries and keys, which lie side by side.
    void turn(On& on, const AttentionShape& shape, std::size_t first, View<float> qkv,
              Turn direction) const {
        if (config.rotary_base == 0.0f) return;
        rotate(on, config.rotary_shape(shape.heads + shape.kv_heads), shape.time, first,
               qkv.col_block(0, config.query_width() + config.key_width()), direction);
    }
};

}  // namespace nibble
