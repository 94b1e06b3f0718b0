// Float activations on packed weights, against double precision and against the plain product.
#include "packed_float_reference.hpp"

#include <nibble/kernel/math.hpp>

using namespace nibble;

namespace {

template <class F>
void threads_agree(std::size_t m, std::size_t n, std::size_t k) {
    INFO(to_string(spec_of<F>()), ": ", m, " x ", n, " x ", k);
    Random random(4);
    Matrix<F> w(n, k);
    test::fill(w, random);
    const auto packed = pack(Host(1), w);
    test::Window x(m, k, true);
    x.fill(random);
    Tensor<float> first;
    for (const int threads : {1, 2, 3}) {
        Tensor<float> y({m, n});
        matmul(Host(threads), packed, x.view, y.view());
        if (threads == 1) first = y;
        REQUIRE(std::memcmp(y.data(), first.data(), y.bytes()) == 0);
    }
}

}  // namespace

TEST_CASE_TEMPLATE("unscaled packed weights", A, isa::Scalar, Isa) {
    test::check_packed_formats<A>(
        TypeList<float, half, bfloat16, fp8_e4m3, fp8_e5m2, Int8Value, Int4Value>{});
}

TEST_CASE("packed products are the same for 1, 2 and 3 threads") {
    threads_agree<float>(600, 200, 290);
    threads_agree<float>(32, 700, 600);
    threads_agree<float>(1, 3000, 300);
    threads_agree<bfloat16>(3, 3000, 300);
    threads_agree<Grouped<Int4Value, 32>>(130, 290, 320);
    threads_agree<Grouped<Int4Value, 32>>(1, 6000, 320);
}

TEST_CASE("many rows of packed floats equal the plain product bit for bit") {
    Random random(7);
    const Host on(1);
    Matrix<float> w(75, 700);
    test::fill(w, random);
    const auto packed = pack(on, w);
    test::Window x(35, 700, true);
    x.fill(random);
    Tensor<float> y({35, 75}), z({35, 75});
    matmul(on, packed, x.view, y.view());
    matmul(on, w, x.view, z.view());
    CHECK(std::memcmp(y.data(), z.data(), y.bytes()) == 0);
}

TEST_CASE_TEMPLATE("epilogues of packed products", F, float, Grouped<Int4Value, 32>) {
    Random random(9);
    const Host on(1);
    for (const std::size_t m : {1u, 2u, 7u, 30u})
        for (const std::size_t n : {16u, 50u, 131u}) {
            INFO(m, " x ", n);
            Matrix<F> w(n, 672);
            test::fill(w, random);
            const auto packed = pack(on, w);
            test::Window x(m, 672, true), bias(1, n, true), residual(m, n, true);
            x.fill(random);
            bias.fill(random);
            residual.fill(random);
            Tensor<float> sums({m, n}), y({m, n});
            matmul(on, packed, x.view, sums.view());
            const auto expected = [&](std::size_t i, std::size_t j) {
                const Batch<float, isa::Scalar> v(sums(i, j) + bias.view(0, j));
                float lane[8];
                gelu(v).store(lane);
                return lane[0];
            };
            const auto steps = then(AddBias{bias.view}, Apply{[](auto v) { return gelu(v); }});
            matmul(on, packed, x.view, y.view(), then(steps, AddRows{residual.view}));
            for (std::size_t i = 0; i < m; ++i)
                for (std::size_t j = 0; j < n; ++j)
                    REQUIRE(y(i, j) ==
                            doctest::Approx(expected(i, j) + residual.view(i, j)).epsilon(1e-5));
            // The residual may be y itself.
            y = residual.storage;
            matmul(on, packed, x.view, y.view(), AddRows{y});
            for (std::size_t i = 0; i < m; ++i)
                for (std::size_t j = 0; j < n; ++j)
                    REQUIRE(y(i, j) == sums(i, j) + residual.view(i, j));
            Tensor<Int8Value> codes({m, n});
            const View<float> shape{nullptr, m, n, padded(n)};
            matmul(on, packed, x.view, shape, Requantize{codes.view(), 20.0f});
            for (std::size_t i = 0; i < m; ++i)
                for (std::size_t j = 0; j < n; ++j) {
                    const float q = std::nearbyint(sums(i, j) * 20.0f);
                    REQUIRE(codes(i, j).code == (q > 127 ? 127 : q < -127 ? -127 : q));
                }
        }
}

TEST_CASE("packed products fail on shapes that do not match, and do without elements") {
    const Host on(1);
    const Matrix<Packed<half>> w(5, 64);
    Tensor<float> x({2, 64}), y({2, 5}), narrow({2, 32});
    CHECK_THROWS_WITH_AS(matmul(on, w, narrow, y), "nibble: matmul: x is [2, 32], expected [2, 64]",
                         Error);
    CHECK_THROWS_WITH_AS(matmul(on, w, x, narrow), "nibble: matmul: y is [2, 32], expected [2, 5]",
                         Error);
    const Matrix<Packed<half>> flat(5, 0);
    Tensor<float> none({2, 0});
    y(1, 4) = 3.0f;
    matmul(on, flat, none, y);
    CHECK(y(1, 4) == 0.0f);
}

TEST_CASE("a packed product keeps numbers that are none in their rows") {
    Random random(8);
    const Host on(1);
    for (const std::size_t m : {1u, 2u, 4u, 11u}) {
        Matrix<PerRow<fp8_e4m3>> w(40, 100);
        test::fill(w, random);
        w.codes().row(7).set(50, fp8_e4m3::from_bits(0x7F));
        const auto packed = pack(on, w);
        test::Window x(m, 100, false), y(m, 40, true);
        x.fill(random);
        if (m > 1) x.view(1, 99) = NAN;
        matmul(on, packed, x.view, y.view);
        for (std::size_t i = 0; i < m; ++i)
            for (std::size_t n = 0; n < 40; ++n)
                CHECK(std::isnan(y.view(i, n)) == (i == 1 || n == 7));
    }
}
