// SPDX-License-Identifier: BSL-1.0
// Which synapses there are: one by one, or by a random rule that needs no memory.
#pragma once

#include <nibble/store/error.hpp>
#include <nibble/value/rounding.hpp>

#include <cmath>
#include <cstdint>
#include <span>
#include <string>

namespace nibble::inline NIBBLE_ARCH {

/// One synapse. The weight is in real units: what the target's potential (or the state behind the
/// port) gains; negative inhibits. A spike takes `delay` ticks, at least 1.
struct Synapse {
    std::uint32_t source = 0;
    std::uint32_t target = 0;
    double weight = 0.0;
    std::uint32_t delay = 1;
};

/// A random rule: every source has `per_source` synapses to random targets, or every target has
/// `per_target` from random sources (pairs may repeat), or every pair is connected with `probability`;
/// exactly one of the three is set.
struct RandomSynapses {
    std::size_t per_source = 0;
    std::size_t per_target = 0;
    double weight = 0.1;  ///< mean, in real units; negative for an inhibitory projection
    double spread = 0.0;  ///< weights are uniform in weight * [1 - spread, 1 + spread]
    std::uint64_t seed = 1;
    double probability = 0.0;
    std::uint32_t delay = 1;         ///< ticks
    std::uint32_t delay_spread = 0;  ///< delays are uniform in delay ... delay + delay_spread
    /// With `probability`: only sources in [first_source, end_source) are connected.
    std::size_t first_source = 0, end_source = static_cast<std::size_t>(-1);
};

/// Synapses as listed; calls f(synapse) for each.
struct SynapseSpan {
    std::span<const Synapse> synapses;
    template <class F>
    void operator()(F&& f) const {
        for (const Synapse& s : synapses) f(s);
    }
};

/// The synapses of a rule, the same and in the same order each time they are asked for.
class RandomPairs {
public:
    /// Error: not exactly one of the rule's three numbers, or one out of range.
    RandomPairs(const RandomSynapses& rule, std::size_t sources, std::size_t targets)
        : rule_(rule), sources_(sources), targets_(targets) {
        if ((rule.per_source != 0) + (rule.per_target != 0) + (rule.probability != 0.0) != 1)
            fail("Projection: set one of per_source, per_target and probability");
        if (!(rule.probability >= 0.0 && rule.probability <= 1.0))
            fail("Projection: a probability is " + std::to_string(rule.probability) +
                 ", expected 0 to 1");
    }
    template <class F>
    void operator()(F&& f) const {
        if (sources_ == 0 || targets_ == 0) return;
        if (rule_.probability != 0.0) return by_probability(f);
        const bool by_source = rule_.per_source != 0;
        const std::size_t each = by_source ? rule_.per_source : rule_.per_target;
        const std::size_t other = by_source ? targets_ : sources_;
        const std::size_t n = by_source ? sources_ : targets_;
        const std::uint64_t key = splitmix64(rule_.seed);
        std::uint64_t e = 0;
        for (std::size_t i = 0; i < n; ++i)
            for (std::size_t k = 0; k < each; ++k, ++e) {
                const std::uint64_t dice = splitmix64(key + 2 * e);
                const auto here = static_cast<std::uint32_t>(i);
                const auto there = static_cast<std::uint32_t>(((dice >> 32) * other) >> 32);
                f(synapse(by_source ? here : there, by_source ? there : here,
                          splitmix64(key + 2 * e + 1), static_cast<std::uint32_t>(dice)));
            }
    }

private:
    // From one connected pair to the next: geometric gaps, source by source.
    template <class F>
    void by_probability(F&& f) const {
        const double log_miss = std::log1p(-rule_.probability);
        const std::size_t end = rule_.end_source < sources_ ? rule_.end_source : sources_;
        for (std::size_t s = rule_.first_source; s < end; ++s) {
            const std::uint64_t key = splitmix64(splitmix64(rule_.seed) + s);
            double t = -1.0;
            for (std::uint64_t e = 0;; ++e) {
                const std::uint64_t dice = splitmix64(key + 2 * e);
                const double u = (static_cast<double>(dice >> 11) + 0.5) * 0x1p-53;  // in (0, 1)
                t += 1.0 + (rule_.probability == 1.0 ? 0.0 : std::floor(std::log(u) / log_miss));
                if (!(t < static_cast<double>(targets_))) break;
                const std::uint64_t size = splitmix64(key + 2 * e + 1);
                f(synapse(static_cast<std::uint32_t>(s), static_cast<std::uint32_t>(t), size,
                          static_cast<std::uint32_t>(splitmix64(size))));
            }
        }
    }
    [[nodiscard]] Synapse synapse(std::uint32_t source, std::uint32_t target, std::uint64_t size,
                                  std::uint32_t wait) const noexcept {
        const double u = static_cast<double>(size >> 11) * 0x1p-52 - 1.0;  // in [-1, 1)
        const std::uint64_t kinds = std::uint64_t{rule_.delay_spread} + 1;
        return {source, target, rule_.weight * (1.0 + rule_.spread * u),
                rule_.delay + static_cast<std::uint32_t>((wait * kinds) >> 32)};
    }

    RandomSynapses rule_;
    std::size_t sources_, targets_;
};

}  // namespace nibble
