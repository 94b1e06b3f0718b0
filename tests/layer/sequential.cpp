// Residual blocks and Sequential chains.
#include "check.hpp"

#include <nibble/layer/attention.hpp>
#include <nibble/layer/dropout.hpp>
#include <nibble/layer/mlp.hpp>
#include <nibble/layer/norm.hpp>
#include <nibble/layer/residual.hpp>
#include <nibble/layer/sequential.hpp>

#include <vector>

using namespace nibble;
using namespace check;

namespace {

template <class P>
using Block = Sequential<Residual<LayerNorm<P>, Attention<P>>, Residual<RmsNorm<P>, Mlp<P>>>;

template <class P>
Block<P> make_block(std::size_t channels, std::size_t heads) {
    return Block<P>({LayerNorm<P>(NormConfig{.width = channels}),
                     Attention<P>({.channels = channels, .heads = heads}, Seed{1})},
                    {RmsNorm<P>(NormConfig{.width = channels}),
                     Mlp<P>({.in = channels, .hidden = 2 * channels}, Seed{2})});
}

template <class P>
void block_in(std::size_t channels, std::size_t heads, Shape shape) {
    const reference::Heads h{shape[0], shape[1], heads, heads, channels / heads};
    check_layer(make_block<P>(channels, heads), normal(shape, 3),
                [h](const std::vector<Mat>& p, const Mat& x) {
                    const std::size_t n = h.heads * h.size;
                    const Mat qkv =
                        reference::linear(reference::layer_norm(x, p[0], p[1], 1e-5), p[2], p[3]);
                    const Mat y = reference::attention(reference::columns(qkv, 0, n),
                                                       reference::columns(qkv, n, n),
                                                       reference::columns(qkv, 2 * n, n), h);
                    const Mat a = reference::add(x, reference::linear(y, p[4], p[5]));
                    const Mat f = reference::linear(reference::rms_norm(a, p[6], 1e-5), p[7], p[8]);
                    return reference::add(
                        a, reference::linear(reference::map(f, reference::gelu), p[9], p[10]));
                },
                {.forward = 1e-5, .backward = 1e-3});
}

}  // namespace

TEST_CASE("A transformer block of Residual and Sequential") {
    block_in<float>(32, 2, Shape{2, 5, 32});
    block_in<float>(21, 3, Shape{1, 4, 21});
    block_in<Grouped<Int4Value, 32>>(32, 2, Shape{2, 3, 32});
}

TEST_CASE("A classifier of Sequential layers") {
    check_layer(Sequential(Linear<float>({.in = 20, .out = 30}, Seed{1}), Relu<>(),
                           Linear<float>({.in = 30, .out = 11}, Seed{2}), Tanh<>(),
                           Linear<float>({.in = 11, .out = 3, .bias = false}, Seed{3})),
                normal(Shape{4, 20}, 5), [](const std::vector<Mat>& p, const Mat& x) {
                    const Mat a = reference::map(reference::linear(x, p[0], p[1]), reference::relu);
                    const Mat b = reference::map(reference::linear(a, p[2], p[3]),
                                                 [](double v) { return std::tanh(v); });
                    return reference::linear(b, p[4], p[5]);
                });
}

TEST_CASE("Names are positions, also above nine") {
    const auto block = make_block<float>(8, 2);
    std::vector<std::string> names;
    static_cast<void>(parameters_of(block, &names));
    CHECK(names.front() == "0.norm.weight");
    CHECK(names[2] == "0.layer.c_attn.weight");
    CHECK(names.back() == "1.layer.c_proj.bias");
    using R = Relu<>;
    const Sequential<R, R, R, R, R, R, R, R, R, R, R, Linear<float>> deep;
    names.clear();
    static_cast<void>(parameters_of(deep, &names));
    CHECK(names[0] == "11.weight");
}

TEST_CASE("One visit reaches every layer of a model") {
    Sequential net(Dropout<>({.rate = 0.5f}),
                   Residual(LayerNorm<float>(NormConfig{.width = 4}), Dropout<>({.rate = 0.5f})));
    begin_step(net, 17);
    CHECK(net.get<0>().step == 17);
    CHECK(net.get<1>().layer.step == 17);
    const auto block = make_block<float>(8, 2);
    int layers = 0;
    for_each_layer([&](const auto&) { ++layers; }, block);
    CHECK(layers == 1 + 2 * 2 + 2 + 4);
    auto zero = block;
    clear_parameters(zero);
    for (const Mat& p : parameters_of(zero)) CHECK(rms(p) == 0);
}
