// GPT-2 assembled from the layers: learns at every precision, decodes as it forwards.
#include <doctest/doctest.h>

#include <nibble/layer/loss.hpp>
#include <nibble/model/generate.hpp>
#include <nibble/model/gpt2.hpp>
#include <nibble/optim/adamw.hpp>
#include <nibble/train/trainer.hpp>

#include <cmath>
#include <limits>
#include <vector>

using namespace nibble;

namespace {

constexpr Gpt2Config tiny{.vocabulary = 11, .context = 16, .layers = 2, .heads = 2, .channels = 32};

struct TokenBatch {
    Tokens input;
    std::span<const std::int32_t> target;
};

/// A sequence that only position and the two tokens before can predict.
std::vector<std::int32_t> pattern(std::size_t n) {
    std::vector<std::int32_t> text(n);
    for (std::size_t i = 0; i < n; ++i)
        text[i] = static_cast<std::int32_t>((i * i + (i % 16) * 3) % 11);
    return text;
}

template <class P, class Moments>
double train(int threads, int steps, std::vector<float>* losses = nullptr) {
    Host on(threads);
    Gpt2<P> net(tiny, Seed{7});
    BasicAdamW<Gpt2<P>, Moments> adam(net, {.rate = 5e-3f, .decay = 0.0f});
    Trainer trainer(on, net, adam, cross_entropy, {.clip_norm = 1.0f});
    const auto text = pattern(16 * 8 + 1);
    const std::vector<std::int32_t> input(text.begin(), text.end() - 1);
    const std::vector<std::int32_t> target(text.begin() + 1, text.end());
    const TokenBatch batch{{input, 16}, target};
    for (int i = 0; i < steps; ++i) {
        const float loss = trainer.step(batch);
        if (losses) losses->push_back(loss);
    }
    return static_cast<double>(trainer.evaluate(batch));
}

}  // namespace

TEST_CASE_TEMPLATE("GPT-2 learns a short text without a master copy, at every precision", P, float,
                   bfloat16, half, PerRow<fp8_e4m3>, PerRow<Int8Value>, Grouped<Int4Value, 32>,
                   PerComponent<half, Grouped<Int4Value, 32>>, W4A8) {
    using Moments = std::conditional_t<std::is_same_v<P, float>, float, Grouped<Int8Value, 128>>;
    CAPTURE(parameter_bytes(Gpt2<P>(tiny)));
    CHECK(train<P, Moments>(2, 1) > 2.0);
    CHECK(train<P, Moments>(2, 150) < 1.2);
}

TEST_CASE("training is the same, bit for bit, for any number of threads") {
    std::vector<float> losses[3];
    for (int t = 1; t <= 3; ++t)
        train<Grouped<Int4Value, 32>, Grouped<Int8Value, 128>>(t, 12, &losses[t - 1]);
    CHECK(losses[0] == losses[1]);
    CHECK(losses[0] == losses[2]);
}

TEST_CASE("every precision starts from the same weights, up to rounding") {
    const Gpt2<float> exact(tiny, Seed{3});
    const Gpt2<PerRow<Int8Value>> small(tiny, Seed{3});
    CHECK(parameter_count(exact) == parameter_count(small));
    CHECK(parameter_count(exact) ==
          11 * 32 + 16 * 32 + 2 * (4 * 32 + 4 * 32 * 32 + 4 * 32 + 8 * 32 * 32 + 5 * 32) + 2 * 32);
    double worst = 0;
    const auto& a = exact.h[1].attn.c_attn.weight;
    const auto& b = small.h[1].attn.c_attn.weight;
    for (std::size_t r = 0; r < a.rows(); ++r)
        for (std::size_t k = 0; k < a.cols(); ++k)
            worst = std::fmax(worst, std::fabs(static_cast<double>(a(r, k) - b(r, k))));
    CHECK(worst < 0.08 / 127);
}

TEST_CASE_TEMPLATE("decoding a token at a time gives the logits of the whole forward pass", P,
                   float, Grouped<Int4Value, 32>) {
    Host on;
    const Gpt2<P> net(tiny, Seed{5});
    const auto text = pattern(16);
    const auto whole = net.forward(on, Tokens{text, 16});
    Session<Gpt2<P>> session(net);
    double worst = 0;
    for (std::size_t i = 0; i < 16; ++i) {
        const auto logits = session.feed(on, text[i]);
        for (std::size_t v = 0; v < 11; ++v)
            worst = std::fmax(worst, std::fabs(static_cast<double>(logits(0, v) - whole(i, v))));
    }
    CHECK(worst < 2e-5);
    CHECK(session.bytes() > 0);
    CHECK_THROWS_AS(static_cast<void>(session.feed(on, 0)), Error);
}

TEST_CASE("generation is reproducible, longer than the context if asked, and stops when told") {
    Host on;
    const Gpt2<float> net(tiny, Seed{5});
    const std::vector<std::int32_t> prompt{1, 2, 3};
    const auto text = [&](Sampling how) {
        Session<Gpt2<float>> session(net);
        std::vector<std::int32_t> made;
        generate(on, session, prompt, how, [&](std::int32_t t) {
            made.push_back(t);
            return true;
        });
        return made;
    };
    const auto greedy = text({.tokens = 40});
    CHECK(greedy.size() == 40);
    CHECK(greedy == text({.tokens = 40, .seed = 9}));
    CHECK(text({.tokens = 30, .temperature = 1.0f, .seed = 1}) ==
          text({.tokens = 30, .temperature = 1.0f, .seed = 1}));
    CHECK(text({.tokens = 30, .temperature = 1.0f, .seed = 1}) !=
          text({.tokens = 30, .temperature = 1.0f, .seed = 2}));
    CHECK(text({.tokens = 20, .temperature = 1.0f, .top_k = 1}) == text({.tokens = 20}));
    CHECK(text({.tokens = 20, .temperature = 1.0f, .top_p = 1e-6f}) == text({.tokens = 20}));
    Session<Gpt2<float>> session(net);
    int calls = 0;
    CHECK(generate(on, session, prompt, {.tokens = 40},
                   [&](std::int32_t) { return ++calls < 3; }) == 3);
    CHECK_THROWS_AS(generate(on, session, {}, {}, [](std::int32_t) { return true; }), Error);
}

TEST_CASE("sampling follows the probabilities") {
    const float logits[] = {std::log(0.5f), std::log(0.3f), std::log(0.2f)};
    Sampler sampler({.temperature = 1.0f, .seed = 4});
    int counts[3] = {};
    constexpr int draws = 30000;
    for (int i = 0; i < draws; ++i) ++counts[sampler.next(logits)];
    // Five standard deviations of a binomial count.
    const double share[] = {0.5, 0.3, 0.2};
    for (int i = 0; i < 3; ++i)
        CHECK(std::fabs(counts[i] - share[i] * draws) <
              5 * std::sqrt(draws * share[i] * (1 - share[i])));
}

TEST_CASE("sampling from logits that are not all numbers") {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    std::vector<float> logits(200, nan);
    logits[37] = 1.0f;
    logits[150] = 2.0f;
    Sampler warm({.temperature = 1.0f, .seed = 1});
    for (int i = 0; i < 50; ++i) {
        const std::int32_t token = warm.next(logits);
        CHECK((token == 37 || token == 150));
    }
    CHECK(Sampler().next(logits) == 150);
    CHECK(Sampler({.top_p = 0.5f}).next(std::vector<float>(5, nan)) == 0);
    CHECK(warm.next(std::vector<float>(5, nan)) < 5);
    CHECK_THROWS_WITH_AS(static_cast<void>(warm.next({})), "nibble: sample: there are no logits",
                         Error);
}

TEST_CASE("models of different depth are not visited in step") {
    const Gpt2<float> two(tiny);
    auto config = tiny;
    config.layers = 1;
    const Gpt2<float> one(config);
    const auto visit = [](const std::string&, auto&, auto&) {};
    CHECK_THROWS_WITH_AS(for_each_parameter(visit, two, one),
                         "nibble: layers \"h\": lists of different lengths are visited together",
                         Error);
}

TEST_CASE("GPT-2 refuses sequences that do not fit and ids that do not exist") {
    Host on;
    const Gpt2<float> net(tiny, Seed{5});
    const auto text = pattern(34);
    CHECK_THROWS_WITH_AS(
        static_cast<void>(net.forward(on, Tokens{text, 17})),
        "nibble: Gpt2: 34 ids in sequences of 17, expected whole sequences of 1 to 16", Error);
    CHECK_THROWS_AS(static_cast<void>(net.forward(on, Tokens{text, 16})), Error);
    CHECK_THROWS_AS(static_cast<void>(net.forward(on, Tokens{{}, 16})), Error);
    const std::vector<std::int32_t> bad{1, 11};
    CHECK_THROWS_AS(static_cast<void>(net.forward(on, Tokens{bad, 2})), Error);
    CHECK_THROWS_AS(
        Gpt2<float>({.vocabulary = 5, .context = 8, .layers = 1, .heads = 3, .channels = 32}),
        Error);
}
