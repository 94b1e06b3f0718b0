// Matrix products with float activations, y = x w^T of m x k and n x k numbers.
//
//     packed, plain /form/ m x n x k /threads/ peer    against a peer, in turns: `faster` is how many
//                                         times faster ours is, the median of the turns
//     of_peak/...                         share of the rate of multiply-adds in registers
//     of_read/format/...                  one row and a few: share of the rate of reading memory
//     two_threads/...                     how many times faster two threads are than one
//
// Packed weights are ours in the layout of quant/packed.hpp; oneDNN's are in whatever layout it asks
// for, reordered before. OpenBLAS and Eigen pack in each call. oneDNN is held to AVX-512 with
// vdpbf16ps: on processors with tile registers (AMX) it would use those for bfloat16.
#include "support/floor.hpp"

#include <nibble/kernel/matmul.hpp>
#include <nibble/kernel/pack.hpp>
#include <nibble/kernel/packed_bf16.hpp>
#include <nibble/kernel/packed_float.hpp>

#include <functional>
#include <string>

#if defined(_OPENMP)
#include <omp.h>
#endif
#if defined(NIBBLE_BENCH_EIGEN)
#include <Eigen/Core>
#endif
#if defined(NIBBLE_BENCH_CBLAS)
#include <cblas.h>
extern "C" void openblas_set_num_threads(int) __attribute__((weak));
#endif
#if defined(NIBBLE_BENCH_DNNL)
#include <oneapi/dnnl/dnnl.hpp>
#endif

using namespace nibble;

namespace {

struct Size {
    std::size_t m, n, k;
    [[nodiscard]] double flops() const { return 2.0 * double(m) * double(n) * double(k); }
};
enum class Form { forward, transposed, gradient, bf16 };

Tensor<float> uniform(std::size_t rows, std::size_t cols, std::uint64_t seed) {
    Tensor<float> x(Shape{rows, cols});
    // Any numbers of both signs will do, and quickly made.
    std::uint32_t state = static_cast<std::uint32_t>(seed);
    for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t k = 0; k < cols; ++k) {
            state = state * 1664525u + 1013904223u;
            x(r, k) = static_cast<float>(state >> 8) * 0x1p-24f - 0.5f;
        }
    return x;
}

/// What all of a product's forms read and write.
struct Operands {
    Size size;
    Tensor<float> w, x, y, dw;

    explicit Operands(Size s)
        : size(s),
          w(uniform(s.n, s.k, 1)),
          x(uniform(s.m, s.k, 2)),
          y(uniform(s.m, s.n, 3)),
          dw(Shape{s.n, s.k}) {}
};

void set_threads([[maybe_unused]] int threads) {
#if defined(_OPENMP)
    omp_set_num_threads(threads);
#endif
#if defined(NIBBLE_BENCH_CBLAS)
    if (openblas_set_num_threads != nullptr) openblas_set_num_threads(threads);
#endif
}

using Run = std::function<void()>;

Run plain(Operands& o, Form form, int threads) {
    const Host on(threads);
    return [&o, form, on] {
        if (form == Form::forward) matmul(on, o.w.view(), o.x, o.y);
        if (form == Form::transposed) matmul_transposed(on, o.w.view(), o.y, o.x);
        if (form == Form::gradient) matmul_gradient(on, o.y, o.x, o.dw);
    };
}
Run packed(Operands& o, Form form, int threads) {
    const Host on(threads);
    if (form == Form::bf16) {
        Matrix<nibble::bfloat16> w(o.size.n, o.size.k);
        for (std::size_t r = 0; r < o.size.n; ++r)
            for (std::size_t k = 0; k < o.size.k; ++k)
                w.codes()(r, k) = encode<nibble::bfloat16>(o.w(r, k));
        return [&o, on, fast = pack(on, w)] { matmul_bf16(on, fast, o.x, o.y); };
    }
    Matrix<float> w(o.size.n, o.size.k);
    w.codes() = o.w;
    return [&o, on, fast = pack(on, w)] { matmul(on, fast, o.x, o.y); };
}

#if defined(NIBBLE_BENCH_CBLAS)
Run openblas(Operands& o, Form form) {
    return [&o, form] {
        const auto M = int(o.size.m), N = int(o.size.n), K = int(o.size.k);
        const auto ldw = int(o.w.stride()), ldx = int(o.x.stride()), ldy = int(o.y.stride());
        if (form == Form::forward)
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, M, N, K, 1, o.x.data(), ldx,
                        o.w.data(), ldw, 0, o.y.data(), ldy);
        if (form == Form::transposed)
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, M, K, N, 1, o.y.data(), ldy,
                        o.w.data(), ldw, 0, o.x.data(), ldx);
        if (form == Form::gradient)
            cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, N, K, M, 1, o.y.data(), ldy,
                        o.x.data(), ldx, 1, o.dw.data(), int(o.dw.stride()));
    };
}
#endif

#if defined(NIBBLE_BENCH_EIGEN)
Run eigen(Operands& o, Form form, int threads) {
    using M = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    using Map = Eigen::Map<M, Eigen::Unaligned, Eigen::OuterStride<>>;
    const auto map = [](Tensor<float>& t) {
        return Map(t.data(), Eigen::Index(t.rows()), Eigen::Index(t.cols()),
                   Eigen::OuterStride<>(Eigen::Index(t.stride())));
    };
    Eigen::setNbThreads(threads);
    return [w = map(o.w), x = map(o.x), y = map(o.y), dw = map(o.dw), form]() mutable {
        if (form == Form::forward) y.noalias() = x * w.transpose();
        if (form == Form::transposed) x.noalias() = y * w;
        if (form == Form::gradient) dw.noalias() += y.transpose() * x;
    };
}
#endif

#if defined(NIBBLE_BENCH_DNNL)
Run onednn(Operands& o, Form form) {
    using Desc = dnnl::memory::desc;
    using Tag = dnnl::memory::format_tag;
    dnnl::set_max_cpu_isa(dnnl::cpu_isa::avx512_core_bf16);
    const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    const auto M = dnnl_dim_t(o.size.m), N = dnnl_dim_t(o.size.n), K = dnnl_dim_t(o.size.k);
    const auto f32 = dnnl::memory::data_type::f32;
    const auto type = form == Form::bf16 ? dnnl::memory::data_type::bf16 : f32;
    const auto rows = [](const Tensor<float>& t) { return dnnl_dim_t(t.stride()); };
    const Desc y({M, N}, f32, {rows(o.y), 1});
    dnnl::stream stream(engine);
    // bfloat16 activations are converted outside of what is timed.
    dnnl::memory from(Desc({M, K}, f32, {rows(o.x), 1}), engine, o.x.data());
    dnnl::memory left(Desc({M, K}, type, Tag::ab), engine);
    dnnl::reorder(from, left).execute(stream, from, left);
    const dnnl::matmul::primitive_desc description(
        dnnl::matmul::desc(left.get_desc(), Desc({K, N}, type, Tag::any), y), engine);
    dnnl::memory plain(Desc({K, N}, f32, {1, rows(o.w)}), engine, o.w.data());
    dnnl::memory weights(description.weights_desc(), engine);
    dnnl::reorder(plain, weights).execute(stream, plain, weights);
    stream.wait();
    const dnnl::memory out(y, engine, o.y.data());
    return [stream, product = dnnl::matmul(description), left, weights, out]() mutable {
        product.execute(stream,
                        {{DNNL_ARG_SRC, left}, {DNNL_ARG_WEIGHTS, weights}, {DNNL_ARG_DST, out}});
    };
}
#endif

enum class Peer { onednn, openblas, eigen };
constexpr const char* peer_names[] = {"oneDNN", "OpenBLAS", "Eigen"};
constexpr const char* form_names[] = {"forward", "transposed", "gradient", "bf16"};

Run peer_run([[maybe_unused]] Peer peer, [[maybe_unused]] Operands& o, [[maybe_unused]] Form form,
             [[maybe_unused]] int threads) {
#if defined(NIBBLE_BENCH_DNNL)
    if (peer == Peer::onednn) return onednn(o, form);
#endif
#if defined(NIBBLE_BENCH_CBLAS)
    if (peer == Peer::openblas) return openblas(o, form);
#endif
#if defined(NIBBLE_BENCH_EIGEN)
    if (peer == Peer::eigen) return eigen(o, form, threads);
#endif
    return {};
}

void against_peer(benchmark::State& state, bool is_packed, Form form, Size size, int threads,
                  Peer peer) {
    set_threads(threads);
    Operands o(size);
    const Run ours = is_packed ? packed(o, form, threads) : plain(o, form, threads);
    const Run other = peer_run(peer, o, form, threads);
    ours();
    other();
    bench::against(state, "faster", ours, other, threads);
    state.counters["flops"] =
        benchmark::Counter(size.flops() * double(state.iterations()), benchmark::Counter::kIsRate);
}

void of_peak(benchmark::State& state, bool is_packed, Form form, Size size) {
    Operands o(size);
    const Run ours = is_packed ? packed(o, form, 1) : plain(o, form, 1);
    const bool bf16 = form == Form::bf16 && has_bf16_dot<Isa>;
    bench::share_of(state, bf16 ? bench::bf16_dot_burst : bench::fma_burst, size.flops(), ours);
}

void two_threads(benchmark::State& state, bool is_packed, Form form, Size size) {
    set_threads(2);
    Operands o(size);
    const Run one = is_packed ? packed(o, form, 1) : plain(o, form, 1);
    const Run two = is_packed ? packed(o, form, 2) : plain(o, form, 2);
    bench::against(state, "faster", two, one, 2);
}

template <Format F>
void of_read(benchmark::State& state, std::size_t m, int threads) {
    constexpr std::size_t n = 4096;
    const Host on(threads);
    Matrix<F> w(n, n);
    using V = value_of<F>;
    const Tensor<float> from = uniform(1, n, 1);
    const float spread = bits_v<V> <= 8 && is_integer_value<V> ? float(1 << bits_v<V>) : 1.0f;
    for (std::size_t c = 0; c < n; ++c) w.codes().row(0).set(c, encode<V>(from(0, c) * spread));
    for (std::size_t r = 1; r < n; ++r)
        std::copy_n(w.codes().data(), w.codes().stride() / values_per_unit<V>,
                    w.codes().data() + r * w.codes().stride() / values_per_unit<V>);
    for (auto& s : w.scales().units()) s = encode<typename Matrix<F>::S>(0.125f);
    const auto fast = pack(on, w);
    Tensor<float> x = uniform(m, n, 2), y(Shape{m, n});
    bench::share_of_read(
        state, double(fast.bytes()), [&] { matmul(on, fast, x, y); }, threads);
}

std::string name_of(const std::string& who, const char* form, Size s) {
    return who + "/" + form + "/" + std::to_string(s.m) + "x" + std::to_string(s.n) + "x" +
           std::to_string(s.k);
}

void add_peers(bool is_packed, Form form, Size size, int threads) {
    Operands small({1, 16, 16});
    for (const Peer peer : {Peer::onednn, Peer::openblas, Peer::eigen}) {
        if (peer == Peer::onednn ? !is_packed : form == Form::bf16) continue;
        if (!peer_run(peer, small, form, 1)) continue;
        const auto name = name_of(is_packed ? "packed" : "plain", form_names[int(form)], size) +
                          "/" + std::to_string(threads) + "/" + peer_names[int(peer)];
        benchmark::RegisterBenchmark(name.c_str(), against_peer, is_packed, form, size, threads,
                                     peer)
            ->UseManualTime();
    }
}

const bool registered = [] {
    constexpr Size square[] = {{512, 512, 512}, {1024, 1024, 1024}, {2048, 2048, 2048}};
    constexpr Size few[] = {{8, 4096, 4096}, {32, 4096, 4096}};
    for (const Size& s : square) {
        add_peers(true, Form::forward, s, 1);
        add_peers(true, Form::bf16, s, 1);
        for (const Form form : {Form::forward, Form::transposed, Form::gradient})
            add_peers(false, form, s, 1);
    }
    for (const Size& s : few) {
        add_peers(true, Form::forward, s, 1);
        add_peers(true, Form::bf16, s, 1);
        add_peers(false, Form::forward, s, 1);
    }
    for (const Size& s : {square[1], few[1]}) {
        add_peers(true, Form::forward, s, 2);
        add_peers(true, Form::bf16, s, 2);
    }
    const auto alone = [](bool is_packed, Form form, Size s) {
        const std::string who = is_packed ? "packed" : "plain";
        benchmark::RegisterBenchmark(name_of("of_peak/" + who, form_names[int(form)], s).c_str(),
                                     of_peak, is_packed, form, s)
            ->UseManualTime();
        benchmark::RegisterBenchmark(
            name_of("two_threads/" + who, form_names[int(form)], s).c_str(), two_threads, is_packed,
            form, s)
            ->UseManualTime();
    };
    for (const Size& s : {square[0], square[1], few[1]}) {
        alone(true, Form::forward, s);
        alone(true, Form::bf16, s);
        alone(false, Form::forward, s);
        alone(false, Form::transposed, s);
        alone(false, Form::gradient, s);
    }
    const auto read = []<Format... F>(TypeList<F...>) {
        const auto each = [](std::string name, auto run) {
            for (const std::size_t m : {std::size_t{1}, std::size_t{4}})
                for (int threads = 1; threads <= (m == 1 ? 2 : 1); ++threads)
                    benchmark::RegisterBenchmark(("of_read/" + name + "/" + std::to_string(m) +
                                                  "x4096x4096/" + std::to_string(threads))
                                                     .c_str(),
                                                 run, m, threads)
                        ->UseManualTime();
        };
        (each(to_string(spec_of<F>()), of_read<F>), ...);
    };
    read(TypeList<float, half, nibble::bfloat16, PerRow<fp8_e4m3>, PerRow<fp8_e5m2>,
                  PerRow<Int8Value>, Grouped<Int8Value, 32>, Grouped<Int4Value, 32>,
                  Grouped<Int4Value, 128>, Grouped<Nf4, 64>, Grouped<fp4_e2m1, 32, E8M0>,
                  Grouped<Ternary, 32>>{});
    return true;
}();

}  // namespace
