// SPDX-License-Identifier: BSL-1.0
// How alike two recordings of the same neurons are: in rates, and spike by spike.
//
// n and m are the spike counts of a neuron in the reference and in the other recording, T the steps.
//
//     rate error          100 % * sum |n - m| / sum n
//     rate correlation    Pearson's r of n and m over the neurons
//     Jaccard             spikes in both at the same step / spikes in either
//     coincidence factor  Kistler, Gerstner and van Hemmen 1997: coincidences within +-d steps, less
//                         those that a Poisson train of m's rate would have by chance, so that 1 is
//                         equal and 0 is chance:
//                         sum (c - e n) / sum ((n + m) / 2 (1 - e)),  e = (2 d + 1) m / T
#pragma once

#include <nibble/kernel/isa.hpp>
#include <nibble/neuro/recording.hpp>

#include <cmath>
#include <limits>

namespace nibble::inline NIBBLE_ARCH {

/// What compare_spikes finds. Two recordings without a spike are equal in every measure.
struct SpikeSimilarity {
    double rate_error = 0.0;        ///< percent; infinite when only the reference is silent
    double rate_correlation = 1.0;  ///< without variance: 1 for equal counts, else 0
    double jaccard = 1.0;
    double coincidence = 1.0;  ///< pooled over the neurons
    std::size_t reference_spikes = 0;
    std::size_t other_spikes = 0;
};

/// How many spikes of a pair with one of b, each used once, no further than `tolerance` steps apart.
/// Both are ascending.
template <class A = Isa>
[[nodiscard]] std::size_t coincidences(std::span<const std::uint32_t> a,
                                       std::span<const std::uint32_t> b,
                                       std::uint32_t tolerance) noexcept {
    std::size_t n = 0;
    for (std::size_t i = 0, j = 0; i < a.size() && j < b.size();) {
        if (a[i] + tolerance < b[j]) ++i;
        else if (b[j] + tolerance < a[i]) ++j;
        else ++n, ++i, ++j;
    }
    return n;
}

/// Compares two recordings of the same number of neurons and steps; `tolerance` is the coincidence
/// factor's, in steps. Error: sizes differ.
template <class A = Isa>
[[nodiscard]] SpikeSimilarity compare_spikes(const SpikeRecording& reference,
                                             const SpikeRecording& other,
                                             std::uint32_t tolerance = 2) {
    expect_equal(other.neurons(), reference.neurons(), "compare_spikes", "number of neurons");
    expect_equal(other.steps(), reference.steps(), "compare_spikes", "number of steps");
    SpikeSimilarity s;
    std::size_t both = 0, either = 0;
    for (std::size_t t = 0; t < reference.steps(); ++t)
        for (std::size_t w = 0; w < reference.step(t).size(); ++w) {
            const std::uint64_t a = reference.step(t)[w], b = other.step(t)[w];
            both += static_cast<std::size_t>(std::popcount(a & b));
            either += static_cast<std::size_t>(std::popcount(a | b));
            s.reference_spikes += static_cast<std::size_t>(std::popcount(a));
            s.other_spikes += static_cast<std::size_t>(std::popcount(b));
        }
    if (either == 0) return s;
    s.jaccard = static_cast<double>(both) / static_cast<double>(either);

    const auto a = reference.trains(), b = other.trains();
    const auto neurons = static_cast<double>(reference.neurons());
    const double mean_a = static_cast<double>(s.reference_spikes) / neurons;
    const double mean_b = static_cast<double>(s.other_spikes) / neurons;
    const double window = (2.0 * tolerance + 1.0) / static_cast<double>(reference.steps());
    double apart = 0, aa = 0, bb = 0, ab = 0, above_chance = 0, most = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        const auto n = static_cast<double>(a[i].size()), m = static_cast<double>(b[i].size());
        apart += std::fabs(n - m);
        aa += (n - mean_a) * (n - mean_a);
        bb += (m - mean_b) * (m - mean_b);
        ab += (n - mean_a) * (m - mean_b);
        const double chance = window * m;
        above_chance += static_cast<double>(coincidences<A>(a[i], b[i], tolerance)) - chance * n;
        most += (n + m) / 2.0 * (1.0 - chance);
    }
    s.rate_error = s.reference_spikes == 0
                       ? std::numeric_limits<double>::infinity()
                       : 100.0 * apart / static_cast<double>(s.reference_spikes);
    if (aa > 0.0 && bb > 0.0) s.rate_correlation = ab / std::sqrt(aa * bb);
    else s.rate_correlation = apart == 0.0 ? 1.0 : 0.0;
    // Trains so dense that chance explains everything have no factor but equality.
    s.coincidence = most > 0.0 ? above_chance / most : (both == either ? 1.0 : 0.0);
    return s;
}

}  // namespace nibble
