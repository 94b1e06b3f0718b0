// The floors that the other benchmarks state their speed as a share of (bench/support/floor.hpp): each the
// best of this process. On a core that is shared with another program the registers' rates vary by two.
#include "support/floor.hpp"

#include <benchmark/benchmark.h>

namespace {

void floor(benchmark::State& state, const char* unit, double (*rate)()) {
    double best = 0;
    for (auto _ : state) best = rate();
    state.counters[unit] = best;
}

const bool registered = [] {
    const auto add = [](const char* name, const char* unit, double (*rate)()) {
        benchmark::RegisterBenchmark(name, floor, unit, rate)->Iterations(1);
    };
    add("clock", "cycles_per_s", bench::clock_rate);
    add("read one thread", "bytes_per_s", [] { return bench::read_rate(1); });
    add("read two threads", "bytes_per_s", [] { return bench::read_rate(2); });
    add("copy one thread", "bytes_per_s", [] { return bench::copy_rate(1); });
    add("copy two threads", "bytes_per_s", [] { return bench::copy_rate(2); });
    add("multiply-adds of floats", "flop_per_s", bench::fma_rate);
    add("byte dot products", "op_per_s", bench::byte_dot_rate);
    add("bfloat16 dot products", "flop_per_s", bench::bf16_dot_rate);
    return true;
}();

}  // namespace
