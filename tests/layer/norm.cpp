// Norms and activations.
#include "check.hpp"

#include <nibble/layer/activation.hpp>
#include <nibble/layer/norm.hpp>

#include <vector>

using namespace nibble;
using namespace check;

namespace {

template <class Norm>
Norm with_random_parameters(Norm norm) {
    std::uint64_t seed = 40;
    for_each_parameter(
        [&](const std::string&, Tensor<float>& p) { p = normal(p.shape(), ++seed, 0.5); }, norm);
    return norm;
}

const auto layer_norm_reference = [](const std::vector<Mat>& p, const Mat& x) {
    return reference::layer_norm(x, p[0], p[1], 1e-5);
};
const auto rms_norm_reference = [](const std::vector<Mat>& p, const Mat& x) {
    return reference::rms_norm(x, p[0], 1e-5);
};

}  // namespace

TEST_CASE("LayerNorm at even and odd widths") {
    for (const std::size_t width : {3u, 7u, 64u, 100u, 129u}) {
        CAPTURE(width);
        check_layer(with_random_parameters(LayerNorm<float>(NormConfig{.width = width})),
                    normal(Shape{2, 3, width}, width), layer_norm_reference,
                    {.forward = 1e-5, .backward = 1e-3});
    }
}

TEST_CASE("RmsNorm at even and odd widths") {
    for (const std::size_t width : {3u, 7u, 64u, 100u, 129u}) {
        CAPTURE(width);
        check_layer(with_random_parameters(RmsNorm<float>(NormConfig{.width = width})),
                    normal(Shape{2, 3, width}, width), rms_norm_reference,
                    {.forward = 1e-5, .backward = 1e-3});
    }
}

TEST_CASE("A new norm has gain 1 and bias 0, and a large mean does not disturb it") {
    Host on(1);
    const LayerNorm<float> norm(NormConfig{.width = 48});
    auto x = normal(Shape{4, 48}, 3);
    for (std::size_t r = 0; r < 4; ++r)
        for (std::size_t c = 0; c < 48; ++c) x(r, c) += 1000.0f;
    const Mat y = to_mat(norm.forward(on, x));
    CHECK(distance(y, layer_norm_reference(parameters_of(norm), to_mat(x))) < 1e-4);
}

TEST_CASE_TEMPLATE("Norms keep 16-bit activations in half the memory", A, half, bfloat16) {
    using P = Mixed<float, A>;
    const double step = std::is_same_v<A, half> ? 0x1p-11 : 0x1p-8;
    Host on(1);
    const LayerNorm<P> norm(NormConfig{.width = 64});
    const auto x = normal(Shape{5, 64}, 4);
    typename LayerNorm<P>::Saved saved;
    const auto y = norm.forward(on, x, &saved);
    CHECK(same_bits(y, norm.forward(on, x)));
    CHECK(2 * saved.x.bytes() == x.bytes());
    CHECK(distance(to_mat(y), layer_norm_reference(parameters_of(norm), to_mat(x))) < 8 * step);
    const RmsNorm<P> other(NormConfig{.width = 64});
    CHECK(distance(to_mat(other.forward(on, x)),
                   rms_norm_reference(parameters_of(other), to_mat(x))) < 8 * step);
}

namespace {

template <class Layer>
void elementwise(double (*f)(double)) {
    const auto ref = [f](const std::vector<Mat>&, const Mat& x) { return reference::map(x, f); };
    check_layer(Layer(), normal(Shape{2, 3, 33}, 11, 2.0), ref);
    check_layer(Layer(), normal(Shape{4, 128}, 12, 0.1), ref);
    check_layer(Layer(), normal(Shape{3}, 13), ref);
}

}  // namespace

TEST_CASE("Activations") {
    elementwise<Relu<>>(reference::relu);
    elementwise<Gelu<>>(reference::gelu);
    elementwise<Silu<>>(reference::silu);
    elementwise<Tanh<>>([](double x) { return std::tanh(x); });
}

TEST_CASE("Activations far out neither overflow nor lose their slope") {
    Host on(1);
    Tensor<float> x(Shape{6}), dy(Shape{6});
    const float values[] = {-1000.0f, -50.0f, 0.0f, 50.0f, 1000.0f, 3e38f};
    for (std::size_t i = 0; i < 6; ++i) {
        x(0, i) = values[i];
        dy(0, i) = 1.0f;
    }
    const auto slopes = [&]<class L>(L layer) {
        typename L::Saved saved;
        static_cast<void>(layer.forward(on, x, &saved));
        L gradient;
        return layer.backward(on, saved, dy, gradient);
    };
    for (const auto& d : {slopes(Gelu<>()), slopes(Silu<>()), slopes(Relu<>())}) {
        CHECK(d(0, 0) == 0.0f);
        CHECK(std::fabs(d(0, 1)) < 1e-18f);
        CHECK(d(0, 3) == 1.0f);
        CHECK(d(0, 4) == 1.0f);
        CHECK(d(0, 5) == 1.0f);
    }
    CHECK(slopes(Tanh<>())(0, 2) == 1.0f);
    CHECK(slopes(Tanh<>())(0, 4) == 0.0f);
}

TEST_CASE_TEMPLATE("No activation hides a NaN", A, isa::Scalar, Isa) {
    for (const Activation kind :
         {Activation::relu, Activation::gelu, Activation::silu, Activation::tanh}) {
        Tensor<float> x(Shape{1, 70});
        x(0, 3) = x(0, 69) = std::numeric_limits<float>::quiet_NaN();
        BasicHost<A> on(1);
        activate(on, kind, x.view(), x.view());
        CHECK(std::isnan(x(0, 3)));
        CHECK(std::isnan(x(0, 69)));
        CHECK(x(0, 4) == 0.0f);
    }
}
