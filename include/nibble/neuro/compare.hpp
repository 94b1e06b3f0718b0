// SPDX-License-Identifier: BSL-1.0
// How alike two recordings of the same neurons are: in rates, spike by spike, and as populations.
//
// The measures of a pair of trains are in metric_trains.hpp and metric_profiles.hpp, those of rates
// in metric_rates.hpp. What is pooled over neurons is pooled so that a spike counts the same in every
// neuron. T is the number of steps, n and m a neuron's spikes in the reference and in the other.
//
//     Jaccard             spikes in both at the same step / spikes in either
//     coincidence factor  Kistler, Gerstner and van Hemmen 1997: coincidences c within +-d steps,
//                         less those that a Poisson train of m's rate would have by chance, so that
//                         1 is equal and 0 is chance:
//                         sum (c - e n) / sum ((n + m) / 2 (1 - e)),  e = (2 d + 1) m / T,
//                         over the neurons with e < 1
//     van Rossum          1 - sum D^2 / sum of what D^2 would be if no spike met another train's
//     Victor-Purpura      sum of distances / sum (n + m): 0 equal, 1 every spike removed and added
//     ISI, SPIKE          means over the neurons that fire in either
#pragma once

#include <nibble/neuro/metric_profiles.hpp>
#include <nibble/neuro/metric_rates.hpp>
#include <nibble/neuro/recording.hpp>

#include <limits>

namespace nibble::inline NIBBLE_ARCH {

/// The time scales of compare_spikes, in steps.
struct SimilarityOptions {
    std::uint32_t tolerance = 2;  ///< of the coincidence factor
    double tau = 10.0;            ///< of van Rossum's exponentials; above 0
    double cost = 0.1;     ///< Victor and Purpura's, for moving a spike by one step; 0 or more
    std::size_t bin = 10;  ///< of the counts whose pair correlation is taken; above 0
};

/// What compare_spikes finds. Two recordings without a spike are equal in every measure. What does
/// not exist (the CV of neurons that fired once) is NaN.
struct SpikeSimilarity {
    double rate_error = 0.0;        ///< percent; infinite when only the reference is silent
    double rate_correlation = 1.0;  ///< without variance: 1 for equal counts, else 0
    double jaccard = 1.0;
    double coincidence = 1.0;  ///< pooled over the neurons
    double van_rossum = 1.0;   ///< similarity, 0 to 1
    double victor_purpura = 0.0;
    double isi_distance = 0.0;
    double spike_distance = 0.0;
    double rate_emd = 0.0;  ///< spikes a step
    double reference_cv = NAN;
    double other_cv = NAN;
    double reference_pair_correlation = NAN;
    double other_pair_correlation = NAN;
    std::size_t neurons = 0;
    std::size_t steps = 0;
    std::size_t reference_spikes = 0;
    std::size_t other_spikes = 0;

    /// Calls f(name, number) for every figure, in this order; for tables and files.
    template <class F>
    void for_each(F&& f) const {
        f("rate_error_percent", rate_error);
        f("rate_correlation", rate_correlation);
        f("jaccard", jaccard);
        f("coincidence", coincidence);
        f("van_rossum", van_rossum);
        f("victor_purpura", victor_purpura);
        f("isi_distance", isi_distance);
        f("spike_distance", spike_distance);
        f("rate_emd", rate_emd);
        f("reference_cv", reference_cv);
        f("other_cv", other_cv);
        f("reference_pair_correlation", reference_pair_correlation);
        f("other_pair_correlation", other_pair_correlation);
        f("neurons", static_cast<double>(neurons));
        f("steps", static_cast<double>(steps));
        f("reference_spikes", static_cast<double>(reference_spikes));
        f("other_spikes", static_cast<double>(other_spikes));
    }
};

/// Compares two recordings of the same number of neurons and steps. Errors: sizes differ, an option
/// out of its range.
[[nodiscard]] inline SpikeSimilarity compare_spikes(const SpikeRecording& reference,
                                                    const SpikeRecording& other,
                                                    const SimilarityOptions& options = {}) {
    expect_equal(other.neurons(), reference.neurons(), "compare_spikes", "number of neurons");
    expect_equal(other.steps(), reference.steps(), "compare_spikes", "number of steps");
    if (!(options.tau > 0.0 && options.cost >= 0.0) || options.bin == 0)
        fail("compare_spikes: tau " + std::to_string(options.tau) + ", cost " +
             std::to_string(options.cost) + ", bin " + std::to_string(options.bin) +
             "; expected above 0, 0 or more, above 0");
    SpikeSimilarity s;
    s.neurons = reference.neurons();
    s.steps = reference.steps();
    std::size_t both = 0, either = 0;
    for (std::size_t t = 0; t < s.steps; ++t)
        for (std::size_t w = 0; w < reference.step(t).size(); ++w) {
            const std::uint64_t a = reference.step(t)[w], b = other.step(t)[w];
            both += static_cast<std::size_t>(std::popcount(a & b));
            either += static_cast<std::size_t>(std::popcount(a | b));
            s.reference_spikes += static_cast<std::size_t>(std::popcount(a));
            s.other_spikes += static_cast<std::size_t>(std::popcount(b));
        }
    if (either == 0) return s;
    s.jaccard = static_cast<double>(both) / static_cast<double>(either);

    const auto counts_a = reference.counts(), counts_b = other.counts();
    s.rate_error = rate_error(counts_a, counts_b);
    s.rate_correlation = rate_correlation(counts_a, counts_b);
    s.rate_emd = rate_emd(counts_a, counts_b, s.steps);

    const auto a = reference.trains(), b = other.trains();
    s.reference_cv = mean_interval_cv(a);
    s.other_cv = mean_interval_cv(b);
    s.reference_pair_correlation = pair_correlation(a, s.steps, options.bin);
    s.other_pair_correlation = pair_correlation(b, s.steps, options.bin);

    const double window = (2.0 * options.tolerance + 1.0) / static_cast<double>(s.steps);
    const auto steps = static_cast<std::uint32_t>(s.steps);
    double above_chance = 0.0, most = 0.0, shared = 0.0, own = 0.0, edits = 0.0, active = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (a[i].empty() && b[i].empty()) continue;
        const auto n = static_cast<double>(a[i].size()), m = static_cast<double>(b[i].size());
        const double chance = window * m;
        if (chance < 1.0) {  // a train so dense that chance explains everything has no factor
            above_chance +=
                static_cast<double>(coincidences(a[i], b[i], options.tolerance)) - chance * n;
            most += (n + m) / 2.0 * (1.0 - chance);
        }
        shared += 2.0 * van_rossum_product(a[i], b[i], options.tau);
        own += van_rossum_product(a[i], a[i], options.tau) +
               van_rossum_product(b[i], b[i], options.tau);
        edits += victor_purpura_distance(a[i], b[i], options.cost);
        s.isi_distance += isi_distance(a[i], b[i], steps);
        s.spike_distance += spike_distance(a[i], b[i], steps);
        active += 1.0;
    }
    // No neuron has a factor: all that can be said is whether the recordings are equal.
    s.coincidence = most > 0.0 ? above_chance / most : (both == either ? 1.0 : 0.0);
    s.van_rossum = shared / own;
    s.victor_purpura = edits / static_cast<double>(s.reference_spikes + s.other_spikes);
    s.isi_distance /= active;
    s.spike_distance /= active;
    return s;
}

}  // namespace nibble
