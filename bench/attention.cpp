// Attention on one thread: one query and a few over a cache, a prompt over a cache, whole sequences.
//
// of_read is the time of reading the cache once, in turns with attention over it, over attention's own:
// the bound that memory sets. of_peak is the share of float multiply-adds' peak (codes of 8 and 4 bits
// are multiplied as 16-bit integers and can pass it). faster is against the plain way through OpenBLAS:
// scores by one product, softmax, and another product, for each head.
#include "support/floor.hpp"

#include <nibble/kernel/attention.hpp>
#include <nibble/kernel/attention_cached.hpp>
#include <nibble/kernel/softmax.hpp>

#if defined(NIBBLE_BENCH_CBLAS)
#include <cblas.h>
extern "C" void openblas_set_num_threads(int) __attribute__((weak));
#endif

namespace {

using namespace nibble;

Tensor<float> uniform(Shape shape, std::uint64_t seed, double size) {
    Tensor<float> x(shape);
    Random random(seed);
    for (std::size_t r = 0; r < x.rows(); ++r)
        for (std::size_t k = 0; k < x.cols(); ++k)
            x(r, k) = static_cast<float>(size * (2.0 * random.uniform() - 1.0));
    return x;
}

/// Sums all bytes of a cache, as a kernel that did nothing else would.
template <class F>
void read(const KvStore<F>& cache) {
    using B = Batch<std::uint32_t>;
    B sum[4] = {B(0u), B(0u), B(0u), B(0u)};
    const std::byte* p = cache.block(0, 0);
    constexpr std::size_t step = 16 * B::lanes;
    for (const std::byte* const end = p + cache.bytes() / step * step; p != end; p += step)
        unroll<4>([&](auto i) { sum[i] = sum[i] + strip_words<Isa>(p + i * step / 4); });
    unroll<4>([&](auto i) { benchmark::DoNotOptimize(sum[i]); });
}

/// Multiply-adds of `queries` at the end of `length` positions, as operations.
double operations(std::size_t heads, std::size_t head_size, std::size_t queries,
                  std::size_t length) {
    const double seen = double(length) - double(queries - 1) / 2;
    return 4.0 * double(heads * head_size * queries) * seen;
}

/// 32 heads of 128 that share 8 key heads.
template <class F>
void cached(benchmark::State& state, std::size_t queries, std::size_t length) {
    constexpr std::size_t heads = 32, kv_heads = 8, head_size = 128;
    const Host on(1);
    KvStore<F> cache({length, kv_heads, head_size});
    const Tensor<float> keys = uniform(Shape{97, kv_heads * head_size}, 1, 1.5),
                        values = uniform(keys.shape(), 2, 0.5);
    for (std::size_t p = 0; p < length; ++p)
        cache.write(p, keys.view().row(p % 97), values.view().row(p % 97));
    const Tensor<float> q = uniform(Shape{queries, heads * head_size}, 3, 1.5);
    Tensor<float> out(q.shape());
    const CachedShape s{.heads = heads, .queries = queries, .length = length};
    bench::against(
        state, "of_read", [&] { attention_cached(on, s, q, cache, out); }, [&] { read(cache); });
    bench::count_flops(state, operations(heads, head_size, queries, length));
}

#if defined(NIBBLE_BENCH_CBLAS)
/// Scores, softmax and values of whole sequences by products of whole matrices.
void plain(const AttentionShape& s, const Tensor<float>& q, const Tensor<float>& k,
           const Tensor<float>& v, Tensor<float>& scores, Tensor<float>& out) {
    const auto time = int(s.time), size = int(s.head_size), row = int(scores.stride());
    for (std::size_t h = 0; h < s.heads; ++h) {
        const std::size_t at = h * s.head_size, kv = h / s.group() * s.head_size;
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, time, time, size, s.factor(),
                    q.data() + at, int(q.stride()), k.data() + kv, int(k.stride()), 0,
                    scores.data(), row);
        for (std::size_t t = 0; t < s.time; ++t)
            for (std::size_t i = t + 1; i < s.time; ++i)
                scores(t, i) = -std::numeric_limits<float>::infinity();
        softmax(Host(1), scores.view());
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, time, size, time, 1, scores.data(),
                    row, v.data() + kv, int(v.stride()), 0, out.data() + at, int(out.stride()));
    }
}
#endif

/// Twelve heads of 64, as GPT-2 has them, over a whole causal sequence.
void sequence(benchmark::State& state) {
    const AttentionShape s{
        .time = std::size_t(state.range(0)), .heads = 12, .kv_heads = 12, .head_size = 64};
    const Shape shape{s.time, s.heads * s.head_size};
    const Tensor<float> q = uniform(shape, 1, 1), k = uniform(shape, 2, 1),
                        v = uniform(shape, 3, 1);
    Tensor<float> out(shape);
    const Host on(1);
    const auto ours = [&] { attention(on, s, q, k, v, out); };
#if defined(NIBBLE_BENCH_CBLAS)
    if (openblas_set_num_threads != nullptr) openblas_set_num_threads(1);
    Tensor<float> scores(Shape{s.time, s.time}), other(shape);
    bench::against(state, "faster", ours, [&] { plain(s, q, k, v, scores, other); });
#else
    bench::against(state, "alike", ours, ours);
#endif
    bench::count_flops(state, operations(s.heads, s.head_size, s.time, s.time));
}

using Int8 = Grouped<Int8Value, 32>;
using Int4 = Grouped<Int4Value, 32>;

template <class F>
void add(const char* name, std::size_t queries, std::size_t length) {
    benchmark::RegisterBenchmark(name, cached<F>, queries, length)->UseManualTime();
}

const bool registered = [] {
    add<half>("one_query/half", 1, 4096);
    add<Int8>("one_query/int8", 1, 4096);
    add<Int4>("one_query/int4", 1, 4096);
    add<half>("four_queries/half", 4, 4096);
    add<Int8>("four_queries/int8", 4, 4096);
    add<half>("prompt_128/half", 128, 2048);
    add<Int8>("prompt_128/int8", 128, 2048);
    add<Int4>("prompt_128/int4", 128, 2048);
    return true;
}();

}  // namespace

BENCHMARK(sequence)->Arg(256)->Arg(1024)->UseManualTime();
