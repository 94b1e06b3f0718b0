// Lstm, Gru and Conv1d over sequences against double, and their way back through time.
#include "check.hpp"

#include <nibble/layer/conv1d.hpp>
#include <nibble/layer/gru.hpp>
#include <nibble/layer/lstm.hpp>

#include <vector>

using namespace nibble;
using namespace check;

namespace {

double sigmoid_of(double x) { return 1 / (1 + std::exp(-x)); }

/// Row `row` of w x + b.
double gate(const Mat& w, const Mat& b, std::size_t row, const double* x) {
    double s = b.a[row];
    for (std::size_t k = 0; k < w.cols; ++k) s += w(row, k) * x[k];
    return s;
}

/// The layers in double over sequences of `steps`; p is weight_ih, weight_hh, bias_ih, bias_hh.
auto lstm_of(std::size_t steps) {
    return [steps](const std::vector<Mat>& p, const Mat& x) {
        const std::size_t H = p[1].cols;
        Mat y(x.rows, H);
        std::vector<double> h(H), c(H);
        for (std::size_t r = 0; r < x.rows; ++r) {
            if (r % steps == 0) h.assign(H, 0), c.assign(H, 0);
            const auto before = h;
            for (std::size_t u = 0; u < H; ++u) {
                const auto sum = [&](std::size_t g) {
                    return gate(p[0], p[2], g * H + u, &x.a[r * x.cols]) +
                           gate(p[1], p[3], g * H + u, before.data());
                };
                c[u] = sigmoid_of(sum(1)) * c[u] + sigmoid_of(sum(0)) * std::tanh(sum(2));
                y(r, u) = h[u] = sigmoid_of(sum(3)) * std::tanh(c[u]);
            }
        }
        return y;
    };
}
auto gru_of(std::size_t steps) {
    return [steps](const std::vector<Mat>& p, const Mat& x) {
        const std::size_t H = p[1].cols;
        Mat y(x.rows, H);
        std::vector<double> h(H);
        for (std::size_t r = 0; r < x.rows; ++r) {
            if (r % steps == 0) h.assign(H, 0);
            const auto before = h;
            for (std::size_t u = 0; u < H; ++u) {
                const auto a = [&](std::size_t g) {
                    return gate(p[0], p[2], g * H + u, &x.a[r * x.cols]);
                };
                const auto b = [&](std::size_t g) {
                    return gate(p[1], p[3], g * H + u, before.data());
                };
                const double reset = sigmoid_of(a(0) + b(0)), z = sigmoid_of(a(1) + b(1));
                y(r, u) = h[u] = (1 - z) * std::tanh(a(2) + reset * b(2)) + z * before[u];
            }
        }
        return y;
    };
}
auto conv_of(std::size_t steps, std::size_t kernel, std::size_t dilation) {
    return [=](const std::vector<Mat>& p, const Mat& x) {
        Mat y(x.rows, p[0].rows);
        for (std::size_t r = 0; r < x.rows; ++r)
            for (std::size_t o = 0; o < y.cols; ++o) {
                double s = p[1].a.empty() ? 0 : p[1].a[o];
                for (std::size_t j = 0; j < kernel; ++j) {
                    const std::size_t back = (kernel - 1 - j) * dilation;
                    if (back > r % steps) continue;
                    for (std::size_t i = 0; i < x.cols; ++i)
                        s += p[0](o, j * x.cols + i) * x(r - back, i);
                }
                y(r, o) = s;
            }
        return y;
    };
}

}  // namespace

TEST_CASE_TEMPLATE("Lstm over sequences", P, float, half, PerRow<Int8Value>,
                   Grouped<Int4Value, 8>) {
    check_layer(Lstm<P>({.in = 5, .hidden = 7}, Seed{1}), normal(Shape{3, 6, 5}, 2), lstm_of(6));
    check_layer(Lstm<P>({.in = 16, .hidden = 33}, Seed{3}), normal(Shape{2, 3, 16}, 4), lstm_of(3));
    check_layer(Lstm<P>({.in = 1, .hidden = 20}, Seed{5}), normal(Shape{9, 1}, 6), lstm_of(9));
}
TEST_CASE_TEMPLATE("Gru over sequences", P, float, half, PerRow<Int8Value>, Grouped<Int4Value, 8>) {
    check_layer(Gru<P>({.in = 5, .hidden = 7}, Seed{1}), normal(Shape{3, 6, 5}, 2), gru_of(6));
    check_layer(Gru<P>({.in = 16, .hidden = 33}, Seed{3}), normal(Shape{2, 3, 16}, 4), gru_of(3));
    check_layer(Gru<P>({.in = 1, .hidden = 24}, Seed{5}), normal(Shape{9, 1}, 6), gru_of(9));
}
TEST_CASE_TEMPLATE("Conv1d over sequences", P, float, bfloat16, PerRow<Int8Value>) {
    check_layer(Conv1d<P>({.in = 3, .out = 5, .kernel = 3, .dilation = 2}, Seed{1}),
                normal(Shape{3, 9, 3}, 2), conv_of(9, 3, 2));
    check_layer(Conv1d<P>({.in = 16, .out = 17, .kernel = 2, .bias = false}, Seed{2}),
                normal(Shape{12, 16}, 3), conv_of(12, 2, 1));
    check_layer(Conv1d<P>({.in = 1, .out = 1, .kernel = 4, .dilation = 5}, Seed{3}),
                normal(Shape{2, 4, 1}, 4), conv_of(4, 4, 5));
}

TEST_CASE("Sequences of wrong widths are errors with both numbers") {
    Host on(1);
    CHECK_THROWS_WITH(
        static_cast<void>(
            Lstm<float>({.in = 2, .hidden = 3}).forward(on, Tensor<float>(Shape{1, 4, 5}))),
        "nibble: Lstm: input [1, 4, 5] has 5 features, expected 2 features");
    CHECK_THROWS_AS(Conv1d<float>({.in = 1, .out = 1, .kernel = 0}), Error);
}
