// What does not fit is an Error that names the layer, what it met and what it expected.
#include "check.hpp"

#include <nibble/layer/dropout.hpp>
#include <nibble/layer/embedding.hpp>
#include <nibble/layer/loss.hpp>
#include <nibble/layer/mlp.hpp>
#include <nibble/layer/norm.hpp>
#include <nibble/layer/residual.hpp>
#include <nibble/layer/split_attention.hpp>

using namespace nibble;
using namespace check;

namespace {

/// Runs f, which must fail with a message that holds every one of the texts.
template <class F, class... Text>
void fails(F f, const Text&... texts) {
    std::string message;
    try {
        f();
    } catch (const Error& e) {
        message = e.what();
    }
    INFO("message: ", message);
    for (const std::string& text : {std::string(texts)...})
        CHECK(message.find(text) != std::string::npos);
    CHECK(message.rfind("nibble: ", 0) == 0);
}

}  // namespace

TEST_CASE("A size of nothing is refused where it is given, and named") {
    fails([] { Linear<float>({.in = 0, .out = 4}); }, "Linear", "in is 0", "at least 1");
    fails([] { Linear<float>({.in = 8, .out = 0}, Seed{1}); }, "Linear", "out is 0");
    fails([] { Mlp<float>({.in = 0, .hidden = 4}); }, "Mlp", "in is 0");
    fails([] { Mlp<float>({.in = 8, .hidden = 0}, Seed{1}); }, "Mlp", "hidden is 0");
    fails([] { GatedMlp<float>({.in = 8}); }, "GatedMlp", "hidden is 0");
    fails([] { GatedMlp<float>({.in = 0, .hidden = 4}, Seed{1}); }, "GatedMlp", "in is 0");
    fails([] { Embedding<float>({.count = 0, .width = 4}); }, "Embedding", "count is 0");
    fails([] { Embedding<float>({.count = 4, .width = 0}, Seed{1}); }, "Embedding", "width is 0");
    fails([] { LayerNorm<float>(NormConfig{}); }, "LayerNorm", "width is 0");
    fails([] { RmsNorm<float>(NormConfig{}); }, "RmsNorm", "width is 0");
}

TEST_CASE("A wrong input shape names layer, shape and expectation") {
    Host on(1);
    const Linear<float> linear({.in = 8, .out = 4});
    fails(
        [&] {
            static_cast<void>(linear.forward(on, Tensor<float>(Shape{2, 9})));
        },
        "Linear", "[2, 9]", "9 features", "expected 8");
    fails([&] { static_cast<void>(linear.forward(on, Tensor<float>())); }, "Linear", "empty");
    fails(
        [&] {
            static_cast<void>(linear.forward(on, Tensor<float>(Shape{0, 8})));
        },
        "Linear", "[0, 8]", "empty");
    const Mlp<float> mlp({.in = 8, .hidden = 4});
    fails([&] { static_cast<void>(mlp.forward(on, Tensor<float>(Shape{2, 9}))); }, "Mlp", "[2, 9]");
    const GatedMlp<float> gated({.in = 8, .hidden = 4});
    fails([&] { static_cast<void>(gated.forward(on, Tensor<float>(Shape{2, 9}))); }, "GatedMlp");
    const LayerNorm<float> norm(NormConfig{.width = 8});
    fails([&] { static_cast<void>(norm.forward(on, Tensor<float>(Shape{7}))); }, "LayerNorm", "[7]",
          "expected 8");
    const RmsNorm<float> rms_norm(NormConfig{.width = 8});
    fails([&] { static_cast<void>(rms_norm.forward(on, Tensor<float>(Shape{7}))); }, "RmsNorm");
    const Attention<float> attention({.channels = 8, .heads = 2});
    fails([&] { static_cast<void>(attention.forward(on, Tensor<float>(Shape{8}))); }, "Attention",
          "[8]", "[batch, time, channels]");
    fails(
        [&] {
            static_cast<void>(attention.forward(on, Tensor<float>(Shape{1, 2, 6})));
        },
        "Attention", "[1, 2, 6]", "expected 8");
}

TEST_CASE("A wrong gradient shape too") {
    Host on(1);
    const Linear<float> linear({.in = 8, .out = 4});
    Linear<float>::Saved saved;
    static_cast<void>(linear.forward(on, normal(Shape{2, 8}, 1), &saved));
    auto gradient = zeros_like<Linear<float>>(linear);
    fails(
        [&] {
            static_cast<void>(linear.backward(on, saved, Tensor<float>(Shape{2, 5}), gradient));
        },
        "Linear", "gradient", "[2, 5]", "[2, 4]");
    const LayerNorm<float> norm(NormConfig{.width = 8});
    LayerNorm<float>::Saved kept;
    static_cast<void>(norm.forward(on, normal(Shape{2, 8}, 1), &kept));
    auto g = zeros_like<LayerNorm<float>>(norm);
    fails(
        [&] {
            static_cast<void>(norm.backward(on, kept, Tensor<float>(Shape{2, 5}), g));
        },
        "LayerNorm", "[2, 5]", "[2, 8]");
}

TEST_CASE("Ids outside the table") {
    Host on(1);
    const Embedding<float> table({.count = 65, .width = 4});
    const std::int32_t high[] = {3, 65}, low[] = {-1};
    fails([&] { static_cast<void>(table.forward(on, high)); }, "Embedding", "id 65 at position 1",
          "65");
    fails([&] { static_cast<void>(table.forward(on, low)); }, "Embedding", "id -1 at position 0");
    fails([&] { static_cast<void>(table.forward(on, {})); }, "Embedding", "no ids");
    fails(
        [&] {
            static_cast<void>(table.project(on, Tensor<float>(Shape{2, 5})));
        },
        "Embedding::project", "[2, 5]", "expected 4");
}

TEST_CASE("Configurations that do not fit together") {
    fails([] { Attention<float>({.channels = 10, .heads = 3}); }, "Attention", "10 channels",
          "3 heads");
    fails([] { Attention<float>({.channels = 12, .heads = 6, .kv_heads = 4}); }, "Attention",
          "6 heads", "4 key heads");
    fails([] { SplitAttention<float>({.channels = 9, .heads = 3, .rotary_base = 10.0f}); },
          "Attention", "heads of 3", "even");
    fails([] { Attention<float>({.channels = 0, .heads = 0}); }, "Attention", "above 0");
    fails([] { Dropout<>({.rate = 1.0f}); }, "Dropout", "rate");
    fails([] { Dropout<>({.rate = -0.1f}); }, "Dropout", "rate");
    fails([] { KvCache<float>({.capacity = 0, .head_size = 4}); }, "KvCache", "capacity 0");
    fails([] { KvCache<float>({.capacity = 3}); }, "KvCache", "heads of 0");
}

TEST_CASE("A cache that does not fit") {
    Host on(1);
    const Attention<float> layer({.channels = 8, .heads = 2});
    KvCache<float> other({.capacity = 4, .heads = 2, .head_size = 3});
    fails(
        [&] {
            static_cast<void>(layer.forward(on, Tensor<float>(Shape{1, 8}), other));
        },
        "Attention", "cache has 2 heads of 3", "expected 2 of 4");
    auto cache = layer.cache(4);
    fails(
        [&] {
            static_cast<void>(layer.forward(on, Tensor<float>(Shape{2, 1, 8}), cache));
        },
        "Attention", "batch of 2");
}

TEST_CASE("A residual layer that changes the shape, and losses of unequal shapes") {
    Host on(1);
    const Residual block(LayerNorm<float>(NormConfig{.width = 8}),
                         Linear<float>({.in = 8, .out = 4}));
    fails(
        [&] {
            static_cast<void>(block.forward(on, Tensor<float>(Shape{2, 8})));
        },
        "Residual", "[2, 4]", "[2, 8]");
    Tensor<float> gradient;
    fails(
        [&] {
            mean_square(on, Tensor<float>(Shape{2, 3}), Tensor<float>(Shape{2, 4}), gradient);
        },
        "[2, 4]", "[2, 3]");
    const std::int32_t target[] = {0, 3};
    fails([&] { cross_entropy(on, Tensor<float>(Shape{2, 3}), target, gradient); }, "3");
}
