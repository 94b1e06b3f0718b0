// SPDX-License-Identifier: BSL-1.0
// Multi-head attention over whole sequences: softmax(scale q k^T) v, causal, grouped-query (Ainslie
// et al. 2023), with an optional sliding window.
//
// q is [batch * time, heads * head_size], k and v are [batch * time, kv_heads * head_size]; blocks of
// columns of one tensor will do. For each sequence and key head, keys are transposed once into
// scratch, so that scores are computed with a register's lanes over keys; scores of eight queries
// at a time exist, never time x time. One (sequence, key head) is computed by one thread in a fixed
// order. Kept for backward (attention_backward.hpp): log of the sum of e^score, one number a query
// and head (Dao et al. 2022).
#pragma once

#include <nibble/kernel/softmax.hpp>
#include <nibble/kernel/tile.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// What attention works on.
struct AttentionShape {
    std::size_t batch = 1;
    std::size_t time = 0;      ///< rows of q, k and v for each sequence
    std::size_t heads = 1;     ///< query heads
    std::size_t kv_heads = 1;  ///< divides heads; fewer than heads: grouped-query
    std::size_t head_size = 0;
    std::size_t window = 0;  ///< a query sees this many latest keys, its own included; 0: all
    bool causal = true;  ///< false: a query sees later keys too (and all of a window's reach back)
    float scale = 0.0f;  ///< of scores; 0: 1 / sqrt(head_size)

    [[nodiscard]] std::size_t group() const noexcept { return heads / kv_heads; }
    [[nodiscard]] float factor() const noexcept {
        return scale != 0.0f ? scale : 1.0f / std::sqrt(static_cast<float>(head_size));
    }
    /// First key that query t sees.
    [[nodiscard]] std::size_t first_key(std::size_t t) const noexcept {
        return window == 0 || t + 1 <= window ? 0 : t + 1 - window;
    }
    /// One past the last key that query t sees.
    [[nodiscard]] std::size_t end_key(std::size_t t) const noexcept {
        return causal ? t + 1 : time;
    }
};

/// Fails unless q, k, v and out have the shapes that s asks for.
template <class E>
void expect_attention(const char* where, const AttentionShape& s, View<const float> q,
                      View<const float> k, View<const float> v, View<E> out) {
    if (s.kv_heads == 0 || s.heads % s.kv_heads != 0)
        fail(std::string(where) + ": " + std::to_string(s.heads) + " heads are not a multiple of " +
             std::to_string(s.kv_heads) + " key heads");
    expect_shape(q, s.batch * s.time, s.heads * s.head_size, where, "q");
    expect_shape(k, s.batch * s.time, s.kv_heads * s.head_size, where, "k");
    expect_shape(v, s.batch * s.time, s.kv_heads * s.head_size, where, "v");
    expect_shape(out, s.batch * s.time, s.heads * s.head_size, where, "the output");
}

/// Queries whose scores are computed together; also how keys are tiled in backward.
inline constexpr std::size_t query_tile = 8;

/// The keys, in whole registers, that scores of the queries [first, end) are computed for.
struct KeyRange {
    std::size_t first;
    std::size_t end;
};

template <class A>
[[nodiscard]] KeyRange key_range(const AttentionShape& s, std::size_t first,
                                 std::size_t end) noexcept {
    constexpr std::size_t lanes = Batch<float, A>::lanes;
    constexpr std::size_t unit = lanes > query_tile ? lanes : query_tile;
    return {s.first_key(first) / unit * unit, whole_lanes<A>(s.end_key(end - 1))};
}

/// Copies one head's rows of x to out, `row` apart, times `by`; columns from head_size on become zero.
template <class A>
void pack_head(View<const float> x, std::size_t first_row, std::size_t rows, std::size_t column,
               std::size_t head_size, float by, float* out, std::size_t row) noexcept {
    using B = Batch<float, A>;
    const B factor(by);
    for (std::size_t t = 0; t < rows; ++t) {
        const float* p = x.row(first_row + t) + column;
        for (std::size_t d = 0; d < head_size; d += B::lanes) {
            const B part = load_part<A>(p + d, head_size - d, false);
            (part * factor).store(out + t * row + d);
        }
    }
}

/// The transpose of pack_head: out[d, t], `row` apart; columns from `rows` on become zero.
template <class A>
void pack_head_transposed(View<const float> x, std::size_t first_row, std::size_t rows,
                          std::size_t column, std::size_t head_size, float by, float* out,
                          std::size_t row) noexcept {
    for (std::size_t t = 0; t < rows; ++t) {
        const float* p = x.row(first_row + t) + column;
        for (std::size_t d = 0; d < head_size; ++d) out[d * row + t] = p[d] * by;
    }
    for (std::size_t d = 0; d < head_size; ++d)
        for (std::size_t t = rows; t < row; ++t) out[d * row + t] = 0.0f;
}

/// -infinity for the scores in `range` that query t does not see.
template <class A>
NIBBLE_INLINE void mask_scores(const AttentionShape& s, std::size_t t, KeyRange range,
                               float* scores) noexcept {
    using B = Batch<float, A>;
    const B nothing(-std::numeric_limits<float>::infinity());
    const std::size_t first = s.first_key(t), end = s.end_key(t);
    for (std::size_t i = range.first; i < first; i += B::lanes) {
        const B key = B::iota(static_cast<float>(i));
        select(key < B(static_cast<float>(first)), nothing, B::load(scores + i)).store(scores + i);
    }
    for (std::size_t i = end / B::lanes * B::lanes; i < range.end; i += B::lanes) {
        const B key = B::iota(static_cast<float>(i));
        select(key < B(static_cast<float>(end)), B::load(scores + i), nothing).store(scores + i);
    }
}

/// out = attention of q over k and v. lse, unless empty, is [batch * heads, time] and keeps what
/// attention_backward needs.
template <class A>
void attention(const BasicHost<A>& on, const AttentionShape& s, View<const float> q,
               View<const float> k, View<const float> v, View<float> out, View<float> lse = {}) {
    using B = Batch<float, A>;
    constexpr std::size_t lanes = B::lanes;
    expect_attention("attention", s, q, k, v, out);
    if (lse.data != nullptr)
        expect_shape(lse, s.batch * s.heads, s.time, "attention", "the log-sum-exp");
    if (q.empty()) return;
    const std::size_t keys = padded(s.time), width = whole_lanes<A>(s.head_size);
    on.parallel_for(s.batch * s.kv_heads, 1, [&](std::size_t first, std::size_t end) {
        auto scratch = Tensor<float>::uninitialized(
            Shape{keys * (s.head_size + width) + query_tile * (keys + width) + 4 * lanes});
        float* const k_across = scratch.data();               // [head_size, keys], scaled
        float* const v_rows = k_across + s.head_size * keys;  // [time, width]
        float* const scores = v_rows + keys * width;          // [query_tile, keys]
        float* const sums = scores + query_tile * keys;       // [query_tile, width]
        float* const tops = sums + query_tile * width;
        float* const totals = tops + 2 * lanes;
        for (std::size_t item = first; item < end; ++item) {
            const std::size_t b = item / s.kv_heads, kv = item % s.kv_heads, row = b * s.time;
            pack_head_transposed<A>(k, row, s.time, kv * s.head_size, s.head_size, s.factor(),
                                    k_across, keys);
            pack_head<A>(v, row, s.time, kv * s.head_size, s.head_size, 1.0f, v_rows, width);
            for (std::size_t h = kv * s.group(); h < (kv + 1) * s.group(); ++h) {
                const std::size_t column = h * s.head_size;
                for (std::size_t t = 0; t < s.time; t += query_tile) {
                    const std::size_t n = s.time - t < query_tile ? s.time - t : query_tile;
                    const KeyRange range = key_range<A>(s, t, t + n);
                    tile_product<A, false>(n, range.end - range.first, s.head_size,
                                           {q.row(row + t) + column, q.stride, 1},
                                           k_across + range.first, keys, scores + range.first,
                                           keys);
                    for (std::size_t m = 0; m < n; ++m) {
                        float* const p = scores + m * keys;
                        mask_scores<A>(s, t + m, range, p);
                        const std::size_t count = range.end - range.first;
                        tops[m] = row_max<A>(p + range.first, count);
                        if (!(tops[m] > -std::numeric_limits<float>::infinity())) tops[m] = 0.0f;
                        totals[m] = row_exp<A>(p + range.first, tops[m], p + range.first, count,
                                               true, true);
                    }
                    const std::size_t seen = s.end_key(t + n - 1);
                    tile_product<A, false>(n, width, seen - range.first,
                                           {scores + range.first, keys, 1},
                                           v_rows + range.first * width, width, sums, width);
                    for (std::size_t m = 0; m < n; ++m) {
                        const B by(1.0f / totals[m]);
                        float* const p = out.row(row + t + m) + column;
                        for (std::size_t d = 0; d < s.head_size; d += lanes)
                            store_part(B::load(sums + m * width + d) * by, p + d, s.head_size - d,
                                       false);
                    }
                    if (lse.data == nullptr) continue;
                    float* const kept = lse.row(b * s.heads + h) + t;
                    for (std::size_t m = 0; m < n; m += lanes)
                        store_part(B::load(tops + m) + log(B::load(totals + m)), kept + m, n - m,
                                   false);
                }
                if (lse.data != nullptr) clear_padding<A>(lse, b * s.heads + h);
            }
            if (kv == 0)
                for (std::size_t t = 0; t < s.time; ++t) clear_padding<A>(out, row + t);
        }
    });
}

}  // namespace nibble
