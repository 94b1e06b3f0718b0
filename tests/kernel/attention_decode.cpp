// Attention of one query over a cache in every kind of format, and rotary embedding.
#include <nibble/kernel/attention_decode.hpp>
#include <nibble/kernel/rotary.hpp>

#include <doctest/doctest.h>
#include <support/fill.hpp>

#include <vector>

using namespace nibble;
using test::noise;

namespace {

// Random codes and scales: what the cache stands for is read back with operator().
template <class F>
Matrix<F> random_cache(std::size_t rows, std::size_t cols, std::uint64_t seed) {
    using Traits = format_traits<F>;
    Matrix<F> m(rows, cols);
    Random random(seed);
    const float reach =
        std::min(4.0f, static_cast<float>(decode(value_traits<value_of<F>>::highest())));
    for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t c = 0; c < cols; ++c)
            m.codes().row(r).set(
                c, encode<value_of<F>>(reach * static_cast<float>(2.0 * random.uniform() - 1.0)));
    if constexpr (Traits::scaled)
        for (std::size_t i = 0; i < m.scales().size(); ++i)
            m.scales().data()[i] =
                encode<typename Traits::Scale>(0.2f + 0.3f * static_cast<float>(random.uniform()));
    if constexpr (Traits::has_offset)
        for (std::size_t i = 0; i < m.offsets().size(); ++i)
            m.offsets().data()[i] =
                encode<typename Traits::Scale>(static_cast<float>(random.uniform()) - 0.5f);
    return m;
}

template <class F, class A>
void check(const BasicHost<A>& on, const DecodeShape& s, std::size_t rows, std::size_t first,
           std::size_t length) {
    const std::size_t cols = s.kv_heads * s.head_size;
    const auto keys = random_cache<F>(rows, cols, 1), values = random_cache<F>(rows, cols, 2);
    const Tensor<float> q = noise(Shape{1, s.heads * s.head_size}, 3);
    Tensor<float> out(q.shape());
    for (float& x : out.units()) x = 9.0f;
    attention_decode(on, s, q, keys, values, first, length, out);
    Tensor<float> right(q.shape());
    for (std::size_t h = 0; h < s.heads; ++h) {
        const std::size_t column = h / s.group() * s.head_size;
        std::vector<double> p;
        double top = -1e300, total = 0.0;
        for (std::size_t t = first; t < length; ++t) {
            double dot = 0.0;
            for (std::size_t d = 0; d < s.head_size; ++d)
                dot += static_cast<double>(q(0, h * s.head_size + d)) *
                       static_cast<double>(keys(t % rows, column + d));
            p.push_back(dot / std::sqrt(static_cast<double>(s.head_size)));
            top = std::max(top, p.back());
        }
        for (double& x : p) total += x = std::exp(x - top);
        for (std::size_t d = 0; d < s.head_size; ++d) {
            double sum = 0.0;
            for (std::size_t i = 0; i < p.size(); ++i)
                sum += p[i] * static_cast<double>(values((first + i) % rows, column + d));
            right(0, h * s.head_size + d) = static_cast<float>(sum / total);
        }
    }
    INFO(to_string(spec_of<F>()) << " on " << A::name << ", head size " << s.head_size);
    CHECK(test::difference(out, right) < 3e-6);
    CHECK(test::padding_is_zero(out));
}

template <class F>
void check_format() {
    check<F>(Host(1), {8, 2, 64}, 300, 0, 300);
    check<F>(Host(1), {4, 4, 16}, 70, 5, 66);
    check<F>(Host(1), {6, 3, 24}, 40, 100, 131);  // a ring: rows 20 .. 39, then 0 .. 10
    check<F>(BasicHost<isa::Scalar>(1), {3, 1, 5}, 9, 0, 1);
}

}  // namespace

TEST_CASE("attention over a cache in any format") {
    check_format<float>();
    check_format<half>();
    check_format<bfloat16>();
    check_format<fp8_e4m3>();
    check_format<PerRow<fp8_e5m2>>();
    check_format<PerRow<Int8Value>>();
    check_format<Grouped<Int8Value, 32>>();
    check_format<Grouped<Int4Value, 32>>();
    check_format<Grouped<Int4Value, 8>>();
    check_format<Grouped<Int4Value, 64, half, Offset::stored>>();
}

TEST_CASE("attention over a cache does not depend on threads") {
    const DecodeShape s{8, 2, 64};
    const auto keys = random_cache<PerRow<Int8Value>>(1000, 128, 1);
    const Tensor<float> q = noise(Shape{1, 512}, 3);
    Tensor<float> out[3] = {Tensor<float>(q.shape()), Tensor<float>(q.shape()),
                            Tensor<float>(q.shape())};
    for (int threads = 1; threads <= 3; ++threads)
        attention_decode(Host(threads), s, q, keys, keys, 0, 1000, out[threads - 1]);
    CHECK(test::same_bits(out[0], out[1]));
    CHECK(test::same_bits(out[0], out[2]));
}

TEST_CASE("attention over a cache names what does not fit") {
    const Host on(1);
    const Matrix<half> cache(10, 32), narrow(10, 16);
    Tensor<float> q(Shape{1, 64}), out(Shape{1, 64});
    CHECK_THROWS_WITH_AS(attention_decode(on, {4, 2, 16}, q, cache, cache, 0, 11, out),
                         doctest::Contains("positions 0 to 11 do not fit a cache of 10"), Error);
    CHECK_THROWS_WITH_AS(attention_decode(on, {4, 2, 16}, q, cache, cache, 3, 3, out),
                         doctest::Contains("positions 3 to 3"), Error);
    CHECK_THROWS_WITH_AS(attention_decode(on, {4, 2, 16}, q, cache, narrow, 0, 5, out),
                         doctest::Contains("width of the values is 16, expected 32"), Error);
}

TEST_CASE("rotary embedding turns pairs, and back") {
    for (const bool interleaved : {false, true})
        for (const std::size_t size : {std::size_t{0}, std::size_t{6}}) {
            const RotaryShape s{3, 20, size, 10000.0, interleaved};
            const std::size_t n = s.turning(), pairs = n / 2;
            const std::vector<std::int32_t> positions{0, 1, 7, 300, 4095};
            const Tensor<float> x = noise(Shape{5, 60}, 1);
            Tensor<float> right = x;
            for (std::size_t r = 0; r < 5; ++r)
                for (std::size_t h = 0; h < 3; ++h)
                    for (std::size_t i = 0; i < pairs; ++i) {
                        const double angle =
                            positions[r] * std::pow(10000.0, -2.0 * static_cast<double>(i) /
                                                                 static_cast<double>(n));
                        const std::size_t a = h * 20 + (interleaved ? 2 * i : i);
                        const std::size_t b = h * 20 + (interleaved ? 2 * i + 1 : i + pairs);
                        const auto u = static_cast<double>(x(r, a)),
                                   v = static_cast<double>(x(r, b));
                        right(r, a) = static_cast<float>(u * std::cos(angle) - v * std::sin(angle));
                        right(r, b) = static_cast<float>(v * std::cos(angle) + u * std::sin(angle));
                    }
            Tensor<float> y = x, z = x;
            rotary(Host(2), s, y, positions);
            CHECK(test::difference(y, right) < 1e-6);
            const RotaryTable table = rotary_table(Host(1), s, 4096);
            rotary(BasicHost<isa::Scalar>(1), s, table, z, positions);
            CHECK(test::difference(z, right) < 1e-6);
            rotary(Host(1), s, table, y, positions, true);
            CHECK(test::difference(y, x) < 1e-6);
            CHECK(test::padding_is_zero(y));
        }
    const RotaryShape s{1, 8};
    Tensor<float> x(Shape{1, 8});
    const RotaryTable table = rotary_table(Host(1), s, 10);
    const std::vector<std::int32_t> far{10};
    CHECK_THROWS_WITH_AS(rotary(Host(1), s, table, x, far),
                         doctest::Contains("position 0 is 10, but the table has 10"), Error);
}
