// What each unit exports: one function under the unit's name.
#pragma once

#include <cstddef>

/// A matrix-vector product in every format of the test, on data made from its size alone.
struct IsaResult {
    const char* isa;
    float sums[4];  ///< float, int8 per row, int4 per group, int4 weights with int8 activations
};

IsaResult isa_baseline();
IsaResult isa_avx2();
IsaResult isa_avx512();
