// SPDX-License-Identifier: BSL-1.0
// Rows of queries that attention works on at a time: the queries as the products want them, and a
// softmax that streams over blocks of 64 positions (Milakov and Gimelshein 2018; Dao et al. 2022).
//
// Of a block, with s a row's scores and m the largest so far:
//
//     p = e^(s - max s)       sums = sums * e^(m - m') + e^(max s - m') * p V       m' = max(m, max s)
//
// Codes of 8 and 4 bits are multiplied as 16-bit integers: a query keeps 15 bits of its largest
// number, p times the values' scales 15 bits of the block's largest. Both together move the result by
// 5e-5 of the largest value (less than 5e-4 with keys and values of 20 times the usual size among
// them), far less than the codes' own rounding, and cost what two byte dots would; a query in bytes
// would be off by 0.5 %. Other formats are multiplied as floats.
#pragma once

#include <nibble/kernel/kv_store.hpp>
#include <nibble/kernel/math.hpp>
#include <nibble/kernel/transform.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// Positions [first, end) that a row sees, or slots of a block.
struct SeenRange {
    std::ptrdiff_t first, end;

    [[nodiscard]] bool empty() const noexcept { return first >= end; }
};

/// The rows. Left is what queries are multiplied as: floats, or pairs of 16-bit integers (int32).
template <class Layout, class Left, class A>
struct AttendRows {
    using B = Batch<float, A>;
    static constexpr std::size_t lanes = B::lanes;
    static constexpr bool pairs = std::is_same_v<Left, std::int32_t>;

    Layout layout;
    std::size_t rows = 0, room, width, lefts;  ///< width of sums; Lefts of a query
    Left* queries;                             ///< products of n rows, each [lefts][n]
    float* scores;                             ///< [room, 64]
    float* p;                                  ///< [groups, room, 64] floats, or 16-bit integers
    float* sums;                               ///< [room, width]
    float* factor;                             ///< of a row's scores
    float* block_top;                          ///< the block's largest score
    float* top;                                ///< the largest so far
    float* total;                              ///< the sum of e^(score - top)
    float* kept;                               ///< what the block makes of earlier sums
    float* added;                              ///< and of its own
    float* query_sum;                          ///< [groups, room]: for offsets
    float* offset_sum;                         ///< [groups, room]
    float* scaled_by;                          ///< [groups, room]: added times unit
    float* key_scale;                          ///< [groups, 64], and so on
    float* key_offset;
    float* value_scale;  ///< over unit where products are integers
    float* value_offset;
    float* unit;              ///< [groups]: the largest scale / 32767
    Buffer<SeenRange> seen;   ///< positions
    Buffer<SeenRange> range;  ///< slots of the block at hand
    Tensor<float> scratch;

    AttendRows(const Layout& l, std::size_t most_rows)
        : layout(l),
          room((most_rows + strip_lanes - 1) / strip_lanes * strip_lanes),
          width(l.slices * strip_lanes),
          lefts(pairs ? l.depth / 2 : l.depth),
          seen(room),
          range(room) {
        const std::size_t groups = l.groups, scales = groups * kv_block;
        scratch = Tensor<float>(Shape{room * (lefts + kv_block + scales + width + 6 + 3 * groups) +
                                      4 * scales + groups});
        float* next = scratch.data();
        const auto take = [&](std::size_t n) { return std::exchange(next, next + n); };
        queries = reinterpret_cast<Left*>(take(room * lefts));
        scores = take(room * kv_block);
        p = take(room * scales);
        sums = take(room * width);
        for (float** a : {&factor, &block_top, &top, &total, &kept, &added}) *a = take(room);
        for (float** a : {&query_sum, &offset_sum, &scaled_by}) *a = take(room * groups);
        for (float** a : {&key_scale, &key_offset, &value_scale, &value_offset}) *a = take(scales);
        unit = take(groups);
    }

    /// Takes n new queries: query(r) points to head_size floats, sees(r) says which positions row r
    /// sees. Scores are multiplied by `by_factor`.
    template <class Query, class Sees>
    void begin(std::size_t n, float by_factor, Query&& query, Sees&& sees) noexcept {
        rows = n;
        for (std::size_t r = 0; r < n; ++r) seen[r] = sees(r);
        for_row_products<A>(n, [&](std::size_t r0, auto count) {
            for (std::size_t i = 0; i < count; ++i)
                take_query(query(r0 + i), by_factor, queries + r0 * lefts + i, count, r0 + i);
        });
        reset();
    }
    /// Forgets what was seen, keeps the queries.
    void reset() noexcept {
        for (std::size_t i = 0; i < rows * width; i += lanes) B(0.0f).store(sums + i);
        for (std::size_t r = 0; r < room; ++r) {
            top[r] = -std::numeric_limits<float>::infinity();
            total[r] = 0.0f;
        }
    }

    /// Finds each row's range in slots [first, end) of a block whose slot 0 holds position `base`, and
    /// returns the range that covers them all.
    [[nodiscard]] SeenRange find_ranges(std::ptrdiff_t base, SeenRange slots) noexcept {
        SeenRange all{kv_block, 0};
        for (std::size_t r = 0; r < rows; ++r) {
            SeenRange in{seen[r].first - base, seen[r].end - base};
            in.first = in.first > slots.first ? in.first : slots.first;
            in.end = in.end < slots.end ? in.end : slots.end;
            range[r] = in.empty() ? SeenRange{0, 0} : in;
            if (in.empty()) continue;
            all.first = in.first < all.first ? in.first : all.first;
            all.end = in.end > all.end ? in.end : all.end;
        }
        return all;
    }

    /// Scales and offsets of a block as floats.
    void take_scales([[maybe_unused]] const std::byte* keys,
                     [[maybe_unused]] const std::byte* values) noexcept {
        if constexpr (Layout::scaled) {
            using S = typename Layout::S;
            const std::size_t n = layout.groups * kv_block;
            const auto plane = [&](const std::byte* from, float* to) {
                load_scales<S, A>(reinterpret_cast<const S*>(from), n, to);
            };
            plane(keys, key_scale);
            plane(values, value_scale);
            if constexpr (Layout::has_offset) {
                plane(keys + layout.scale_plane, key_offset);
                plane(values + layout.scale_plane, value_offset);
            }
        }
        if constexpr (pairs)
            for (std::size_t g = 0; g < layout.groups; ++g) {
                float* const each = value_scale + g * kv_block;
                B most(Layout::scaled ? 0.0f : 1.0f);
                for (std::size_t i = 0; Layout::scaled && i < kv_block; i += lanes)
                    most = max(most, B::load(each + i));
                const float largest = reduce_max(most);
                unit[g] = largest / 32767.0f;
                const B over(largest > 0.0f ? 32767.0f / largest : 0.0f);
                for (std::size_t i = 0; i < kv_block; i += lanes)
                    (Layout::scaled ? B::load(each + i) * over : over).store(each + i);
            }
    }

    /// From scores to p, and what becomes of the sums.
    void soften() noexcept {
        for (std::size_t r = 0; r < rows; ++r) mask_and_find_top(r);
        const B nothing(-std::numeric_limits<float>::infinity()), one(1.0f);
        for (std::size_t r = 0; r < rows; r += lanes) {
            const B before = B::load(top + r), here = B::load(block_top + r);
            const B now = max(before, here);
            // Nothing but -infinity so far: a difference would make NaN of it.
            select(now > nothing, exp(before - now), one).store(kept + r);
            select(now > nothing, exp(here - now), one).store(added + r);
            now.store(top + r);
        }
        for (std::size_t r = 0; r < rows; ++r) {
            if (range[r].empty()) added[r] = 0.0f;
            weigh(r);
        }
        if constexpr (pairs)
            for (std::size_t g = 0; g < layout.groups; ++g)
                for (std::size_t r = 0; r < rows; r += lanes)
                    (B::load(added + r) * B(unit[g])).store(scaled_by + g * room + r);
    }

    /// p of a row and group, as the left operand of a product with values; weight_step Lefts a row.
    [[nodiscard]] const Left* weights(std::size_t row, std::size_t g) const noexcept {
        const float* const from = p + g * room * kv_block;
        return reinterpret_cast<const Left*>(from) + row * weight_step;
    }
    static constexpr std::size_t weight_step = pairs ? kv_block / 2 : kv_block;

private:
    void take_query(const float* x, float by_factor, Left* to, std::size_t step,
                    std::size_t r) noexcept {
        const std::size_t n = layout.head_size;
        if constexpr (Layout::has_offset)
            for (std::size_t g = 0; g < layout.groups; ++g) {
                float sum = 0.0f;
                for (std::size_t d = 0; d < layout.run; ++d) sum += x[g * layout.run + d];
                query_sum[g * room + r] = sum * by_factor;
            }
        if constexpr (!pairs) {
            factor[r] = 1.0f;
            for (std::size_t d = 0; d < n; ++d) to[d * step] = x[d] * by_factor;
            for (std::size_t d = n; d < lefts; ++d) to[d * step] = 0.0f;
        } else {
            const float largest = magnitude_of<A>(x, n);  // sums stay within 31 bits
            const std::size_t deep = layout.groups == 1 ? layout.depth : layout.run;
            const float most =
                deep <= 512 ? 32767.0f : 32767.0f * 512.0f / static_cast<float>(deep);
            factor[r] = largest / most * by_factor;
            const float scale = largest > 0.0f && is_finite(largest) ? most / largest : 0.0f;
            for (std::size_t d = 0; d < 2 * lefts; d += 2 * lanes) {
                // Two registers at a time give `lanes` pairs.
                alignas(64) std::int32_t code[2 * lanes];
                for (std::size_t i = 0; i < 2 * lanes; i += lanes) {
                    const std::size_t at = d + i;
                    const B part =
                        at < n && scale != 0.0f ? load_part<A>(x + at, n - at, false) : B(0.0f);
                    to_int_nearest(part * B(scale)).store(code + i);
                }
                for (std::size_t i = 0; i < lanes && d / 2 + i < lefts; ++i)
                    to[(d / 2 + i) * step] = static_cast<std::int32_t>(
                        (static_cast<std::uint32_t>(code[2 * i]) & 0xFFFFu) |
                        static_cast<std::uint32_t>(code[2 * i + 1]) << 16);
            }
        }
    }

    NIBBLE_INLINE void mask_and_find_top(std::size_t r) noexcept {
        float* const s = scores + r * kv_block;
        const B by_row(factor[r]), nothing(-std::numeric_limits<float>::infinity());
        const SeenRange in = range[r];
        B most = nothing;
        if (in.first == 0 && in.end == kv_block) {
            unroll<kv_block / lanes>([&](auto i) NIBBLE_INLINE_LAMBDA {
                B x = B::load(s + i * lanes);
                if constexpr (pairs) {
                    x = x * by_row;
                    x.store(s + i * lanes);
                }
                most = max(x, most);
            });
        } else {
            const B first(static_cast<float>(in.first)), end(static_cast<float>(in.end));
            for (std::size_t i = 0; i < kv_block; i += lanes) {
                const B slot = B::iota(static_cast<float>(i));
                const B x = B::load(s + i) * by_row;
                const B kept_x = select((slot >= first) & (slot < end), x, nothing);
                kept_x.store(s + i);
                most = max(kept_x, most);
            }
        }
        block_top[r] = reduce_max(most);
    }

    NIBBLE_INLINE void weigh(std::size_t r) noexcept {
        float* const s = scores + r * kv_block;
        const float largest = block_top[r];
        const B from(largest > -std::numeric_limits<float>::infinity() ? largest : 0.0f);
        B sum(0.0f), sum2(0.0f);
        unroll<kv_block / lanes>([&](auto i) NIBBLE_INLINE_LAMBDA {
            const B e = exp(B::load(s + i * lanes) - from);
            e.store(s + i * lanes);
            if constexpr (i % 2 == 0) sum = sum + e;
            else sum2 = sum2 + e;
        });
        total[r] = total[r] * kept[r] + reduce_add(sum + sum2) * added[r];
        for (std::size_t g = 0; g < layout.groups; ++g) {
            const float* const scale = value_scale + g * kv_block;
            if constexpr (pairs) {
                auto* const to =
                    reinterpret_cast<std::byte*>(p + g * room * kv_block) + r * kv_block * 2;
                unroll<kv_block / lanes>([&](auto i) NIBBLE_INLINE_LAMBDA {
                    B x = B::load(s + i * lanes);
                    x = select(x == x, x, B(0.0f)) * B::load(scale + i * lanes);
                    store_shorts<A>(to + i * lanes * 2, to_int_nearest(x));
                });
            } else {
                float* const to = p + (g * room + r) * kv_block;
                unroll<kv_block / lanes>([&](auto i) NIBBLE_INLINE_LAMBDA {
                    const B x = B::load(s + i * lanes);
                    (Layout::scaled ? x * B::load(scale + i * lanes) : x).store(to + i * lanes);
                });
            }
            if constexpr (Layout::has_offset) {
                B along(0.0f);
                for (std::size_t i = 0; i < kv_block; i += lanes)
                    along = fma(B::load(s + i), B::load(value_offset + g * kv_block + i), along);
                offset_sum[g * room + r] = reduce_add(along) * added[r];
            }
        }
    }
};

}  // namespace nibble
