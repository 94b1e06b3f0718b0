// Activation functions, softmax, norms, losses and attention on one thread, data in L2: elements a
// second of processor time, and seconds an element.
#include <nibble/kernel/attention_backward.hpp>
#include <nibble/kernel/loss.hpp>
#include <nibble/kernel/norm.hpp>

#include <benchmark/benchmark.h>

#include <vector>

using namespace nibble;

namespace {

Tensor<float> noise(Shape shape, double size = 3.0) {
    Tensor<float> t(shape);
    Random random(1);
    for (std::size_t r = 0; r < t.rows(); ++r)
        for (std::size_t c = 0; c < t.cols(); ++c)
            t(r, c) = static_cast<float>(size * (2.0 * random.uniform() - 1.0));
    return t;
}

template <class F>
void measure(benchmark::State& state, std::size_t elements, F&& f) {
    f();
    for (auto _ : state) {
        f();
        benchmark::ClobberMemory();
    }
    const double done = static_cast<double>(state.iterations()) * static_cast<double>(elements);
    using benchmark::Counter;
    state.counters["elem"] = Counter(done, Counter::kIsRate);
    state.counters["s/elem"] = Counter(done, Counter::kIsRate | Counter::kInvert);
}

constexpr std::size_t rows = 32, cols = 1024;

template <class F>
void elementwise(benchmark::State& state, F f) {
    const Host on(1);
    const Tensor<float> x = noise(Shape{rows, cols});
    Tensor<float> y(x.shape());
    measure(state, x.size(), [&] { transform(on, f, y, x); });
}

void softmax_rows(benchmark::State& state) {
    const Host on(1);
    Tensor<float> x = noise(Shape{rows, static_cast<std::size_t>(state.range(0))});
    measure(state, x.size(), [&] { softmax(on, x); });
}

void layer_norms(benchmark::State& state) {
    const Host on(1);
    const auto n = static_cast<std::size_t>(state.range(0));
    const Tensor<float> x = noise(Shape{rows, n}), gain = noise(Shape{n});
    Tensor<float> y(x.shape()), mean(Shape{rows}), rstd(Shape{rows});
    measure(state, x.size(), [&] { layer_norm(on, x, gain, gain, 1e-5f, y, mean, rstd); });
}

void layer_norm_gradients(benchmark::State& state) {
    const Host on(1);
    const auto n = static_cast<std::size_t>(state.range(0));
    const Tensor<float> x = noise(Shape{rows, n}), gain = noise(Shape{n});
    Tensor<float> y(x.shape()), mean(Shape{rows}), rstd(Shape{rows}), dgain(Shape{n}),
        dbias(Shape{n});
    layer_norm(on, x, gain, gain, 1e-5f, y, mean, rstd);
    Tensor<float> dx(x.shape());
    measure(state, x.size(),
            [&] { layer_norm_backward(on, x, gain, 1e-5f, mean, rstd, y, dx, dgain, dbias); });
}

void rms_norms(benchmark::State& state) {
    const Host on(1);
    const auto n = static_cast<std::size_t>(state.range(0));
    const Tensor<float> x = noise(Shape{rows, n}), gain = noise(Shape{n});
    Tensor<float> y(x.shape());
    measure(state, x.size(), [&] { rms_norm(on, x, gain, 1e-5f, y); });
}

void cross_entropies(benchmark::State& state) {
    const Host on(1);
    const Tensor<float> x = noise(Shape{512, static_cast<std::size_t>(state.range(0))});
    Tensor<float> d(x.shape());
    std::vector<std::int32_t> targets(512, 5);
    measure(state, x.size(), [&] { softmax_cross_entropy(on, x, targets, d); });
}

// Heads of a character model: 8 sequences of 64, 4 heads; then longer ones. An "element" is a query
// of one head.
void attention_steps(benchmark::State& state, bool backward) {
    const Host on(1);
    const AttentionShape s{8, static_cast<std::size_t>(state.range(0)), 4, 4,
                           static_cast<std::size_t>(state.range(1))};
    const Shape shape{s.batch * s.time, s.heads * s.head_size};
    const Tensor<float> q = noise(shape), k = noise(shape), v = noise(shape), dy = noise(shape);
    Tensor<float> y(shape), lse(Shape{s.batch * s.heads, s.time}), dq(shape), dk(shape), dv(shape);
    attention(on, s, q, k, v, y, lse);
    measure(state, s.batch * s.time * s.heads, [&] {
        if (backward) attention_backward(on, s, q, k, v, lse, dy, dq, dk, dv);
        else attention(on, s, q, k, v, y, lse);
    });
}

}  // namespace

BENCHMARK_CAPTURE(elementwise, exp, [](auto x) { return exp(x); });
BENCHMARK_CAPTURE(elementwise, log, [](auto x) { return log(abs(x)); });
BENCHMARK_CAPTURE(elementwise, tanh, [](auto x) { return tanh(x); });
BENCHMARK_CAPTURE(elementwise, sigmoid, [](auto x) { return sigmoid(x); });
BENCHMARK_CAPTURE(elementwise, silu, [](auto x) { return silu(x); });
BENCHMARK_CAPTURE(elementwise, gelu, [](auto x) { return gelu(x); });
BENCHMARK_CAPTURE(elementwise, gelu_slope, [](auto x) { return gelu_slope(x); });
BENCHMARK(softmax_rows)->Arg(64)->Arg(1024);
BENCHMARK(layer_norms)->Arg(128)->Arg(1024);
BENCHMARK(layer_norm_gradients)->Arg(128)->Arg(1024);
BENCHMARK(rms_norms)->Arg(128)->Arg(1024);
BENCHMARK(cross_entropies)->Arg(65)->Arg(1024);
BENCHMARK_CAPTURE(attention_steps, forward, false)->Args({64, 16})->Args({64, 32})->Args({512, 64});
BENCHMARK_CAPTURE(attention_steps, backward, true)->Args({64, 16})->Args({64, 32})->Args({512, 64});
