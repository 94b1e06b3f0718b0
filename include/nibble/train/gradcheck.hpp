// SPDX-License-Identifier: BSL-1.0
// gradcheck: a layer's backward against finite differences of its forward.
//
// The layer's output is multiplied by fixed random numbers and added up in double; backward gives the
// gradient of that sum at once, and central differences of fourth order give it element by element:
//
//     d = (8 (f(v + h) - f(v - h)) - (f(v + 2h) - f(v - 2h))) / 12h
//
// Layers compute in float, so d carries noise of about 1e-7 / h of the outputs' size: with the default
// step 1e-2 a correct layer shows errors near 1e-4 and a wrong one errors near 1. An element that
// looks wrong is tried again with steps of h/8 and h/64, for the function may have a corner nearby
// (relu at 0); where the differences then still disagree with each other the element is passed
// over and counted. Parameters of a low-precision layer are checked at the numbers that they stand
// for: differences are taken of its float twin.
#pragma once

#include <nibble/layer/layer.hpp>
#include <nibble/layer/seed.hpp>

#include <cmath>

namespace nibble::inline NIBBLE_ARCH {

/// How gradcheck goes about it.
struct GradcheckOptions {
    double tolerance = 5e-3;   ///< accepted error, relative to the gradient's root mean square
    double step = 1e-2;        ///< h, times max(1, |v|)
    std::size_t samples = 32;  ///< elements checked of each parameter and of the input
    std::uint64_t seed = 1;    ///< of the random numbers and the choice of elements
};

/// What gradcheck found. `if (auto r = gradcheck(...); !r) fail(r.text());`
struct GradcheckReport {
    double worst = 0.0;       ///< largest error over the gradient's root mean square
    std::string where;        ///< "c_fc.weight[3, 7]" or "input[0, 2]": where that was
    double difference = 0.0;  ///< the derivative there by differences
    double gradient = 0.0;    ///< the derivative there by backward
    std::size_t checked = 0;  ///< elements compared
    std::size_t corners = 0;  ///< elements passed over
    double tolerance = 0.0;   ///< what was accepted

    /// True when backward is right at every element compared, and there were enough of them.
    explicit operator bool() const noexcept { return worst <= tolerance && checked > corners; }

    /// One line for people.
    [[nodiscard]] std::string text() const {
        return std::string("gradcheck: ") + (*this ? "right" : "wrong") + " at " +
               std::to_string(checked) + " elements, " + std::to_string(corners) +
               " corners passed over; worst relative error " + std::to_string(worst) +
               " (accepted " + std::to_string(tolerance) + ") at " + where + ": backward says " +
               std::to_string(gradient) + ", differences say " + std::to_string(difference);
    }
};

/// One run of gradcheck; see below.
template <class On, class L>
struct Gradcheck {
    using Twin = rebind_t<L, float>;

    On& on;
    GradcheckOptions options;
    Twin twin;         ///< the layer in float, whose parameters are nudged
    Tensor<float> x;   ///< the input, nudged too
    Tensor<float> by;  ///< the random numbers that outputs are multiplied by
    GradcheckReport report;
    Random pick{options.seed + 1};

    /// The sum of the twin's outputs times `by`, in double.
    [[nodiscard]] double value() const {
        typename Twin::Saved saved;  // as in training, so that Dropout drops
        const Tensor<float> y = twin.forward(on, x, &saved);
        double sum = 0.0;
        for (std::size_t r = 0; r < y.rows(); ++r)
            for (std::size_t c = 0; c < y.cols(); ++c)
                sum += static_cast<double>(y(r, c)) * static_cast<double>(by(r, c));
        return sum;
    }

    /// value() with v changed by d. v - d may round: what counts is the change that was made.
    [[nodiscard]] double value_at(float& v, double d, double& made) const {
        const float kept = v;
        v = static_cast<float>(static_cast<double>(kept) + d);
        made = static_cast<double>(v) - static_cast<double>(kept);
        const double f = value();
        v = kept;
        return f;
    }

    /// The derivative by v in d. False at a corner: where it is not what backward expects, and the
    /// differences do not agree with each other however small the step.
    [[nodiscard]] bool differentiate(float& v, double expected, double scale, double& d) const {
        const double magnitude = std::fabs(static_cast<double>(v));
        double h = options.step * (magnitude > 1.0 ? magnitude : 1.0), unmoved;
        const double middle = value_at(v, 0.0, unmoved);
        for (int attempt = 0;; ++attempt, h /= 8.0) {
            double up, down, up2, down2;
            const double f1 = value_at(v, h, up), f2 = value_at(v, -h, down);
            const double f3 = value_at(v, 2 * h, up2), f4 = value_at(v, -2 * h, down2);
            const double near = (f1 - f2) / (up - down), far = (f3 - f4) / (up2 - down2);
            d = near + (near - far) / 3.0;
            const double unit = scale > std::fabs(d) ? scale : std::fabs(d);
            if (std::fabs(d - expected) <= options.tolerance * unit) return true;
            if (attempt < 2) continue;
            const double left = (f2 - middle) / down, right = (f1 - middle) / up;
            return std::fabs(near - far) <= 0.1 * unit && std::fabs(right - left) <= 0.1 * unit;
        }
    }

    /// Compares elements of `gradient` with differences in `v`, which is the twin's or the input.
    void compare(const std::string& name, View<float> v, View<const float> gradient) {
        if (v.rows * v.cols == 0) return;
        double square = 0.0;
        for (std::size_t r = 0; r < v.rows; ++r)
            for (std::size_t c = 0; c < v.cols; ++c)
                square += static_cast<double>(gradient(r, c)) * static_cast<double>(gradient(r, c));
        const double scale = std::sqrt(square / static_cast<double>(v.rows * v.cols));
        const std::size_t size = v.rows * v.cols;
        const std::size_t count = size < options.samples ? size : options.samples;
        for (std::size_t i = 0; i < count; ++i) {
            const std::size_t at = count == size ? i : pick.below(size);
            const std::size_t r = at / v.cols, c = at % v.cols;
            ++report.checked;
            double d = 0.0;
            if (!differentiate(v(r, c), static_cast<double>(gradient(r, c)), scale, d)) {
                ++report.corners;
                continue;
            }
            const double unit = scale > std::fabs(d) ? scale : std::fabs(d);
            const double error = std::fabs(d - static_cast<double>(gradient(r, c)));
            const double relative = unit > 0.0 ? error / unit : error;
            if (relative > report.worst || !(relative == relative) || report.where.empty()) {
                report.worst = relative == relative ? relative : 1e300;
                report.where = name + "[" + std::to_string(r) + ", " + std::to_string(c) + "]";
                report.difference = d;
                report.gradient = static_cast<double>(gradient(r, c));
            }
        }
    }
};

/// Checks layer.backward at input x, for the input and every parameter. Works for any type that
/// follows the protocol of layer/layer.hpp, the user's own included.
template <class On, class L>
[[nodiscard]] GradcheckReport gradcheck(On& on, const L& layer, Tensor<float> x,
                                        GradcheckOptions options = {}) {
    using Twin = rebind_t<L, float>;
    Gradcheck<On, L> run{on, options, zeros_like<Twin>(layer), std::move(x), {}, {}};
    run.report.tolerance = options.tolerance;
    if constexpr (requires { run.twin.step = layer.step; }) run.twin.step = layer.step;
    for_each_parameter(
        [&](const std::string&, auto& to, const auto& from) {
            if constexpr (is_matrix<std::remove_cvref_t<decltype(from)>>) {
                for (std::size_t r = 0; r < from.rows(); ++r)
                    for (std::size_t c = 0; c < from.cols(); ++c) to.codes()(r, c) = from(r, c);
            } else {
                to = from;
            }
        },
        run.twin, layer);

    typename L::Saved saved;
    const Tensor<float> y = layer.forward(on, run.x, &saved);
    run.by = Tensor<float>(y.shape());
    Random random(options.seed);
    draw_normal(on, random, 1.0, run.by.view());
    auto gradient = zeros_like<Twin>(layer);
    const Tensor<float> dx = layer.backward(on, saved, run.by, gradient);

    run.compare("input", run.x.view(), dx.view());
    for_each_parameter(
        [&](const std::string& name, auto& v, auto& g) {
            if constexpr (is_matrix<std::remove_cvref_t<decltype(v)>>)
                run.compare(name, v.codes().view(), g.codes().view());
            else run.compare(name, v.view(), g.view());
        },
        run.twin, gradient);
    return run.report;
}

}  // namespace nibble
