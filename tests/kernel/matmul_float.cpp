// Products with unscaled weights, and gradients, against double precision.
#include "matmul_reference.hpp"

#include <nibble/kernel/math.hpp>

#include <vector>

using namespace nibble;

TEST_CASE_TEMPLATE("products with unscaled weights", A, isa::Scalar, Isa) {
    test::check_formats<A>(TypeList<float, half, bfloat16, Int8Value>{});
}

TEST_CASE_TEMPLATE("gradients add to what is there", A, isa::Scalar, Isa) {
    Random random(5);
    test::for_shapes([&](std::size_t m, std::size_t n, std::size_t k) {
        test::check_gradient<A>(m, n, k, random);
    });
}

TEST_CASE("views multiply as matrices do") {
    Random random(6);
    const Host on(1);
    for (const std::size_t m : {1u, 3u, 12u}) {
        Matrix<float> w(33, 70);
        test::fill(w, random);
        Tensor<float> x({m, 70}), y({m, 33}), z({m, 33}), dx({m, 70}), dz({m, 70});
        for (std::size_t i = 0; i < m; ++i)
            for (std::size_t k = 0; k < 70; ++k) x(i, k) = static_cast<float>(random.uniform());
        matmul(on, w, x, y);
        matmul(on, w.codes(), x, z);
        matmul_transposed(on, w, y, dx);
        matmul_transposed(on, w.codes(), y, dz);
        for (std::size_t i = 0; i < m; ++i) {
            for (std::size_t n = 0; n < 33; ++n) CHECK(y(i, n) == z(i, n));
            for (std::size_t k = 0; k < 70; ++k) CHECK(dx(i, k) == dz(i, k));
        }
    }
}

TEST_CASE("shapes that do not match are named") {
    const Host on(1);
    const Matrix<float> w(5, 64);
    Tensor<float> x({2, 64}), y({2, 5}), narrow({2, 32}), dw({5, 64});
    CHECK_THROWS_WITH_AS(matmul(on, w, narrow, y), "nibble: matmul: x is [2, 32], expected [2, 64]",
                         Error);
    CHECK_THROWS_WITH_AS(matmul(on, w, x, narrow), "nibble: matmul: y is [2, 32], expected [2, 5]",
                         Error);
    CHECK_THROWS_WITH_AS(matmul_transposed(on, w, x, y),
                         "nibble: matmul_transposed: dy is [2, 64], expected [2, 5]", Error);
    CHECK_THROWS_WITH_AS(matmul_transposed(on, w, y, y),
                         "nibble: matmul_transposed: dx is [2, 5], expected [2, 64]", Error);
    CHECK_THROWS_WITH_AS(matmul_gradient(on, y, w.codes(), dw),
                         "nibble: matmul_gradient: x is [5, 64], expected [2, 64]", Error);
    CHECK_THROWS_WITH_AS(matmul_gradient(on, y, x, narrow),
                         "nibble: matmul_gradient: dw is [2, 32], expected [5, 64]", Error);
    CHECK_THROWS_WITH_AS(matmul_int8(on, Matrix<Int8Value>(5, 64), narrow, y),
                         "nibble: matmul_int8: x is [2, 32], expected [2, 64]", Error);
}

TEST_CASE_TEMPLATE("epilogues of plain products", F, float, Grouped<Int4Value, 32>) {
    Random random(9);
    const Host on(2);
    for (const std::size_t m : {1u, 3u, 4u, 30u})
        for (const std::size_t n : {1u, 50u, 131u}) {
            INFO(m, " x ", n);
            Matrix<F> w(n, 640);
            test::fill(w, random);
            test::Window x(m, 640, true), bias(1, n, true), residual(m, n, true);
            x.fill(random);
            bias.fill(random);
            residual.fill(random);
            Tensor<float> sums({m, n}), y({m, n});
            matmul(on, w, x.view, sums.view());
            const auto positive = Apply{[](auto v) { return relu(v); }};
            matmul(on, w, x.view, y.view(),
                   then(AddBias{bias.view}, positive, AddRows{residual.view}));
            for (std::size_t i = 0; i < m; ++i)
                for (std::size_t j = 0; j < n; ++j) {
                    const float v = sums(i, j) + bias.view(0, j);
                    REQUIRE(y(i, j) == (v < 0 ? 0 : v) + residual.view(i, j));
                }
            y = residual.storage;
            matmul(on, w, x.view, y.view(), AddRows{y});
            for (std::size_t i = 0; i < m; ++i)
                for (std::size_t j = 0; j < n; ++j)
                    REQUIRE(y(i, j) == sums(i, j) + residual.view(i, j));
            for (std::size_t i = 0; i < m; ++i)
                for (std::size_t j = n; j < y.stride(); ++j)
                    REQUIRE(y.data()[i * y.stride() + j] == 0.0f);
        }
}

TEST_CASE("empty products") {
    const Host on(2);
    Tensor<float> x({3, 0}), y({3, 4}), none({0, 5}), out({0, 4});
    for (std::size_t i = 0; i < 3; ++i) y(i, 1) = 5.0f;
    matmul(on, Matrix<float>(4, 0), x, y);  // a sum without terms
    for (std::size_t i = 0; i < 3; ++i)
        for (std::size_t n = 0; n < 4; ++n) CHECK(y(i, n) == 0.0f);
    matmul(on, Matrix<bfloat16>(4, 5), none, out);
    Tensor<float> dw({4, 5});
    dw(1, 2) = 3.0f;
    matmul_gradient(on, out, none, dw);
    CHECK(dw(1, 2) == 3.0f);
}

TEST_CASE("a number that is none stays in its row or column") {
    Random random(8);
    const Host on(1);
    for (const std::size_t m : {2u, 4u, 11u}) {
        Matrix<PerRow<fp8_e4m3>> w(40, 100);
        test::fill(w, random);
        Tensor<float> x({m, 100}), y({m, 40}), dx({m, 100});
        for (std::size_t i = 0; i < m; ++i)
            for (std::size_t k = 0; k < 100; ++k) x(i, k) = static_cast<float>(random.uniform());
        x(1, 99) = NAN;
        matmul(on, w, x, y);
        for (std::size_t i = 0; i < m; ++i)
            for (std::size_t n = 0; n < 40; ++n) CHECK(std::isnan(y(i, n)) == (i == 1));
        x(1, 99) = INFINITY;
        matmul(on, w, x, y);
        for (std::size_t n = 0; n < 40; ++n) CHECK(!std::isfinite(y(1, n)));
        x(1, 99) = 1.0f;
        w.codes().row(7).set(50, fp8_e4m3::from_bits(0x7F));
        matmul(on, w, x, y);
        for (std::size_t i = 0; i < m; ++i)
            for (std::size_t n = 0; n < 40; ++n) CHECK(std::isnan(y(i, n)) == (n == 7));
        Tensor<float> dy({m, 40});
        matmul_transposed(on, w, dy, dx);
        for (std::size_t i = 0; i < m; ++i)
            for (std::size_t k = 0; k < 100; ++k) CHECK(std::isnan(dx(i, k)) == (k == 50));
    }
}

namespace {

template <class F>
void threads_agree(std::size_t m, std::size_t n, std::size_t k) {
    INFO(to_string(spec_of<F>()), ": ", m, " x ", n, " x ", k);
    Random random(4);
    Matrix<F> w(n, k);
    test::fill(w, random);
    test::Window x(m, k, true), dy(m, n, true);
    x.fill(random);
    dy.fill(random);
    std::vector<Tensor<float>> first;
    for (const int threads : {1, 2, 3}) {
        const Host on(threads);
        std::vector<Tensor<float>> out{Tensor<float>({m, n}), Tensor<float>({m, k}),
                                       Tensor<float>({n, k}), Tensor<float>({m, n})};
        matmul(on, w, x.view, out[0]);
        matmul_transposed(on, w, dy.view, out[1]);
        matmul_gradient(on, dy.view, x.view, out[2]);
        if constexpr (is_integer_value<value_of<F>>) matmul_int8(on, w, x.view, out[3]);
        if (threads == 1) first = out;
        for (std::size_t i = 0; i < out.size(); ++i)
            REQUIRE(std::memcmp(out[i].data(), first[i].data(), out[i].bytes()) == 0);
    }
}

}  // namespace

TEST_CASE("results are the same for 1, 2 and 3 threads") {
    threads_agree<float>(300, 200, 290);
    threads_agree<float>(3, 3000, 300);
    threads_agree<float>(1000, 40, 300);
    threads_agree<Grouped<Int4Value, 32>>(130, 290, 320);
    threads_agree<Grouped<Int4Value, 32>>(1, 3000, 320);
}
