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

#if defined(_OPENMP)
#include <omp.h>
#endif

namespace nibble::inline NIBBLE_ARCH {

/// The CPU: A is the instruction set of the kernels that take it. Cheap to copy.
template <class A = Isa>
class BasicHost {
public:
    using Memory = HostMemory;
    using InstructionSet = A;

    /// threads = 0: as many as OpenMP offers; 1 in a build without OpenMP.
    explicit BasicHost(int threads = 0) noexcept : threads_(threads > 0 ? threads : available()) {}

    [[nodiscard]] int threads() const noexcept { return threads_; }

    /// Calls f(first, last) on ranges that cover [0, n), each a multiple of `grain` long but the
    /// last, one range a thread. Which thread runs a range never changes a result: kernels compute
    /// each output in one range, in a fixed order.
    template <class F>
    void parallel_for(std::size_t n, std::size_t grain, F&& f) const {
        const std::size_t blocks = (n + grain - 1) / grain;
        [[maybe_unused]] const std::size_t parts = blocks < static_cast<std::size_t>(threads_)
                                                       ? blocks
                                                       : static_cast<std::size_t>(threads_);
#if defined(_OPENMP)
        if (parts > 1 && !omp_in_parallel()) {
#pragma omp parallel for num_threads(static_cast<int>(parts)) schedule(static, 1)
            for (std::size_t p = 0; p < parts; ++p) {
                const std::size_t first = blocks * p / parts * grain;
                const std::size_t end = blocks * (p + 1) / parts * grain;
                f(first, end < n ? end : n);
            }
            return;
        }
#endif
        if (n != 0) f(std::size_t{0}, n);
    }

private:
    static int available() noexcept {
#if defined(_OPENMP)
        return omp_get_max_threads();
#else
        return 1;
#endif
    }
    int threads_;
};

/// A count that the ranges of a parallel_for add to: whole numbers give the same sum in any order.
/// (<atomic> alone takes longer to compile than a kernel.)
class Tally {
public:
    void add(std::size_t n) noexcept {
#if defined(_OPENMP)
#pragma omp atomic
#endif
        count_ += n;
    }
    /// The sum, once the ranges are done.
    [[nodiscard]] std::size_t count() const noexcept { return count_; }

private:
    std::size_t count_ = 0;
};

/// The CPU with the instruction set this unit is built for.
using Host = BasicHost<>;

}  // namespace nibble
