// SPDX-License-Identifier: BSL-1.0
// Whole matrices between float and any format, by rows and threads.
//
//     auto q = quantize<Grouped<Int4Value, 64>>(on, w);      // w: View<const float> or Tensor<float>
//     dequantize(on, q, back.view());
//
//     real(r, k) = code(r, k) * scale(run) + offset(run)
//
// Results do not depend on the number of threads. See rows.hpp for what NaN and infinity become.
#pragma once

#include <nibble/kernel/rows.hpp>
#include <nibble/store/buffer.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// Rows a thread takes at once: enough that starting it is worth while.
[[nodiscard]] constexpr std::size_t row_grain(std::size_t cols) noexcept {
    return cols >= 16384 ? 1 : 16384 / (cols == 0 ? 1 : cols);
}

/// The per-tensor scale and offset of all of w. Rows are measured in parallel and summed in order.
template <NeuralValue V, ScaleValue S, bool HasOffset, class A>
[[nodiscard]] Affine calibrate_tensor(BasicHost<A>& on, View<const float> w, Calibration how) {
    Tensor<float> finite;
    Buffer<float> most(w.rows);
    on.parallel_for(w.rows, row_grain(w.cols), [&](std::size_t first, std::size_t last) {
        for (std::size_t r = first; r < last; ++r) most[r] = magnitude_of<A>(w.row(r), w.cols);
    });
    float magnitude = 0.0f;
    bool spoilt = false;
    for (const float m : most) {
        spoilt = spoilt || !is_finite(m);
        magnitude = m > magnitude ? m : magnitude;
    }
    // The ends themselves matter only to offsets and to a search.
    if (!spoilt && !HasOffset && how.method == Calibration::Method::absmax)
        return covering<V, S, HasOffset>({0.0f, magnitude});
    if (spoilt) {
        finite = Tensor<float>({w.rows, w.cols});
        for (std::size_t r = 0; r < w.rows; ++r)
            copy_finite<A>(w.row(r), w.cols, finite.data() + r * finite.stride());
        w = std::as_const(finite).view();
    }
    Range range;
    for (std::size_t r = 0; r < w.rows; ++r) {
        const Range one = range_of<A>(w.row(r), w.cols);
        range.low = r == 0 || one.low < range.low ? one.low : range.low;
        range.high = r == 0 || one.high > range.high ? one.high : range.high;
    }
    const std::size_t count = w.rows * w.cols;
    if (how.method == Calibration::Method::mse) {
        const auto sum = [&]<class T>(T, auto&& of_row) {
            Buffer<T> parts(w.rows);
            on.parallel_for(w.rows, row_grain(w.cols), [&](std::size_t first, std::size_t last) {
                for (std::size_t r = first; r < last; ++r) parts[r] = of_row(w.row(r));
            });
            T all{};
            for (const T& part : parts) all += part;
            return all;
        };
        return search_scale<V, S, HasOffset>(
            range, count,
            [&](Affine a) {
                return sum(double{},
                           [&](const float* x) { return error_of<V, HasOffset, A>(x, w.cols, a); });
            },
            [&](Affine a) {
                return sum(Fit{},
                           [&](const float* x) { return fit_of<V, HasOffset, A>(x, w.cols, a); });
            });
    }
    if (how.method == Calibration::Method::percentile)
        range = cut_to(range, magnitude_percentile(count, how.percentile, [&](auto f) {
                           for (std::size_t r = 0; r < w.rows; ++r) f(w.row(r), w.cols);
                       }));
    return covering<V, S, HasOffset>(range);
}

/// Stores all of w in q, which has its shape already, and returns how many numbers were clipped or
/// NaN. A group that does not divide the row is q's to have fitted (see Matrix).
template <class A, Format F, class Memory, class Rounding = ToNearest>
Clipped quantize(BasicHost<A>& on, View<const float> w, Matrix<F, Memory>& q,
                 Rounding rounding = {}, Calibration how = default_calibration<F>()) {
    if (w.rows != q.rows() || w.cols != q.cols())
        fail("quantize to " + to_string(q.spec()) + ": numbers of " +
             to_string(Shape{w.rows, w.cols}) + " for a matrix of " + to_string(q.shape()));
    if (how.method == Calibration::Method::percentile &&
        !(how.percentile > 0.0f && how.percentile <= 100.0f))
        fail("quantize: a percentile of " + std::to_string(how.percentile) +
             ", expected more than 0 and at most 100");
    if (w.rows == 0 || w.cols == 0) return {};
    using Traits = format_traits<F>;
    if constexpr (Traits::scaled && Traits::granularity == Granularity::tensor) {
        using S = typename Traits::Scale;
        const Affine a = calibrate_tensor<value_of<F>, S, Traits::has_offset>(on, w, how);
        q.scales().data()[0] = encode<S>(a.scale);
        if constexpr (Traits::has_offset) q.offsets().data()[0] = encode<S>(a.offset);
    }
    Tally saturated, nan;
    on.parallel_for(w.rows, row_grain(w.cols), [&](std::size_t first, std::size_t last) {
        Clipped some;
        for (std::size_t r = first; r < last; ++r)
            some += store_row<A>(q, r, w.row(r), rounding, how);
        saturated.add(some.saturated);
        nan.add(some.nan);
    });
    return {saturated.count(), nan.count()};
}

/// w in format F. Fails unless F's group divides the row.
template <Format F, class A>
[[nodiscard]] Matrix<F> quantize(BasicHost<A>& on, View<const float> w,
                                 Calibration how = default_calibration<F>()) {
    expect_group_divides(spec_of<F>(), w.cols);
    Matrix<F> q(w.rows, w.cols);
    quantize(on, w, q, ToNearest{}, how);
    return q;
}

/// Stores all of w in q by absolute maximum, also where one scale serves the whole matrix: the
/// streaming way that optimizers take at each step.
template <class A, Format F, class Memory, class Rounding = ToNearest>
Clipped store_matrix(BasicHost<A>& on, View<const float> w, Matrix<F, Memory>& q,
                     Rounding rounding = {}) {
    return quantize(on, w, q, rounding, by_absmax);
}

/// The numbers of q. `out` has q's shape; padding of its own becomes zero.
template <class A, Format F, class Memory>
void dequantize(BasicHost<A>& on, const Matrix<F, Memory>& q, View<float> out) {
    if (out.rows != q.rows() || out.cols != q.cols())
        fail("dequantize from " + to_string(q.spec()) + ": a matrix of " + to_string(q.shape()) +
             " into " + to_string(Shape{out.rows, out.cols}));
    on.parallel_for(q.rows(), row_grain(q.cols()), [&](std::size_t first, std::size_t last) {
        Tensor<float> row;
        if (!out.wide()) row = Tensor<float>::uninitialized({1, q.cols()});
        for (std::size_t r = first; r < last; ++r) {
            load_row<A>(q, r, out.wide() ? out.row(r) : row.data());
            if (!out.wide())
                for (std::size_t k = 0; k < q.cols(); ++k) out(r, k) = row.data()[k];
        }
    });
}

}  // namespace nibble
