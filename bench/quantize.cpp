// Quantizing and dequantizing a matrix of 2048 x 2048 weights on one thread, in bytes of floats read
// (or written) a second, beside memcpy of the same floats. The time of a run is that of its fastest
// of several, as far as the machine is shared.
#include <nibble/kernel/quantize.hpp>

#include <benchmark/benchmark.h>

#include <cstring>

namespace {

using namespace nibble;

constexpr std::size_t side = 2048;

const Tensor<float>& weights() {
    static const Tensor<float> w = [] {
        Tensor<float> t({side, side});
        Random random(1);
        for (std::size_t r = 0; r < side; ++r)
            for (std::size_t k = 0; k < side; ++k) {
                double sum = -6;  // twelve uniform numbers: normal enough
                for (int i = 0; i < 12; ++i) sum += random.uniform();
                t(r, k) = static_cast<float>(0.02 * sum);
            }
        return t;
    }();
    return w;
}

void count_bytes(benchmark::State& state) {
    state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) *
                            static_cast<std::int64_t>(side * side * sizeof(float)));
}

void copy(benchmark::State& state) {
    const Tensor<float>& from = weights();
    Tensor<float> to(from.shape());
    for (auto _ : state) {
        std::memcpy(to.data(), from.data(), from.bytes());
        benchmark::ClobberMemory();
    }
    count_bytes(state);
}
BENCHMARK(copy)->Name("memcpy");

template <class F, class Rounding>
void store(benchmark::State& state, Rounding rounding, Calibration how) {
    Host on(1);
    const Tensor<float>& w = weights();
    Matrix<F> q(side, side);
    for (auto _ : state) {
        benchmark::DoNotOptimize(quantize(on, w.view(), q, rounding, how));
        benchmark::ClobberMemory();
    }
    count_bytes(state);
}

template <class F>
void load(benchmark::State& state) {
    Host on(1);
    Matrix<F> q(side, side);
    quantize(on, weights().view(), q, ToNearest{}, by_absmax);
    Tensor<float> to({side, side});
    for (auto _ : state) {
        dequantize(on, q, to.view());
        benchmark::ClobberMemory();
    }
    count_bytes(state);
}

template <class F>
void add() {
    const std::string name = to_string(spec_of<F>());
    benchmark::RegisterBenchmark((name + "/absmax").c_str(),
                                 [](benchmark::State& s) { store<F>(s, ToNearest{}, by_absmax); });
    benchmark::RegisterBenchmark((name + "/stochastic").c_str(), [](benchmark::State& s) {
        store<F>(s, StochasticFrom{Dither(1, 2)}, by_absmax);
    });
    if (format_traits<F>::scaled)
        benchmark::RegisterBenchmark((name + "/mse").c_str(),
                                     [](benchmark::State& s) { store<F>(s, ToNearest{}, by_mse); });
    benchmark::RegisterBenchmark((name + "/dequantize").c_str(), load<F>);
}

const bool added = [] {
    add<half>();
    add<bfloat16>();
    add<PerRow<fp8_e4m3>>();
    add<PerRow<Int8Value>>();
    add<Grouped<Int8Value, 64>>();
    add<Grouped<Int4Value, 32>>();
    add<Grouped<Int4Value, 128>>();
    add<Grouped<Int4Value, 64, half, Offset::stored>>();
    add<Grouped<fp4_e2m1, 32, E8M0>>();
    add<Grouped<Nf4, 64>>();
    add<Grouped<Ternary, 32>>();
    return true;
}();

}  // namespace
