// What a run has to say: a table, a JSON file and a page.
#pragma once

#include "run.hpp"

#include <nibble/neuro/compare.hpp>
#include <nibble/neuro/genome.hpp>

#include <optional>

namespace example {

/// Everything that is reported.
struct Report {
    const nibble::Genome& genome;
    const nibble::GenomeReport& reading;  ///< of the genome's file
    const nibble::GrownBrain& brain;
    std::string source;  ///< the file, or what stands in its place
    std::string input;   ///< what the brain was fed
    double growth_seconds = 0;
    std::size_t bursts = 0;
    Run run;
    std::optional<Run> reference;
    std::optional<nibble::SpikeSimilarity> similarity;

    /// A rate: of `n` in the time of all bursts.
    [[nodiscard]] double per_second(double n) const {
        return run.seconds > 0 ? n / run.seconds : 0;
    }
};

/// 12345678 as "12.3 M".
std::string short_number(double x);

/// The table that is printed.
std::string text_of(const Report& report);
/// Every figure.
std::string json_of(const Report& report);
/// A page of its own, readable in light and in dark.
std::string html_of(const Report& report);

}  // namespace example
