// check_layer: a layer's forward against its reference in double, its backward against central
// differences of that reference in double, and both for 1, 2 and 3 threads, bit for bit.
#pragma once

#include "reference.hpp"

#include <nibble/layer/layer.hpp>
#include <nibble/layer/seed.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace check {

using namespace nibble;
using reference::Mat;

/// Normal numbers, the same for the same seed.
inline Tensor<float> normal(Shape shape, std::uint64_t seed, double deviation = 1.0) {
    Tensor<float> x(shape);
    Host on(1);
    Random random(seed);
    draw_normal(on, random, deviation, x.view());
    return x;
}

inline Mat to_mat(const Tensor<float>& x) {
    Mat m(x.rows(), x.cols());
    for (std::size_t r = 0; r < m.rows; ++r)
        for (std::size_t c = 0; c < m.cols; ++c) m(r, c) = double{x(r, c)};
    return m;
}
template <class F>
Mat to_mat(const Matrix<F>& w) {
    Mat m(w.rows(), w.cols());
    for (std::size_t r = 0; r < m.rows; ++r)
        for (std::size_t c = 0; c < m.cols; ++c) m(r, c) = double{w(r, c)};
    return m;
}

/// All parameters of a layer in the order of for_each_parameter, as the numbers they stand for.
template <class L>
std::vector<Mat> parameters_of(const L& layer, std::vector<std::string>* names = nullptr) {
    std::vector<Mat> all;
    for_each_parameter(
        [&](const std::string& name, const auto& p) {
            all.push_back(to_mat(p));
            if (names != nullptr) names->push_back(name);
        },
        layer);
    return all;
}

inline double rms(const Mat& m) {
    double s = 0;
    for (const double v : m.a) s += v * v;
    return m.a.empty() ? 0 : std::sqrt(s / static_cast<double>(m.a.size()));
}

/// The largest difference in units of the reference's root mean square.
inline double distance(const Mat& got, const Mat& expected) {
    REQUIRE(got.rows == expected.rows);
    REQUIRE(got.cols == expected.cols);
    double worst = 0;
    for (std::size_t i = 0; i < got.a.size(); ++i) {
        const double error = std::fabs(got.a[i] - expected.a[i]);
        if (!(error <= worst)) worst = error;
    }
    const double scale = rms(expected);
    return scale > 0 ? worst / scale : worst;
}

/// Elements, and the padding behind them, as bits.
inline bool same_bits(const Tensor<float>& a, const Tensor<float>& b) {
    return a.shape() == b.shape() &&
           (a.bytes() == 0 || std::memcmp(a.data(), b.data(), a.bytes()) == 0);
}
inline bool padding_is_zero(const Tensor<float>& x) {
    for (std::size_t r = 0; r < x.rows(); ++r)
        for (std::size_t c = x.cols(); c < x.stride(); ++c)
            if (x.data()[r * x.stride() + c] != 0.0f) return false;
    return true;
}

struct Tolerance {
    double forward = 2e-6;   ///< largest error over the root mean square
    double backward = 1e-4;  ///< the same, for each parameter's gradient
};

/// ref(parameters, x) is the layer in double.
template <class L, class Reference>
void check_layer(const L& layer, Tensor<float> x, Reference ref, Tolerance allowed = {}) {
    using Gradient = rebind_t<L, float>;
    std::vector<std::string> names;
    std::vector<Mat> parameters = parameters_of(layer, &names);
    Mat input = to_mat(x);

    Host on(1);
    typename L::Saved saved;
    const Tensor<float> y = layer.forward(on, x, &saved);
    CHECK(padding_is_zero(y));
    CHECK(same_bits(y, layer.forward(on, x)));  // keeping things changes nothing
    CHECK(distance(to_mat(y), ref(parameters, input)) <= allowed.forward);

    const Tensor<float> dy = normal(y.shape(), 99);
    const Mat weights = to_mat(dy);
    auto gradient = zeros_like<Gradient>(layer);
    const Tensor<float> dx = layer.backward(on, saved, dy, gradient);
    CHECK(dx.shape() == x.shape());
    CHECK(padding_is_zero(dx));

    // Central differences of sum(dy * y) in double: at all elements of a small parameter, at some of
    // a large one.
    const auto loss = [&] {
        const Mat out = ref(parameters, input);
        double sum = 0;
        for (std::size_t i = 0; i < out.a.size(); ++i) sum += weights.a[i] * out.a[i];
        return sum;
    };
    Random pick(7);
    const auto compare = [&](const std::string& name, Mat& p, const Mat& g) {
        REQUIRE(g.a.size() == p.a.size());
        if (p.a.empty()) return;
        constexpr double h = 1e-5;
        const std::size_t count = std::min<std::size_t>(p.a.size(), 24);
        const double scale = rms(g);
        double worst = 0;
        for (std::size_t i = 0; i < count; ++i) {
            const std::size_t at = count == p.a.size() ? i : pick.below(p.a.size());
            const double kept = p.a[at];
            p.a[at] = kept + h;
            const double up = loss();
            p.a[at] = kept - h;
            const double down = loss();
            p.a[at] = kept;
            const double error = std::fabs((up - down) / (2 * h) - g.a[at]);
            if (!(error <= worst)) worst = error;
        }
        INFO(name, ": worst error ", worst, ", scale ", scale);
        CHECK(scale > 0);
        // Some gradients are zero in exact arithmetic (a key's bias shifts all scores alike), and
        // what is left is the float rounding of sums of order one.
        CHECK(worst <= allowed.backward * scale + 5e-7);
    };
    const std::vector<Mat> gradients = parameters_of(gradient);
    for (std::size_t i = 0; i < parameters.size(); ++i)
        compare(names[i], parameters[i], gradients[i]);
    compare("x", input, to_mat(dx));

    // A second backward adds the same again.
    static_cast<void>(layer.backward(on, saved, dy, gradient));
    const std::vector<Mat> twice = parameters_of(gradient);
    for (std::size_t i = 0; i < twice.size(); ++i)
        if (!twice[i].a.empty()) {
            Mat doubled = gradients[i];
            for (double& v : doubled.a) v *= 2;
            INFO(names[i]);
            CHECK(distance(twice[i], doubled) < 1e-5);
        }

    for (const int threads : {2, 3}) {
        Host more(threads);
        typename L::Saved again;
        auto other = zeros_like<Gradient>(layer);
        CHECK(same_bits(y, layer.forward(more, x, &again)));
        CHECK(same_bits(dx, layer.backward(more, again, dy, other)));
        const std::vector<Mat> all = parameters_of(other);
        for (std::size_t i = 0; i < all.size(); ++i) CHECK(all[i].a == gradients[i].a);
    }
}

/// A layer whose activations are rounded stays close to the one with its weights that rounds none,
/// forward and backward, and gives the same with and without Saved.
template <class L, class E>
void follows(Host& on, const Tensor<float>& x, const L& layer, E exact, double backward) {
    for_each_parameter([](const std::string&, auto& to, const auto& from) { to = from; }, exact,
                       layer);
    typename L::Saved saved;
    typename E::Saved exact_saved;
    const auto y = layer.forward(on, x, &saved);
    const auto expected = exact.forward(on, x, &exact_saved);
    CHECK(same_bits(y, layer.forward(on, x)));
    CHECK(distance(to_mat(y), to_mat(expected)) < 0.05);
    const auto dy = normal(y.shape(), 31);
    auto g = zeros_like<rebind_t<L, float>>(layer), e = g;
    const auto dx = layer.backward(on, saved, dy, g);
    CHECK(distance(to_mat(dx), to_mat(exact.backward(on, exact_saved, dy, e))) < backward);
}

}  // namespace check
