// gradcheck passes right layers and catches wrong ones.
#include <nibble/layer/attention.hpp>
#include <nibble/layer/dropout.hpp>
#include <nibble/layer/mlp.hpp>
#include <nibble/layer/norm.hpp>
#include <nibble/layer/residual.hpp>
#include <nibble/layer/sequential.hpp>
#include <nibble/train/gradcheck.hpp>

#include <doctest/doctest.h>

using namespace nibble;

namespace {

Tensor<float> normal(Shape shape) {
    Tensor<float> x(shape);
    Host on(1);
    Random random(1);
    draw_normal(on, random, 1.0, x.view());
    return x;
}

/// A Linear with a mistake of the chosen kind.
enum class Mistake { none, weight, bias, input, nan };
template <class P, Mistake M>
struct Wrong {
    template <class Q>
    using rebind = Wrong<Q, M>;
    using Saved = typename Linear<P>::Saved;
    Linear<P> inner;
    template <class F, class... L>
    static void parameters(F&& f, L&... l) {
        f("inner", l.inner...);
    }
    Tensor<float> forward(Host& on, Tensor<float> x, Saved* saved = nullptr) const {
        return inner.forward(on, std::move(x), saved);
    }
    Tensor<float> backward(Host& on, const Saved& saved, Tensor<float> dy,
                           Wrong<float, M>& gradient) const {
        auto dx = inner.backward(on, saved, std::move(dy), gradient.inner);
        if constexpr (M == Mistake::weight) gradient.inner.weight.codes()(1, 2) *= 0.5f;
        if constexpr (M == Mistake::bias) gradient.inner.bias(0, 3) = 0.0f;
        if constexpr (M == Mistake::input) dx(1, 0) = -dx(1, 0);
        if constexpr (M == Mistake::nan) dx(1, 0) = std::nanf("");
        return dx;
    }
};

template <class P, Mistake M>
GradcheckReport check() {
    Host on(1);
    return gradcheck(on, Wrong<P, M>{Linear<P>({.in = 5, .out = 4}, Seed{1})}, normal(Shape{3, 5}));
}

}  // namespace

TEST_CASE("gradcheck accepts the library's layers") {
    Host on(1);
    const auto accept = [&](const auto& layer, Shape shape) {
        const auto report = gradcheck(on, layer, normal(shape));
        INFO(report.text());
        CHECK(report);
    };
    accept(Linear<float>({.in = 30, .out = 20}, Seed{1}), Shape{3, 30});
    accept(Mlp<float>({.in = 16, .hidden = 40}, Seed{1}), Shape{3, 16});
    accept(Mlp<float>({.in = 16, .hidden = 40, .activation = Activation::relu}, Seed{1}),
           Shape{3, 16});
    accept(GatedMlp<PerRow<Int8Value>>({.in = 16, .hidden = 40}, Seed{1}), Shape{3, 16});
    accept(LayerNorm<float>(NormConfig{.width = 33}), Shape{3, 33});
    accept(Attention<Grouped<Int4Value, 32>>({.channels = 32, .heads = 4}, Seed{1}),
           Shape{2, 5, 32});
    accept(Sequential(Residual(LayerNorm<float>(NormConfig{.width = 16}),
                               Mlp<float>({.in = 16, .hidden = 16}, Seed{1})),
                      Dropout<>({.rate = 0.5f}), Gelu<>()),
           Shape{2, 16});
}

TEST_CASE("gradcheck says what is wrong, and where") {
    CHECK(check<float, Mistake::none>());
    CHECK(check<half, Mistake::none>());
    const auto weight = check<float, Mistake::weight>();
    CHECK(!weight);
    CHECK(weight.where == "inner.weight[1, 2]");
    CHECK(weight.gradient == doctest::Approx(weight.difference / 2).epsilon(0.01));
    CHECK(weight.text().find("wrong") != std::string::npos);
    const auto bias = check<PerRow<Int8Value>, Mistake::bias>();
    CHECK(!bias);
    CHECK(bias.where == "inner.bias[0, 3]");
    const auto input = check<float, Mistake::input>();
    CHECK(!input);
    CHECK(input.where == "input[1, 0]");
    CHECK(!check<float, Mistake::nan>());
}

TEST_CASE("gradcheck passes over corners, but not when there is nothing else") {
    Host on(1);
    auto x = normal(Shape{20, 20});
    x(3, 4) = x(7, 11) = 0.0f;  // at the corner
    x(5, 6) = 1e-3f;            // near it
    const auto away = gradcheck(on, Relu<>(), x, {.samples = 400});
    INFO(away.text());
    CHECK(away);
    CHECK(away.corners == 2);
    const auto nothing = gradcheck(on, Relu<>(), Tensor<float>(Shape{4, 4}));
    CHECK(!nothing);
    CHECK(nothing.corners == 16);
}
