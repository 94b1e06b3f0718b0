// One unit, compiled three times with different instruction sets and UNIT naming each.
#include "unit.hpp"

#include <nibble/kernel/executor.hpp>
#include <nibble/quant/matrix.hpp>

#define NAME_(unit) isa_##unit
#define NAME(unit) NAME_(unit)

namespace {

using namespace nibble;

template <class F>
float product() {
    constexpr std::size_t rows = 24, cols = 128;
    Matrix<F> w(rows, cols);
    Tensor<float> x(Shape{1, cols}), y(Shape{1, rows});
    Tensor<float> copy = x;
    Tensor<typename Matrix<F>::V> codes = w.codes();
    float sum = 0;
    for (std::size_t r = 0; r < rows; ++r) sum += w(r, r) + copy.row(0)[r] + decode(codes.row(r)[r]);
    return sum;
}

}  // namespace

IsaResult NAME(UNIT)() {
    return {Host::InstructionSet::name,
            {product<float>(), product<PerRow<Int8Value>>(), product<Grouped<Int4Value, 32>>(), 0.0f}};
}
