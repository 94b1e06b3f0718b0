#include "spiking.hpp"

#include <nibble/neuro/compare.hpp>
#include <nibble/neuro/lif.hpp>
#include <nibble/neuro/recording.hpp>
#include <nibble/neuro/synapse.hpp>

#include <algorithm>
#include <chrono>

namespace tour {

namespace {

// A randomly connected network of excitatory and inhibitory neurons (four to one) that balance.
// Each neuron also gets spikes from outside, at a rate of its own, so that rates differ between
// neurons.
struct Network {
    static constexpr std::size_t neurons = 4096, synapses_each = 32;
    static constexpr double outside_weight = 0.2;
    static constexpr nibble::LifParameters parameters{
        .leak = 0.95, .threshold = 1.0, .reset = 0.0, .refractory = 2};

    std::vector<nibble::Synapse> synapses;
    std::vector<std::uint32_t> outside;  ///< chance of an outside spike in a step, in 2^-32
    std::uint64_t seed;

    explicit Network(std::uint64_t seed) : seed(seed) {
        nibble::Random random(seed);
        for (std::size_t i = 0; i < neurons; ++i) {
            outside.push_back(
                static_cast<std::uint32_t>((0.05 + 0.35 * random.uniform()) * 0x1p32));
            const double mean = i < neurons * 4 / 5 ? 0.05 : -0.15;
            for (std::size_t k = 0; k < synapses_each; ++k)
                synapses.push_back({static_cast<std::uint32_t>(i),
                                    static_cast<std::uint32_t>(random.below(neurons)),
                                    mean * (0.5 + random.uniform())});
        }
    }
};

// Runs the network with potentials and synapses stored as V.
template <class V>
nibble::SpikeRecording simulate(const Network& network, std::size_t steps, SpikingResult& result,
                                Progress& progress) {
    const std::size_t n = Network::neurons;
    const nibble::Host on(1);  // a few thousand neurons are one thread's work
    nibble::LifArray<V> cells(n, Network::parameters, {.seed = network.seed});
    const double unit = cells.charge_per_unit();
    const nibble::Projection<V> synapses(n, n, network.synapses, unit);
    nibble::SpikeRecording recording(n, steps);
    using Charge = nibble::charge_t<V>;
    std::vector<Charge> charge(nibble::padded(n));
    const auto kick = static_cast<Charge>(Network::outside_weight * unit);
    std::vector<std::uint32_t> fired;

    progress.begin(result.label, steps);
    const auto start = std::chrono::steady_clock::now();
    double seconds = 0;
    for (std::size_t step = 0; step < steps; ++step) {
        const nibble::Dither dice(network.seed, step);
        for (std::size_t i = 0; i < n; ++i)
            if (dice(i) < network.outside[i]) charge[i] += kick;
        cells.consume(on, charge);
        fired.clear();
        nibble::for_each_spike(
            cells.spikes(), [&](std::size_t i) { fired.push_back(static_cast<std::uint32_t>(i)); });
        synapses.deliver(on, fired, charge);
        recording.begin_step();
        recording.add(cells.spikes(), 0, n);
        seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        const double speed = static_cast<double>(n * (step + 1)) / seconds;
        progress.update(step + 1, rate_text(speed) + " neuron updates/s");
    }
    result.neurons = n;
    result.synapses = synapses.synapses();
    result.steps = steps;
    result.bytes_per_neuron = static_cast<double>(cells.bytes()) / static_cast<double>(n);
    result.bytes_per_synapse = synapses.bytes_per_synapse();
    result.updates_per_second = static_cast<double>(n * steps) / seconds;
    return recording;
}

bool fired_near(const nibble::SpikeRecording& recording, std::size_t step, std::size_t neuron) {
    const std::size_t end = std::min(step + 3, recording.steps());
    for (std::size_t t = step < 2 ? 0 : step - 2; t < end; ++t)
        if (recording.fired(t, neuron)) return true;
    return false;
}

void compare(const Tour& tour, const nibble::SpikeRecording& reference,
             const nibble::SpikeRecording& recording, SpikingResult& result) {
    const auto same = nibble::compare_spikes(reference, recording, 2);
    result.rate_error = same.rate_error / 100;
    result.rate_correlation = same.rate_correlation;
    result.coincidence = same.coincidence;
    // A step is a millisecond.
    result.mean_rate = 1000.0 * static_cast<double>(same.other_spikes) /
                       static_cast<double>(result.neurons * result.steps);
    const std::size_t first = result.steps - tour.raster_steps;
    for (std::size_t row = 0; row < tour.raster_neurons; ++row) {
        const std::size_t neuron = row * result.neurons / tour.raster_neurons;
        for (std::size_t t = first; t < result.steps; ++t)
            if (recording.fired(t, neuron))
                result.raster.push_back({static_cast<std::uint32_t>(row),
                                         static_cast<std::uint32_t>(t - first),
                                         fired_near(reference, t, neuron)});
    }
}

}  // namespace

std::vector<SpikingResult> run_spiking(Tour& tour, Progress& progress) {
    const std::size_t steps = tour.settings.quick ? 1000 : 2000;
    tour.raster_neurons = 40;
    tour.raster_steps = 200;
    const Network network(tour.settings.seed);
    std::vector<SpikingResult> results(4);
    results[0].name = "fp32", results[0].label = "FP32";
    results[1].name = "fp16", results[1].label = "FP16";
    results[2].name = "int8", results[2].label = "INT8";
    results[3].name = "int4", results[3].label = "INT4";
    std::printf("\n");
    const auto reference = simulate<float>(network, steps, results[0], progress);
    compare(tour, reference, reference, results[0]);
    const auto rest = [&]<class V>(V, SpikingResult& result) {
        compare(tour, reference, simulate<V>(network, steps, result, progress), result);
        progress.end(text("rate error %.2f %%, correlation %.4f", 100 * result.rate_error,
                          result.rate_correlation));
    };
    progress.end("the reference");
    rest(nibble::half{}, results[1]);
    rest(nibble::Int8Value{}, results[2]);
    rest(nibble::Int4Value{}, results[3]);
    return results;
}

}  // namespace tour
