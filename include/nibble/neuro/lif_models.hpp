// SPDX-License-Identifier: BSL-1.0
// Leaky integrate-and-fire models in physical units: ms, mV, nS, pA.
//
//     Lif          synapses that move the potential at once (Brunel 2000)
//     CubaLif      two exponential synaptic currents (Vogels and Abbott 2005)
//     CobaLif      two exponential synaptic conductances (Vogels and Abbott 2005)
//     AdaptiveLif  a threshold that each spike raises (Bellec et al. 2018)
//
// Potentials are stored relative to rest. What is linear is integrated exactly: a step multiplies by
// e^(-dt / tau) (Rotter and Diesmann 1999). Conductances decay exactly, the potential of CobaLif takes
// Euler steps, for which dt of 0.1 ms is usual. Input arrives at the start of a step and acts within it.
#pragma once

#include <nibble/neuro/model.hpp>

#include <algorithm>
#include <cmath>

namespace nibble::inline NIBBLE_ARCH {

/// Added to what decays, so that it stays clear of the subnormal numbers, which many processors are a
/// hundred times slower with; far below what matters (1e-30 of a mV or nS).
inline constexpr float barely = 0x1p-100f;

/// e^(-dt / tau), rounded once.
[[nodiscard]] inline float decay_of(double dt, double tau) {
    return static_cast<float>(std::exp(-dt / tau));
}

/// What a step adds to the potential.
[[nodiscard]] inline float drive_of(double x) { return static_cast<float>(x + 0x1p-100); }

/// tau dV/dt = rest - V + current. Port 0: mV that V gains. Exact, or in Euler steps as the textbook
/// rule V += dt/tau (rest - V) + input.
struct Lif {
    double tau = 20.0;                                     ///< ms
    double rest = 0.0, threshold = 20.0, reset_to = 10.0;  ///< mV
    double current = 0.0;     ///< constant input, mV (times the membrane's resistance)
    double refractory = 2.0;  ///< ms
    bool exact = true;

    static constexpr std::size_t states = 1, ports = 1;
    [[nodiscard]] double extent(std::size_t) const { return 1.5 * (threshold - rest); }

    struct Step {
        float keep, drive, threshold, back;
        template <class B>
        NIBBLE_INLINE auto operator()(B* x, const Arrived<B>* in) const noexcept {
            x[0] = in[0].onto(fused(x[0], B(keep), B(drive)));
            return x[0] >= B(threshold);
        }
        template <class B>
        NIBBLE_INLINE void reset(B* x) const noexcept {
            x[0] = B(back);
        }
    };
    [[nodiscard]] Step step(double dt) const {
        const double keep = exact ? std::exp(-dt / tau) : 1.0 - dt / tau;
        return {static_cast<float>(keep), drive_of(current * (1.0 - keep)),
                static_cast<float>(threshold - rest), static_cast<float>(reset_to - rest)};
    }
};

/// tau dV/dt = rest - V + current + g_e + g_i; the currents g decay with their own time constants.
/// Ports 0 and 1: mV that g_e and g_i gain. Exact.
struct CubaLif {
    double tau = 20.0, tau_e = 5.0, tau_i = 10.0;              ///< ms
    double rest = -49.0, threshold = -50.0, reset_to = -60.0;  ///< mV
    double current = 0.0;                                      ///< mV
    double refractory = 5.0;                                   ///< ms

    static constexpr std::size_t states = 3, ports = 2;
    [[nodiscard]] double extent(std::size_t k) const {
        return std::max(std::fabs(threshold - rest), std::fabs(reset_to - rest)) *
               (k == 0 ? 2.5 : 5.0);
    }

    struct Step {
        float keep, drive, from_e, from_i, keep_e, keep_i, threshold, back;
        template <class B>
        NIBBLE_INLINE auto operator()(B* x, const Arrived<B>* in) const noexcept {
            const B e = in[0].onto(x[1]), i = in[1].onto(x[2]);
            x[0] = fused(x[0], B(keep), fused(e, B(from_e), fused(i, B(from_i), B(drive))));
            x[1] = fused(e, B(keep_e), B(barely));
            x[2] = fused(i, B(keep_i), B(barely));
            return x[0] >= B(threshold);
        }
        template <class B>
        NIBBLE_INLINE void reset(B* x) const noexcept {
            x[0] = B(back);
        }
    };
    [[nodiscard]] Step step(double dt) const {
        const double keep = std::exp(-dt / tau);
        // The share of a current of now that the potential has at the end of the step.
        const auto share = [&](double tau_s) {
            if (std::fabs(tau_s - tau) < 1e-9 * tau) return static_cast<float>(dt / tau * keep);
            return static_cast<float>(tau_s / (tau_s - tau) * (std::exp(-dt / tau_s) - keep));
        };
        return {static_cast<float>(keep),
                drive_of(current * (1.0 - keep)),
                share(tau_e),
                share(tau_i),
                decay_of(dt, tau_e),
                decay_of(dt, tau_i),
                static_cast<float>(threshold - rest),
                static_cast<float>(reset_to - rest)};
    }
};

/// C dV/dt = g_leak (rest - V) + g_e (e_e - V) + g_i (e_i - V) + current, tau = C / g_leak.
/// Ports 0 and 1: nS that g_e and g_i gain.
struct CobaLif {
    double tau = 20.0, tau_e = 5.0, tau_i = 10.0;              ///< ms
    double g_leak = 10.0;                                      ///< nS
    double rest = -60.0, threshold = -50.0, reset_to = -60.0;  ///< mV
    double e_e = 0.0, e_i = -80.0;                             ///< mV
    double current = 0.0;                                      ///< pA
    double refractory = 5.0;                                   ///< ms

    static constexpr std::size_t states = 3, ports = 2;
    [[nodiscard]] double extent(std::size_t k) const {
        return k == 0 ? 2.0 * std::max(threshold - rest, rest - e_i) : 50.0 * g_leak;
    }

    struct Step {
        float keep, drive, part, from_e, from_i, keep_e, keep_i, threshold, back;
        template <class B>
        NIBBLE_INLINE auto operator()(B* x, const Arrived<B>* in) const noexcept {
            const B e = in[0].onto(x[1]), i = in[1].onto(x[2]);
            const B pull = fused(e, B(from_e) - x[0], rounded(i * (B(from_i) - x[0])));
            x[0] = fused(pull, B(part), fused(x[0], B(keep), B(drive)));
            x[1] = fused(e, B(keep_e), B(barely));
            x[2] = fused(i, B(keep_i), B(barely));
            return x[0] >= B(threshold);
        }
        template <class B>
        NIBBLE_INLINE void reset(B* x) const noexcept {
            x[0] = B(back);
        }
    };
    [[nodiscard]] Step step(double dt) const {
        const double k = dt / tau;
        return {static_cast<float>(1.0 - k),
                drive_of(current / g_leak * k),
                static_cast<float>(k / g_leak),
                static_cast<float>(e_e - rest),
                static_cast<float>(e_i - rest),
                decay_of(dt, tau_e),
                decay_of(dt, tau_i),
                static_cast<float>(threshold - rest),
                static_cast<float>(reset_to - rest)};
    }
};

/// Lif whose threshold is `threshold` + b; b decays with tau_adapt, and each spike adds `rise`.
/// Port 0: mV that V gains. Exact.
struct AdaptiveLif {
    double tau = 20.0, tau_adapt = 200.0;                 ///< ms
    double rest = 0.0, threshold = 20.0, reset_to = 0.0;  ///< mV
    double rise = 2.0;                                    ///< mV
    double current = 0.0;                                 ///< mV
    double refractory = 2.0;                              ///< ms

    static constexpr std::size_t states = 2, ports = 1;
    [[nodiscard]] double extent(std::size_t) const { return 4.0 * (threshold - rest); }

    struct Step {
        float keep, drive, keep_adapt, threshold, back, rise;
        template <class B>
        NIBBLE_INLINE auto operator()(B* x, const Arrived<B>* in) const noexcept {
            x[0] = in[0].onto(fused(x[0], B(keep), B(drive)));
            x[1] = fused(x[1], B(keep_adapt), B(barely));
            return x[0] >= x[1] + B(threshold);
        }
        template <class B>
        NIBBLE_INLINE void reset(B* x) const noexcept {
            x[0] = B(back);
            x[1] = x[1] + B(rise);
        }
    };
    [[nodiscard]] Step step(double dt) const {
        const double keep = std::exp(-dt / tau);
        return {static_cast<float>(keep),
                drive_of(current * (1.0 - keep)),
                decay_of(dt, tau_adapt),
                static_cast<float>(threshold - rest),
                static_cast<float>(reset_to - rest),
                static_cast<float>(rise)};
    }
};

}  // namespace nibble
