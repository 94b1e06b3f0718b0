// Stochastic rounding is unbiased: exactly, by counting the dither values that round each way, and
// as used, with the library's own dither.
#include <doctest/doctest.h>

#include "support/values.hpp"

using namespace nibble;

namespace {

/// Where x goes for dither 0, and how many of the 2^32 dither values send it there. The encoders
/// compare the dither with a threshold, so bisection counts all of them; `steady` is false when a
/// random dither value contradicts that.
template <class V>
struct Split {
    double first = 0, second = 0;
    double share = 1;  ///< of the dither values, that give `first`
    bool steady = true;

    explicit Split(compute_t<V> x, Random& random) {
        const auto at = [&](std::uint64_t dither) {
            return test::number(encode<V>(x, Stochastic{static_cast<std::uint32_t>(dither)}));
        };
        constexpr std::uint64_t all = std::uint64_t{1} << 32;
        first = at(0);
        second = at(all - 1);
        if (first == second) return;
        std::uint64_t low = 0, high = all - 1;  // at(low) == first, at(high) == second
        while (high - low > 1) {
            const std::uint64_t middle = (low + high) / 2;
            (at(middle) == first ? low : high) = middle;
        }
        share = static_cast<double>(high) / static_cast<double>(all);
        for (int i = 0; i < 4; ++i) {
            const std::uint64_t d = random.bits() >> 32;
            steady = steady && at(d) == (d < high ? first : second);
        }
    }
    double mean() const { return share * first + (1 - share) * second; }
};

/// Dither bits that an encoder compares: the resolution of its probabilities.
template <class V>
inline constexpr double resolution = std::is_same_v<compute_t<V>, float> ? 0x1p-23 : 0.0;

}  // namespace

TEST_CASE_TEMPLATE("unbiased, counted over all dither values", V, NIBBLE_TEST_SMALL_VALUES, E8M0) {
    const auto& n = test::numbers<V>();
    Random random(5);
    int wrong = 0, unsteady = 0;
    const std::size_t step = n.size() / 4000 + 1;
    for (std::size_t i = 0; i + 1 < n.size(); i += step) {
        const double a = n[i].x, b = n[i + 1].x;
        for (const double f : {0.0, 1.0 / 256, 0.25, 0.5, 0.7, 0.99, random.uniform()})
            for (const auto x : test::around<V>(a + f * (b - a))) {
                const double exact = static_cast<double>(x);
                if (exact < a || exact > b) continue;
                const Split<V> split(x, random);
                const double error = std::abs(split.mean() - exact) / (b - a);
                if (error > resolution<V> && wrong++ == 0)
                    MESSAGE("x = " << exact << " has mean " << split.mean());
                unsteady += split.steady ? 0 : 1;
            }
    }
    CHECK(wrong == 0);
    CHECK(unsteady == 0);
}

TEST_CASE_TEMPLATE("unbiased far below the smallest number", V, half, bfloat16, fp8_e4m3, fp8_e5m2,
                   fp4_e2m1, Int8Value, Int4Value, Int3Value, Int2Value, Ternary) {
    double smallest = 0;
    for (const auto& e : test::numbers<V>())
        if (e.x > 0) {
            smallest = e.x;
            break;
        }
    Random random(6);
    for (int k = 0; k < 60; ++k)
        for (const double sign : {1.0, -1.0}) {
            const double x = sign * static_cast<double>(static_cast<float>(
                                        std::ldexp(smallest * (1 + random.uniform()), -k - 1)));
            const Split<V> split(static_cast<float>(x), random);
            CAPTURE(x);
            CHECK(std::abs(split.mean() - x) / smallest <= 0x1p-23);
            // An integer's probability has 24 bits; a small float's has all 32.
            if (requires(V v) { v.bits(); })
                CHECK(std::abs(split.mean() - x) / smallest <= 0x1p-32);
        }
}

TEST_CASE_TEMPLATE("within the range a stochastic store stays within the range", V,
                   NIBBLE_TEST_SMALL_VALUES) {
    const auto& n = test::numbers<V>();
    for (const auto x : test::around<V>(n.back().x))
        for (const std::uint32_t d : {0u, 0xFFFFFFFFu})
            CHECK(test::number(encode<V>(x, Stochastic{d})) <= n.back().x);
    for (const auto x : test::around<V>(n.front().x))
        for (const std::uint32_t d : {0u, 0xFFFFFFFFu})
            CHECK(test::number(encode<V>(x, Stochastic{d})) >= n.front().x);
}

TEST_CASE_TEMPLATE("unbiased with the library's dither", V, NIBBLE_TEST_SMALL_VALUES) {
    // The mean of 65,536 rounds of one number has a standard deviation of at most 1/512 step. A
    // correct encoder passes |z| < 5 all but 6 times in ten million; a bias of 0.02 steps is
    // found all but 3 times in ten million.
    constexpr int rounds = 65536;
    const auto& n = test::numbers<V>();
    Random random(7);
    for (int trial = 0; trial < 6; ++trial) {
        const std::size_t i = random.below(n.size() - 1);
        const double a = n[i].x, b = n[i + 1].x, f = 0.1 + 0.8 * random.uniform();
        const auto x = test::around<V>(a + f * (b - a))[1];
        const Dither dither(11, static_cast<std::uint64_t>(trial));
        double mean = 0;
        for (std::uint64_t k = 0; k < rounds; ++k)
            mean +=
                (test::number(encode<V>(x, rounding_at(StochasticFrom{dither}, k))) - a) / (b - a);
        mean /= rounds;
        const double exact = (static_cast<double>(x) - a) / (b - a);
        const double sigma = std::sqrt(exact * (1 - exact) / rounds);
        CAPTURE(static_cast<double>(x));
        CHECK(std::abs(mean - exact) < 5 * sigma + 1e-6);
    }
}
