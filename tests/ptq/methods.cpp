// The methods on matrices with planted structure: what each must be better at, that none depends on
// the number of threads, and what bad numbers are answered with.
#include <nibble/ptq/method.hpp>

#include <doctest/doctest.h>

#include "support/temporary.hpp"
#include "support/values.hpp"

using namespace nibble;
using test::contains;
using test::message_of;

namespace {

Tensor<float> normal(std::size_t rows, std::size_t cols, std::uint64_t seed, double size = 1) {
    Random random(seed);
    Tensor<float> x(Shape{rows, cols});
    for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t k = 0; k < cols; ++k)
            x(r, k) = static_cast<float>(size * test::normal(random));
    return x;
}

/// The Hessian of inputs whose channels move together and differ in size.
Tensor<float> correlated(std::size_t n, std::uint64_t seed) {
    const auto mix = normal(n, n, seed, 0.3), source = normal(4 * n, n, seed + 1);
    Tensor<float> h(Shape{n, n});
    std::vector<double> x(n);
    for (std::size_t s = 0; s < source.rows(); ++s) {
        for (std::size_t i = 0; i < n; ++i) {
            x[i] = static_cast<double>(source(s, i));
            for (std::size_t j = 0; j < n; ++j) x[i] += double(mix(i, j)) * double(source(s, j));
            x[i] *= i % 16 == 3 ? 8 : 1;
        }
        for (std::size_t i = 0; i < n; ++i)
            for (std::size_t j = 0; j < n; ++j)
                h(i, j) += static_cast<float>(x[i] * x[j] / double(source.rows()));
    }
    return h;
}

/// sum over rows of (w - q)^T H (w - q)
double cost(const Tensor<float>& w, const ptq::Quantized& q, const Tensor<float>& h) {
    double sum = 0;
    for (std::size_t r = 0; r < w.rows(); ++r)
        for (std::size_t i = 0; i < w.cols(); ++i)
            for (std::size_t j = 0; j < w.cols(); ++j)
                sum += double(w(r, i) - q(r, i)) * double(h(i, j)) * double(w(r, j) - q(r, j));
    return sum;
}

ptq::InputStatistics seen(const Tensor<float>& h) {
    ptq::InputStatistics s;
    s.hessian = h;
    s.rows = 100;
    return s;
}

QuantizationSpec spec(const char* text) { return parse_spec(text).spec; }

bool same(const ptq::Quantized& a, const ptq::Quantized& b) {
    const auto equal = [](const Tensor<float>& x, const Tensor<float>& y) {
        return x.shape() == y.shape() &&
               std::equal(x.units().begin(), x.units().end(), y.units().begin());
    };
    return equal(a.codes, b.codes) && equal(a.scales, b.scales) && equal(a.offsets, b.offsets);
}

}  // namespace

TEST_CASE("grids hold what their formats hold, and round as they do") {
    for (const char* text : {"int8", "int4", "int3", "int2", "ternary", "nf4", "mxfp4", "fp8"}) {
        CAPTURE(text);
        const ptq::Grid grid(spec(text));
        dispatch_value(grid.spec().value, [&]<class V>(V) {
            CHECK(double(grid.low()) == double(decode(value_traits<V>::lowest())));
            CHECK(double(grid.high()) == double(decode(value_traits<V>::highest())));
            Random random(7);
            for (int i = 0; i < 2000; ++i) {
                const auto y = static_cast<float>(double(grid.high()) * 1.3 * test::normal(random));
                const double found = double(grid.nearest(y));
                const auto stored = double(decode(encode<V>(static_cast<compute_t<V>>(y))));
                CHECK(std::fabs(found - double(y)) == std::fabs(stored - double(y)));
            }
        });
    }
    CHECK(ptq::Grid(spec("ternary")).levels().size() == 3);
    CHECK(ptq::Grid(spec("int3")).levels().size() == 8);
    CHECK(contains(message_of([] { ptq::Grid{spec("bf16")}; }), "bf16 has no scales"));
}

TEST_CASE("every method at every format gives numbers of the format, whatever the threads") {
    const auto w = normal(21, 64, 1, 0.02);
    const auto h = correlated(64, 2);
    const auto s = seen(h);
    Host one(1), three(3);
    for (const char* text :
         {"int8", "int4-g32", "int4-g64-asym", "int3-g64", "int2-g16", "ternary", "nf4", "mxfp4",
          "int4-tensor", "fp8-tensor", "int4-g32-scale=fp8", "int4-g24"})
        for (const auto method : {ptq::Method::nearest, ptq::Method::search, ptq::Method::hqq,
                                  ptq::Method::awq, ptq::Method::gptq}) {
            CAPTURE(text);
            CAPTURE(int(method));
            const auto q = ptq::quantize_weight(one, w.view(), &s, spec(text), method);
            CHECK(same(q, ptq::quantize_weight(three, w.view(), &s, spec(text), method)));
            const ptq::Grid grid(q.spec);
            double squared = 0, signal = 0;
            bool stored = true;
            for (std::size_t r = 0; r < w.rows(); ++r)
                for (std::size_t k = 0; k < w.cols(); ++k) {
                    stored = stored && grid.nearest(q.codes(r, k)) == q.codes(r, k) &&
                             grid.stored_scale(q.scale(r, k / q.run)) == q.scale(r, k / q.run) &&
                             grid.stored_offset(q.offset(r, k / q.run)) == q.offset(r, k / q.run);
                    squared += std::pow(double(w(r, k) - q(r, k)), 2);
                    signal += std::pow(double(w(r, k)), 2);
                }
            CHECK(stored);
            // GPTQ spends plain error on correlated inputs; all others stay near the format's own.
            const int bits = grid.bits();
            const double most = bits == 8                               ? 2e-3
                                : bits == 4 && grid.levels().size() > 8 ? 0.1
                                                                        : 1.0;
            CHECK(squared < (method == ptq::Method::gptq ? 8 : 1) * most * signal);
        }
}

TEST_CASE("GPTQ: less output error than nearest, and each part of it pays") {
    Host on(2);
    const auto w = normal(48, 128, 3, 0.05);
    const auto h = correlated(128, 4);
    const auto s = seen(h);
    for (const char* text : {"int4-g128", "int3-g32", "int2-g32", "nf4", "int4-g64-asym"}) {
        CAPTURE(text);
        const auto by = [&](bool order, int sweeps) {
            return cost(
                w,
                ptq::gptq(on, w.view(), h.view(), spec(text), {.order = order, .sweeps = sweeps}),
                h);
        };
        const double searched =
            cost(w, ptq::quantize_weight(on, w.view(), &s, spec(text), ptq::Method::awq), h);
        const double plain = by(false, 0), ordered = by(true, 0), polished = by(true, 4);
        CHECK(plain < 0.7 * searched);
        CHECK(ordered < 1.05 * plain);
        CHECK(polished < ordered);
    }
}

TEST_CASE("GPTQ equals the inverse-Hessian form of the paper") {
    Host on(1);
    const std::size_t n = 24;
    const auto w = normal(4, n, 5, 0.05);
    const auto h = correlated(n, 6);
    const ptq::GptqOptions options{.order = false, .sweeps = 0};
    const auto q = ptq::gptq(on, w.view(), h.view(), spec("int4-g24"), options);
    // H^-1 by Gauss and Jordan, then columns one by one: eliminate the rounded one.
    std::vector<std::vector<double>> inverse(n, std::vector<double>(2 * n));
    double mean = 0;
    for (std::size_t i = 0; i < n; ++i) mean += double(h(i, i)) / double(n);
    for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t j = 0; j < n; ++j)
            inverse[i][j] = double(h(i, j)) + (i == j ? 0.01 * mean : 0);
        inverse[i][n + i] = 1;
    }
    for (std::size_t i = 0; i < n; ++i) {
        const double pivot = inverse[i][i];
        for (double& x : inverse[i]) x /= pivot;
        for (std::size_t r = 0; r < n; ++r) {
            const double by = inverse[r][i];
            for (std::size_t c = 0; r != i && c < 2 * n; ++c) inverse[r][c] -= by * inverse[i][c];
        }
    }
    const ptq::Grid grid(q.spec);
    for (std::size_t r = 0; r < w.rows(); ++r) {
        auto left = inverse;
        std::vector<double> row(n);
        for (std::size_t k = 0; k < n; ++k) row[k] = double(w(r, k));
        for (std::size_t j = 0; j < n; ++j) {
            const double s = double(q.scale(r, 0));
            CHECK(grid.nearest(float(row[j] / s)) == q.codes(r, j));
            const double error = (row[j] - double(q(r, j))) / left[j][n + j];
            for (std::size_t k = j; k < n; ++k) row[k] -= error * left[j][n + k];
            for (std::size_t a = j + 1; a < n; ++a) {
                const double by = left[a][n + j] / left[j][n + j];
                for (std::size_t b = j; b < n; ++b) left[a][n + b] -= by * left[j][n + b];
            }
        }
    }
}

TEST_CASE("a Hessian that says nothing, or too little, still gives an answer") {
    Host on(1);
    const auto w = normal(5, 32, 7);
    Tensor<float> h(Shape{32, 32});
    const auto blind = ptq::gptq(on, w.view(), h.view(), spec("int4-g32"));
    ptq::Quantized searched(spec("int4-g32"), 5, 32);
    ptq::find_scales(on, w.view(), nullptr, searched);
    ptq::round_codes(on, w.view(), searched);
    double a = 0, b = 0;
    for (std::size_t r = 0; r < 5; ++r)
        for (std::size_t k = 0; k < 32; ++k) {
            a += std::pow(double(w(r, k) - blind(r, k)), 2);
            b += std::pow(double(w(r, k) - searched(r, k)), 2);
        }
    CHECK(a < 1.01 * b);
    // One direction only, and a channel that never spoke.
    for (std::size_t i = 0; i < 31; ++i)
        for (std::size_t j = 0; j < 31; ++j) h(i, j) = 1.0f;
    const auto flat = ptq::gptq(on, w.view(), h.view(), spec("int4-g32"));
    for (std::size_t r = 0; r < 5; ++r) {
        double sum = 0;
        for (std::size_t k = 0; k < 31; ++k) sum += double(w(r, k) - flat(r, k));
        CHECK(std::fabs(sum) < 0.5 * double(std::fabs(flat.scale(r, 0))));
    }
    h(3, 3) = NAN;
    CHECK(contains(message_of([&] { (void)ptq::gptq(on, w.view(), h.view(), spec("int4")); }),
                   "not finite"));
    Tensor<float> small(Shape{8, 8});
    CHECK(contains(message_of([&] { (void)ptq::gptq(on, w.view(), small.view(), spec("int4")); }),
                   "weights of [5, 32] with a Hessian of [8, 8]"));
}

TEST_CASE("HQQ gives outliers up where the square error does not") {
    Host on(1);
    auto w = normal(16, 64, 8, 0.02);
    for (std::size_t r = 0; r < 16; ++r) w(r, r) = r % 2 ? 0.4f : -0.4f;
    const auto typical = [&](ptq::Method method, const char* text) {
        const auto q = ptq::quantize_weight(on, w.view(), nullptr, spec(text), method);
        double sum = 0;
        for (std::size_t r = 0; r < 16; ++r)
            for (std::size_t k = 0; k < 64; ++k)
                if (k != r) sum += std::fabs(double(w(r, k) - q(r, k)));
        return sum / (16 * 63);
    };
    for (const char* text : {"int4-g64", "int4-g64-asym"}) {
        CAPTURE(text);
        CHECK(typical(ptq::Method::hqq, text) < 0.98 * typical(ptq::Method::nearest, text));
    }
}

TEST_CASE("the planes of a result are the format's own") {
    Host on(1);
    const auto w = normal(6, 40, 9);
    using F = Grouped<Int3Value, 32, half, Offset::stored>;  // fitted to 8
    const auto q = ptq::quantize_weight(on, w.view(), nullptr, spec_of<F>(), ptq::Method::search);
    const auto m = ptq::to_matrix<F>(q);
    CHECK(m.run() == 8);
    CHECK(q.run == 8);
    for (std::size_t r = 0; r < 6; ++r)
        for (std::size_t k = 0; k < 40; ++k)
            CHECK(m(r, k) == doctest::Approx(double(q(r, k))).epsilon(1e-6));
    CHECK(contains(message_of([&] { (void)ptq::to_matrix<PerRow<Int8Value>>(q); }),
                   "is wanted as int8"));
    CHECK(ptq::stored_bytes(spec("int3-g128"), 10, 128) == 10 * (48 + 2));
    CHECK(ptq::stored_bytes(spec("int4-g32-asym"), 3, 64) == 3 * (32 + 2 * 2 * 2));
    CHECK(ptq::stored_bytes(spec("int8-tensor-scale=fp32"), 3, 5) == 15 + 4);
    CHECK(ptq::stored_bytes(spec("bf16"), 3, 5) == 30);
}
