// SPDX-License-Identifier: BSL-1.0
// Lstm of a fixed size, one sample at a time (Hochreiter and Schmidhuber 1997; Gers et al. 2000):
//
//     [i f g o] = W_ih x + b_ih + W_hh h + b_hh
//     c' = sigmoid(f) c + sigmoid(i) tanh(g)        h' = sigmoid(o) tanh(c')
//
// Rows of the weights are in PyTorch's order: i, f, g, o, each Hidden long, and there are two biases.
#pragma once

#include <nibble/fixed/gated.hpp>

namespace nibble::inline NIBBLE_ARCH {

namespace fixed {

/// In numbers to Hidden, which are also its state h. A microsecond and less; see docs/realtime.md.
template <LayerPrecision P, std::size_t In, std::size_t Hidden, class A = Isa>
struct Lstm {
    static constexpr std::size_t in = In, out = Hidden;
    using Input = Vector<In, A>;
    static constexpr GateOrder order = gate_order<A>(4, Hidden);
    using B = Batch<float, A>;

    Weights<weight_t<P>, order, In, A, form_of<P>(In)> weight_ih;  ///< 4 Hidden rows of In
    Weights<weight_t<P>, order, Hidden, A, form_of<P>(Hidden)>
        weight_hh;                    ///< 4 Hidden rows of Hidden
    Bias<order, A> bias_ih, bias_hh;  ///< 4 Hidden numbers
    Vector<Hidden, A> h, c;           ///< the state

    template <class F, class... L>
    static void parameters(F&& f, L&... l) {
        f("weight_ih", l.weight_ih...);
        f("weight_hh", l.weight_hh...);
        f("bias_ih", l.bias_ih...);
        f("bias_hh", l.bias_hh...);
    }
    /// Back to the state of zeros.
    void reset() noexcept { h = c = Vector<Hidden, A>(); }

    /// The next sample: h after it.
    [[nodiscard]] NIBBLE_INLINE const Vector<Hidden, A>& forward(const Input& x) noexcept {
        B gate[order.registers()];
        sum_gates<0>(weight_ih.prepare(x.data()), weight_hh.prepare(h.data()), gate);
        update_whole<0>(gate);
        update_part<0>(gate);
        update_part<1>(gate);
        return h;
    }

private:
    static constexpr std::size_t lanes = B::lanes;

    // Recursion in place of loops over lambdas, which g++ would not inline.
    template <std::size_t I, class X, class H>
    NIBBLE_INLINE void sum_gates(const X& x, const H& before, B* gate) const noexcept {
        using Tiles = GateTiles<order.registers(), form_of<P>(Hidden), A>;
        constexpr std::size_t first = Tiles::first(I), T = Tiles::size(I);
        if constexpr (T != 0) {
            B sum[T];
            unroll<T>([&](auto t) NIBBLE_INLINE_LAMBDA {
                constexpr std::size_t at = (first + t) * lanes;
                sum[t] = B::load(bias_ih.lane + at) + B::load(bias_hh.lane + at);
            });
            weight_ih.add(first * lanes, x, sum);
            weight_hh.add(first * lanes, before, sum);
            unroll<T>([&](auto t) NIBBLE_INLINE_LAMBDA { gate[first + t] = sum[t]; });
            sum_gates<I + 1>(x, before, gate);
        }
    }
    template <std::size_t I>
    NIBBLE_INLINE void update_whole(const B* gate) noexcept {
        if constexpr (I < order.whole()) {
            const GateScale<A> by_sigmoid(sigmoid_gate), by_tanh(tanh_gate);
            const auto state = lstm_cell(
                gate_power(gate[4 * I], by_sigmoid), gate_power(gate[4 * I + 1], by_sigmoid),
                gate_power(gate[4 * I + 2], by_tanh), gate_power(gate[4 * I + 3], by_sigmoid),
                B::load(c.value + I * lanes));
            state.c.store(c.value + I * lanes);
            state.h.store(h.value + I * lanes);
            update_whole<I + 1>(gate);
        }
    }
    template <std::size_t Quarter>
    NIBBLE_INLINE void update_part(const B* gate) noexcept {
        using Part = GatePart<order, A, Quarter>;
        if constexpr (Part::there) {
            using N = Batch<float, typename Part::Narrow>;
            constexpr std::size_t width = Part::width;
            alignas(register_bytes<A>) float power[Part::registers * lanes];
            unroll<Part::registers>([&](auto t) NIBBLE_INLINE_LAMBDA {
                gate_power(gate[Part::first + t], part_scale<4, 2, width, A>(t))
                    .store(power + t * lanes);
            });
            const auto state =
                lstm_cell(N::load(power), N::load(power + width), N::load(power + 2 * width),
                          N::load(power + 3 * width), N::load(c.value + Part::unit));
            state.c.store(c.value + Part::unit);
            state.h.store(h.value + Part::unit);
        }
    }
};

}  // namespace fixed

}  // namespace nibble
