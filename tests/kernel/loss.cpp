// Cross entropy and mean square against double references; gradients against central differences.
#include <nibble/kernel/loss.hpp>

#include <doctest/doctest.h>
#include <support/fill.hpp>

#include <algorithm>
#include <vector>

using namespace nibble;
using test::noise;

namespace {

double row_loss(const std::vector<double>& x, std::size_t target) {
    double top = x[0], total = 0.0;
    for (const double v : x) top = std::max(top, v);
    for (const double v : x) total += std::exp(v - top);
    return top + std::log(total) - x[target];
}

template <class A>
void cross_entropies() {
    for (const std::size_t n : {1u, 2u, 7u, 8u, 15u, 16u, 17u, 63u, 64u, 65u, 96u, 100u, 300u}) {
        INFO(A::name << " " << n << " classes");
        const Tensor<float> x = noise(Shape{9, n}, n, 8.0);
        std::vector<std::int32_t> targets;
        for (std::size_t r = 0; r < 9; ++r)
            targets.push_back(r == 4 ? -1 : static_cast<std::int32_t>((r * 5) % n));
        Tensor<float> d(x.shape()), right(x.shape());
        for (float& v : d.units()) v = 3.0f;
        const auto got = softmax_cross_entropy(BasicHost<A>(2), x, targets, d, 16.0f);
        double loss = 0.0;
        std::size_t correct = 0;
        for (std::size_t r = 0; r < 9; ++r) {
            if (targets[r] < 0) continue;
            const auto target = static_cast<std::size_t>(targets[r]);
            std::vector<double> row;
            for (std::size_t c = 0; c < n; ++c) row.push_back(static_cast<double>(x(r, c)));
            loss += row_loss(row, target) / 8.0;
            correct += static_cast<std::size_t>(std::max_element(row.begin(), row.end()) -
                                                row.begin()) == target;
            for (std::size_t c = 0; c < n; ++c) {
                const double old = row[c], h = 1e-5;
                row[c] = old + h;
                const double up = row_loss(row, target);
                row[c] = old - h;
                const double down = row_loss(row, target);
                row[c] = old;
                right(r, c) = static_cast<float>(16.0 / 8.0 * (up - down) / (2 * h));
            }
        }
        CHECK(got.counted == 8);
        CHECK(got.correct == correct);
        CHECK(got.loss == doctest::Approx(loss).epsilon(1e-6));
        CHECK(test::difference(d, right) < 1e-6);
        CHECK(test::padding_is_zero(d));
        // Without a gradient, in place, and into a block of columns.
        CHECK(softmax_cross_entropy(BasicHost<A>(1), x, targets).loss == got.loss);
        Tensor<float> place = x, wide(Shape{9, n + 5});
        softmax_cross_entropy(BasicHost<A>(1), place, targets, place, 16.0f);
        CHECK(test::same_bits(place, d));
        softmax_cross_entropy(BasicHost<A>(1), x, targets, wide.view().col_block(2, n), 16.0f);
        CHECK(wide(8, n + 1) == d(8, n - 1));
        CHECK(wide(8, n + 2) == 0.0f);
    }
}

}  // namespace

TEST_CASE("cross entropy and its gradient") {
    cross_entropies<Isa>();
    cross_entropies<isa::Scalar>();
}

TEST_CASE("cross entropy of extreme logits") {
    constexpr float inf = std::numeric_limits<float>::infinity();
    Tensor<float> x(Shape{4, 20}), d(x.shape());
    for (std::size_t c = 0; c < 20; ++c) {
        x(0, c) = c == 7 ? 1e30f : -1e30f;
        x(1, c) = c == 7 ? 0.0f : -inf;
        x(2, c) = 5e4f;
        x(3, c) = 0.0f;
    }
    const std::vector<std::int32_t> targets{7, 7, 3, -5};
    const auto got = softmax_cross_entropy(Host(1), x, targets, d);
    CHECK(got.loss == doctest::Approx(std::log(20.0) / 3.0));
    CHECK(got.correct == 2);  // of equal logits the first is chosen
    for (const float v : d.units()) CHECK(std::isfinite(v));
    x(0, 3) = std::numeric_limits<float>::quiet_NaN();
    CHECK(std::isnan(softmax_cross_entropy(Host(1), x, targets).loss));
    const std::vector<std::int32_t> none{-1, -1, -1, -1};
    CHECK(softmax_cross_entropy(Host(1), x, none, d).loss == 0.0);
    for (const float v : d.units()) CHECK(v == 0.0f);
}

TEST_CASE("losses do not depend on threads") {
    const Tensor<float> x = noise(Shape{500, 65}, 1, 4.0), y = noise(Shape{500, 65}, 2);
    std::vector<std::int32_t> targets;
    for (int i = 0; i < 500; ++i) targets.push_back(i % 65);
    Tensor<float> d[3];
    double loss[3], square[3];
    for (int t = 0; t < 3; ++t) {
        d[t] = Tensor<float>(x.shape());
        loss[t] = softmax_cross_entropy(Host(t + 1), x, targets, d[t]).loss;
        square[t] = mean_square_error(Host(t + 1), x, y);
    }
    for (int t = 1; t < 3; ++t) {
        CHECK(loss[0] == loss[t]);
        CHECK(square[0] == square[t]);
        CHECK(test::same_bits(d[0], d[t]));
    }
}

TEST_CASE("mean square and its gradient") {
    for (const std::size_t n : {1u, 15u, 16u, 17u, 64u, 65u}) {
        const Tensor<float> y = noise(Shape{3, n}, 1), target = noise(Shape{3, n}, 2);
        Tensor<float> d(y.shape()), right(y.shape());
        double loss = 0.0;
        const double count = static_cast<double>(3 * n);
        for (std::size_t r = 0; r < 3; ++r)
            for (std::size_t c = 0; c < n; ++c) {
                const double e = static_cast<double>(y(r, c)) - static_cast<double>(target(r, c));
                loss += e * e / count;
                right(r, c) = static_cast<float>(2.0 * e / count);
            }
        CHECK(mean_square_error(Host(1), y, target, d) == doctest::Approx(loss).epsilon(1e-6));
        CHECK(test::difference(d, right) < 1e-6);
        CHECK(test::padding_is_zero(d));
    }
}

TEST_CASE("losses name what does not fit") {
    const Host on(1);
    Tensor<float> x(Shape{3, 8}), d(Shape{3, 9});
    const std::vector<std::int32_t> targets{1, 8, 2}, few{1};
    CHECK_THROWS_WITH_AS(softmax_cross_entropy(on, x, targets),
                         doctest::Contains("target 1 is 8, but there are 8 classes"), Error);
    CHECK_THROWS_WITH_AS(softmax_cross_entropy(on, x, few),
                         doctest::Contains("number of targets is 1, expected 3"), Error);
    CHECK_THROWS_WITH_AS(mean_square_error(on, x, d),
                         doctest::Contains("the target is [3, 9], expected [3, 8]"), Error);
}
