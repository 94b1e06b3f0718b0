// SPDX-License-Identifier: BSL-1.0
// Products of a small matrix, in any format, with one vector.
//
//     sum[r] += sum over k < n of w[r, k] x[k]
//
// Weights lie column by column, rows side by side in lanes: code (r, k) is element k * width +
// lane(r) of a run, the scale of row r in group g element g * width + lane(r). So nothing is ever
// summed across lanes, and a column is a broadcast and one fma a register. Additions run over k in
// `Sets` interleaved sums, to cover the latency of an fma, in an order that depends on n alone.
//
// For each register of weights: float 1 load folded into its fma; half, bfloat16 and int8 one or two
// conversions more; and for each column one broadcast load.
#pragma once

#include <nibble/kernel/codec.hpp>
#include <nibble/kernel/transpose.hpp>
#include <nibble/quant/format.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// Registers of a row that are summed at once, and interleaved sums of each.
template <class A>
inline constexpr std::size_t column_tile = Batch<float, A>::lanes == 16 ? 12 : 10;
[[nodiscard]] constexpr std::size_t column_sets(std::size_t registers, std::size_t n) noexcept {
    const std::size_t wanted = registers >= 7 ? 1 : registers >= 4 ? 2 : registers >= 2 ? 4 : 8;
    return n >= 4 * wanted || wanted == 1 ? wanted : n >= 16 ? 4 : n >= 4 ? 2 : 1;
}

/// Where a matrix for column products lies.
template <Format F>
struct Columns {
    using Traits = format_traits<F>;
    using V = typename Traits::Value;
    using S = typename Traits::Scale;

    const unit_t<V>* codes;  ///< n columns of width codes
    const S* scales;         ///< groups of width; null without scales
    const S* offsets;        ///< likewise
    std::size_t width;       ///< a multiple of the lanes of a register
    std::size_t n;           ///< columns
    std::size_t run;         ///< columns that share a scale; it divides n
};

/// `lanes` scales or offsets from element i on.
template <class S, class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> scale_lanes(const S* from, std::size_t i) noexcept {
    using B = Batch<float, A>;
    if constexpr (std::is_same_v<S, E8M0>) {
        float lane[B::lanes];
        for (std::size_t j = 0; j < B::lanes; ++j) lane[j] = decode(from[i + j]);
        return B::load(lane);
    } else {
        return decode_lanes<S, A>(from + i, 0);
    }
}

/// Adds n columns of T registers to sum; element i of codes is the first column's.
template <class V, class A, std::size_t T, std::size_t Sets>
NIBBLE_INLINE void add_columns(const unit_t<V>* codes, std::size_t i, std::size_t width,
                               const float* x, std::size_t n, Batch<float, A> (&sum)[T]) noexcept {
    using B = Batch<float, A>;
    B part[Sets * T];
    unroll<T>([&](auto t) NIBBLE_INLINE_LAMBDA { part[t] = sum[t]; });
    unroll<(Sets - 1) * T>([&](auto t) NIBBLE_INLINE_LAMBDA { part[T + t] = B(0.0f); });
    const std::size_t whole = n / Sets * Sets;
    for (std::size_t k = 0; k < whole; k += Sets)
        unroll<Sets>([&](auto s) NIBBLE_INLINE_LAMBDA {
            const B by(x[k + s]);
            const std::size_t column = i + (k + s) * width;
            unroll<T>([&](auto t) NIBBLE_INLINE_LAMBDA {
                part[s * T + t] =
                    fma(decode_lanes<V, A>(codes, column + t * B::lanes), by, part[s * T + t]);
            });
        });
    for (std::size_t k = whole; k < n; ++k) {
        const B by(x[k]);
        unroll<T>([&](auto t) NIBBLE_INLINE_LAMBDA {
            part[t] = fma(decode_lanes<V, A>(codes, i + k * width + t * B::lanes), by, part[t]);
        });
    }
    unroll<T>([&](auto t) NIBBLE_INLINE_LAMBDA {
        if constexpr (Sets == 8)
            sum[t] = ((part[t] + part[T + t]) + (part[2 * T + t] + part[3 * T + t])) +
                     ((part[4 * T + t] + part[5 * T + t]) + (part[6 * T + t] + part[7 * T + t]));
        else if constexpr (Sets == 4)
            sum[t] = (part[t] + part[T + t]) + (part[2 * T + t] + part[3 * T + t]);
        else if constexpr (Sets == 2) sum[t] = part[t] + part[T + t];
        else sum[t] = part[t];
    });
}

/// sum += w x for T registers of rows from lane `first` on.
template <class A, std::size_t T, std::size_t Sets, Format F>
NIBBLE_INLINE void add_product(const Columns<F>& w, std::size_t first, const float* x,
                               Batch<float, A> (&sum)[T]) noexcept {
    using B = Batch<float, A>;
    using V = typename Columns<F>::V;
    using S = typename Columns<F>::S;
    if constexpr (!Columns<F>::Traits::scaled) {
        add_columns<V, A, T, Sets>(w.codes, first, w.width, x, w.n, sum);
    } else {
        for (std::size_t g = 0, k = 0; k < w.n; ++g, k += w.run) {
            B part[T];
            unroll<T>([&](auto t) NIBBLE_INLINE_LAMBDA { part[t] = B(0.0f); });
            add_columns<V, A, T, Sets>(w.codes, k * w.width + first, w.width, x + k, w.run, part);
            const std::size_t at = g * w.width + first;
            unroll<T>([&](auto t) NIBBLE_INLINE_LAMBDA {
                sum[t] = fma(part[t], scale_lanes<S, A>(w.scales, at + t * B::lanes), sum[t]);
            });
            if constexpr (Columns<F>::Traits::has_offset) {
                float all = 0.0f;
                for (std::size_t j = 0; j < w.run; ++j) all += x[k + j];
                unroll<T>([&](auto t) NIBBLE_INLINE_LAMBDA {
                    sum[t] = fma(B(all), scale_lanes<S, A>(w.offsets, at + t * B::lanes), sum[t]);
                });
            }
        }
    }
}

}  // namespace nibble
