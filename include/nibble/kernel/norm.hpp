// SPDX-License-Identifier: BSL-1.0
// Layer norm (Ba et al. 2016) and RMS norm (Zhang, Sennrich 2019) over rows, forward and backward.
//
//     layer norm   y = (x - mean) rstd gain + bias     rstd = 1 / sqrt(mean of (x - mean)^2 + eps)
//     RMS norm     y = x rstd gain                     rstd = 1 / sqrt(mean of x^2 + eps)
//
// gain, bias, mean and rstd are single rows: of one number per column for the first two, per row of x
// for the others. An empty view means: no gain (1), no bias (0), not wanted (forward), to be computed
// again (backward). The variance takes a second pass over the row, so a large mean costs no digits.
// The results of forward, mean and rstd have equal bits on every instruction set.
// Gradients of gain and bias are summed over blocks of rows that depend on the shape alone.
#pragma once

#include <nibble/kernel/transform.hpp>
#include <nibble/kernel/transpose.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// Mean and 1 / standard deviation of a row; the mean counts as 0 for RMS norm.
struct RowMoments {
    float mean = 0.0f;
    float rstd = 0.0f;
};

/// The sum of f(x) over a row in 64 interleaved sums; f takes and returns a register, and is left out
/// where the row ends.
template <class A, class F>
[[nodiscard]] NIBBLE_INLINE float row_sum(const float* x, std::size_t n, F&& f) noexcept {
    using B = Batch<float, A>;
    Lanes<A, 64> sums;
    std::size_t i = 0;
    for (; i + 64 <= n; i += 64)
        unroll<sums.registers>(
            [&](auto j) { sums.sum[j] = sums.sum[j] + f(B::load(x + i + j * B::lanes)); });
    // What is left goes to the first sixteen sums.
    constexpr std::size_t few = 16 / B::lanes;
    for (; i + 16 <= n; i += 16)
        unroll<few>([&](auto j) { sums.sum[j] = sums.sum[j] + f(B::load(x + i + j * B::lanes)); });
    if (i < n) {
        float rest[16], parts[16];
        for (std::size_t k = 0; k < 16; ++k) rest[k] = i + k < n ? x[i + k] : 0.0f;
        unroll<few>([&](auto j) { f(B::load(rest + j * B::lanes)).store(parts + j * B::lanes); });
        for (std::size_t k = n - i; k < 16; ++k) parts[k] = 0.0f;
        unroll<few>([&](auto j) { sums.sum[j] = sums.sum[j] + B::load(parts + j * B::lanes); });
    }
    return sums.total();
}

template <bool Centered, class A>
[[nodiscard]] RowMoments row_moments(const float* x, std::size_t n, float eps) noexcept {
    using B = Batch<float, A>;
    const float share = 1.0f / static_cast<float>(n);
    float mean = 0.0f;
    if constexpr (Centered) mean = row_sum<A>(x, n, [](B v) { return v; }) * share;
    const B m(mean);
    const float squares = row_sum<A>(x, n, [&](B v) {
        const B d = Centered ? v - m : v;
        return rounded(d * d);
    });
    return {mean, 1.0f / std::sqrt(rounded<A>(squares * share) + eps)};
}

template <bool Centered, class A>
void norm_forward(const BasicHost<A>& on, const char* name, View<const float> x,
                  View<const float> gain, View<const float> bias, float eps, View<float> y,
                  View<float> mean, View<float> rstd) {
    using B = Batch<float, A>;
    expect_shape(y, x.rows, x.cols, name, "the output");
    if (!gain.empty()) expect_shape(gain, 1, x.cols, name, "the gain");
    if (!bias.empty()) expect_shape(bias, 1, x.cols, name, "the bias");
    if (!mean.empty()) expect_shape(mean, 1, x.rows, name, "the saved mean");
    if (!rstd.empty()) expect_shape(rstd, 1, x.rows, name, "the saved rstd");
    if (x.empty()) return;
    const std::size_t n = x.cols;
    on.parallel_for(x.rows, 16384 / (n + 1) + 1, [&](std::size_t first, std::size_t end) {
        for (std::size_t r = first; r < end; ++r) {
            const float* p = x.row(r);
            float* q = y.row(r);
            const RowMoments moments = row_moments<Centered, A>(p, n, eps);
            if (!mean.empty()) mean(0, r) = moments.mean;
            if (!rstd.empty()) rstd(0, r) = moments.rstd;
            const B by(moments.rstd), from(moments.mean);
            auto hat = [&](B v) { return Centered ? (v - from) * by : v * by; };
            const float* g = gain.data;
            const float* b = bias.data;
            // One branch a row, not one an element, for the usual cases.
            const std::size_t full = n / B::lanes * B::lanes;
            std::size_t i = 0;
            if (g != nullptr && b != nullptr)
                for (; i < full; i += B::lanes) {
                    const B v = rounded(hat(B::load(p + i)) * B::load(g + i));
                    (v + B::load(b + i)).store(q + i);
                }
            else if (g != nullptr)
                for (; i < full; i += B::lanes) (hat(B::load(p + i)) * B::load(g + i)).store(q + i);
            for (; i < n; i += B::lanes) {
                B v = hat(load_part<A>(p + i, n - i, x.wide()));
                if (g != nullptr) v = v * load_part<A>(g + i, n - i, gain.wide());
                if (b != nullptr) v = rounded(v) + load_part<A>(b + i, n - i, bias.wide());
                store_part(v, q + i, n - i, y.wide());
            }
            clear_padding<A>(y, r);
        }
    });
}

/// One row: dx, and the row's share of the gradients of gain and bias.
template <bool Centered, class A>
void norm_row_backward(const float* x, const float* gain, const float* dy, float* dx, std::size_t n,
                       RowMoments moments, bool wide_x, bool wide_dy, bool wide_gain, bool wide_dx,
                       float* dgain, float* dbias) noexcept {
    using B = Batch<float, A>;
    constexpr std::size_t lanes = B::lanes;
    const B by(moments.rstd), from(moments.mean);
    auto normed = [&](B v) { return Centered ? (v - from) * by : v * by; };
    B along(0.0f), total(0.0f), along2(0.0f), total2(0.0f);
    for (std::size_t i = 0; i < n; i += lanes) {
        const B d = load_part<A>(dy + i, n - i, wide_dy);
        const B hat = normed(load_part<A>(x + i, n - i, wide_x));
        const B a = gain != nullptr ? d * load_part<A>(gain + i, n - i, wide_gain) : d;
        const B next = fma(a, hat, along);  // two sums take turns
        along = along2;
        along2 = next;
        if constexpr (Centered) {
            const B sum = total + a;
            total = total2;
            total2 = sum;
        }
        fma(d, hat, B::load(dgain + i)).store(dgain + i);
        if constexpr (Centered) (B::load(dbias + i) + d).store(dbias + i);
    }
    const float share = 1.0f / static_cast<float>(n);
    const B slope(reduce_add(along + along2) * share);
    const B level(Centered ? reduce_add(total + total2) * share : 0.0f);
    for (std::size_t i = 0; i < n; i += lanes) {
        const B hat = normed(load_part<A>(x + i, n - i, wide_x));
        const B d = load_part<A>(dy + i, n - i, wide_dy);
        const B a = gain != nullptr ? d * load_part<A>(gain + i, n - i, wide_gain) : d;
        store_part(fnma(hat, slope, a - level) * by, dx + i, n - i, wide_dx);
    }
}

template <bool Centered, class A>
void norm_backward(const BasicHost<A>& on, const char* name, View<const float> x,
                   View<const float> gain, float eps, View<const float> mean,
                   View<const float> rstd, View<const float> dy, View<float> dx, View<float> dgain,
                   View<float> dbias) {
    expect_shape(dy, x.rows, x.cols, name, "the gradient of the output");
    expect_shape(dx, x.rows, x.cols, name, "the gradient of the input");
    for (const View<const float>& row : {gain, View<const float>(dgain), View<const float>(dbias)})
        if (!row.empty()) expect_shape(row, 1, x.cols, name, "gain or its or the bias's gradient");
    for (const auto& row : {mean, rstd})
        if (!row.empty()) expect_shape(row, 1, x.rows, name, "the saved mean or rstd");
    if (x.empty()) return;
    const std::size_t n = x.cols, width = padded(n);
    const std::size_t rows = x.rows <= 32 * 64 ? 32 : (x.rows + 63) / 64;  // at most 64 blocks
    const std::size_t blocks = (x.rows + rows - 1) / rows;
    Tensor<float> parts(Shape{2 * blocks, width});
    const bool saved = !rstd.empty() && (!Centered || !mean.empty());
    on.parallel_for(blocks, 16384 / (rows * n + 1) + 1, [&](std::size_t first, std::size_t end) {
        for (std::size_t block = first; block < end; ++block) {
            float* const of_gain = parts.view().row(2 * block);
            float* const of_bias = parts.view().row(2 * block + 1);
            const std::size_t last = block * rows + rows < x.rows ? block * rows + rows : x.rows;
            for (std::size_t r = block * rows; r < last; ++r) {
                const RowMoments moments =
                    saved ? RowMoments{Centered ? mean(0, r) : 0.0f, rstd(0, r)}
                          : row_moments<Centered, A>(x.row(r), n, eps);
                norm_row_backward<Centered, A>(x.row(r), gain.data, dy.row(r), dx.row(r), n,
                                               moments, x.wide(), dy.wide(), gain.wide(), dx.wide(),
                                               of_gain, of_bias);
                clear_padding<A>(dx, r);
            }
        }
    });
    // Rows of the two kinds alternate: a view of every second row sums one kind.
    const View<const float> even{parts.data(), blocks, n, 2 * width};
    const View<const float> odd{parts.data() + width, blocks, n, 2 * width};
    if (!dgain.empty()) column_sums(on, even, dgain);
    if (!dbias.empty()) column_sums(on, odd, dbias);
}

/// y = layer norm of each row of x. mean and rstd, where given, keep what backward needs.
template <class A>
void layer_norm(const BasicHost<A>& on, View<const float> x, View<const float> gain,
                View<const float> bias, float eps, View<float> y, View<float> mean = {},
                View<float> rstd = {}) {
    norm_forward<true>(on, "layer_norm", x, gain, bias, eps, y, mean, rstd);
}

/// dx = gradient of x (dx may be dy); adds to dgain and dbias. mean and rstd as forward gave them, or
/// empty.
template <class A>
void layer_norm_backward(const BasicHost<A>& on, View<const float> x, View<const float> gain,
                         float eps, View<const float> mean, View<const float> rstd,
                         View<const float> dy, View<float> dx, View<float> dgain,
                         View<float> dbias) {
    norm_backward<true>(on, "layer_norm_backward", x, gain, eps, mean, rstd, dy, dx, dgain, dbias);
}

/// y = RMS norm of each row of x.
template <class A>
void rms_norm(const BasicHost<A>& on, View<const float> x, View<const float> gain, float eps,
              View<float> y, View<float> rstd = {}) {
    norm_forward<false>(on, "rms_norm", x, gain, {}, eps, y, {}, rstd);
}

/// dx = gradient of x (dx may be dy); adds to dgain.
template <class A>
void rms_norm_backward(const BasicHost<A>& on, View<const float> x, View<const float> gain,
                       float eps, View<const float> rstd, View<const float> dy, View<float> dx,
                       View<float> dgain) {
    norm_backward<false>(on, "rms_norm_backward", x, gain, eps, {}, rstd, dy, dx, dgain, {});
}

}  // namespace nibble
