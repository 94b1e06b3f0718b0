// The run of run.hpp, for the files that compile it.
#pragma once

#include "run.hpp"

#include <chrono>

namespace example {

template <class V>
Run run(const Job& job) {
    using Clock = std::chrono::steady_clock;
    auto brain = nibble::make_brain<V>(job.brain, job.options);
    const nibble::Host on(job.threads);
    Run r;
    r.precision = std::string(nibble::value_traits<V>::name);
    r.areas.resize(brain.areas());
    r.spikes = nibble::SpikeRecording(static_cast<std::size_t>(job.brain.neurons()), job.recorded);
    for (std::size_t t = 0; t < job.bursts; ++t) {
        if (t < job.inputs.size())
            for (const Input& in : job.inputs[t]) brain.inject(in.area, in.neuron, in.potential);
        const auto start = Clock::now();
        const nibble::BurstResult result = brain.burst(on);
        r.seconds += std::chrono::duration<double>(Clock::now() - start).count();
        r.events += result.events;
        r.fired += result.fired;
        r.candidates += result.candidates;
        if (job.recorded != 0) r.spikes.begin_step();
        for (std::size_t k = 0; k < brain.areas(); ++k) {
            const auto words = brain.spikes(k);
            for (const std::uint64_t w : words)
                r.areas[k].spikes += static_cast<std::uint64_t>(std::popcount(w));
            const std::uint64_t first = job.brain.first[k], n = job.brain.first[k + 1] - first;
            if (n != 0 && job.recorded != 0 && !words.empty())
                r.spikes.add(words, static_cast<std::size_t>(first), static_cast<std::size_t>(n));
        }
    }
    for (std::size_t k = 0; k < brain.areas(); ++k) {
        r.areas[k].saturated = brain.area(k).saturated;
        r.areas[k].neuron_bytes = brain.area(k).state_bytes();
    }
    for (const auto& p : brain.projections()) {
        r.areas[p.source_area].synapse_bytes += p.bytes();
        r.areas[p.source_area].synapses += p.synapses();
    }
    r.neuron_bytes = brain.state_bytes();
    r.synapse_bytes = brain.synapse_bytes();
    return r;
}

}  // namespace example
