// Neurons and synapses: time of one neuron's step and of one synaptic event, in one thread.
//
// "charges" is what synapses leave (float, or 32-bit integers), "codes" input of the state's own type.
// 65,536 neurons lie in a level-2 cache, 16 million in memory.
#include <nibble/neuro/burst.hpp>
#include <nibble/value/list.hpp>

#include <benchmark/benchmark.h>

#include <vector>

using namespace nibble;

namespace {

constexpr LifParameters parameters{.leak = 0.9, .threshold = 1.0, .reset = 0.0};

template <class V>
V code_of_real(double x, double scale) {
    if constexpr (integer_state<V>) return from_code<V>(static_cast<std::int32_t>(x / scale + 0.5));
    else return encode<V>(static_cast<compute_t<V>>(x / scale));
}

void count(benchmark::State& state, std::size_t n, double bytes) {
    const auto steps = static_cast<double>(state.iterations()) * static_cast<double>(n);
    state.counters["per_neuron"] =
        benchmark::Counter(steps, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
    state.SetBytesProcessed(static_cast<std::int64_t>(steps * bytes));
}

template <class V>
void step_charges(benchmark::State& state) {
    const auto n = static_cast<std::size_t>(state.range(0));
    LifArray<V> neurons(n, parameters);
    std::vector<charge_t<V>> charge(n);
    for (std::size_t i = 0; i < n; ++i)
        charge[i] = static_cast<charge_t<V>>(static_cast<double>(i * 37 % 100) * 0.002 *
                                             neurons.charge_per_unit());
    for (auto _ : state) benchmark::DoNotOptimize(neurons.step(charge));
    count(state, n, 4.0 + bits_v<V> / 4.0 + 0.125);
}

template <class V>
void step_codes_of(benchmark::State& state) {
    const auto n = static_cast<std::size_t>(state.range(0));
    LifArray<V> neurons(n, parameters);
    Tensor<V> current(Shape{n});
    for (std::size_t i = 0; i < n; ++i)
        current.row(0).set(
            i, code_of_real<V>(static_cast<double>(i * 37 % 100) * 0.002, neurons.scale()));
    const ValueSpan<const V> input = current.row(0);
    for (auto _ : state) benchmark::DoNotOptimize(neurons.step(input));
    count(state, n, bits_v<V> * 3.0 / 8.0 + 0.125);
}

/// Delivery: a tenth of 10,000 neurons fire, 1,000 synapses each onto 10,000.
template <class V>
void deliver(benchmark::State& state) {
    const Projection<V> projection(
        10'000, 10'000, RandomSynapses{.per_source = 1000, .weight = 0.01, .spread = 0.5},
        LifArray<V>(1).charge_per_unit());
    std::vector<std::uint32_t> spikes;
    for (std::uint32_t s = 3; s < 10'000; s += 10) spikes.push_back(s);
    std::vector<charge_t<V>> charge(10'000);
    for (auto _ : state) {
        projection.deliver(Host(1), spikes, charge);
        benchmark::DoNotOptimize(charge.data());
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) *
                            static_cast<std::int64_t>(spikes.size() * 1000));
}

}  // namespace

#define NEURONS(V)                                            \
    BENCHMARK(step_charges<V>)->Arg(65'536)->Arg(16'777'216); \
    BENCHMARK(step_codes_of<V>)->Arg(65'536)->Arg(16'777'216)

NEURONS(float);
NEURONS(half);
NEURONS(Int8Value);
NEURONS(Int4Value);
NEURONS(Fixed16<8>);
BENCHMARK(deliver<float>);
BENCHMARK(deliver<half>);
BENCHMARK(deliver<Int8Value>);
BENCHMARK(deliver<Int4Value>);
BENCHMARK(deliver<Fixed16<8>>);
