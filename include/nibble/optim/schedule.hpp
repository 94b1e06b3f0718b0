// SPDX-License-Identifier: BSL-1.0
// Learning-rate schedules, and the norm that gradients are clipped to.
#pragma once

#include <nibble/optim/update.hpp>

#include <cmath>

namespace nibble::inline NIBBLE_ARCH {

/// The same rate at every step.
struct ConstantRate {
    float rate = 1e-3f;
    [[nodiscard]] float operator()(std::uint64_t) const noexcept { return rate; }
};

/// A linear rise over `warmup` steps, then a cosine down to `final_share` of the rate at the last of
/// `steps` steps (Loshchilov and Hutter 2017, without restarts). Steps count from 0; the first of a
/// warm-up of n has 1/n of the rate.
struct WarmupCosine {
    float rate = 1e-3f;
    std::uint64_t warmup = 100;
    std::uint64_t steps = 1000;
    float final_share = 0.1f;

    [[nodiscard]] float operator()(std::uint64_t step) const noexcept {
        if (step < warmup)
            return static_cast<float>(rate * static_cast<double>(step + 1) /
                                      static_cast<double>(warmup));
        const double length = steps > warmup + 1 ? static_cast<double>(steps - warmup - 1) : 1.0;
        const double at = std::fmin(static_cast<double>(step - warmup) / length, 1.0);
        const double low = static_cast<double>(rate) * static_cast<double>(final_share);
        return static_cast<float>(low + 0.5 * (static_cast<double>(rate) - low) *
                                            (1.0 + std::cos(3.14159265358979323846 * at)));
    }
};

/// The rate times `factor` after every `every` steps.
struct StepDecay {
    float rate = 1e-3f;
    std::uint64_t every = 1000;
    float factor = 0.5f;
    [[nodiscard]] float operator()(std::uint64_t step) const noexcept {
        return rate * std::pow(factor, static_cast<float>(every == 0 ? 0 : step / every));
    }
};

/// The Euclidean norm of all gradients of a model (float storage): each row summed in double, rows
/// added in order, so it does not depend on threads. NaN or infinity when a gradient is not finite.
template <class On, class Gradient>
[[nodiscard]] double gradient_norm(On& on, const Gradient& gradient) {
    double total = 0;
    for_each_parameter(
        [&](const std::string&, const auto& p) {
            Tensor<double> sums(Shape{p.rows()});
            const std::size_t cols = p.cols();
            on.parallel_for(
                p.rows(), cols >= 8192 ? 1 : 8192 / (cols + 1) + 1,
                [&](std::size_t first, std::size_t last) {
                    for (std::size_t r = first; r < last; ++r) {
                        const float* g = float_row(p, r);
                        double lanes[8] = {};
                        std::size_t k = 0;
                        for (; k + 8 <= cols; k += 8)
                            for (std::size_t l = 0; l < 8; ++l)
                                lanes[l] +=
                                    static_cast<double>(g[k + l]) * static_cast<double>(g[k + l]);
                        for (; k < cols; ++k)
                            lanes[k % 8] += static_cast<double>(g[k]) * static_cast<double>(g[k]);
                        sums.data()[r] = ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) +
                                         ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
                    }
                });
            for (std::size_t r = 0; r < p.rows(); ++r) total += sums.data()[r];
        },
        gradient);
    return std::sqrt(total);
}

/// What gradients must be multiplied by so that their norm is at most `limit`; 1 when limit is 0.
[[nodiscard]] inline float clip_factor(double norm, float limit) noexcept {
    return limit > 0 && norm > static_cast<double>(limit)
               ? static_cast<float>(static_cast<double>(limit) / norm)
               : 1.0f;
}

}  // namespace nibble
