// What the unit exports, once for each instruction set: a table of functions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

inline constexpr std::size_t isa_sums = 6;

/// Kernels run on the same data by one instruction set.
struct IsaUnit {
    const char* isa;
    std::array<double, isa_sums> (*sums)();
    /// A hash of every bit that integer products give.
    std::uint64_t (*integers)();
};

const IsaUnit& isa_unit();
