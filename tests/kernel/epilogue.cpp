// Epilogues: each step, chains of them, row ends, and outputs that go to int8.
#include <nibble/kernel/epilogue.hpp>
#include <nibble/kernel/math.hpp>
#include <nibble/kernel/transpose.hpp>
#include <nibble/store/tensor.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace nibble;

namespace {

/// All outputs of a product whose sums are 1000 m + n.
template <class A, class E>
void run(const E& epilogue, View<float> y) {
    using B = Batch<float, A>;
    static_assert(EpilogueOn<E, A>);
    for (std::size_t m = 0; m < y.rows; ++m)
        for (std::size_t n = 0; n < y.cols; n += B::lanes)
            finish<A>(epilogue, B::iota(static_cast<float>(1000 * m + n)), y, m, n);
}

float sum_at(std::size_t m, std::size_t n) { return static_cast<float>(1000 * m + n); }

}  // namespace

TEST_CASE_TEMPLATE("epilogues meet every output once, at every width", A, isa::Scalar, Isa) {
    for (std::size_t cols = 1; cols <= 67; ++cols) {
        Tensor<float> bias({cols}), residual({3, cols}), y({3, cols});
        // A block of columns between numbers that must stay.
        Tensor<float> wide({3, cols + 20});
        for (std::size_t n = 0; n < cols; ++n) bias(0, n) = static_cast<float>(n) * 0.5f;
        for (std::size_t m = 0; m < 3; ++m)
            for (std::size_t n = 0; n < cols; ++n)
                residual(m, n) = -static_cast<float>(m) * 7.0f - static_cast<float>(n);
        for (std::size_t m = 0; m < 3; ++m)
            for (std::size_t n = 0; n < cols + 20; ++n) wide(m, n) = 5.0f;
        run<A>(AsIs{}, wide.view().col_block(7, cols));
        for (std::size_t m = 0; m < 3; ++m)
            for (std::size_t n = 0; n < cols + 20; ++n)
                REQUIRE(wide(m, n) == (n < 7 || n >= cols + 7 ? 5.0f : sum_at(m, n - 7)));

        const auto twice = [](auto v) { return v + v; };
        run<A>(then(AddBias{bias}, Apply{twice}, AddRows{residual}), y.view());
        for (std::size_t m = 0; m < 3; ++m)
            for (std::size_t n = 0; n < cols; ++n)
                REQUIRE(y(m, n) == 2.0f * (sum_at(m, n) + bias(0, n)) + residual(m, n));
        // The residual may be the output.
        y = residual;
        run<A>(then(Apply{[](auto v) { return relu(v); }}, AddRows{y}), y.view());
        for (std::size_t m = 0; m < 3; ++m)
            for (std::size_t n = 0; n < cols; ++n)
                REQUIRE(y(m, n) == sum_at(m, n) + residual(m, n));
        for (std::size_t m = 0; m < 3; ++m)
            for (std::size_t n = cols; n < y.stride(); ++n)
                REQUIRE(y.data()[m * y.stride() + n] == 0.0f);
    }
}

TEST_CASE_TEMPLATE("outputs go to int8", A, isa::Scalar, Isa) {
    for (const std::size_t cols : {1u, 15u, 16u, 17u, 40u}) {
        Tensor<float> bias({cols});
        Tensor<Int8Value> codes({2, cols + 3});
        for (auto& c : codes.units()) c = Int8Value{77};
        for (std::size_t n = 0; n < cols; ++n) bias(0, n) = n % 5 == 4 ? NAN : -20.0f;
        const View<float> shape{nullptr, 2, cols, cols};
        run<A>(then(AddBias{bias}, Requantize{codes.view().col_block(1, cols), 0.25f}), shape);
        for (std::size_t m = 0; m < 2; ++m) {
            CHECK(codes(m, 0) == Int8Value{77});
            CHECK(codes(m, cols + 1) == Int8Value{77});
            for (std::size_t n = 0; n < cols; ++n) {
                const float exact = (sum_at(m, n) + bias(0, n)) * 0.25f;
                const float kept = std::isnan(exact) ? 0.0f : std::fmin(exact, 127.0f);
                REQUIRE(codes(m, 1 + n).code == std::nearbyint(kept));
            }
        }
        // As far below as above: -128 is never written.
        run<A>(Requantize{codes.view().col_block(1, cols), -1.0f}, shape);
        CHECK(codes(1, 1).code == -127);
    }
}
