// SPDX-License-Identifier: BSL-1.0
// Distances between two spike trains: the steps in which one neuron fired, ascending.
//
//     coincidences      pairs no further apart than a tolerance, each spike in one pair at most
//     van Rossum 2001   trains become sums of exp(-(t - spike) / tau), t >= spike; the distance is
//                       D^2 = 1/tau * integral of (f - g)^2 over all t: 1/2 for a spike that the
//                       other train lacks, 1 - exp(-s / tau) for one that is s steps away
//     Victor and Purpura 1996   the least cost of turning one train into the other: 1 for adding or
//                       removing a spike, `cost` for moving one by a step
//
// Time is linear in the spikes (Victor and Purpura: in the pairs within 2 / cost steps).
#pragma once

#include <nibble/store/error.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace nibble::inline NIBBLE_ARCH {

/// The steps in which a neuron fired, ascending.
using SpikeTrain = std::span<const std::uint32_t>;

/// How many spikes of `a` pair with one of `b`, each used once, no further than `tolerance` steps
/// apart.
[[nodiscard]] inline std::size_t coincidences(SpikeTrain a, SpikeTrain b,
                                              std::uint32_t tolerance) noexcept {
    std::size_t n = 0;
    for (std::size_t i = 0, j = 0; i < a.size() && j < b.size();) {
        if (std::uint64_t{a[i]} + tolerance < b[j]) ++i;
        else if (std::uint64_t{b[j]} + tolerance < a[i]) ++j;
        else ++n, ++i, ++j;
    }
    return n;
}

/// The inner product of the filtered trains: 1/2 * sum over all pairs of exp(-|distance| / tau).
/// `tau` in steps, above 0. One pass (Houghton and Kreuz 2012).
[[nodiscard]] inline double van_rossum_product(SpikeTrain a, SpikeTrain b, double tau) noexcept {
    double sum = 0.0, from_a = 0.0, from_b = 0.0;
    std::uint32_t now = 0;
    for (std::size_t i = 0, j = 0; i < a.size() || j < b.size();) {
        const bool first = j == b.size() || (i < a.size() && a[i] <= b[j]);
        const std::uint32_t t = first ? a[i++] : b[j++];
        const double fade = std::exp(-static_cast<double>(t - now) / tau);
        now = t;
        from_a = from_a * fade + (first ? 1.0 : 0.0);
        from_b = from_b * fade + (first ? 0.0 : 1.0);
        sum += (first ? from_b : from_a);
    }
    return 0.5 * sum;
}

/// van Rossum's D^2; 0 for equal trains.
[[nodiscard]] inline double van_rossum_distance(SpikeTrain a, SpikeTrain b, double tau) noexcept {
    const double d = van_rossum_product(a, a, tau) + van_rossum_product(b, b, tau) -
                     2.0 * van_rossum_product(a, b, tau);
    return d > 0.0 ? d : 0.0;
}

/// Victor and Purpura's distance; `cost` per step of moving a spike, 0 or more.
///
/// A pair that is kept saves 2 - cost * distance over removing one spike and adding the other. The
/// best set of pairs in order is a longest common subsequence with weights, and pairs that save
/// nothing are left out, so row i only changes near spike i. From there on it is constant.
[[nodiscard]] inline double victor_purpura_distance(SpikeTrain a, SpikeTrain b, double cost) {
    const double reach = cost > 0.0 ? 2.0 / cost : INFINITY;
    std::vector<double> saved(b.size() + 1, 0.0);  // by the first i spikes of a and j of b
    std::size_t low = 0, high = 0;                 // entries from `high` on are saved[high]
    for (const std::uint32_t t : a) {
        const auto distance = [&](std::size_t j) {
            return std::fabs(static_cast<double>(t) - static_cast<double>(b[j]));
        };
        while (low < b.size() && b[low] < t && distance(low) > reach) ++low;
        for (; high < b.size() && (b[high] <= t || distance(high) <= reach); ++high)
            saved[high + 1] = saved[high];
        double before = saved[low];  // one spike of a less
        for (std::size_t j = low; j < high; ++j) {
            const double pair = before + 2.0 - cost * distance(j);
            before = saved[j + 1];
            saved[j + 1] = std::fmax(std::fmax(before, saved[j]), pair);
        }
    }
    return static_cast<double>(a.size() + b.size()) - saved[high];
}

/// Standard deviation of the intervals between spikes over their mean: 0 for a clock, 1 for a Poisson
/// train. NaN with less than two intervals.
[[nodiscard]] inline double interval_cv(SpikeTrain train) noexcept {
    if (train.size() < 3) return NAN;
    const auto n = static_cast<double>(train.size() - 1);
    const double mean = static_cast<double>(train.back() - train.front()) / n;
    double variance = 0.0;
    for (std::size_t i = 1; i < train.size(); ++i) {
        const double off = static_cast<double>(train[i] - train[i - 1]) - mean;
        variance += off * off / n;
    }
    return std::sqrt(variance) / mean;
}

}  // namespace nibble
