// SPDX-License-Identifier: BSL-1.0
// What all forms of attention run through: rows of queries (attend_rows.hpp) against blocks of 64
// positions of keys and values (kv_store.hpp), one block after the other.
//
// What a row does not see never touches it, be it NaN: scores are masked, and products of floats run
// over the positions that all their rows see; the few others are added row by row.
#pragma once

#include <nibble/kernel/attend_rows.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// A block as attention reads it.
struct KvBlockView {
    const std::byte* keys;
    std::size_t key_strip;  ///< bytes
    const std::byte* values;
    std::size_t value_strip;
    const std::byte* key_scales;
    const std::byte* value_scales;
};

/// A block as it lies in a store.
template <Format F>
[[nodiscard]] KvBlockView block_view(const KvLayout<F>& l, const std::byte* block) noexcept {
    return {block + l.keys, l.key_strip, block + l.values,
            l.value_strip,  block,       block + l.value_scales};
}

/// Attention of some rows. F is the format of keys and values, U what their strips hold (its value
/// type, or what they were unpacked into), Parts the registers of lanes of a product.
template <Format F, class U, class A, std::size_t Parts>
struct Attend : AttendRows<KvLayout<F>, typename Strip<U, A>::Left, A> {
    using S = Strip<U, A>;
    using Base = AttendRows<KvLayout<F>, typename S::Left, A>;
    using B = Batch<float, A>;
    using Base::Base;
    using Base::layout, Base::rows, Base::room, Base::width, Base::range, Base::lanes, Base::pairs;
    static constexpr std::size_t across = Parts * lanes;  ///< positions, or features, of a product
    static constexpr std::size_t strips = across / strip_lanes;  ///< neighbours in one product

    /// Attends to some slots of a block; `base` is the position of slot 0.
    void visit(const KvBlockView& b, std::ptrdiff_t base, SeenRange slots) noexcept {
        const SeenRange all = this->find_ranges(base, slots);
        if (all.empty()) return;
        this->take_scales(b.key_scales, b.value_scales);
        const auto end = static_cast<std::size_t>(all.end);
        for (std::size_t at = static_cast<std::size_t>(all.first) / across * across; at < end;
             at += across)
            for_row_products<A>(
                rows, [&](std::size_t r, auto n) NIBBLE_INLINE_LAMBDA { score<n>(b, r, at); });
        this->soften();
        const bool together = layout.groups == 1 || layout.run % across == 0;
        for (std::size_t s = 0; s < layout.slices;) {
            const bool whole = strips == 1 || (together && s + strips <= layout.slices);
            for_row_products<A>(rows, [&](std::size_t r, auto n) NIBBLE_INLINE_LAMBDA {
                if (whole) mix<n, Parts>(b, r, s);
                else mix<n, Parts / strips>(b, r, s);
            });
            s += whole ? strips : 1;
        }
    }

    /// The result of a row: head_size numbers.
    void write(std::size_t r, float* out) const noexcept {
        const B over(this->total[r]);
        for (std::size_t d = 0; d < layout.head_size; d += lanes)
            store_part(B::load(this->sums + r * width + d) / over, out + d, layout.head_size - d,
                       false);
    }

    /// Log of the sum of e^score of a row.
    [[nodiscard]] float log_total(std::size_t r) const noexcept {
        float each[lanes];
        log(B(this->total[r])).store(each);
        return this->top[r] + each[0];
    }

private:
    /// Scores of N rows for the positions at .. at + across.
    template <std::size_t N>
    NIBBLE_INLINE void score(const KvBlockView& b, std::size_t r0, std::size_t at) noexcept {
        const std::byte* const strip = b.keys + at / strip_lanes * b.key_strip;
        const auto* const left = this->queries + r0 * this->lefts;
        for (std::size_t g = 0; g < layout.groups; ++g)
            strip_product<S, N, Parts, 1, N, A>(
                strip, b.key_strip, layout.group_first(g), layout.group_end(g), left,
                [&](std::size_t r, std::size_t part, auto sum) NIBBLE_INLINE_LAMBDA {
                    const std::size_t slot = at + part * lanes;
                    float* const to = this->scores + (r0 + r) * kv_block + slot;
                    B x = as_float(sum);
                    const float* const scale = this->key_scale + g * kv_block + slot;
                    if constexpr (Layout::has_offset) {
                        // Integer scores are multiplied by the row's factor later; offsets are not.
                        const float q = this->query_sum[g * room + r0 + r];
                        const float f = this->factor[r0 + r];
                        x = x * B::load(scale);
                        x = fma(B::load(this->key_offset + g * kv_block + slot),
                                B(pairs ? (f != 0.0f ? q / f : 0.0f) : q), x);
                        if (g != 0) x = x + B::load(to);
                    } else if constexpr (Layout::scaled) {
                        x = g == 0 ? x * B::load(scale) : fma(x, B::load(scale), B::load(to));
                    }
                    x.store(to);
                });
    }

    /// Adds a block to the sums of N rows, features of slice s and on.
    template <std::size_t N, std::size_t P>
    NIBBLE_INLINE void mix(const KvBlockView& b, std::size_t r0, std::size_t s) noexcept {
        const std::size_t g = layout.groups == 1 ? 0 : s * strip_lanes / layout.run;
        const std::byte* const strip = b.values + s * b.value_strip;
        std::size_t first = 0, end = kv_block;
        if constexpr (!pairs) common_range<N>(r0, first, end);
        const float* const by = pairs ? this->scaled_by + g * room + r0 : this->added + r0;
        const auto* const left = this->weights(r0, g);
        strip_product<S, N, P, Base::weight_step, 1, A>(
            strip, b.value_strip, first, end, left,
            [&](std::size_t r, std::size_t part, auto sum) NIBBLE_INLINE_LAMBDA {
                float* const to = sums_at(r0 + r, s) + part * lanes;
                B x = B::load(to) * B(this->kept[r0 + r]);
                if constexpr (Layout::has_offset) x = x + B(this->offset_sum[g * room + r0 + r]);
                fma(as_float(sum), B(by[r]), x).store(to);
            });
        if constexpr (!pairs)
            for (std::size_t r = r0; r < r0 + N; ++r) {
                const auto from = static_cast<std::size_t>(range[r].first);
                const auto to = static_cast<std::size_t>(range[r].end);
                add_alone<P>(b, r, s, g, from, first < to ? first : to);
                add_alone<P>(b, r, s, g, end > from ? end : from, to);
            }
    }

    /// Slots that all N rows see, in whole steps of the strip; [64, 64) when there are none.
    template <std::size_t N>
    void common_range(std::size_t r0, std::size_t& first, std::size_t& end) const noexcept {
        for (std::size_t r = r0; r < r0 + N; ++r) {
            const auto from = static_cast<std::size_t>(range[r].first);
            const auto to = static_cast<std::size_t>(range[r].end);
            first = from > first ? from : first;
            end = to < end ? to : end;
        }
        first = (first + S::depth - 1) / S::depth * S::depth;
        end = end / S::depth * S::depth;
        if (first >= end) first = end = kv_block;
    }
    /// Slots [first, end) for one row.
    template <std::size_t P>
    void add_alone(const KvBlockView& b, std::size_t r, std::size_t s, std::size_t g,
                   std::size_t first, std::size_t end) noexcept {
        for (std::size_t k = first; k < end; ++k) {
            const B weight(static_cast<float>(this->weights(r, g)[k]) * this->added[r]);
            for (std::size_t i = 0; i < P * lanes; i += lanes) {
                const std::byte* const strip = b.values + (s + i / strip_lanes) * b.value_strip;
                float* const to = sums_at(r, s) + i;
                fma(weight, as_float(strip_lanes_at<S>(strip, k, i % strip_lanes)), B::load(to))
                    .store(to);
            }
        }
    }

    using Layout = KvLayout<F>;
    [[nodiscard]] float* sums_at(std::size_t row, std::size_t slice) const noexcept {
        return this->sums + row * width + slice * strip_lanes;
    }
    static NIBBLE_INLINE B as_float(B x) noexcept { return x; }
    static NIBBLE_INLINE B as_float(Batch<std::int32_t, A> x) noexcept { return to_float(x); }
};

}  // namespace nibble
