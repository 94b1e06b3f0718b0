// SPDX-License-Identifier: BSL-1.0
// Two feed-forward networks.
//
//     Mlp        y = proj(f(fc(x)))                    f: gelu, relu, silu or tanh
//     GatedMlp   y = down(silu(gate(x)) * up(x))       SwiGLU (Shazeer 2020), as Llama has it
#pragma once

#include <nibble/layer/activation.hpp>
#include <nibble/layer/linear.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// The sizes of an Mlp.
struct MlpConfig {
    std::size_t in = 0;
    std::size_t hidden = 0;
    std::size_t out = 0;  ///< 0: as many as in, as inside a transformer
    Activation activation = Activation::gelu;
    bool bias = true;

    /// What a file keeps.
    template <class F, class... C>
    static void fields(F&& f, C&... c) {
        f("in", c.in...);
        f("hidden", c.hidden...);
        f("out", c.out...);
        f("activation", c.activation...);
        f("bias", c.bias...);
    }
    [[nodiscard]] double weights() const {
        const auto h = static_cast<double>(hidden), i = static_cast<double>(in);
        const double ends = i + static_cast<double>(out != 0 ? out : in);
        return h * ends > h + ends - 1 ? h * ends : h + ends - 1;  // the second: when one is zero
    }
};

/// The same sizes, after a check that there is something of each.
[[nodiscard]] inline MlpConfig checked(MlpConfig c) {
    static_cast<void>(at_least_one(c.in, "Mlp", "in"));
    static_cast<void>(at_least_one(c.hidden, "Mlp", "hidden"));
    return c;
}

/// A hidden layer: [..., in] to [..., out]. A classifier by itself, or a transformer's MLP.
template <LayerPrecision P, class On = Host>
struct Mlp {
    using Memory = typename On::Memory;
    using Activations = Tensor<float, Memory>;
    template <class Q>
    using rebind = Mlp<Q, On>;
    static constexpr const char* name = "mlp";

    Linear<P, On> c_fc;
    Linear<P, On> c_proj;
    MlpConfig config;

    /// What backward needs.
    struct Saved {
        typename Linear<P, On>::Saved c_fc;
        Tensor<kept_t<P>, Memory> hidden;  ///< before the activation
        typename Linear<P, On>::Saved c_proj;
    };

    Mlp() = default;
    /// All zeros.
    explicit Mlp(MlpConfig c)
        : c_fc({checked(c).in, c.hidden, c.bias}),
          c_proj({c.hidden, c.out != 0 ? c.out : c.in, c.bias}),
          config(c) {}
    /// The sizes of a file by another writer, from shape_of(parameter); empty for what is not there.
    template <class ShapeOf>
    [[nodiscard]] static MlpConfig config_from_shapes(const ShapeOf& shape_of) {
        const auto fc = shape_of("c_fc.weight"), proj = shape_of("c_proj.weight");
        if (fc.size() != 2 || proj.size() != 2)
            fail("Mlp: c_fc.weight and c_proj.weight are not two matrices");
        return {.in = static_cast<std::size_t>(fc[1]),
                .hidden = static_cast<std::size_t>(fc[0]),
                .out = static_cast<std::size_t>(proj[0]),
                .bias = !shape_of("c_fc.bias").empty()};
    }
    /// Each Linear from its own draw.
    Mlp(MlpConfig c, Seed seed)
        : c_fc({checked(c).in, c.hidden, c.bias}, seed.part(0)),
          c_proj({c.hidden, c.out != 0 ? c.out : c.in, c.bias}, seed.part(1)),
          config(c) {}

    template <class F, class... L>
    static void parameters(F&& f, L&... l) {
        f("c_fc", l.c_fc...);
        f("c_proj", l.c_proj...);
    }

    [[nodiscard]] Activations forward(On& on, Activations x, Saved* saved = nullptr) const {
        expect_features("Mlp", x.shape(), c_fc.weight.cols());
        auto h = c_fc.forward(on, std::move(x), saved ? &saved->c_fc : nullptr);
        round_activation<P>(on, h);
        if (saved == nullptr) {
            activate(on, config.activation, h.view(), h.view());
            return c_proj.forward(on, std::move(h));
        }
        auto a = Activations::uninitialized(h.shape());
        activate(on, config.activation, h.view(), a.view());
        saved->hidden = keep<P>(on, std::move(h));
        return c_proj.forward(on, std::move(a), &saved->c_proj);
    }

    [[nodiscard]] Activations backward(On& on, const Saved& saved, Activations dy,
                                       rebind<float>& gradient) const {
        auto dh = c_proj.backward(on, saved.c_proj, std::move(dy), gradient.c_proj);
        const auto& h = widened(on, saved.hidden);
        activate_backward(on, config.activation, h.view(), dh.view(), dh.view());
        return c_fc.backward(on, saved.c_fc, std::move(dh), gradient.c_fc);
    }
};

/// The sizes of a GatedMlp.
struct GatedMlpConfig {
    std::size_t in = 0;
    std::size_t hidden = 0;
    std::size_t out = 0;  ///< 0: as many as in
    Activation activation = Activation::silu;
    bool bias = false;
};

/// The same sizes, after a check that there is something of each.
[[nodiscard]] inline GatedMlpConfig checked(GatedMlpConfig c) {
    static_cast<void>(at_least_one(c.in, "GatedMlp", "in"));
    static_cast<void>(at_least_one(c.hidden, "GatedMlp", "hidden"));
    return c;
}

/// A gated hidden layer: [..., in] to [..., out].
template <LayerPrecision P, class On = Host>
struct GatedMlp {
    using Memory = typename On::Memory;
    using Activations = Tensor<float, Memory>;
    template <class Q>
    using rebind = GatedMlp<Q, On>;

    Linear<P, On> gate_proj;
    Linear<P, On> up_proj;
    Linear<P, On> down_proj;
    GatedMlpConfig config;

    /// What backward needs. x is kept once, by gate_proj.
    struct Saved {
        typename Linear<P, On>::Saved x;
        Tensor<kept_t<P>, Memory> gate;  ///< before the activation
        Tensor<kept_t<P>, Memory> up;
        typename Linear<P, On>::Saved down_proj;
    };

    GatedMlp() = default;
    /// All zeros.
    explicit GatedMlp(GatedMlpConfig c)
        : gate_proj({checked(c).in, c.hidden, c.bias}),
          up_proj({c.in, c.hidden, c.bias}),
          down_proj({c.hidden, c.out != 0 ? c.out : c.in, c.bias}),
          config(c) {}
    /// Each Linear from its own draw.
    GatedMlp(GatedMlpConfig c, Seed seed)
        : gate_proj({checked(c).in, c.hidden, c.bias}, seed.part(0)),
          up_proj({c.in, c.hidden, c.bias}, seed.part(1)),
          down_proj({c.hidden, c.out != 0 ? c.out : c.in, c.bias}, seed.part(2)),
          config(c) {}

    template <class F, class... L>
    static void parameters(F&& f, L&... l) {
        f("gate_proj", l.gate_proj...);
        f("up_proj", l.up_proj...);
        f("down_proj", l.down_proj...);
    }

    [[nodiscard]] Activations forward(On& on, Activations x, Saved* saved = nullptr) const {
        expect_features("GatedMlp", x.shape(), gate_proj.weight.cols());
        round_activation<P>(on, x);
        auto up = up_proj.apply(on, x);
        auto gate = gate_proj.forward(on, std::move(x), saved ? &saved->x : nullptr);
        round_activation<P>(on, gate);
        round_activation<P>(on, up);
        auto a = saved ? Activations::uninitialized(gate.shape()) : Activations();
        const View<float> gated = saved ? a.view() : gate.view();
        dispatch(config.activation, [&]<class Function>(Function) {
            transform(
                on, [](auto g, auto u) { return Function::value(g) * u; }, gated, gate, up);
        });
        if (saved == nullptr) return down_proj.forward(on, std::move(gate));
        saved->gate = keep<P>(on, std::move(gate));
        saved->up = keep<P>(on, std::move(up));
        return down_proj.forward(on, std::move(a), &saved->down_proj);
    }

    [[nodiscard]] Activations backward(On& on, const Saved& saved, Activations dy,
                                       rebind<float>& gradient) const {
        auto da = down_proj.backward(on, saved.down_proj, std::move(dy), gradient.down_proj);
        const auto& gate = widened(on, saved.gate);
        const auto& up = widened(on, saved.up);
        auto dup = Activations::uninitialized(da.shape());
        const View<const float> d = da.view(), g = gate.view(), u = up.view();
        dispatch(config.activation, [&]<class Function>(Function) {
            transform(
                on, [](auto v, auto w) { return v * Function::value(w); }, dup, d, g);
            transform(
                on, [](auto v, auto w, auto s) { return v * s * Function::derivative(w); }, da, d,
                g, u);
        });
        auto dx = gate_proj.backward(on, saved.x, std::move(da), gradient.gate_proj);
        const auto dx_up = up_proj.backward(on, saved.x, std::move(dup), gradient.up_proj);
        add_to(on, dx_up.view(), dx.view());
        return dx;
    }
};

}  // namespace nibble
