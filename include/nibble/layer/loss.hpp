// SPDX-License-Identifier: BSL-1.0
// Losses as objects that a Trainer takes: value and gradient in one call.
//
//     loss(on, output, target)                the mean loss
//     loss(on, output, target, gradient)      the same; the gradient becomes d loss / d output
#pragma once

#include <nibble/kernel/loss.hpp>
#include <nibble/store/tensor.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// Mean cross entropy in nats of logits [..., classes] against one class number a row; rows with a
/// negative number do not count. Fails on a number that is no class.
struct CrossEntropy {
    template <class On>
    double operator()(On& on, const Tensor<float>& logits,
                      std::span<const std::int32_t> target) const {
        return softmax_cross_entropy(on, logits.view(), target).loss;
    }
    template <class On>
    double operator()(On& on, const Tensor<float>& logits, std::span<const std::int32_t> target,
                      Tensor<float>& gradient) const {
        if (gradient.shape() != logits.shape()) gradient = Tensor<float>(logits.shape());
        return softmax_cross_entropy(on, logits.view(), target, gradient.view()).loss;
    }
};

/// Mean over all elements of (output - target)^2.
struct MeanSquare {
    template <class On>
    double operator()(On& on, const Tensor<float>& output, const Tensor<float>& target) const {
        return mean_square_error(on, output.view(), target.view());
    }
    template <class On>
    double operator()(On& on, const Tensor<float>& output, const Tensor<float>& target,
                      Tensor<float>& gradient) const {
        if (gradient.shape() != output.shape()) gradient = Tensor<float>(output.shape());
        return mean_square_error(on, output.view(), target.view(), gradient.view());
    }
};

inline constexpr CrossEntropy cross_entropy{};
inline constexpr MeanSquare mean_square{};

/// The index of the largest of n numbers, the first of equals; 0 when there are none.
[[nodiscard]] inline std::int32_t argmax(const float* x, std::size_t n) noexcept {
    std::size_t best = 0;
    for (std::size_t i = 1; i < n; ++i) best = x[i] > x[best] ? i : best;
    return static_cast<std::int32_t>(best);
}
/// The same of a span.
[[nodiscard]] inline std::int32_t argmax(std::span<const float> x) noexcept {
    return argmax(x.data(), x.size());
}
/// The index of the largest element of a one-row tensor.
[[nodiscard]] inline std::int32_t argmax(const Tensor<float>& x) noexcept {
    return argmax(x.data(), x.cols());
}

}  // namespace nibble
