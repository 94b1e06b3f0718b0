// SPDX-License-Identifier: BSL-1.0
// Relu, Gelu (tanh form, Hendrycks and Gimpel 2016), Silu and Tanh as layers without parameters.
//
// One template does all four; each is the formula and its derivative over registers (kernel/math.hpp)
// at the point x. The Activation enum chooses one at run time inside Mlp: one switch a call.
#pragma once

#include <nibble/kernel/math.hpp>
#include <nibble/kernel/transform.hpp>
#include <nibble/layer/keep.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// The elementwise functions that layers know.
enum class Activation : std::uint8_t { relu, gelu, silu, tanh };

/// The function and its derivative on registers.
template <Activation Kind>
struct ActivationFunction {
    template <class B>
    static NIBBLE_INLINE B value(B x) {
        // Not max(x, 0), which would hide a NaN.
        if constexpr (Kind == Activation::relu) return select(x < B(0.0f), B(0.0f), x);
        else if constexpr (Kind == Activation::gelu) return gelu(x);
        else if constexpr (Kind == Activation::silu) return silu(x);
        else return tanh(x);
    }
    template <class B>
    static NIBBLE_INLINE B derivative(B x) {
        if constexpr (Kind == Activation::relu) return select(x > B(0.0f), B(1.0f), B(0.0f));
        else if constexpr (Kind == Activation::gelu) return gelu_slope(x);
        else if constexpr (Kind == Activation::silu) return silu_slope(x);
        else return tanh_slope(tanh(x));
    }
};

/// Calls f(ActivationFunction<Kind>{}) for the kind known at run time.
template <class F>
void dispatch(Activation kind, F&& f) {
    switch (kind) {
        case Activation::relu: return f(ActivationFunction<Activation::relu>{});
        case Activation::gelu: return f(ActivationFunction<Activation::gelu>{});
        case Activation::silu: return f(ActivationFunction<Activation::silu>{});
        case Activation::tanh: return f(ActivationFunction<Activation::tanh>{});
    }
}

/// y = f(x); x and y may be the same.
template <class On>
void activate(On& on, Activation kind, View<const float> x, View<float> y) {
    dispatch(kind, [&]<class Function>(Function) {
        transform(
            on, [](auto v) { return Function::value(v); }, y, x);
    });
}

/// dx = dy f'(x); dy and dx may be the same.
template <class On>
void activate_backward(On& on, Activation kind, View<const float> x, View<const float> dy,
                       View<float> dx) {
    dispatch(kind, [&]<class Function>(Function) {
        transform(
            on, [](auto v, auto d) { return d * Function::derivative(v); }, dx, x, dy);
    });
}

/// An elementwise layer of any shape. P says how Saved keeps x.
template <Activation Kind, LayerPrecision P, class On>
struct Elementwise {
    using Memory = typename On::Memory;
    using Activations = Tensor<float, Memory>;
    template <class Q>
    using rebind = Elementwise<Kind, Q, On>;

    /// What backward needs.
    struct Saved {
        Tensor<kept_t<P>, Memory> x;
    };

    template <class F, class... L>
    static void parameters(F&&, L&...) {}

    [[nodiscard]] Activations forward(On& on, Activations x, Saved* saved = nullptr) const {
        round_activation<P>(on, x);
        if (saved == nullptr) {
            activate(on, Kind, x.view(), x.view());
            return x;
        }
        auto y = Activations::uninitialized(x.shape());
        activate(on, Kind, x.view(), y.view());
        saved->x = keep<P>(on, std::move(x));
        return y;
    }

    [[nodiscard]] Activations backward(On& on, const Saved& saved, Activations dy,
                                       rebind<float>&) const {
        expect_gradient("activation", dy.shape(), saved.x.shape());
        const auto& x = widened(on, saved.x);
        activate_backward(on, Kind, x.view(), dy.view(), dy.view());
        return dy;
    }
};

template <LayerPrecision P = float, class On = Host>
using Relu = Elementwise<Activation::relu, P, On>;
template <LayerPrecision P = float, class On = Host>
using Gelu = Elementwise<Activation::gelu, P, On>;
template <LayerPrecision P = float, class On = Host>
using Silu = Elementwise<Activation::silu, P, On>;
template <LayerPrecision P = float, class On = Host>
using Tanh = Elementwise<Activation::tanh, P, On>;

}  // namespace nibble
