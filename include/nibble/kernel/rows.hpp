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
#include <nibble/quant/matrix.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// How many runs are measured before they are encoded. A multiple of 8, so that such a piece of a row
/// starts at a whole register whatever the run is.
inline constexpr std::size_t runs_at_once = 64;

/// Scales, their inverses and offsets of some neighbouring runs.
struct RunScales {
    alignas(64) float scale[runs_at_once];
    alignas(64) float inverse[runs_at_once];
    alignas(64) float offset[runs_at_once];
};

/// One number for each lane from one for each run; element i of a piece is the first lane's.
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> spread(const float* each, std::size_t i,
                                                   std::size_t run, std::size_t runs) noexcept {
    using B = Batch<float, A>;
    const std::size_t first = i / run;
    if (first * run + run >= i + B::lanes || first + 1 >= runs) return B(each[first]);
    float lane[B::lanes];
    for (std::size_t j = 0; j < B::lanes; ++j)
        lane[j] = each[(i + j) / run < runs ? (i + j) / run : runs - 1];
    return B::load(lane);
}

/// Decodes n elements of a row from `first` on; writes whole registers.
template <NeuralValue V, bool Scaled, bool HasOffset, class A>
NIBBLE_INLINE void decode_piece(const unit_t<V>* row, std::size_t first, std::size_t n,
                                const RunScales& by, std::size_t run, std::size_t runs,
                                float* out) noexcept {
    using B = Batch<float, A>;
    const auto decoded = [&](std::size_t i, B scale, B offset) {
        B x = decode_lanes<V, A>(row, first + i);
        if constexpr (HasOffset) x = fma(x, scale, offset);
        else if constexpr (Scaled) x = x * scale;
        x.store(out + first + i);
    };
    if (!Scaled || run % B::lanes == 0 || runs == 1) {
        for (std::size_t j = 0, i = 0; j < runs; ++j) {
            const B scale(Scaled ? by.scale[j] : 1.0f), offset(HasOffset ? by.offset[j] : 0.0f);
            for (; i < n && i < (j + 1) * run; i += B::lanes) decoded(i, scale, offset);
        }
    } else {
        for (std::size_t i = 0; i < n; i += B::lanes)
            decoded(i, spread<A>(by.scale, i, run, runs),
                    HasOffset ? spread<A>(by.offset, i, run, runs) : B(0.0f));
    }
}

/// n stored scales (or offsets) from `first` on, as floats.
template <ScaleValue S, class A>
NIBBLE_INLINE void load_scales(const S* from, std::size_t n, float* to) noexcept {
    using B = Batch<float, A>;
    std::size_t i = 0;
    if constexpr (!std::is_same_v<S, E8M0>)
        for (; i + B::lanes <= n; i += B::lanes) decode_lanes<S, A>(from + i, 0).store(to + i);
    for (; i < n; ++i) to[i] = decode(from[i]);
}

/// n representable scales (or offsets) to their stored type.
template <ScaleValue S, class A>
NIBBLE_INLINE void store_scales(const float* from, std::size_t n, S* to) noexcept {
    using B = Batch<float, A>;
    std::size_t i = 0;
    if constexpr (!std::is_same_v<S, E8M0>)
        for (; i + B::lanes <= n; i += B::lanes) encode_lanes<S, A>(to + i, 0, B::load(from + i));
    for (; i < n; ++i) to[i] = encode<S>(from[i]);
}

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

/// Encodes registers of a row and counts what clips.
template <NeuralValue V, bool Scaled, bool HasOffset, class A, class Rounding>
struct PieceEncoder {
    using B = Batch<float, A>;
    unit_t<V>* row;
    Rounding rounding;
    std::uint64_t base;
    B saturated = B(0.0f), nan = B(0.0f);

    NIBBLE_INLINE void store(std::size_t i, B x, B inverse, B offset) noexcept {
        const B one(1.0f), zero(0.0f);
        if constexpr (!Scaled) nan = nan + select(x != x, one, zero);
        if constexpr (HasOffset) x = x - offset;
        if constexpr (Scaled) x = x * inverse;
        if constexpr (bits_v<V> < 32) {
            const auto out = (x <= B(clip_limits<V>.low)) | (x >= B(clip_limits<V>.high));
            saturated = saturated + select(out, one, zero);
        }
        // A scaled format must not make an infinity out of a number.
        if constexpr (Scaled && small_float_shape<V>::is)
            x = min(max(x, B(decode(value_traits<V>::lowest()))),
                    B(decode(value_traits<V>::highest())));
        encode_lanes<V, A>(row, i, x, rounding, base);
    }
};

/// Encodes n elements of a row from `first` on, counting what clips; writes whole registers. With
/// scales all n numbers must be finite.
template <NeuralValue V, bool Scaled, bool HasOffset, class A, class Rounding>
NIBBLE_INLINE Clipped encode_piece(unit_t<V>* row, const float* in, std::size_t first,
                                   std::size_t n, const RunScales& by, std::size_t run,
                                   std::size_t runs, Rounding rounding,
                                   std::uint64_t base) noexcept {
    using B = Batch<float, A>;
    const B one(1.0f), zero(0.0f);
    PieceEncoder<V, Scaled, HasOffset, A, Rounding> piece{row, rounding, base};
    const auto inverse_at = [&](std::size_t i) {
        return Scaled ? spread<A>(by.inverse, i, run, runs) : one;
    };
    const auto offset_at = [&](std::size_t i) {
        return HasOffset ? spread<A>(by.offset, i, run, runs) : zero;
    };
    // Two copies of the code that encodes: registers that lie in one run, and all others.
    std::size_t i = 0;
    if (!Scaled || run % B::lanes == 0 || runs == 1)
        for (std::size_t j = 0; j < runs; ++j) {
            const B inverse = Scaled ? B(by.inverse[j]) : one;
            const B offset = HasOffset ? B(by.offset[j]) : zero;
            for (; i + B::lanes <= n && i < (j + 1) * run; i += B::lanes)
                piece.store(first + i, B::load(in + first + i), inverse, offset);
        }
    for (; i < n; i += B::lanes) {
        float lane[B::lanes];
        const float* from = in + first + i;
        const B offset = offset_at(i);
        if (i + B::lanes > n) {
            // Lanes beyond the row are the padding: numbers equal to the offset have code zero.
            offset.store(lane);
            for (std::size_t j = 0; i + j < n; ++j) lane[j] = from[j];
            from = lane;
        }
        piece.store(first + i, B::load(from), inverse_at(i), offset);
    }
    return {static_cast<std::size_t>(reduce_add(piece.saturated)),
            static_cast<std::size_t>(reduce_add(piece.nan))};
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
        clipped += encode_piece<V, false, false, A>(row, in, 0, cols, by, cols, 1, rounding, base);
    } else {
        const std::size_t runs = w.runs(), run = w.run();
        Tensor<float> finite;  // a copy without NaN and infinities, for the rare row that has them
        float magnitude[runs_at_once];
        for (float& m : magnitude) m = 1.0f;
        for (std::size_t c = 0; c < runs; c += runs_at_once) {
            const std::size_t n = runs - c < runs_at_once ? runs - c : runs_at_once;
            const float* x = in;
            bool clean = true;
            for (std::size_t j = 0; j < n; ++j) {
                magnitude[j] = magnitude_of<A>(in + (c + j) * run, run);
                clean = clean && is_finite(magnitude[j]);
            }
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
