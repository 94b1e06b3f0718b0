// fixed::Linear with activations in int8, and what its weights keep.
#include "numbers.hpp"

#include <nibble/fixed/linear.hpp>
#include <nibble/layer/linear.hpp>

#include <doctest/doctest.h>

using namespace numbers;

namespace {

template <class P, std::size_t In, std::size_t Out, class A>
void linear() {
    static fixed::Linear<P, In, Out, A> layer;
    fill_all(layer, In * 100 + Out);
    fixed::Vector<In, A> x;
    Numbers draw{In};
    for (float& v : x) v = draw();
    const auto y = layer.forward(x);
    const List wanted = product(layer.weight, x);
    INFO(In, " to ", Out, " on ", A::name);
    for (std::size_t r = 0; r < Out; ++r)
        CHECK(std::fabs(double{y[r]} - (wanted[r] + double{layer.bias[r]})) <
              2e-6 + activation_error<P> * std::sqrt(double(In)));
}

}  // namespace

TEST_CASE_TEMPLATE("Linear with activations in int8", P, W8A8, W4A8,
                   Mixed<Grouped<Int8Value, 32>, Int8Value>,
                   Mixed<Grouped<Int4Value, 16, half, Offset::stored>, Int8Value>,
                   Mixed<Grouped<Int2Value, 16>, Int8Value>, Mixed<PerRow<Ternary>, Int8Value>) {
    linear<P, 20, 3, Isa>();
    linear<P, 64, 17, Isa>();
    linear<P, 104, 9, Isa>();
}
TEST_CASE("Linear with activations in int8 without registers") {
    linear<W8A8, 40, 9, isa::Scalar>();
    linear<W4A8, 64, 9, isa::Scalar>();
}

TEST_CASE("What is stored in int8 products is off by half a step of the activations at most") {
    fixed::Linear<W8A8, 64, 32> layer;
    fill_all(layer, 1);
    fixed::Vector<64> x;
    Numbers draw{2};
    for (float& v : x) v = draw(100.0);
    const auto y = layer.forward(x);
    for (std::size_t r = 0; r < 32; ++r) {
        double wanted = double{layer.bias[r]}, room = 1e-4;
        for (std::size_t k = 0; k < 64; ++k) {
            wanted += double{layer.weight(r, k)} * double{x[k]};
            room += std::fabs(double{layer.weight(r, k)}) * 100.0 / 254;
        }
        CHECK(std::fabs(double{y[r]} - wanted) < room);
    }
    x[5] = std::nanf("");
    CHECK(std::isnan(layer.forward(x)[0]));
    x[5] = INFINITY;
    CHECK(std::isnan(layer.forward(x)[31]));
    for (float& v : x) v = 1e-38f;
    CHECK(layer.forward(x)[3] == layer.bias[3]);
}

TEST_CASE_TEMPLATE("Weights of a Matrix keep their bits", P, float, bfloat16, PerRow<Int8Value>,
                   PerTensor<Int8Value>, Grouped<Int4Value, 32>,
                   Grouped<Int4Value, 16, half, Offset::stored>, W8A8, W4A8) {
    using F = weight_t<P>;
    Host on(1);
    const nibble::Linear<P> from({.in = 48, .out = 21}, Seed{3});
    fixed::Linear<P, 48, 21> to;
    CHECK(fixed::copy_parameters(from, to));
    for (std::size_t r = 0; r < 21; ++r)
        for (std::size_t k = 0; k < 48; ++k) {
            CHECK(to.weight.code(r, k) == from.weight.codes().row(r)[k]);
            CHECK(to.weight.scale(r, k) == from.weight.scale(r, k));
            CHECK(to.weight(r, k) == from.weight(r, k));
        }
    // And give the same results, up to the order of additions and the groups of activations.
    fixed::Vector<48> x;
    Tensor<float> same(Shape{1, 48});
    Numbers draw{4};
    for (std::size_t k = 0; k < 48; ++k) same(0, k) = x[k] = draw();
    const auto y = to.forward(x);
    const auto wanted = from.forward(on, same);
    for (std::size_t r = 0; r < 21; ++r)
        CHECK(std::fabs(double{y[r]} - double{wanted(0, r)}) <= 2e-6 + activation_error<P>);
    fixed::Linear<P, 40, 21> other;
    CHECK_FALSE(fixed::copy_parameters(from, other));
    static_cast<void>(sizeof(F));
}
