// SPDX-License-Identifier: BSL-1.0
// How a burst's work is laid out: spikes on their way, shares of threads, the unit of integer sums.
#pragma once

#include <nibble/neuro/brain_wiring.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// Spikes of an area, `delay` bursts ago: made once, read by all projections that carry them.
struct SpikeFeed {
    std::uint32_t area = 0;
    std::uint8_t delay = 1;
    std::vector<FiredSource> fired;
};

/// A run of an area's blocks of 64 neurons, within one block of targets.
struct BrainPart {
    std::uint32_t area = 0;
    std::size_t begin = 0, end = 0;
    BurstCounts counts;
};

/// What a thread does in a burst, and where it sums: the sums of one block of targets, which the
/// update takes right after they are complete, so that they stay in a near cache.
template <class Charge>
struct BrainShare {
    std::vector<BrainPart> parts;
    Buffer<Charge> sums;
};

/// Divides all neurons into shares of equal size.
template <class Charge, class Areas>
[[nodiscard]] std::vector<BrainShare<Charge>> share_out(const Areas& areas, std::size_t threads) {
    constexpr std::size_t block = BrainProjection<>::block / lif_block;
    std::size_t all = 0, widest = 0, done = 0;
    for (const auto& a : areas) {
        all += a.blocks();
        widest = std::max(widest, a.blocks());
    }
    std::vector<BrainShare<Charge>> shares(threads);
    for (std::size_t k = 0; k < areas.size(); ++k)
        for (std::size_t b = 0; b < areas[k].blocks();) {
            const std::size_t g = std::min(done * threads / all, threads - 1);
            const std::size_t share = ((g + 1) * all + threads - 1) / threads - done;
            const std::size_t n = std::min({areas[k].blocks() - b, block - b % block, share});
            shares[g].parts.push_back({static_cast<std::uint32_t>(k), b, b + n, {}});
            b += n;
            done += n;
        }
    for (BrainShare<Charge>& g : shares) {
        g.sums = Buffer<Charge>(std::min(widest, block) * lif_block);
        for (Charge& x : g.sums) x = untouched<Charge>;
    }
    return shares;
}

/// Adds a staged input in real units. Integer sums have room for 2^29 - 1 units of it beside all
/// synapses.
template <class Charge>
void add_input(Charge& sum, float x, int bits) noexcept {
    if constexpr (std::is_integral_v<Charge>) {
        constexpr double most = 0x1p28;
        const double units = std::nearbyint(std::ldexp(static_cast<double>(x), bits));
        const double all = sum_of(sum) + std::clamp(units, -most, most);
        sum = untouched<Charge>;
        add_event(sum, as_event(static_cast<Charge>(std::clamp(all, 1 - 2 * most, 2 * most - 1))));
    } else {
        add_event(sum, as_event(static_cast<Charge>(x)));
    }
}

/// Fraction bits (at most 16; below 0 for units above 1) at which no sum of contributions to a neuron
/// of area `target`, each rounded by up to half a unit, leaves 2^29 units. A weight that may grow counts
/// as 255, and so does a psp that potentials drive.
template <class Areas, class Projections>
[[nodiscard]] int most_charge_bits(
    const Projections& projections, const Areas& areas, std::size_t target,
    const std::vector<std::pair<std::uint32_t, std::uint32_t>>& plastic_pairs) {
    std::vector<double> sum(areas[target].room, 0.0), synapses(sum);
    for (const auto& p : projections) {
        if (p.target_area != target) continue;
        const AreaProperties& from = areas[p.source_area].properties;
        const bool plastic =
            std::find(plastic_pairs.begin(), plastic_pairs.end(),
                      std::pair(p.source_area, p.target_area)) != plastic_pairs.end();
        std::vector<std::size_t> all(p.sources(), from.psp_uniform_distribution ? 1 : 0);
        if (!from.psp_uniform_distribution)
            for (const auto& q : projections)
                if (q.source_area == p.source_area)
                    for (std::size_t s = 0; s < p.sources(); ++s) all[s] += q.fan_out(s);
        for (std::size_t s = 0; s < p.sources(); ++s)
            p.for_row(s, [&](std::size_t k, std::uint32_t t) {
                const double w = plastic ? 255.0 : static_cast<double>(p.weight(k));
                const double psp = from.mp_driven_psp ? 255.0 : static_cast<double>(p.psp(k));
                sum[t] += w * psp / static_cast<double>(all[s]);
                synapses[t] += 1.0;
            });
    }
    // Rounding to nearest makes a contribution at most half a unit, and at most twice, as large.
    int bits = 16;
    for (std::size_t t = 0; t < sum.size(); ++t) {
        const auto most = [&] {
            const double units = std::ldexp(sum[t], bits);
            return units + std::fmin(units, 0.5 * synapses[t]);
        };
        while (most() > 0x1p29) --bits;
    }
    return bits;
}

}  // namespace nibble
