// SPDX-License-Identifier: BSL-1.0
// LayerNorm (Ba, Kiros, Hinton 2016) and RmsNorm (Zhang, Sennrich 2019) over the last dimension.
//
//     LayerNorm: y = (x - mean) / sqrt(variance + epsilon) * weight + bias
//     RmsNorm:   y = x / sqrt(mean(x^2) + epsilon) * weight
//
// Gain and bias are float at every precision: they are a vanishing share of a model's memory.
#pragma once

#include <nibble/kernel/norm.hpp>
#include <nibble/layer/keep.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// Size and epsilon of a norm.
struct NormConfig {
    std::size_t width = 0;  ///< features that are normalised together
    float epsilon = 1e-5f;  ///< added to the variance or mean square
};

/// [..., width] to [..., width]: mean 0 and variance 1, then gain and bias.
template <LayerPrecision P, class On = Host>
struct LayerNorm {
    using Memory = typename On::Memory;
    using Activations = Tensor<float, Memory>;
    template <class Q>
    using rebind = LayerNorm<Q, On>;

    Tensor<float, Memory> weight;  ///< gain, starts at 1
    Tensor<float, Memory> bias;    ///< starts at 0
    NormConfig config;

    /// What backward needs.
    struct Saved {
        Tensor<kept_t<P>, Memory> x;
        Tensor<float, Memory> mean;  ///< of each row
        Tensor<float, Memory> rstd;  ///< 1 / sqrt(variance + epsilon) of each row
    };

    LayerNorm() = default;
    explicit LayerNorm(NormConfig c)
        : weight(Shape{at_least_one(c.width, "LayerNorm", "width")}),
          bias(Shape{c.width}),
          config(c) {
        for (std::size_t i = 0; i < c.width; ++i) weight.data()[i] = 1.0f;
    }

    template <class F, class... L>
    static void parameters(F&& f, L&... l) {
        f("weight", l.weight...);
        f("bias", l.bias...);
    }

    [[nodiscard]] Activations forward(On& on, Activations x, Saved* saved = nullptr) const {
        expect_features("LayerNorm", x.shape(), weight.cols());
        round_activation<P>(on, x);
        if (saved == nullptr) {
            layer_norm(on, x.view(), weight.view(), bias.view(), config.epsilon, x.view());
            return x;
        }
        saved->mean = Activations::uninitialized(Shape{x.rows()});
        saved->rstd = Activations::uninitialized(Shape{x.rows()});
        auto y = Activations::uninitialized(x.shape());
        layer_norm(on, x.view(), weight.view(), bias.view(), config.epsilon, y.view(),
                   saved->mean.view(), saved->rstd.view());
        saved->x = keep<P>(on, std::move(x));
        return y;
    }

    [[nodiscard]] Activations backward(On& on, const Saved& saved, Activations dy,
                                       rebind<float>& gradient) const {
        expect_gradient("LayerNorm", dy.shape(), saved.x.shape());
        const auto& x = widened(on, saved.x);
        layer_norm_backward(on, x.view(), weight.view(), config.epsilon, saved.mean.view(),
                            saved.rstd.view(), dy.view(), dy.view(), gradient.weight.view(),
                            gradient.bias.view());
        return dy;
    }
};

/// [..., width] to [..., width]: root mean square 1, then gain.
template <LayerPrecision P, class On = Host>
struct RmsNorm {
    using Memory = typename On::Memory;
    using Activations = Tensor<float, Memory>;
    template <class Q>
    using rebind = RmsNorm<Q, On>;

    Tensor<float, Memory> weight;  ///< gain, starts at 1
    NormConfig config;

    /// What backward needs.
    struct Saved {
        Tensor<kept_t<P>, Memory> x;
        Tensor<float, Memory> rstd;  ///< 1 / sqrt(mean square + epsilon) of each row
    };

    RmsNorm() = default;
    explicit RmsNorm(NormConfig c)
        : weight(Shape{at_least_one(c.width, "RmsNorm", "width")}), config(c) {
        for (std::size_t i = 0; i < c.width; ++i) weight.data()[i] = 1.0f;
    }

    template <class F, class... L>
    static void parameters(F&& f, L&... l) {
        f("weight", l.weight...);
    }

    [[nodiscard]] Activations forward(On& on, Activations x, Saved* saved = nullptr) const {
        expect_features("RmsNorm", x.shape(), weight.cols());
        round_activation<P>(on, x);
        if (saved == nullptr) {
            rms_norm(on, x.view(), weight.view(), config.epsilon, x.view());
            return x;
        }
        saved->rstd = Activations::uninitialized(Shape{x.rows()});
        auto y = Activations::uninitialized(x.shape());
        rms_norm(on, x.view(), weight.view(), config.epsilon, y.view(), saved->rstd.view());
        saved->x = keep<P>(on, std::move(x));
        return y;
    }

    [[nodiscard]] Activations backward(On& on, const Saved& saved, Activations dy,
                                       rebind<float>& gradient) const {
        expect_gradient("RmsNorm", dy.shape(), saved.x.shape());
        const auto& x = widened(on, saved.x);
        rms_norm_backward(on, x.view(), weight.view(), config.epsilon, saved.rstd.view(), dy.view(),
                          dy.view(), gradient.weight.view());
        return dy;
    }
};

}  // namespace nibble
