// The integer product of plain weights: exact sums on every instruction set. That its results are those
// of packed weights, and the quantization of x, is in packed_int8.cpp.
#include "matmul_reference.hpp"

#include <vector>

using namespace nibble;

TEST_CASE_TEMPLATE("every pair of codes has its exact product", A, isa::Scalar, Isa) {
    // A group's largest number is 127, so its scale is 1 and codes are the numbers.
    Matrix<Int8Value> w(256, 32);
    for (std::size_t n = 0; n < 256; ++n) w.codes().row(n).set(5, Int8Value(int(n) - 128));
    Tensor<float> x({255, 32}), y({255, 256});
    for (std::size_t m = 0; m < 255; ++m) {
        x(m, 5) = static_cast<float>(int(m) - 127);
        x(m, 9) = 127.0f;
    }
    matmul_int8(BasicHost<A>(1), w, x, y);
    std::size_t wrong = 0;
    for (std::size_t m = 0; m < 255; ++m)
        for (std::size_t n = 0; n < 256; ++n)
            wrong += y(m, n) == static_cast<float>((int(m) - 127) * (int(n) - 128)) ? 0 : 1;
    CHECK(wrong == 0);

    Matrix<Int4Value> v(16, 64);
    for (std::size_t n = 0; n < 16; ++n) v.codes().row(n).set(38, Int4Value(int(n) - 8));
    Tensor<float> x4({255, 64}), y4({255, 16});
    for (std::size_t m = 0; m < 255; ++m) {
        x4(m, 38) = static_cast<float>(int(m) - 127);
        x4(m, 63) = -127.0f;
    }
    matmul_int8(BasicHost<A>(1), v, x4, y4);
    for (std::size_t m = 0; m < 255; ++m)
        for (std::size_t n = 0; n < 16; ++n)
            wrong += y4(m, n) == static_cast<float>((int(m) - 127) * (int(n) - 8)) ? 0 : 1;
    CHECK(wrong == 0);
}

namespace {

/// Sums of the largest and of random codes with whole numbers in x: exact, so all bits must be equal.
template <class A, class V>
std::vector<float> whole_sums(bool extreme) {
    Random random(17);
    std::vector<float> result;
    for (const std::size_t k : {30u, 64u, 1024u})
        for (const std::size_t m : {1u, 2u, 3u, 9u}) {
            Matrix<V> w(37, k);
            const int low = value_traits<V>::lowest().code, high = value_traits<V>::highest().code;
            for (std::size_t n = 0; n < 37; ++n)
                for (std::size_t l = 0; l < k; ++l) {
                    const int spread = low + int(random.below(std::uint64_t(high - low + 1)));
                    w.codes().row(n).set(l, V(extreme ? (n % 2 ? low : high) : spread));
                }
            Tensor<float> x({m, k}), y({m, 37});
            for (std::size_t i = 0; i < m; ++i)
                for (std::size_t l = 0; l < k; ++l)
                    x(i, l) =
                        static_cast<float>(extreme || l % 32 == 0 ? (i % 2 ? -127 : 127)
                                                                  : int(random.below(255)) - 127);
            matmul_int8(BasicHost<A>(1), w, x, y);
            for (std::size_t i = 0; i < m; ++i)
                for (std::size_t n = 0; n < 37; ++n) {
                    std::int64_t sum = 0;
                    for (std::size_t l = 0; l < k; ++l)
                        sum += std::int64_t(x(i, l)) * w.codes().row(n)[l].code;
                    REQUIRE(y(i, n) == static_cast<float>(sum));
                    result.push_back(y(i, n));
                }
        }
    return result;
}

template <class V>
void instruction_sets_agree() {
    for (const bool extreme : {false, true})
        CHECK(whole_sums<isa::Scalar, V>(extreme) == whole_sums<Isa, V>(extreme));
}

}  // namespace

TEST_CASE("integer sums are exact and the same on every instruction set") {
    instruction_sets_agree<Int8Value>();
    instruction_sets_agree<Int4Value>();
    instruction_sets_agree<Int2Value>();
    instruction_sets_agree<Ternary>();
}

TEST_CASE("four products a lane") {
    Random random(2);
    std::uint32_t w[64], x[64];
    std::int32_t got[64];
    constexpr std::size_t lanes = Batch<float>::lanes;
    for (int round = 0; round < 200; ++round) {
        for (std::size_t i = 0; i < lanes; ++i) {
            w[i] = round < 2 ? 0xFFFFFFFFu : static_cast<std::uint32_t>(random.bits());
            x[i] = round == 0   ? 0x7F7F7F7Fu
                   : round == 1 ? 0x81818181u
                                : static_cast<std::uint32_t>(random.bits());
        }
        const auto load = [](const std::uint32_t* p) {
            return bit_cast_to<std::int32_t>(Batch<std::uint32_t>::load(p));
        };
        for (const bool narrow : {false, true}) {
            if (narrow) {
                for (std::size_t i = 0; i < lanes; ++i) w[i] &= 0x0F0F0F0Fu;
                dot4<true>(Batch<std::int32_t>(7), load(w), load(x)).store(got);
            } else {
                dot4<false>(Batch<std::int32_t>(7), load(w), load(x)).store(got);
            }
            for (std::size_t i = 0; i < lanes; ++i) {
                std::int32_t sum = 7;
                for (int b = 0; b < 32; b += 8)
                    sum += static_cast<std::int32_t>(w[i] >> b & 255u) *
                           static_cast<std::int8_t>(x[i] >> b & 255u);
                CHECK(got[i] == sum);
            }
        }
    }
}

TEST_CASE("integer products with numbers that are none, tiny and huge") {
    const Host on(1);
    Matrix<Int8Value> w(20, 96);
    for (std::size_t n = 0; n < 20; ++n)
        for (std::size_t k = 0; k < 96; ++k) w.codes().row(n).set(k, Int8Value(1));
    for (const float odd : {NAN, INFINITY, -INFINITY}) {
        Tensor<float> x({3, 96}), y({3, 20});
        for (std::size_t i = 0; i < 3; ++i)
            for (std::size_t k = 0; k < 96; ++k) x(i, k) = 1.0f;
        x(1, 40) = odd;
        matmul_int8(on, w, x, y);
        for (std::size_t n = 0; n < 20; ++n) {
            CHECK(y(0, n) == doctest::Approx(96).epsilon(1e-5));
            CHECK(std::isnan(y(1, n)));
            CHECK(y(2, n) == doctest::Approx(96).epsilon(1e-5));
        }
    }
    Tensor<float> x({2, 96}), y({2, 20});
    for (std::size_t k = 0; k < 96; ++k) {
        x(0, k) = 1e-42f;
        x(1, k) = 1e36f;
    }
    matmul_int8(on, w, x, y);
    CHECK(y(0, 3) == 0.0f);
    CHECK(y(1, 3) == doctest::Approx(96e36).epsilon(1e-5));
}
