// One unit, compiled three times for different instruction sets, with UNIT naming each.
#include "unit.hpp"

#include <nibble/kernel/gather.hpp>
#include <nibble/kernel/math.hpp>
#include <nibble/kernel/matmul.hpp>
#include <nibble/kernel/norm.hpp>
#include <nibble/kernel/transform.hpp>

#include <array>

#define NAME_(unit) isa_##unit
#define NAME(unit) NAME_(unit)

namespace {

using namespace nibble;

constexpr std::size_t rows = 24;
constexpr std::size_t cols = 160;

Tensor<float> ramp(std::size_t m) {
    Tensor<float> x(Shape{m, cols});
    for (std::size_t r = 0; r < m; ++r)
        for (std::size_t k = 0; k < cols; ++k)
            x(r, k) = static_cast<float>((r * 31 + k * 17) % 101) * 0.02f - 0.9f;
    return x;
}

/// A matrix in format F, copied: some of its rows gathered, and its products with 1 and with 9 rows.
template <class F>
double products(const Host& on) {
    using M = Matrix<F>;
    M w(rows, cols);
    for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t k = 0; k < cols; ++k)
            w.codes().row(r).set(k, encode<typename M::V>(static_cast<float>((r * 7 + k) % 9) - 3));
    for (std::size_t i = 0; i < w.scales().size(); ++i)
        w.scales().data()[i] = encode<typename M::S>(0.5f);
    const M copy = w;

    constexpr std::array<std::int32_t, 3> ids{3, 23, 0};
    Tensor<float> gathered(Shape{ids.size(), cols});
    gather_rows(on, copy, ids, gathered);
    double total = sum(on, gathered);
    for (const std::size_t m : {std::size_t{1}, std::size_t{9}}) {
        Tensor<float> y(Shape{m, rows});
        matmul(on, copy, ramp(m), y);
        total += sum(on, y);
        if constexpr (is_integer_value<typename M::V>) {
            matmul_int8(on, copy, ramp(m), y);
            total += sum(on, y);
        }
    }
    return total;
}

double exponentials(const Host& on) {
    Tensor<float> x = ramp(rows);
    transform(
        on, [](auto v) { return exp(v); }, x, x);
    return sum(on, x);
}

double normalized(const Host& on) {
    const Tensor<float> x = ramp(rows);
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
            {products<float>(on), products<half>(on), products<PerRow<Int8Value>>(on),
             products<Grouped<Int4Value, 32>>(on), exponentials(on), normalized(on)}};
}
