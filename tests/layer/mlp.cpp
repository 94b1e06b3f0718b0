// Mlp and GatedMlp.
#include "check.hpp"

#include <nibble/layer/mlp.hpp>

#include <vector>

using namespace nibble;
using namespace check;

namespace {

template <class P>
void mlp_in(Activation kind, double (*f)(double)) {
    const auto ref = [f](const std::vector<Mat>& p, const Mat& x) {
        return reference::linear(reference::map(reference::linear(x, p[0], p[1]), f), p[2], p[3]);
    };
    check_layer(Mlp<P>({.in = 32, .hidden = 96, .activation = kind}, Seed{1}),
                normal(Shape{2, 3, 32}, 2), ref);
    check_layer(Mlp<P>({.in = 37, .hidden = 13, .out = 10, .activation = kind}, Seed{3}),
                normal(Shape{5, 37}, 4), ref);
    check_layer(Mlp<P>({.in = 64, .hidden = 64, .activation = kind, .bias = false}, Seed{5}),
                normal(Shape{3, 64}, 6), ref);
}

template <class P>
void gated_in(Activation kind, double (*f)(double)) {
    const auto ref = [f](const std::vector<Mat>& p, const Mat& x) {
        const Mat gate = reference::map(reference::linear(x, p[0], p[1]), f);
        return reference::linear(reference::multiply(gate, reference::linear(x, p[2], p[3])), p[4],
                                 p[5]);
    };
    check_layer(GatedMlp<P>({.in = 32, .hidden = 96, .activation = kind}, Seed{1}),
                normal(Shape{2, 3, 32}, 2), ref);
    check_layer(
        GatedMlp<P>({.in = 19, .hidden = 23, .out = 7, .activation = kind, .bias = true}, Seed{3}),
        normal(Shape{3, 19}, 4), ref);
}

}  // namespace

TEST_CASE("Mlp in float, with each activation") {
    mlp_in<float>(Activation::gelu, reference::gelu);
    mlp_in<float>(Activation::relu, reference::relu);
    mlp_in<float>(Activation::silu, reference::silu);
    mlp_in<float>(Activation::tanh, [](double x) { return std::tanh(x); });
}
TEST_CASE("Mlp in half, int8 and int4") {
    mlp_in<half>(Activation::gelu, reference::gelu);
    mlp_in<PerRow<Int8Value>>(Activation::gelu, reference::gelu);
    mlp_in<Grouped<Int4Value, 32>>(Activation::gelu, reference::gelu);
}
TEST_CASE("GatedMlp in float, half, int8 and int4") {
    gated_in<float>(Activation::silu, reference::silu);
    gated_in<float>(Activation::gelu, reference::gelu);
    gated_in<half>(Activation::silu, reference::silu);
    gated_in<PerRow<Int8Value>>(Activation::silu, reference::silu);
    gated_in<Grouped<Int4Value, 32>>(Activation::silu, reference::silu);
}

TEST_CASE_TEMPLATE("A 16-bit or 8-bit Mlp follows the float one", A, half, bfloat16, Int8Value) {
    Host on(1);
    using P = Mixed<PerRow<Int8Value>, A>;
    const auto x = normal(Shape{8, 64}, 30);
    const auto follow = [&](const auto& layer, const auto& exact) {
        follows(on, x, layer, exact, 0.05);
    };
    follow(Mlp<P>({.in = 64, .hidden = 96}, Seed{7}),
           Mlp<PerRow<Int8Value>>({.in = 64, .hidden = 96}));
    follow(GatedMlp<P>({.in = 64, .hidden = 96}, Seed{7}),
           GatedMlp<PerRow<Int8Value>>({.in = 64, .hidden = 96}));
}

TEST_CASE("Names, sizes and configuration follow a model to other precisions") {
    const Mlp<float> net({.in = 784, .hidden = 256, .out = 10, .activation = Activation::relu},
                         Seed{1});
    CHECK(parameter_count(net) == 784 * 256 + 256 + 256 * 10 + 10);
    std::vector<std::string> names;
    static_cast<void>(parameters_of(net, &names));
    CHECK(names ==
          std::vector<std::string>{"c_fc.weight", "c_fc.bias", "c_proj.weight", "c_proj.bias"});
    const auto small = zeros_like<Mlp<Grouped<Int4Value, 32>>>(net);
    CHECK(small.config.activation == Activation::relu);
    CHECK(small.c_fc.weight.rows() == 256);
    CHECK(parameter_bytes(small) * 5 < parameter_bytes(net));
    GatedMlp<float> gated({.in = 8, .hidden = 8});
    names.clear();
    static_cast<void>(parameters_of(gated, &names));
    CHECK(names[0] == "gate_proj.weight");
    CHECK(names[2] == "up_proj.weight");
    CHECK(names[4] == "down_proj.weight");
    CHECK(gated.up_proj.bias.empty());
}
