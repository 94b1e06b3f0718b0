// One unit, compiled for each instruction set.
#include "unit.hpp"

#include <nibble/kernel/gather.hpp>
#include <nibble/kernel/math.hpp>
#include <nibble/kernel/matmul.hpp>
#include <nibble/kernel/norm.hpp>
#include <nibble/kernel/transform.hpp>

#include <array>
#include <cstring>

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

std::array<double, isa_sums> sums() {
    const Host on(2);
    return {products<float>(on),
            products<half>(on),
            products<PerRow<Int8Value>>(on),
            products<Grouped<Int4Value, 32>>(on),
            exponentials(on),
            normalized(on)};
}

/// Products of whole numbers: the scales are 1, every sum is a whole number, so all bits are equal.
template <class V>
void hash_products(std::uint64_t& hash) {
    const Host on(1);
    const int low = value_traits<V>::lowest().code, high = value_traits<V>::highest().code;
    for (const std::size_t m : {1u, 2u, 5u, 16u}) {
        Matrix<V> w(rows, cols);
        Random random(7);
        for (std::size_t r = 0; r < rows; ++r)
            for (std::size_t k = 0; k < cols; ++k)
                w.codes().row(r).set(
                    k,
                    V(r % 3 == 0 ? high : low + int(random.below(std::uint64_t(high - low + 1)))));
        Tensor<float> x(Shape{m, cols}), y(Shape{m, rows});
        for (std::size_t r = 0; r < m; ++r)
            for (std::size_t k = 0; k < cols; ++k)
                x(r, k) = static_cast<float>(k % 32 == 0 ? 127 : int(random.below(255)) - 127);
        matmul_int8(on, w, x, y);
        for (std::size_t r = 0; r < m; ++r)
            for (std::size_t n = 0; n < rows; ++n) {
                std::uint32_t bits;
                const float number = y(r, n);
                std::memcpy(&bits, &number, sizeof(bits));
                hash = (hash ^ bits) * 0x100000001B3u;
            }
    }
}

std::uint64_t integers() {
    std::uint64_t hash = 0xCBF29CE484222325u;
    hash_products<Int8Value>(hash);
    hash_products<Int4Value>(hash);
    hash_products<Int2Value>(hash);
    hash_products<Ternary>(hash);
    return hash;
}

}  // namespace

extern const IsaUnit NIBBLE_DISPATCHED;
const IsaUnit NIBBLE_DISPATCHED = {Isa::name, sums, integers};
