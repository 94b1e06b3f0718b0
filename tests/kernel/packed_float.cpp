// Float activations on packed weights, against double precision and against the plain product.
#include "matmul_reference.hpp"

#include <nibble/kernel/math.hpp>
#include <nibble/kernel/pack.hpp>
#include <nibble/kernel/packed_float.hpp>

using namespace nibble;

namespace {

template <class A, class F>
void check(std::size_t m, std::size_t n, std::size_t k, Random& random) {
    INFO(std::string(A::name), " ", to_string(spec_of<F>()), ": ", m, " x ", n, " x ", k);
    const BasicHost<A> on(1);
    const bool whole = random.below(2) == 0;
    Matrix<F> w(n, k);
    test::fill(w, random);
    const test::Exact<F> exact(w);
    const Matrix<Packed<F>> packed = pack(on, w);
    test::Window x(m, k, whole), y(m, n, whole);
    x.fill(random);
    matmul(on, packed, x.view, y.view);
    std::size_t bad = 0;
    for (std::size_t i = 0; i < m; ++i)
        for (std::size_t j = 0; j < n; ++j) {
            test::Sum sum;
            for (std::size_t l = 0; l < k; ++l) {
                sum.value += double(x.view(i, l)) * exact.value[j * k + l];
                sum.size += std::fabs(double(x.view(i, l))) * exact.size[j * k + l];
            }
            bad += sum.near(y.view(i, j), k) ? 0 : 1;
        }
    REQUIRE(bad == 0);
    REQUIRE(y.surroundings_intact());
}

// Every number of rows up to two tiles and a bit; widths around runs, chunks and lines.
template <class A, class... F>
void check_formats(TypeList<F...>) {
    Random random(21);
    constexpr std::size_t widths[] = {1, 7, 8, 24, 31, 32, 33, 40, 63, 64, 72, 96, 100, 160, 320};
    const auto each = [&]<class G>(G*) {
        for (std::size_t m = 0; m <= 27; ++m)
            check<A, G>(m, 1 + random.below(70), widths[random.below(std::size(widths))], random);
        for (const std::size_t n : {1u, 15u, 16u, 17u, 31u, 32u, 33u, 64u, 65u})
            for (const std::size_t m : {1u, 2u, 5u, 13u})
                check<A, G>(m, n, widths[random.below(std::size(widths))], random);
        for (const std::size_t k : widths)
            for (const std::size_t m : {1u, 3u, 8u, 9u, 40u}) check<A, G>(m, 20, k, random);
        check<A, G>(1, 40, 1100, random);
        check<A, G>(17, 40, 1000, random);
        check<A, G>(30, 40, 600, random);
    };
    (each(static_cast<F*>(nullptr)), ...);
}

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
    check_formats<A>(TypeList<float, half, bfloat16, fp8_e4m3, fp8_e5m2, Int8Value, Int4Value>{});
}
TEST_CASE_TEMPLATE("packed integers", A, isa::Scalar, Isa) {
    check_formats<A>(
        TypeList<PerRow<Int8Value>, PerTensor<Int8Value, float>, Grouped<Int8Value, 32>,
                 Grouped<Int4Value, 32>, Grouped<Int4Value, 128, half, Offset::stored>,
                 PerRow<Int4Value>, Grouped<Int4Value, 8>>{});
}
TEST_CASE_TEMPLATE("packed small integers and tables", A, isa::Scalar, Isa) {
    check_formats<A>(
        TypeList<Grouped<Int2Value, 32>, Grouped<Ternary, 40>, PerRow<Ternary, float>,
                 Grouped<Int2Value, 8, half, Offset::stored>, Grouped<fp4_e2m1, 32, E8M0>,
                 Grouped<Nf4, 64, float>, Grouped<fp4_e2m1, 16, fp8_e4m3>, PerRow<fp8_e4m3>,
                 PerRow<Int8Value, half, Offset::stored>>{});
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
