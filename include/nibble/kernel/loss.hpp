// SPDX-License-Identifier: BSL-1.0
// Losses with their gradients in one call: cross entropy and mean square.
#pragma once

#include <nibble/kernel/softmax.hpp>

#include <span>

namespace nibble::inline NIBBLE_ARCH {

/// What softmax_cross_entropy found.
struct CrossEntropyResult {
    double loss = 0.0;        ///< mean over the rows that count, in nats; 0 when none does
    std::size_t counted = 0;  ///< rows whose target is not negative
    std::size_t correct =
        0;  ///< of those, rows whose largest logit (the first of equals) is the target
};

/// loss = mean over rows of log(sum of e^logits) - logits[target]. Rows with a negative target do not
/// count and get a zero gradient. dlogits, unless empty, becomes the gradient times `scale` (loss
/// scaling); it may be the logits themselves. Row losses are added in double, in row order.
template <class A>
CrossEntropyResult softmax_cross_entropy(const BasicHost<A>& on, View<const float> logits,
                                         std::span<const std::int32_t> targets,
                                         View<float> dlogits = {}, float scale = 1.0f) {
    using B = Batch<float, A>;
    constexpr std::size_t lanes = B::lanes;
    const std::size_t n = logits.cols;
    expect_equal(targets.size(), logits.rows, "softmax_cross_entropy", "the number of targets");
    const bool wanted = dlogits.data != nullptr;
    if (wanted) expect_shape(dlogits, logits.rows, n, "softmax_cross_entropy", "the gradient");
    CrossEntropyResult result;
    for (std::size_t r = 0; r < targets.size(); ++r) {
        if (targets[r] < 0) continue;
        ++result.counted;
        if (static_cast<std::size_t>(targets[r]) >= n)
            fail("softmax_cross_entropy: target " + std::to_string(r) + " is " +
                 std::to_string(targets[r]) + ", but there are " + std::to_string(n) + " classes");
    }
    if (logits.empty()) return result;
    const float share = result.counted == 0 ? 0.0f : scale / static_cast<float>(result.counted);
    // First the rows' losses, then 1 when its largest logit is the target's.
    auto rows = Tensor<float>::uninitialized(Shape{2, logits.rows});
    on.parallel_for(logits.rows, 4096 / (n + 1) + 1, [&](std::size_t first, std::size_t end) {
        for (std::size_t r = first; r < end; ++r) {
            rows(0, r) = rows(1, r) = 0.0f;
            if (targets[r] < 0) {
                if (!wanted) continue;
                for (std::size_t i = 0; i < n; i += lanes)
                    store_part(B(0.0f), dlogits.row(r) + i, n - i, dlogits.wide());
                clear_padding<A>(dlogits, r);
                continue;
            }
            const float* x = logits.row(r);
            const auto target = static_cast<std::size_t>(targets[r]);
            const float top = row_max<A>(x, n), chosen = x[target];
            bool hit = chosen == top;
            for (std::size_t i = 0; hit && i < target; ++i) hit = x[i] != top;
            rows(1, r) = hit ? 1.0f : 0.0f;

            float* d = wanted ? dlogits.row(r) : nullptr;
            const float total = row_exp<A>(x, top, d, n, logits.wide(), dlogits.wide());
            alignas(64) float lane[lanes];
            log(B(total)).store(lane);
            rows(0, r) = (top - chosen) + lane[0];
            if (!wanted) continue;
            const B by(share / total);
            for (std::size_t i = 0; i < n; i += lanes)
                store_part(load_part<A>(d + i, n - i, dlogits.wide()) * by, d + i, n - i,
                           dlogits.wide());
            d[target] -= share;
            clear_padding<A>(dlogits, r);
        }
    });
    for (std::size_t r = 0; r < logits.rows; ++r) {
        result.loss += static_cast<double>(rows(0, r));
        result.correct += rows(1, r) != 0.0f ? 1u : 0u;
    }
    if (result.counted != 0) result.loss /= static_cast<double>(result.counted);
    return result;
}

/// The mean over all elements of (y - target)^2. dy, unless empty, becomes its gradient times
/// `scale`; it may be y itself.
template <class A>
double mean_square_error(const BasicHost<A>& on, View<const float> y, View<const float> target,
                         View<float> dy = {}, float scale = 1.0f) {
    expect_shape(target, y.rows, y.cols, "mean_square_error", "the target");
    if (dy.data != nullptr) expect_shape(dy, y.rows, y.cols, "mean_square_error", "the gradient");
    if (y.empty()) return 0.0;
    const double n = static_cast<double>(y.rows) * static_cast<double>(y.cols);
    const double total = sum_of(
        on,
        [](auto a, auto b) {
            const auto d = a - b;
            return d * d;
        },
        y, target);
    if (dy.data != nullptr) {
        const float by = static_cast<float>(2.0 * static_cast<double>(scale) / n);
        transform(
            on, [by](auto a, auto b) { return (a - b) * decltype(a)(by); }, dy, y, target);
    }
    return total / n;
}

}  // namespace nibble
