// Spiking neurons on a microcontroller and on a server, and a network at four precisions.
//
// The first part is what runs on a chip: a fixed number of neurons, declared constinit, stepped in
// integer arithmetic. The second is a million neurons on the heap. The third asks what the precision
// of potentials and weights does to the spikes of a recurrent network.
#include <nibble/neuro/balanced.hpp>
#include <nibble/neuro/compare.hpp>
#include <nibble/neuro/lif.hpp>

#include <cstdio>
#include <vector>

using namespace nibble;

// [chip]
using V = Fixed16<8>;  // integer arithmetic only
constinit LifArray<V, 256> retina{{.leak = 0.9, .threshold = 1.0, .reset = 0.0}};  // 512 bytes

static_assert(sizeof(retina) <= 512 + 48);  // potentials, and a few words of parameters

static unsigned sent = 0;
void send_spike(std::size_t) { ++sent; }  // on a chip: to a pin, or a radio

void on_tick(ValueSpan<const V> current) {
    retina.step(current, [](std::size_t i) { send_spike(i); });
}
// [chip]

// [server]
LifArray<Int8Value> cortex(1'000'000, {.leak = 0.95, .threshold = 1.0, .reset = 0.0},
                           {.scale = 1.0 / 127});  // real = code * scale
// [server]

// [network]
template <NeuralValue T>
SpikeRecording show(const Host& on, const BalancedNetwork& network, std::size_t steps,
                    const SpikeRecording* reference) {
    auto brain = build_network<T>(network);
    SpikeRecording spikes = brain.run(on, steps);
    const SpikeSimilarity s = compare_spikes(reference != nullptr ? *reference : spikes, spikes);
    std::printf("%-8s %8zu %9.2f %% %11.4f %12.2f %13.2f\n", value_traits<T>::name.data(),
                spikes.spikes(), s.rate_error, s.rate_correlation, brain.bytes_per_neuron(),
                static_cast<double>(brain.synapse_bytes()) / static_cast<double>(brain.synapses()));
    return spikes;
}
// [network]

int main() {
    // A bar of light moves over the retina.
    ValueArray<V, 256> current{};
    for (std::size_t t = 0; t < 256; ++t) {
        for (std::size_t i = 0; i < 256; ++i) current.set(i, V(i >= t && i < t + 16 ? 0.25 : 0.0));
        on_tick(current);
    }
    std::printf("chip:    256 neurons in %zu bytes, 256 ticks, %u spikes\n", sizeof(retina), sent);

    const Host on;
    std::vector<float> input(cortex.size());
    for (std::size_t i = 0; i < input.size(); ++i) input[i] = 1e-7f * static_cast<float>(i);
    std::size_t fired = 0;
    for (int t = 0; t < 100; ++t) fired += cortex.step(on, input);
    std::printf("server:  %zu neurons in %.2f MB, 100 steps, %zu spikes, %zu saturated\n",
                cortex.size(), static_cast<double>(cortex.bytes()) * 1e-6, fired,
                cortex.saturated());

    const BalancedNetwork network{.neurons = 4000, .seed = 1};
    std::printf("network: %zu neurons with %zu inputs each, 1000 steps\n\n", network.neurons,
                network.inputs);
    std::printf("%-8s %8s %11s %11s %12s %13s\n", "type", "spikes", "rate error", "correlation",
                "bytes/neuron", "bytes/synapse");
    const SpikeRecording reference = show<float>(on, network, 1000, nullptr);
    show<half>(on, network, 1000, &reference);
    show<Int8Value>(on, network, 1000, &reference);
    show<Int4Value>(on, network, 1000, &reference);
    show<Fixed16<8>>(on, network, 1000, &reference);
}
