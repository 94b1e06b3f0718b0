// SPDX-License-Identifier: BSL-1.0
// Lstm over sequences (Hochreiter and Schmidhuber 1997; forget gate: Gers et al. 2000):
//
//     [i f g o] = W_ih x + b_ih + W_hh h + b_hh
//     c' = sigmoid(f) c + sigmoid(i) tanh(g)        h' = sigmoid(o) tanh(c')
//
// Gates are in PyTorch's order. Sequences begin with h = c = 0. backward goes back through all steps.
// For one sample at a time see layer/stream.hpp, and fixed/lstm.hpp for sizes known to the compiler.
#pragma once

#include <nibble/layer/recurrent.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// [batch, steps, in] to [batch, steps, hidden]; [steps, in] is one sequence.
template <LayerPrecision P, class On = Host>
struct Lstm : RecurrentWeights<4, P, On> {
    using Memory = typename On::Memory;
    using Activations = Tensor<float, Memory>;
    template <class Q>
    using rebind = Lstm<Q, On>;
    using RecurrentWeights<4, P, On>::RecurrentWeights;

    /// What backward needs.
    struct Saved {
        Tensor<kept_t<P>, Memory> x;
        Activations gates;  ///< i, f, g, o after their functions
        Activations c, y;
    };

    [[nodiscard]] Activations forward(On& on, Activations x, Saved* saved = nullptr) const {
        expect_features("Lstm", x.shape(), this->in());
        const Sequences s(x.shape());
        const std::size_t H = this->hidden();
        using A = typename On::InstructionSet;
        round_activation<P>(on, x);
        Activations gates = Activations::uninitialized(Shape{x.rows(), 4 * H});
        product_rows<P>(on, this->weight_ih, x.view(), gates.view());
        add_row(on, this->bias_ih, gates.view());
        add_row(on, this->bias_hh, gates.view());
        auto y = Activations(x.shape().with_cols(H));
        Activations c(Shape{x.rows(), H}), from_state(Shape{s.batch, 4 * H});
        for (std::size_t t = 0; t < s.steps; ++t) {
            if (t != 0)
                product_rows<P>(on, this->weight_hh, View<const float>(s.at(y.view(), t - 1)),
                                from_state.view());
            each_unit(on, s.batch, H, [&](std::size_t b, UnitRange<A> u) {
                const std::size_t row = b * s.steps + t;
                float* gate = gates.data() + row * gates.stride();
                const float* add = from_state.data() + b * from_state.stride();
                const auto sum = [&](std::size_t g) {
                    return u.load(gate + g * H) + u.load(add + g * H);
                };
                const auto i = sigmoid(sum(0)), f = sigmoid(sum(1)), g = tanh(sum(2)),
                           o = sigmoid(sum(3));
                auto next = i * g;
                if (t != 0) next = fma(f, u.load(c.data() + (row - 1) * c.stride()), next);
                u.store(next, c.data() + row * c.stride());
                u.store(o * tanh(next), y.data() + row * y.stride());
                u.store(i, gate);
                u.store(f, gate + H);
                u.store(g, gate + 2 * H);
                u.store(o, gate + 3 * H);
            });
        }
        if (saved != nullptr) {
            saved->x = keep<P>(on, std::move(x));
            saved->gates = std::move(gates);
            saved->c = std::move(c);
            saved->y = y;
        }
        return y;
    }

    [[nodiscard]] Activations backward(On& on, const Saved& saved, Activations dy,
                                       rebind<float>& gradient) const {
        expect_gradient("Lstm", dy.shape(), saved.y.shape());
        const Sequences s(dy.shape());
        const std::size_t H = this->hidden();
        using A = typename On::InstructionSet;
        using B = Batch<float, A>;
        Activations dgates(Shape{dy.rows(), 4 * H}), dh(Shape{s.batch, H}), dc(Shape{s.batch, H});
        for (std::size_t t = s.steps; t-- > 0;) {
            each_unit(on, s.batch, H, [&](std::size_t b, UnitRange<A> u) {
                const std::size_t row = b * s.steps + t;
                const float* gate = saved.gates.data() + row * saved.gates.stride();
                float* dgate = dgates.data() + row * dgates.stride();
                const B i = u.load(gate), f = u.load(gate + H), g = u.load(gate + 2 * H),
                        o = u.load(gate + 3 * H);
                const B one(1.0f), by = tanh(u.load(saved.c.data() + row * saved.c.stride()));
                float* dc_row = dc.data() + b * dc.stride();
                const B dout =
                    u.load(dy.data() + row * dy.stride()) + u.load(dh.data() + b * dh.stride());
                const B d = fma(dout * o, tanh_slope(by), u.load(dc_row));
                const B before =
                    t == 0 ? B(0.0f) : u.load(saved.c.data() + (row - 1) * saved.c.stride());
                u.store(d * g * sigmoid_slope(i), dgate);
                u.store(d * before * sigmoid_slope(f), dgate + H);
                u.store(d * i * (one - g * g), dgate + 2 * H);
                u.store(dout * by * sigmoid_slope(o), dgate + 3 * H);
                u.store(d * f, dc_row);
            });
            if (t != 0)
                matmul_transposed(on, this->weight_hh, View<const float>(s.at(dgates.view(), t)),
                                  dh.view());
        }
        const auto& x = widened(on, saved.x);
        matmul_gradient(on, dgates.view(), x.view(), gradient.weight_ih.codes().view());
        matmul_gradient(on, dgates.view(), states_before(saved.y, s).view(),
                        gradient.weight_hh.codes().view());
        column_sums(on, dgates.view(), gradient.bias_ih.view());
        column_sums(on, dgates.view(), gradient.bias_hh.view());
        auto dx = Activations::uninitialized(x.shape());
        matmul_transposed(on, this->weight_ih, View<const float>(dgates.view()), dx.view());
        return dx;
    }
};

}  // namespace nibble
