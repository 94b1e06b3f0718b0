// SPDX-License-Identifier: BSL-1.0
// Coordinate descent on a rounded matrix: single codes, and each run's scale and offset, move to their
// best places given all others, as long as that lowers
//
//     (w - q)^T H (w - q)        for each row by itself
//
// (Behdin et al. 2023, QuantEase, for the codes.) Every step lowers the cost, so it never makes worse
// what another method gave.
#pragma once

#include <nibble/ptq/scales.hpp>

namespace nibble::inline NIBBLE_ARCH {
namespace ptq {

/// One row's coordinate descent. e is w - q and g is H e, kept up to date.
class RowDescent {
public:
    RowDescent(const Grid& grid, const Tensor<float>& h, Quantized& q, std::size_t r,
               const float* w)
        : grid_(grid), h_(h), q_(q), r_(r), n_(q.cols()), e_(n_), g_(n_) {
        for (std::size_t k = 0; k < n_; ++k) e_[k] = w[k] - q(r, k);
        for (std::size_t k = 0; k < n_; ++k) add(k, e_[k]);
    }
    /// Moves every code to its best place given all others. How many moved.
    std::size_t codes() {
        std::size_t moved = 0;
        for (std::size_t k = 0; k < n_; ++k) {
            const std::size_t i = k / q_.run;
            const float s = q_.scale(r_, i), o = q_.offset(r_, i);
            if (s == 0) continue;
            const float old = q_.codes(r_, k), at = old * s + o;
            const float code = grid_.nearest((at + g_[k] / h_(k, k) - o) / s);
            if (code == old) continue;
            const float change = (old - code) * s;
            // Only when the rounded step is a real gain: ties would wander for ever.
            if (!(change * (2 * g_[k] + change * h_(k, k)) < 0)) continue;
            q_.codes(r_, k) = code;
            e_[k] += change;
            add(k, change);
            ++moved;
        }
        return moved;
    }
    /// Moves every run's scale and offset to their best places given the codes.
    void scales() {
        for (std::size_t i = 0; i < q_.runs(); ++i) {
            const float s = grid_.stored_scale(q_.scale(r_, i) + step(i, true));
            if (s != 0) shift(i, s, q_.offset(r_, i));
            if (!q_.offsets.empty())
                shift(i, q_.scale(r_, i), grid_.stored_offset(q_.offset(r_, i) + step(i, false)));
        }
    }
    /// (w - q)^T H (w - q)
    [[nodiscard]] double cost() const {
        double sum = 0;
        for (std::size_t k = 0; k < n_; ++k)
            sum += static_cast<double>(e_[k]) * static_cast<double>(g_[k]);
        return sum;
    }

private:
    void add(std::size_t k, float change) {
        if (change == 0) return;
        const float* row = h_.view().row(k);
        for (std::size_t j = 0; j < n_; ++j) g_[j] += row[j] * change;
    }
    /// The change of run i's scale, or offset, that least squares asks for.
    [[nodiscard]] float step(std::size_t i, bool of_scale) const {
        double along = 0, curve = 0;
        const std::size_t first = i * q_.run;
        const float* code = q_.codes.view().row(r_) + first;
        for (std::size_t a = 0; a < q_.run; ++a) {
            const float ca = of_scale ? code[a] : 1.0f;
            if (ca == 0) continue;
            along += static_cast<double>(ca * g_[first + a]);
            const float* row = h_.view().row(first + a) + first;
            float sum = 0;
            for (std::size_t b = 0; b < q_.run; ++b) sum += row[b] * (of_scale ? code[b] : 1.0f);
            curve += static_cast<double>(ca * sum);
        }
        return curve > 0 ? static_cast<float>(along / curve) : 0.0f;
    }
    /// Gives run i another scale and offset if that lowers the cost.
    void shift(std::size_t i, float s, float o) {
        const float ds = q_.scale(r_, i) - s, d0 = q_.offset(r_, i) - o;
        if (ds == 0 && d0 == 0) return;
        const double before = cost();
        const std::vector<float> e = e_, g = g_;
        for (std::size_t k = i * q_.run; k < (i + 1) * q_.run; ++k) {
            const float change = q_.codes(r_, k) * ds + d0;
            e_[k] += change;
            add(k, change);
        }
        if (cost() < before) {
            q_.scales(r_, i) = s;
            if (!q_.offsets.empty()) q_.offsets(r_, i) = o;
        } else {
            e_ = e;
            g_ = g;
        }
    }

    const Grid& grid_;
    const Tensor<float>& h_;
    Quantized& q_;
    std::size_t r_, n_;
    std::vector<float> e_, g_;
};

/// Coordinate descent over codes, scales and offsets of all rows; h [n, n] has a positive diagonal.
inline void descend(Host& on, View<const float> w, const Tensor<float>& h, Quantized& q,
                    int sweeps) {
    const Grid grid(q.spec);
    const bool free_scales =
        q.spec.granularity != Granularity::tensor && q.spec.scale != ValueKind::e8m0;
    on.parallel_for(w.rows, 4, [&](std::size_t first, std::size_t end) {
        for (std::size_t r = first; r < end; ++r) {
            RowDescent row(grid, h, q, r, w.row(r));
            for (int sweep = 0; sweep < sweeps; ++sweep) {
                if (free_scales) row.scales();
                if (row.codes() == 0) break;
            }
            if (free_scales && sweeps > 0) row.scales();
        }
    });
}

}  // namespace ptq
}  // namespace nibble
