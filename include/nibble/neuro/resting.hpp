// SPDX-License-Identifier: BSL-1.0
// The textbook's leaky neuron, for LifArray: a membrane with a resting potential and a time constant.
//
//     V += dt / tau (rest - V) + I       fire when V >= threshold, then V <- reset
//
// LifArray keeps V - rest, so that zero, the code 0, is a neuron at rest at every precision: the same
// rule with leak = 1 - dt / tau, and threshold and reset counted from rest. Inputs are changes of V and
// stay as they are.
#pragma once

#include <nibble/neuro/membrane.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// The parameters as a textbook has them. Times in one unit (ms, say), potentials in one (mV).
struct RestingLif {
    double tau = 20.0, dt = 1.0;
    double rest = -65.0, threshold = -50.0, reset = -65.0;
    double refractory = 2.0;  ///< a time, rounded to steps

    /// For LifArray, Area, ...: whose potentials are then V - rest.
    [[nodiscard]] constexpr LifParameters parameters() const noexcept {
        return {.leak = 1.0 - dt / tau,
                .threshold = threshold - rest,
                .reset = reset - rest,
                .refractory = static_cast<unsigned>(refractory / dt + 0.5)};
    }
};

}  // namespace nibble
