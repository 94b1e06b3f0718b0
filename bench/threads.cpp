// What it costs to start threads and to wait for them, and from which amount of work on two are faster.
//
// fork_join: an empty range on each thread; the least time of a call on the clock on the wall, since a
// busy machine adds to all others. split: exp of n numbers in L2 on one and on two threads in turns;
// `faster` is the median of time on one / time on two. This is where the grains of the kernels come from.
#include "support/floor.hpp"

#include <nibble/kernel/math.hpp>
#include <nibble/kernel/thread_pool.hpp>
#include <nibble/kernel/transform.hpp>

#include <benchmark/benchmark.h>

using namespace nibble;

namespace {

void fork_join(benchmark::State& state, const Host& on) {
    double least = 1e30;
    for (auto _ : state) {
        const double start = bench::wall_seconds();
        on.parallel_for(std::size_t(on.threads()), 1,
                        [](std::size_t first, std::size_t) { benchmark::DoNotOptimize(first); });
        const double time = bench::wall_seconds() - start;
        least = std::min(least, time);
        state.SetIterationTime(time);
    }
    state.counters["least_us"] = 1e6 * least;
}

void split(benchmark::State& state, const Host& on) {
    const auto n = static_cast<std::size_t>(state.range(0));
    using B = Batch<float>;
    std::vector<float> x(n, 0.5f), y(n);
    const auto part = [&](std::size_t first, std::size_t end) {
        for (std::size_t i = first; i < end; i += B::lanes)
            exp(B::load(x.data() + i)).store(y.data() + i);
    };
    const auto alone = [&] { part(0, n); };
    const auto together = [&] { on.parallel_for(n, n / 2, part); };
    bench::Turns turns(2);
    double best = 1e30;
    for (auto _ : state) {
        const double time = turns.turn(together, alone);
        const double start = bench::wall_seconds();
        alone();
        benchmark::ClobberMemory();
        best = std::min(best, bench::wall_seconds() - start);
        state.SetIterationTime(time);
    }
    state.counters["faster"] = turns.ratio();
    state.counters["alone_us"] = 1e6 * best;
}

const bool registered = [] {
    static ThreadPool pool(2);
    const auto add = [](const std::string& name, auto f, const Host& on) {
        return benchmark::RegisterBenchmark(name.c_str(), f, on)->UseManualTime();
    };
    add("fork_join/pool", fork_join, Host(pool.executor()));
    for (std::int64_t n = 1 << 10; n <= 1 << 17; n *= 2)
        add("split/pool", split, Host(pool.executor()))->Arg(n);
#if defined(_OPENMP)
    add("fork_join/openmp", fork_join, Host(2));
    for (std::int64_t n = 1 << 10; n <= 1 << 17; n *= 2)
        add("split/openmp", split, Host(2))->Arg(n);
#endif
    return true;
}();

}  // namespace
