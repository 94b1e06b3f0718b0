// Matrix products: float forms against the machine's multiply-add rate and against OpenBLAS and Eigen
// where they are found, and every kind of weight at one and at many rows.
//
// Each case runs on one thread. Counters, all by processor time: flops (two a multiply-add) a second;
// of_peak, the same as a share of the rate that multiply-adds in registers reach in this run; weights,
// bytes of codes, scales and padding a second.
#include "support/floor.hpp"

#include <nibble/kernel/matmul.hpp>

#include <benchmark/benchmark.h>

#include <string>

#if defined(NIBBLE_BENCH_EIGEN)
#include <Eigen/Core>
#endif
#if defined(NIBBLE_BENCH_CBLAS)
#include <cblas.h>
extern "C" void openblas_set_num_threads(int) __attribute__((weak));
#endif

using namespace nibble;

namespace {

void count_flops(benchmark::State& state, std::size_t m, std::size_t n, std::size_t k) {
    bench::count_flops(state, 2.0 * double(m) * double(n) * double(k));
}

Tensor<float> uniform(std::size_t rows, std::size_t cols, std::uint64_t seed) {
    Tensor<float> x(Shape{rows, cols});
    Random random(seed);
    for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t k = 0; k < cols; ++k) x(r, k) = static_cast<float>(random.uniform() - 0.5);
    return x;
}

enum class Form { forward, transposed, gradient, int8 };

template <Format F>
void product(benchmark::State& state, Form form, std::size_t m, std::size_t n, std::size_t k) {
    const Host on(1);
    Matrix<F> w(n, k);
    using V = value_of<F>;
    const Tensor<float> from = uniform(n, k, 1);
    const float spread = bits_v<V> <= 8 && is_integer_value<V> ? float(1 << bits_v<V>) : 1.0f;
    for (std::size_t r = 0; r < n; ++r)
        for (std::size_t c = 0; c < k; ++c) w.codes().row(r).set(c, encode<V>(from(r, c) * spread));
    for (auto& s : w.scales().units()) s = encode<typename Matrix<F>::S>(0.125f);
    Tensor<float> x = uniform(m, k, 2), y = uniform(m, n, 3), dw(Shape{n, k});
    for (auto _ : state) {
        if (form == Form::forward) matmul(on, w, x, y);
        if (form == Form::transposed) matmul_transposed(on, w, y, x);
        if (form == Form::gradient) matmul_gradient(on, y, x, dw);
        if constexpr (is_integer_value<V>)
            if (form == Form::int8) matmul_int8(on, w, x, y);
        benchmark::ClobberMemory();
    }
    count_flops(state, m, n, k);
    state.counters["weights"] =
        benchmark::Counter(double(w.bytes()) * double(state.iterations()),
                           benchmark::Counter::kIsRate, benchmark::Counter::kIs1024);
}

#if defined(NIBBLE_BENCH_CBLAS)
void openblas(benchmark::State& state, Form form, std::size_t m, std::size_t n, std::size_t k) {
    if (openblas_set_num_threads != nullptr) openblas_set_num_threads(1);
    const Tensor<float> w = uniform(n, k, 1);
    Tensor<float> x = uniform(m, k, 2), y = uniform(m, n, 3), dw(Shape{n, k});
    const auto M = int(m), N = int(n), K = int(k);
    const auto ldw = int(w.stride()), ldx = int(x.stride()), ldy = int(y.stride());
    for (auto _ : state) {
        if (form == Form::forward)
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, M, N, K, 1, x.data(), ldx,
                        w.data(), ldw, 0, y.data(), ldy);
        if (form == Form::transposed)
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, M, K, N, 1, y.data(), ldy,
                        w.data(), ldw, 0, x.data(), ldx);
        if (form == Form::gradient)
            cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, N, K, M, 1, y.data(), ldy,
                        x.data(), ldx, 1, dw.data(), int(dw.stride()));
        benchmark::ClobberMemory();
    }
    count_flops(state, m, n, k);
}
#endif

#if defined(NIBBLE_BENCH_EIGEN)
void eigen(benchmark::State& state, Form form, std::size_t m, std::size_t n, std::size_t k) {
    using M = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    const auto rows = Eigen::Index(m), outputs = Eigen::Index(n), inputs = Eigen::Index(k);
    M w = M::Random(outputs, inputs), x = M::Random(rows, inputs), y = M::Random(rows, outputs);
    M dw = M::Zero(outputs, inputs);
    for (auto _ : state) {
        if (form == Form::forward) y.noalias() = x * w.transpose();
        if (form == Form::transposed) x.noalias() = y * w;
        if (form == Form::gradient) dw.noalias() += y.transpose() * x;
        benchmark::ClobberMemory();
    }
    count_flops(state, m, n, k);
}
#endif

constexpr const char* names[] = {"forward", "transposed", "gradient", "int8"};

std::string label(const std::string& who, Form form, std::size_t m, std::size_t n, std::size_t k) {
    return who + "/" + names[int(form)] + "/" + std::to_string(m) + "x" + std::to_string(n) + "x" +
           std::to_string(k);
}

template <Format F>
void add(Form form, std::size_t m, std::size_t n, std::size_t k) {
    benchmark::RegisterBenchmark(label(to_string(spec_of<F>()), form, m, n, k).c_str(), product<F>,
                                 form, m, n, k);
}

const bool registered = [] {
    constexpr std::size_t shapes[][3] = {{512, 512, 512}, {512, 128, 512}, {512, 384, 128}};
    for (const auto& [m, n, k] : shapes)
        for (const Form form : {Form::forward, Form::transposed, Form::gradient}) {
            add<float>(form, m, n, k);
#if defined(NIBBLE_BENCH_CBLAS)
            benchmark::RegisterBenchmark(label("OpenBLAS", form, m, n, k).c_str(), openblas, form,
                                         m, n, k);
#endif
#if defined(NIBBLE_BENCH_EIGEN)
            benchmark::RegisterBenchmark(label("Eigen", form, m, n, k).c_str(), eigen, form, m, n,
                                         k);
#endif
        }
    for (const std::size_t m : {std::size_t{1}, std::size_t{8}, std::size_t{512}}) {
        constexpr std::size_t n = 1024, k = 1024;
        []<class... F>(TypeList<F...>, std::size_t rows) {
            (add<F>(Form::forward, rows, n, k), ...);
        }(TypeList<float, half, nibble::bfloat16, PerRow<fp8_e4m3>, Grouped<fp4_e2m1, 32, E8M0>,
                   Grouped<Nf4, 64>, PerRow<Int8Value>, Grouped<Int4Value, 32>,
                   Grouped<Int4Value, 128>, Grouped<Ternary, 32>>{},
          m);
        add<PerRow<Int8Value>>(Form::int8, m, n, k);
        add<Grouped<Int4Value, 32>>(Form::int8, m, n, k);
        add<Grouped<Int4Value, 128>>(Form::int8, m, n, k);
    }
    return true;
}();

}  // namespace
