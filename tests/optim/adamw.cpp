// AdamW against a double-precision reference, at every storage of weights and moments.
#include <doctest/doctest.h>

#include <nibble/optim/adamw.hpp>
#include <nibble/optim/schedule.hpp>
#include <nibble/optim/sgd.hpp>

#include <cmath>
#include <vector>

using namespace nibble;

namespace {

/// A matrix and a vector: the smallest model with both kinds of parameter.
template <class P>
struct Pair {
    template <class Q>
    using rebind = Pair<Q>;
    Matrix<P> weight;
    Tensor<float> bias;

    Pair() = default;
    Pair(std::size_t rows, std::size_t cols) : weight(rows, cols), bias(Shape{rows}) {}
    template <class F, class... L>
    static void parameters(F&& f, L&... l) {
        f("weight", l.weight...);
        f("bias", l.bias...);
    }
};

template <class P>
Pair<P> random_pair(std::size_t rows, std::size_t cols, std::uint64_t seed) {
    Host on;
    Pair<P> p(rows, cols);
    Random random(seed);
    Tensor<float> values(Shape{rows, cols});
    for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t c = 0; c < cols; ++c)
            values(r, c) = static_cast<float>(random.uniform() * 2 - 1);
    store_matrix(on, std::as_const(values).view(), p.weight, ToNearest{});
    for (std::size_t r = 0; r < rows; ++r) p.bias(0, r) = static_cast<float>(random.uniform());
    return p;
}

template <class P>
std::vector<float> numbers(const Matrix<P>& m) {
    std::vector<float> v;
    for (std::size_t r = 0; r < m.rows(); ++r)
        for (std::size_t c = 0; c < m.cols(); ++c) v.push_back(m(r, c));
    return v;
}

/// Gradient of half the squared distance to `target`, plus nothing else: descent must reach it.
template <class P>
void pull(const Pair<P>& net, const Pair<float>& target, Pair<float>& gradient) {
    for (std::size_t r = 0; r < net.weight.rows(); ++r)
        for (std::size_t c = 0; c < net.weight.cols(); ++c)
            gradient.weight.codes()(r, c) = net.weight(r, c) - target.weight(r, c);
    for (std::size_t r = 0; r < net.bias.cols(); ++r)
        gradient.bias(0, r) = net.bias(0, r) - target.bias(0, r);
}

template <class P>
double distance(const Pair<P>& net, const Pair<float>& target) {
    const auto a = numbers(net.weight), b = numbers(target.weight);
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += double(a[i] - b[i]) * double(a[i] - b[i]);
    return std::sqrt(sum / double(a.size()));
}

}  // namespace

TEST_CASE("AdamW in float follows a double-precision reference") {
    Host on;
    const std::size_t rows = 5, cols = 37;
    auto net = random_pair<float>(rows, cols, 1);
    const AdamWOptions options{.rate = 3e-3f, .beta1 = 0.9f, .beta2 = 0.99f, .decay = 0.1f};
    BasicAdamW<Pair<float>> adam(net, options);
    auto gradient = zeros_like<Pair<float>>(net);
    std::vector<double> w, m(rows * cols), v(rows * cols), b, bm(rows), bv(rows);
    for (float x : numbers(net.weight)) w.push_back(double(x));
    for (std::size_t r = 0; r < rows; ++r) b.push_back(double(net.bias(0, r)));
    Random random(7);
    const auto advance = [&](double& x, double& mean, double& square, double g, int t,
                             double decay) {
        mean = 0.9f * mean + (1.0 - double(0.9f)) * g;
        square = 0.99f * square + (1.0 - double(0.99f)) * g * g;
        const double hat = mean / (1 - std::pow(double(0.9f), t));
        const double root = std::sqrt(square / (1 - std::pow(double(0.99f), t)));
        x -= double(options.rate) * (hat / (root + 1e-8) + decay * x);
    };
    for (int t = 1; t <= 60; ++t) {
        for (std::size_t i = 0; i < rows * cols; ++i) {
            const double g = (random.uniform() - 0.3) * (i % 7 == 0 ? 1e-3 : 1.0);
            gradient.weight.codes()(i / cols, i % cols) = static_cast<float>(g);
            advance(w[i], m[i], v[i], 0.5 * double(static_cast<float>(g)), t, double(0.1f));
        }
        for (std::size_t r = 0; r < rows; ++r) {
            const double g = random.uniform();
            gradient.bias(0, r) = static_cast<float>(g);
            advance(b[r], bm[r], bv[r], 0.5 * double(static_cast<float>(g)), t, 0.0);
        }
        adam.step(on, net, gradient, 0.5f);
    }
    const auto got = numbers(net.weight);
    for (std::size_t i = 0; i < got.size(); ++i)
        CHECK(double(got[i]) == doctest::Approx(w[i]).epsilon(2e-5));
    for (std::size_t r = 0; r < rows; ++r)
        CHECK(double(net.bias(0, r)) == doctest::Approx(b[r]).epsilon(2e-5));
    CHECK(adam.steps() == 60);
}

TEST_CASE_TEMPLATE("training without a master copy reaches the target within the format's step", P,
                   half, bfloat16, PerRow<fp8_e4m3>, PerTensor<Int8Value>, PerRow<Int8Value>,
                   Grouped<Int8Value, 32>, Grouped<Int4Value, 32>,
                   Grouped<Int4Value, 64, half, Offset::stored>) {
    Host on;
    const auto target = random_pair<float>(8, 128, 2);
    auto net = random_pair<P>(8, 128, 3);
    const double before = distance(net, target);
    BasicAdamW<Pair<P>, Grouped<Int8Value, 128>> adam(net, {.rate = 0.02f, .decay = 0.0f});
    auto gradient = zeros_like<Pair<float>>(net);
    const WarmupCosine schedule{.rate = 0.02f, .warmup = 10, .steps = 400, .final_share = 0.01f};
    for (std::uint64_t t = 0; t < 400; ++t) {
        pull(net, target, gradient);
        adam.options.rate = schedule(t);
        adam.step(on, net, gradient);
    }
    // A uniform code's rounding error is at most 0.29 steps in the mean; stochastic rounding doubles it.
    const bool fp8 = std::is_same_v<value_of<P>, fp8_e4m3>;
    const double step = bits_v<value_of<P>> == 4 ? 2.0 / 14 : fp8 ? 1.0 / 16 : 2.0 / 200;
    CHECK(before > 0.5);
    CHECK(distance(net, target) < 0.75 * step);
}

TEST_CASE("nearest rounding without a master copy loses small updates: what the default avoids") {
    Host on;
    using P = Grouped<Int4Value, 32>;
    const auto target = random_pair<float>(8, 128, 2);
    double reached[2];
    for (const bool stochastic : {false, true}) {
        auto net = random_pair<P>(8, 128, 3);
        BasicAdamW<Pair<P>> adam(net, {.rate = 0.01f, .decay = 0.0f, .stochastic = stochastic});
        auto gradient = zeros_like<Pair<float>>(net);
        for (int t = 0; t < 300; ++t) {
            pull(net, target, gradient);
            adam.step(on, net, gradient);
        }
        reached[stochastic] = distance(net, target);
    }
    CHECK(reached[0] > 3 * reached[1]);
}

TEST_CASE_TEMPLATE("a master copy takes the updates and the weights are its nearest quantization",
                   M, float, bfloat16) {
    Host on;
    using P = Grouped<Int4Value, 32>;
    const auto target = random_pair<float>(8, 128, 2);
    auto net = random_pair<P>(8, 128, 3);
    BasicAdamW<Pair<P>, float, M> adam(net, {.rate = 0.01f, .decay = 0.0f});
    auto gradient = zeros_like<Pair<float>>(net);
    for (int t = 0; t < 300; ++t) {
        pull(net, target, gradient);
        adam.step(on, net, gradient);
    }
    Tensor<float> exact(Shape{8, 128});
    dequantize(on, adam.master().weight, exact.view());
    Matrix<P> nearest(8, 128);
    store_matrix(on, std::as_const(exact).view(), nearest, ToNearest{});
    CHECK(numbers(nearest) == numbers(net.weight));
    CHECK(distance(net, target) < 2.0 / 14);
}

TEST_CASE_TEMPLATE("an update is the same for any number of threads", P, float,
                   PerTensor<Int8Value>, Grouped<Int4Value, 32>) {
    const auto target = random_pair<float>(67, 192, 2);
    std::vector<float> results[3];
    for (int threads = 1; threads <= 3; ++threads) {
        Host on(threads);
        auto net = random_pair<P>(67, 192, 3);
        BasicAdamW<Pair<P>, Grouped<Int8Value, 64>> adam(net, {.rate = 0.01f});
        auto gradient = zeros_like<Pair<float>>(net);
        for (int t = 0; t < 5; ++t) {
            pull(net, target, gradient);
            const double norm = gradient_norm(on, gradient);
            adam.step(on, net, gradient, clip_factor(norm, 1.0f));
        }
        results[threads - 1] = numbers(net.weight);
    }
    CHECK(results[0] == results[1]);
    CHECK(results[0] == results[2]);
}

TEST_CASE("eight-bit moments take a quarter of the bytes of float ones") {
    const auto net = random_pair<float>(256, 1024, 3);
    BasicAdamW<Pair<float>> wide(net);
    BasicAdamW<Pair<float>, Grouped<Int8Value, 256>> narrow(net);
    CHECK(wide.bytes() == doctest::Approx(256 * 1024 * 8).epsilon(0.01));
    CHECK(narrow.bytes() < 0.27 * double(wide.bytes()));
}

TEST_CASE("a gradient of another shape is refused with both shapes") {
    Host on;
    auto net = random_pair<float>(4, 64, 1);
    BasicAdamW<Pair<float>> adam(net);
    Pair<float> gradient(4, 65);
    CHECK_THROWS_WITH_AS(adam.step(on, net, gradient),
                         "nibble: update: a gradient of [4, 65] for a parameter of [4, 64]", Error);
}

TEST_CASE("an optimizer of another model is refused") {
    Host on;
    auto net = random_pair<float>(4, 64, 1);
    const auto gradient = zeros_like<Pair<float>>(net);
    BasicAdamW<Pair<float>> adam(random_pair<float>(3, 64, 1));
    CHECK_THROWS_WITH_AS(
        adam.step(on, net, gradient),
        "nibble: update: an optimizer's state of [3, 64] for a parameter of [4, 64]", Error);
}

TEST_CASE_TEMPLATE("moments that round to nothing do not make a step explode", M, bfloat16, half,
                   fp8_e5m2, PerRow<fp8_e4m3>, Grouped<Int8Value, 64>) {
    Host on;
    auto net = random_pair<float>(8, 64, 1);
    BasicAdamW<Pair<float>, M> adam(net, {.rate = 1e-3f, .decay = 0.0f});
    auto gradient = zeros_like<Pair<float>>(net);
    double largest = 0;
    for (int t = 0; t < 400; ++t) {
        for (std::size_t i = 0; i < 8 * 64; ++i)
            gradient.weight.codes()(i / 64, i % 64) =
                t < 20 || (t % 50 == 0 && i % 3 == 0) ? 1e-6f : 0.0f;
        const auto before = numbers(net.weight);
        adam.step(on, net, gradient);
        const auto after = numbers(net.weight);
        for (std::size_t i = 0; i < before.size(); ++i)
            largest = std::max(largest, std::fabs(double(after[i]) - double(before[i])));
    }
    CHECK(largest < 4e-3);
}

TEST_CASE_TEMPLATE("a master copy starts from the weights, whatever its format", M, bfloat16,
                   PerTensor<half>, PerRow<Int8Value>) {
    Host on;
    auto net = random_pair<Grouped<Int4Value, 32>>(8, 64, 1);
    const auto before = numbers(net.weight);
    BasicAdamW<Pair<Grouped<Int4Value, 32>>, float, M> adam(net, {.rate = 0.0f});
    adam.step(on, net, zeros_like<Pair<float>>(net));
    const auto after = numbers(net.weight);
    for (std::size_t i = 0; i < before.size(); ++i)
        CHECK(std::fabs(double(after[i]) - double(before[i])) < 0.2);
}

TEST_CASE("SGD with momentum follows its formula") {
    Host on;
    for (const bool nesterov : {false, true}) {
        auto net = random_pair<float>(3, 65, 1);
        std::vector<double> w, v(3 * 65);
        for (float x : numbers(net.weight)) w.push_back(double(x));
        BasicSgd<Pair<float>> sgd(
            net, {.rate = 0.01f, .momentum = 0.9f, .decay = 0.01f, .nesterov = nesterov});
        auto gradient = zeros_like<Pair<float>>(net);
        Random random(5);
        for (int t = 0; t < 40; ++t) {
            for (std::size_t i = 0; i < w.size(); ++i) {
                const float g = static_cast<float>(random.uniform() - 0.5);
                gradient.weight.codes()(i / 65, i % 65) = g;
                const double slope = double(g) + double(0.01f) * w[i];
                v[i] = double(0.9f) * v[i] + slope;
                w[i] -= double(0.01f) * (nesterov ? slope + double(0.9f) * v[i] : v[i]);
            }
            sgd.step(on, net, gradient);
        }
        const auto got = numbers(net.weight);
        for (std::size_t i = 0; i < w.size(); ++i)
            CHECK(double(got[i]) == doctest::Approx(w[i]).epsilon(1e-4));
    }
}

TEST_CASE_TEMPLATE("SGD trains low-precision weights with a low-precision velocity", P,
                   PerRow<Int8Value>, Grouped<Int4Value, 32>) {
    Host on;
    const auto target = random_pair<float>(8, 128, 2);
    auto net = random_pair<P>(8, 128, 3);
    BasicSgd<Pair<P>, Grouped<Int8Value, 64>> sgd(net, {.rate = 0.05f, .momentum = 0.8f});
    auto gradient = zeros_like<Pair<float>>(net);
    for (int t = 0; t < 200; ++t) {
        pull(net, target, gradient);
        sgd.step(on, net, gradient);
    }
    CHECK(distance(net, target) < (bits_v<value_of<P>> == 4 ? 2.0 / 14 : 2.0 / 200));
}

TEST_CASE("the gradient's norm is the root of the sum of squares, and clipping bounds it") {
    Host on;
    auto gradient = random_pair<float>(9, 70, 4);
    double sum = 0;
    for (float x : numbers(gradient.weight)) sum += double(x) * double(x);
    for (std::size_t r = 0; r < 9; ++r)
        sum += double(gradient.bias(0, r)) * double(gradient.bias(0, r));
    CHECK(gradient_norm(on, gradient) == doctest::Approx(std::sqrt(sum)).epsilon(1e-12));
    CHECK(clip_factor(4.0, 1.0f) == 0.25f);
    CHECK(clip_factor(0.5, 1.0f) == 1.0f);
    CHECK(clip_factor(4.0, 0.0f) == 1.0f);
}

TEST_CASE("schedules: warm-up, cosine and steps") {
    const WarmupCosine s{.rate = 1e-3f, .warmup = 100, .steps = 2000, .final_share = 0.1f};
    CHECK(double(s(0)) == doctest::Approx(1e-5));
    CHECK(double(s(99)) == doctest::Approx(1e-3));
    CHECK(double(s(100)) == doctest::Approx(1e-3));
    CHECK(double(s(1999)) == doctest::Approx(1e-4));
    CHECK(double(s(5000)) == doctest::Approx(1e-4));
    CHECK(s(1000) < s(999));
    const StepDecay d{.rate = 1.0f, .every = 10, .factor = 0.5f};
    CHECK(d(9) == 1.0f);
    CHECK(d(10) == 0.5f);
    CHECK(d(25) == 0.25f);
    CHECK(ConstantRate{0.5f}(123456) == 0.5f);
}
