// A neuron model of one's own: one small struct, run at several precisions and in a network.
//
// The resonate-and-fire neuron (Izhikevich 2001): a damped oscillation, which input that comes at its
// frequency drives to the threshold.
#include <nibble/neuro/burst.hpp>

#include <CLI/CLI.hpp>

#include <cmath>
#include <cstdio>

using namespace nibble;

// quote: model
struct Resonator {
    double frequency = 40.0;  // Hz
    double tau = 40.0;        // ms, of the damping
    double threshold = 5.0;   // mV
    double refractory = 5.0;  // ms

    static constexpr std::size_t states = 2, ports = 1;  // the two parts of the oscillation
    double extent(std::size_t) const { return 2.0 * threshold; }  // what narrow types must hold

    struct Step {
        float c, s, threshold;
        template <class B>  // a register of neurons; input arrives at port 0
        NIBBLE_INLINE auto operator()(B* x, const Arrived<B>* in) const {
            const B v = in[0].onto(x[0]), w = x[1];
            x[0] = fused(v, B(c), rounded(w * B(-s)));
            x[1] = fused(v, B(s), rounded(w * B(c)));
            return x[0] >= B(threshold);  // which of them fire
        }
        template <class B>  // what a spike does
        NIBBLE_INLINE void reset(B* x) const {
            x[0] = B(0.0f);
            x[1] = B(0.0f);
        }
    };
    Step step(double dt) const {  // the constants of a step of dt ms
        const double keep = std::exp(-dt / tau), turn = 2e-3 * 3.14159265358979 * frequency * dt;
        return {float(keep * std::cos(turn)), float(keep * std::sin(turn)), float(threshold)};
    }
};
// end quote

/// Spikes in a second of neurons that get a kick of 3 mV every `period` ms.
template <NeuralValue S>
std::size_t kicked(const Host& on, double period) {
    ModelArray<Resonator, S> cells(100, Resonator{}, 0.1);
    std::vector<float> in(padded(100));
    std::size_t n = 0;
    for (int t = 0; t < 10'000; ++t) {
        if (t % int(10.0 * period) == 0)
            for (std::size_t i = 0; i < 100; ++i) in[i] = 3.0f;
        n += cells.step(on, in);
    }
    return n;
}

int main(int argc, char** argv) {
    CLI::App app{"Resonate-and-fire neurons, at several precisions and in a network."};
    CLI11_PARSE(app, argc, argv);
    const Host on(1);
    std::printf("spikes of 100 neurons in a second, kicked at 40 Hz and at 60 Hz\n");
    const std::size_t at40 = kicked<float>(on, 25.0), at60 = kicked<float>(on, 16.7);
    std::printf("%-6s %6zu %6zu\n", "FP32", at40, at60);
    std::printf("%-6s %6zu %6zu\n", "half", kicked<half>(on, 25.0), kicked<half>(on, 16.7));
    std::printf("%-6s %6zu %6zu\n", "INT8", kicked<Int8Value>(on, 25.0),
                kicked<Int8Value>(on, 16.7));

    // quote: network
    SpikingNetwork<float> net;  // weights are floats
    net.add<half>(Resonator{}, {.neurons = 1000, .drive = {.rate = 0.05, .weight = 1.0}});
    net.connect(0, 0, RandomSynapses{.weight = 0.1, .probability = 0.02, .delay = 20});
    const SpikeRecording spikes = net.run(on, 10'000);  // a second of 0.1 ms ticks
    // end quote
    std::printf("network: %zu spikes, %zu synaptic events, sums in %s\n", spikes.spikes(),
                static_cast<std::size_t>(net.events()), net.sums(0));
    return at40 > 0 && at60 == 0 ? 0 : 1;
}
