// SPDX-License-Identifier: BSL-1.0
// Measures of rates and of populations: from the spike counts or the trains of all neurons.
//
//     rate error         100 % * sum |n - m| / sum n, n and m a neuron's counts
//     rate correlation   Pearson's r of n and m over the neurons
//     earth mover's distance of rates   how far rates must be moved, on average over neurons, to
//                        make the distribution of rates that of the other recording, whichever
//                        neuron has them: mean |n_(k) - m_(k)| / T of the sorted counts
//     pair correlation   Pearson's r of two neurons' counts in bins, mean over all pairs
#pragma once

#include <nibble/neuro/metric_trains.hpp>

#include <algorithm>

namespace nibble::inline NIBBLE_ARCH {

/// Percent; 0 when both are silent, infinite when only the reference is.
[[nodiscard]] inline double rate_error(std::span<const std::uint32_t> reference,
                                       std::span<const std::uint32_t> other) noexcept {
    double apart = 0.0, all = 0.0;
    for (std::size_t i = 0; i < reference.size(); ++i) {
        apart += std::fabs(static_cast<double>(reference[i]) - static_cast<double>(other[i]));
        all += static_cast<double>(reference[i]);
    }
    return apart == 0.0 ? 0.0 : 100.0 * apart / all;
}

/// In [-1, 1]. Without variance on a side: 1 for equal counts, else 0.
[[nodiscard]] inline double rate_correlation(std::span<const std::uint32_t> reference,
                                             std::span<const std::uint32_t> other) noexcept {
    double mean_a = 0.0, mean_b = 0.0;
    for (std::size_t i = 0; i < reference.size(); ++i) {
        mean_a += static_cast<double>(reference[i]) / static_cast<double>(reference.size());
        mean_b += static_cast<double>(other[i]) / static_cast<double>(reference.size());
    }
    double aa = 0.0, bb = 0.0, ab = 0.0;
    for (std::size_t i = 0; i < reference.size(); ++i) {
        const double a = static_cast<double>(reference[i]) - mean_a;
        const double b = static_cast<double>(other[i]) - mean_b;
        aa += a * a, bb += b * b, ab += a * b;
    }
    if (aa > 0.0 && bb > 0.0) return ab / std::sqrt(aa * bb);
    return std::equal(reference.begin(), reference.end(), other.begin(), other.end()) ? 1.0 : 0.0;
}

/// Spikes a step, for counts of equally many neurons over `steps` steps; 0 for no steps.
[[nodiscard]] inline double rate_emd(std::vector<std::uint32_t> reference,
                                     std::vector<std::uint32_t> other, std::size_t steps) {
    std::sort(reference.begin(), reference.end());
    std::sort(other.begin(), other.end());
    double moved = 0.0;
    for (std::size_t k = 0; k < reference.size(); ++k)
        moved += std::fabs(static_cast<double>(reference[k]) - static_cast<double>(other[k]));
    return moved == 0.0
               ? 0.0
               : moved / (static_cast<double>(reference.size()) * static_cast<double>(steps));
}

/// The mean over neurons of interval_cv, those left out that have none; NaN when all are.
[[nodiscard]] inline double mean_interval_cv(
    std::span<const std::vector<std::uint32_t>> trains) noexcept {
    double sum = 0.0, n = 0.0;
    for (const auto& train : trains)
        if (const double cv = interval_cv(train); !std::isnan(cv)) sum += cv, n += 1.0;
    return n == 0.0 ? NAN : sum / n;
}

/// The mean of Pearson's r over all pairs of neurons whose counts in bins of `bin` steps (above 0)
/// vary; the last `steps` % `bin` steps are left out. NaN for less than two such neurons.
///
/// With z the counts of a neuron less their mean over their deviation, the variance of the sum of all
/// z is the number of neurons plus the sum of r over ordered pairs; so no pair is looked at.
[[nodiscard]] inline double pair_correlation(std::span<const std::vector<std::uint32_t>> trains,
                                             std::size_t steps, std::size_t bin) {
    const std::size_t bins = steps / bin;
    std::vector<double> sum(bins, 0.0), count(bins, 0.0);
    const auto b = static_cast<double>(bins);
    double neurons = 0.0, all = 0.0;
    for (const auto& train : trains) {
        const auto end = std::lower_bound(train.begin(), train.end(), bins * bin);
        std::size_t used = 0;
        double squares = 0.0;
        for (auto t = train.begin(); t != end; ++t, ++used) {
            double& c = count[*t / bin];
            squares += 2.0 * c + 1.0;  // (c + 1)^2 - c^2
            c += 1.0;
        }
        const double mean = static_cast<double>(used) / b;
        const double variance = squares / b - mean * mean;
        if (used != 0 && variance > 1e-12 * squares) {
            const double deviation = std::sqrt(variance);
            for (auto t = train.begin(); t != end; ++t) sum[*t / bin] += 1.0 / deviation;
            all += mean / deviation;
            neurons += 1.0;
        }
        for (auto t = train.begin(); t != end; ++t) count[*t / bin] = 0.0;
    }
    if (neurons < 2.0) return NAN;
    double variance = 0.0;
    for (const double s : sum) variance += (s - all) * (s - all) / b;
    return (variance - neurons) / (neurons * (neurons - 1.0));
}

}  // namespace nibble
