// The spiking network: the same neurons, synapses and input at FP32, FP16, INT8 and INT4.
#pragma once

#include "console.hpp"

namespace tour {

/// Runs the network at each precision and compares with FP32, which is always run.
[[nodiscard]] std::vector<SpikingResult> run_spiking(Tour& tour, Progress& progress);

}  // namespace tour
