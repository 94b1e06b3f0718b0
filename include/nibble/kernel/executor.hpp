// SPDX-License-Identifier: BSL-1.0
// Host: where CPU kernels run. An instruction set, a number of threads, and a way to split work.
//
// Every kernel and layer names its instruction set through BasicHost<A> (or takes A last), so units
// of one program built for different instruction sets instantiate different functions and the
// linker never merges them.
#pragma once

#include <nibble/kernel/isa.hpp>
#include <nibble/store/memory.hpp>

#include <type_traits>

#if !defined(__GNUC__)
#include <atomic>
#endif
#if defined(_OPENMP)
#include <omp.h>
#endif

namespace nibble::inline NIBBLE_ARCH {

/// How a program that has threads of its own runs parts of a kernel on them:
///
///     Executor executor{.threads = 4, .pool = &mine, .run = run_on_mine};
///     Host on(executor);
///
/// run(pool, parts, part, work) calls part(work, 0) ... part(work, parts - 1), each once, on whichever
/// threads and in whichever order, and returns when all are done. It may be asked by several threads at
/// once and from within a part; to run the parts one after the other is always right. Parts do not
/// throw. ThreadPool (thread_pool.hpp) is one to take or to look at.
struct Executor {
    int threads = 1;  ///< how many parts a kernel should make at most
    void* pool = nullptr;
    void (*run)(void* pool, std::size_t parts, void (*part)(void* work, std::size_t p),
                void* work) = nullptr;
};

/// The CPU: A is the instruction set of the kernels that take it. Cheap to copy.
template <class A = Isa>
class BasicHost {
public:
    using Memory = HostMemory;
    using InstructionSet = A;

    /// threads = 0: as many as OpenMP offers; 1 in a build without OpenMP.
    explicit BasicHost(int threads = 0) noexcept
        : executor_{threads > 0 ? threads : available(), nullptr, nullptr} {}
    /// On the threads of `executor`, whose pool must outlive the host.
    explicit BasicHost(const Executor& executor) noexcept : executor_(executor) {}

    [[nodiscard]] int threads() const noexcept { return executor_.threads; }

    /// Calls f(first, last) on ranges that cover [0, n), each a multiple of `grain` long but the
    /// last, at most one range a thread. Which thread runs a range never changes a result: kernels
    /// compute each output in one range, in a fixed order. A range should be worth some 5 us of work
    /// (20000 clock cycles), ten times what starting and joining threads costs: `grain` says how many
    /// items that takes.
    template <class F>
    void parallel_for(std::size_t n, std::size_t grain, F&& f) const {
        if (n == 0) return;
        const std::size_t blocks = (n + grain - 1) / grain;
        const auto threads = static_cast<std::size_t>(executor_.threads);
        std::size_t parts = blocks < threads ? blocks : threads;
#if defined(_OPENMP)
        if (executor_.run == nullptr && omp_in_parallel()) parts = 1;
#else
        if (executor_.run == nullptr) parts = 1;
#endif
        const auto range = [&f, n, grain, blocks, parts](std::size_t p) {
            const std::size_t first = blocks * p / parts * grain;
            const std::size_t end = blocks * (p + 1) / parts * grain;
            f(first, end < n ? end : n);
        };
        // One function for all three ways, so that the compiler makes the kernel's body once.
        using Range = decltype(range);
        const auto call = [](void* work, std::size_t p) { (*static_cast<Range*>(work))(p); };
        void* const work = const_cast<void*>(static_cast<const void*>(&range));
        if (parts == 1) return call(work, 0);
        if (executor_.run != nullptr) return executor_.run(executor_.pool, parts, call, work);
#if defined(_OPENMP)
#pragma omp parallel for num_threads(static_cast<int>(parts)) schedule(static, 1)
        for (std::size_t p = 0; p < parts; ++p) call(work, p);
#endif
    }

private:
    static int available() noexcept {
#if defined(_OPENMP)
        return omp_get_max_threads();
#else
        return 1;
#endif
    }
    Executor executor_;
};

/// A count that the ranges of a parallel_for add to: whole numbers give the same sum in any order.
/// (<atomic> alone takes longer to compile than a kernel.)
class Tally {
public:
    void add(std::size_t n) noexcept {
#if defined(__GNUC__)
        __atomic_fetch_add(&count_, n, __ATOMIC_RELAXED);
#else
        std::atomic_ref<std::size_t>(count_).fetch_add(n, std::memory_order_relaxed);
#endif
    }
    /// The sum, once the ranges are done.
    [[nodiscard]] std::size_t count() const noexcept { return count_; }

private:
    std::size_t count_ = 0;
};

/// The CPU with the instruction set this unit is built for.
using Host = BasicHost<>;

}  // namespace nibble
