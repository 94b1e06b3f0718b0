// Linear, its activation types, and starting weights.
#include "check.hpp"

#include <nibble/layer/linear.hpp>

#include <vector>

using namespace nibble;
using namespace check;

namespace {

const auto linear_reference = [](const std::vector<Mat>& p, const Mat& x) {
    return reference::linear(x, p[0], p[1]);
};

template <class P>
void linear_of_all_shapes() {
    check_layer(Linear<P>({.in = 64, .out = 32}, Seed{1}), normal(Shape{2, 5, 64}, 2),
                linear_reference);
    check_layer(Linear<P>({.in = 96, .out = 7}, Seed{3}), normal(Shape{3, 96}, 4),
                linear_reference);
    check_layer(Linear<P>({.in = 33, .out = 129, .bias = false}, Seed{5}), normal(Shape{1, 33}, 6),
                linear_reference);
}

}  // namespace

TEST_CASE("Linear in float") { linear_of_all_shapes<float>(); }
TEST_CASE("Linear in half and bfloat16") {
    linear_of_all_shapes<half>();
    linear_of_all_shapes<bfloat16>();
}
TEST_CASE("Linear in int8 with a scale for each row") { linear_of_all_shapes<PerRow<Int8Value>>(); }
TEST_CASE("Linear in int4 with a scale for each 32") {
    linear_of_all_shapes<Grouped<Int4Value, 32>>();
}

TEST_CASE("Linear takes a single vector") {
    Host on(1);
    const Linear<float> layer({.in = 9, .out = 4}, Seed{1});
    const auto x = normal(Shape{9}, 1);
    const auto y = layer.forward(on, x);
    CHECK(y.shape() == Shape{4});
    CHECK(distance(to_mat(y), linear_reference(parameters_of(layer), to_mat(x))) < 2e-6);
}

TEST_CASE_TEMPLATE("Activations of 16 bits halve what is kept and change little", A, half,
                   bfloat16) {
    using P = Mixed<PerRow<Int8Value>, A>;
    const double step = std::is_same_v<A, half> ? 0x1p-11 : 0x1p-8;
    Host on(1);
    const Linear<P> layer({.in = 128, .out = 65}, Seed{8});
    Linear<PerRow<Int8Value>> exact;
    exact.weight = layer.weight;
    exact.bias = layer.bias;
    const auto x = normal(Shape{16, 128}, 9);
    typename Linear<P>::Saved saved;
    typename Linear<PerRow<Int8Value>>::Saved exact_saved;
    const auto y = layer.forward(on, x, &saved);
    static_cast<void>(exact.forward(on, x, &exact_saved));
    CHECK(same_bits(y, layer.forward(on, x)));
    CHECK(2 * saved.x.bytes() == exact_saved.x.bytes());
    const double error = distance(to_mat(y), linear_reference(parameters_of(layer), to_mat(x)));
    CHECK(error > 0);
    CHECK(error < 4 * step);

    const auto dy = normal(y.shape(), 10);
    auto gradient = zeros_like<Linear<float>>(layer), exact_gradient = gradient;
    const auto dx = layer.backward(on, saved, dy, gradient);
    CHECK(same_bits(dx, exact.backward(on, exact_saved, dy, exact_gradient)));
    CHECK(distance(to_mat(gradient.weight), to_mat(exact_gradient.weight)) < 8 * step);
}

TEST_CASE("Activations of 8 bits go through the integer kernel") {
    Host on(1);
    const Linear<W8A8> layer({.in = 128, .out = 40}, Seed{11});
    const Linear<W4A8> small({.in = 128, .out = 40}, Seed{11});
    const auto x = normal(Shape{6, 128}, 12);
    const auto y = layer.forward(on, x);
    CHECK(distance(to_mat(y), linear_reference(parameters_of(layer), to_mat(x))) < 0.05);
    CHECK(distance(to_mat(small.forward(on, x)),
                   linear_reference(parameters_of(small), to_mat(x))) < 0.05);
    // Backward is that of the float path.
    typename Linear<W8A8>::Saved saved;
    CHECK(same_bits(y, layer.forward(on, x, &saved)));
    CHECK(same_bits(saved.x, x));
}

TEST_CASE("One seed gives the same weights at every precision, up to rounding") {
    const Linear<float> exact({.in = 64, .out = 16}, Seed{21});
    const Linear<half> close({.in = 64, .out = 16}, Seed{21});
    const Linear<Grouped<Int4Value, 32>> rough({.in = 64, .out = 16}, Seed{21});
    CHECK(distance(to_mat(close.weight), to_mat(exact.weight)) < 1e-3);
    CHECK(distance(to_mat(rough.weight), to_mat(exact.weight)) < 0.3);
    CHECK(same_bits(exact.bias, rough.bias));
    const Linear<float> other({.in = 64, .out = 16}, Seed{22});
    CHECK(distance(to_mat(other.weight), to_mat(exact.weight)) > 0.5);
    double largest = 0;
    for (const double w : to_mat(exact.weight).a) largest = std::max(largest, std::fabs(w));
    CHECK(largest <= 0.125);
    CHECK(largest > 0.12);
}

TEST_CASE("Normal draws have the deviation asked for and come in pairs") {
    Host on(1);
    Tensor<float> x(Shape{40, 25});
    Random random(5);
    draw_normal(on, random, 0.02, x.view());
    CHECK(rms(to_mat(x)) == doctest::Approx(0.02).epsilon(0.05));
    // An odd count drops the last sine: the next draw starts a new pair.
    Tensor<float> three(Shape{3}), two(Shape{2}), expected(Shape{2});
    Random a(9), b(9);
    draw_normal(on, a, 1.0, three.view());
    draw_normal(on, a, 1.0, two.view());
    for (int i = 0; i < 4; ++i) static_cast<void>(b.bits());
    draw_normal(on, b, 1.0, expected.view());
    CHECK(same_bits(two, expected));
}
