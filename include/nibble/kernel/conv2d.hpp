// SPDX-License-Identifier: BSL-1.0
// Two-dimensional convolution (cross-correlation, as networks use the word), forward and backward.
//
// Images are [batch, channels, height * width]: a plane is one row of a tensor, so a plane is padded
// at its end and nowhere inside. Weights are [out_channels, in_channels * kernel_height * kernel_width]
// in any format. For a few rows of outputs at a time, the pixels under each weight are gathered into
// scratch as a matrix [weights, pixels] ("im2col"), and convolution is a product with it: registers
// run along pixels. Images are shared among threads; the gradient of the weights is added up over
// blocks of images that depend on the shape alone.
#pragma once

#include <nibble/kernel/matmul.hpp>
#include <nibble/kernel/rows.hpp>
#include <nibble/kernel/tile.hpp>
#include <nibble/kernel/transform.hpp>

#include <algorithm>

namespace nibble::inline NIBBLE_ARCH {

/// What a convolution works on.
struct Conv2dShape {
    std::size_t batch = 1;
    std::size_t in_channels = 1;
    std::size_t height = 0;
    std::size_t width = 0;
    std::size_t out_channels = 1;
    std::size_t kernel_height = 1;
    std::size_t kernel_width = 1;
    std::size_t stride = 1;
    std::size_t padding = 0;  ///< zeros around each plane, less than either kernel extent

    [[nodiscard]] std::size_t out_height() const noexcept {
        return (height + 2 * padding - kernel_height) / stride + 1;
    }
    [[nodiscard]] std::size_t out_width() const noexcept {
        return (width + 2 * padding - kernel_width) / stride + 1;
    }
    /// Weights of one output channel.
    [[nodiscard]] std::size_t taps() const noexcept {
        return in_channels * kernel_height * kernel_width;
    }
    /// Rows of output pixels gathered at a time: about 512 pixels, at most 256 KiB of scratch.
    [[nodiscard]] std::size_t tile_rows() const noexcept {
        const std::size_t pixels = std::min<std::size_t>(512, 65536 / taps() + 1);
        return std::clamp<std::size_t>(pixels / out_width(), 1, out_height());
    }
};

/// Fails unless the images and the number of weights are as s says.
inline void expect_conv2d(const char* where, const Conv2dShape& s, View<const float> x,
                          View<const float> y, std::size_t rows, std::size_t cols) {
    if (s.stride == 0 || s.kernel_height == 0 || s.kernel_width == 0 ||
        s.padding >= s.kernel_height || s.padding >= s.kernel_width ||
        s.kernel_height > s.height + 2 * s.padding || s.kernel_width > s.width + 2 * s.padding)
        fail(std::string(where) + ": a kernel of " + std::to_string(s.kernel_height) + " x " +
             std::to_string(s.kernel_width) + ", stride " + std::to_string(s.stride) +
             ", padding " + std::to_string(s.padding) + " does not fit images of " +
             std::to_string(s.height) + " x " + std::to_string(s.width));
    expect_shape(x, s.batch * s.in_channels, s.height * s.width, where, "the input");
    expect_shape(y, s.batch * s.out_channels, s.out_height() * s.out_width(), where, "the output");
    expect_equal(rows, s.out_channels, where, "the number of rows of the weights");
    expect_equal(cols, s.taps(), where, "the number of columns of the weights");
}

/// The range of output columns whose pixel under kernel column kx lies inside the image.
struct ColumnRange {
    std::size_t first;
    std::size_t end;
};
[[nodiscard]] inline ColumnRange columns_inside(const Conv2dShape& s, std::size_t kx) noexcept {
    const std::size_t first = kx >= s.padding ? 0 : (s.padding - kx + s.stride - 1) / s.stride;
    const std::size_t edge = s.width + s.padding;
    const std::size_t limit = edge > kx ? edge - kx : 0;  // ox * stride < limit
    const std::size_t end = std::min((limit + s.stride - 1) / s.stride, s.out_width());
    return {std::min(first, end), end};
}

/// Calls f(tap, channel, image row, kernel column, r) for each weight and each of `rows` output rows
/// from oy0 on; the image row is `height` where it would be padding. How im2col and its reverse walk.
template <class F>
void for_each_tap(const Conv2dShape& s, std::size_t oy0, std::size_t rows, F&& f) {
    std::size_t tap = 0;
    for (std::size_t c = 0; c < s.in_channels; ++c)
        for (std::size_t ky = 0; ky < s.kernel_height; ++ky)
            for (std::size_t kx = 0; kx < s.kernel_width; ++kx, ++tap)
                for (std::size_t r = 0; r < rows; ++r) {
                    const std::size_t iy = (oy0 + r) * s.stride + ky;  // padding rows included
                    const bool inside = iy >= s.padding && iy - s.padding < s.height;
                    f(tap, c, inside ? iy - s.padding : s.height, kx, r);
                }
}

/// patches[tap, pixel] of image b for `rows` output rows; `row` apart, zeros behind the pixels.
template <class A>
void gather_patches(const Conv2dShape& s, View<const float> x, std::size_t b, std::size_t oy0,
                    std::size_t rows, float* patches, std::size_t row) noexcept {
    const std::size_t out_width = s.out_width();
    for_each_tap(
        s, oy0, rows,
        [&](std::size_t tap, std::size_t c, std::size_t iy, std::size_t kx, std::size_t r) {
            float* const to = patches + tap * row + r * out_width;
            if (iy == s.height) {
                std::fill(to, to + out_width, 0.0f);
            } else {
                const ColumnRange in = columns_inside(s, kx);
                const float* const from = x.row(b * s.in_channels + c) + iy * s.width;
                const std::size_t shift = kx - s.padding;  // wraps around below zero; sums do not
                std::fill(to, to + in.first, 0.0f);
                if (s.stride == 1 && in.first < in.end) {
                    const float* const run = from + (in.first + shift);
                    std::copy(run, run + (in.end - in.first), to + in.first);
                } else {
                    for (std::size_t i = in.first; i < in.end; ++i)
                        to[i] = from[i * s.stride + shift];
                }
                std::fill(to + in.end, to + out_width, 0.0f);
            }
            if (r + 1 == rows) std::fill(to + out_width, patches + tap * row + row, 0.0f);
        });
}

/// The reverse: adds patches[tap, pixel] to the pixels of dx that they came from.
template <class A>
void scatter_patches(const Conv2dShape& s, const float* patches, std::size_t row, std::size_t b,
                     std::size_t oy0, std::size_t rows, View<float> dx) noexcept {
    for_each_tap(
        s, oy0, rows,
        [&](std::size_t tap, std::size_t c, std::size_t iy, std::size_t kx, std::size_t r) {
            if (iy == s.height) return;
            const ColumnRange in = columns_inside(s, kx);
            const float* const from = patches + tap * row + r * s.out_width();
            float* const to = dx.row(b * s.in_channels + c) + iy * s.width;
            const std::size_t shift = kx - s.padding;  // wraps around below zero; sums do not
            for (std::size_t i = in.first; i < in.end; ++i) to[i * s.stride + shift] += from[i];
        });
}

/// The weights as floats.
template <class A, Format F>
[[nodiscard]] Tensor<float> decoded(const BasicHost<A>& on, const Matrix<F>& w) {
    auto rows = Tensor<float>::uninitialized(Shape{w.rows(), w.cols()});
    on.parallel_for(w.rows(), 65536 / (w.cols() + 1) + 1, [&](std::size_t first, std::size_t end) {
        for (std::size_t r = first; r < end; ++r) load_row<A>(w, r, rows.view().row(r));
    });
    return rows;
}

/// y = x convolved with w, plus one bias for each output channel (a row; empty: none).
template <class A, Format F>
void conv2d(const BasicHost<A>& on, const Conv2dShape& s, const Matrix<F>& w,
            View<const float> bias, View<const float> x, View<float> y) {
    using B = Batch<float, A>;
    expect_conv2d("conv2d", s, x, y, w.rows(), w.cols());
    if (!bias.empty()) expect_shape(bias, 1, s.out_channels, "conv2d", "the bias");
    const Tensor<float> weights = decoded(on, w);
    const std::size_t out_width = s.out_width(), out_height = s.out_height();
    const std::size_t step = s.tile_rows(), row = padded(step * out_width);
    const std::size_t tiles = (out_height + step - 1) / step;
    on.parallel_for(s.batch * tiles, 1, [&](std::size_t first, std::size_t end) {
        auto scratch = Tensor<float>::uninitialized(Shape{s.taps() + s.out_channels, row});
        float* const patches = scratch.data();
        float* const sums = patches + s.taps() * row;
        for (std::size_t item = first; item < end; ++item) {
            const std::size_t b = item / tiles, oy = item % tiles * step;
            const std::size_t rows = std::min(step, out_height - oy), n = rows * out_width;
            gather_patches<A>(s, x, b, oy, rows, patches, row);
            tile_product<A, false>(s.out_channels, n, s.taps(),
                                   {weights.data(), weights.stride(), 1}, patches, row, sums, row);
            for (std::size_t c = 0; c < s.out_channels; ++c) {
                const B plus(bias.empty() ? 0.0f : bias(0, c));
                float* const to = y.row(b * s.out_channels + c) + oy * out_width;
                for (std::size_t i = 0; i < n; i += B::lanes)
                    store_part(B::load(sums + c * row + i) + plus, to + i, n - i, false);
                if (oy + rows == out_height) clear_padding<A>(y, b * s.out_channels + c);
            }
        }
    });
}

/// Sets dx (unless empty) and adds to dweight and dbias (unless empty) from dy.
template <class A, Format F>
void conv2d_backward(const BasicHost<A>& on, const Conv2dShape& s, const Matrix<F>& w,
                     View<const float> x, View<const float> dy, View<float> dx, View<float> dweight,
                     View<float> dbias) {
    using B = Batch<float, A>;
    const char* const name = "conv2d_backward";
    expect_conv2d(name, s, x, dy, w.rows(), w.cols());
    if (!dx.empty()) expect_shape(dx, x.rows, x.cols, name, "the gradient of the input");
    if (!dweight.empty())
        expect_shape(dweight, s.out_channels, s.taps(), name, "the gradient of the weights");
    if (!dbias.empty()) expect_shape(dbias, 1, s.out_channels, name, "the gradient of the bias");
    const Tensor<float> weights = decoded(on, w);
    const std::size_t out_width = s.out_width(), out_height = s.out_height(), taps = s.taps();
    const std::size_t step = s.tile_rows(), row = padded(step * out_width);
    const std::size_t blocks = std::min<std::size_t>(s.batch, 16);
    // Each block's share of the gradients: out_channels rows of weights, then one of biases.
    Tensor<float> parts(Shape{blocks, s.out_channels + 1, std::max(taps, s.out_channels)});
    on.parallel_for(blocks, 1, [&](std::size_t first, std::size_t end) {
        auto patches = Tensor<float>::uninitialized(Shape{taps, row});
        auto slopes = Tensor<float>(Shape{s.out_channels, row});
        auto share = Tensor<float>::uninitialized(Shape{s.out_channels, taps});
        const BasicHost<A> here(1);
        for (std::size_t block = first; block < end; ++block) {
            const View<float> part =
                parts.view().row_block(block * (s.out_channels + 1), s.out_channels + 1);
            for (std::size_t b = s.batch * block / blocks; b < s.batch * (block + 1) / blocks;
                 ++b) {
                for (std::size_t c = 0; !dx.empty() && c < s.in_channels; ++c) {
                    float* const p = dx.row(b * s.in_channels + c);
                    std::fill(p, p + dx.cols, 0.0f);
                    clear_padding<A>(dx, b * s.in_channels + c);
                }
                for (std::size_t oy = 0; oy < out_height; oy += step) {
                    const std::size_t rows = std::min(step, out_height - oy), n = rows * out_width;
                    for (std::size_t c = 0; c < s.out_channels; ++c) {
                        const float* const from = dy.row(b * s.out_channels + c) + oy * out_width;
                        float* const to = slopes.data() + c * row;
                        B sum(0.0f);
                        for (std::size_t i = 0; i < n; i += B::lanes) {
                            const B d = load_part<A>(from + i, n - i, false);
                            d.store(to + i);
                            sum = sum + d;
                        }
                        std::fill(to + n, to + row, 0.0f);
                        part(s.out_channels, c) += reduce_add(sum);
                    }
                    if (!dweight.empty()) {
                        gather_patches<A>(s, x, b, oy, rows, patches.data(), row);
                        matmul(here, patches.view(), slopes, share);
                        add_to(here, share, part.row_block(0, s.out_channels).col_block(0, taps));
                    }
                    if (!dx.empty()) {
                        tile_product<A, false>(taps, n, s.out_channels,
                                               {weights.data(), 1, weights.stride()}, slopes.data(),
                                               row, patches.data(), row);
                        scatter_patches<A>(s, patches.data(), row, b, oy, rows, dx);
                    }
                }
            }
        }
    });
    for (std::size_t block = 0; block < blocks; ++block) {
        const View<const float> part =
            parts.view().row_block(block * (s.out_channels + 1), s.out_channels + 1);
        if (!dweight.empty())
            add_to(on, part.row_block(0, s.out_channels).col_block(0, taps), dweight);
        if (!dbias.empty())
            add_to(on, part.row_block(s.out_channels, 1).col_block(0, s.out_channels), dbias);
    }
}

}  // namespace nibble
