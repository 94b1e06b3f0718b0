// SPDX-License-Identifier: BSL-1.0
// Finding a run's scale and offset at run time, with a weight for each column: which errors matter is
// what calibration has seen.
//
//     minimise  sum_k h[k] (x[k] - code[k] * scale - offset)^2
//
// over a geometric grid of clipped ranges, then by least squares for the codes of the best one (as
// kernel/calibrate.hpp does for formats known at compile time, without weights).
#pragma once

#include <nibble/kernel/executor.hpp>
#include <nibble/kernel/quantize.hpp>
#include <nibble/ptq/quantized.hpp>

namespace nibble::inline NIBBLE_ARCH {
namespace ptq {

/// The scale and offset that hold all of a range, zero included, without clipping.
[[nodiscard]] inline Affine covering(const Grid& grid, float low, float high) {
    low = low < 0 ? low : 0.0f;
    high = high > 0 ? high : 0.0f;
    if (grid.symmetric()) {
        const float magnitude = -low > high ? -low : high;
        float scale = grid.stored_scale(magnitude / grid.high());
        // A scale that was rounded down far enough would clip: the next larger one then.
        for (float more = 1.03f;
             scale > 0 && more < 2 && magnitude * inverse_scale(scale) > grid.high() * 1.003f;
             more *= 1.03f)
            scale = grid.stored_scale(magnitude / grid.high() * more);
        return {scale, 0.0f};
    }
    const float step = (high / 2 - low / 2) / ((grid.high() - grid.low()) / 2);
    const float offset = grid.stored_offset(low - grid.low() * step);
    const float up = (high - offset) / grid.high(), down = (low - offset) / grid.low();
    return {grid.stored_scale(up > down ? up : down), offset};
}

/// The smallest weighted square error of n numbers under `a`. `h` may be null: all ones.
[[nodiscard]] inline double weighted_error(const Grid& grid, const float* x, const float* h,
                                           std::size_t n, Affine a) {
    const float inverse = inverse_scale(a.scale);
    double sum = 0;
    for (std::size_t k = 0; k < n; ++k) {
        const float d = x[k] - grid.nearest((x[k] - a.offset) * inverse) * a.scale - a.offset;
        sum += static_cast<double>(d * d * (h == nullptr ? 1.0f : h[k]));
    }
    return sum;
}

/// One step of least squares: the best scale and offset for the codes that `a` gives, as stored.
[[nodiscard]] inline Affine refitted(const Grid& grid, const float* x, const float* h,
                                     std::size_t n, Affine a) {
    const float inverse = inverse_scale(a.scale);
    double hh = 0, q1 = 0, qq = 0, x1 = 0, xq = 0;
    for (std::size_t k = 0; k < n; ++k) {
        const double w = h == nullptr ? 1.0 : static_cast<double>(h[k]);
        const auto q = static_cast<double>(grid.nearest((x[k] - a.offset) * inverse));
        const auto v = static_cast<double>(x[k]);
        hh += w;
        q1 += w * q;
        qq += w * q * q;
        x1 += w * v;
        xq += w * v * q;
    }
    if (grid.symmetric())
        return qq > 0 ? Affine{grid.stored_scale(static_cast<float>(xq / qq)), 0.0f} : a;
    const double spread = hh * qq - q1 * q1;
    if (!(spread > 1e-12 * hh * qq)) return a;
    const double slope = (hh * xq - x1 * q1) / spread;
    return {grid.stored_scale(static_cast<float>(slope)),
            grid.stored_offset(static_cast<float>((x1 - slope * q1) / hh))};
}

/// The scale and offset of n > 0 finite numbers. Formats of more than four bits cover the range: a
/// search gains nothing there.
[[nodiscard]] inline Affine search(const Grid& grid, const float* x, const float* h,
                                   std::size_t n) {
    float low = 0, high = 0;
    for (std::size_t k = 0; k < n; ++k) {
        low = x[k] < low ? x[k] : low;
        high = x[k] > high ? x[k] : high;
    }
    Affine best = covering(grid, low, high);
    const float magnitude = -low > high ? -low : high;
    if (grid.bits() > 4 || magnitude == 0 || best.scale == 0) return best;
    double least = weighted_error(grid, x, h, n, best);
    const auto better = [&](Affine candidate) {
        if (candidate.scale == 0) return false;
        const double e = weighted_error(grid, x, h, n, candidate);
        if (!(e < least)) return false;
        best = candidate;
        least = e;
        return true;
    };
    const float middle = low / 2 + high / 2;
    for (float ratio = 1.0f; ratio > 0.2f; ratio *= 0.94f) {
        if (!grid.symmetric()) {
            better(
                covering(grid, middle + (low - middle) * ratio, middle + (high - middle) * ratio));
        } else {
            better({grid.stored_scale(magnitude * ratio / grid.high()), 0.0f});
            if (grid.lopsided())
                better({grid.stored_scale((high > -low ? -1.0f : 1.0f) * magnitude * ratio /
                                          -grid.low()),
                        0.0f});
        }
    }
    for (int k = 0; k < 4 && better(refitted(grid, x, h, n, best)); ++k) {
    }
    return best;
}

/// Sets every run's scale and offset to what `find` makes of its numbers: find(x, n, first column). A
/// per-tensor format takes all numbers as one run, whose first column is 0.
template <class Find>
void each_run(Host& on, View<const float> w, Quantized& q, const Find& find) {
    const auto set = [&](std::size_t r, std::size_t i, Affine a) {
        q.scales(r, i) = a.scale;
        if (!q.offsets.empty()) q.offsets(r, i) = a.offset;
    };
    if (w.rows == 0 || w.cols == 0) return;
    if (q.spec.granularity == Granularity::tensor) {
        std::vector<float> all;
        for (std::size_t r = 0; r < w.rows; ++r) all.insert(all.end(), w.row(r), w.row(r) + w.cols);
        const Affine a = find(all.data(), all.size(), std::size_t{0});
        for (std::size_t r = 0; r < w.rows; ++r) set(r, 0, a);
        return;
    }
    on.parallel_for(w.rows, 1 + 2048 / w.cols, [&](std::size_t first, std::size_t end) {
        for (std::size_t r = first; r < end; ++r)
            for (std::size_t i = 0; i < q.runs(); ++i)
                set(r, i, find(w.row(r) + i * q.run, q.run, i * q.run));
    });
}

/// Scales and offsets of all of w, which is finite, by search; `h` has a weight for each column, or is
/// null. Per-tensor formats leave h aside.
inline void find_scales(Host& on, View<const float> w, const float* h, Quantized& q) {
    const Grid grid(q.spec);
    if (q.spec.granularity == Granularity::tensor) h = nullptr;
    each_run(on, w, q, [&](const float* x, std::size_t n, std::size_t first) {
        return search(grid, x, h == nullptr ? nullptr : h + first, n);
    });
}

/// Scales and offsets under which nothing clips.
inline void cover_ranges(Host& on, View<const float> w, Quantized& q) {
    const Grid grid(q.spec);
    each_run(on, w, q, [&](const float* x, std::size_t n, std::size_t) {
        const auto [low, high] = std::minmax_element(x, x + n);
        return covering(grid, *low, *high);
    });
}

/// The nearest codes under the scales that q has.
inline void round_codes(Host& on, View<const float> w, Quantized& q) {
    const Grid grid(q.spec);
    on.parallel_for(w.rows, 1 + 16384 / (w.cols + 1), [&](std::size_t first, std::size_t end) {
        for (std::size_t r = first; r < end; ++r)
            for (std::size_t k = 0; k < w.cols; ++k) {
                const std::size_t i = k / q.run;
                q.codes(r, k) =
                    grid.nearest((w(r, k) - q.offset(r, i)) * inverse_scale(q.scale(r, i)));
            }
    });
}

/// Fails when w has a number that is no number: no method could make a scale of it.
inline void expect_finite(View<const float> w, const std::string& name) {
    for (std::size_t r = 0; r < w.rows; ++r)
        for (std::size_t k = 0; k < w.cols; ++k)
            if (!std::isfinite(w(r, k)))
                fail("ptq: " + name + " has " + std::to_string(w(r, k)) + " at row " +
                     std::to_string(r) + ", column " + std::to_string(k) +
                     ", expected finite numbers");
}

}  // namespace ptq
}  // namespace nibble
