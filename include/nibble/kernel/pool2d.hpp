// SPDX-License-Identifier: BSL-1.0
// Max and average pooling over planes, forward and backward. Planes are rows of height * width numbers
// (see conv2d.hpp); each is worked on by one thread.
#pragma once

#include <nibble/kernel/transform.hpp>

#include <algorithm>

namespace nibble::inline NIBBLE_ARCH {

/// What pooling works on.
struct Pool2dShape {
    std::size_t planes = 1;  ///< batch * channels
    std::size_t height = 0;
    std::size_t width = 0;
    std::size_t size = 2;  ///< windows are size x size
    std::size_t stride = 2;
    std::size_t padding = 0;  ///< less than size; what lies outside the plane does not count

    [[nodiscard]] std::size_t out_height() const noexcept {
        return (height + 2 * padding - size) / stride + 1;
    }
    [[nodiscard]] std::size_t out_width() const noexcept {
        return (width + 2 * padding - size) / stride + 1;
    }
};

inline void expect_pool2d(const char* where, const Pool2dShape& s, View<const float> x,
                          View<const float> y) {
    if (s.stride == 0 || s.size == 0 || s.padding >= s.size ||
        s.size > std::min(s.height, s.width) + 2 * s.padding)
        fail(std::string(where) + ": windows of " + std::to_string(s.size) + ", stride " +
             std::to_string(s.stride) + ", padding " + std::to_string(s.padding) +
             " do not fit planes of " + std::to_string(s.height) + " x " + std::to_string(s.width));
    expect_shape(x, s.planes, s.height * s.width, where, "the input");
    expect_shape(y, s.planes, s.out_height() * s.out_width(), where, "the output");
}

/// Calls f(output index, first row, end row, first column, end column) for each window of a plane.
template <class F>
NIBBLE_INLINE void for_each_window(const Pool2dShape& s, F&& f) {
    auto inside = [&](std::size_t o, std::size_t extent, std::size_t& first, std::size_t& end) {
        const std::size_t at = o * s.stride;  // counted from the padding's edge
        first = at > s.padding ? at - s.padding : 0;
        end = std::min(at + s.size - s.padding, extent);
    };
    std::size_t i = 0;
    for (std::size_t oy = 0; oy < s.out_height(); ++oy) {
        std::size_t y0 = 0, y1 = 0;
        inside(oy, s.height, y0, y1);
        for (std::size_t ox = 0; ox < s.out_width(); ++ox, ++i) {
            std::size_t x0 = 0, x1 = 0;
            inside(ox, s.width, x0, x1);
            f(i, y0, y1, x0, x1);
        }
    }
}

/// Index of a window's largest number: the first of equals, or a NaN if there is one.
template <class A>
[[nodiscard]] NIBBLE_INLINE std::size_t largest_of(const float* x, std::size_t width,
                                                   std::size_t y0, std::size_t y1, std::size_t x0,
                                                   std::size_t x1) noexcept {
    std::size_t best = y0 * width + x0;
    for (std::size_t y = y0; y < y1; ++y)
        for (std::size_t i = y * width + x0; i < y * width + x1; ++i)
            if (x[i] > x[best] || x[i] != x[i]) best = i;
    return best;
}

/// y = the largest number of each window; NaN where it has one.
template <class A>
void max_pool2d(const BasicHost<A>& on, const Pool2dShape& s, View<const float> x, View<float> y) {
    expect_pool2d("max_pool2d", s, x, y);
    on.parallel_for(s.planes, 8192 / (x.cols + 1) + 1, [&](std::size_t first, std::size_t end) {
        for (std::size_t p = first; p < end; ++p) {
            const float* const from = x.row(p);
            float* const to = y.row(p);
            for_each_window(s, [&](std::size_t i, std::size_t y0, std::size_t y1, std::size_t x0,
                                   std::size_t x1) {
                to[i] = from[largest_of<A>(from, s.width, y0, y1, x0, x1)];
            });
            clear_padding<A>(y, p);
        }
    });
}

/// Sets dx: each window's gradient goes to its largest number in x.
template <class A>
void max_pool2d_backward(const BasicHost<A>& on, const Pool2dShape& s, View<const float> x,
                         View<const float> dy, View<float> dx) {
    expect_pool2d("max_pool2d_backward", s, x, dy);
    expect_shape(dx, x.rows, x.cols, "max_pool2d_backward", "the gradient of the input");
    on.parallel_for(s.planes, 8192 / (x.cols + 1) + 1, [&](std::size_t first, std::size_t end) {
        for (std::size_t p = first; p < end; ++p) {
            const float* const from = x.row(p);
            const float* const slope = dy.row(p);
            float* const to = dx.row(p);
            std::fill(to, to + x.cols, 0.0f);
            for_each_window(s, [&](std::size_t i, std::size_t y0, std::size_t y1, std::size_t x0,
                                   std::size_t x1) {
                to[largest_of<A>(from, s.width, y0, y1, x0, x1)] += slope[i];
            });
            clear_padding<A>(dx, p);
        }
    });
}

/// y = the mean of each window's numbers inside the plane.
template <class A>
void average_pool2d(const BasicHost<A>& on, const Pool2dShape& s, View<const float> x,
                    View<float> y) {
    expect_pool2d("average_pool2d", s, x, y);
    on.parallel_for(s.planes, 8192 / (x.cols + 1) + 1, [&](std::size_t first, std::size_t end) {
        for (std::size_t p = first; p < end; ++p) {
            const float* const from = x.row(p);
            float* const to = y.row(p);
            for_each_window(s, [&](std::size_t i, std::size_t y0, std::size_t y1, std::size_t x0,
                                   std::size_t x1) {
                float sum = 0.0f;
                for (std::size_t r = y0; r < y1; ++r)
                    for (std::size_t c = x0; c < x1; ++c) sum += from[r * s.width + c];
                to[i] = sum / static_cast<float>((y1 - y0) * (x1 - x0));
            });
            clear_padding<A>(y, p);
        }
    });
}

/// Sets dx: each window's gradient is shared evenly among its numbers.
template <class A>
void average_pool2d_backward(const BasicHost<A>& on, const Pool2dShape& s, View<const float> dy,
                             View<float> dx) {
    expect_pool2d("average_pool2d_backward", s, dx, dy);
    on.parallel_for(s.planes, 8192 / (dx.cols + 1) + 1, [&](std::size_t first, std::size_t end) {
        for (std::size_t p = first; p < end; ++p) {
            const float* const slope = dy.row(p);
            float* const to = dx.row(p);
            std::fill(to, to + dx.cols, 0.0f);
            for_each_window(s, [&](std::size_t i, std::size_t y0, std::size_t y1, std::size_t x0,
                                   std::size_t x1) {
                const float share = slope[i] / static_cast<float>((y1 - y0) * (x1 - x0));
                for (std::size_t r = y0; r < y1; ++r)
                    for (std::size_t c = x0; c < x1; ++c) to[r * s.width + c] += share;
            });
            clear_padding<A>(dx, p);
        }
    });
}

}  // namespace nibble
