// Integers and fixed point: all pairs of products, exact; arithmetic that saturates; conversions
// that use no floating point.
#include <doctest/doctest.h>

#include "support/values.hpp"

using namespace nibble;

namespace {

template <class V>
int product_errors() {
    // What integer kernels rely on: the product of two decoded numbers is the product of the codes,
    // exact in float, and fits the accumulator many times over.
    int wrong = 0;
    for (std::uint32_t a = 0; a < (1u << bits_v<V>); ++a)
        for (std::uint32_t b = 0; b < (1u << bits_v<V>); ++b) {
            const V x = test::value_of_code<V>(a), y = test::value_of_code<V>(b);
            const int exact = int{x.code} * int{y.code};
            const float product = decode(x) * decode(y);
            wrong += product != static_cast<float>(exact) ? 1 : 0;
            wrong +=
                exact > 1 << (2 * bits_v<V> - 2) || exact < -(1 << (2 * bits_v<V> - 2)) ? 1 : 0;
            wrong += static_cast<std::int8_t>(static_cast<std::uint8_t>(a << (8 - bits_v<V>))) >>
                                 (8 - bits_v<V>) !=
                             int{x.code}
                         ? 1
                         : 0;
        }
    return wrong;
}

}  // namespace

TEST_CASE("all pairs of products") {
    CHECK(product_errors<Int8Value>() == 0);
    CHECK(product_errors<Int4Value>() == 0);
    CHECK(product_errors<Int2Value>() == 0);
}

TEST_CASE("codes are plain two's complement") {
    CHECK(value_traits<Int4Value>::to_bits(Int4Value(-8)) == 8);
    CHECK(value_traits<Int4Value>::to_bits(Int4Value(-1)) == 15);
    CHECK(value_traits<Int2Value>::to_bits(Int2Value(-2)) == 2);
    CHECK(value_traits<Int4Value>::from_bits(0xF7).code == 7);  // high bits are another element's
    CHECK(Int8Value(-128) < Int8Value(127));
    CHECK(encode<Ternary>(-9.0f).code == -1);
    CHECK(encode<Int8Value>(-128.4f).code == -128);
}

namespace {

template <int F>
void check_saturating() {
    using C = FixedCompute<F>;
    constexpr auto max = std::numeric_limits<std::int32_t>::max();
    constexpr auto min = std::numeric_limits<std::int32_t>::min();
    const std::int32_t some[] = {min, min + 1, -70000, -257, -1, 0, 1, 2, 255, 65536, max - 1, max};
    const auto clamped = [](long double x) {
        return static_cast<std::int64_t>(x > max ? max : x < min ? min : x);
    };
    for (const std::int32_t a : some)
        for (const std::int32_t b : some) {
            const C x = C::from_raw(a), y = C::from_raw(b);
            CAPTURE(a);
            CAPTURE(b);
            CHECK((x + y).raw == clamped(static_cast<long double>(a) + b));
            CHECK((x - y).raw == clamped(static_cast<long double>(a) - b));
            CHECK((-x).raw == clamped(-static_cast<long double>(a)));
            const long double product = static_cast<long double>(a) * b / (1LL << F);
            CHECK((x * y).raw == clamped(std::floor(product + 0.5L)));
            if (b != 0)
                CHECK((x / y).raw ==
                      clamped(std::trunc(static_cast<long double>(a) * (1LL << F) / b)));
            C sum = x;
            sum += y;
            CHECK(sum == x + y);
            CHECK((x < y) == (a < b));
        }
    CHECK((C::from_raw(5) / C::from_raw(0)).raw == max);
    CHECK((C::from_raw(-5) / C::from_raw(0)).raw == min);
}

// A type that fails to compile when anything converts it to or from floating point shows that
// encode and decode of fixed point use integers alone: they see only `raw`.
static_assert(decode(Fixed16<8>(1.0)).raw == 1 << 16);
static_assert(encode<Fixed16<8>>(FixedCompute<16>::from_raw(3 << 15)).raw == 384);
static_assert(sizeof(Fixed8<4>) == 1 && sizeof(Fixed16<8>) == 2);

}  // namespace

TEST_CASE("fixed-point arithmetic saturates and rounds") {
    check_saturating<8>();
    check_saturating<16>();
    check_saturating<23>();
}

TEST_CASE("fixed point converts constants to the nearest step") {
    CHECK(Fixed16<8>(1.5).raw == 384);
    CHECK(Fixed8<4>(-3.03).raw == -48);
    CHECK(Fixed8<4>(100.0).raw == 127);
    CHECK(Fixed8<4>(-100.0).raw == -128);
    CHECK(FixedCompute<16>(1e30).raw == std::numeric_limits<std::int32_t>::max());
    CHECK(FixedCompute<16>(-1e30).raw == std::numeric_limits<std::int32_t>::min());
    CHECK(FixedCompute<16>(std::numeric_limits<double>::quiet_NaN()).raw == 0);
    CHECK(static_cast<double>(Fixed16<8>(-2.25)) == -2.25);
}
