// exp, log, tanh and the activation functions against the C library in double, over floats of all
// sizes and both signs, and their limits.
#include <nibble/kernel/math.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>

using namespace nibble;

namespace {

constexpr float inf = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

struct Worst {
    double ulp = 0.0;
    float at = 0.0f;
    std::size_t wrong = 0;  // NaN or infinity where there should be none, or the reverse
    float wrong_at = 0.0f;
};

// Every `step`-th float, of all that there are.
template <class A, class F, class Reference, class Extra>
Worst sweep(F f, Reference reference, Extra extra, std::uint32_t step) {
    constexpr std::size_t lanes = Batch<float, A>::lanes;
    Worst worst;
    float in[lanes], out[lanes];
    std::size_t n = 0;
    for (std::uint64_t bits = 0; bits <= 0xFFFFFFFFu; bits += step) {
        const auto word = static_cast<std::uint32_t>(bits);
        std::memcpy(&in[n], &word, sizeof word);
        if (++n < lanes) continue;
        n = 0;
        f(Batch<float, A>::load(in)).store(out);
        for (std::size_t i = 0; i < lanes; ++i) {
            const double x = static_cast<double>(in[i]), y = static_cast<double>(out[i]);
            const double right = std::isnan(x) ? x : reference(x);
            const double size = std::fabs(right);
            bool bad = std::isnan(right) != std::isnan(y);
            if (!bad && !std::isnan(right)) {
                if (size > 3.402823e38) {
                    bad = !(std::fabs(y) > 3.402e38) || (y > 0) != (right > 0);
                } else if (size < 0x1p-126) {
                    bad = std::fabs(y) > 0x1p-125;
                } else {
                    int exponent = 0;
                    static_cast<void>(std::frexp(size, &exponent));
                    const double ulp =
                        (std::fabs(y - right) / std::ldexp(1.0, exponent - 24)) - extra(x);
                    if (ulp > worst.ulp) worst.ulp = ulp, worst.at = in[i];
                }
            }
            if (bad) ++worst.wrong, worst.wrong_at = in[i];
        }
    }
    return worst;
}

template <class A, class F, class Reference>
void within(
    const char* name, double bound, F f, Reference reference,
    double (*extra)(double) = [](double) { return 0.0; }) {
    const Worst worst = sweep<A>(f, reference, extra, 2003);
    INFO(std::string(name) << " on " << std::string(A::name) << ": worst " << worst.ulp
                           << " ulp at " << worst.at << ", wrong kind at " << worst.wrong_at);
    CHECK(worst.ulp <= bound);
    CHECK(worst.wrong == 0);
}

double reference_gelu(double x) {
    if (x < -10.03) return 0.0;
    const double u = std::sqrt(2.0 / 3.14159265358979323846) * (x + 0.044715 * x * x * x);
    return x / (1.0 + std::exp(-2.0 * u));
}

template <class A>
void all_functions() {
    using F = Batch<float, A>;
    within<A>(
        "exp", 1.1, [](F x) { return exp(x); }, [](double x) { return std::exp(x); });
    within<A>(
        "expm1", 1.8, [](F x) { return expm1(x); }, [](double x) { return std::expm1(x); });
    within<A>(
        "log", 1.1, [](F x) { return log(x); },
        [](double x) {
            return x > 0.0 && x < 0x1p-126 ? -std::numeric_limits<double>::infinity() : std::log(x);
        });
    within<A>(
        "tanh", 2.6, [](F x) { return tanh(x); }, [](double x) { return std::tanh(x); });
    within<A>(
        "sigmoid", 2.6, [](F x) { return sigmoid(x); },
        [](double x) { return 1.0 / (1.0 + std::exp(-x)); });
    within<A>(
        "silu", 2.6, [](F x) { return silu(x); },
        [](double x) { return x < -88.7 ? 0.0 : x / (1.0 + std::exp(-x)); });
    within<A>(
        "gelu", 3.0, [](F x) { return gelu(x); }, reference_gelu,
        [](double x) { return 2.6 * std::fabs(1.5957691216 * x + 0.0713548163 * x * x * x); });
    within<A>(
        "gelu_erf", 7.0, [](F x) { return gelu_erf(x); },
        [](double x) { return x < -13.2 ? 0.0 : 0.5 * x * std::erfc(-x / std::sqrt(2.0)); });
}

template <class A, class F>
float at(F f, float x) {
    float out[Batch<float, A>::lanes];
    f(Batch<float, A>(x)).store(out);
    return out[0];
}

template <class A>
void limits() {
    using F = Batch<float, A>;
    auto sign = [](float x) { return std::signbit(x); };
    CHECK(at<A>([](F x) { return exp(x); }, inf) == inf);
    CHECK(at<A>([](F x) { return exp(x); }, -inf) == 0.0f);
    CHECK(at<A>([](F x) { return exp(x); }, 0.0f) == 1.0f);
    CHECK(at<A>([](F x) { return expm1(x); }, -inf) == -1.0f);
    CHECK(at<A>([](F x) { return expm1(x); }, inf) == inf);
    CHECK(sign(at<A>([](F x) { return expm1(x); }, -0.0f)));
    CHECK(at<A>([](F x) { return log(x); }, 1.0f) == 0.0f);
    CHECK(at<A>([](F x) { return log(x); }, 0.0f) == -inf);
    CHECK(at<A>([](F x) { return log(x); }, -0.0f) == -inf);
    CHECK(at<A>([](F x) { return log(x); }, inf) == inf);
    CHECK(std::isnan(at<A>([](F x) { return log(x); }, -1.0f)));
    CHECK(std::isnan(at<A>([](F x) { return log(x); }, -inf)));
    CHECK(at<A>([](F x) { return tanh(x); }, inf) == 1.0f);
    CHECK(at<A>([](F x) { return tanh(x); }, -inf) == -1.0f);
    CHECK(at<A>([](F x) { return tanh(x); }, 9.1f) == 1.0f);
    CHECK(sign(at<A>([](F x) { return tanh(x); }, -0.0f)));
    CHECK_FALSE(sign(at<A>([](F x) { return tanh(x); }, 0.0f)));
    CHECK(at<A>([](F x) { return sigmoid(x); }, -inf) == 0.0f);
    CHECK(at<A>([](F x) { return sigmoid(x); }, inf) == 1.0f);
    CHECK(at<A>([](F x) { return silu(x); }, -inf) == 0.0f);
    CHECK(at<A>([](F x) { return silu(x); }, inf) == inf);
    CHECK(at<A>([](F x) { return silu_slope(x); }, -inf) == 0.0f);
    CHECK(at<A>([](F x) { return silu_slope(x); }, inf) == 1.0f);
    CHECK(at<A>([](F x) { return gelu(x); }, -inf) == 0.0f);
    CHECK(at<A>([](F x) { return gelu(x); }, inf) == inf);
    CHECK(at<A>([](F x) { return gelu(x); }, -1e30f) == 0.0f);
    CHECK(at<A>([](F x) { return gelu_erf(x); }, -inf) == 0.0f);
    CHECK(at<A>([](F x) { return gelu_erf(x); }, inf) == inf);
    CHECK(at<A>([](F x) { return gelu_erf_slope(x); }, -inf) == 0.0f);
    CHECK(at<A>([](F x) { return gelu_erf_slope(x); }, inf) == 1.0f);
    CHECK(std::isnan(at<A>([](F x) { return gelu_erf(x); }, nan)));
    CHECK(std::isnan(at<A>([](F x) { return gelu_erf_slope(x); }, nan)));
    CHECK(std::fabs(at<A>([](F x) { return gelu_slope(x); }, -inf)) < 1e-30f);
    CHECK(at<A>([](F x) { return gelu_slope(x); }, inf) == 1.0f);
    CHECK(at<A>([](F x) { return relu(x); }, -inf) == 0.0f);
    CHECK(std::isnan(at<A>([](F x) { return relu(x); }, nan)));
    CHECK(std::isnan(at<A>([](F x) { return gelu_slope(x); }, nan)));
    CHECK(std::isnan(at<A>([](F x) { return silu_slope(x); }, nan)));
    for (const std::uint32_t word : {0x7F800001u, 0x7FBFFFFFu, 0xFFC00001u, 0xFFFFFFFFu}) {
        float x;
        std::memcpy(&x, &word, sizeof x);  // every kind of NaN survives
        CHECK(std::isnan(at<A>([](F v) { return exp(v); }, x)));
        CHECK(std::isnan(at<A>([](F v) { return expm1(v); }, x)));
        CHECK(std::isnan(at<A>([](F v) { return log(v); }, x)));
        CHECK(std::isnan(at<A>([](F v) { return tanh(v); }, x)));
    }
}

template <class A>
void slopes() {
    using F = Batch<float, A>;
    for (float x = -12.0f; x < 12.0f; x += 0.0371f) {
        const double h = 1e-5, d = static_cast<double>(x);
        const double gelu_right = (reference_gelu(d + h) - reference_gelu(d - h)) / (2 * h);
        auto silu_at = [](double v) { return v / (1.0 + std::exp(-v)); };
        const double silu_right = (silu_at(d + h) - silu_at(d - h)) / (2 * h);
        const auto g = static_cast<double>(at<A>([](F v) { return gelu_slope(v); }, x));
        const auto s = static_cast<double>(at<A>([](F v) { return silu_slope(v); }, x));
        const auto e = static_cast<double>(at<A>([](F v) { return gelu_erf_slope(v); }, x));
        const double e_right = 0.5 * std::erfc(-d / std::sqrt(2.0)) +
                               d * std::exp(-0.5 * d * d) / std::sqrt(2.0 * 3.14159265358979323846);
        CHECK(std::fabs(e - e_right) < 1e-6);
        const auto t = static_cast<double>(at<A>([](F v) { return tanh_slope(tanh(v)); }, x));
        CHECK(std::fabs(g - gelu_right) < 2e-6);
        CHECK(std::fabs(s - silu_right) < 2e-6);
        CHECK(std::fabs(t - (1.0 - std::tanh(d) * std::tanh(d))) < 1e-6);
    }
}

}  // namespace

TEST_CASE("functions stay within their bounds on native registers") { all_functions<Isa>(); }
TEST_CASE("functions stay within their bounds on scalar registers") {
    all_functions<isa::Scalar>();
}
TEST_CASE("limits of functions") {
    limits<Isa>();
    limits<isa::Scalar>();
}
TEST_CASE("slopes of activation functions") {
    slopes<Isa>();
    slopes<isa::Scalar>();
}
