// Packed integer weights with int8 activations, their quantization counted, y = x w^T.
//
//     of_read/format/...      one row, weights far beyond the caches: share of the rate of reading memory
//     of_peak/format/...      several rows: share of the rate of byte dot products in registers
//     two_threads/format/...  how many times faster two threads are than one
//     int8 .../oneDNN         against oneDNN's s8 x s8 -> s32 in the layout it asks for, which neither
//                             quantizes x nor scales the result
//
// Activations have a scale for each 32 unless the name says otherwise. error is the relative error of
// the product against float64 on the same weights.
#include "support/floor.hpp"

#include <nibble/kernel/pack.hpp>
#include <nibble/kernel/packed_int8.hpp>

#include <cmath>
#include <memory>
#include <string>

#if defined(_OPENMP)
#include <omp.h>
#endif
#if defined(NIBBLE_BENCH_DNNL)
#include <oneapi/dnnl/dnnl.hpp>
#endif

using namespace nibble;

namespace {

constexpr std::size_t wide = 4096;

/// Any codes, scales around 1 / 100.
template <Format F>
Matrix<F> some_weights(std::size_t n, std::size_t k) {
    Matrix<F> w(n, k);
    Random random(n + k);
    using V = value_of<F>;
    for (std::size_t r = 0; r < n; ++r)
        for (std::size_t c = 0; c < k; ++c)
            w.codes().row(r).set(c, encode<V>(static_cast<float>(random.below(1u << bits_v<V>)) -
                                              static_cast<float>(1 << (bits_v<V> - 1))));
    for (auto& s : w.scales().units())
        s = encode<typename format_traits<F>::Scale>(
            static_cast<float>(0.01 * (0.5 + random.uniform())));
    return w;
}

Tensor<float> some_rows(std::size_t m, std::size_t k) {
    Tensor<float> x(Shape{m, k});
    Random random(m);
    for (std::size_t i = 0; i < m; ++i)
        for (std::size_t c = 0; c < k; ++c) {
            double bell = -6;
            for (int t = 0; t < 12; ++t) bell += random.uniform();
            x(i, c) = static_cast<float>(bell);
        }
    return x;
}

/// Enough copies of a packed matrix that none stays in a cache, used in turn.
template <Format F>
class Rotation {
public:
    Rotation(std::size_t n, std::size_t k, std::size_t bytes) {
        const Host on(1);
        const Matrix<F> w = some_weights<F>(n, k);
        do copies_.push_back(pack(on, w));
        while (copies_.size() * copies_[0].bytes() < bytes);
    }
    const Matrix<Packed<F>>& next() { return copies_[turn_++ % copies_.size()]; }
    [[nodiscard]] double bytes() const { return double(copies_[0].bytes()); }

private:
    std::vector<Matrix<Packed<F>>> copies_;
    std::size_t turn_ = 0;
};

template <Format F, class Q>
double relative_error() {
    const Host on(1);
    const Matrix<F> w = some_weights<F>(64, wide);
    const Tensor<float> x = some_rows(1, wide);
    Tensor<float> y(Shape{1, 64});
    matmul_int8<Q>(on, pack(on, w), x, y);
    double off = 0, size = 0;
    for (std::size_t n = 0; n < 64; ++n) {
        double sum = 0;
        for (std::size_t k = 0; k < wide; ++k) sum += double(x(0, k)) * double(w(n, k));
        off += (sum - double(y(0, n))) * (sum - double(y(0, n)));
        size += sum * sum;
    }
    return std::sqrt(off / size);
}

template <Format F, class Q>
void of_read(benchmark::State& state, std::size_t n, std::size_t k, int threads) {
    const Host on(threads);
    Rotation<F> w(n, k, std::size_t{600} << 20);
    const Tensor<float> x = some_rows(1, k);
    Tensor<float> y(Shape{1, n});
    bench::share_of_read(
        state, w.bytes(), [&] { matmul_int8<Q>(on, w.next(), x, y); }, threads);
    state.counters["error"] = relative_error<F, Q>();
}

template <Format F, class Q>
void of_peak(benchmark::State& state, std::size_t m, int threads) {
    const Host on(threads);
    Rotation<F> w(wide, wide, 1);
    const Tensor<float> x = some_rows(m, wide);
    Tensor<float> y(Shape{m, wide});
    bench::share_of(
        state, bench::byte_dot_burst, 2.0 * double(m) * double(wide * wide),
        [&] { matmul_int8<Q>(on, w.next(), x, y); }, threads);
    state.counters["error"] = relative_error<F, Q>();
}

template <Format F, class Q>
void two_threads(benchmark::State& state, std::size_t m) {
    const Host one(1), two(2);
    Rotation<F> w(wide, wide, m == 1 ? std::size_t{600} << 20 : 1);
    const Tensor<float> x = some_rows(m, wide);
    Tensor<float> y(Shape{m, wide});
    bench::against(
        state, "faster", [&] { matmul_int8<Q>(two, w.next(), x, y); },
        [&] { matmul_int8<Q>(one, w.next(), x, y); }, 2);
}

#if defined(NIBBLE_BENCH_DNNL)
/// oneDNN's integer product with weights in its own layout.
class OneDnn {
public:
    OneDnn(std::size_t m, std::size_t n, std::size_t k) : x_(m * k, 3), w_(n * k, 5), y_(m * n) {
        using namespace dnnl;
        const auto M = memory::dim(m), N = memory::dim(n), K = memory::dim(k);
        const memory::desc src({M, K}, memory::data_type::s8, memory::format_tag::ab);
        const memory::desc any({K, N}, memory::data_type::s8, memory::format_tag::any);
        const memory::desc plain({K, N}, memory::data_type::s8, memory::format_tag::ba);
        const memory::desc dst({M, N}, memory::data_type::s32, memory::format_tag::ab);
        const matmul::primitive_desc about(matmul::desc(src, any, dst), engine_);
        product_ = matmul(about);
        memory weights(about.weights_desc(), engine_);
        memory given(plain, engine_, w_.data());
        reorder(given, weights).execute(stream_, given, weights);
        stream_.wait();
        arguments_ = {{DNNL_ARG_SRC, memory(src, engine_, x_.data())},
                      {DNNL_ARG_WEIGHTS, weights},
                      {DNNL_ARG_DST, memory(dst, engine_, y_.data())}};
    }
    void operator()() {
        product_.execute(stream_, arguments_);
        stream_.wait();
    }

private:
    dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
    dnnl::stream stream_{engine_};
    std::vector<std::int8_t> x_, w_;
    std::vector<std::int32_t> y_;
    dnnl::matmul product_;
    std::unordered_map<int, dnnl::memory> arguments_;
};

void against_onednn(benchmark::State& state, std::size_t m, std::size_t n, std::size_t k) {
    // Without the processor's tile registers (AMX), which are another kind of machine.
    dnnl::set_max_cpu_isa(dnnl::cpu_isa::avx512_core_bf16);
#if defined(_OPENMP)
    omp_set_num_threads(1);
#endif
    const Host on(1);
    Rotation<PerRow<Int8Value>> w(n, k, 1);
    const Tensor<float> x = some_rows(m, k);
    Tensor<float> y(Shape{m, n});
    OneDnn peer(m, n, k);
    bench::against(
        state, "oneDNN", [&] { matmul_int8<PerRow<Int8Value>>(on, w.next(), x, y); },
        [&] { peer(); });
}
#endif

template <Format F, class Q>
void add(const std::string& activations) {
    const std::string name = to_string(spec_of<F>()) + activations;
    const auto shape = [](std::size_t m, std::size_t n, std::size_t k) {
        return "/" + std::to_string(m) + "x" + std::to_string(n) + "x" + std::to_string(k);
    };
    for (const int threads : {1, 2}) {
        const std::string ending = "/" + std::to_string(threads);
        benchmark::RegisterBenchmark(("of_read/" + name + shape(1, wide, wide) + ending).c_str(),
                                     of_read<F, Q>, wide, wide, threads)
            ->UseManualTime();
        benchmark::RegisterBenchmark(("of_read/" + name + shape(1, 768, 3072) + ending).c_str(),
                                     of_read<F, Q>, 768, 3072, threads)
            ->UseManualTime();
    }
    for (const std::size_t m : {4, 8, 32, 128, 512})
        benchmark::RegisterBenchmark(("of_peak/" + name + shape(m, wide, wide)).c_str(),
                                     of_peak<F, Q>, m, 1)
            ->UseManualTime();
    for (const std::size_t m : {1, 128})
        benchmark::RegisterBenchmark(("two_threads/" + name + shape(m, wide, wide)).c_str(),
                                     two_threads<F, Q>, m)
            ->UseManualTime();
}

const bool registered = [] {
    add<Grouped<Int4Value, 32>, Int8Value>("");
    add<Grouped<Int4Value, 128>, Grouped<Int8Value, 128>>(" (x int8-g128)");
    add<Grouped<Int8Value, 32>, Int8Value>("");
    add<PerRow<Int8Value>, PerRow<Int8Value>>(" (x int8-row)");
    add<Grouped<Int2Value, 32>, Int8Value>("");
#if defined(NIBBLE_BENCH_DNNL)
    for (const std::size_t m : {1, 32, 128, 512})
        benchmark::RegisterBenchmark(
            ("int8-row (x int8-row)/" + std::to_string(m) + "x4096x4096/oneDNN").c_str(),
            against_onednn, m, wide, wide)
            ->UseManualTime();
#endif
    return true;
}();

}  // namespace
