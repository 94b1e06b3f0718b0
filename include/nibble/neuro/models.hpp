// SPDX-License-Identifier: BSL-1.0
// All neuron models: those of lif_models.hpp, and two whose upstroke is in the equation.
//
//     AdEx         adaptive exponential (Brette and Gerstner 2005)
//     Izhikevich   quadratic with recovery (Izhikevich 2003)
//
// They take Euler steps, for which dt of 0.1 ms is usual.
#pragma once

#include <nibble/kernel/math.hpp>
#include <nibble/neuro/lif_models.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// C dV/dt = -g (V - rest) + g slope e^((V - knee) / slope) - w + current,
/// tau_w dw/dt = a (V - rest) - w; above `peak` V is reset and w gains b. Port 0: mV that V gains.
struct AdEx {
    double capacitance = 281.0;                      ///< pF
    double g_leak = 30.0;                            ///< nS
    double rest = -70.6, knee = -50.4, slope = 2.0;  ///< mV
    double peak = 20.0, reset_to = -70.6;            ///< mV
    double a = 4.0;                                  ///< nS
    double b = 80.5;                                 ///< pA
    double tau_w = 144.0;                            ///< ms
    double current = 0.0;                            ///< pA
    double refractory = 0.0;                         ///< ms

    static constexpr std::size_t states = 2, ports = 1;
    [[nodiscard]] double extent(std::size_t k) const {
        return k == 0 ? 1.1 * (peak - rest) : 20.0 * b + a * (peak - rest);
    }

    struct Step {
        float keep, drive, rise, from_w, per_slope, knee, keep_w, from_v, peak, back, b;
        template <class B>
        NIBBLE_INLINE auto operator()(B* x, const Arrived<B>* in) const noexcept {
            const B v = in[0].onto(x[0]);
            // Beyond e^20 a step passes the peak whatever the number is.
            const B up = exp(min(rounded((v - B(knee)) * B(per_slope)), B(20.0f)));
            const B w = x[1];
            x[0] = fused(up, B(rise), fused(w, B(from_w), fused(v, B(keep), B(drive))));
            x[1] = fused(v, B(from_v), rounded(w * B(keep_w)));
            return x[0] >= B(peak);
        }
        template <class B>
        NIBBLE_INLINE void reset(B* x) const noexcept {
            x[0] = B(back);
            x[1] = x[1] + B(b);
        }
    };
    [[nodiscard]] Step step(double dt) const {
        const double per_c = dt / capacitance;
        const auto number = [](double x) { return static_cast<float>(x); };
        return {number(1.0 - g_leak * per_c),
                number(current * per_c),
                number(g_leak * slope * per_c),
                number(-per_c),
                number(1.0 / slope),
                number(knee - rest),
                number(1.0 - dt / tau_w),
                number(a * dt / tau_w),
                number(peak - rest),
                number(reset_to - rest),
                number(b)};
    }
};

/// dv/dt = 0.04 v^2 + 5 v + 140 - u + current, du/dt = a (b v - u); at `peak` v = c and u gains d.
/// v is in mV, the time in ms. Port 0: mV that v gains. Stored relative to the resting point, or,
/// where there is none (b > 0.267), to the potential at which v changes most slowly.
struct Izhikevich {
    double a = 0.02, b = 0.2, c = -65.0, d = 8.0;
    double peak = 30.0;
    double current = 0.0;
    double refractory = 0.0;

    static constexpr std::size_t states = 2, ports = 1;
    /// The potential that is stored as 0.
    [[nodiscard]] double rest() const {
        const double under = (5.0 - b) * (5.0 - b) - 22.4;
        return (b - 5.0 - std::sqrt(std::max(under, 0.0))) / 0.08;
    }
    [[nodiscard]] double extent(std::size_t k) const {
        return k == 0 ? 1.1 * (peak - rest()) : 8.0 * std::max(std::fabs(d), std::fabs(20.0 * b));
    }

    struct Step {
        float square, keep, drive, dt, keep_u, from_v, peak, back, d;
        template <class B>
        NIBBLE_INLINE auto operator()(B* x, const Arrived<B>* in) const noexcept {
            const B v = in[0].onto(x[0]), u = x[1];
            x[0] = fused(fused(v, B(square), B(keep)), v, fused(u, B(-dt), B(drive)));
            x[1] = fused(v, B(from_v), rounded(u * B(keep_u)));
            return x[0] >= B(peak);
        }
        template <class B>
        NIBBLE_INLINE void reset(B* x) const noexcept {
            x[0] = B(back);
            x[1] = x[1] + B(d);
        }
    };
    [[nodiscard]] Step step(double dt) const {
        const double v = rest(), left = (0.04 * v + 5.0 - b) * v + 140.0;
        const auto number = [](double x) { return static_cast<float>(x); };
        return {number(0.04 * dt),
                number(1.0 + (0.08 * v + 5.0) * dt),
                number((left + current) * dt),
                number(dt),
                number(1.0 - a * dt),
                number(a * b * dt),
                number(peak - v),
                number(c - v),
                number(d)};
    }
};

}  // namespace nibble
