// What each unit exports: one function under the unit's name.
#pragma once

#include <cstddef>

inline constexpr std::size_t isa_sums = 6;

/// Kernels run on the same data by one instruction set.
struct IsaResult {
    const char* isa;
    double sums[isa_sums];
};

IsaResult isa_baseline();
IsaResult isa_avx2();
IsaResult isa_avx512();
