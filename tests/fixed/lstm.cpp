// fixed::Lstm over a sequence against double on the numbers that its weights stand for.
#include "numbers.hpp"

#include <nibble/fixed/lstm.hpp>

#include <doctest/doctest.h>

using namespace numbers;

namespace {

template <class P, std::size_t In, std::size_t H, class A>
void lstm() {
    static fixed::Lstm<P, In, H, A> net;
    net.reset();
    fill_all(net, H);
    Numbers draw{H + 1};
    List h(H), c(H);
    double worst = 0;
    for (int t = 0; t < 40; ++t) {
        fixed::Vector<In, A> x;
        for (float& v : x) v = draw();
        const auto& y = net.forward(x);
        const List a = product(net.weight_ih, x), b = product(net.weight_hh, h);
        const auto gate = [&](std::size_t row) {
            return a[row] + b[row] + double{net.bias_ih[row]} + double{net.bias_hh[row]};
        };
        for (std::size_t u = 0; u < H; ++u) {
            c[u] =
                sigmoid_of(gate(H + u)) * c[u] + sigmoid_of(gate(u)) * std::tanh(gate(2 * H + u));
            h[u] = sigmoid_of(gate(3 * H + u)) * std::tanh(c[u]);
            worst = std::fmax(worst, std::fabs(double{y[u]} - h[u]));
        }
        // Rounded activations wander off: begin each step from the layer's own state.
        if (activation_error<P> != 0)
            for (std::size_t u = 0; u < H; ++u) {
                h[u] = double{net.h[u]};
                c[u] = double{net.c[u]};
            }
    }
    INFO(In, " to ", H, " on ", A::name);
    CHECK(worst < 1e-5 + activation_error<P>);
    net.reset();
    CHECK(net.h[0] == 0.0f);
}

}  // namespace

TEST_CASE("Lstm of all kinds of sizes") {
    lstm<float, 1, 1, Isa>();
    lstm<float, 1, 8, Isa>();
    lstm<float, 3, 12, Isa>();
    lstm<float, 1, 20, Isa>();
    lstm<float, 2, 13, Isa>();
    lstm<float, 1, 24, Isa>();
    lstm<float, 16, 40, Isa>();
    lstm<float, 2, 13, isa::Scalar>();
}
TEST_CASE_TEMPLATE("Lstm in every kind of format", P, half, PerRow<Int8Value>,
                   Grouped<Int4Value, 8>, W8A8) {
    lstm<P, 1, 20, Isa>();
    lstm<P, 8, 24, Isa>();
}
