// SPDX-License-Identifier: BSL-1.0
// GPTQ (Frantar et al. 2022): columns are rounded one after the other, and each takes over the error
// of those before it as far as the inputs let it. With H = sum of x x^T over the inputs of a layer,
// rounding a row w to q costs the layer's output (w - q)^T H (w - q).
//
//     H = M D M^T,  M unit upper triangular            (in the order in which columns are rounded)
//     q_j = nearest(w_j + sum over k < j of M_kj (w_k - q_k))
//
// which gives the same codes as the inverse-Hessian form of the paper (see Chee et al. 2023, QuIP)
// with one Cholesky factorisation and no inverse. Coordinate descent (descend.hpp) polishes them.
#pragma once

#include <nibble/ptq/cholesky.hpp>
#include <nibble/ptq/descend.hpp>

#include <algorithm>
#include <numeric>

namespace nibble::inline NIBBLE_ARCH {
namespace ptq {

/// How gptq works.
struct GptqOptions {
    double damping = 0.01;  ///< added to H's diagonal, as a share of its mean
    bool order = true;      ///< the columns with the largest inputs first
    int sweeps = 4;         ///< rounds of coordinate descent afterwards; 0: none
};

/// H with its diagonal raised, as floats and as doubles in the order of rounding.
struct Curvature {
    Tensor<float> h;                 ///< [n, n]
    std::vector<std::size_t> order;  ///< order[i]: the column that is rounded i-th
    Tensor<float> feedback;          ///< row j: M_kj for k < j, in that order
};

/// Prepares H for gptq. A damping that is too small for H is raised tenfold until it serves.
[[nodiscard]] inline Curvature curvature(Host& on, View<const float> h,
                                         const GptqOptions& options) {
    const std::size_t n = h.rows;
    if (h.cols != n) fail("gptq: a Hessian of " + to_string(Shape{h.rows, h.cols}));
    Curvature c;
    c.h = Tensor<float>(Shape{n, n});
    double mean = 0;
    for (std::size_t i = 0; i < n; ++i) mean += static_cast<double>(h(i, i));
    mean = n == 0 ? 0 : mean / static_cast<double>(n);
    if (!std::isfinite(mean)) fail("gptq: the inputs seen in calibration are not finite");
    if (!(mean > 0)) mean = 1;  // nothing seen: plain rounding
    c.order.resize(n);
    std::iota(c.order.begin(), c.order.end(), std::size_t{0});
    if (options.order)
        std::stable_sort(c.order.begin(), c.order.end(),
                         [&](std::size_t a, std::size_t b) { return h(a, a) > h(b, b); });
    for (double damping = options.damping > 0 ? options.damping : 1e-8;; damping *= 10) {
        Square a(n);
        for (std::size_t i = 0; i < n; ++i)
            for (std::size_t j = 0; j < n; ++j)
                a.row(i)[j] = static_cast<double>(h(c.order[n - 1 - i], c.order[n - 1 - j])) +
                              (i == j ? damping * mean : 0.0);
        if (!cholesky(on, a)) {
            if (damping > 1e3) fail("gptq: the Hessian is not positive definite");
            continue;
        }
        for (std::size_t i = 0; i < n; ++i)
            for (std::size_t j = 0; j < n; ++j)
                c.h(i, j) = h(i, j) + (i == j ? static_cast<float>(damping * mean) : 0.0f);
        c.feedback = Tensor<float>(Shape{n, n});
        for (std::size_t j = 0; j < n; ++j)
            for (std::size_t k = 0; k < j; ++k)
                c.feedback(j, k) =
                    static_cast<float>(a.row(n - 1 - k)[n - 1 - j] / a.row(n - 1 - j)[n - 1 - j]);
        return c;
    }
}

/// Rounds all rows under the scales that q has.
inline void compensate(Host& on, View<const float> w, const Curvature& c, Quantized& q) {
    const Grid grid(q.spec);
    constexpr std::size_t lanes = 16;  // rows that go through the columns together
    const std::size_t n = w.cols;
    on.parallel_for((w.rows + lanes - 1) / lanes, 1, [&](std::size_t first, std::size_t end) {
        std::vector<float> errors(n * lanes);
        for (std::size_t b = first; b < end; ++b) {
            const std::size_t r0 = b * lanes, rows = std::min(lanes, w.rows - r0);
            for (std::size_t j = 0; j < n; ++j) {
                float carry[lanes] = {};
                const float* f = c.feedback.view().row(j);
                for (std::size_t k = 0; k < j; ++k)
                    for (std::size_t i = 0; i < lanes; ++i)
                        carry[i] += f[k] * errors[k * lanes + i];
                const std::size_t col = c.order[j], run = col / q.run;
                for (std::size_t i = 0; i < rows; ++i) {
                    const std::size_t r = r0 + i;
                    const float s = q.scale(r, run), o = q.offset(r, run);
                    const float code = grid.nearest((w(r, col) + carry[i] - o) * inverse_scale(s));
                    q.codes(r, col) = code;
                    errors[j * lanes + i] = w(r, col) - (code * s + o);
                }
            }
        }
    });
}

/// w [rows, n] in the format, with the least damage to w x^T found for inputs whose sum of x x^T is
/// h [n, n]. w is finite; a group that does not divide n is fitted.
[[nodiscard]] inline Quantized gptq(Host& on, View<const float> w, View<const float> h,
                                    const QuantizationSpec& spec, const GptqOptions& options = {}) {
    if (h.rows != w.cols)
        fail("gptq: weights of " + to_string(Shape{w.rows, w.cols}) + " with a Hessian of " +
             to_string(Shape{h.rows, h.cols}));
    Quantized q(spec, w.rows, w.cols);
    if (w.rows == 0 || w.cols == 0) return q;
    const Curvature c = curvature(on, h, options);
    std::vector<float> weight(w.cols);
    for (std::size_t k = 0; k < w.cols; ++k) weight[k] = c.h(k, k);
    find_scales(on, w, weight.data(), q);
    compensate(on, w, c, q);
    descend(on, w, c.h, q, options.sweeps);
    return q;
}

}  // namespace ptq
}  // namespace nibble
