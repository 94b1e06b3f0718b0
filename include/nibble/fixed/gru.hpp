// SPDX-License-Identifier: BSL-1.0
// Gru of a fixed size, one sample at a time (Cho et al. 2014, in the form whose reset gate acts on the
// product):
//
//     r = sigmoid(W_ir x + b_ir + W_hr h + b_hr)       z likewise
//     n = tanh(W_in x + b_in + r (W_hn h + b_hn))      h' = (1 - z) n + z h
//
// Rows of the weights are in PyTorch's order: r, z, n, each Hidden long, and there are two biases,
// which differ in what they do to n.
#pragma once

#include <nibble/fixed/gated.hpp>

namespace nibble::inline NIBBLE_ARCH {

namespace fixed {

/// In numbers to Hidden, which are also its state h.
template <LayerPrecision P, std::size_t In, std::size_t Hidden, class A = Isa>
struct Gru {
    static constexpr std::size_t in = In, out = Hidden;
    using Input = Vector<In, A>;
    static constexpr GateOrder order = gate_order<A>(3, Hidden);
    using B = Batch<float, A>;

    Weights<weight_t<P>, order, In, A, form_of<P>(In)> weight_ih;  ///< 3 Hidden rows of In
    Weights<weight_t<P>, order, Hidden, A, form_of<P>(Hidden)>
        weight_hh;                    ///< 3 Hidden rows of Hidden
    Bias<order, A> bias_ih, bias_hh;  ///< 3 Hidden numbers
    Vector<Hidden, A> h;              ///< the state

    template <class F, class... L>
    static void parameters(F&& f, L&... l) {
        f("weight_ih", l.weight_ih...);
        f("weight_hh", l.weight_hh...);
        f("bias_ih", l.bias_ih...);
        f("bias_hh", l.bias_hh...);
    }
    /// Back to the state of zeros.
    void reset() noexcept { h = Vector<Hidden, A>(); }

    /// The next sample: h after it.
    [[nodiscard]] NIBBLE_INLINE const Vector<Hidden, A>& forward(const Input& x) noexcept {
        B input[order.registers()], state[order.registers()];
        sum_gates<0>(weight_ih.prepare(x.data()), weight_hh.prepare(h.data()), input, state);
        update_whole<0>(input, state);
        update_part<0>(input, state);
        update_part<1>(input, state);
        return h;
    }

private:
    static constexpr std::size_t lanes = B::lanes;

    // Recursion in place of loops over lambdas, which g++ would not inline.
    template <std::size_t I, class X, class H>
    NIBBLE_INLINE void sum_gates(const X& x, const H& before, B* input, B* state) const noexcept {
        using Tiles = GateTiles<order.registers(), form_of<P>(Hidden), A>;
        constexpr std::size_t first = Tiles::first(I), T = Tiles::size(I);
        if constexpr (T != 0) {
            B a[T], b[T];
            unroll<T>([&](auto t) NIBBLE_INLINE_LAMBDA {
                a[t] = B::load(bias_ih.lane + (first + t) * lanes);
                b[t] = B::load(bias_hh.lane + (first + t) * lanes);
            });
            weight_hh.add(first * lanes, before, b);
            weight_ih.add(first * lanes, x, a);
            unroll<T>([&](auto t) NIBBLE_INLINE_LAMBDA {
                input[first + t] = a[t];
                state[first + t] = b[t];
            });
            sum_gates<I + 1>(x, before, input, state);
        }
    }
    template <std::size_t I>
    NIBBLE_INLINE void update_whole(const B* input, const B* state) noexcept {
        if constexpr (I < order.whole()) {
            const GateScale<A> by_sigmoid(sigmoid_gate);
            gru_cell(gate_power(input[3 * I] + state[3 * I], by_sigmoid),
                     gate_power(input[3 * I + 1] + state[3 * I + 1], by_sigmoid), input[3 * I + 2],
                     state[3 * I + 2], B::load(h.value + I * lanes))
                .store(h.value + I * lanes);
            update_whole<I + 1>(input, state);
        }
    }
    template <std::size_t Quarter>
    NIBBLE_INLINE void update_part(const B* input, const B* state) noexcept {
        using Part = GatePart<order, A, Quarter>;
        if constexpr (Part::there) {
            // Halves: r and z in one register, n in the next. Quarters: all in one.
            using N = Batch<float, typename Part::Narrow>;
            constexpr std::size_t width = Part::width, last = Part::first + Part::registers - 1;
            constexpr std::size_t at = Part::registers == 2 ? 0 : 2 * width;
            alignas(register_bytes<A>) float power[lanes], a[lanes], b[lanes];
            gate_power(input[Part::first] + state[Part::first], GateScale<A>(sigmoid_gate))
                .store(power);
            input[last].store(a);
            state[last].store(b);
            gru_cell(N::load(power), N::load(power + width), N::load(a + at), N::load(b + at),
                     N::load(h.value + Part::unit))
                .store(h.value + Part::unit);
        }
    }
};

}  // namespace fixed

}  // namespace nibble
