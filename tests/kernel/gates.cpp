// Gated cells on registers: the errors that gates.hpp states, and where gates lie.
#include <nibble/kernel/gates.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

using namespace nibble;

namespace {

double sigmoid_of(double x) { return 1 / (1 + std::exp(-x)); }

template <class A, class F>
float first_lane(F f) {
    float lane[Batch<float, A>::lanes];
    f().store(lane);
    return lane[0];
}

/// Small, large, both signs, the limits.
std::vector<float> arguments() {
    std::vector<float> x{0.0f, -0.0f, 1e-30f, 20.0f, 30.0f, 100.0f, 1e30f};
    for (double v = 1e-7; v < 30; v *= 1.003) x.push_back(static_cast<float>(v));
    for (std::size_t i = x.size(); i-- > 0;) x.push_back(-x[i]);
    return x;
}

template <class A>
void functions() {
    using B = Batch<float, A>;
    double worst_sigmoid = 0, worst_tanh = 0, worst_ulp = 0;
    for (const float x : arguments()) {
        const double s =
            first_lane<A>([&] { return gate_power(B(x), GateScale<A>(sigmoid_gate)); });
        const double t = first_lane<A>([&] { return gate_power(B(x), GateScale<A>(tanh_gate)); });
        worst_sigmoid = std::fmax(worst_sigmoid, std::fabs(1 / (1 + s) - sigmoid_of(double{x})));
        worst_tanh = std::fmax(worst_tanh, std::fabs((1 - t) / (1 + t) - std::tanh(double{x})));
        const float y = first_lane<A>([&] { return short_tanh(B(x)); });
        CHECK(std::fabs(y) <= 1.0f);
        CHECK(std::signbit(y) == std::signbit(x));
        const double exact = std::tanh(double{x});
        if (exact != 0)
            worst_ulp = std::fmax(
                worst_ulp, std::fabs(double{y} - exact) / std::ldexp(1.0, std::ilogb(exact) - 23));
    }
    INFO(A::name);
    CHECK(worst_sigmoid < 2e-7);
    CHECK(worst_tanh < 2e-7);
    CHECK(worst_ulp < (std::is_same_v<A, Isa> ? 4.5 : 6));
    const float nan = std::numeric_limits<float>::quiet_NaN();
    CHECK(std::isnan(first_lane<A>([&] { return short_tanh(B(nan)); })));
    CHECK(
        std::isnan(first_lane<A>([&] { return gate_power(B(nan), GateScale<A>(sigmoid_gate)); })));
}

template <class A>
void cells() {
    using B = Batch<float, A>;
    const auto power = [](float x, float s) { return gate_power(B(x), GateScale<A>(s)); };
    double worst_h = 0, worst_c = 0, worst_gru = 0;
    std::uint32_t state = 1;
    const auto draw = [&](double size) {
        state = state * 1664525u + 1013904223u;
        return static_cast<float>(size * (static_cast<double>(state >> 8) / 8388608.0 - 1));
    };
    for (int n = 0; n < 20000; ++n) {
        const double size = n % 4 == 0 ? 60.0 : n % 4 == 1 ? 0.01 : 4.0;
        const float i = draw(size), f = draw(size), g = draw(size), o = draw(size), c = draw(8);
        const auto got = lstm_cell(power(i, sigmoid_gate), power(f, sigmoid_gate),
                                   power(g, tanh_gate), power(o, sigmoid_gate), B(c));
        const double wanted_c =
            sigmoid_of(double{f}) * double{c} + sigmoid_of(double{i}) * std::tanh(double{g});
        const double wanted_h = sigmoid_of(double{o}) * std::tanh(wanted_c);
        worst_c = std::fmax(worst_c, std::fabs(first_lane<A>([&] { return got.c; }) - wanted_c) /
                                         (1 + std::fabs(double{c})));
        worst_h = std::fmax(worst_h, std::fabs(first_lane<A>([&] { return got.h; }) - wanted_h));

        const float h = draw(1);
        const float y = first_lane<A>([&] {
            return gru_cell(power(i, sigmoid_gate), power(f, sigmoid_gate), B(g), B(o), B(h));
        });
        const double inner = std::tanh(double{g} + sigmoid_of(double{i}) * double{o});
        const double z = sigmoid_of(double{f});
        worst_gru = std::fmax(worst_gru, std::fabs(y - ((1 - z) * inner + z * double{h})));
    }
    INFO(A::name);
    CHECK(worst_c < 4e-7);
    CHECK(worst_h < 4e-7);
    CHECK(worst_gru < 8e-7);
}

}  // namespace

TEST_CASE("Gate powers and short_tanh keep their bounds") {
    functions<Isa>();
    functions<isa::Scalar>();
}
TEST_CASE("Cells keep their bounds") {
    cells<Isa>();
    cells<isa::Scalar>();
}

TEST_CASE("Every gate of every unit has a lane of its own, and its unit's gates share a block") {
    for (const std::size_t gates : {1u, 3u, 4u})
        for (const std::size_t lanes : {4u, 8u, 16u})
            for (const bool partial : {true, false})
                for (std::size_t units = 1; units <= 70; ++units) {
                    const GateOrder order{gates, units, lanes, partial};
                    std::vector<bool> taken(order.size());
                    bool good = true;
                    for (std::size_t row = 0; row < gates * units; ++row) {
                        const std::size_t lane = order.lane(row);
                        good = good && lane < order.size() && !taken[lane];
                        if (good) taken[lane] = true;
                    }
                    INFO(gates, " ", units, " ", lanes, " ", partial);
                    CHECK(good);
                    // Never worse than whole blocks, and full for multiples of the register.
                    if (gates >= 3)
                        CHECK(order.registers() <= gates * ((units + lanes - 1) / lanes));
                    if (units % lanes == 0) CHECK(order.registers() == gates * units / lanes);
                }
    CHECK(GateOrder{4, 20, 16, true}.registers() == 5);
    CHECK(GateOrder{4, 40, 16, true}.registers() == 10);
    CHECK(GateOrder{3, 24, 16, true}.registers() == 5);
}
