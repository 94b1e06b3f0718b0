// Bursts with FEAGI's rules, in one thread: synaptic events a second, at three sizes of a random brain of
// which about one neuron in 100 (in 1,000 of the largest) is made to fire in each burst, and window
// plasticity in synapses a second.
#include <nibble/neuro/brain.hpp>

#include <benchmark/benchmark.h>

using namespace nibble;

namespace {

/// n neurons with `each` synapses to random others, one in every part of the area.
template <class V>
Brain<V> random_brain(std::uint32_t n, std::uint32_t each, bool weights) {
    Brain<V> brain;
    brain.add({.id = "area",
               .dimensions = {n, 1, 1},
               .threshold = 1000.0,
               .leak = 0.1,
               .refractory = 2,
               .psp_uniform_distribution = true});
    brain.connect(0, 0, std::size_t{n} * each, [&](std::size_t e) {
        const std::uint64_t r = splitmix64(e);
        const std::uint64_t place = (std::uint64_t{e % each} << 32) + (r >> 32);
        return LocalSynapse{static_cast<std::uint32_t>(e / each),
                            static_cast<std::uint32_t>(place / each * n >> 32),
                            static_cast<std::uint8_t>(weights ? 1 + r % 9 : 3), 1, false};
    });
    return brain;
}

template <class V>
void burst(benchmark::State& state) {
    const auto n = static_cast<std::uint32_t>(state.range(0));
    auto brain = random_brain<V>(n, static_cast<std::uint32_t>(state.range(1)), false);
    const Host one(1);
    Random dice(3);
    std::uint64_t events = 0, candidates = 0;
    brain.burst(one);  // makes ready
    for (auto _ : state) {
        state.PauseTiming();
        for (std::int64_t k = 0; k < state.range(2); ++k) brain.inject(0, dice.below(n), 2000.0);
        state.ResumeTiming();
        const BurstResult r = brain.burst(one);
        events += r.events;
        candidates += r.candidates;
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(events));
    state.counters["candidates"] =
        benchmark::Counter(static_cast<double>(candidates), benchmark::Counter::kAvgIterations);
    state.counters["state_bytes"] = static_cast<double>(brain.state_bytes()) / n;
    state.counters["synapse_bytes"] =
        static_cast<double>(brain.synapse_bytes()) / static_cast<double>(brain.synapses());
}

void plasticity(benchmark::State& state) {
    auto brain = random_brain<Int8Value>(10'000, 100, true);
    brain.add(PlasticityRule{0, 0, 3, 1, 1, 1});
    const Host one(1);
    Random dice(3);
    for (auto _ : state) {
        for (int k = 0; k < 100; ++k) brain.inject(0, dice.below(10'000), 2000.0);
        benchmark::DoNotOptimize(brain.burst(one));
    }
    state.SetItemsProcessed(state.iterations() * 1'000'000);
}

}  // namespace

// neurons, synapses of each, neurons that are made to fire
BENCHMARK(burst<float>)->Args({10'000, 50, 100})->Args({100'000, 100, 1000});
BENCHMARK(burst<Int8Value>)->Args({10'000, 50, 100})->Args({100'000, 100, 1000});
BENCHMARK(burst<float>)->Args({1'000'000, 100, 1000});
BENCHMARK(burst<Int8Value>)->Args({1'000'000, 100, 1000});
BENCHMARK(plasticity);
