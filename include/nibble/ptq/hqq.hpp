// SPDX-License-Identifier: BSL-1.0
// HQQ (Badri, Shaji 2023), half-quadratic quantization: no data, and errors counted by a norm below 1,
// so that a few outliers do not stretch the scale of all others.
//
//     minimise  sum |w - real(code)|^p,  p = 0.7
//     e = shrink(w - real(code)):  sign(d) max(|d| - |d|^(p-1) / beta, 0)      what counts as outlier
//     the offset, or for a symmetric format the scale, of least squares for w - e;  beta grows
#pragma once

#include <nibble/ptq/scales.hpp>

namespace nibble::inline NIBBLE_ARCH {
namespace ptq {

/// How half_quadratic works.
struct HqqOptions {
    float p = 0.7f;      ///< of the shrinkage
    float judge = 1.3f;  ///< power of the error by which the best round is kept
    float beta = 10.0f;  ///< of weights whose scale is 1; the larger, the less is an outlier
    float growth = 1.01f;
    int rounds = 20;
};

/// The scale and offset of n > 0 finite numbers.
[[nodiscard]] inline Affine half_quadratic_run(const Grid& grid, const float* x, std::size_t n,
                                               const HqqOptions& options,
                                               std::vector<float>& rest) {
    float low = 0, high = 0;
    for (std::size_t k = 0; k < n; ++k) {
        low = x[k] < low ? x[k] : low;
        high = x[k] > high ? x[k] : high;
    }
    const float magnitude = -low > high ? -low : high;
    if (magnitude == 0) return covering(grid, low, high);
    rest.resize(n);
    const auto norm = [&](Affine a) {
        const float inverse = inverse_scale(a.scale);
        double sum = 0;
        for (std::size_t k = 0; k < n; ++k) {
            const float q = grid.nearest((x[k] - a.offset) * inverse);
            sum += static_cast<double>(
                std::pow(std::fabs(x[k] - q * a.scale - a.offset), options.judge));
        }
        return sum;
    };
    const auto polished = [&](Affine a) {
        double least = norm(a);
        Affine best = a;
        // Errors are measured in steps of the code, for which beta is meant.
        float beta = options.beta;
        for (int round = 0; round < options.rounds; ++round, beta *= options.growth) {
            const float step = std::fabs(a.scale), inverse = inverse_scale(a.scale);
            for (std::size_t k = 0; k < n; ++k) {
                const float q = grid.nearest((x[k] - a.offset) * inverse);
                const float d = (x[k] - q * a.scale - a.offset) / step, size = std::fabs(d);
                const float cut = size > 0 ? size - std::pow(size, options.p - 1) / beta : 0.0f;
                const float e = cut > 0 ? (d < 0 ? -cut : cut) * step : 0.0f;
                rest[k] = x[k] - e;
            }
            Affine next = a;
            if (grid.symmetric()) {
                double xq = 0, qq = 0;
                for (std::size_t k = 0; k < n; ++k) {
                    const float q = grid.nearest((x[k] - a.offset) * inverse);
                    xq += static_cast<double>(rest[k] * q);
                    qq += static_cast<double>(q * q);
                }
                if (!(qq > 0)) break;
                next.scale = grid.stored_scale(static_cast<float>(xq / qq));
            } else {
                double sum = 0;
                for (std::size_t k = 0; k < n; ++k)
                    sum += static_cast<double>(rest[k] -
                                               grid.nearest((x[k] - a.offset) * inverse) * a.scale);
                next.offset = grid.stored_offset(static_cast<float>(sum / static_cast<double>(n)));
            }
            if (next.scale == 0 || (next.scale == a.scale && next.offset == a.offset)) break;
            a = next;
            const double now = norm(a);
            if (!(now < least)) break;
            least = now;
            best = a;
        }
        return std::pair{best, least};
    };
    Affine best;
    double least = std::numeric_limits<double>::infinity();
    const auto attempt = [&](Affine start) {
        if (start.scale == 0) return;
        const auto [a, e] = polished(start);
        if (e < least) {
            best = a;
            least = e;
        }
    };
    attempt(covering(grid, low, high));
    // Beside an offset the scale stays that of the range, as in the paper. Alone it is caught by the
    // next local minimum: a few clipped ranges to start from.
    for (const float ratio : {0.9f, 0.8f, 0.7f, 0.55f}) {
        if (!grid.symmetric()) break;
        if (grid.lopsided())
            attempt(
                {grid.stored_scale((high > -low ? -1.0f : 1.0f) * magnitude * ratio / -grid.low()),
                 0.0f});
        else attempt({grid.stored_scale(magnitude * ratio / grid.high()), 0.0f});
    }
    return best;
}

/// Scales and offsets of all of w, which is finite.
inline void half_quadratic(Host& on, View<const float> w, Quantized& q,
                           const HqqOptions& options = {}) {
    const Grid grid(q.spec);
    each_run(on, w, q, [&](const float* x, std::size_t n, std::size_t) {
        std::vector<float> rest;
        return half_quadratic_run(grid, x, n, options, rest);
    });
}

}  // namespace ptq
}  // namespace nibble
