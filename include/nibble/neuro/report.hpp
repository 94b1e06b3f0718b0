// SPDX-License-Identifier: BSL-1.0
// What compare_spikes found, as text for people and as JSON for programs.
#pragma once

#include <nibble/neuro/compare.hpp>

#include <cstdio>
#include <string>

namespace nibble::inline NIBBLE_ARCH {

/// One JSON object of numbers, named as SpikeSimilarity::for_each names them; what does not exist or
/// is not finite is null.
[[nodiscard]] inline std::string similarity_json(const SpikeSimilarity& s) {
    std::string text = "{";
    s.for_each([&](const char* name, double x) {
        char number[32];
        std::snprintf(number, sizeof number, "%.9g", x);
        text += text.size() > 1 ? ",\"" : "\"";
        text += std::string(name) + "\":" + (std::isfinite(x) ? number : "null");
    });
    return text + "}";
}

/// A table of some 15 lines, each a figure with its meaning. `name` is what was compared.
[[nodiscard]] inline std::string similarity_text(const SpikeSimilarity& s,
                                                 const std::string& name = "recording",
                                                 const SimilarityOptions& options = {}) {
    std::string text = name + ": " + std::to_string(s.neurons) + " neurons, " +
                       std::to_string(s.steps) + " steps, " + std::to_string(s.other_spikes) +
                       " spikes (reference: " + std::to_string(s.reference_spikes) + ")\n";
    const auto line = [&](const char* what, double x, const char* form, const std::string& note) {
        char number[32];
        if (std::isnan(x)) std::snprintf(number, sizeof number, "-");
        else std::snprintf(number, sizeof number, form, x);
        char row[160];
        std::snprintf(row, sizeof row, "  %-18s %11s   %s\n", what, number, note.c_str());
        text += row;
    };
    const auto steps = [](double x) {
        char number[32];
        std::snprintf(number, sizeof number, "%g", x);
        return std::string(number);
    };
    const auto beside = [&](double reference) {
        char number[48];
        if (std::isnan(reference)) return std::string("reference -");
        std::snprintf(number, sizeof number, "reference %.4f", reference);
        return std::string(number);
    };
    line("rate error", s.rate_error, "%.3f %%", "0 is equal");
    line("rate correlation", s.rate_correlation, "%.5f", "1 is equal");
    line("Jaccard", s.jaccard, "%.4f", "1 is equal; spikes at the same step");
    line("coincidence", s.coincidence, "%.4f",
         "1 is equal, 0 is chance; +-" + std::to_string(options.tolerance) + " steps");
    line("van Rossum", s.van_rossum, "%.4f", "1 is equal; tau " + steps(options.tau) + " steps");
    line("Victor-Purpura", s.victor_purpura, "%.4f",
         "0 is equal, 1 nothing in common; a step costs " + steps(options.cost));
    line("ISI-distance", s.isi_distance, "%.4f", "0 is equal");
    line("SPIKE-distance", s.spike_distance, "%.4f", "0 is equal");
    line("EMD of rates", 1000.0 * s.rate_emd, "%.4f", "spikes in 1000 steps; 0 is equal");
    line("CV of intervals", s.other_cv, "%.4f", beside(s.reference_cv));
    line("pair correlation", s.other_pair_correlation, "%.5f",
         beside(s.reference_pair_correlation) + "; bins of " + std::to_string(options.bin) +
             " steps");
    return text;
}

/// Compares, prints the table to `out`, and returns the figures. Errors as compare_spikes.
inline SpikeSimilarity report_similarity(const SpikeRecording& reference,
                                         const SpikeRecording& other,
                                         const std::string& name = "recording",
                                         const SimilarityOptions& options = {},
                                         std::FILE* out = stdout) {
    const SpikeSimilarity s = compare_spikes(reference, other, options);
    std::fputs(similarity_text(s, name, options).c_str(), out);
    return s;
}

}  // namespace nibble
