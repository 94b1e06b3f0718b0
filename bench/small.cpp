// Small nets one sample at a time: seconds a sample of processor time, and how many times faster they are
// than the same written with Eigen at fixed sizes, timed in turns.
//
//     fixed/...     sizes known to the compiler (fixed/)
//     stream/...    sizes known at run time (layer/stream.hpp)
//
// Eigen's form of a recurrent layer has one product for all gates and array expressions for their
// functions.
#include "support/floor.hpp"

#include <nibble/fixed/activation.hpp>
#include <nibble/fixed/chain.hpp>
#include <nibble/fixed/conv1d.hpp>
#include <nibble/fixed/gru.hpp>
#include <nibble/fixed/lstm.hpp>
#include <nibble/fixed/parameters.hpp>
#include <nibble/layer/stream.hpp>

#if defined(NIBBLE_BENCH_EIGEN)
#include <Eigen/Core>
#endif

using namespace nibble;

namespace {

constexpr std::size_t samples = 512;

const std::vector<float>& input() {
    static const std::vector<float> x = [] {
        std::vector<float> v(samples + 64);
        for (std::size_t i = 0; i < v.size(); ++i) v[i] = 0.5f * std::sin(0.1f * float(i));
        return v;
    }();
    return x;
}

template <class Net>
Net& filled() {
    static Net net = [] {
        Net n;
        Random random(1);
        fixed::for_each_parameter(
            [&](const char*, auto& p) {
                using T = std::remove_reference_t<decltype(p)>;
                const auto draw = [&] { return float(random.uniform() - 0.5); };
                if constexpr (fixed::is_bias<T>) {
                    for (std::size_t r = 0; r < p.size(); ++r) p[r] = draw();
                } else {
                    float row[T::cols()];
                    for (std::size_t r = 0; r < T::rows(); ++r) {
                        for (float& x : row) x = draw();
                        p.set_row(r, row);
                    }
                }
            },
            n);
        return n;
    }();
    return net;
}

/// Times f(i) for each sample; beside a peer g(i) where there is one.
template <class F>
void each_sample(benchmark::State& state, F&& f) {
    const auto all = [&] {
        for (std::size_t i = 0; i < samples; ++i) f(i);
    };
    all();
    for (auto _ : state) {
        const double start = bench::processor_seconds();
        all();
        state.SetIterationTime(bench::processor_seconds() - start);
    }
    state.counters["s/sample"] =
        benchmark::Counter(double(state.iterations()) * double(samples),
                           benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
template <class F, class G>
void each_sample(benchmark::State& state, F&& f, G&& g) {
    const auto repeat = [](auto& one) {
        return [&one] {
            for (std::size_t i = 0; i < samples; ++i) one(i);
        };
    };
    bench::against(state, "Eigen", repeat(f), repeat(g));
    state.counters["s/sample"] =
        benchmark::Counter(double(state.iterations()) * double(samples),
                           benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

#if defined(NIBBLE_BENCH_EIGEN)
template <int N>
using Vec = Eigen::Matrix<float, N, 1>;

template <int H, bool IsGru>
struct EigenNet {
    static constexpr int G = IsGru ? 3 : 4;
    Eigen::Matrix<float, G * H, H> u = Eigen::Matrix<float, G * H, H>::Random() * 0.5f;
    Vec<G* H> w = Vec<G * H>::Random() * 0.5f, b = Vec<G * H>::Random() * 0.5f;
    Vec<H> h = Vec<H>::Zero(), c = Vec<H>::Zero(), head = Vec<H>::Random();
    float step(float x) {
        const auto sigmoid = [](const auto& v) { return (1.0f + (-v.array()).exp()).inverse(); };
        const Vec<G* H> state = u * h, in = w * x + b;
        if constexpr (IsGru) {
            const Vec<H> r = sigmoid(in.template head<H>() + state.template head<H>());
            const Vec<H> z = sigmoid(in.template segment<H>(H) + state.template segment<H>(H));
            const Vec<H> n =
                (in.template tail<H>().array() + r.array() * state.template tail<H>().array())
                    .tanh();
            h = n.array() + z.array() * (h - n).array();
        } else {
            const Vec<G* H> a = in + state;
            const Vec<2 * H> gates = sigmoid(a.template head<2 * H>());
            c = gates.template tail<H>().array() * c.array() +
                gates.template head<H>().array() * a.template segment<H>(2 * H).array().tanh();
            h = sigmoid(a.template tail<H>()) * c.array().tanh();
        }
        return head.dot(h);
    }
};
template <int H>
struct EigenMlp {
    Vec<H> w = Vec<H>::Random(), b = Vec<H>::Random(), b2 = Vec<H>::Random(),
           head = Vec<H>::Random();
    Eigen::Matrix<float, H, H> m = Eigen::Matrix<float, H, H>::Random();
    float step(float x) {
        const Vec<H> y = (w * x + b).array().tanh();
        const Vec<H> z = (m * y + b2).array().tanh();
        return head.dot(z);
    }
};
#endif

template <class Net, class Other>
void fixed_net(benchmark::State& state) {
    Net& net = filled<Net>();
    const auto& x = input();
    const auto ours = [&](std::size_t i) { benchmark::DoNotOptimize(net.forward(x[i])[0]); };
    if constexpr (std::is_void_v<Other>) {
        each_sample(state, ours);
    } else {
        static Other other;
        each_sample(state, ours,
                    [&](std::size_t i) { benchmark::DoNotOptimize(other.step(x[i])); });
    }
}

template <class Stream, class Layer>
void stream_net(benchmark::State& state) {
    const std::size_t H = static_cast<std::size_t>(state.range(0));
    Stream body{Layer({.in = 1, .hidden = H}, Seed{1})};
    LinearStream head(Linear<float>({.in = H, .out = 1}, Seed{2}));
    const auto& x = input();
    each_sample(state, [&](std::size_t i) {
        benchmark::DoNotOptimize(head.step(body.step({x.data() + i, 1}))[0]);
    });
}
void stream_mlp(benchmark::State& state) {
    const std::size_t H = static_cast<std::size_t>(state.range(0));
    LinearStream a(Linear<float>({.in = 1, .out = H}, Seed{1}), Activation::tanh);
    LinearStream b(Linear<float>({.in = H, .out = H}, Seed{2}), Activation::tanh);
    LinearStream c(Linear<float>({.in = H, .out = 1}, Seed{3}));
    const auto& x = input();
    each_sample(state, [&](std::size_t i) {
        benchmark::DoNotOptimize(c.step(b.step(a.step({x.data() + i, 1})))[0]);
    });
}

template <class P>
void dense(benchmark::State& state) {
    using Net = fixed::Linear<P, 64, 64>;
    Net& net = filled<Net>();
    fixed::Vector<64> x(std::span<const float, 64>(input().data(), 64));
    const auto ours = [&](std::size_t i) {
        x[0] = input()[i];
        const auto y = net.forward(x);
        benchmark::DoNotOptimize(&y);
        benchmark::ClobberMemory();
    };
#if defined(NIBBLE_BENCH_EIGEN)
    static const Eigen::Matrix<float, 64, 64> m = Eigen::Matrix<float, 64, 64>::Random();
    static const Vec<64> b = Vec<64>::Random();
    Vec<64> v = Vec<64>::Random(), y;
    each_sample(state, ours, [&](std::size_t i) {
        v[0] = input()[i];
        y.noalias() = m * v + b;
        benchmark::DoNotOptimize(&y);
        benchmark::ClobberMemory();
    });
#else
    each_sample(state, ours);
#endif
}

template <std::size_t H, class P = float>
using LstmNet = fixed::Chain<fixed::Lstm<P, 1, H>, fixed::Linear<float, H, 1>>;
template <std::size_t H, class P = float>
using GruNet = fixed::Chain<fixed::Gru<P, 1, H>, fixed::Linear<float, H, 1>>;
template <std::size_t H>
using MlpNet = fixed::Chain<fixed::Linear<float, 1, H>, fixed::Tanh, fixed::Linear<float, H, H>,
                            fixed::Tanh, fixed::Linear<float, H, 1>>;
using ConvNet = fixed::Chain<fixed::Linear<float, 1, 16>, fixed::Conv1d<float, 16, 16, 3, 2>,
                             fixed::Tanh, fixed::Linear<float, 16, 1>>;

#if defined(NIBBLE_BENCH_EIGEN)
template <int H>
using LstmPeer = EigenNet<H, false>;
template <int H>
using GruPeer = EigenNet<H, true>;
template <int H>
using MlpPeer = EigenMlp<H>;
#else
template <int>
using LstmPeer = void;
template <int>
using GruPeer = void;
template <int>
using MlpPeer = void;
#endif

}  // namespace

BENCHMARK(fixed_net<MlpNet<16>, MlpPeer<16>>)->Name("fixed/mlp_1_16_16_1")->UseManualTime();
BENCHMARK(fixed_net<GruNet<8>, GruPeer<8>>)->Name("fixed/gru_1_8")->UseManualTime();
BENCHMARK(fixed_net<GruNet<24>, GruPeer<24>>)->Name("fixed/gru_1_24")->UseManualTime();
BENCHMARK(fixed_net<LstmNet<20>, LstmPeer<20>>)->Name("fixed/lstm_1_20")->UseManualTime();
BENCHMARK(fixed_net<LstmNet<40>, LstmPeer<40>>)->Name("fixed/lstm_1_40")->UseManualTime();
BENCHMARK(fixed_net<ConvNet, void>)->Name("fixed/conv_16_16_3")->UseManualTime();
BENCHMARK(dense<float>)->Name("fixed/dense_64_64/float")->UseManualTime();
BENCHMARK(dense<bfloat16>)->Name("fixed/dense_64_64/bfloat16")->UseManualTime();
BENCHMARK(dense<PerRow<Int8Value>>)->Name("fixed/dense_64_64/int8")->UseManualTime();
BENCHMARK(dense<W8A8>)->Name("fixed/dense_64_64/int8_int8")->UseManualTime();
BENCHMARK(dense<W4A8>)->Name("fixed/dense_64_64/int4_int8")->UseManualTime();
BENCHMARK(stream_mlp)->Name("stream/mlp_1_n_n_1")->Arg(16)->UseManualTime();
BENCHMARK(stream_net<GruStream<>, Gru<float>>)
    ->Name("stream/gru_1")
    ->Arg(24)
    ->Arg(40)
    ->UseManualTime();
BENCHMARK(stream_net<LstmStream<>, Lstm<float>>)
    ->Name("stream/lstm_1")
    ->Arg(20)
    ->Arg(40)
    ->UseManualTime();
