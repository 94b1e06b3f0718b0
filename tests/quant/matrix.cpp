// Formats, and the planes of a matrix: sizes as promised, indexes as the formula says.
#include <doctest/doctest.h>

#include <nibble/quant/dispatch.hpp>
#include <nibble/quant/matrix.hpp>

#include <string>

using namespace nibble;

TEST_CASE("fitted_group: the largest multiple of 8 that divides, or the row") {
    for (std::size_t cols = 1; cols < 700; ++cols)
        for (const std::size_t group : {8u, 32u, 64u, 128u, 136u}) {
            const std::size_t g = fitted_group(cols, group);
            std::size_t expected = cols;
            for (std::size_t k = 8; k <= group && k <= cols; k += 8)
                if (cols % k == 0) expected = k;
            if (g != expected || cols % g != 0) FAIL(cols << " in groups of " << group);
        }
    CHECK(fitted_group(96, 64) == 48);
    CHECK(fitted_group(100, 32) == 100);
    CHECK(fitted_group(0, 32) == 0);
}

#if defined(__cpp_exceptions)
TEST_CASE("a group that does not divide is refused by name") {
    CHECK_NOTHROW(expect_group_divides(spec_of<Grouped<Int4Value, 32>>(), 96));
    CHECK_NOTHROW(expect_group_divides(spec_of<PerRow<Int8Value>>(), 97));
    CHECK_NOTHROW(expect_group_divides(spec_of<float>(), 97));
    CHECK_THROWS_WITH_AS(expect_group_divides(spec_of<Grouped<Int4Value, 64>>(), 96),
                         "nibble: quantize to int4-g64: groups of 64 do not divide 96 columns; a "
                         "group is a multiple of 8 that divides the row",
                         Error);
    CHECK_THROWS_AS(expect_group_divides({ValueKind::int4, Granularity::group, 12}, 96), Error);
}
#endif

namespace {

template <class F>
double bits_per_weight(std::size_t rows, std::size_t cols) {
    const Matrix<F> m(rows, cols);
    CHECK(m.bytes() == m.codes().bytes() + m.scales().bytes() + m.offsets().bytes());
    return 8.0 * static_cast<double>(m.bytes()) / static_cast<double>(m.size());
}

}  // namespace

TEST_CASE("memory is what was promised, as allocated") {
    CHECK(bits_per_weight<Grouped<Int4Value, 128>>(1024, 1024) <= 4.13);
    CHECK(bits_per_weight<Grouped<Int4Value, 128>>(1024, 1024) == 4.125);
    CHECK(bits_per_weight<Grouped<Int4Value, 32>>(1024, 1024) == 4.5);
    CHECK(bits_per_weight<Grouped<Int4Value, 32, half, Offset::stored>>(1024, 1024) == 5.0);
    CHECK(bits_per_weight<Grouped<fp4_e2m1, 32, E8M0>>(1024, 1024) == 4.25);
    CHECK(bits_per_weight<Grouped<fp4_e2m1, 16, fp8_e4m3>>(1024, 1024) == 4.5);
    CHECK(bits_per_weight<Grouped<Nf4, 64>>(1024, 1024) == 4.25);
    CHECK(bits_per_weight<Grouped<Int2Value, 32>>(1024, 1024) == 2.5);
    CHECK(bits_per_weight<PerRow<Int8Value>>(1024, 1024) == 8.0 + 16.0 / 1024);
    CHECK(bits_per_weight<float>(1024, 1024) == 32.0);
    CHECK(bits_per_weight<bfloat16>(64, 65) == 16.0 * 128 / 65);  // padding counts
}

TEST_CASE("planes: real(r, k) = code * scale(r * stride + k / run) + offset") {
    const auto check = []<class F>(FormatTag<F>, std::size_t run, std::size_t stride) {
        Matrix<F> m(3, 64);
        CHECK(m.run() == run);
        CHECK(m.scale_stride() == stride);
        CHECK(m.scales().size() == (stride == 0 ? 1 : 3 * stride));
        for (std::size_t i = 0; i < m.scales().size(); ++i) {
            m.scales().row(0).set(i, typename Matrix<F>::S(static_cast<float>(i + 1)));
            if constexpr (Matrix<F>::Traits::has_offset)
                m.offsets().row(0).set(i, typename Matrix<F>::S(static_cast<float>(i) * 100.0f));
        }
        using V = typename Matrix<F>::V;
        for (std::size_t r = 0; r < 3; ++r)
            for (std::size_t k = 0; k < 64; ++k) {
                m.codes().row(r).set(k, V(k % 3 == 0 ? -1 : 1));
                const std::size_t i = r * stride + k / run;
                const float scale = static_cast<float>(i + 1);
                const float offset =
                    Matrix<F>::Traits::has_offset ? static_cast<float>(i) * 100.0f : 0.0f;
                CHECK(m.scale(r, k) == scale);
                CHECK(m.offset(r, k) == offset);
                CHECK(m(r, k) == (k % 3 == 0 ? -scale : scale) + offset);
            }
    };
    check(FormatTag<PerTensor<Int8Value>>{}, 64, 0);
    check(FormatTag<PerRow<Int4Value, float>>{}, 64, 1);
    check(FormatTag<Grouped<Int4Value, 16>>{}, 16, 4);
    check(FormatTag<Grouped<Int2Value, 32, float, Offset::stored>>{}, 32, 2);
    check(FormatTag<PerTensor<Int8Value, half, Offset::stored>>{}, 64, 0);
}

TEST_CASE("a new matrix is all zeros, whatever its scale") {
    const auto check = []<class F>(FormatTag<F>) {
        const Matrix<F> m(2, 40);
        for (std::size_t r = 0; r < 2; ++r)
            for (std::size_t k = 0; k < 40; ++k) CHECK(m(r, k) == 0.0f);
    };
    check(FormatTag<float>{});
    check(FormatTag<Grouped<fp4_e2m1, 8, E8M0>>{});
    check(FormatTag<Grouped<Nf4, 8>>{});
    check(FormatTag<PerRow<Int8Value, half, Offset::stored>>{});
    const Matrix<PerRow<Int8Value>> none;
    CHECK(none.empty());
    CHECK(none.bytes() == 0);
}

TEST_CASE("a group that does not fit is fitted, and the spec says so") {
    const Matrix<Grouped<Int4Value, 64>> m(2, 96), whole(2, 100);
    CHECK(m.run() == 48);
    CHECK(m.runs() == 2);
    CHECK(to_string(m.spec()) == "int4-g48");
    CHECK(whole.run() == 100);
    CHECK(whole.runs() == 1);
}

TEST_CASE("precisions name formats by role") {
    static_assert(std::is_same_v<weight_t<W4A16>, Grouped<Int4Value, 64>>);
    static_assert(std::is_same_v<activation_t<W4A16>, half>);
    static_assert(std::is_same_v<weight_t<bfloat16>, bfloat16>);
    static_assert(std::is_same_v<activation_t<bfloat16>, float>);
    static_assert(
        std::is_same_v<cache_t<Mixed<half, float, PerRow<Int8Value>>>, PerRow<Int8Value>>);
    using Parts = PerComponent<half, Grouped<Int4Value, 32>>;
    static_assert(std::is_same_v<attention_t<Parts>, half>);
    static_assert(std::is_same_v<mlp_t<Parts>, Grouped<Int4Value, 32>>);
    static_assert(std::is_same_v<embedding_t<Parts>, half>);
    static_assert(Precision<Parts> && !LayerPrecision<Parts> && Precision<float>);
    static_assert(!Format<E8M0> && !Format<int> && Format<PerTensor<fp8_e4m3>>);
    static_assert(Precision<W8A8> && !Precision<int>);
}
