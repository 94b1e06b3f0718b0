// One run of a grown brain at one precision. Each value type is compiled in a file of its own,
// run_<name>.cpp, so that the program has them all at full speed and builds in parallel.
#pragma once

#include <nibble/neuro/brain_growth.hpp>
#include <nibble/neuro/recording.hpp>

#include <string>
#include <vector>

namespace example {

/// An input to one neuron of an area in one burst.
struct Input {
    std::uint32_t area = 0, neuron = 0;
    float potential = 0;
};

/// What to run: inputs by burst, the first at 0.
struct Job {
    const nibble::GrownBrain& brain;
    const std::vector<std::vector<Input>>& inputs;
    std::size_t bursts = 0;
    std::size_t recorded = 0;  ///< the last bursts that are recorded
    int threads = 1;
    nibble::BrainOptions options{};
};

/// Figures of one area.
struct AreaRun {
    std::uint64_t spikes = 0, saturated = 0;
    std::uint64_t neuron_bytes = 0, synapse_bytes = 0;
    std::uint64_t synapses = 0;  ///< that leave it, at the end
};

struct Run {
    std::string precision;
    std::vector<AreaRun> areas;
    nibble::SpikeRecording spikes;
    double seconds = 0;  ///< of the bursts alone
    std::uint64_t events = 0, fired = 0, candidates = 0;
    std::uint64_t neuron_bytes = 0, synapse_bytes = 0;
};

/// Runs the job at value type V.
template <class V>
Run run(const Job& job);

extern template Run run<float>(const Job&);
extern template Run run<nibble::half>(const Job&);
extern template Run run<nibble::bfloat16>(const Job&);
extern template Run run<nibble::fp8_e4m3>(const Job&);
extern template Run run<nibble::Int8Value>(const Job&);
extern template Run run<nibble::Int4Value>(const Job&);

}  // namespace example
