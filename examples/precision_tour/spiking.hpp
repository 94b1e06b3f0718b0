// The spiking network: the same neurons, synapses and input at FP32, FP16, INT8 and INT4.
#pragma once

#include "result.hpp"

#include <vector>

namespace tour {

/// Runs the network at each of these that is among `precisions`, and always at FP32, with which the
/// others are compared.
[[nodiscard]] std::vector<SpikingResult> run_spiking(Tour& tour,
                                                     const std::vector<std::string>& precisions);

}  // namespace tour
