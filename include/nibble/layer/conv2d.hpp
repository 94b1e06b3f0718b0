// SPDX-License-Identifier: BSL-1.0
// Convolution over images, and Flatten, which leads from planes to features.
//
// Images are [batch, channels, height * width]: a plane is one row of the tensor. With one channel
// [batch, height * width] will do. Extents are part of a layer's config, for they cannot be read off a
// plane.
#pragma once

#include <nibble/kernel/conv2d.hpp>
#include <nibble/layer/keep.hpp>
#include <nibble/layer/seed.hpp>

#include <algorithm>

namespace nibble::inline NIBBLE_ARCH {

/// The sizes of a Conv2d.
struct Conv2dConfig {
    std::size_t in = 1;      ///< channels of x
    std::size_t out = 1;     ///< channels of y
    std::size_t height = 0;  ///< of x
    std::size_t width = 0;   ///< of x
    std::size_t kernel = 3;  ///< kernels are kernel x kernel
    std::size_t stride = 1;
    std::size_t padding = 0;  ///< zeros around each plane, less than kernel
    bool bias = true;

    [[nodiscard]] constexpr std::size_t taps() const noexcept { return in * kernel * kernel; }
    [[nodiscard]] constexpr std::size_t out_height() const noexcept { return extent(height); }
    [[nodiscard]] constexpr std::size_t out_width() const noexcept { return extent(width); }
    /// The same for the kernels.
    [[nodiscard]] constexpr Conv2dShape shape(std::size_t batch) const noexcept {
        return {.batch = batch,
                .in_channels = in,
                .height = height,
                .width = width,
                .out_channels = out,
                .kernel_height = kernel,
                .kernel_width = kernel,
                .stride = stride,
                .padding = padding};
    }

private:
    [[nodiscard]] constexpr std::size_t extent(std::size_t n) const noexcept {
        return stride == 0 || n + 2 * padding < kernel ? 0
                                                       : (n + 2 * padding - kernel) / stride + 1;
    }
};

/// [batch, in, height * width] to [batch, out, out_height * out_width].
template <LayerPrecision P, class On = Host>
struct Conv2d {
    using Memory = typename On::Memory;
    using Activations = Tensor<float, Memory>;
    template <class Q>
    using rebind = Conv2d<Q, On>;

    Matrix<weight_t<P>, Memory> weight;  ///< out rows of in * kernel * kernel
    Tensor<float, Memory> bias;          ///< one number for each channel of y, or empty
    Conv2dConfig config;

    /// What backward needs.
    struct Saved {
        Tensor<kept_t<P>, Memory> x;
    };

    Conv2d() = default;
    /// All zeros. Fails when the kernel does not fit the image.
    explicit Conv2d(Conv2dConfig c) : weight(c.out, c.taps()), config(c) {
        if (c.out_height() == 0 || c.out_width() == 0 || c.padding >= c.kernel || c.taps() == 0 ||
            c.out == 0)
            fail("Conv2d: " + std::to_string(c.in) + " to " + std::to_string(c.out) +
                 " channels, kernel " + std::to_string(c.kernel) + ", stride " +
                 std::to_string(c.stride) + ", padding " + std::to_string(c.padding) +
                 " on images of " + std::to_string(c.height) + " x " + std::to_string(c.width) +
                 ", expected a kernel that fits, larger than the padding, and a stride above 0");
        if (c.bias) bias = Activations(Shape{c.out});
    }
    /// Weights and bias from Kaiming's uniform draw.
    Conv2d(Conv2dConfig c, Seed seed) : Conv2d(c) {
        On on;
        Random random(seed.value);
        draw_uniform(on, random, kaiming_bound(on, c.taps()), weight);
        draw_uniform(on, random, kaiming_bound(on, c.taps()), bias.view());
    }

    template <class F, class... L>
    static void parameters(F&& f, L&... l) {
        f("weight", l.weight...);
        f("bias", l.bias...);
    }

    [[nodiscard]] Activations forward(On& on, Activations x, Saved* saved = nullptr) const {
        const std::size_t batch = batch_of(x.shape());
        round_activation<P>(on, x);
        auto y = Activations::uninitialized(output(batch));
        conv2d(on, config.shape(batch), weight, bias.view(), x.view(), y.view());
        if (saved != nullptr) saved->x = keep<P>(on, std::move(x));
        return y;
    }

    [[nodiscard]] Activations backward(On& on, const Saved& saved, Activations dy,
                                       rebind<float>& gradient) const {
        const std::size_t batch = batch_of(saved.x.shape());
        expect_gradient("Conv2d", dy.shape(), output(batch));
        const auto& x = widened(on, saved.x);
        auto dx = Activations::uninitialized(x.shape());
        conv2d_backward(on, config.shape(batch), weight, x.view(), dy.view(), dx.view(),
                        gradient.weight.codes().view(), gradient.bias.view());
        return dx;
    }

private:
    [[nodiscard]] Shape output(std::size_t batch) const noexcept {
        return {batch, config.out, config.out_height() * config.out_width()};
    }
    [[nodiscard]] std::size_t batch_of(const Shape& x) const {
        const std::size_t plane = config.height * config.width;
        const bool planes = x.rank() == 3 && x[1] == config.in;
        if (x.size() == 0 || x.cols() != plane || !(planes || (x.rank() == 2 && config.in == 1)))
            fail("Conv2d: input " + to_string(x) + ", expected [batch, " +
                 std::to_string(config.in) + ", " + std::to_string(plane) + "]");
        return x[0];
    }
};

/// [batch, channels, plane] to [batch, channels * plane]: from Conv2d to Linear.
template <LayerPrecision P = float, class On = Host>
struct Flatten {
    using Activations = Tensor<float, typename On::Memory>;
    template <class Q>
    using rebind = Flatten<Q, On>;

    /// What backward needs.
    struct Saved {
        Shape shape;
    };

    template <class F, class... L>
    static void parameters(F&&, L&...) {}

    [[nodiscard]] Activations forward(On&, Activations x, Saved* saved = nullptr) const {
        if (x.shape().rank() < 2 || x.empty())
            fail("Flatten: input " + to_string(x.shape()) + ", expected [batch, channels, plane]");
        if (saved != nullptr) saved->shape = x.shape();
        const std::size_t batch = x.shape()[0];
        Activations y(Shape{batch, x.size() / batch});
        copy(x, y);
        return y;
    }

    [[nodiscard]] Activations backward(On&, const Saved& saved, Activations dy,
                                       rebind<float>&) const {
        const std::size_t batch = saved.shape[0];
        expect_gradient("Flatten", dy.shape(), Shape{batch, saved.shape.size() / batch});
        Activations dx(saved.shape);
        copy(dy, dx);
        return dx;
    }

private:
    /// Row by row, whichever of the two has the longer rows.
    static void copy(const Activations& from, Activations& to) {
        const std::size_t n = std::min(from.cols(), to.cols());
        for (std::size_t i = 0; i < from.size(); i += n)
            std::copy_n(&from(i / from.cols(), i % from.cols()), n,
                        &to(i / to.cols(), i % to.cols()));
    }
};

}  // namespace nibble
