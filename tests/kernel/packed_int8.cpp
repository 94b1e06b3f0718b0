// Packed integer weights with int8 activations: exact sums everywhere, and the stated quantization of x.
#include <nibble/kernel/pack.hpp>
#include <nibble/kernel/packed_int8.hpp>

#include "matmul_reference.hpp"

#include <algorithm>
#include <cstring>

using namespace nibble;

namespace {

/// What matmul_int8 promises, in double precision: x as codes * scale by spans, then the products.
template <class A, class Q, class F>
void check(std::size_t m, std::size_t n, std::size_t k, Random& random) {
    INFO(std::string(A::name), " ", to_string(spec_of<F>()), ": ", m, " x ", n, " x ", k);
    const bool whole = random.below(2) == 0;
    Matrix<F> w(n, k);
    test::fill(w, random);
    const test::Exact<F> exact(w);
    test::Window x(m, k, whole), y(m, n, whole);
    x.fill(random);
    const BasicHost<A> on(1);
    test::Window from_plain(m, n, whole);
    matmul_int8<Q>(on, w, x.view, from_plain.view);
    matmul_int8<Q>(on, pack(on, w), x.view, y.view);
    for (std::size_t i = 0; i < m; ++i)
        REQUIRE(std::memcmp(&y.view(i, 0), &from_plain.view(i, 0), n * sizeof(float)) == 0);
    const std::size_t span = activation_span<Q>(w.run());
    std::size_t bad = 0;
    std::vector<double> q(k);
    for (std::size_t i = 0; i < m; ++i) {
        for (std::size_t run = 0; run < k; run += w.run())
            for (std::size_t first = run; first < run + w.run(); first += span) {
                const std::size_t end = std::min(first + span, run + w.run());
                float top = 0;
                for (std::size_t l = first; l < end; ++l)
                    top = std::max(top, std::fabs(x.view(i, l)));
                const float inverse = top > 0 ? 127.0f / top : 0.0f;
                for (std::size_t l = first; l < end; ++l)
                    q[l] = double(std::nearbyint(x.view(i, l) * inverse)) * double(top / 127.0f);
            }
        for (std::size_t j = 0; j < n; ++j) {
            test::Sum sum;
            for (std::size_t l = 0; l < k; ++l) {
                sum.value += q[l] * exact.value[j * k + l];
                sum.size += std::fabs(q[l]) * exact.size[j * k + l];
            }
            bad += sum.near(y.view(i, j), 2 * (k / 8) + 4) ? 0 : 1;
        }
    }
    REQUIRE(bad == 0);
    REQUIRE(y.surroundings_intact());
}

constexpr std::size_t row_counts[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 16, 17, 31, 40, 130};

template <class A, class Q, class... F>
void check_formats(TypeList<F...>) {
    Random random(31);
    std::size_t turn = 0;
    const auto next_rows = [&] { return row_counts[turn++ % std::size(row_counts)]; };
    for (const std::size_t k : {1u, 8u, 24u, 31u, 32u, 33u, 64u, 72u, 96u, 128u, 160u, 256u, 300u})
        for (const std::size_t n : {1u, 15u, 16u, 17u, 37u})
            (check<A, Q, F>(next_rows(), n, k, random), ...);
    for (const std::size_t m : row_counts) (check<A, Q, F>(m, 35, 256, random), ...);
}

}  // namespace

TEST_CASE("packed integer products, a scale for 32 activations") {
    check_formats<Isa, Int8Value>(
        TypeList<PerRow<Int8Value>, Grouped<Int4Value, 40>,
                 Grouped<Int4Value, 32, half, Offset::stored>, Grouped<Int2Value, 8, float>>{});
}

TEST_CASE("packed integer products, wider activation scales") {
    check_formats<Isa, Grouped<Int8Value, 64>>(
        TypeList<Grouped<Int8Value, 64, float, Offset::stored>>{});
    check_formats<Isa, PerRow<Int8Value>>(
        TypeList<PerTensor<Int8Value>, Grouped<Int4Value, 64, E8M0>>{});
}

TEST_CASE("packed integer products, scalar") {
    check_formats<isa::Scalar, Int8Value>(TypeList<PerRow<Int8Value>, Grouped<Int4Value, 40>>{});
    check_formats<isa::Scalar, PerRow<Int8Value>>(
        TypeList<Grouped<Int2Value, 32, half, Offset::stored>>{});
}

TEST_CASE_TEMPLATE("packed: extreme codes give exact sums on every instruction set", V, Int8Value,
                   Int4Value, Int2Value, Ternary) {
    Random random(17);
    std::size_t wrong = 0;
    for (const std::size_t k : {30u, 64u, 1024u})
        for (const std::size_t m : row_counts)
            for (const bool extreme : {false, true}) {
                Matrix<V> w(37, k);
                const int low = value_traits<V>::lowest().code;
                const int high = value_traits<V>::highest().code;
                for (std::size_t n = 0; n < 37; ++n)
                    for (std::size_t l = 0; l < k; ++l) {
                        const int any = low + int(random.below(std::uint64_t(high - low + 1)));
                        w.codes().row(n).set(l, V(extreme ? (n % 2 ? low : high) : any));
                    }
                Tensor<float> x({m, k}), y({m, 37}), wide({m, 37}), scalar({m, 37});
                for (std::size_t i = 0; i < m; ++i)
                    for (std::size_t l = 0; l < k; ++l)
                        x(i, l) = static_cast<float>(extreme || l % 32 == 0
                                                         ? (i % 2 ? -127 : 127)
                                                         : int(random.below(255)) - 127);
                const Host on(1);
                const auto packed = pack(on, w);
                matmul_int8(on, packed, x, y);
                matmul_int8<PerRow<Int8Value>>(on, packed, x, wide);
                matmul_int8(BasicHost<isa::Scalar>(1), packed, x, scalar);
                for (std::size_t i = 0; i < m; ++i)
                    for (std::size_t n = 0; n < 37; ++n) {
                        std::int64_t sum = 0;
                        for (std::size_t l = 0; l < k; ++l)
                            sum += std::int64_t(x(i, l)) * w.codes().row(n)[l].code;
                        const auto exact = static_cast<float>(sum);
                        wrong += y(i, n) == exact && scalar(i, n) == exact && wide(i, n) == exact
                                     ? 0
                                     : 1;
                    }
            }
    CHECK(wrong == 0);
}

TEST_CASE("packed: results do not depend on threads, nor a row's on its neighbours") {
    Random random(5);
    Matrix<Grouped<Int4Value, 32>> w(1500, 2048);
    test::fill(w, random);
    const auto packed = pack(Host(2), w);
    test::Window x(37, 2048, true), one(37, 1500, true), several(37, 1500, true);
    x.fill(random);
    matmul_int8(Host(1), packed, x.view, one.view);
    for (const int threads : {2, 3}) {
        matmul_int8(Host(threads), packed, x.view, several.view);
        CHECK(std::memcmp(one.storage.data(), several.storage.data(), one.storage.bytes()) == 0);
    }
    for (std::size_t i = 0; i < 37; i += 6) {
        Tensor<float> alone({1, 1500});
        matmul_int8(Host(1), packed, x.view.row_block(i, 1), alone);
        CHECK(std::memcmp(alone.data(), one.storage.data() + i * one.storage.stride(),
                          alone.bytes()) == 0);
    }
}

TEST_CASE("packed: epilogues, NaN in x, and shapes that do not fit") {
    const Host on(1);
    Random random(6);
    Matrix<Grouped<Int8Value, 32>> w(21, 96);
    test::fill(w, random);
    const auto packed = pack(on, w);
    test::Window x(5, 96, true), plain(5, 21, true), ended(5, 21, true);
    x.fill(random);
    Tensor<float> bias({21});
    for (std::size_t n = 0; n < 21; ++n) bias.data()[n] = float(n);
    matmul_int8(on, packed, x.view, plain.view);
    matmul_int8(
        on, packed, x.view, ended.view,
        then(AddBias{bias.view()}, Apply{[](auto v) { return max(v, decltype(v)(0.0f)); }}));
    for (std::size_t i = 0; i < 5; ++i)
        for (std::size_t n = 0; n < 21; ++n)
            CHECK(ended.view(i, n) == std::max(plain.view(i, n) + float(n), 0.0f));
    CHECK(ended.surroundings_intact());

    x.view(2, 40) = INFINITY;
    matmul_int8(on, packed, x.view, plain.view);
    for (std::size_t n = 0; n < 21; ++n) {
        CHECK(std::isnan(plain.view(2, n)));
        CHECK(std::isfinite(plain.view(3, n)));
    }
    Tensor<float> narrow({5, 95}), few({5, 20});
    CHECK_THROWS_WITH_AS(matmul_int8(on, packed, narrow, plain.view),
                         "nibble: matmul_int8: x is [5, 95], expected [5, 96]", Error);
    CHECK_THROWS_WITH_AS(matmul_int8(on, packed, x.view, few),
                         "nibble: matmul_int8: y is [5, 20], expected [5, 21]", Error);
}

TEST_CASE("packed: within a hundredth of exact arithmetic on the same weights") {
    // The relative error of a whole product, activations a scale for each 32.
    Random random(9);
    Matrix<Grouped<Int4Value, 32>> w(256, 4096);
    test::fill(w, random);
    const test::Exact<Grouped<Int4Value, 32>> exact(w);
    Tensor<float> x({4, 4096}), y({4, 256});
    for (std::size_t i = 0; i < 4; ++i)
        for (std::size_t k = 0; k < 4096; ++k) {
            double bell = -6;  // the sum of twelve is nearly normal
            for (int t = 0; t < 12; ++t) bell += random.uniform();
            x(i, k) = static_cast<float>(bell);
        }
    const auto error = [&](auto q) {
        matmul_int8<decltype(q)>(Host(1), pack(Host(1), w), x, y);
        double off = 0, size = 0;
        for (std::size_t i = 0; i < 4; ++i)
            for (std::size_t n = 0; n < 256; ++n) {
                double sum = 0;
                for (std::size_t k = 0; k < 4096; ++k)
                    sum += double(x(i, k)) * exact.value[n * 4096 + k];
                off += (double(y(i, n)) - sum) * (double(y(i, n)) - sum);
                size += sum * sum;
            }
        return std::sqrt(off / size);
    };
    CHECK(error(Int8Value{}) < 0.01);
    CHECK(error(PerRow<Int8Value>{}) < 0.02);
}
