// Rotary embedding against the formula in double.
#include <nibble/kernel/rotary.hpp>

#include <doctest/doctest.h>
#include <support/fill.hpp>

#include <vector>

using namespace nibble;
using test::noise;

TEST_CASE("rotary embedding turns pairs, and back") {
    for (const bool interleaved : {false, true})
        for (const std::size_t size : {std::size_t{0}, std::size_t{6}}) {
            const RotaryShape s{3, 20, size, 10000.0, interleaved};
            const std::size_t n = s.turning(), pairs = n / 2;
            const std::vector<std::int32_t> positions{0, 1, 7, 300, 4095};
            const Tensor<float> x = noise(Shape{5, 60}, 1);
            Tensor<float> right = x;
            for (std::size_t r = 0; r < 5; ++r)
                for (std::size_t h = 0; h < 3; ++h)
                    for (std::size_t i = 0; i < pairs; ++i) {
                        const double angle =
                            positions[r] * std::pow(10000.0, -2.0 * static_cast<double>(i) /
                                                                 static_cast<double>(n));
                        const std::size_t a = h * 20 + (interleaved ? 2 * i : i);
                        const std::size_t b = h * 20 + (interleaved ? 2 * i + 1 : i + pairs);
                        const auto u = static_cast<double>(x(r, a)),
                                   v = static_cast<double>(x(r, b));
                        right(r, a) = static_cast<float>(u * std::cos(angle) - v * std::sin(angle));
                        right(r, b) = static_cast<float>(v * std::cos(angle) + u * std::sin(angle));
                    }
            Tensor<float> y = x, z = x;
            rotary(Host(2), s, y, positions);
            CHECK(test::difference(y, right) < 1e-6);
            const RotaryTable table = rotary_table(Host(1), s, 4096);
            rotary(BasicHost<isa::Scalar>(1), s, table, z, positions);
            CHECK(test::difference(z, right) < 1e-6);
            rotary(Host(1), s, table, y, positions, true);
            CHECK(test::difference(y, x) < 1e-6);
            CHECK(test::padding_is_zero(y));
        }
    const RotaryShape s{1, 8};
    Tensor<float> x(Shape{1, 8});
    const RotaryTable table = rotary_table(Host(1), s, 10);
    const std::vector<std::int32_t> far{10};
    CHECK_THROWS_WITH_AS(rotary(Host(1), s, table, x, far),
                         doctest::Contains("position 0 is 10, but the table has 10"), Error);
}
