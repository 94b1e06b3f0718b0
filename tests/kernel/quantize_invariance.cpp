// Quantized bytes depend neither on the number of threads nor on the instruction set.
#include <doctest/doctest.h>

#include <nibble/kernel/quantize.hpp>

#include "support/values.hpp"

#include <cstring>

using namespace nibble;

namespace {

template <class F>
bool same_bytes(const Matrix<F>& a, const Matrix<F>& b) {
    const auto same = [](const auto& x, const auto& y) {
        return x.bytes() == y.bytes() &&
               (x.bytes() == 0 || std::memcmp(x.data(), y.data(), x.bytes()) == 0);
    };
    return same(a.codes(), b.codes()) && same(a.scales(), b.scales()) &&
           same(a.offsets(), b.offsets());
}

}  // namespace

TEST_CASE_TEMPLATE("results depend neither on threads nor on the instruction set", F,
                   PerTensor<fp8_e4m3>, Grouped<Int4Value, 32>, Grouped<Int8Value, 24>,
                   PerTensor<Int4Value, half, Offset::stored>, Grouped<fp4_e2m1, 32, E8M0>,
                   Grouped<Nf4, 64, float>, Grouped<Ternary, 32>, bfloat16) {
    Tensor<float> w({67, 960});
    Random random(1);
    for (std::size_t r = 0; r < 67; ++r)
        for (std::size_t k = 0; k < 960; ++k)
            w(r, k) = static_cast<float>(0.02 * test::student(random));
    for (const Calibration how : {by_absmax, by_mse, by_percentile(95.0f)}) {
        Matrix<F> one(67, 960), two(67, 960), three(67, 960);
        Host one_thread(1), two_threads(2), three_threads(3);
        quantize(one_thread, w.view(), one, ToNearest{}, how);
        quantize(two_threads, w.view(), two, ToNearest{}, how);
        quantize(three_threads, w.view(), three, ToNearest{}, how);
        CHECK(same_bytes(one, two));
        CHECK(same_bytes(one, three));
        BasicHost<isa::Scalar> plain(1);
        Matrix<F> scalar(67, 960);
        quantize(plain, w.view(), scalar, ToNearest{}, how);
        CAPTURE(to_string(spec_of<F>()));
        CHECK(same_bytes(one, scalar));
        Tensor<float> a({67, 960}), b({67, 960});
        Host on(2);
        dequantize(on, one, a.view());
        dequantize(plain, scalar, b.view());
        CHECK(std::memcmp(a.data(), b.data(), a.bytes()) == 0);
    }
    Host on(3);
    BasicHost<isa::Scalar> plain(1);
    Matrix<F> a(67, 960), b(67, 960);
    const StochasticFrom dice{Dither(1, 2, 3)};
    CHECK(store_matrix(on, w.view(), a, dice) == store_matrix(plain, w.view(), b, dice));
    CHECK(same_bytes(a, b));
    quantize(on, w.view(), b, ToNearest{}, by_absmax);
    if (bits_v<value_of<F>> < 32) CHECK_FALSE(same_bytes(a, b));
}
