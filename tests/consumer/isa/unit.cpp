// One unit, compiled three times for different instruction sets, with UNIT naming each.
#include "unit.hpp"

#include <nibble/kernel/gather.hpp>
#include <nibble/kernel/math.hpp>
#include <nibble/kernel/norm.hpp>
#include <nibble/kernel/transform.hpp>

#include <array>

#define NAME_(unit) isa_##unit
#define NAME(unit) NAME_(unit)

namespace {

using namespace nibble;

constexpr std::size_t rows = 24;
constexpr std::size_t cols = 150;

/// Some rows of a matrix in format F, decoded by the register codec, copied and summed.
template <class F>
double decoded(const Host& on) {
    using M = Matrix<F>;
    M w(rows, cols);
    for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t k = 0; k < cols; ++k)
            w.codes().row(r).set(k, encode<typename M::V>(static_cast<float>((r * 7 + k) % 9) - 4));
    for (std::size_t i = 0; i < w.scales().size(); ++i)
        w.scales().data()[i] = encode<typename M::S>(0.5f);
    const M copy = w;

    constexpr std::array<std::int32_t, 3> ids{3, 23, 0};
    Tensor<float> out(Shape{ids.size(), cols});
    gather_rows(on, copy, ids, out);
    return sum(on, out);
}

Tensor<float> ramp() {
    Tensor<float> x(Shape{rows, cols});
    for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t k = 0; k < cols; ++k)
            x(r, k) = static_cast<float>((r * 31 + k * 17) % 101) * 0.02f - 1.0f;
    return x;
}

double exponentials(const Host& on) {
    Tensor<float> x = ramp();
    transform(on, [](auto v) { return exp(v); }, x, x);
    return sum(on, x);
}

double normalized(const Host& on) {
    const Tensor<float> x = ramp();
    Tensor<float> gain(Shape{cols});
    Tensor<float> y(Shape{rows, cols});
    for (std::size_t k = 0; k < cols; ++k) gain.data()[k] = 1.0f + static_cast<float>(k % 3);
    rms_norm(on, x, gain, 1e-5f, y);
    return sum_of_squares(on, y);
}

}  // namespace

IsaResult NAME(UNIT)() {
    const Host on(2);
    return {Host::InstructionSet::name,
            {decoded<float>(on), decoded<half>(on), decoded<PerRow<Int8Value>>(on),
             decoded<Grouped<Int4Value, 32>>(on), exponentials(on), normalized(on)}};
}
