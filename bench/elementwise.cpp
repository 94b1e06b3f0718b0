// Activation functions, softmax, norms, conversions, losses and attention on one thread, data in L2:
// `cycles` an element, by processor time and a clock rate measured in the same run. Rows named /x PEER
// time ours and the peer in turns: `faster` is how many times longer the peer takes.
#include <nibble/kernel/attention_backward.hpp>
#include <nibble/kernel/loss.hpp>
#include <nibble/kernel/norm.hpp>
#include <nibble/kernel/quantize_group.hpp>
#include <nibble/kernel/rotary.hpp>
#include <nibble/kernel/rows.hpp>

#include "support/floor.hpp"

#include <benchmark/benchmark.h>

#include <cstring>
#include <vector>

#if defined(NIBBLE_BENCH_DNNL)
#include <oneapi/dnnl/dnnl.hpp>
#endif
#if defined(NIBBLE_BENCH_XNNPACK)
#include <xnnpack.h>
#endif

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
    bench::count_cycles(state, static_cast<double>(elements));
    state.counters["elem"] =
        benchmark::Counter(static_cast<double>(state.iterations()) * static_cast<double>(elements),
                           benchmark::Counter::kIsRate);
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

// What any of these costs at least: one pass from L2 to L2.
void copies(benchmark::State& state) {
    const Tensor<float> x = noise(Shape{rows, cols});
    Tensor<float> y(x.shape());
    measure(state, x.size(), [&] { std::memcpy(y.data(), x.data(), x.bytes()); });
}

template <class V>
void to_rows(benchmark::State& state) {
    const Tensor<float> x = noise(Shape{rows, cols});
    Matrix<V> y(rows, cols);
    measure(state, x.size(), [&] {
        for (std::size_t r = 0; r < rows; ++r) store_row(y, r, x.view().row(r));
    });
}
template <class V>
void from_rows(benchmark::State& state) {
    Tensor<float> y(Shape{rows, cols});
    const Matrix<V> x(rows, cols);
    measure(state, y.size(), [&] {
        for (std::size_t r = 0; r < rows; ++r) load_row(x, r, y.view().row(r));
    });
}

void group_codes(benchmark::State& state) {
    const Tensor<float> x = noise(Shape{rows, cols});
    const auto group = static_cast<std::size_t>(state.range(0));
    std::vector<std::int8_t> codes(x.size());
    std::vector<float> scales(x.size() / group);
    std::vector<std::int32_t> sums(scales.size());
    measure(state, x.size(), [&] {
        quantize_groups<Isa>(x.data(), x.size(), group,
                             {codes.data(), group, scales.data(), sums.data()});
    });
}

void rotations(benchmark::State& state, bool interleaved) {
    const Host on(1);
    const RotaryShape shape{.heads = 8, .head_size = 128, .interleaved = interleaved};
    const RotaryTable table = rotary_table(on, shape, rows);
    Tensor<float> x = noise(Shape{rows, cols});
    std::vector<std::int32_t> positions(rows);
    for (std::size_t i = 0; i < rows; ++i) positions[i] = static_cast<std::int32_t>(i);
    measure(state, x.size(), [&] { rotary(on, shape, table, x, positions); });
}

#if NIBBLE_SIMD
template <class F, class Peer>
void against_xsimd(benchmark::State& state, F f, Peer peer) {
    const Host on(1);
    const Tensor<float> x = noise(Shape{rows, cols});
    Tensor<float> y(x.shape());
    bench::against(
        state, "faster", [&] { transform(on, f, y, x); }, [&] { transform(on, peer, y, x); });
}
#endif

#if defined(NIBBLE_BENCH_DNNL)
using Desc = dnnl::memory::desc;
constexpr auto f32 = dnnl::memory::data_type::f32;
const Desc& matrix_desc() {
    static const Desc desc({dnnl_dim_t(rows), dnnl_dim_t(cols)}, f32, dnnl::memory::format_tag::ab);
    return desc;
}

template <class F>
void against_dnnl(benchmark::State& state, dnnl::algorithm algorithm, float alpha, F f) {
    const Host on(1);
    Tensor<float> x = noise(Shape{rows, cols}), y(x.shape());
    const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    dnnl::stream stream(engine);
    dnnl::memory from(matrix_desc(), engine, x.data()), to(matrix_desc(), engine, y.data());
    const dnnl::eltwise_forward peer(
        {{dnnl::prop_kind::forward_inference, algorithm, matrix_desc(), alpha}, engine});
    bench::against(
        state, "faster", [&] { transform(on, f, y, x); },
        [&] {
            peer.execute(stream, {{DNNL_ARG_SRC, from}, {DNNL_ARG_DST, to}});
        });
}
void softmax_against_dnnl(benchmark::State& state) {
    const Host on(1);
    Tensor<float> x = noise(Shape{rows, cols});
    const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    dnnl::stream stream(engine);
    dnnl::memory in(matrix_desc(), engine, x.data());
    const dnnl::softmax_forward peer(
        {{dnnl::prop_kind::forward_inference, matrix_desc(), 1}, engine});
    bench::against(
        state, "faster", [&] { softmax(on, x); },
        [&] {
            peer.execute(stream, {{DNNL_ARG_SRC, in}, {DNNL_ARG_DST, in}});
        });
}
void layer_norm_against_dnnl(benchmark::State& state) {
    const Host on(1);
    Tensor<float> x = noise(Shape{rows, cols}), y(x.shape()), gain = noise(Shape{2, cols});
    const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    dnnl::stream stream(engine);
    const Desc two({2, dnnl_dim_t(cols)}, f32, dnnl::memory::format_tag::ab);
    dnnl::memory from(matrix_desc(), engine, x.data()), to(matrix_desc(), engine, y.data()),
        both(two, engine, gain.data());
    const dnnl::layer_normalization_forward peer(
        {{dnnl::prop_kind::forward_inference, matrix_desc(), 1e-5f,
          dnnl::normalization_flags::use_scale_shift},
         engine});
    bench::against(
        state, "faster",
        [&] {
            layer_norm(on, x, gain.view().row_block(0, 1), gain.view().row_block(1, 1), 1e-5f, y);
        },
        [&] {
            peer.execute(stream,
                         {{DNNL_ARG_SRC, from}, {DNNL_ARG_DST, to}, {DNNL_ARG_SCALE_SHIFT, both}});
        });
}
#endif

#if defined(NIBBLE_BENCH_XNNPACK)
template <class Ours, class Make, class Setup>
void against_xnnpack(benchmark::State& state, Ours ours, Make make, Setup setup) {
    const Host on(1);
    // XNNPACK reads past the ends of its operands.
    Tensor<float> x = noise(Shape{rows + 1, cols}), y(x.shape());
    const View<float> from = x.view().row_block(0, rows), to = y.view().row_block(0, rows);
    xnn_operator_t op = nullptr;
    if (xnn_initialize(nullptr) != xnn_status_success || make(&op) != xnn_status_success ||
        setup(op, from.data, to.data) != xnn_status_success) {
        state.SkipWithError("XNNPACK does not start");
        return;
    }
    bench::against(
        state, "faster", [&] { ours(on, from, to); },
        [&] { benchmark::DoNotOptimize(xnn_run_operator(op, nullptr)); });
    xnn_delete_operator(op);
}
#endif

}  // namespace

BENCHMARK_CAPTURE(elementwise, exp, [](auto x) { return exp(x); });
BENCHMARK_CAPTURE(elementwise, log, [](auto x) { return log(abs(x)); });
BENCHMARK_CAPTURE(elementwise, tanh, [](auto x) { return tanh(x); });
BENCHMARK_CAPTURE(elementwise, sigmoid, [](auto x) { return sigmoid(x); });
BENCHMARK_CAPTURE(elementwise, silu, [](auto x) { return silu(x); });
BENCHMARK_CAPTURE(elementwise, gelu, [](auto x) { return gelu(x); });
BENCHMARK_CAPTURE(elementwise, gelu_erf, [](auto x) { return gelu_erf(x); });
BENCHMARK_CAPTURE(elementwise, gelu_slope, [](auto x) { return gelu_slope(x); });
BENCHMARK(copies);
BENCHMARK_TEMPLATE(to_rows, half);
BENCHMARK_TEMPLATE(to_rows, bfloat16);
BENCHMARK_TEMPLATE(to_rows, fp8_e4m3);
BENCHMARK_TEMPLATE(from_rows, half);
BENCHMARK_TEMPLATE(from_rows, bfloat16);
BENCHMARK_TEMPLATE(from_rows, fp8_e4m3);
BENCHMARK(group_codes)->Arg(32)->Arg(64)->Arg(128)->Arg(1024);
BENCHMARK_CAPTURE(rotations, split, false);
BENCHMARK_CAPTURE(rotations, interleaved, true);
BENCHMARK(softmax_rows)->Arg(64)->Arg(1024);
BENCHMARK(layer_norms)->Arg(128)->Arg(1024);
BENCHMARK(layer_norm_gradients)->Arg(128)->Arg(1024);
BENCHMARK(rms_norms)->Arg(128)->Arg(1024);
BENCHMARK(cross_entropies)->Arg(65)->Arg(1024);
BENCHMARK_CAPTURE(attention_steps, forward, false)->Args({64, 16})->Args({64, 32})->Args({512, 64});
BENCHMARK_CAPTURE(attention_steps, backward, true)->Args({64, 16})->Args({64, 32})->Args({512, 64});

#define AGAINST(function, what, name, ...) \
    BENCHMARK_CAPTURE(function, what, __VA_ARGS__)->Name(name)->UseManualTime()

#if NIBBLE_SIMD
AGAINST(
    against_xsimd, exp, "exp/x xsimd", [](auto x) { return exp(x); },
    [](auto x) { return decltype(x)(xsimd::exp(x.v)); });
AGAINST(
    against_xsimd, tanh, "tanh/x xsimd", [](auto x) { return tanh(x); },
    [](auto x) { return decltype(x)(xsimd::tanh(x.v)); });
#endif
#if defined(NIBBLE_BENCH_DNNL)
AGAINST(against_dnnl, exp, "exp/x oneDNN", dnnl::algorithm::eltwise_exp, 0.0f,
        [](auto x) { return exp(x); });
AGAINST(against_dnnl, tanh, "tanh/x oneDNN", dnnl::algorithm::eltwise_tanh, 0.0f,
        [](auto x) { return tanh(x); });
AGAINST(against_dnnl, sigmoid, "sigmoid/x oneDNN", dnnl::algorithm::eltwise_logistic, 0.0f,
        [](auto x) { return sigmoid(x); });
AGAINST(against_dnnl, silu, "silu/x oneDNN", dnnl::algorithm::eltwise_swish, 1.0f,
        [](auto x) { return silu(x); });
AGAINST(against_dnnl, gelu, "gelu/x oneDNN", dnnl::algorithm::eltwise_gelu_tanh, 0.0f,
        [](auto x) { return gelu(x); });
BENCHMARK(softmax_against_dnnl)->Name("softmax/x oneDNN")->UseManualTime();
BENCHMARK(layer_norm_against_dnnl)->Name("layer_norm/x oneDNN")->UseManualTime();
#endif
#if defined(NIBBLE_BENCH_XNNPACK)
AGAINST(
    against_xnnpack, sigmoid, "sigmoid/x XNNPACK",
    [](const Host& on, View<float> x, View<float> y) {
        transform(
            on, [](auto v) { return sigmoid(v); }, y, x);
    },
    [](xnn_operator_t* op) { return xnn_create_sigmoid_nc_f32(cols, cols, cols, 0, op); },
    [](xnn_operator_t op, const float* x, float* y) {
        return xnn_setup_sigmoid_nc_f32(op, rows, x, y, nullptr);
    });
AGAINST(
    against_xnnpack, softmax, "softmax/x XNNPACK",
    [](const Host& on, View<float>, View<float> y) { softmax(on, y); },
    [](xnn_operator_t* op) { return xnn_create_softmax_nc_f32(cols, cols, cols, 0, op); },
    [](xnn_operator_t op, const float*, float* y) {
        return xnn_setup_softmax_nc_f32(op, rows, y, y, nullptr);
    });
#endif
