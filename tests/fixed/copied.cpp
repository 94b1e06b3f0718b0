// Nets of fixed sizes and streams copied from trained layers: the same numbers, without a request to the
// system.
#include <nibble/fixed/gru.hpp>
#include <nibble/fixed/lstm.hpp>
#include <nibble/fixed/parameters.hpp>
#include <nibble/layer/stream.hpp>
#include <support/allocations.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace nibble;

TEST_CASE("A net of fixed size copied from a layer goes the same way") {
    const Lstm<float> lstm({.in = 2, .hidden = 20}, Seed{3});
    const Gru<float> gru({.in = 2, .hidden = 24}, Seed{4});
    static fixed::Lstm<float, 2, 20> small;
    static fixed::Gru<float, 2, 24> other;
    CHECK(fixed::copy_parameters(lstm, small));
    CHECK(fixed::copy_parameters(gru, other));
    LstmStream stream(lstm);
    GruStream second(gru);
    double worst = 0;
    const auto x = [] {
        Tensor<float> numbers(Shape{200, 2});
        Host on(1);
        Random random(5);
        draw_normal(on, random, 1.0, numbers.view());
        return numbers;
    }();
    const std::size_t before = support::allocations();
    for (std::size_t t = 0; t < x.rows(); ++t) {
        const std::span<const float, 2> now(x.data() + t * x.stride(), 2);
        const auto a = stream.step(now), b = second.step(now);
        const auto& c = small.forward(fixed::Vector<2>(now));
        const auto& d = other.forward(fixed::Vector<2>(now));
        for (std::size_t i = 0; i < 20; ++i)
            worst = std::fmax(worst, std::fabs(double{a[i]} - double{c[i]}));
        for (std::size_t i = 0; i < 24; ++i)
            worst = std::fmax(worst, std::fabs(double{b[i]} - double{d[i]}));
    }
    CHECK(support::allocations() == before);
    CHECK(worst < 2e-6);
}
