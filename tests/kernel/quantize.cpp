// Quantization: every format by every calibration. Error bounds, the smaller error that searching
// must give, runs of zeros and of odd sizes, numbers at both ends of the range, NaN and infinity, and
// results that depend neither on threads nor on the instruction set.
#include <doctest/doctest.h>

#include <nibble/kernel/quantize.hpp>
#include <nibble/quant/dispatch.hpp>

#include "support/values.hpp"

#include <cstring>
#include <string>
#include <vector>

using namespace nibble;

#define EVERY_FORMAT                                                                               \
    PerTensor<fp8_e4m3>, PerRow<fp8_e5m2>, PerTensor<Int8Value>, PerRow<Int8Value, float>,         \
        Grouped<Int8Value, 8>, Grouped<Int4Value, 32>, Grouped<Int4Value, 24>,                     \
        Grouped<Int4Value, 32, E8M0>, Grouped<Int4Value, 64, half, Offset::stored>,                \
        Grouped<Int4Value, 24, float, Offset::stored>, PerTensor<Int4Value, half, Offset::stored>, \
        Grouped<fp4_e2m1, 32, E8M0>, Grouped<fp4_e2m1, 16, fp8_e4m3>, Grouped<Nf4, 64>,            \
        Grouped<Int2Value, 32>, Grouped<Ternary, 32>, PerRow<bfloat16>

namespace {

enum class Shape_ { normal, student, uniform };

Tensor<float> numbers(std::size_t rows, std::size_t cols, Shape_ kind, double size = 0.02,
                      std::uint64_t seed = 1) {
    Tensor<float> t({rows, cols});
    Random random(seed);
    for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t k = 0; k < cols; ++k)
            t(r, k) =
                static_cast<float>(size * (kind == Shape_::normal    ? test::normal(random)
                                           : kind == Shape_::student ? test::student(random)
                                                                     : random.uniform() - 0.3));
    return t;
}

template <class F>
double squared_error(const Tensor<float>& w, const Matrix<F>& q) {
    double sum = 0;
    for (std::size_t r = 0; r < w.rows(); ++r)
        for (std::size_t k = 0; k < w.cols(); ++k) {
            const double e = static_cast<double>(w(r, k)) - static_cast<double>(q(r, k));
            sum += e * e;
        }
    return sum;
}

template <class F>
Matrix<F> quantized(const Tensor<float>& w, Calibration how, int threads = 1) {
    Host on(threads);
    Matrix<F> q(w.rows(), w.cols());
    quantize(on, w.view(), q, ToNearest{}, how);
    return q;
}

template <class F>
bool same_bytes(const Matrix<F>& a, const Matrix<F>& b) {
    const auto same = [](const auto& x, const auto& y) {
        return x.bytes() == y.bytes() &&
               (x.bytes() == 0 || std::memcmp(x.data(), y.data(), x.bytes()) == 0);
    };
    return same(a.codes(), b.codes()) && same(a.scales(), b.scales()) &&
           same(a.offsets(), b.offsets());
}

/// The widest distance between neighbouring numbers of V, halved: the error of a number in range.
template <class V>
double half_step(double x) {
    const auto& n = test::numbers<V>();
    if (x <= n.front().x) return test::slack_below<V>();
    if (x >= n.back().x) return test::slack_above<V>();
    std::size_t i = 0;
    while (n[i + 1].x < x) ++i;
    return (n[i + 1].x - n[i].x) / 2;
}

template <class F>
constexpr bool is_finite_plane(const Matrix<F>& q) {
    for (std::size_t i = 0; i < q.scales().size(); ++i)
        if (!std::isfinite(decode(q.scales().data()[i]))) return false;
    for (std::size_t i = 0; i < q.offsets().size(); ++i)
        if (!std::isfinite(decode(q.offsets().data()[i]))) return false;
    return true;
}

const Calibration every_way[] = {by_absmax, by_mse, by_percentile(95.0f), by_percentile(100.0f)};

}  // namespace

TEST_CASE_TEMPLATE("each number is the nearest its scale allows", F, EVERY_FORMAT) {
    using V = value_of<F>;
    for (const Shape_ kind : {Shape_::normal, Shape_::student, Shape_::uniform})
        for (const Calibration how : every_way) {
            const auto w = numbers(3, 192, kind);
            const Matrix<F> q = quantized<F>(w, how);
            const auto& n = test::numbers<V>();
            int wrong = 0, clipped = 0;
            for (std::size_t r = 0; r < w.rows(); ++r)
                for (std::size_t k = 0; k < w.cols(); ++k) {
                    const double s = static_cast<double>(q.scale(r, k));
                    const double o = static_cast<double>(q.offset(r, k));
                    const double y = (static_cast<double>(w(r, k)) - o) / s;
                    const double code = test::number(q.codes().row(r)[k]);
                    const bool out = y > n.back().x + test::slack_above<V>() ||
                                     y < n.front().x - test::slack_below<V>();
                    const double end = y > 0 ? n.back().x : n.front().x;
                    clipped += out ? 1 : 0;
                    wrong += out ? code != end
                                 : std::abs(code - y) > half_step<V>(y) + 1e-6 * (1 + std::abs(y));
                }
            CAPTURE(to_string(spec_of<F>()));
            CHECK(wrong == 0);
            if (how.method == Calibration::Method::absmax || how.percentile == 100.0f)
                if (how.method != Calibration::Method::mse) CHECK(clipped == 0);
        }
}

TEST_CASE_TEMPLATE("searching is never worse than the absolute maximum, in any run", F,
                   EVERY_FORMAT) {
    for (const Shape_ kind : {Shape_::normal, Shape_::student, Shape_::uniform}) {
        const auto w = numbers(4, 384, kind, 0.02, 9);
        const auto a = quantized<F>(w, by_absmax), b = quantized<F>(w, by_mse);
        const std::size_t run = spec_of<F>().granularity == Granularity::tensor ? 384 : a.run();
        double all_a = 0, all_b = 0;
        for (std::size_t r = 0; r < 4; ++r)
            for (std::size_t first = 0; first < 384; first += run) {
                double ea = 0, eb = 0;
                for (std::size_t k = first; k < first + run; ++k) {
                    ea += std::pow(static_cast<double>(w(r, k)) - static_cast<double>(a(r, k)), 2);
                    eb += std::pow(static_cast<double>(w(r, k)) - static_cast<double>(b(r, k)), 2);
                }
                all_a += ea;
                all_b += eb;
                if (spec_of<F>().granularity != Granularity::tensor) CHECK(eb <= ea * (1 + 1e-5));
            }
        CHECK(all_b <= all_a * (1 + 1e-5));
    }
}

TEST_CASE_TEMPLATE("searching is strictly better on normal and on heavy-tailed weights", F,
                   Grouped<Int4Value, 32>, Grouped<Int4Value, 64>, Grouped<Int4Value, 128>,
                   PerRow<Int4Value>, PerTensor<Int4Value>,
                   Grouped<Int4Value, 32, half, Offset::stored>, Grouped<Int2Value, 32>,
                   Grouped<Ternary, 32>, Grouped<Nf4, 64>, Grouped<fp4_e2m1, 32, E8M0>,
                   Grouped<fp4_e2m1, 32>, Grouped<Int8Value, 32>) {
    CHECK(default_calibration<Grouped<Int4Value, 32>>().method == Calibration::Method::mse);
    CHECK(default_calibration<PerRow<Int8Value>>().method == Calibration::Method::absmax);
    for (const Shape_ kind : {Shape_::normal, Shape_::student}) {
        const auto w = numbers(16, 512, kind);
        const double absmax = squared_error(w, quantized<F>(w, by_absmax));
        const double mse = squared_error(w, quantized<F>(w, by_mse));
        CAPTURE(to_string(spec_of<F>()));
        CAPTURE(absmax / mse);
        CHECK(mse < absmax);
        if (bits_v<value_of<F>> <= 4 && is_integer_value<value_of<F>> &&
            !format_traits<F>::has_offset)
            CHECK(mse < 0.8 * absmax);
    }
}

TEST_CASE("percentile: the exact nearest rank of the magnitudes") {
    Random random(4);
    std::vector<float> x(997);
    for (float& v : x) v = static_cast<float>(test::student(random));
    std::vector<float> sorted;
    for (const float v : x) sorted.push_back(std::abs(v));
    std::sort(sorted.begin(), sorted.end());
    for (const float p : {0.01f, 1.0f, 50.0f, 99.0f, 99.9f, 100.0f}) {
        auto rank = static_cast<std::size_t>(std::ceil(static_cast<double>(p) / 100 * 997));
        rank = rank == 0 ? 1 : rank;
        CHECK(magnitude_percentile(x.size(), p, [&](auto f) {
                  f(x.data(), 500);
                  f(x.data() + 500, 497);
              }) == sorted[rank - 1]);
    }
    // The scale covers the percentile, and what lies above is clipped and counted.
    Host on(1);
    Tensor<float> w({1, 200});
    for (std::size_t k = 0; k < 200; ++k)
        w(0, k) = static_cast<float>(k + 1) * (k % 2 ? 1.0f : -1.0f);
    Matrix<PerRow<Int8Value, float>> q(1, 200);
    const Clipped clipped = quantize(on, w.view(), q, ToNearest{}, by_percentile(90.0f));
    CHECK(q.scale(0, 0) == 180.0f / 127.0f);
    CHECK(clipped == Clipped{19, 0});  // ten above 127.5 steps, nine below -128.5
    CHECK(q(0, 199) == q.scale(0, 0) * 127.0f);
    CHECK(q(0, 198) == q.scale(0, 0) * -128.0f);
}

TEST_CASE_TEMPLATE("zeros, constants, one number that stands out", F, EVERY_FORMAT) {
    Host on(1);
    for (const Calibration how : every_way) {
        Tensor<float> w({5, 96});
        for (std::size_t k = 0; k < 96; ++k) {
            w(1, k) = 0.37f;
            w(2, k) = -1000.0f;
            w(4, k) = k % 24 == 3 ? 5.0f : 0.0f;
        }
        Matrix<F> q(5, 96);
        for (std::size_t i = 0; i < q.codes().units().size_bytes(); ++i)
            reinterpret_cast<unsigned char*>(q.codes().data())[i] = 0x11;  // what was there before
        quantize(on, w.view(), q, ToNearest{}, how);
        CHECK(is_finite_plane(q));
        CAPTURE(to_string(spec_of<F>()));
        const bool tensor = spec_of<F>().granularity == Granularity::tensor;
        for (std::size_t k = 0; k < 96; ++k) {
            if (!format_traits<F>::has_offset || !tensor) {
                CHECK(q(0, k) == 0.0f);
                CHECK(q(3, k) == 0.0f);
            }
            if (tensor) continue;
            const bool power = std::is_same_v<typename format_traits<F>::Scale, E8M0>;
            CHECK(std::abs(q(1, k) - 0.37f) < (power ? 0.1f : 0.02f));
            CHECK(std::abs(q(2, k) + 1000.0f) < (power ? 300.0f : 70.0f));
        }
    }
}

TEST_CASE_TEMPLATE("magnitudes at both ends of float", F, EVERY_FORMAT) {
    using S = typename format_traits<F>::Scale;
    Host on(1);
    for (const double size : {1e-44, 1e-38, 1e-30, 1e-12, 1e-6, 1e30, 3e37})
        for (const Calibration how : every_way) {
            const auto w = numbers(2, 96, Shape_::uniform, size);
            Matrix<F> q(2, 96);
            const Clipped clipped = quantize(on, w.view(), q, ToNearest{}, how);
            CAPTURE(to_string(spec_of<F>()));
            CAPTURE(size);
            CHECK(is_finite_plane(q));
            CHECK(clipped.nan == 0);
            double most = 0, error = 0;
            for (std::size_t r = 0; r < 2; ++r)
                for (std::size_t k = 0; k < 96; ++k) {
                    CHECK(std::isfinite(q(r, k)));
                    most = std::max(most, std::abs(static_cast<double>(w(r, k))));
                    error = std::max(error, std::abs(static_cast<double>(w(r, k)) -
                                                     static_cast<double>(q(r, k))));
                }
            // A scale of 32 bits or E8M0 follows the numbers anywhere; smaller ones end somewhere.
            if (std::is_same_v<S, float> && size > 1e-37 &&
                how.method == Calibration::Method::absmax)
                CHECK(error <= most / 3);
            if (size < 1e-8)
                CHECK(error <= most * 1.01 + (std::is_same_v<S, fp8_e4m3> ? 4e-3 : 1e-38));
            if (std::is_same_v<S, half> && size == 1e30 && bits_v<value_of<F>> <= 8)
                CHECK(clipped.saturated > 150);
        }
}

TEST_CASE_TEMPLATE("NaN becomes zero, infinity the end of the range, and both are counted", F,
                   EVERY_FORMAT) {
    Host on(1);
    constexpr float inf = std::numeric_limits<float>::infinity();
    constexpr float nan = std::numeric_limits<float>::quiet_NaN();
    for (const Calibration how : every_way) {
        auto w = numbers(3, 96, Shape_::normal);
        Matrix<F> clean(3, 96), q(3, 96);
        // Zeros where the calibration will see none: the same scales are expected.
        for (const std::size_t k : {5u, 40u, 95u}) w(1, k) = 0.0f;
        const Clipped before = quantize(on, w.view(), clean, ToNearest{}, how);
        w(1, 5) = nan;
        w(1, 40) = inf;
        w(1, 95) = -inf;
        const Clipped after = quantize(on, w.view(), q, ToNearest{}, how);
        CAPTURE(to_string(spec_of<F>()));
        CHECK(after.nan == 1);
        CHECK(after.saturated >= before.saturated + 2);
        CHECK(is_finite_plane(q));
        for (std::size_t r = 0; r < 3; ++r)
            for (std::size_t k = 0; k < 96; ++k) {
                CHECK(std::isfinite(q(r, k)));
                if (r != 1 || (k != 5 && k != 40 && k != 95)) CHECK(q(r, k) == clean(r, k));
            }
        const float step =
            std::abs(q.scale(1, 5)) * static_cast<float>(half_step<value_of<F>>(0.0));
        CHECK(std::abs(q(1, 5)) <= (format_traits<F>::has_offset ? 2 * step + 1e-4f : 0.0f));
        if (bits_v<value_of<F>> <= 8) {
            const auto high = decode(value_traits<value_of<F>>::highest());
            const auto low = decode(value_traits<value_of<F>>::lowest());
            const float top = test::number(q.codes().row(1)[40]) == high ? high : low;
            CHECK(test::number(q.codes().row(1)[40]) == top);
            CHECK(q(1, 40) > 0.0f);
            CHECK(q(1, 95) < 0.0f);
        }
        // Nothing but NaN and infinity in a row: zeros.
        Tensor<float> none({1, 96});
        for (std::size_t k = 0; k < 96; ++k)
            none(0, k) = k % 3 == 0 ? nan : k % 3 == 1 ? inf : -inf;
        Matrix<F> empty(1, 96);
        CHECK(quantize(on, none.view(), empty, ToNearest{}, how).nan == 32);
        for (std::size_t k = 0; k < 96; k += 3) CHECK(empty(0, k) == 0.0f);
    }
}

TEST_CASE_TEMPLATE("bare values store what their encode makes of a number", V, float, half,
                   bfloat16, fp8_e4m3, fp8_e5m2, fp4_e2m1, Nf4, Int8Value, Int4Value, Int2Value,
                   Ternary) {
    Host on(1);
    auto w = numbers(2, 70, Shape_::student, 3.0);
    w(0, 3) = std::numeric_limits<float>::quiet_NaN();
    w(0, 4) = -std::numeric_limits<float>::infinity();
    w(1, 69) = 1e38f;
    Matrix<V> q(2, 70);
    const Dither dither(7, 1);
    const Clipped near = quantize(on, w.view(), q);
    Clipped expected;
    int wrong = 0;
    for (std::size_t r = 0; r < 2; ++r)
        for (std::size_t k = 0; k < 70; ++k)
            wrong += test::bits_of(q.codes().row(r)[k]) !=
                     test::bits_of(encode<V>(w(r, k), ToNearest{}, expected));
    CHECK(wrong == 0);
    CHECK(near == expected);
    quantize(on, w.view(), q, StochasticFrom{dither});
    for (std::size_t r = 0; r < 2; ++r)
        for (std::size_t k = 0; k < 70; ++k)
            wrong += test::bits_of(q.codes().row(r)[k]) !=
                     test::bits_of(encode<V>(w(r, k), Stochastic{dither(r * 70 + k)}));
    CHECK(wrong == 0);
}

TEST_CASE_TEMPLATE("what was quantized is quantized to itself", F, EVERY_FORMAT) {
    Host on(1);
    if (format_traits<F>::has_offset) return;  // an offset rounds the ends of the range
    const auto w = numbers(4, 384, Shape_::normal, 3.0);
    const auto q = quantized<F>(w, by_absmax);
    Tensor<float> x({4, 384}), y({4, 384});
    dequantize(on, q, x.view());
    const auto again = quantized<F>(x, by_absmax);
    dequantize(on, again, y.view());
    CAPTURE(to_string(spec_of<F>()));
    CHECK(std::memcmp(x.data(), y.data(), x.bytes()) == 0);
    // Codes and scales too, where the largest number always has the largest code.
    if (!std::is_same_v<typename format_traits<F>::Scale, E8M0> &&
        !std::is_same_v<typename format_traits<F>::Scale, fp8_e4m3>)
        CHECK(same_bytes(q, again));
}

TEST_CASE_TEMPLATE("rows: any width, any source, padding stays zero", F, EVERY_FORMAT, float, half,
                   Int4Value) {
    Host on(1);
    for (const std::size_t cols : {1u, 7u, 8u, 15u, 33u, 40u, 63u, 64u, 65u, 100u, 192u, 1000u}) {
        const auto wide = numbers(2, cols + 5, Shape_::normal);
        const View<const float> block = wide.view().col_block(3, cols);
        Matrix<F> q(2, cols);
        quantize(on, block, q);
        const auto* bytes = reinterpret_cast<const unsigned char*>(q.codes().data());
        const std::size_t row_bytes = q.codes().bytes() / 2;
        const std::size_t used = units_for<value_of<F>>(cols) * sizeof(unit_t<value_of<F>>);
        std::size_t left = 0;
        for (std::size_t r = 0; r < 2; ++r)
            for (std::size_t i = used; i < row_bytes; ++i) left += bytes[r * row_bytes + i];
        if (values_per_unit<value_of<F>> == 2 && cols % 2 == 1) left += bytes[used - 1] >> 4;
        CAPTURE(cols);
        CHECK(left == 0);

        Tensor<float> out({2, cols}), larger({2, cols + 5});
        for (float& x : out.units()) x = 99.0f;
        for (float& x : larger.units()) x = 99.0f;
        dequantize(on, q, out.view());
        dequantize(on, q, larger.view().col_block(3, cols));
        int wrong = 0;
        for (std::size_t r = 0; r < 2; ++r) {
            for (std::size_t k = 0; k < cols; ++k) {
                wrong += std::abs(out(r, k) - q(r, k)) > 1e-6f * std::abs(q(r, k));
                wrong += larger(r, k + 3) != out(r, k);
            }
            for (std::size_t k = cols; k < out.stride(); ++k)
                wrong += out.data()[r * out.stride() + k] != 0;
            wrong += larger(r, 2) != 99.0f || larger(r, cols + 3) != 99.0f;
        }
        CHECK(wrong == 0);
    }
}

TEST_CASE_TEMPLATE("stochastic storing is unbiased", F, Grouped<Int4Value, 32>, PerRow<Int8Value>,
                   Grouped<Nf4, 64>, Grouped<fp4_e2m1, 32, E8M0>, PerRow<fp8_e4m3>,
                   PerTensor<Int8Value>, bfloat16) {
    // Each number's mean over 4,000 steps lies within six of its standard deviations of at most half
    // a step / sqrt(4000): a false alarm once in about a million runs of this test's 128 means.
    Host on(1);
    const auto w = numbers(1, 128, Shape_::normal, 0.5);
    std::vector<double> mean(128);
    Matrix<F> q(1, 128);
    constexpr int steps = 4000;
    for (int s = 0; s < steps; ++s) {
        store_matrix(on, w.view(), q, StochasticFrom{Dither(3, static_cast<std::uint64_t>(s))});
        for (std::size_t k = 0; k < 128; ++k) mean[k] += static_cast<double>(q(0, k)) / steps;
    }
    using V = value_of<F>;
    for (std::size_t k = 0; k < 128; ++k) {
        const double s = static_cast<double>(std::abs(q.scale(0, k)));
        const double x = static_cast<double>(w(0, k));
        const double sigma = s * half_step<V>(x / s) / std::sqrt(static_cast<double>(steps));
        // The largest numbers may lie above the range by the rounding of the scale.
        CHECK(std::abs(mean[k] - x) < 6 * sigma + 6e-4 * std::abs(x));
    }
}

TEST_CASE("a per-tensor scale is kept by store_row and found by store_matrix") {
    Host on(1);
    const auto w = numbers(8, 100, Shape_::normal, 1.0);
    Matrix<PerTensor<Int8Value, float>> q(8, 100);
    store_matrix(on, w.view(), q);
    float most = 0;
    for (std::size_t r = 0; r < 8; ++r)
        for (std::size_t k = 0; k < 100; ++k) most = std::max(most, std::abs(w(r, k)));
    CHECK(q.scale(0, 0) == most / 127.0f);
    const std::vector<float> large(100, 10 * most);
    CHECK(store_row(q, 3, large.data()).saturated == 100);
    CHECK(q.scale(0, 0) == most / 127.0f);
    CHECK(q(3, 50) == 127.0f * q.scale(0, 0));
}

TEST_CASE("a float tensor is taken as rows") {
    Tensor<float> t({2, 70});
    std::vector<float> in(70, 1.5f), out(128, 9.0f);
    store_row(t, 1, in.data(), StochasticFrom{});
    load_row(t, 1, out.data());
    CHECK(out[69] == 1.5f);
    CHECK(out[70] == 0.0f);
    CHECK(t(0, 0) == 0.0f);
}

#if defined(__cpp_exceptions)
TEST_CASE("bad shapes, groups and percentiles are refused by name") {
    Host on(1);
    const Tensor<float> w({4, 96});
    Matrix<Grouped<Int4Value, 32>> q(4, 64);
    CHECK_THROWS_WITH_AS(quantize(on, w.view(), q),
                         "nibble: quantize to int4-g32: numbers of [4, 96] for a matrix of [4, 64]",
                         Error);
    Tensor<float> out({3, 64});
    CHECK_THROWS_WITH_AS(dequantize(on, q, out.view()),
                         "nibble: dequantize from int4-g32: a matrix of [4, 64] into [3, 64]",
                         Error);
    CHECK_THROWS_AS(static_cast<void>(quantize<Grouped<Int4Value, 64>>(on, w.view())), Error);
    CHECK(quantize<Grouped<Int4Value, 32>>(on, w.view()).rows() == 4);
    Matrix<PerRow<Int8Value>> p(4, 96);
    for (const float bad : {0.0f, -1.0f, 100.5f, std::numeric_limits<float>::quiet_NaN()})
        CHECK_THROWS_AS(quantize(on, w.view(), p, ToNearest{}, by_percentile(bad)), Error);
    Matrix<PerRow<Int8Value>> none;
    CHECK(quantize(on, View<const float>{}, none) == Clipped{});
    CHECK(quantize<PerTensor<Int8Value>>(on, View<const float>{}).empty());
}
#endif
