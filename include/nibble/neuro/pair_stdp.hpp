// SPDX-License-Identifier: BSL-1.0
// Exponential pair STDP (Bi and Poo 1998; Song, Miller and Abbott 2000), with t = post - pre in bursts:
//
//     t >= 0    dw =  a_plus  * exp(-t / tau_plus)
//     t <  0    dw = -a_minus * exp( t / tau_minus)
//
// Weights are bytes and dw is a part of the whole range: 255 * dw is added. For single pairs as a
// function; for running networks with a trace per neuron, which sums all pairs or takes the nearest.
#pragma once

#include <nibble/neuro/brain_synapses.hpp>
#include <nibble/value/rounding.hpp>

#include <cmath>
#include <span>
#include <vector>

namespace nibble::inline NIBBLE_ARCH {

/// The two exponentials. Times are in bursts.
struct PairStdp {
    float tau_plus = 20.0f, tau_minus = 20.0f;
    float a_plus = 0.01f, a_minus = 0.012f;
    friend bool operator==(const PairStdp&, const PairStdp&) = default;
};

/// dw of a pair whose post spike came t bursts after its pre spike.
[[nodiscard]] inline float pair_change(const PairStdp& p, std::int32_t t) noexcept {
    const auto at_least = [](float tau) { return tau > 1e-6f ? tau : 1e-6f; };
    const float dt = static_cast<float>(t);
    if (t > 0) return p.a_plus * std::exp(-dt / at_least(p.tau_plus));
    if (t < 0) return -p.a_minus * std::exp(dt / at_least(p.tau_minus));
    return p.a_plus;
}
/// The weight after a pair: cut to 0..255 and to a whole number.
[[nodiscard]] inline std::uint8_t pair_weight(const PairStdp& p, std::uint8_t w,
                                              std::int32_t t) noexcept {
    const float next = static_cast<float>(w) + pair_change(p, t) * 255.0f;
    return static_cast<std::uint8_t>(next < 0.0f ? 0.0f : next > 255.0f ? 255.0f : next);
}

/// Exponential STDP of all synapses from one area to another, with traces.
struct PairRule {
    std::uint32_t source_area = 0, target_area = 0;
    PairStdp stdp{};
    bool nearest = false;  ///< pairs of neighbouring spikes only, instead of all pairs
    std::uint64_t seed = 1;
    friend bool operator==(const PairRule&, const PairRule&) = default;
};

/// The traces of a rule: what the exponentials of past spikes have decayed to.
struct PairTraces {
    std::vector<float> source, target;

    /// One burst: the traces decay and take up its spikes, and the weights of `p` change. A weight
    /// changes by a whole number, rounded up or down at random (seed, burst, synapse), so that small
    /// changes are not lost: the mean is right.
    template <class A>
    void learn(const PairRule& rule, std::span<const std::uint64_t> source_spikes,
               std::span<const std::uint64_t> target_spikes, BrainProjection<A>& p,
               std::uint64_t burst) {
        const Dither dice(rule.seed, burst, 5);
        const float up = rule.stdp.a_plus * 255.0f, down = rule.stdp.a_minus * 255.0f;
        std::uint8_t* const weight = p.spread_weights();
        const auto fired = [](std::span<const std::uint64_t> words, std::size_t i) {
            return (words[i / 64] >> i % 64 & 1u) != 0;
        };
        bool quiet = true;
        for (const std::uint64_t w : target_spikes) quiet = quiet && w == 0;
        for (std::size_t s = 0; s < p.sources(); ++s) {
            const bool pre = fired(source_spikes, s);
            if (!pre && (quiet || source[s] == 0.0f)) continue;
            p.for_row(s, [&](std::size_t k, std::uint32_t t) {
                float change = 0.0f;
                if (fired(target_spikes, t)) change += up * source[s];
                if (pre) change -= down * target[t];
                if (change == 0.0f) return;
                const float next = static_cast<float>(weight[k]) + change +
                                   static_cast<float>(dice(k) >> 8) * 0x1p-24f;
                weight[k] = static_cast<std::uint8_t>(next < 0.0f      ? 0.0f
                                                      : next >= 255.0f ? 255.0f
                                                                       : std::floor(next));
            });
        }
    }
    /// Before learn: source traces take up this burst's spikes, target traces only decay, so that a
    /// pair in one burst counts as t = 0.
    void decay(const PairRule& rule, std::span<const std::uint64_t> source_spikes,
               std::size_t sources, std::size_t targets) {
        source.resize(sources, 0.0f);
        target.resize(targets, 0.0f);
        const float keep_source = std::exp(-1.0f / rule.stdp.tau_plus);
        const float keep_target = std::exp(-1.0f / rule.stdp.tau_minus);
        for (float& x : source) x = x * keep_source < 1e-6f ? 0.0f : x * keep_source;
        for (float& x : target) x = x * keep_target < 1e-6f ? 0.0f : x * keep_target;
        spike(rule, source_spikes, source);
    }
    /// After learn: target traces take up this burst's spikes.
    void close(const PairRule& rule, std::span<const std::uint64_t> target_spikes) {
        spike(rule, target_spikes, target);
    }

private:
    static void spike(const PairRule& rule, std::span<const std::uint64_t> words,
                      std::vector<float>& trace) {
        for (std::size_t i = 0; i < trace.size(); ++i)
            if ((words[i / 64] >> i % 64 & 1u) != 0)
                trace[i] = rule.nearest ? 1.0f : trace[i] + 1.0f;
    }
};

}  // namespace nibble
