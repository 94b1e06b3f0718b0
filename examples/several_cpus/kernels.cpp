// Compiled once for each instruction set: nothing but the table leaves this file.
#include "kernels.hpp"

#include <nibble/kernel/matmul.hpp>

// quote: unit
namespace {

using namespace nibble;

void product(std::size_t rows, std::size_t cols, const float* x, float* y) {
    const Host on(1);
    Matrix<Grouped<Int4Value, 32>> w(rows, cols);
    Random random(1);
    for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t k = 0; k < cols; ++k)
            w.codes().row(r).set(k, Int4Value(int(random.below(16)) - 8));
    for (auto& scale : w.scales().units()) scale = encode<half>(1.0f);
    matmul_int8(on, w, View<const float>{x, 1, cols, cols, false},
                View<float>{y, 1, rows, rows, false});
}

}  // namespace

extern const Kernels NIBBLE_DISPATCHED;
const Kernels NIBBLE_DISPATCHED{nibble::Isa::name, product};
// end quote
