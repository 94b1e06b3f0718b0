// SPDX-License-Identifier: BSL-1.0
// Max and average pooling over planes: [..., height * width] to [..., out_height * out_width].
#pragma once

#include <nibble/kernel/pool2d.hpp>
#include <nibble/layer/keep.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// The windows of a pooling layer.
struct Pool2dConfig {
    std::size_t height = 0;   ///< of x
    std::size_t width = 0;    ///< of x
    std::size_t size = 2;     ///< windows are size x size
    std::size_t stride = 0;   ///< 0: size, so that windows lie side by side
    std::size_t padding = 0;  ///< less than size; what lies outside the plane does not count

    [[nodiscard]] constexpr std::size_t step() const noexcept {
        return stride != 0 ? stride : size;
    }
    [[nodiscard]] constexpr std::size_t out_height() const noexcept { return extent(height); }
    [[nodiscard]] constexpr std::size_t out_width() const noexcept { return extent(width); }
    /// The same for the kernels.
    [[nodiscard]] constexpr Pool2dShape shape(std::size_t planes) const noexcept {
        return {.planes = planes,
                .height = height,
                .width = width,
                .size = size,
                .stride = step(),
                .padding = padding};
    }

private:
    [[nodiscard]] constexpr std::size_t extent(std::size_t n) const noexcept {
        return size == 0 || n + 2 * padding < size ? 0 : (n + 2 * padding - size) / step() + 1;
    }
};

/// Max or average of each window.
template <bool Max, LayerPrecision P, class On>
struct Pool2d {
    using Memory = typename On::Memory;
    using Activations = Tensor<float, Memory>;
    template <class Q>
    using rebind = Pool2d<Max, Q, On>;
    static constexpr const char* name = Max ? "MaxPool2d" : "AvgPool2d";

    Pool2dConfig config;

    /// What backward needs: x for a maximum, its shape for an average.
    struct Saved {
        Tensor<kept_t<P>, Memory> x;
        Shape shape;
    };

    Pool2d() = default;
    /// Fails when the window does not fit the plane.
    explicit Pool2d(Pool2dConfig c) : config(c) {
        if (c.out_height() == 0 || c.out_width() == 0 || c.padding >= c.size)
            fail(std::string(name) + ": size " + std::to_string(c.size) + ", padding " +
                 std::to_string(c.padding) + " on planes of " + std::to_string(c.height) + " x " +
                 std::to_string(c.width) +
                 ", expected a window that fits, larger than the padding");
    }

    template <class F, class... L>
    static void parameters(F&&, L&...) {}

    [[nodiscard]] Activations forward(On& on, Activations x, Saved* saved = nullptr) const {
        expect_features(name, x.shape(), config.height * config.width);
        if constexpr (Max) round_activation<P>(on, x);
        auto y = Activations::uninitialized(output(x.shape()));
        if constexpr (Max) max_pool2d(on, config.shape(x.rows()), x.view(), y.view());
        else average_pool2d(on, config.shape(x.rows()), x.view(), y.view());
        if (saved != nullptr) {
            saved->shape = x.shape();
            if constexpr (Max) saved->x = keep<P>(on, std::move(x));
        }
        return y;
    }

    [[nodiscard]] Activations backward(On& on, const Saved& saved, Activations dy,
                                       rebind<float>&) const {
        expect_gradient(name, dy.shape(), output(saved.shape));
        auto dx = Activations::uninitialized(saved.shape);
        const Pool2dShape shape = config.shape(saved.shape.rows());
        if constexpr (Max) {
            const auto& x = widened(on, saved.x);
            max_pool2d_backward(on, shape, x.view(), dy.view(), dx.view());
        } else {
            average_pool2d_backward(on, shape, dy.view(), dx.view());
        }
        return dx;
    }

private:
    [[nodiscard]] Shape output(const Shape& x) const noexcept {
        return x.with_cols(config.out_height() * config.out_width());
    }
};

template <LayerPrecision P = float, class On = Host>
using MaxPool2d = Pool2d<true, P, On>;
template <LayerPrecision P = float, class On = Host>
using AvgPool2d = Pool2d<false, P, On>;

}  // namespace nibble
