// fixed::Linear against double on the numbers that its weights stand for.
#include "numbers.hpp"

#include <nibble/fixed/linear.hpp>

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

template <class P, class A>
void linear_of_all_sizes() {
    linear<P, 1, 16, A>();
    linear<P, 20, 1, A>();
    linear<P, 7, 9, A>();
    linear<P, 64, 40, A>();
}

}  // namespace

TEST_CASE("Linear of all kinds of sizes") {
    linear_of_all_sizes<float, Isa>();
    linear_of_all_sizes<float, isa::Scalar>();
    linear<float, 1, 1, Isa>();
    linear<float, 33, 130, Isa>();  // several tiles
}
TEST_CASE_TEMPLATE("Linear in every format", P, half, bfloat16, fp8_e4m3, PerRow<Int8Value>,
                   PerTensor<Int8Value, float>, Grouped<Int8Value, 32>, Grouped<Int4Value, 32>,
                   Grouped<Int4Value, 16, half, Offset::stored>, Grouped<fp4_e2m1, 32, E8M0>,
                   PerRow<Nf4>, Grouped<Int2Value, 16>) {
    linear<P, 20, 3, Isa>();
    linear<P, 64, 17, Isa>();
}
