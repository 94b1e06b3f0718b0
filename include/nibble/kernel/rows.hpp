// SPDX-License-Identifier: BSL-1.0
// Rows of a matrix in any format: decoded to floats, and floats stored as a row. What optimizers,
// caches and quantize are made of.
//
// Storing streams over the row once: up to 64 runs at a time are measured, their scales rounded and
// written, and their codes encoded while the numbers are still in the first-level cache. Element
// (r, k) takes the dither of index r * cols + k, whatever the layout. In a scaled format NaN is
// stored as zero and infinity as the end of the range; both are counted, and scales come from finite
// numbers only. A format without scales stores what its value's encode makes of them.
#pragma once

#include <nibble/kernel/calibrate.hpp>
#include <nibble/kernel/pieces.hpp>
#include <nibble/kernel/quantize_group_x86.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// Row r as floats. `out` has room for the row padded to 64 elements; the padding becomes zero.
template <class A = Isa, Format F, class Memory>
void load_row(const Matrix<F, Memory>& w, std::size_t r, float* out) noexcept {
    using Traits = format_traits<F>;
    using V = value_of<F>;
    using S = typename Traits::Scale;
    const std::size_t cols = w.cols(), wide = padded(cols);
    const unit_t<V>* row = w.codes().row(r).units().data();
    RunScales by;
    if constexpr (!Traits::scaled) {
        decode_piece<V, false, false, A>(row, 0, wide, by, wide, 1, out);
    } else {
        const std::size_t runs = w.runs(), run = w.run();
        const std::size_t base = r * w.scale_stride();
        for (std::size_t c = 0; c < runs; c += runs_at_once) {
            const std::size_t n = runs - c < runs_at_once ? runs - c : runs_at_once;
            load_scales<S, A>(w.scales().data() + base + c, n, by.scale);
            if constexpr (Traits::has_offset)
                load_scales<S, A>(w.offsets().data() + base + c, n, by.offset);
            decode_piece<V, true, Traits::has_offset, A>(row, c * run, n * run, by, run, n, out);
        }
        for (std::size_t k = cols; k < wide; ++k) out[k] = 0.0f;
    }
}

/// magnitude_of n neighbouring runs.
template <class A>
NIBBLE_INLINE void magnitudes_of(const float* x, std::size_t run, std::size_t n,
                                 float* to) noexcept {
    std::size_t j = 0;
#if NIBBLE_SIMD && defined(__AVX2__)
    if constexpr (is_avx<A>)
        if (run % 32 == 0)  // four at a time share their reductions
            for (; j + 4 <= n; j += 4)
                x86::store_bits(to + j, x86::four_maxima<A>(x + j * run, run));
#endif
    for (; j < n; ++j) to[j] = magnitude_of<A>(x + j * run, run);
}

/// Whether x is neither NaN nor infinite, without floating-point arithmetic.
[[nodiscard]] NIBBLE_INLINE constexpr bool is_finite(float x) noexcept {
    return (std::bit_cast<std::uint32_t>(x) & 0x7F800000u) != 0x7F800000u;
}

/// A copy of n numbers with zeros in place of NaN and infinities.
template <class A>
void copy_finite(const float* x, std::size_t n, float* to) noexcept {
    for (std::size_t i = 0; i < n; ++i) to[i] = is_finite(x[i]) ? x[i] : 0.0f;
}

/// Puts the end of the range where n numbers from `first` on are infinite, and counts them and NaN.
template <NeuralValue V>
Clipped store_infinities(ValueSpan<V> row, const float* in, std::size_t first, std::size_t n,
                         const RunScales& by, std::size_t run) noexcept {
    Clipped count;
    for (std::size_t i = 0; i < n; ++i) {
        const float x = in[first + i], scale = by.scale[i / run];
        if (is_finite(x)) continue;
        if (x != x) {
            ++count.nan;
        } else {
            ++count.saturated;
            if (scale != 0.0f)
                row.set(first + i, (x > 0) == (scale > 0) ? value_traits<V>::highest()
                                                          : value_traits<V>::lowest());
        }
    }
    return count;
}

/// Stores cols floats as row r and returns how many were clipped or not numbers. Scales are found
/// anew for the row's runs; a per-tensor scale stays as it is (see store_matrix). Rounding is
/// ToNearest or StochasticFrom. Different rows may be stored by different threads at once.
template <class A = Isa, Format F, class Memory, class Rounding = ToNearest>
Clipped store_row(Matrix<F, Memory>& w, std::size_t r, const float* in, Rounding rounding = {},
                  Calibration how = by_absmax) {
    using Traits = format_traits<F>;
    using V = value_of<F>;
    using S = typename Traits::Scale;
    constexpr bool has_offset = Traits::has_offset;
    constexpr bool whole = Traits::granularity == Granularity::tensor;
    const std::size_t cols = w.cols();
    const std::uint64_t base = static_cast<std::uint64_t>(r) * cols;
    unit_t<V>* row = w.codes().row(r).units().data();
    RunScales by;
    Clipped clipped;
    if (cols == 0) return clipped;
    if constexpr (!Traits::scaled) {
        if constexpr (bits_v<V> < 32) clipped += encode_plain<V, A>(row, in, cols, rounding, base);
        else
            clipped +=
                encode_piece<V, false, false, A>(row, in, 0, cols, by, cols, 1, rounding, base);
    } else {
        const std::size_t runs = w.runs(), run = w.run();
        Tensor<float> finite;  // a copy without NaN and infinities, for the rare row that has them
        float magnitude[runs_at_once];
        for (float& m : magnitude) m = 1.0f;
        for (std::size_t c = 0; c < runs; c += runs_at_once) {
            const std::size_t n = runs - c < runs_at_once ? runs - c : runs_at_once;
            const float* x = in;
            bool clean = true;
            magnitudes_of<A>(in + c * run, run, n, magnitude);
            for (std::size_t j = 0; j < n; ++j) clean = clean && is_finite(magnitude[j]);
            if (!clean) {
                if (finite.empty()) finite = Tensor<float>::uninitialized({1, cols});
                copy_finite<A>(in + c * run, n * run, finite.data() + c * run);
                x = finite.data();
            }
            if constexpr (whole) {
                by.scale[0] = w.scale(0, 0);
                by.offset[0] = w.offset(0, 0);
                by.inverse[0] = inverse_scale(by.scale[0]);
            } else {
                if (clean && !has_offset && how.method == Calibration::Method::absmax)
                    covering_scales<V, S, A>(magnitude, n, by.scale, by.inverse);
                else
                    for (std::size_t j = 0; j < n; ++j) {
                        const Affine a =
                            calibrate_run<V, S, has_offset, A>(x + (c + j) * run, run, how);
                        by.scale[j] = a.scale;
                        by.offset[j] = a.offset;
                        by.inverse[j] = inverse_scale(a.scale);
                    }
                store_scales<S, A>(by.scale, n, w.scales().data() + r * runs + c);
                if constexpr (has_offset)
                    store_scales<S, A>(by.offset, n, w.offsets().data() + r * runs + c);
            }
            if constexpr (is_integer_value<V> && !has_offset &&
                          std::is_same_v<Rounding, ToNearest>) {
                float most = 0.0f;  // in codes; no NaN, since inverses are finite
                for (std::size_t j = 0; clean && j < n; ++j) {
                    const float reach = magnitude[j] * std::fabs(by.inverse[j]);
                    most = reach > most ? reach : most;
                }
                const bool fits = clean && most < clip_limits<V>.high;
                if (fits) {
                    encode_piece<V, true, false, A, true>(row, x, c * run, n * run, by, run, n,
                                                          rounding, base);
                    continue;
                }
            }
            clipped += encode_piece<V, true, has_offset, A>(row, x, c * run, n * run, by, run, n,
                                                            rounding, base);
            if (!clean)
                clipped += store_infinities<V>(w.codes().row(r), in, c * run, n * run, by, run);
        }
    }
    return clipped;
}

/// The same for a float tensor taken as rows: a copy.
template <class A = Isa, class Memory>
void load_row(const Tensor<float, Memory>& w, std::size_t r, float* out) noexcept {
    const float* row = w.data() + r * w.stride();
    for (std::size_t k = 0; k < w.stride(); ++k) out[k] = row[k];
}
template <class A = Isa, class Memory, class Rounding = ToNearest>
Clipped store_row(Tensor<float, Memory>& w, std::size_t r, const float* in, Rounding = {},
                  Calibration = by_absmax) noexcept {
    float* row = w.data() + r * w.stride();
    for (std::size_t k = 0; k < w.cols(); ++k) row[k] = in[k];
    return {};
}

}  // namespace nibble
