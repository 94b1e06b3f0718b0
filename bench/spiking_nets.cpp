// The networks by which simulators are compared: seconds of one thread for a simulated second.
//
// COBA and CUBA with 4,000 neurons (Vogels and Abbott 2005), Brunel's with 10,000 (2000), a step of
// 0.1 ms, spikes recorded, building left out. An iteration is 100 ms simulated, from where the last one
// ended. Counters: `per_second` what a simulated second takes, `rate` spikes a second of a neuron,
// `events` synaptic events a second of running. docs/spiking.md says how to compare with Brian2.
#include <nibble/neuro/standard_networks.hpp>

#include <benchmark/benchmark.h>

using namespace nibble;

namespace {

template <class Net>
void run(benchmark::State& state, Net net) {
    constexpr int ticks = 1000;
    const Host on(1);
    SpikeRecording spikes(net.neurons(), ticks);
    for (int t = 0; t < 500; ++t) net.tick(on, spikes);
    const std::uint64_t before = net.events();
    std::size_t fired = 0;
    for (auto _ : state)
        for (int t = 0; t < ticks; ++t) fired += net.tick(on, spikes);
    const double seconds = 1e-4 * ticks * static_cast<double>(state.iterations());
    using benchmark::Counter;
    state.counters["per_second"] = Counter(seconds, Counter::kIsRate | Counter::kInvert);
    state.counters["rate"] =
        static_cast<double>(fired) / (seconds * static_cast<double>(net.neurons()));
    state.counters["events"] =
        Counter(static_cast<double>(net.events() - before), Counter::kIsRate);
    state.SetLabel(std::string(net.sums(0)) + " sums, " +
                   (net.projection(0).form(0) == SynapseForm::bits ? "bit rows" : "lists"));
}

template <class V>
void coba(benchmark::State& state) {
    run(state, coba_network<V, V>());
}
template <class V>
void cuba(benchmark::State& state) {
    run(state, cuba_network<V, V>());
}
template <class V>
void brunel(benchmark::State& state) {
    run(state, brunel_network<V, V>());
}
void brunel_poisson(benchmark::State& state) {
    run(state, brunel_network<float, float>(10'000, BrunelDrive::poisson));
}

}  // namespace

#define NETS(V)                                        \
    BENCHMARK(coba<V>)->Unit(benchmark::kMillisecond); \
    BENCHMARK(cuba<V>)->Unit(benchmark::kMillisecond); \
    BENCHMARK(brunel<V>)->Unit(benchmark::kMillisecond)

NETS(float);
NETS(half);
NETS(Int8Value);
BENCHMARK(brunel_poisson)->Unit(benchmark::kMillisecond);
