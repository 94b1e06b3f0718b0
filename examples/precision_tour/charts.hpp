// The page's pictures: inline SVG whose colours are CSS variables of the page.
#pragma once

#include "result.hpp"

#include <vector>

namespace tour {

/// Text made safe for HTML and SVG.
[[nodiscard]] std::string escape(const std::string& text);

/// A legend entry's stroke: colour and dashes of one precision.
[[nodiscard]] std::string swatch(const std::string& name);

/// Training loss by step, a smoothed line a precision.
[[nodiscard]] std::string loss_chart(const std::vector<LanguageResult>& results);
/// Training loss minus FP32's on the same batches.
[[nodiscard]] std::string difference_chart(const std::vector<LanguageResult>& results);
/// Weights and optimizer state, stacked.
[[nodiscard]] std::string memory_chart(const std::vector<LanguageResult>& results);
/// Distributions of the weight error, a row a precision on one logarithmic axis.
[[nodiscard]] std::string error_chart(const std::vector<LanguageResult>& results);
/// Spikes of a few neurons: those that FP32 also fired, and those it did not.
[[nodiscard]] std::string raster_chart(const SpikingResult& result, std::size_t neurons,
                                       std::size_t steps);

}  // namespace tour
