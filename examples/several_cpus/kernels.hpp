// The part of the program that exists once for each instruction set: a table of functions.
#pragma once

#include <cstddef>

// quote: table
struct Kernels {
    const char* isa;  // what this table was compiled for
    // y = W x for a rows-by-cols W of 4-bit codes that pseudo-random numbers give
    void (*product)(std::size_t rows, std::size_t cols, const float* x, float* y);
};

/// The best table that this machine runs, or the one that NIBBLE_ISA names.
const Kernels& kernels();
// end quote
