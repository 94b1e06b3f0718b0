// Convolution and pooling against double references. Convolution is linear in each operand, so its
// gradients are the same sum of products with another operand left out.
#include <nibble/kernel/conv2d.hpp>
#include <nibble/kernel/pool2d.hpp>

#include <doctest/doctest.h>
#include <support/fill.hpp>

#include <vector>

using namespace nibble;
using test::noise;

namespace {

// Calls f(output row, output column, weight row, weight column, input pixel's plane and column) for
// every product of the convolution.
template <class F>
void products(const Conv2dShape& s, F&& f) {
    for (std::size_t b = 0; b < s.batch; ++b)
        for (std::size_t o = 0; o < s.out_channels; ++o)
            for (std::size_t y = 0; y < s.out_height(); ++y)
                for (std::size_t x = 0; x < s.out_width(); ++x)
                    for (std::size_t c = 0; c < s.in_channels; ++c)
                        for (std::size_t ky = 0; ky < s.kernel_height; ++ky)
                            for (std::size_t kx = 0; kx < s.kernel_width; ++kx) {
                                const std::size_t iy = y * s.stride + ky, ix = x * s.stride + kx;
                                if (iy < s.padding || ix < s.padding ||
                                    iy - s.padding >= s.height || ix - s.padding >= s.width)
                                    continue;
                                f(b * s.out_channels + o, y * s.out_width() + x, o,
                                  (c * s.kernel_height + ky) * s.kernel_width + kx,
                                  b * s.in_channels + c,
                                  (iy - s.padding) * s.width + ix - s.padding);
                            }
}

const std::vector<Conv2dShape> shapes = {
    {2, 1, 5, 5, 1, 3, 3, 1, 0},   {2, 3, 8, 9, 5, 3, 3, 1, 1},   {1, 2, 7, 6, 3, 2, 4, 2, 1},
    {3, 4, 16, 16, 9, 1, 1, 1, 0}, {1, 1, 28, 28, 8, 5, 5, 1, 2}, {1, 3, 11, 13, 2, 3, 3, 3, 2},
    {1, 2, 40, 40, 4, 3, 3, 1, 1}, {20, 1, 4, 4, 2, 3, 3, 1, 1},  {1, 2, 1, 1, 1, 3, 3, 2, 1},
    {1, 1, 1, 2, 1, 5, 5, 1, 2}};

struct Data {
    Matrix<float> w;
    Tensor<float> x, bias, y, dy, dx, dw, db;
    explicit Data(const Conv2dShape& s)
        : w(s.out_channels, s.taps()),
          x(noise(Shape{s.batch, s.in_channels, s.height * s.width}, 1)),
          bias(noise(Shape{s.out_channels}, 2)),
          y(Shape{s.batch, s.out_channels, s.out_height() * s.out_width()}),
          dy(noise(y.shape(), 3)),
          dx(x.shape()),
          dw(Shape{s.out_channels, s.taps()}),
          db(Shape{s.out_channels}) {
        w.codes() = noise(Shape{s.out_channels, s.taps()}, 4);
        for (Tensor<float>* t : {&y, &dx})
            for (float& v : t->units()) v = 8.0f;
    }
    template <class A>
    void run(const BasicHost<A>& on, const Conv2dShape& s) {
        conv2d(on, s, w, bias, x, y);
        conv2d_backward(on, s, w, x, dy, dx, dw, db);
    }
};

template <class A>
void against_reference() {
    for (const Conv2dShape& s : shapes) {
        INFO(A::name << " " << s.height << " x " << s.width << " kernel " << s.kernel_height);
        Data data(s);
        data.run(BasicHost<A>(1), s);
        Tensor<float> y(data.y.shape()), dx(data.x.shape()), dw(data.dw.shape()),
            db(data.db.shape());
        const std::size_t pixels = s.out_height() * s.out_width();
        std::vector<double> sums(y.rows() * pixels), xs(dx.rows() * dx.cols()),
            ws(dw.rows() * dw.cols());
        products(s, [&](std::size_t row, std::size_t col, std::size_t o, std::size_t tap,
                        std::size_t plane, std::size_t at) {
            const double w = static_cast<double>(data.w(o, tap)),
                         v = static_cast<double>(data.x(plane, at));
            const double d = static_cast<double>(data.dy(row, col));
            sums[row * pixels + col] += w * v;
            xs[plane * dx.cols() + at] += d * w;
            ws[o * dw.cols() + tap] += d * v;
        });
        for (std::size_t r = 0; r < y.rows(); ++r)
            for (std::size_t c = 0; c < pixels; ++c) {
                y(r, c) =
                    static_cast<float>(sums[r * pixels + c]) + data.bias(0, r % s.out_channels);
                db(0, r % s.out_channels) += data.dy(r, c);
            }
        for (std::size_t i = 0; i < xs.size(); ++i)
            dx(i / dx.cols(), i % dx.cols()) = static_cast<float>(xs[i]);
        for (std::size_t i = 0; i < ws.size(); ++i)
            dw(i / dw.cols(), i % dw.cols()) = static_cast<float>(ws[i]);
        CHECK(test::difference(data.y, y) < 3e-6);
        CHECK(test::difference(data.dx, dx) < 3e-6);
        CHECK(test::difference(data.dw, dw) < 1e-5);
        CHECK(test::difference(data.db, db) < 1e-5);
        for (const Tensor<float>* t : {&data.y, &data.dx, &data.dw, &data.db})
            CHECK(test::padding_is_zero(*t));
    }
}

template <class A>
void pooling() {
    const BasicHost<A> on(2);
    for (const Pool2dShape& s : {Pool2dShape{6, 8, 8, 2, 2, 0}, Pool2dShape{3, 9, 7, 3, 2, 1},
                                 Pool2dShape{2, 5, 5, 5, 1, 2}, Pool2dShape{1, 1, 1, 1, 1, 0}}) {
        const std::size_t oh = s.out_height(), ow = s.out_width();
        const Tensor<float> x = noise(Shape{s.planes, s.height * s.width}, 1),
                            dy = noise(Shape{s.planes, oh * ow}, 2);
        Tensor<float> top(dy.shape()), mean(dy.shape()), top_right = top, mean_right = top;
        Tensor<float> dtop(x.shape()), dmean(x.shape()), dtop_right = dtop, dmean_right = dtop;
        max_pool2d(on, s, x, top);
        average_pool2d(on, s, x, mean);
        max_pool2d_backward(on, s, x, dy, dtop);
        average_pool2d_backward(on, s, dy, dmean);
        for (std::size_t p = 0; p < s.planes; ++p)
            for (std::size_t o = 0; o < oh * ow; ++o) {
                std::vector<std::size_t> inside;
                for (std::size_t ky = 0; ky < s.size; ++ky)
                    for (std::size_t kx = 0; kx < s.size; ++kx) {
                        const std::size_t iy = o / ow * s.stride + ky, ix = o % ow * s.stride + kx;
                        if (iy >= s.padding && ix >= s.padding && iy - s.padding < s.height &&
                            ix - s.padding < s.width)
                            inside.push_back((iy - s.padding) * s.width + ix - s.padding);
                    }
                std::size_t best = inside[0];
                double sum = 0.0;
                for (const std::size_t i : inside) {
                    if (x(p, i) > x(p, best)) best = i;
                    sum += static_cast<double>(x(p, i));
                    dmean_right(p, i) += dy(p, o) / static_cast<float>(inside.size());
                }
                top_right(p, o) = x(p, best);
                mean_right(p, o) = static_cast<float>(sum / static_cast<double>(inside.size()));
                dtop_right(p, best) += dy(p, o);
            }
        CHECK(test::same_bits(top, top_right));
        CHECK(test::difference(mean, mean_right) < 1e-6);
        CHECK(test::difference(dtop, dtop_right) < 1e-6);
        CHECK(test::difference(dmean, dmean_right) < 1e-6);
    }
}

}  // namespace

TEST_CASE("convolution equals the reference, forward and backward") {
    against_reference<Isa>();
    against_reference<isa::Scalar>();
}

TEST_CASE("convolution does not depend on threads") {
    for (const Conv2dShape& s : shapes) {
        Data one(s), two(s), three(s);
        one.run(Host(1), s);
        two.run(Host(2), s);
        three.run(Host(3), s);
        CHECK(test::same_bits(one.y, two.y));
        CHECK(test::same_bits(one.dx, three.dx));
        CHECK(test::same_bits(one.dw, two.dw));
        CHECK(test::same_bits(one.dw, three.dw));
        CHECK(test::same_bits(one.db, three.db));
    }
}

TEST_CASE("convolution with quantized weights uses the numbers they stand for") {
    const Conv2dShape s{2, 3, 8, 8, 4, 3, 3, 1, 1};
    Matrix<PerRow<Int8Value>> w(4, 27);
    Data data(s);
    for (std::size_t r = 0; r < 4; ++r) {
        w.scales().data()[r] = half(0.01f * static_cast<float>(r + 1));
        for (std::size_t c = 0; c < 27; ++c)
            w.codes().row(r).set(c, Int8Value(static_cast<int>(c * 9) - 120));
        for (std::size_t c = 0; c < 27; ++c) data.w.codes()(r, c) = w(r, c);
    }
    Tensor<float> y(data.y.shape()), dx(data.x.shape()), dw(data.dw.shape());
    data.run(Host(1), s);
    conv2d(Host(1), s, w, data.bias, data.x, y);
    conv2d_backward(Host(1), s, w, data.x, data.dy, dx, dw, {});
    CHECK(test::same_bits(y, data.y));
    CHECK(test::same_bits(dx, data.dx));
    CHECK(test::same_bits(dw, data.dw));
}

TEST_CASE("pooling, forward and backward") {
    pooling<Isa>();
    pooling<isa::Scalar>();
}

TEST_CASE("convolution and pooling name what does not fit") {
    const Host on(1);
    Conv2dShape s{1, 1, 4, 4, 2, 3, 3, 1, 0};
    Data data(s);
    Tensor<float> wrong(Shape{1, 15});
    CHECK_THROWS_WITH_AS(conv2d(on, s, data.w, {}, wrong, data.y),
                         doctest::Contains("the input is [1, 15], expected [1, 16]"), Error);
    Conv2dShape big = s;
    big.kernel_height = 5;
    CHECK_THROWS_WITH_AS(
        conv2d(on, big, data.w, {}, data.x, data.y),
        doctest::Contains("a kernel of 5 x 3, stride 1, padding 0 does not fit images of 4 x 4"),
        Error);
    const Matrix<float> narrow(2, 8);
    CHECK_THROWS_WITH_AS(conv2d(on, s, narrow, {}, data.x, data.y),
                         doctest::Contains("columns of the weights is 8, expected 9"), Error);
    CHECK_THROWS_WITH_AS(max_pool2d(on, {1, 4, 4, 5, 1, 0}, data.x, data.x),
                         doctest::Contains("windows of 5"), Error);
}
