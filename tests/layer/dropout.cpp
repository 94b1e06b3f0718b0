// Dropout: statistics, determinism, and that inference leaves everything alone.
#include "check.hpp"

#include <nibble/layer/dropout.hpp>

using namespace nibble;
using namespace check;

namespace {

Tensor<float> ones(Shape shape) {
    Tensor<float> x(shape);
    for (std::size_t r = 0; r < x.rows(); ++r)
        for (std::size_t c = 0; c < x.cols(); ++c) x(r, c) = 1.0f;
    return x;
}

Tensor<float> mask(DropoutConfig config, std::uint64_t step, int threads = 1) {
    Host on(threads);
    Dropout<> layer(config);
    begin_step(layer, step);
    Dropout<>::Saved saved;
    return layer.forward(on, ones(Shape{50, 70}), &saved);
}

}  // namespace

TEST_CASE("Dropout zeroes the asked share and keeps the mean") {
    for (const float rate : {0.0f, 0.1f, 0.5f, 0.9f}) {
        CAPTURE(rate);
        const auto y = mask({.rate = rate, .seed = 3}, 0);
        CHECK(padding_is_zero(y));
        double zeros = 0, sum = 0;
        for (const double v : to_mat(y).a) {
            zeros += v == 0 ? 1 : 0;
            sum += v;
            CHECK((v == 0 || v == doctest::Approx(1 / (1 - double{rate}))));
        }
        const double deviation = std::sqrt(double{rate} * (1 - double{rate}) / 3500);
        CHECK(std::fabs(zeros / 3500 - double{rate}) <= 4 * deviation);
        CHECK(std::fabs(sum / 3500 - 1) <= 4 * deviation / (1 - double{rate}));
    }
}

TEST_CASE("The mask depends on seed, step and stream, and on nothing else") {
    const DropoutConfig c{.rate = 0.5f, .seed = 3};
    const auto y = mask(c, 4);
    CHECK(same_bits(y, mask(c, 4)));
    CHECK(same_bits(y, mask(c, 4, 2)));
    CHECK(same_bits(y, mask(c, 4, 3)));
    CHECK(!same_bits(y, mask(c, 5)));
    CHECK(!same_bits(y, mask({.rate = 0.5f, .seed = 4}, 4)));
    CHECK(!same_bits(y, mask({.rate = 0.5f, .seed = 3, .stream = 1}, 4)));
}

TEST_CASE("Backward uses the mask of its forward, also after the next step has begun") {
    Host on(1);
    Dropout<> layer({.rate = 0.3f, .seed = 8});
    begin_step(layer, 7);
    Dropout<>::Saved saved;
    const auto y = layer.forward(on, ones(Shape{2, 3, 9}), &saved);
    begin_step(layer, 8);
    Dropout<> gradient;
    CHECK(same_bits(y, layer.backward(on, saved, ones(Shape{2, 3, 9}), gradient)));
}

TEST_CASE("Inference does nothing") {
    Host on(1);
    const Dropout<> layer({.rate = 0.5f});
    const auto x = normal(Shape{3, 40}, 1);
    CHECK(same_bits(x, layer.forward(on, x)));
}
