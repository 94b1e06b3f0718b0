// Layer norm and RMS norm against a double reference; gradients against central differences of it.
#include <nibble/kernel/norm.hpp>

#include <doctest/doctest.h>
#include <support/fill.hpp>

#include <vector>

using namespace nibble;
using test::noise;

namespace {

constexpr float eps = 1e-5f;

// sum over columns of weight * norm(x) for one row.
double reference(bool centered, const std::vector<double>& x, const std::vector<double>& gain,
                 const std::vector<double>& bias, std::vector<double>& y) {
    const double n = static_cast<double>(x.size());
    double mean = 0.0, square = 0.0;
    if (centered)
        for (const double v : x) mean += v / n;
    for (const double v : x) square += (v - mean) * (v - mean) / n;
    const double rstd = 1.0 / std::sqrt(square + static_cast<double>(eps));
    y.resize(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) y[i] = (x[i] - mean) * rstd * gain[i] + bias[i];
    return rstd;
}

std::vector<double> row_of(const Tensor<float>& t, std::size_t r) {
    std::vector<double> x;
    for (std::size_t c = 0; c < t.cols(); ++c) x.push_back(static_cast<double>(t(r, c)));
    return x;
}

struct Case {
    std::size_t rows, cols;
    Tensor<float> x, gain, bias, dy, y, mean, rstd, dx, dgain, dbias;
    Case(std::size_t m, std::size_t n, double size = 2.0)
        : rows(m),
          cols(n),
          x(noise(Shape{m, n}, n, size)),
          gain(noise(Shape{n}, 2)),
          bias(noise(Shape{n}, 3)),
          dy(noise(Shape{m, n}, 4)),
          y(Shape{m, n}),
          mean(Shape{m}),
          rstd(Shape{m}),
          dx(Shape{m, n}),
          dgain(Shape{n}),
          dbias(Shape{n}) {
        for (Tensor<float>* t : {&y, &dx})
            for (float& v : t->units()) v = 7.0f;
    }
    template <class A>
    void run(const BasicHost<A>& on, bool centered) {
        if (centered) {
            layer_norm(on, x, gain, bias, eps, y, mean, rstd);
            layer_norm_backward(on, x, gain, eps, mean, rstd, dy, dx, dgain, dbias);
        } else {
            rms_norm(on, x, gain, eps, y, rstd);
            rms_norm_backward(on, x, gain, eps, rstd, dy, dx, dgain);
        }
    }
};

template <class A>
void against_reference() {
    for (const bool centered : {true, false})
        for (const std::size_t n :
             {1u, 2u, 7u, 8u, 9u, 15u, 16u, 17u, 31u, 33u, 63u, 64u, 65u, 96u, 128u, 130u, 257u}) {
            INFO(A::name << (centered ? " layer norm " : " RMS norm ") << n);
            Case c(5, n);
            c.run(BasicHost<A>(1), centered);
            Tensor<float> right(c.x.shape()), dx(c.x.shape()), dgain(Shape{n}), dbias(Shape{n});
            const auto gain = row_of(c.gain, 0);
            const auto bias = centered ? row_of(c.bias, 0) : std::vector<double>(n, 0.0);
            std::vector<double> y, up, down;
            for (std::size_t r = 0; r < 5; ++r) {
                auto x = row_of(c.x, r);
                const double rstd = reference(centered, x, gain, bias, y);
                CHECK(std::fabs(static_cast<double>(c.rstd(0, r)) - rstd) < 1e-6 * rstd);
                const auto dy = row_of(c.dy, r);
                for (std::size_t i = 0; i < n; ++i) {
                    right(r, i) = static_cast<float>(y[i]);
                    const double hat = (y[i] - bias[i]) / gain[i];
                    dgain(0, i) += static_cast<float>(dy[i] * hat);
                    dbias(0, i) += static_cast<float>(dy[i]);
                    const double old = x[i], h = 1e-6;
                    x[i] = old + h;
                    reference(centered, x, gain, bias, up);
                    x[i] = old - h;
                    reference(centered, x, gain, bias, down);
                    x[i] = old;
                    double slope = 0.0;
                    for (std::size_t j = 0; j < n; ++j)
                        slope += dy[j] * (up[j] - down[j]) / (2 * h);
                    dx(r, i) = static_cast<float>(slope);
                }
            }
            CHECK(test::difference(c.y, right) < 2e-6);
            CHECK(test::difference(c.dx, dx) < 1e-5);
            CHECK(test::difference(c.dgain, dgain) < 1e-5);
            if (centered) CHECK(test::difference(c.dbias, dbias) < 1e-5);
            CHECK(test::padding_is_zero(c.y));
            CHECK(test::padding_is_zero(c.dx));
            CHECK(test::padding_is_zero(c.dgain));

            // Without saved moments, and without gain and bias.
            Tensor<float> again(c.x.shape());
            if (centered) {
                layer_norm_backward(BasicHost<A>(1), c.x, c.gain, eps, {}, {}, c.dy, again, {}, {});
                CHECK(test::same_bits(again, c.dx));
                layer_norm(BasicHost<A>(1), c.x, {}, {}, eps, again);
                for (std::size_t r = 0; r < 5; ++r) {
                    reference(true, row_of(c.x, r), std::vector<double>(n, 1.0),
                              std::vector<double>(n, 0.0), y);
                    CHECK(std::fabs(static_cast<double>(again(r, n - 1)) - y[n - 1]) < 1e-5);
                }
            } else {
                rms_norm_backward(BasicHost<A>(1), c.x, c.gain, eps, {}, c.dy, again, {});
                CHECK(test::same_bits(again, c.dx));
            }
        }
}

}  // namespace

TEST_CASE("norms equal the reference, and their gradients central differences") {
    against_reference<Isa>();
    against_reference<isa::Scalar>();
}

TEST_CASE("norms do not depend on threads") {
    for (const bool centered : {true, false})
        for (const std::size_t rows :
             {std::size_t{1}, std::size_t{33}, std::size_t{700}, std::size_t{3000}}) {
            Case one(rows, 72), two(rows, 72), three(rows, 72);
            one.run(Host(1), centered);
            two.run(Host(2), centered);
            three.run(Host(3), centered);
            CHECK(test::same_bits(one.y, two.y));
            CHECK(test::same_bits(one.dx, three.dx));
            CHECK(test::same_bits(one.dgain, two.dgain));
            CHECK(test::same_bits(one.dgain, three.dgain));
            CHECK(test::same_bits(one.dbias, three.dbias));
        }
}

TEST_CASE("layer norm keeps its digits far from zero") {
    Tensor<float> x(Shape{1, 100}), y(x.shape());
    for (std::size_t i = 0; i < 100; ++i) x(0, i) = 10000.0f + static_cast<float>(i % 10) * 0.125f;
    layer_norm(Host(1), x, {}, {}, 0.0f, y);
    for (std::size_t i = 0; i < 100; ++i) {
        const double right = (static_cast<double>(i % 10) - 4.5) / std::sqrt(8.25);
        CHECK(std::fabs(static_cast<double>(y(0, i)) - right) < 1e-2);  // the mean's own rounding
    }
    x.clear();
    layer_norm(Host(1), x, {}, {}, eps, y);
    for (const float v : y.units()) CHECK(v == 0.0f);
}

TEST_CASE("norms name the shapes that do not match") {
    const Host on(1);
    Tensor<float> x(Shape{3, 8}), y(Shape{3, 9}), gain(Shape{9});
    CHECK_THROWS_WITH_AS(layer_norm(on, x, {}, {}, eps, y),
                         doctest::Contains("layer_norm: the output is [3, 9], expected [3, 8]"),
                         Error);
    CHECK_THROWS_WITH_AS(rms_norm(on, x, gain, eps, x),
                         doctest::Contains("rms_norm: the gain is [1, 9], expected [1, 8]"), Error);
}
