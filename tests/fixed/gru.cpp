// fixed::Gru over a sequence against double on the numbers that its weights stand for.
#include "numbers.hpp"

#include <nibble/fixed/gru.hpp>

#include <doctest/doctest.h>

using namespace numbers;

namespace {

template <class P, std::size_t In, std::size_t H, class A>
void gru() {
    static fixed::Gru<P, In, H, A> net;
    net.reset();
    fill_all(net, H);
    Numbers draw{H + 1};
    List h(H);
    double worst = 0;
    for (int t = 0; t < 40; ++t) {
        fixed::Vector<In, A> x;
        for (float& v : x) v = draw();
        const auto& y = net.forward(x);
        List a = product(net.weight_ih, x), b = product(net.weight_hh, h);
        for (std::size_t row = 0; row < 3 * H; ++row) {
            a[row] += double{net.bias_ih[row]};
            b[row] += double{net.bias_hh[row]};
        }
        for (std::size_t u = 0; u < H; ++u) {
            const double r = sigmoid_of(a[u] + b[u]), z = sigmoid_of(a[H + u] + b[H + u]);
            h[u] = (1 - z) * std::tanh(a[2 * H + u] + r * b[2 * H + u]) + z * h[u];
            worst = std::fmax(worst, std::fabs(double{y[u]} - h[u]));
        }
        if (activation_error<P> != 0)
            for (std::size_t u = 0; u < H; ++u) h[u] = double{net.h[u]};
    }
    INFO(In, " to ", H, " on ", A::name);
    CHECK(worst < 1e-5 + activation_error<P>);
}

}  // namespace

TEST_CASE("Gru of all kinds of sizes") {
    gru<float, 1, 1, Isa>();
    gru<float, 1, 8, Isa>();
    gru<float, 3, 12, Isa>();
    gru<float, 1, 20, Isa>();
    gru<float, 2, 13, Isa>();
    gru<float, 1, 24, Isa>();
    gru<float, 16, 40, Isa>();
    gru<float, 2, 13, isa::Scalar>();
}
TEST_CASE_TEMPLATE("Gru in every kind of format", P, half, PerRow<Int8Value>, Grouped<Int4Value, 8>,
                   W8A8) {
    gru<P, 1, 20, Isa>();
    gru<P, 8, 24, Isa>();
}
