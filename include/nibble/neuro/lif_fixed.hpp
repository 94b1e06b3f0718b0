// SPDX-License-Identifier: BSL-1.0
// LIF neurons of a fixed number: no heap, no exceptions, no threads, no xsimd. For microcontrollers.
//
//     constinit LifArray<Fixed16<8>, 256> retina{{.leak = 0.9, .threshold = 1.0, .reset = 0.0}};
//
// N * bits / 8 bytes of potentials and a few words of parameters. Declared constinit, an array of an
// integer or fixed-point type holds no floating-point instruction: its parameters were converted by
// the compiler. This header and what it includes compile freestanding.
#pragma once

#include <nibble/kernel/isa.hpp>
#include <nibble/neuro/countdown.hpp>
#include <nibble/neuro/membrane.hpp>
#include <nibble/store/array.hpp>

#include <span>

namespace nibble::inline NIBBLE_ARCH {

/// Reaching this in a constant expression is an error: the scale puts the threshold beyond the
/// highest code. At run time such neurons fire at the highest code.
inline void lif_threshold_is_beyond_the_highest_code() noexcept {}
/// Likewise: the refractory period is longer than the array's LongestRefractory.
inline void lif_refractory_period_is_too_long() noexcept {}

/// N leaky integrate-and-fire neurons with one set of parameters (see membrane.hpp). Not
/// thread-safe. LongestRefractory > 0 makes room for refractory periods up to it.
template <NeuralValue V, std::size_t N = std::dynamic_extent, class A = Isa,
          unsigned LongestRefractory = 0>
class LifArray {
    static_assert(N != std::dynamic_extent,
                  "a LifArray without a size is in <nibble/neuro/lif.hpp>");

public:
    using Value = V;

    /// All potentials zero. In a constant expression, parameters that do not fit do not compile.
    constexpr explicit LifArray(const LifParameters& parameters,
                                const StateScale& scale = {}) noexcept
        : membrane_(parameters, scale),
          seed_(is_stochastic<V>(scale.rounding) ? scale.seed : 0),
          stochastic_(is_stochastic<V>(scale.rounding)),
          refractory_(parameters.refractory) {
        if (!Membrane<V>::fits(parameters, scale)) lif_threshold_is_beyond_the_highest_code();
        if (parameters.refractory > LongestRefractory) {
            lif_refractory_period_is_too_long();
            refractory_ = LongestRefractory;
        }
    }

    [[nodiscard]] static constexpr std::size_t size() noexcept { return N; }
    /// The potentials, as codes.
    [[nodiscard]] constexpr ValueSpan<V> potential() noexcept { return potential_.span(); }
    [[nodiscard]] constexpr ValueSpan<const V> potential() const noexcept {
        return potential_.span();
    }
    /// Potentials that were cut to the range of V so far.
    [[nodiscard]] constexpr std::uint32_t saturated() const noexcept { return saturated_; }
    /// Steps so far: the counter of stochastic rounding.
    [[nodiscard]] constexpr std::uint32_t steps() const noexcept { return steps_; }

    /// One step. `current[i]` is neuron i's input, with the scale of the potentials; N of them.
    /// Calls on_spike(i) for every neuron that fires, in ascending order; returns how many fired.
    template <class OnSpike>
    constexpr std::size_t step(ValueSpan<const V> current, OnSpike&& on_spike) noexcept {
        NIBBLE_EXPECT(current.size() == N);
        return advance([&](const Membrane<V>& m,
                           std::size_t i) { return m.integrate_code(potential_[i], current[i]); },
                       on_spike);
    }
    /// The same from what synapses added up: see charge_t.
    template <class OnSpike>
    constexpr std::size_t step(std::span<const charge_t<V>> charge, OnSpike&& on_spike) noexcept {
        NIBBLE_EXPECT(charge.size() == N);
        return advance([&](const Membrane<V>& m,
                           std::size_t i) { return m.integrate(potential_[i], charge[i]); },
                       on_spike);
    }

private:
    static constexpr unsigned planes = Countdown::bits(LongestRefractory);
    static constexpr std::size_t blocks = planes == 0 ? 0 : (N + 63) / 64;

    template <class Sum, class OnSpike>
    constexpr std::size_t advance(Sum&& sum, OnSpike& on_spike) noexcept {
        const std::size_t fired =
            stochastic_ ? advance(StochasticFrom{Dither(seed_, steps_)}, sum, on_spike)
                        : advance(ToNearest{}, sum, on_spike);
        ++steps_;
        return fired;
    }
    template <class Rounding, class Sum, class OnSpike>
    constexpr std::size_t advance(Rounding rounding, Sum& sum, OnSpike& on_spike) noexcept {
        std::size_t total = 0;
        std::uint64_t blocked = 0, fired = 0;
        // Copies: what a store to a potential cannot change stays in registers.
        const Membrane<V> membrane = membrane_;
        const V reset = reset_code(membrane);
#pragma GCC unroll 2
        for (std::size_t i = 0; i < N; ++i) {
            const std::uint64_t bit = std::uint64_t{1} << (i % 64);
            if constexpr (planes != 0) {
                if (i % 64 == 0) blocked = Countdown::tick(&countdown_[i / 64 * planes], planes);
            }
            if ((blocked & bit) == 0) {
                const auto x = sum(membrane, i);
                if (membrane.is_plain(x)) [[likely]] {
                    potential_.set(i, membrane.store(x, rounding_at(rounding, i)));
                } else if (membrane.fires(x)) {
                    potential_.set(i, reset);
                    ++total;
                    fired |= bit;
                    on_spike(i);
                } else {
                    potential_.set(i, membrane.store(x, rounding_at(rounding, i)));
                    ++saturated_;
                }
            }
            if constexpr (planes != 0) {
                if (i % 64 == 63 || i + 1 == N) {
                    Countdown::start(&countdown_[i / 64 * planes], planes, fired, refractory_);
                    fired = 0;
                }
            }
        }
        return total;
    }

    ValueArray<V, N> potential_{};
    [[no_unique_address]] std::array<std::uint64_t, blocks * planes> countdown_{};
    Membrane<V> membrane_;
    std::uint64_t seed_;
    std::uint32_t steps_ = 0;
    std::uint32_t saturated_ = 0;
    bool stochastic_;
    unsigned refractory_;
};

}  // namespace nibble
