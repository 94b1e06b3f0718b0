// SPDX-License-Identifier: BSL-1.0
// Linear: y = x W^T + b.
//
//     dx = dy W      dW += dy^T x      db += column sums of dy
#pragma once

#include <nibble/kernel/transform.hpp>
#include <nibble/layer/product.hpp>
#include <nibble/layer/seed.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// The sizes of a Linear.
struct LinearConfig {
    std::size_t in = 0;   ///< features of x
    std::size_t out = 0;  ///< features of y
    bool bias = true;
};

/// A dense layer over the last dimension: [..., in] to [..., out].
template <LayerPrecision P, class On = Host>
struct Linear {
    using Memory = typename On::Memory;
    using Activations = Tensor<float, Memory>;
    template <class Q>
    using rebind = Linear<Q, On>;

    Matrix<weight_t<P>, Memory> weight;  ///< out rows of in columns
    Tensor<float, Memory> bias;          ///< out numbers, or empty

    /// What backward needs.
    struct Saved {
        Tensor<kept_t<P>, Memory> x;
    };

    Linear() = default;
    /// All zeros.
    explicit Linear(LinearConfig c)
        : weight(at_least_one(c.out, "Linear", "out"), at_least_one(c.in, "Linear", "in")) {
        if (c.bias) bias = Activations(Shape{c.out});
    }
    /// Weights and bias from Kaiming's uniform draw.
    Linear(LinearConfig c, Seed seed) : Linear(c) {
        On on;
        Random random(seed.value);
        draw_uniform(on, random, kaiming_bound(on, c.in), weight);
        draw_uniform(on, random, kaiming_bound(on, c.in), bias.view());
    }

    template <class F, class... L>
    static void parameters(F&& f, L&... l) {
        f("weight", l.weight...);
        f("bias", l.bias...);
    }

    /// x [..., in] to y [..., out].
    [[nodiscard]] Activations forward(On& on, Activations x, Saved* saved = nullptr) const {
        expect_features("Linear", x.shape(), weight.cols());
        round_activation<P>(on, x);
        auto y = apply(on, x);
        if (saved != nullptr) saved->x = keep<P>(on, std::move(x));
        return y;
    }

    /// forward for an x that is checked and rounded already and that the caller keeps.
    [[nodiscard]] Activations apply(On& on, const Activations& x) const {
        auto y = Activations::uninitialized(x.shape().with_cols(weight.rows()));
        if constexpr (is_packed<weight_t<P>>) {
            if (!bias.empty()) {
                product<P>(on, weight, x, y, AddBias{bias.view()});
                return y;
            }
        }
        product<P>(on, weight, x, y);
        if (!bias.empty()) add_row(on, bias, y.view());
        return y;
    }

    /// dy [..., out] to dx [..., in]; adds dW and db to gradient.
    [[nodiscard]] Activations backward(On& on, const Saved& saved, Activations dy,
                                       rebind<float>& gradient) const {
        accumulate(on, saved, dy, gradient);
        auto dx = Activations::uninitialized(saved.x.shape());
        matmul_transposed(on, weight, dy.view(), dx.view());
        return dx;
    }

    /// backward without dx: for the first layer of a model.
    void accumulate(On& on, const Saved& saved, const Activations& dy,
                    rebind<float>& gradient) const {
        expect_gradient("Linear", dy.shape(), saved.x.shape().with_cols(weight.rows()));
        const auto& x = widened(on, saved.x);
        matmul_gradient(on, dy.view(), x.view(), gradient.weight.codes().view());
        if (!bias.empty()) column_sums(on, dy.view(), gradient.bias.view());
    }
};

}  // namespace nibble
