// SPDX-License-Identifier: BSL-1.0
// The gradients of attention. With p = softmax(scale q k^T), from the saved log-sum-exp:
//
//     dv = p^T dout     dp = dout v^T     ds = p (dp - sum of p dp)     dq = scale ds k
//                                                                      dk = scale ds^T q
//
// The sums over keys stand for dout . out, so the output need not be kept. A block of queries at a
// time has its p and dp in scratch; what falls outside the causal triangle or the window is skipped
// in tiles of eight queries and eight keys.
#pragma once

#include <nibble/kernel/attention.hpp>
#include <nibble/kernel/tile.hpp>

#include <utility>

namespace nibble::inline NIBBLE_ARCH {

/// Queries, and keys, that backward works on at a time.
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

/// Scratch of attention_backward for one (sequence, key head).
template <class A>
struct AttentionScratch {
    std::size_t keys, width, block;  ///< padded time; padded head size; queries at a time
    Tensor<float> storage;
    float* k_across;   ///< [head_size, keys], scaled
    float* v_across;   ///< [head_size, keys]
    float* k_rows;     ///< [time, width], scaled
    float* q_rows;     ///< [block, width]
    float* dout_rows;  ///< [block, width]
    float* p;          ///< [block, keys]
    float* ds;         ///< [block, keys]
    float* dk;         ///< [keys, width]
    float* dv;         ///< [keys, width]
    float* out;        ///< [query_tile, width]

    explicit AttentionScratch(const AttentionShape& s)
        : keys(padded(s.time)), width(whole_lanes<A>(s.head_size)), block(query_tile) {
        // p and ds of a block take at most 128 KiB (but eight queries at least): they stay in L2.
        while (block < 64 && 2 * block * keys <= 16384) block *= 2;
        const std::size_t across = s.head_size * keys, rows = keys * width, tile = block * width;
        storage = Tensor<float>::uninitialized(
            Shape{2 * across + 3 * rows + 2 * tile + 2 * block * keys + query_tile * width});
        float* next = storage.data();
        auto take = [&](std::size_t n) { return std::exchange(next, next + n); };
        k_across = take(across);
        v_across = take(across);
        k_rows = take(rows);
        q_rows = take(tile);
        dout_rows = take(tile);
        p = take(block * keys);
        ds = take(block * keys);
        dk = take(rows);
        dv = take(rows);
        out = take(query_tile * width);
    }
};

/// p and ds of up to eight queries, from scores and dp in their places.
template <class A>
void softmax_gradient_tile(const AttentionShape& s, std::size_t t, std::size_t n, KeyRange range,
                           const float* lse, float* p, float* ds, std::size_t row) noexcept {
    using B = Batch<float, A>;
    for (std::size_t m = 0; m < n; ++m, p += row, ds += row) {
        mask_scores<A>(s, t + m, range, p);
        const B from(lse[t + m]);
        B along(0.0f), along2(0.0f);
        for (std::size_t i = range.first; i < range.end; i += B::lanes) {
            const B e = exp(B::load(p + i) - from);
            e.store(p + i);
            const B next = fma(e, B::load(ds + i), along);  // two sums take turns
            along = along2;
            along2 = next;
        }
        const B level(reduce_add(along + along2));
        for (std::size_t i = range.first; i < range.end; i += B::lanes)
            (B::load(p + i) * (B::load(ds + i) - level)).store(ds + i);
    }
}

/// Adds a block of queries' part to dk and dv: for eight keys at a time, over the queries that see
/// any of them.
template <class A>
void key_gradients(const AttentionShape& s, std::size_t t, std::size_t n,
                   AttentionScratch<A>& w) noexcept {
    const std::size_t lanes = Batch<float, A>::lanes;
    const std::size_t unit = lanes > query_tile ? lanes : query_tile;
    const std::size_t first = s.first_key(t) / unit * unit, end = s.end_key(t + n - 1);
    for (std::size_t key = first; key < end; key += query_tile) {
        std::size_t from = 0, to = n;
        if (s.causal && key > t) from = (key - t) / query_tile * query_tile;
        if (s.window != 0) {  // the tiles of queries whose range of keys begins at or before `key`
            const std::size_t last = key / unit * unit + unit + s.window - 1;
            const std::size_t tiles = (last - t + query_tile - 1) / query_tile;
            if (last <= t) continue;
            if (tiles * query_tile < to) to = tiles * query_tile;
        }
        if (from >= to) continue;
        const std::size_t at = from * w.keys + key;
        tile_product<A, true>(query_tile, w.width, to - from, {w.p + at, 1, w.keys},
                              w.dout_rows + from * w.width, w.width, w.dv + key * w.width, w.width);
        tile_product<A, true>(query_tile, w.width, to - from, {w.ds + at, 1, w.keys},
                              w.q_rows + from * w.width, w.width, w.dk + key * w.width, w.width);
    }
}

/// Sets dq, dk and dv from dout and the lse that attention saved. Shapes as for attention; dq, dk and
/// dv may be blocks of columns of one tensor, and must not overlap q, k, v.
template <class A>
void attention_backward(const BasicHost<A>& on, const AttentionShape& s, View<const float> q,
                        View<const float> k, View<const float> v, View<const float> lse,
                        View<const float> dout, View<float> dq, View<float> dk, View<float> dv) {
    using B = Batch<float, A>;
    expect_attention("attention_backward", s, q, k, v, dout);
    expect_attention("attention_backward, gradients", s, dq, dk, dv, dq);
    expect_shape(lse, s.batch * s.heads, s.time, "attention_backward", "the log-sum-exp");
    if (q.empty()) return;
    auto write = [](const float* from, View<float> to, std::size_t row, std::size_t column,
                    std::size_t n, float by) {
        const B factor(by);
        for (std::size_t d = 0; d < n; d += B::lanes)
            store_part(B::load(from + d) * factor, to.row(row) + column + d, n - d, false);
    };
    on.parallel_for(s.batch * s.kv_heads, 1, [&](std::size_t first_item, std::size_t end_item) {
        AttentionScratch<A> w(s);
        for (std::size_t item = first_item; item < end_item; ++item) {
            const std::size_t b = item / s.kv_heads, kv = item % s.kv_heads, row = b * s.time;
            const std::size_t kv_column = kv * s.head_size;
            pack_head_transposed<A>(k, row, s.time, kv_column, s.head_size, s.factor(), w.k_across,
                                    w.keys);
            pack_head_transposed<A>(v, row, s.time, kv_column, s.head_size, 1.0f, w.v_across,
                                    w.keys);
            pack_head<A>(k, row, s.time, kv_column, s.head_size, s.factor(), w.k_rows, w.width);
            for (std::size_t i = 0; i < w.keys * w.width; i += B::lanes) {
                B(0.0f).store(w.dk + i);
                B(0.0f).store(w.dv + i);
            }
            for (std::size_t h = kv * s.group(); h < (kv + 1) * s.group(); ++h) {
                const std::size_t column = h * s.head_size;
                const float* const saved = lse.row(b * s.heads + h);
                for (std::size_t t0 = 0; t0 < s.time; t0 += w.block) {
                    const std::size_t rows = s.time - t0 < w.block ? s.time - t0 : w.block;
                    pack_head<A>(q, row + t0, rows, column, s.head_size, 1.0f, w.q_rows, w.width);
                    pack_head<A>(dout, row + t0, rows, column, s.head_size, 1.0f, w.dout_rows,
                                 w.width);
                    for (std::size_t t = t0; t < t0 + rows; t += query_tile) {
                        const std::size_t left = t0 + rows - t;
                        const std::size_t n = left < query_tile ? left : query_tile;
                        const KeyRange range = key_range<A>(s, t, t + n);
                        const std::size_t count = range.end - range.first, at = (t - t0) * w.width;
                        float* const p = w.p + (t - t0) * w.keys;
                        float* const ds = w.ds + (t - t0) * w.keys;
                        tile_product<A, false>(n, count, s.head_size, {w.q_rows + at, w.width, 1},
                                               w.k_across + range.first, w.keys, p + range.first,
                                               w.keys);
                        tile_product<A, false>(
                            n, count, s.head_size, {w.dout_rows + at, w.width, 1},
                            w.v_across + range.first, w.keys, ds + range.first, w.keys);
                        softmax_gradient_tile<A>(s, t, n, range, saved, p, ds, w.keys);
                        const std::size_t seen = s.end_key(t + n - 1);
                        tile_product<A, false>(
                            n, w.width, seen - range.first, {ds + range.first, w.keys, 1},
                            w.k_rows + range.first * w.width, w.width, w.out, w.width);
                        for (std::size_t m = 0; m < n; ++m)
                            write(w.out + m * w.width, dq, row + t + m, column, s.head_size, 1.0f);
                    }
                    key_gradients<A>(s, t0, rows, w);
                }
            }
            for (std::size_t t = 0; t < s.time; ++t) {
                write(w.dk + t * w.width, dk, row + t, kv_column, s.head_size, s.factor());
                write(w.dv + t * w.width, dv, row + t, kv_column, s.head_size, 1.0f);
                if (kv != 0) continue;
                clear_padding<A>(dq, row + t);
                clear_padding<A>(dk, row + t);
                clear_padding<A>(dv, row + t);
            }
        }
    });
}

}  // namespace nibble
