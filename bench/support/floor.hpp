// What the machine can do at most, measured once in each process: every benchmark states its speed as a
// share of one of these, so that a figure means something on a busy or a different machine.
//
//     read_rate(threads)    bytes/s of summing 512 MiB in ascending order, 2 MiB pages advised
//     copy_rate(threads)    bytes/s read and written of copying 256 MiB
//     fma_rate()            flop/s of multiply-adds of floats in registers (two operations each)
//     byte_dot_rate()       op/s of the byte dot product that this build uses for 4-bit weights
//     bf16_dot_rate()       flop/s of the bfloat16 dot product; of multiply-adds where there is none
//     clock_rate()          clock cycles/s, from a chain of dependent additions
//
// Rates of one thread are by its processor time, those of several by the clock on the wall, and each is
// the best of several rounds. The count_* functions attach them to a benchmark as counters. against() and
// share_of() time a kernel and a peer or a floor in turns: what to trust when others use the machine, for
// a neighbour on the other half of a core halves both.
#pragma once

#include <nibble/kernel/dot.hpp>
#include <nibble/kernel/transpose.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <ctime>
#include <string>
#include <thread>
#include <vector>

#if defined(__AVX512BF16__)
#include <immintrin.h>
#endif

namespace bench {

/// Seconds of processor time of this thread.
inline double processor_seconds() {
#if defined(CLOCK_THREAD_CPUTIME_ID)
    timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
#else
    return double(std::clock()) / CLOCKS_PER_SEC;
#endif
}

inline double wall_seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

/// The highest rate that `rounds` calls of f reach; f does `work` units.
template <class F>
double best_rate(int rounds, double work, F&& f) {
    double best = 0;
    for (int r = 0; r < rounds; ++r) {
        const double start = processor_seconds();
        f();
        best = std::max(best, work / (processor_seconds() - start));
    }
    return best;
}

/// The same for f(thread, threads) on several threads that start together, by the clock on the wall.
template <class F>
double best_rate_together(int threads, int rounds, double work, F&& f) {
    std::atomic<int> at_start{0}, at_end{0};
    double best = 0;
    auto run = [&](int t) {
        double start = 0;
        for (int r = 1; r <= rounds; ++r) {
            ++at_start;
            while (at_start.load() < r * threads) std::this_thread::yield();
            if (t == 0) start = wall_seconds();
            f(t, threads);
            ++at_end;
            while (at_end.load() < r * threads) std::this_thread::yield();
            if (t == 0) best = std::max(best, work / (wall_seconds() - start));
        }
    };
    std::vector<std::thread> others;
    for (int t = 1; t < threads; ++t) others.emplace_back(run, t);
    run(0);
    for (auto& thread : others) thread.join();
    return best;
}

/// 512 MiB in huge pages, written once.
class BigBlock {
public:
    static constexpr std::size_t bytes = std::size_t{512} << 20;
    BigBlock() : data_(static_cast<std::uint32_t*>(nibble::HostMemory::allocate(bytes))) {
        std::memset(data_, 1, bytes);
    }
    BigBlock(const BigBlock&) = delete;
    BigBlock& operator=(const BigBlock&) = delete;
    ~BigBlock() { nibble::HostMemory::release(data_, bytes); }

    /// Sums words [first, end): four registers, one ascending stream.
    void read(std::size_t first, std::size_t end) const {
        using B = nibble::Batch<std::uint32_t>;
        B sum[4] = {B(0u), B(0u), B(0u), B(0u)};
        for (const std::uint32_t* p = data_ + first; p + 4 * B::lanes <= data_ + end;
             p += 4 * B::lanes)
            nibble::unroll<4>([&](auto i) { sum[i] = sum[i] + B::load(p + i * B::lanes); });
        nibble::unroll<4>([&](auto i) { benchmark::DoNotOptimize(sum[i]); });
    }
    /// Copies bytes [first, end) of the lower half to the upper one.
    void copy(std::size_t first, std::size_t end) {
        auto* const p = reinterpret_cast<char*>(data_);
        std::memcpy(p + bytes / 2 + first, p + first, end - first);
        benchmark::ClobberMemory();
    }

private:
    std::uint32_t* data_;
};

/// Part t of n items, in multiples of a page.
inline std::size_t part(std::size_t n, int t, int threads) {
    return n / 4096 * static_cast<std::size_t>(t) / static_cast<std::size_t>(threads) * 4096;
}

/// bytes/s of reading 512 MiB.
inline double read_rate(int threads = 1) {
    static constexpr std::size_t words = BigBlock::bytes / sizeof(std::uint32_t);
    static double known[65] = {};
    double& rate = known[std::clamp(threads, 1, 64)];
    if (rate == 0) {
        const BigBlock block;
        rate = threads <= 1
                   ? best_rate(8, double(BigBlock::bytes), [&] { block.read(0, words); })
                   : best_rate_together(threads, 12, double(BigBlock::bytes), [&](int t, int all) {
                         block.read(part(words, t, all), part(words, t + 1, all));
                     });
    }
    return rate;
}

/// bytes/s, read and written together, of copying 256 MiB.
inline double copy_rate(int threads = 1) {
    static double known[65] = {};
    double& rate = known[std::clamp(threads, 1, 64)];
    if (rate == 0) {
        constexpr std::size_t half = BigBlock::bytes / 2;
        BigBlock block;
        rate = threads <= 1
                   ? best_rate(8, 2.0 * double(half), [&] { block.copy(0, half); })
                   : best_rate_together(threads, 12, 2.0 * double(half), [&](int t, int all) {
                         block.copy(part(half, t, all), part(half, t + 1, all));
                     });
    }
    return rate;
}

/// A short run of one instruction sequence on enough independent registers to fill the pipes.
template <class R, class Step>
void fill_pipes(std::size_t steps, Step step) {
    constexpr std::size_t chains = 12;
    // Twice a copy: an array whose address escapes would be stored in every step, and registers that
    // are known to be equal would be computed once.
    R start[chains] = {};
    benchmark::DoNotOptimize(start);
    R sum[chains];
    nibble::unroll<chains>([&](auto i) { sum[i] = start[i]; });
    for (std::size_t s = 0; s < steps; ++s)
        nibble::unroll<chains>([&](auto i) { sum[i] = step(sum[i]); });
    R result[chains];
    nibble::unroll<chains>([&](auto i) { result[i] = sum[i]; });
    benchmark::DoNotOptimize(result);
}

/// A thing to time against: `run` does `work` units.
struct Burst {
    double work;
    void (*run)();
};
inline constexpr std::size_t burst_steps = 10'000;  ///< some 20 us
inline constexpr double burst_chains = 12.0 * double(burst_steps);

/// Multiply-adds of floats, in flop.
inline constexpr Burst fma_burst{
    2.0 * double(nibble::Batch<float>::lanes) * burst_chains, [] {
        using B = nibble::Batch<float>;
        B loaded(0.999f);
        benchmark::DoNotOptimize(loaded);
        const B factor = loaded;
        fill_pipes<B>(burst_steps, [factor](B sum) { return fma(sum, factor, factor); });
    }};

/// dot4 with 4-bit weights, in op (eight a lane): vpdpbusd, or vpmaddubsw, vpmaddwd, vpaddd.
inline constexpr Burst byte_dot_burst{
    8.0 * double(nibble::Batch<std::int32_t>::lanes) * burst_chains, [] {
        using B = nibble::Batch<std::int32_t>;
        B loaded(0x01020304);
        benchmark::DoNotOptimize(loaded);
        const B w = loaded;
        // The sum is also a factor, or the products could be taken out of the loop.
        fill_pipes<B>(burst_steps, [w](B sum) { return nibble::dot4<true>(sum, w, sum); });
    }};

#if defined(__AVX512BF16__)
/// vdpbf16ps, in flop (four a lane).
inline constexpr Burst bf16_dot_burst{
    64.0 * burst_chains, [] {
        __m512i loaded = _mm512_set1_epi32(0x3F803F80);
        benchmark::DoNotOptimize(loaded);
        const auto x = reinterpret_cast<__m512bh>(loaded);
        fill_pipes<__m512>(burst_steps, [x](__m512 sum) { return _mm512_dpbf16_ps(sum, x, x); });
    }};
#else
/// Without a bfloat16 dot product its numbers go through multiply-adds of floats.
inline constexpr Burst bf16_dot_burst = fma_burst;
#endif

/// The best rate of many bursts.
inline double burst_rate(const Burst& burst) { return best_rate(4000, burst.work, burst.run); }
inline double fma_rate() {
    static const double rate = burst_rate(fma_burst);
    return rate;
}
inline double byte_dot_rate() {
    static const double rate = burst_rate(byte_dot_burst);
    return rate;
}
inline double bf16_dot_rate() {
    static const double rate = burst_rate(bf16_dot_burst);
    return rate;
}

/// Clock cycles a second. Each link is an exclusive or and an addition, a cycle each on every core of
/// the last decades; their operands are in registers, because some cores add small constants for free.
inline double clock_rate() {
    static const double rate = [] {
        constexpr std::size_t links = 100'000;
        std::uint64_t x = 1, k = 0x9E3779B97F4A7C15u;
        benchmark::DoNotOptimize(k);
        return best_rate(1000, 2.0 * double(links), [&] {
            for (std::size_t i = 0; i < links / 16; ++i) {
                nibble::unroll<16>([&](auto) { x = (x ^ k) + k; });
                benchmark::DoNotOptimize(x);
            }
        });
    }();
    return rate;
}

// ---- counters ------------------------------------------------------------------------------------
// Each is a rate of Google Benchmark: divided by the processor time of the run, or by the time on the
// wall where the benchmark asks for it (UseRealTime, as those on several threads must).

inline void count_rate(benchmark::State& state, const char* name, double work, double peak) {
    const double done = work * double(state.iterations());
    state.counters[name] = benchmark::Counter(done, benchmark::Counter::kIsRate);
    if (peak > 0)
        state.counters["of_peak"] = benchmark::Counter(done / peak, benchmark::Counter::kIsRate);
}
/// `flops` and `of_peak`: an iteration does `flops` operations on floats.
inline void count_flops(benchmark::State& state, double flops, int threads = 1) {
    count_rate(state, "flops", flops, threads * fma_rate());
}
/// `ops` and `of_peak`: an iteration does `ops` operations of byte dot products.
inline void count_byte_ops(benchmark::State& state, double ops, int threads = 1) {
    count_rate(state, "ops", ops, threads * byte_dot_rate());
}
/// `flops` and `of_peak`: an iteration does `flops` operations of bfloat16 dot products.
inline void count_bf16_flops(benchmark::State& state, double flops, int threads = 1) {
    count_rate(state, "flops", flops, threads * bf16_dot_rate());
}
/// `bytes` and `of_read`: an iteration reads `bytes` from memory.
inline void count_read(benchmark::State& state, double bytes, int threads = 1) {
    const double done = bytes * double(state.iterations());
    state.counters["bytes"] = benchmark::Counter(done, benchmark::Counter::kIsRate);
    state.counters["of_read"] =
        benchmark::Counter(done / read_rate(threads), benchmark::Counter::kIsRate);
}
/// `bytes` and `of_copy`: an iteration reads and writes `bytes` together.
inline void count_copy(benchmark::State& state, double bytes, int threads = 1) {
    const double done = bytes * double(state.iterations());
    state.counters["bytes"] = benchmark::Counter(done, benchmark::Counter::kIsRate);
    state.counters["of_copy"] =
        benchmark::Counter(done / copy_rate(threads), benchmark::Counter::kIsRate);
}
/// `cycles`: clock cycles an element.
inline void count_cycles(benchmark::State& state, double elements) {
    using benchmark::Counter;
    state.counters["cycles"] = Counter(elements * double(state.iterations()) / clock_rate(),
                                       Counter::kIsRate | Counter::kInvert);
}

/// How much faster the median turn of two things is: times `ours` and `other` one after the other.
class Turns {
public:
    explicit Turns(int threads = 1) noexcept : threads_(threads) {}

    /// Runs both once; seconds that ours took.
    template <class Ours, class Other>
    double turn(Ours&& ours, Other&& other) {
        const double start = now();
        ours();
        benchmark::ClobberMemory();
        const double between = now();
        other();
        benchmark::ClobberMemory();
        ratios_.push_back((now() - between) / (between - start));
        return between - start;
    }
    /// The median of time(other) / time(ours).
    [[nodiscard]] double ratio() {
        if (ratios_.empty()) return 0;
        const auto middle = ratios_.begin() + std::ptrdiff_t(ratios_.size() / 2);
        std::nth_element(ratios_.begin(), middle, ratios_.end());
        return *middle;
    }

private:
    // Threads that work together are timed by the clock on the wall.
    double now() const { return threads_ > 1 ? wall_seconds() : processor_seconds(); }
    int threads_;
    std::vector<double> ratios_;
};

/// The benchmark's loop: times `ours` and `peer` in turns and sets the counter `name` to how many times
/// faster ours is (the median turn). A call should take some 10 us or more. The benchmark needs
/// ->UseManualTime(); its time is that of ours.
template <class Ours, class Peer>
void against(benchmark::State& state, const std::string& name, Ours&& ours, Peer&& peer,
             int threads = 1) {
    Turns turns(threads);
    for (auto _ : state) state.SetIterationTime(turns.turn(ours, peer));
    state.counters[name] = turns.ratio();
}

/// The same with a floor: sets `of_peak` to the share of the burst's rate that `ours`, which does `work`
/// of the burst's units, reaches. Needs ->UseManualTime(). For several threads the floor is that many
/// times the burst's rate.
template <class Ours>
void share_of(benchmark::State& state, const Burst& floor, double work, Ours&& ours,
              int threads = 1) {
    Turns turns(threads);
    for (auto _ : state) state.SetIterationTime(turns.turn(ours, floor.run));
    state.counters["of_peak"] = turns.ratio() * work / (floor.work * threads);
    state.counters["flops"] =
        benchmark::Counter(work * double(state.iterations()), benchmark::Counter::kIsRate);
}

/// The same with reading memory: sets `of_read` to the share of the read rate that `ours`, which reads
/// `bytes`, reaches. The floor of each turn is a pass over the next 64 MiB of 512.
template <class Ours>
void share_of_read(benchmark::State& state, double bytes, Ours&& ours, int threads = 1) {
    constexpr std::size_t piece = (std::size_t{64} << 20) / sizeof(std::uint32_t);
    const BigBlock block;
    Turns turns(1);
    std::size_t next = 0;
    for (auto _ : state)
        state.SetIterationTime(turns.turn(ours, [&] {
            block.read(next * piece, (next + 1) * piece);
            next = (next + 1) % 8;
        }));
    const double alone = bytes / double(piece * sizeof(std::uint32_t));
    state.counters["of_read"] =
        turns.ratio() * alone * (threads > 1 ? read_rate(1) / read_rate(threads) : 1.0);
    state.counters["bytes"] =
        benchmark::Counter(bytes * double(state.iterations()), benchmark::Counter::kIsRate);
}

}  // namespace bench
