// One program for several instruction sets: try NIBBLE_ISA=avx2, or a name that is none.
#include "kernels.hpp"

#include <cmath>
#include <cstdio>
#include <exception>
#include <vector>

int main() try {
    constexpr std::size_t rows = 64, cols = 256;
    std::vector<float> x(cols), y(rows);
    // Whole numbers up to 127 are their own int8 codes: every instruction set gives the same bits.
    for (std::size_t k = 0; k < cols; ++k) x[k] = float(int(k % 255) - 127);
    // quote: call
    const Kernels& best = kernels();
    best.product(rows, cols, x.data(), y.data());
    // end quote
    double sum = 0;
    for (const float number : y) sum += double(number);
    std::printf("%s: %.0f\n", best.isa, sum);
    return std::isfinite(sum) ? 0 : 1;
} catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
}
