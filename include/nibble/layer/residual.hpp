// SPDX-License-Identifier: BSL-1.0
// The pre-norm residual block: y = x + layer(norm(x)).
#pragma once

#include <nibble/kernel/transform.hpp>
#include <nibble/layer/layer.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// Adds what `layer` makes of the normalised x to x. The layer must keep the shape.
template <class Norm, class Layer>
struct Residual {
    using Activations = typename Layer::Activations;
    template <class Q>
    using rebind = Residual<rebind_t<Norm, Q>, rebind_t<Layer, Q>>;

    Norm norm;
    Layer layer;

    /// What backward needs.
    struct Saved {
        typename Norm::Saved norm;
        typename Layer::Saved layer;
    };

    Residual() = default;
    Residual(Norm n, Layer l) : norm(std::move(n)), layer(std::move(l)) {}

    template <class F, class... L>
    static void parameters(F&& f, L&... l) {
        f("norm", l.norm...);
        f("layer", l.layer...);
    }

    template <class On>
    [[nodiscard]] Activations forward(On& on, Activations x, Saved* saved = nullptr) const {
        auto y = norm.forward(on, x, saved ? &saved->norm : nullptr);
        y = layer.forward(on, std::move(y), saved ? &saved->layer : nullptr);
        if (y.shape() != x.shape())
            fail("Residual: the layer made " + to_string(y.shape()) + " of " +
                 to_string(x.shape()) + ", expected the same shape");
        add_to(on, y.view(), x.view());
        return x;
    }

    template <class On>
    [[nodiscard]] Activations backward(On& on, const Saved& saved, Activations dy,
                                       rebind<float>& gradient) const {
        auto dx = layer.backward(on, saved.layer, dy, gradient.layer);
        dx = norm.backward(on, saved.norm, std::move(dx), gradient.norm);
        add_to(on, dx.view(), dy.view());
        return dy;
    }
};

}  // namespace nibble
