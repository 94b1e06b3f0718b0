// SPDX-License-Identifier: BSL-1.0
// Gru over sequences (Cho et al. 2014, in the form whose reset gate acts on the product):
//
//     r = sigmoid(W_ir x + b_ir + W_hr h + b_hr)       z likewise
//     n = tanh(W_in x + b_in + r (W_hn h + b_hn))      h' = (1 - z) n + z h
//
// Gates are in PyTorch's order: r, z, n. Sequences begin with h = 0. backward goes back through all
// steps. For one sample at a time see layer/stream.hpp, and fixed/gru.hpp for sizes known to the
// compiler.
#pragma once

#include <nibble/layer/recurrent.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// [batch, steps, in] to [batch, steps, hidden]; [steps, in] is one sequence.
template <LayerPrecision P, class On = Host>
struct Gru : RecurrentWeights<3, P, On> {
    using Memory = typename On::Memory;
    using Activations = Tensor<float, Memory>;
    template <class Q>
    using rebind = Gru<Q, On>;
    using RecurrentWeights<3, P, On>::RecurrentWeights;

    /// What backward needs.
    struct Saved {
        Tensor<kept_t<P>, Memory> x;
        Activations gates;  ///< r, z, n after their functions, and W_hn h + b_hn
        Activations y;
    };

    [[nodiscard]] Activations forward(On& on, Activations x, Saved* saved = nullptr) const {
        expect_features("Gru", x.shape(), this->in());
        const Sequences s(x.shape());
        const std::size_t H = this->hidden();
        using A = typename On::InstructionSet;
        using B = Batch<float, A>;
        round_activation<P>(on, x);
        Activations input = Activations::uninitialized(Shape{x.rows(), 3 * H});
        product_rows<P>(on, this->weight_ih, x.view(), input.view());
        add_row(on, this->bias_ih, input.view());
        auto y = Activations(x.shape().with_cols(H));
        Activations gates(Shape{x.rows(), 4 * H}), state(Shape{s.batch, 3 * H});
        for (std::size_t t = 0; t < s.steps; ++t) {
            if (t != 0)
                product_rows<P>(on, this->weight_hh, View<const float>(s.at(y.view(), t - 1)),
                                state.view());
            add_row(on, this->bias_hh, state.view());
            each_unit(on, s.batch, H, [&](std::size_t b, UnitRange<A> u) {
                const std::size_t row = b * s.steps + t;
                const float* a = input.data() + row * input.stride();
                const float* c = state.data() + b * state.stride();
                float* gate = gates.data() + row * gates.stride();
                const B r = sigmoid(u.load(a) + u.load(c));
                const B z = sigmoid(u.load(a + H) + u.load(c + H));
                const B held = u.load(c + 2 * H);
                const B n = tanh(fma(r, held, u.load(a + 2 * H)));
                const B h = t == 0 ? B(0.0f) : u.load(y.data() + (row - 1) * y.stride());
                u.store(fma(z, h - n, n), y.data() + row * y.stride());
                u.store(r, gate);
                u.store(z, gate + H);
                u.store(n, gate + 2 * H);
                u.store(held, gate + 3 * H);
            });
        }
        if (saved != nullptr) {
            saved->x = keep<P>(on, std::move(x));
            saved->gates = std::move(gates);
            saved->y = y;
        }
        return y;
    }

    [[nodiscard]] Activations backward(On& on, const Saved& saved, Activations dy,
                                       rebind<float>& gradient) const {
        expect_gradient("Gru", dy.shape(), saved.y.shape());
        const Sequences s(dy.shape());
        const std::size_t H = this->hidden();
        using A = typename On::InstructionSet;
        using B = Batch<float, A>;
        // Of the input's share of the gates and of the state's, which differ in n.
        Activations dinput(Shape{dy.rows(), 3 * H}), dstate(Shape{dy.rows(), 3 * H});
        Activations dh(Shape{s.batch, H}), direct(Shape{s.batch, H});
        for (std::size_t t = s.steps; t-- > 0;) {
            each_unit(on, s.batch, H, [&](std::size_t b, UnitRange<A> u) {
                const std::size_t row = b * s.steps + t;
                const float* gate = saved.gates.data() + row * saved.gates.stride();
                float* di = dinput.data() + row * dinput.stride();
                float* ds = dstate.data() + row * dstate.stride();
                const B r = u.load(gate), z = u.load(gate + H), n = u.load(gate + 2 * H);
                const B one(1.0f);
                const B h =
                    t == 0 ? B(0.0f) : u.load(saved.y.data() + (row - 1) * saved.y.stride());
                float* passed = direct.data() + b * direct.stride();
                const B d = u.load(dy.data() + row * dy.stride()) +
                            u.load(dh.data() + b * dh.stride()) + u.load(passed);
                const B dz = d * (h - n) * sigmoid_slope(z);
                const B dn = d * (one - z) * tanh_slope(n);
                const B dr = dn * u.load(gate + 3 * H) * sigmoid_slope(r);
                u.store(dr, di);
                u.store(dz, di + H);
                u.store(dn, di + 2 * H);
                u.store(dr, ds);
                u.store(dz, ds + H);
                u.store(dn * r, ds + 2 * H);
                u.store(d * z, passed);
            });
            if (t != 0)
                matmul_transposed(on, this->weight_hh, View<const float>(s.at(dstate.view(), t)),
                                  dh.view());
        }
        const auto& x = widened(on, saved.x);
        matmul_gradient(on, dinput.view(), x.view(), gradient.weight_ih.codes().view());
        matmul_gradient(on, dstate.view(), states_before(saved.y, s).view(),
                        gradient.weight_hh.codes().view());
        column_sums(on, dinput.view(), gradient.bias_ih.view());
        column_sums(on, dstate.view(), gradient.bias_hh.view());
        auto dx = Activations::uninitialized(x.shape());
        matmul_transposed(on, this->weight_ih, View<const float>(dinput.view()), dx.view());
        return dx;
    }
};

}  // namespace nibble
