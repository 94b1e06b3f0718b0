// SPDX-License-Identifier: BSL-1.0
// Softmax over rows, forward and backward, in place.
#pragma once

#include <nibble/kernel/transform.hpp>
#include <nibble/kernel/transpose.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// The largest of a row's n elements, -infinity for none. NaN may be passed over.
template <class A>
[[nodiscard]] NIBBLE_INLINE float row_max(const float* x, std::size_t n) noexcept {
    using B = Batch<float, A>;
    constexpr std::size_t lanes = B::lanes;
    B top(-std::numeric_limits<float>::infinity());
    B top2 = top, top3 = top, top4 = top;
    std::size_t i = 0;
    for (; i + 4 * lanes <= n; i += 4 * lanes) {
        top = max(B::load(x + i), top);
        top2 = max(B::load(x + i + lanes), top2);
        top3 = max(B::load(x + i + 2 * lanes), top3);
        top4 = max(B::load(x + i + 3 * lanes), top4);
    }
    for (; i + lanes <= n; i += lanes) top = max(B::load(x + i), top);
    float best = reduce_max(max(max(top, top2), max(top3, top4)));
    for (; i < n; ++i) best = x[i] > best ? x[i] : best;
    return best;
}

/// out[i] = e^(x[i] - from) for i < n, and their sum; no x is above from. out may be x, or nullptr; with
/// `wide` it owns padding to the next whole register, which becomes zero.
template <class A>
[[nodiscard]] NIBBLE_INLINE float row_exp(const float* x, float from, float* out, std::size_t n,
                                          bool, bool wide_out) noexcept {
    using B = Batch<float, A>;
    constexpr std::size_t lanes = B::lanes;
    const B top(from);
    Lanes<A, 16> sums;
    const auto sixteen = [&](const float* p, float* q) {
        unroll<sums.registers>([&](auto j) {
            const B e = exp_of<1, true>(B::load(p + j * lanes) - top);
            sums.sum[j] = sums.sum[j] + e;
            e.store(q + j * lanes);
        });
    };
    std::size_t i = 0;
    float rest[16];
    if (out != nullptr)
        for (; i + 16 <= n; i += 16) sixteen(x + i, out + i);
    else
        for (; i + 16 <= n; i += 16) sixteen(x + i, rest);
    if (i < n) {
        constexpr float nothing = -std::numeric_limits<float>::infinity();
        for (std::size_t k = 0; k < 16; ++k) rest[k] = i + k < n ? x[i + k] : nothing;
        sixteen(rest, rest);
        const std::size_t end = wide_out ? (n + lanes - 1) / lanes * lanes : n;
        for (std::size_t k = 0; out != nullptr && i + k < end; ++k) out[i + k] = rest[k];
    }
    return sums.total();
}

/// Each row of x becomes e^x / sum of e^x. -infinity gives 0, and so does a row of nothing else. Equal
/// bits on every instruction set.
template <class A>
void softmax(const BasicHost<A>& on, View<float> x) {
    using B = Batch<float, A>;
    const std::size_t n = x.cols;
    if (x.empty()) return;
    on.parallel_for(x.rows, 8192 / (n + 1) + 1, [&](std::size_t first, std::size_t end) {
        for (std::size_t r = first; r < end; ++r) {
            float* p = x.row(r);
            float top = row_max<A>(p, n);
            // Nothing but -infinity: subtracting it would make NaN of what should be zeros.
            if (top == -std::numeric_limits<float>::infinity()) top = 0.0f;
            const float total = row_exp<A>(p, top, p, n, x.wide(), x.wide());
            const B by(total == 0.0f ? 0.0f : 1.0f / total);
            std::size_t i = 0;
            for (; i + B::lanes <= n; i += B::lanes) (B::load(p + i) * by).store(p + i);
            if (i < n)
                store_part(load_part<A>(p + i, n - i, x.wide()) * by, p + i, n - i, x.wide());
            clear_padding<A>(x, r);
        }
    });
}

/// dy becomes the gradient of softmax's input: y (dy - sum of y dy), from its output y.
template <class A>
void softmax_backward(const BasicHost<A>& on, View<const float> y, View<float> dy) {
    using B = Batch<float, A>;
    const std::size_t n = y.cols;
    expect_shape(dy, y.rows, n, "softmax_backward", "the gradient");
    if (y.empty()) return;
    on.parallel_for(y.rows, 16384 / (n + 1) + 1, [&](std::size_t first, std::size_t end) {
        for (std::size_t r = first; r < end; ++r) {
            const float* p = y.row(r);
            float* d = dy.row(r);
            B along(0.0f), along2(0.0f);
            for (std::size_t i = 0; i < n; i += B::lanes) {
                const B next = fma(load_part<A>(p + i, n - i, y.wide()),
                                   load_part<A>(d + i, n - i, dy.wide()), along);
                along = along2;
                along2 = next;
            }
            const B level(reduce_add(along + along2));
            for (std::size_t i = 0; i < n; i += B::lanes) {
                const B change = load_part<A>(d + i, n - i, dy.wide()) - level;
                store_part(load_part<A>(p + i, n - i, y.wide()) * change, d + i, n - i, dy.wide());
            }
            clear_padding<A>(dy, r);
        }
    });
}

}  // namespace nibble
