// LIF layers and SpikingMlp: forward and the way back through time against plain loops in double.
#include <nibble/layer/spiking_mlp.hpp>

#include <doctest/doctest.h>

#include <vector>

using namespace nibble;

namespace {

Tensor<float> random_tensor(const Shape& shape, double low, double high, std::uint64_t seed) {
    Tensor<float> x(shape);
    Random random(seed);
    for (std::size_t r = 0; r < x.rows(); ++r)
        for (std::size_t c = 0; c < x.cols(); ++c)
            x(r, c) = static_cast<float>(low + (high - low) * random.uniform());
    return x;
}

double surrogate(const LifConfig& c, double x) {
    if (c.surrogate == Surrogate::fast_sigmoid)
        return 1.0 / std::pow(1.0 + static_cast<double>(c.slope) * std::fabs(x), 2.0);
    return 1.0 / (1.0 + std::pow(1.5707963267948966 * static_cast<double>(c.slope) * x, 2.0));
}

/// One neuron over its currents: spikes, and what a gradient of them is for the currents. `scale` 0:
/// states as they are.
void plain_neuron(const LifConfig& c, double scale, const std::vector<double>& in,
                  const std::vector<double>& dspikes, std::vector<double>& spikes,
                  std::vector<double>& din) {
    const std::size_t T = in.size();
    std::vector<double> u(T), kept(T);
    const double threshold = static_cast<double>(c.threshold), leak = static_cast<double>(c.leak);
    const double limit = scale == 0.0 ? 1e30 : 127.0 * scale;
    spikes.assign(T, 0.0);
    din.assign(T, 0.0);
    double v = 0.0;
    for (std::size_t t = 0; t < T; ++t) {
        u[t] = leak * v + in[t];
        spikes[t] = u[t] >= threshold ? 1.0 : 0.0;
        kept[t] = c.subtract ? u[t] - threshold * spikes[t] : u[t] * (1.0 - spikes[t]);
        v = scale == 0.0
                ? kept[t]
                : std::fmin(std::fmax(std::nearbyint(kept[t] / scale), -128.0), 127.0) * scale;
    }
    double dv = 0.0;
    for (std::size_t t = T; t-- > 0;) {
        double through = std::fabs(kept[t]) <= limit ? dv : 0.0;
        if (!c.subtract && spikes[t] != 0.0) through = 0.0;
        din[t] = dspikes[t] * surrogate(c, u[t] - threshold) + through;
        dv = leak * din[t];
    }
}

template <class S>
void against_plain(const LifConfig& c, bool constant) {
    constexpr std::size_t batch = 3, steps = 12, n = 37;
    LifConfig with = c;
    with.steps = constant ? steps : 0;
    const LifLayer<float, S> layer(with);
    Host on(1);
    const Shape shape = constant ? Shape{batch, n} : Shape{batch, steps, n};
    const auto x = random_tensor(shape, -0.6, 1.0, 1);
    const auto dy = random_tensor({batch, steps, n}, -1.0, 1.0, 2);
    typename LifLayer<float, S>::Saved saved;
    LifLayer<float, S> gradient;
    const auto y = layer.forward(on, x, &saved);
    const auto dx = layer.backward(on, saved, dy, gradient);
    REQUIRE(y.shape() == dy.shape());
    REQUIRE(dx.shape() == x.shape());
    std::size_t fired = 0;
    for (std::size_t b = 0; b < batch; ++b)
        for (std::size_t i = 0; i < n; ++i) {
            std::vector<double> in(steps), d(steps), spikes, din;
            for (std::size_t t = 0; t < steps; ++t) {
                in[t] = static_cast<double>(constant ? x(b, i) : x(b * steps + t, i));
                d[t] = static_cast<double>(dy(b * steps + t, i));
            }
            plain_neuron(c, std::is_same_v<S, float> ? 0.0 : layer.state_scale(), in, d, spikes,
                         din);
            double sum = 0.0;
            for (std::size_t t = 0; t < steps; ++t) {
                CHECK(static_cast<double>(y(b * steps + t, i)) == spikes[t]);
                fired += spikes[t] != 0.0 ? 1u : 0u;
                sum += din[t];
                if (!constant)
                    CHECK(static_cast<double>(dx(b * steps + t, i)) ==
                          doctest::Approx(din[t]).epsilon(1e-4));
            }
            if (constant)
                CHECK(static_cast<double>(dx(b, i)) == doctest::Approx(sum).epsilon(1e-4));
        }
    CHECK(fired > 50);
}

}  // namespace

TEST_CASE("LIF layers equal plain loops, forward and back through time") {
    against_plain<float>({}, false);
    against_plain<float>({}, true);
    against_plain<float>({.leak = 0.7f, .threshold = 0.8f, .subtract = false}, false);
    against_plain<float>({.surrogate = Surrogate::arctan, .slope = 2.0f}, false);
    against_plain<Int8Value>({.leak = 0.95f}, false);
    against_plain<Int8Value>({.threshold = 1.5f, .range = 1.0f}, true);
}

TEST_CASE("narrow states hold what they say") {
    CHECK(LifLayer<float, Int8Value>(LifConfig{}).state_scale() == 2.0f / 127.0f);
    CHECK(LifLayer<float, Int4Value>(LifConfig{.threshold = 0.5f}).state_scale() == 1.0f / 7.0f);
    CHECK(LifLayer<float, half>(LifConfig{}).state_scale() == 1.0f);
}

TEST_CASE(
    "SpikingMlp: gradients of what lies behind the spikes are exact, threads change nothing") {
    // The output is linear in proj, so a difference quotient is exact but for rounding.
    const SpikingMlpConfig c{.in = 6, .hidden = 20, .out = 4, .neuron = {.steps = 9}};
    SpikingMlp<float> net(c, Seed{1});
    Host on(1);
    const auto x = random_tensor({5, 6}, 0.0, 3.0, 3);
    const auto dy = random_tensor({5, 4}, -1.0, 1.0, 4);
    SpikingMlp<float>::Saved saved;
    auto gradient = zeros_like<SpikingMlp<float>>(net);
    static_cast<void>(net.forward(on, x, &saved));
    const auto dx = net.backward(on, saved, dy, gradient);
    CHECK(dx.shape() == x.shape());
    const auto loss = [&] {
        const auto y = net.forward(on, x);
        double sum = 0.0;
        for (std::size_t r = 0; r < y.rows(); ++r)
            for (std::size_t k = 0; k < y.cols(); ++k)
                sum += static_cast<double>(y(r, k)) * static_cast<double>(dy(r, k));
        return sum;
    };
    const double before = loss();
    for (std::size_t k = 0; k < 20; k += 3) {
        float& w = net.proj.weight.codes()(1, k);
        const float was = w;
        w += 0.5f;
        CHECK((loss() - before) / 0.5 ==
              doctest::Approx(gradient.proj.weight.codes()(1, k)).epsilon(1e-3));
        w = was;
    }
    CHECK(net.activity(on, x) > 0.5);
    Host three(3);
    const auto one = net.forward(on, x), more = net.forward(three, x);
    for (std::size_t r = 0; r < 5; ++r)
        for (std::size_t k = 0; k < 4; ++k) CHECK(one(r, k) == more(r, k));
    CHECK(parameter_count(net) == 6 * 20 + 20 + 20 * 4 + 4);
}

TEST_CASE("latency: the larger the earlier") {
    Tensor<float> x({1, 4});
    x(0, 0) = 1.0f;
    x(0, 1) = 0.0f;
    x(0, 2) = 0.5f;
    x(0, 3) = 7.0f;
    const auto s = latency_spikes(x, 11);
    CHECK(s.shape() == Shape{1, 11, 4});
    CHECK(s(0, 0) == 1.0f);
    CHECK(s(10, 1) == 1.0f);
    CHECK(s(5, 2) == 1.0f);
    CHECK(s(0, 3) == 1.0f);
    float sum = 0.0f;
    for (std::size_t t = 0; t < 11; ++t)
        for (std::size_t c = 0; c < 4; ++c) sum += s(t, c);
    CHECK(sum == 4.0f);
    CHECK_THROWS_AS((void)latency_spikes(x, 0), Error);
}

TEST_CASE("what is wrong with a spiking layer is said") {
    CHECK_THROWS_WITH_AS(LifLayer<float>(LifConfig{.leak = 1.5f}),
                         "nibble: LifLayer: leak is 1.500000, expected 0 to 1", Error);
    CHECK_THROWS_AS(LifLayer<float>(LifConfig{.threshold = 0.0f}), Error);
    CHECK_THROWS_AS(LifLayer<float>(LifConfig{.slope = -1.0f}), Error);
    CHECK_THROWS_AS(LifLayer<float>(LifConfig{.range = 0.5f}), Error);
    Host on(1);
    CHECK_THROWS_AS((void)LifLayer<float>(LifConfig{}).forward(on, Tensor<float>({2, 3})), Error);
    CHECK_THROWS_AS(SpikingMlp<float>({.in = 2, .hidden = 3, .out = 2, .readout = 2.0f}, Seed{1}),
                    Error);
}
