// The laws of a value, over every value type and every code: zero, round trip, nearest and
// monotone, saturation, counting, and use in constant expressions. Stochastic rounding has its own
// file.
#include <doctest/doctest.h>

#include "support/values.hpp"

#include <limits>

using namespace nibble;

TEST_CASE_TEMPLATE("zero: all-zero bits are the number zero", V, float, double,
                   NIBBLE_TEST_SMALL_VALUES) {
    const V zero = [] {
        if constexpr (sizeof(V) <= 2) return test::value_of_code<V>(0);
        else return V{};
    }();
    CHECK(test::number(zero) == 0.0);
    CHECK_FALSE(std::signbit(test::number(zero)));
    CHECK(test::bits_of(V{}) == 0);
    CHECK(test::bits_of(encode<V>(compute_t<V>{})) == 0);
}

TEST_CASE_TEMPLATE("round trip: encode(decode(v)) == v for every canonical code", V,
                   NIBBLE_TEST_SMALL_VALUES, E8M0) {
    int wrong = 0;
    for (std::uint32_t c = 0; c < (1u << bits_v<V>); ++c) {
        const V v = test::value_of_code<V>(c);
        if (!test::canonical(v)) continue;
        // A NaN's code must stay a NaN; all others come back bit for bit, the sign of zero
        // included.
        for (const std::uint32_t dither : {0u, 1u, 0x80000000u, 0xFFFFFFFFu}) {
            wrong += test::bits_of(encode<V>(decode(v))) != c ? 1 : 0;
            wrong += test::bits_of(encode<V>(decode(v), Stochastic{dither})) != c ? 1 : 0;
        }
    }
    CHECK(wrong == 0);
}

TEST_CASE_TEMPLATE("float and double store themselves", V, float, double) {
    for (const V x : {V(0), V(-0.0), V(1.1), std::numeric_limits<V>::denorm_min(),
                      std::numeric_limits<V>::max(), std::numeric_limits<V>::infinity()}) {
        CHECK(test::bits_of(encode<V>(x)) == test::bits_of(x));
        CHECK(test::bits_of(encode<V>(-x, Stochastic{77})) == test::bits_of(-x));
        CHECK_FALSE(value_traits<V>::clips(x));
    }
    CHECK(std::isnan(encode<V>(std::numeric_limits<V>::quiet_NaN())));
    CHECK(decode(value_traits<V>::highest()) == std::numeric_limits<V>::max());
    CHECK(decode(value_traits<V>::lowest()) == std::numeric_limits<V>::lowest());
}

TEST_CASE_TEMPLATE("nearest and monotone, ties to the even code", V, NIBBLE_TEST_SMALL_VALUES,
                   E8M0) {
    const auto& n = test::numbers<V>();
    REQUIRE(n.size() >= 3);
    int wrong = 0, unordered = 0, probes = 0;
    double last = -std::numeric_limits<double>::infinity(), last_x = last;
    const auto probe = [&](compute_t<V> x) {
        const double exact = static_cast<double>(x);
        const double got = test::number(encode<V>(x));
        if (got != test::nearest<V>(exact)) {
            if (wrong++ == 0)
                MESSAGE("x = " << exact << " became " << got << ", expected "
                               << test::nearest<V>(exact));
        }
        if (exact >= last_x) {
            unordered += got < last ? 1 : 0;
            last = got;
            last_x = exact;
        }
        ++probes;
    };
    for (std::size_t i = 0; i + 1 < n.size(); ++i) {
        const double a = n[i].x, b = n[i + 1].x;
        for (const double at : {a, a + (b - a) / 4, (a + b) / 2, b - (b - a) / 4})
            for (const auto x : test::around<V>(at)) probe(x);
    }
    for (const auto x : test::around<V>(n.back().x)) probe(x);
    for (const double end : {n.back().x + test::slack_above<V>(), 2 * n.back().x})
        for (const auto x : test::around<V>(end)) probe(x);
    last_x = std::numeric_limits<double>::infinity();
    for (const double end : {n.front().x - test::slack_below<V>(), 2 * n.front().x})
        for (const auto x : test::around<V>(end)) probe(x);
    // Anywhere: magnitudes spread over the whole range of the compute type.
    Random random(3);
    for (int i = 0; i < 200000; ++i) {
        if constexpr (std::is_same_v<compute_t<V>, float>) {
            const auto word = static_cast<std::uint32_t>(random.bits());
            if (std::isfinite(std::bit_cast<float>(word))) probe(std::bit_cast<float>(word));
        } else {
            probe(compute_t<V>::from_raw(static_cast<std::int32_t>(random.bits())));
        }
    }
    CHECK(wrong == 0);
    CHECK(unordered == 0);
    CHECK(probes > 100000);
}

TEST_CASE_TEMPLATE("saturation: the ends of the range, infinities and NaN", V,
                   NIBBLE_TEST_SMALL_VALUES, E8M0) {
    using T = value_traits<V>;
    const auto& n = test::numbers<V>();
    CHECK(test::number(T::highest()) == n.back().x);
    CHECK(test::number(T::lowest()) == n.front().x);
    if constexpr (std::is_same_v<compute_t<V>, float>) {
        constexpr float inf = std::numeric_limits<float>::infinity();
        for (const float far : {inf, std::numeric_limits<float>::max()}) {
            if (static_cast<double>(far) <= n.back().x) continue;
            const double up = test::has_infinity<V> ? inf : n.back().x;
            const double down = test::has_infinity<V> ? -inf : n.front().x;
            CHECK(test::number(encode<V>(far)) == up);
            CHECK(test::number(encode<V>(-far)) == down);
            // Stochastic rounding leaves the range a whole step beyond the end, nearest half a
            // step.
            if (far > n.back().x + 2 * test::slack_above<V>()) {
                CHECK(test::number(encode<V>(far, Stochastic{0})) == up);
                CHECK(test::number(encode<V>(-far, Stochastic{0xFFFFFFFFu})) == down);
            }
            CHECK(T::clips(far));
            CHECK(T::clips(-far));
        }
        for (const float nan :
             {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::quiet_NaN(),
              std::bit_cast<float>(0x7F800001u), std::bit_cast<float>(0x7FFFFFFFu)}) {
            for (const V v : {encode<V>(nan), encode<V>(nan, Stochastic{0xFFFFFFFFu})}) {
                if (test::has_nan<V>) CHECK(std::isnan(test::number(v)));
                else CHECK(test::number(v) == 0.0);
            }
            CHECK_FALSE(T::clips(nan));
        }
    } else {
        using C = compute_t<V>;
        const C top = C::from_raw(std::numeric_limits<std::int32_t>::max());
        const C bottom = C::from_raw(std::numeric_limits<std::int32_t>::min());
        CHECK(encode<V>(top) == T::highest());
        CHECK(encode<V>(bottom) == T::lowest());
        CHECK(encode<V>(top, Stochastic{0}) == T::highest());
        CHECK(encode<V>(bottom, Stochastic{0}) == T::lowest());
        CHECK(T::clips(top));
        CHECK(T::clips(bottom));
    }
}

TEST_CASE_TEMPLATE("clips: true beyond half a step outside the range, false within", V,
                   NIBBLE_TEST_SMALL_VALUES) {
    using T = value_traits<V>;
    const auto& n = test::numbers<V>();
    const double top = n.back().x + test::slack_above<V>();
    const double bottom = n.front().x - test::slack_below<V>();
    const auto above = test::around<V>(top), below = test::around<V>(bottom);
    CHECK_FALSE(T::clips(above[0]));
    CHECK(T::clips(above[2]));
    CHECK(T::clips(below[0]));
    CHECK_FALSE(T::clips(below[2]));
    if (test::has_infinity<V>) CHECK(T::clips(above[1]));
    for (const auto& e : n) {
        if (!T::clips(decode(e.value))) continue;
        FAIL_CHECK("a number of the format clips: " << e.x);
        break;
    }

    Clipped count;
    for (const auto x : {above[0], above[2], below[0], below[2], decode(n[1].value)})
        static_cast<void>(encode<V>(x, ToNearest{}, count));
    CHECK(count == Clipped{2, 0});
    if constexpr (std::is_same_v<compute_t<V>, float>) {
        static_cast<void>(encode<V>(std::numeric_limits<float>::quiet_NaN(), Stochastic{1}, count));
        CHECK(count == Clipped{2, 1});
    }
}

TEST_CASE("the scale E8M0 counts what is below its range too, and has no zero") {
    CHECK(value_traits<E8M0>::clips(0.0f));
    CHECK(value_traits<E8M0>::clips(-1.0f));
    CHECK(value_traits<E8M0>::clips(0x1p-128f));
    CHECK_FALSE(value_traits<E8M0>::clips(0x1p-127f));
    CHECK_FALSE(value_traits<E8M0>::clips(0x1.7p127f));
    CHECK(value_traits<E8M0>::clips(0x1.9p127f));
    CHECK(decode(encode<E8M0>(0.0f)) == 0x1p-127f);
    CHECK(decode(encode<E8M0>(-5.0f)) == 0x1p-127f);
    CHECK(decode(E8M0{}) > 0.0f);
}

// Constant expressions: everything above also at compile time.
template <class V>
constexpr bool usable_in_constants() {
    constexpr V one = encode<V>(compute_t<V>(1.0f));
    constexpr V dice = encode<V>(compute_t<V>(0.75f), Stochastic{123});
    return decode(one) == compute_t<V>(1.0f) && decode(dice) <= decode(one) &&
           !value_traits<V>::clips(decode(one)) &&
           decode(value_traits<V>::lowest()) < decode(value_traits<V>::highest());
}
static_assert(usable_in_constants<float>() && usable_in_constants<double>());
static_assert(usable_in_constants<half>() && usable_in_constants<bfloat16>());
static_assert(usable_in_constants<fp8_e4m3>() && usable_in_constants<fp8_e5m2>());
static_assert(usable_in_constants<fp4_e2m1>() && usable_in_constants<Nf4>());
static_assert(usable_in_constants<Int8Value>() && usable_in_constants<Int4Value>());
static_assert(usable_in_constants<Int2Value>() && usable_in_constants<Ternary>());
static_assert(usable_in_constants<Fixed8<4>>() && usable_in_constants<Fixed16<8>>());
static_assert(usable_in_constants<E8M0>());
