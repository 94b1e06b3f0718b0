// SPDX-License-Identifier: BSL-1.0
// What quantizing cost: a matrix in some format against the numbers it was made from.
//
//     mse     = mean of (w - real)^2 over the finite numbers of w
//     sqnr_db = 10 log10(sum of w^2 / sum of (w - real)^2)      signal to quantization noise
//
// Rows are measured in parallel and summed in order, in double: equal for any number of threads.
#pragma once

#include <nibble/kernel/quantize.hpp>

#include <array>
#include <cmath>
#include <cstdio>

namespace nibble::inline NIBBLE_ARCH {

/// Errors of a quantized matrix. NaN and infinite numbers are counted and left out of all else.
struct ErrorReport {
    static constexpr std::size_t bins = 41;

    std::size_t count = 0;    ///< finite numbers compared
    std::size_t clipped = 0;  ///< numbers outside their run's range by more than rounding
    std::size_t nan = 0;      ///< NaN in the original
    double mse = 0;
    double sqnr_db = 0;  ///< infinite when there is no error; 0 when there is no signal either
    double max_error = 0;
    double bits_per_weight = 0;  ///< all planes as allocated, padding included
    double bin_width = 0;        ///< a quarter of the root mean square error
    /// How many errors (w - real) lie within half a bin of (i - 20) * bin_width; the outermost bins
    /// hold all beyond.
    std::array<std::size_t, bins> histogram{};
};

/// The errors of one row, before they are summed.
struct RowErrors {
    double squared = 0, signal = 0, most = 0;
    std::size_t count = 0, clipped = 0, nan = 0;
    std::array<std::size_t, ErrorReport::bins> histogram{};
};

/// Compares q with the numbers it stands for; w has its shape.
template <class A, Format F, class Memory>
[[nodiscard]] ErrorReport quantization_error(BasicHost<A>& on, View<const float> w,
                                             const Matrix<F, Memory>& q) {
    if (w.rows != q.rows() || w.cols != q.cols())
        fail("quantization error of " + to_string(q.spec()) + ": a matrix of " +
             to_string(q.shape()) + " against numbers of " + to_string(Shape{w.rows, w.cols}));
    Buffer<RowErrors> rows(w.rows);
    double width = 0;
    const auto each = [&](auto&& add) {
        on.parallel_for(w.rows, row_grain(w.cols), [&](std::size_t first, std::size_t last) {
            auto real = Tensor<float>::uninitialized({1, w.cols});
            for (std::size_t r = first; r < last; ++r) {
                load_row<A>(q, r, real.data());
                for (std::size_t k = 0; k < w.cols; ++k) {
                    const float x = w.row(r)[k];
                    add(rows[r], r, k, x,
                        static_cast<double>(x) - static_cast<double>(real.data()[k]));
                }
            }
        });
    };
    each([&](RowErrors& row, std::size_t r, std::size_t k, float x, double error) {
        if (x != x) {
            ++row.nan;
            return;
        }
        const float y = (x - q.offset(r, k)) * inverse_scale(q.scale(r, k));
        row.clipped += y <= clip_limits<value_of<F>>.low || y >= clip_limits<value_of<F>>.high ||
                               (format_traits<F>::scaled && !is_finite(x))
                           ? 1u
                           : 0u;
        if (!is_finite(x)) return;
        ++row.count;
        row.squared += error * error;
        row.signal += static_cast<double>(x) * static_cast<double>(x);
        const double size = error < 0 ? -error : error;
        row.most = size > row.most ? size : row.most;
    });
    ErrorReport report;
    double squared = 0, signal = 0;
    for (const RowErrors& row : rows) {
        report.count += row.count;
        report.clipped += row.clipped;
        report.nan += row.nan;
        squared += row.squared;
        signal += row.signal;
        report.max_error = row.most > report.max_error ? row.most : report.max_error;
    }
    if (report.count != 0) report.mse = squared / static_cast<double>(report.count);
    if (q.size() != 0)
        report.bits_per_weight =
            8.0 * static_cast<double>(q.bytes()) / static_cast<double>(q.size());
    if (squared > 0) report.sqnr_db = 10 * std::log10(signal / squared);
    else if (signal > 0) report.sqnr_db = std::numeric_limits<double>::infinity();
    width = std::sqrt(report.mse) / 4;
    report.bin_width = width;
    each([&](RowErrors& row, std::size_t, std::size_t, float x, double error) {
        if (!is_finite(x)) return;
        constexpr double middle = ErrorReport::bins / 2;
        double at = width > 0 ? error / width : 0.0;
        if (at != at) at = error;  // a number that became infinite, which makes the width so too
        at = at < -middle ? -middle : at > middle ? middle : at;
        ++row.histogram[static_cast<std::size_t>(at + middle + 0.5)];
    });
    for (const RowErrors& row : rows)
        for (std::size_t i = 0; i < ErrorReport::bins; ++i) report.histogram[i] += row.histogram[i];
    return report;
}

/// "4.50 bits a weight, SQNR 21.8 dB, mse 2.6e-06, largest error 0.0071, clipped 12 of 4096, NaN 0"
[[nodiscard]] inline std::string to_string(const ErrorReport& report) {
    char text[200];
    std::snprintf(text, sizeof text,
                  "%.2f bits a weight, SQNR %.1f dB, mse %.2g, largest error %.2g, clipped %zu of "
                  "%zu, NaN %zu",
                  report.bits_per_weight, report.sqnr_db, report.mse, report.max_error,
                  report.clipped, report.count, report.nan);
    return text;
}

}  // namespace nibble
