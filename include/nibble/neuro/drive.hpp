// SPDX-License-Identifier: BSL-1.0
// Input from outside a network: a constant current and Poisson events, the same for every precision.
//
// The number of events of neuron i in step t depends on (seed, t, i) alone: 32 random bits are looked
// up in the cumulative distribution, so results depend neither on threads nor on the value type.
#pragma once

#include <nibble/kernel/executor.hpp>
#include <nibble/neuro/membrane.hpp>
#include <nibble/store/error.hpp>

#include <cmath>
#include <span>
#include <vector>

namespace nibble::inline NIBBLE_ARCH {

/// What every neuron of an area receives in each step. Currents and weights are in real units.
struct Drive {
    double current = 0.0;  ///< constant
    double spread = 0.0;  ///< neuron i gets current * (1 + spread * u), u fixed, uniform in [-1, 1)
    double rate = 0.0;    ///< mean number of Poisson events a step, at most 16
    double weight = 0.0;  ///< of one event
    std::uint64_t seed = 1;
};

/// A finite number of charge units as a charge: an integer one is rounded to nearest, and cut to 2^26
/// units, far beyond the range of any potential.
template <NeuralValue V>
[[nodiscard]] charge_t<V> to_charge(double units) noexcept {
    if constexpr (integer_state<V>)
        return static_cast<charge_t<V>>(
            std::nearbyint(std::fmin(std::fmax(units, -0x1p26), 0x1p26)));
    else return static_cast<charge_t<V>>(units);
}

/// A drive prepared for n neurons that integrate charge_t<V>.
template <NeuralValue V, class A = Isa>
class DriveSource {
public:
    using Charge = charge_t<V>;

    DriveSource() = default;
    /// Error: a rate below 0 or above 16, or numbers that are not finite.
    DriveSource(std::size_t n, const Drive& drive, double charge_per_unit) : drive_(drive) {
        if (!(drive.rate >= 0.0 && drive.rate <= 16.0))
            fail("Drive: rate is " + std::to_string(drive.rate) +
                 " events a step, expected 0 to 16");
        if (!std::isfinite(drive.current * (1.0 + drive.spread)) || !std::isfinite(drive.weight))
            fail("Drive: current, spread and weight must be finite");
        weight_ = to_charge<V>(drive.weight * charge_per_unit);
        const Dither place(drive.seed, 0, 1);
        if (drive.current != 0.0) {
            constant_.resize(n);
            for (std::size_t i = 0; i < n; ++i) {
                const double u = static_cast<double>(place(i)) * 0x1p-31 - 1.0;
                constant_[i] =
                    to_charge<V>(drive.current * (1.0 + drive.spread * u) * charge_per_unit);
            }
        }
        // above_[k] = 2^32 * P(events <= k): an event for each entry at or below the random number.
        double term = std::exp(-drive.rate), sum = term;
        for (int k = 1; drive.rate > 0.0 && drive.weight != 0.0; ++k) {
            const double bound = std::floor(sum * 0x1p32 + 0.5);
            if (bound >= 0x1p32 - 0.5 || term == 0.0) break;
            above_.push_back(static_cast<std::uint32_t>(bound));
            term *= drive.rate / k;
            sum += term;
        }
    }

    [[nodiscard]] const Drive& drive() const noexcept { return drive_; }
    /// True when it never adds anything.
    [[nodiscard]] bool silent() const noexcept { return constant_.empty() && above_.empty(); }
    [[nodiscard]] std::size_t bytes() const noexcept {
        return constant_.capacity() * sizeof(Charge) + above_.capacity() * 4;
    }

    /// Adds step `step`'s input of neurons [first, last) to charge[first..last).
    void add(std::uint64_t step, std::size_t first, std::size_t last,
             std::span<Charge> charge) const noexcept {
        if (!constant_.empty())
            for (std::size_t i = first; i < last; ++i) add_charge(charge[i], constant_[i]);
        if (above_.empty()) return;
        const Dither dice(drive_.seed, step, 2);
        std::uint32_t events[64];
        for (std::size_t b = first; b < last; b += 64) {
            const std::size_t n = last - b < 64 ? last - b : 64;
            std::uint32_t bits[64];
            for (std::uint32_t i = 0; i < 64; ++i) {
                bits[i] = dice(b + i);
                events[i] = 0;
            }
            for (const std::uint32_t bound : above_)
                for (std::size_t i = 0; i < 64; ++i) events[i] += bits[i] >= bound ? 1u : 0u;
            for (std::size_t i = 0; i < n; ++i) add_charge(charge[b + i], of_events(events[i]));
        }
    }

private:
    [[nodiscard]] NIBBLE_INLINE Charge of_events(std::uint32_t n) const noexcept {
        if constexpr (integer_state<V>)
            return static_cast<Charge>(n * static_cast<std::uint32_t>(weight_));
        else return static_cast<Charge>(n) * weight_;
    }

    Drive drive_;
    std::vector<Charge> constant_;
    std::vector<std::uint32_t> above_;
    Charge weight_{};
};

}  // namespace nibble
