// The trainer: accumulation, clipping, what is not finite, and layers that draw random numbers.
#include <nibble/layer/dropout.hpp>
#include <nibble/layer/linear.hpp>
#include <nibble/layer/loss.hpp>
#include <nibble/layer/sequential.hpp>
#include <nibble/optim/sgd.hpp>
#include <nibble/train/trainer.hpp>
#include <vector>

#include <doctest/doctest.h>

#include <cmath>

using namespace nibble;

namespace {

struct Pairs {
    Tensor<float> input, target;
};

Pairs pairs(std::size_t n, std::uint64_t seed) {
    Pairs p{Tensor<float>({n, 6}), Tensor<float>({n, 3})};
    Host on(1);
    Random random(seed);
    draw_normal(on, random, 1.0, p.input.view());
    draw_normal(on, random, 1.0, p.target.view());
    return p;
}

Pairs rows(const Pairs& all, std::size_t first, std::size_t n) {
    Pairs p{Tensor<float>({n, 6}), Tensor<float>({n, 3})};
    for (std::size_t r = 0; r < n; ++r) {
        for (std::size_t c = 0; c < 6; ++c) p.input(r, c) = all.input(first + r, c);
        for (std::size_t c = 0; c < 3; ++c) p.target(r, c) = all.target(first + r, c);
    }
    return p;
}

using Net = Linear<float>;
double largest_difference(const Net& a, const Net& b) {
    double most = 0;
    for (std::size_t r = 0; r < 3; ++r)
        for (std::size_t c = 0; c < 6; ++c)
            most = std::max(most, std::fabs(double(a.weight(r, c)) - double(b.weight(r, c))));
    return most;
}

}  // namespace

TEST_CASE("accumulated batches make the update of one large batch") {
    Host on;
    const Pairs all = pairs(12, 1);
    Net whole({.in = 6, .out = 3}, Seed{1}), parts = whole;
    BasicSgd<Net> one(whole, {.rate = 0.1f}), many(parts, {.rate = 0.1f});
    Trainer at_once(on, whole, one, mean_square, {.clip_norm = 0.5f});
    Trainer in_three(on, parts, many, mean_square, {.clip_norm = 0.5f, .accumulate = 3});
    for (int step = 0; step < 5; ++step) {
        at_once.step(all);
        const Net before = parts;
        for (std::size_t i = 0; i < 3; ++i) {
            CHECK(largest_difference(before, parts) == 0);
            in_three.step(rows(all, 4 * i, 4));
        }
        CHECK(largest_difference(whole, parts) < 1e-6);
        CHECK(in_three.last_norm() == doctest::Approx(at_once.last_norm()).epsilon(1e-5));
    }
    CHECK(in_three.steps() == 5);
}

TEST_CASE("clipping bounds the update, and a smaller accumulate takes effect at once") {
    Host on;
    Net net({.in = 6, .out = 3}, Seed{1});
    BasicSgd<Net> sgd(net, {.rate = 1.0f, .momentum = 0.0f});
    Trainer train(on, net, sgd, mean_square, {.clip_norm = 1e-3f, .accumulate = 4});
    const Net before = net;
    const Pairs batch = pairs(4, 2);
    for (int i = 0; i < 3; ++i) train.step(batch);
    CHECK(train.steps() == 0);
    train.options.accumulate = 2;
    train.step(batch);
    CHECK(train.steps() == 1);
    CHECK(train.last_norm() > 1e-3);
    CHECK(largest_difference(before, net) > 0);
    CHECK(largest_difference(before, net) <= 1e-3 * 1.001);
    CHECK_THROWS_AS(Trainer(on, net, sgd, mean_square, {.accumulate = 0}), Error);
}

TEST_CASE_TEMPLATE("a gradient that is not finite is left out when gradients are clipped", P, float,
                   Grouped<Int4Value, 8>) {
    Host on;
    Linear<P> net({.in = 6, .out = 3}, Seed{1});
    BasicSgd<Linear<P>> sgd(net, {.rate = 0.1f});
    Trainer train(on, net, sgd, mean_square, {.clip_norm = 1.0f});
    Pairs batch = pairs(4, 3);
    train.step(batch);
    const Linear<P> before = net;
    for (const float bad : {INFINITY, NAN}) {
        Pairs broken = batch;
        broken.input(1, 2) = bad;
        CHECK(!std::isfinite(train.step(broken)));
    }
    CHECK(train.skipped() == 2);
    CHECK(train.steps() == 1);
    for (std::size_t r = 0; r < 3; ++r)
        for (std::size_t c = 0; c < 6; ++c) CHECK(net.weight(r, c) == before.weight(r, c));
    CHECK(std::isfinite(train.step(batch)));
    CHECK(train.steps() == 2);
}

TEST_CASE("every step drops other elements, and a run repeats") {
    Host on;
    using Dropping = Sequential<Dropout<float>, Linear<float>>;
    const auto losses = [&] {
        Dropping net(Dropout<float>({.rate = 0.5f, .seed = 1}),
                     Linear<float>({.in = 6, .out = 3}, Seed{1}));
        BasicSgd<Dropping> sgd(net, {.rate = 0.0f});
        Trainer train(on, net, sgd, mean_square, {.accumulate = 2});
        const Pairs batch = pairs(4, 4);
        std::vector<float> found;
        for (int i = 0; i < 6; ++i) found.push_back(train.step(batch));
        return found;
    };
    const auto found = losses();
    for (std::size_t i = 0; i < found.size(); ++i)
        for (std::size_t j = 0; j < i; ++j) CHECK(found[i] != found[j]);
    CHECK(found == losses());
}
