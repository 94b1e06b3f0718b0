// SPDX-License-Identifier: BSL-1.0
// Multi-head attention over whole sequences: softmax(scale q k^T) v, causal, grouped-query (Ainslie
// et al. 2023), with an optional sliding window.
//
// q is [batch * time, heads * head_size], k and v are [batch * time, kv_heads * head_size]; blocks of
// columns of one tensor will do. Keys and values of a head are brought into the layout of a cache
// (kv_store.hpp), once for each thread that works on it, and queries that share it go through them in
// tiles of 64 rows with a streaming softmax: scores never exist beyond 64 x 64. A tile is computed by
// one thread in a fixed order. Kept for backward (attention_backward.hpp): log of the sum of e^score,
// one number a query and head (Dao et al. 2022). Later keys and values do not touch a causal query,
// whatever they are.
#pragma once

#include <nibble/kernel/attend.hpp>

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

/// Brings one key head into the blocks of a float cache: rows first_row .. + time of k and v, columns
/// from `column` on.
template <class A>
void pack_head_blocks(const KvLayout<float>& l, View<const float> k, View<const float> v,
                      std::size_t first_row, std::size_t time, std::size_t column,
                      std::byte* blocks) noexcept {
    using B = Batch<float, A>;
    constexpr std::size_t lanes = B::lanes;
    const std::size_t n = l.head_size;
    const auto part = [&](View<const float> x, std::size_t t, std::size_t d) {
        return t < time && d < n ? load_part<A>(x.row(first_row + t) + column + d, n - d, false)
                                 : B(0.0f);
    };
    for (std::size_t first = 0; first < time; first += kv_block, blocks += l.block) {
        for (std::size_t at = 0; at < kv_block; at += lanes) {
            auto* const keys =
                reinterpret_cast<float*>(blocks + l.keys + at / strip_lanes * l.key_strip) +
                at % strip_lanes;
            for (std::size_t d = 0; d < l.depth; d += lanes) {
                B square[lanes];
                unroll<lanes>([&](auto i)
                                  NIBBLE_INLINE_LAMBDA { square[i] = part(k, first + at + i, d); });
                transpose<A>(square);
                for (std::size_t i = 0; i < lanes && d + i < l.depth; ++i)
                    square[i].store(keys + (d + i) * strip_lanes);
            }
        }
        for (std::size_t t = 0; t < kv_block; ++t)
            for (std::size_t d = 0; d < l.slices * strip_lanes; d += lanes)
                part(v, first + t, d)
                    .store(reinterpret_cast<float*>(blocks + l.values +
                                                    d / strip_lanes * l.value_strip) +
                           t * strip_lanes + d % strip_lanes);
    }
}

/// out = attention of q over k and v. lse, unless empty, is [batch * heads, time] and keeps what
/// attention_backward needs.
template <class A>
void attention(const BasicHost<A>& on, const AttentionShape& s, View<const float> q,
               View<const float> k, View<const float> v, View<float> out, View<float> lse = {}) {
    using B = Batch<float, A>;
    constexpr std::size_t lanes = B::lanes;
    using Rows = Attend<float, float, A, lanes == 16 ? 2 : strip_lanes / lanes>;
    expect_attention("attention", s, q, k, v, out);
    if (lse.data != nullptr)
        expect_shape(lse, s.batch * s.heads, s.time, "attention", "the log-sum-exp");
    if (q.empty()) return;
    const KvLayout<float> layout(s.head_size);
    const std::size_t group = s.group(), blocks = (s.time + kv_block - 1) / kv_block;
    const std::size_t per_tile = group >= 64 ? 1 : 64 / group;  // queries
    const std::size_t tiles = (s.time + per_tile - 1) / per_tile;
    const std::size_t work = per_tile * group * s.time * layout.depth;
    const auto sees = [&](std::size_t t) {
        return SeenRange{static_cast<std::ptrdiff_t>(s.first_key(t)),
                         static_cast<std::ptrdiff_t>(s.end_key(t))};
    };
    on.parallel_for(
        s.batch * s.kv_heads * tiles, (std::size_t{1} << 19) / work + 1,
        [&](std::size_t first, std::size_t end) {
            Rows rows(layout, per_tile * group);
            Buffer<std::byte> packed(blocks * layout.block);
            std::size_t in_place = s.batch * s.kv_heads;
            for (std::size_t item = first; item < end; ++item) {
                const std::size_t head = item / tiles, b = head / s.kv_heads;
                const std::size_t kv = head % s.kv_heads, row = b * s.time;
                if (in_place != head) {
                    pack_head_blocks<A>(layout, k, v, row, s.time, kv * s.head_size, packed.data());
                    in_place = head;
                }
                const std::size_t t0 = item % tiles * per_tile;
                const std::size_t n = s.time - t0 < per_tile ? s.time - t0 : per_tile;
                // Rows are queries, and for each the heads that share this key head.
                const auto column = [&](std::size_t r) {
                    return (kv * group + r % group) * s.head_size;
                };
                rows.begin(
                    n * group, s.factor(),
                    [&](std::size_t r) { return q.row(row + t0 + r / group) + column(r); },
                    [&](std::size_t r) { return sees(t0 + r / group); });
                const SeenRange all{sees(t0).first, sees(t0 + n - 1).end};
                constexpr auto step = static_cast<std::ptrdiff_t>(kv_block);
                for (std::ptrdiff_t at = all.first / step * step; at < all.end; at += step)
                    rows.visit(
                        block_view(layout, packed.data() +
                                               static_cast<std::size_t>(at / step) * layout.block),
                        at, {0, step});
                for (std::size_t r = 0; r < n * group; ++r) {
                    rows.write(r, out.row(row + t0 + r / group) + column(r));
                    if (lse.data != nullptr)
                        lse(b * s.heads + kv * group + r % group, t0 + r / group) =
                            rows.log_total(r);
                }
            }
        });
    for (std::size_t r = 0; r < out.rows; ++r) clear_padding<A>(out, r);
    for (std::size_t r = 0; lse.data != nullptr && r < lse.rows; ++r) clear_padding<A>(lse, r);
}

}  // namespace nibble
