// transform, sums, softmax, gather and scatter: every length around register and block sizes, blocks
// of columns, threads, and register widths.
#include <nibble/kernel/gather.hpp>
#include <nibble/kernel/softmax.hpp>

#include <doctest/doctest.h>
#include <support/fill.hpp>

#include <vector>

using namespace nibble;
using test::noise;

namespace {

const std::vector<std::size_t> lengths = {1,  2,  3,  7,  8,  9,  15, 16,  17,  31,  32,  33,  47,
                                          48, 63, 64, 65, 79, 80, 81, 127, 128, 129, 200, 4097};

template <class A>
void elementwise() {
    const BasicHost<A> on(2);
    for (const std::size_t n : lengths) {
        INFO(A::name << " " << n << " columns");
        const Tensor<float> x = noise(Shape{3, n}, n), z = noise(Shape{3, n}, n + 1);
        Tensor<float> y(x.shape()), right(x.shape());
        for (float& v : y.units()) v = 3.0f;  // garbage everywhere
        transform(
            on, [](auto a, auto b) { return a * b + decltype(a)(1.0f); }, y, x, z);
        for (std::size_t r = 0; r < 3; ++r)
            for (std::size_t c = 0; c < n; ++c) right(r, c) = x(r, c) * z(r, c) + 1.0f;
        CHECK(test::difference(y, right) < 1e-7);
        CHECK(test::padding_is_zero(y));
        if (n < 4) continue;
        // A block of columns: nothing around it may change.
        y = x;
        const std::size_t first = n / 4, count = n / 2;
        scale(on, 2.0f, y.view().col_block(first, count));
        bool exact = true;
        for (std::size_t r = 0; r < 3; ++r)
            for (std::size_t c = 0; c < n; ++c) {
                const bool inside = c >= first && c < first + count;
                exact = exact && y(r, c) == (inside ? 2.0f : 1.0f) * x(r, c);
            }
        CHECK(exact);
        CHECK(test::padding_is_zero(y));
    }
}

template <class A>
void sums() {
    const BasicHost<A> on(1);
    for (const std::size_t n : lengths) {
        const Tensor<float> x = noise(Shape{5, n}, n);
        double total = 0.0, squares = 0.0, ones = 0.0;
        for (std::size_t r = 0; r < 5; ++r)
            for (std::size_t c = 0; c < n; ++c) {
                total += static_cast<double>(x(r, c));
                squares += static_cast<double>(x(r, c)) * static_cast<double>(x(r, c));
                ones += 1.0;
            }
        INFO(A::name << " " << n << " columns");
        CHECK(std::fabs(sum(on, x) - total) < 1e-5 * (1.0 + std::sqrt(ones)));
        CHECK(std::fabs(sum_of_squares(on, x) - squares) < 1e-6 * squares + 1e-12);
        // The lambda's value for padding must not count.
        CHECK(sum_of(
                  on, [](auto v) { return decltype(v)(1.0f); }, x) == ones);
        CHECK(sum_of(
                  on, [](auto v) { return decltype(v)(1.0f); }, x.view().col_block(0, n)) == ones);

        Tensor<float> b = noise(Shape{n}, 7), right = b, block = b;
        for (std::size_t c = 0; c < n; ++c)
            for (std::size_t r = 0; r < 5; ++r) right(0, c) += x(r, c);
        column_sums(on, x, b);
        CHECK(test::difference(b, right) < 1e-6);
        CHECK(test::padding_is_zero(b));
        const View<const float> part{x.data(), 5, n, x.stride(),
                                     false};  // as if a block of columns
        column_sums(on, part, block);
        CHECK(test::difference(block, right) < 1e-6);
        add_row(on, b, b);
        CHECK(b(0, n - 1) == doctest::Approx(2.0f * right(0, n - 1)));
    }
}

template <class A>
void softmax_rows() {
    const BasicHost<A> on(2);
    constexpr float inf = std::numeric_limits<float>::infinity();
    for (const std::size_t n : lengths) {
        INFO(A::name << " " << n << " columns");
        const Tensor<float> x = noise(Shape{4, n}, n, 20.0), dy = noise(Shape{4, n}, n + 1);
        Tensor<float> y = x, right(x.shape()), d = dy, d_right(x.shape());
        for (std::size_t r = 0; r < 4; ++r) {
            double top = -1e300, total = 0.0, along = 0.0;
            for (std::size_t c = 0; c < n; ++c) top = std::max(top, static_cast<double>(x(r, c)));
            for (std::size_t c = 0; c < n; ++c)
                total += std::exp(static_cast<double>(x(r, c)) - top);
            auto p = [&](std::size_t c) {
                return std::exp(static_cast<double>(x(r, c)) - top) / total;
            };
            for (std::size_t c = 0; c < n; ++c) along += p(c) * static_cast<double>(dy(r, c));
            for (std::size_t c = 0; c < n; ++c) {
                right(r, c) = static_cast<float>(p(c));
                d_right(r, c) = static_cast<float>(p(c) * (static_cast<double>(dy(r, c)) - along));
            }
        }
        softmax(on, y);
        CHECK(test::difference(y, right) < 1e-6);
        CHECK(test::padding_is_zero(y));
        softmax_backward(on, y, d);
        CHECK(test::difference(d, d_right) < 1e-6);
        CHECK(test::padding_is_zero(d));
    }
    Tensor<float> x(Shape{4, 21});
    for (std::size_t c = 0; c < 21; ++c) {
        x(0, c) = -inf;                     // all masked: zeros, not NaN
        x(1, c) = c == 20 ? -5e4f : -inf;   // one left
        x(2, c) = c == 3 ? 3e38f : -3e38f;  // huge
        x(3, c) = 1e4f;
    }
    softmax(on, x);
    for (std::size_t c = 0; c < 21; ++c) {
        CHECK(x(0, c) == 0.0f);
        CHECK(x(1, c) == (c == 20 ? 1.0f : 0.0f));
        CHECK(x(2, c) == (c == 3 ? 1.0f : 0.0f));
        CHECK(x(3, c) == doctest::Approx(1.0 / 21));
    }
}

template <class F>
void gather_format() {
    for (const std::size_t n :
         {std::size_t{8}, std::size_t{64}, std::size_t{72}, std::size_t{96}}) {
        Matrix<F> table(11, n);
        for (std::size_t r = 0; r < 11; ++r)
            for (std::size_t c = 0; c < n; ++c)
                table.codes().row(r).set(
                    c, encode<value_of<F>>(static_cast<float>((r * 7 + c * 3) % 11) - 5.0f));
        if constexpr (format_traits<F>::scaled) {
            using S = typename format_traits<F>::Scale;
            for (std::size_t i = 0; i < table.scales().size(); ++i)
                table.scales().data()[i] = encode<S>(0.25f * static_cast<float>(i % 7 + 1));
            if constexpr (format_traits<F>::has_offset)
                for (std::size_t i = 0; i < table.offsets().size(); ++i)
                    table.offsets().data()[i] = encode<S>(0.5f * static_cast<float>(i % 3));
        }
        const std::vector<std::int32_t> ids{3, 10, 0, 3, 7};
        Tensor<float> y(Shape{5, n}), wider(Shape{5, n + 3});
        gather_rows(Host(2), table, ids, y);
        gather_rows(BasicHost<isa::Scalar>(1), table, ids, wider.view().col_block(2, n));
        bool exact = true;
        for (std::size_t r = 0; r < 5; ++r)
            for (std::size_t c = 0; c < n; ++c) {
                const float right = table(static_cast<std::size_t>(ids[r]), c);
                exact = exact && y(r, c) == right && wider(r, c + 2) == right;
            }
        INFO(to_string(spec_of<F>()) << " " << n << " columns");
        CHECK(exact);
        CHECK(test::padding_is_zero(y));
        CHECK(test::padding_is_zero(wider));
    }
}

}  // namespace

TEST_CASE("transform") {
    elementwise<Isa>();
    elementwise<isa::Scalar>();
}
TEST_CASE("sums") {
    sums<Isa>();
    sums<isa::Scalar>();
}
TEST_CASE("softmax and its gradient") {
    softmax_rows<Isa>();
    softmax_rows<isa::Scalar>();
}
TEST_CASE("gather rows of any format") {
    gather_format<float>();
    gather_format<bfloat16>();
    gather_format<PerRow<Int8Value>>();
    gather_format<PerTensor<fp8_e4m3>>();
    gather_format<Grouped<Int4Value, 8>>();
    gather_format<Grouped<Int4Value, 32>>();
    gather_format<Grouped<Int4Value, 24, half, Offset::stored>>();
    gather_format<Grouped<Int2Value, 32>>();
    gather_format<Grouped<fp4_e2m1, 32, E8M0>>();
}

TEST_CASE("sums and scatters do not depend on threads") {
    for (const std::size_t n : {std::size_t{65}, std::size_t{300}, std::size_t{9000}}) {
        const Tensor<float> x = noise(Shape{70, n}, n);
        std::vector<std::int32_t> ids;
        for (int i = 0; i < 70; ++i) ids.push_back(i * i % 5);  // many equal ids
        Tensor<float> columns[3], tables[3], values[3];
        double totals[3];
        for (int t = 0; t < 3; ++t) {
            const Host on(t + 1);
            columns[t] = Tensor<float>(Shape{n});
            tables[t] = Tensor<float>(Shape{5, n});
            values[t] = x;
            column_sums(on, x, columns[t]);
            scatter_add_rows(on, ids, x, tables[t]);
            transform(
                on, [](auto v) { return gelu(v); }, values[t], x);
            totals[t] = sum_of_squares(on, x);
        }
        for (int t = 1; t < 3; ++t) {
            CHECK(test::same_bits(columns[0], columns[t]));
            CHECK(test::same_bits(tables[0], tables[t]));
            CHECK(test::same_bits(values[0], values[t]));
            CHECK(totals[0] == totals[t]);
        }
        double all = 0.0, table = 0.0;
        for (std::size_t c = 0; c < n; ++c) {
            all += static_cast<double>(columns[0](0, c));
            for (std::size_t r = 0; r < 5; ++r) table += static_cast<double>(tables[0](r, c));
        }
        CHECK(all == doctest::Approx(table).epsilon(1e-3));
    }
}

TEST_CASE("what does not fit is named") {
    const Host on(1);
    Tensor<float> x(Shape{3, 8}), y(Shape{3, 9}), row(Shape{9});
    CHECK_THROWS_WITH_AS(add_to(on, x, y), doctest::Contains("an input is [3, 8], expected [3, 9]"),
                         Error);
    CHECK_THROWS_WITH_AS(column_sums(on, x, row), doctest::Contains("[1, 9], expected [1, 8]"),
                         Error);
    CHECK_THROWS_WITH_AS(softmax_backward(on, x, y), doctest::Contains("[3, 9], expected [3, 8]"),
                         Error);
    const Matrix<half> table(5, 8);
    const std::vector<std::int32_t> high{0, 1, 5}, low{0, -1, 2};
    CHECK_THROWS_WITH_AS(gather_rows(on, table, high, x),
                         doctest::Contains("id 2 is 5, but the table has 5 rows"), Error);
    CHECK_THROWS_WITH_AS(gather_rows(on, table, low, x), doctest::Contains("id 1 is -1"), Error);
    CHECK_THROWS_WITH_AS(scatter_add_rows(on, low, x, x), doctest::Contains("id 1 is -1"), Error);
}
