// Conv2d, pooling, and a small network of them.
#include "check.hpp"

#include <nibble/layer/activation.hpp>
#include <nibble/layer/conv2d.hpp>
#include <nibble/layer/linear.hpp>
#include <nibble/layer/pool2d.hpp>
#include <nibble/layer/sequential.hpp>

#include <limits>
#include <vector>

using namespace nibble;
using namespace check;

namespace {

/// The sum over taps, one at a time.
Mat convolve(const Mat& x, const Mat& w, const Mat& b, const Conv2dConfig& c) {
    const std::size_t batch = x.rows / c.in, oh = c.out_height(), ow = c.out_width();
    Mat y(batch * c.out, oh * ow);
    for (std::size_t n = 0; n < batch; ++n)
        for (std::size_t o = 0; o < c.out; ++o)
            for (std::size_t i = 0; i < oh * ow; ++i) {
                double s = b.a.empty() ? 0 : b.a[o];
                for (std::size_t k = 0; k < c.taps(); ++k) {
                    const std::size_t in = k / (c.kernel * c.kernel);
                    const std::size_t py = i / ow * c.stride + k / c.kernel % c.kernel;
                    const std::size_t px = i % ow * c.stride + k % c.kernel;
                    if (py < c.padding || px < c.padding || py >= c.height + c.padding ||
                        px >= c.width + c.padding)
                        continue;
                    s += w(o, k) * x(n * c.in + in, (py - c.padding) * c.width + px - c.padding);
                }
                y(n * c.out + o, i) = s;
            }
    return y;
}

template <bool Max>
Mat pool(const Mat& x, const Pool2dConfig& c) {
    Mat y(x.rows, c.out_height() * c.out_width());
    for (std::size_t r = 0; r < x.rows; ++r)
        for (std::size_t i = 0; i < y.cols; ++i) {
            double best = -std::numeric_limits<double>::infinity(), sum = 0;
            int count = 0;
            for (std::size_t k = 0; k < c.size * c.size; ++k) {
                const std::size_t py = i / c.out_width() * c.step() + k / c.size;
                const std::size_t px = i % c.out_width() * c.step() + k % c.size;
                if (py < c.padding || px < c.padding || py >= c.height + c.padding ||
                    px >= c.width + c.padding)
                    continue;
                const double v = x(r, (py - c.padding) * c.width + px - c.padding);
                best = std::max(best, v);
                sum += v;
                ++count;
            }
            y(r, i) = Max ? best : sum / count;
        }
    return y;
}

template <class P>
void conv_in(Conv2dConfig c, Shape shape) {
    check_layer(
        Conv2d<P>(c, Seed{1}), normal(shape, 2),
        [c](const std::vector<Mat>& p, const Mat& x) { return convolve(x, p[0], p[1], c); });
}

}  // namespace

TEST_CASE("Conv2d with strides, padding and odd sizes") {
    conv_in<float>({.in = 3, .out = 5, .height = 8, .width = 8}, Shape{2, 3, 64});
    conv_in<float>({.in = 2, .out = 4, .height = 7, .width = 9, .padding = 1}, Shape{2, 2, 63});
    conv_in<float>({.in = 1,
                    .out = 3,
                    .height = 11,
                    .width = 6,
                    .kernel = 5,
                    .stride = 2,
                    .padding = 2,
                    .bias = false},
                   Shape{3, 66});
    conv_in<float>({.in = 4, .out = 2, .height = 5, .width = 5, .kernel = 1}, Shape{1, 4, 25});
    conv_in<float>({.in = 2, .out = 3, .height = 4, .width = 4, .kernel = 4}, Shape{2, 2, 16});
}
TEST_CASE("Conv2d in half, int8 and int4") {
    const Conv2dConfig c{.in = 4, .out = 6, .height = 6, .width = 6, .padding = 1};
    conv_in<half>(c, Shape{2, 4, 36});
    conv_in<PerRow<Int8Value>>(c, Shape{2, 4, 36});
    conv_in<Grouped<Int4Value, 32>>(c, Shape{2, 4, 36});
}

TEST_CASE("Pooling with and without overlap") {
    const auto both = [](Pool2dConfig c, Shape shape) {
        check_layer(MaxPool2d<>(c), normal(shape, 3),
                    [c](const std::vector<Mat>&, const Mat& x) { return pool<true>(x, c); });
        check_layer(AvgPool2d<>(c), normal(shape, 3),
                    [c](const std::vector<Mat>&, const Mat& x) { return pool<false>(x, c); });
    };
    both({.height = 8, .width = 8}, Shape{2, 3, 64});
    both({.height = 7, .width = 5}, Shape{2, 35});
    both({.height = 9, .width = 6, .size = 3, .stride = 2, .padding = 1}, Shape{2, 2, 54});
    both({.height = 4, .width = 4, .size = 4}, Shape{3, 16});
}

TEST_CASE("A small convolutional network") {
    const Conv2dConfig c{.in = 1, .out = 4, .height = 10, .width = 10, .padding = 1};
    const Pool2dConfig p{.height = 10, .width = 10};
    check_layer(Sequential(Conv2d<float>(c, Seed{1}), Relu<>(), MaxPool2d<>(p), Flatten<>(),
                           Linear<float>({.in = 100, .out = 10}, Seed{2})),
                normal(Shape{3, 1, 100}, 4), [=](const std::vector<Mat>& w, const Mat& x) {
                    Mat y =
                        pool<true>(reference::map(convolve(x, w[0], w[1], c), reference::relu), p);
                    Mat flat(3, 100);
                    flat.a = y.a;
                    return reference::linear(flat, w[2], w[3]);
                });
}

TEST_CASE("16-bit activations in convolutions") {
    Host on(1);
    using P = Mixed<PerRow<Int8Value>, half>;
    const Conv2dConfig c{.in = 2, .out = 4, .height = 8, .width = 8, .padding = 1};
    const Conv2d<P> layer(c, Seed{1});
    const auto x = normal(Shape{2, 2, 64}, 5);
    Conv2d<P>::Saved saved;
    const auto y = layer.forward(on, x, &saved);
    CHECK(same_bits(y, layer.forward(on, x)));
    CHECK(2 * saved.x.bytes() == x.bytes());
    const auto p = parameters_of(layer);
    CHECK(distance(to_mat(y), convolve(to_mat(x), p[0], p[1], c)) < 2e-3);
}

TEST_CASE("Images and kernels that do not fit are Errors that say so") {
    Host on(1);
    CHECK_THROWS_WITH_AS(Conv2d<float>({.in = 1, .out = 1, .height = 2, .width = 8}),
                         doctest::Contains("kernel 3"), Error);
    CHECK_THROWS_WITH_AS(Conv2d<float>({.in = 1, .out = 1, .height = 8, .width = 8, .stride = 0}),
                         doctest::Contains("stride 0"), Error);
    CHECK_THROWS_WITH_AS(MaxPool2d<>({.height = 1, .width = 8}),
                         doctest::Contains("MaxPool2d: size 2"), Error);
    const Conv2d<float> layer({.in = 3, .out = 1, .height = 8, .width = 8});
    CHECK_THROWS_WITH_AS(static_cast<void>(layer.forward(on, Tensor<float>(Shape{2, 64}))),
                         doctest::Contains("Conv2d: input [2, 64], expected [batch, 3, 64]"),
                         Error);
    const AvgPool2d<> pooling({.height = 8, .width = 8});
    CHECK_THROWS_WITH_AS(static_cast<void>(pooling.forward(on, Tensor<float>(Shape{2, 63}))),
                         doctest::Contains("AvgPool2d: input [2, 63]"), Error);
    CHECK_THROWS_WITH_AS(static_cast<void>(Flatten<>().forward(on, Tensor<float>(Shape{3}))),
                         doctest::Contains("Flatten: input [3]"), Error);
}
