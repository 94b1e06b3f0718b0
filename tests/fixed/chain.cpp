// fixed::Conv1d, Chain and the activations.
#include "numbers.hpp"

#include <nibble/fixed/activation.hpp>
#include <nibble/fixed/chain.hpp>
#include <nibble/fixed/conv1d.hpp>
#include <nibble/layer/activation.hpp>
#include <nibble/layer/linear.hpp>
#include <nibble/layer/sequential.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace numbers;

namespace {

template <class P, std::size_t In, std::size_t Out, std::size_t Kernel, std::size_t Dilation>
void conv() {
    static fixed::Conv1d<P, In, Out, Kernel, Dilation> layer;
    layer.reset();
    fill_all(layer, Kernel);
    Numbers draw{In};
    std::vector<List> past;
    for (int t = 0; t < 50; ++t) {
        fixed::Vector<In> x;
        for (float& v : x) v = draw();
        past.emplace_back(x.begin(), x.end());
        const auto y = layer.forward(x);
        List window(Kernel * In);
        for (std::size_t j = 0; j < Kernel; ++j) {
            const std::size_t back = (Kernel - 1 - j) * Dilation;
            for (std::size_t i = 0; i < In && back < past.size(); ++i)
                window[j * In + i] = past[past.size() - 1 - back][i];
        }
        const List wanted = product(layer.weight, window);
        double worst = 0;
        for (std::size_t o = 0; o < Out; ++o)
            worst = std::fmax(worst, std::fabs(double{y[o]} - wanted[o] - double{layer.bias[o]}));
        CHECK(worst < 2e-6 + activation_error<P> * 4);
    }
}

}  // namespace

TEST_CASE_TEMPLATE("Conv1d remembers the right samples", P, float, bfloat16, PerRow<Int8Value>,
                   W8A8) {
    conv<P, 1, 1, 1, 1>();
    conv<P, 1, 8, 3, 1>();
    conv<P, 16, 16, 3, 2>();
    conv<P, 5, 17, 4, 7>();
}

TEST_CASE("A Chain is the Sequential it was copied from") {
    Host on(1);
    const nibble::Sequential from(
        nibble::Linear<float>({.in = 3, .out = 16}, Seed{1}), nibble::Tanh<>(),
        nibble::Linear<float>({.in = 16, .out = 16}, Seed{2}), nibble::Relu<>(),
        nibble::Linear<float>({.in = 16, .out = 2, .bias = false}, Seed{3}));
    fixed::Chain<fixed::Linear<float, 3, 16>, fixed::Tanh, fixed::Linear<half, 16, 16>, fixed::Relu,
                 fixed::Linear<float, 16, 2>>
        to;
    CHECK(fixed::copy_parameters(from, to));
    CHECK(fixed::parameter_count(to) == 3 * 16 + 16 + 16 * 16 + 16 + 16 * 2 + 2);
    std::vector<std::string> names;
    fixed::for_each_parameter([&](const char* name, auto&) { names.push_back(name); }, to);
    CHECK(names == std::vector<std::string>{"0.weight", "0.bias", "2.weight", "2.bias", "4.weight",
                                            "4.bias"});
    Numbers draw{4};
    for (int n = 0; n < 10; ++n) {
        const float in[3] = {draw(), draw(), draw()};
        Tensor<float> x(Shape{1, 3});
        for (std::size_t k = 0; k < 3; ++k) x(0, k) = in[k];
        const auto y = to.forward(fixed::Vector<3>(in));
        const auto wanted = from.forward(on, x);
        for (std::size_t r = 0; r < 2; ++r) CHECK(std::fabs(y[r] - wanted(0, r)) < 1e-3f);
    }
}

TEST_CASE("Activations act number by number") {
    fixed::Vector<19> x;
    for (std::size_t i = 0; i < 19; ++i) x[i] = 0.7f * (static_cast<float>(i) - 9.0f);
    const auto check = [&](auto layer, auto f) {
        const auto y = layer.forward(x);
        for (std::size_t i = 0; i < 19; ++i)
            CHECK(double{y[i]} == doctest::Approx(f(double{x[i]})).epsilon(1e-5));
    };
    check(fixed::Tanh{}, [](double v) { return std::tanh(v); });
    check(fixed::Relu{}, [](double v) { return v > 0 ? v : 0; });
    check(fixed::Sigmoid{}, [](double v) { return sigmoid_of(v); });
    check(fixed::Silu{}, [](double v) { return v * sigmoid_of(v); });
    check(fixed::Gelu{}, [](double v) {
        return 0.5 * v *
               (1 + std::tanh(std::sqrt(2 / 3.14159265358979) * (v + 0.044715 * v * v * v)));
    });
}
