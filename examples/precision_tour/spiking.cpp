#include "spiking.hpp"

#include "console.hpp"

#include <nibble/neuro/balanced.hpp>
#include <nibble/neuro/compare.hpp>

#include <algorithm>
#include <chrono>
#include <vector>

namespace tour {

namespace {

constexpr std::size_t raster_neurons = 40, raster_steps = 200;

// Builds the network with potentials and weights stored as V, runs it and measures it.
template <class V>
nibble::SpikeRecording simulate(const nibble::BalancedNetwork& plan, std::size_t steps,
                                SpikingResult& result, Progress& progress, std::size_t row) {
    const nibble::Host on(1);  // a few thousand neurons are one thread's work
    auto network = nibble::build_network<V>(plan);
    nibble::SpikeRecording recording(network.neurons(), steps);
    progress.begin(row, steps);
    const auto start = std::chrono::steady_clock::now();
    double seconds = 0;
    for (std::size_t step = 0; step < steps; ++step) {
        network.tick(on, recording);
        seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        const double updates = static_cast<double>(plan.neurons * (step + 1));
        progress.update(row, step + 1, rate_text(updates / seconds) + " neuron updates/s");
    }
    result.neurons = network.neurons();
    result.synapses = network.synapses();
    result.steps = steps;
    result.bytes_per_neuron = network.bytes_per_neuron();
    result.bytes_per_synapse =
        static_cast<double>(network.synapse_bytes()) / static_cast<double>(network.synapses());
    result.updates_per_second = static_cast<double>(plan.neurons * steps) / seconds;
    return recording;
}

bool fired_near(const nibble::SpikeRecording& recording, std::size_t step, std::size_t neuron) {
    const std::size_t end = std::min(step + 3, recording.steps());
    for (std::size_t t = step < 2 ? 0 : step - 2; t < end; ++t)
        if (recording.fired(t, neuron)) return true;
    return false;
}

void compare(const nibble::SpikeRecording& reference, const nibble::SpikeRecording& recording,
             SpikingResult& result) {
    const auto same = nibble::compare_spikes(reference, recording, {.tolerance = 2});
    result.rate_error = same.rate_error / 100;
    result.rate_correlation = same.rate_correlation;
    result.coincidence = same.coincidence;
    // A step is a millisecond.
    result.mean_rate = 1000.0 * static_cast<double>(same.other_spikes) /
                       static_cast<double>(result.neurons * result.steps);
    for (std::size_t row = 0; row < raster_neurons; ++row) {
        const std::size_t neuron = row * result.neurons / raster_neurons;
        for (std::size_t t = 0; t < raster_steps; ++t)
            if (recording.fired(t, neuron))
                result.raster.push_back({static_cast<std::uint32_t>(row),
                                         static_cast<std::uint32_t>(t),
                                         fired_near(reference, t, neuron)});
    }
}

}  // namespace

std::vector<SpikingResult> run_spiking(Tour& tour, const std::vector<std::string>& precisions) {
    const std::size_t steps = tour.settings.quick ? 1000 : 2000;
    tour.raster_neurons = raster_neurons;
    tour.raster_steps = raster_steps;
    const nibble::BalancedNetwork plan{.neurons = 4000, .seed = tour.settings.seed};
    std::vector<SpikingResult> results;
    std::vector<std::string> labels;
    const auto plan_visit = [&](const char* name, const char* label) {
        if (results.empty() ||
            std::find(precisions.begin(), precisions.end(), name) != precisions.end()) {
            results.emplace_back().name = name;
            labels.emplace_back(results.back().label = label);
        }
    };
    plan_visit("fp32", "FP32");
    plan_visit("fp16", "FP16");
    plan_visit("int8", "INT8");
    plan_visit("int4", "INT4");

    Progress progress(labels);
    nibble::SpikeRecording reference;
    for (std::size_t i = 0; i < results.size(); ++i) {
        SpikingResult& r = results[i];
        const auto run = [&]<class V>(V) { return simulate<V>(plan, steps, r, progress, i); };
        auto recording = r.name == "fp32"   ? run(float{})
                         : r.name == "fp16" ? run(nibble::half{})
                         : r.name == "int8" ? run(nibble::Int8Value{})
                                            : run(nibble::Int4Value{});
        if (i == 0) reference = recording;
        compare(reference, recording, r);
        progress.end(i, i == 0 ? text("mean rate %.1f Hz, the reference", r.mean_rate)
                               : text("rate error %.2f %%, correlation %.4f", 100 * r.rate_error,
                                      r.rate_correlation));
    }
    return results;
}

}  // namespace tour
