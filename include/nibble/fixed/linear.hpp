// SPDX-License-Identifier: BSL-1.0
// Linear of a fixed size: y = W x + b for one vector.
#pragma once

#include <nibble/fixed/weights.hpp>

namespace nibble::inline NIBBLE_ARCH {

namespace fixed {

/// In numbers to Out. Weights in P's weight format; the same parameters as nibble::Linear.
template <LayerPrecision P, std::size_t In, std::size_t Out, class A = Isa>
struct Linear {
    static constexpr std::size_t in = In, out = Out;
    using Input = Vector<In, A>;
    static constexpr Form form = form_of<P>(In) == Form::columns && by_rows<weight_t<P>, A>(Out, In)
                                     ? Form::rows
                                     : form_of<P>(In);
    using InstructionSet = std::conditional_t<form == Form::rows, A, fitted_isa<Out, A>>;
    using B = Batch<float, InstructionSet>;
    static constexpr GateOrder order{1, Out, B::lanes, false};

    using Weight = Weights<weight_t<P>, order, In, InstructionSet, form>;
    using Offset = Bias<order, InstructionSet>;

    Weight weight;  ///< Out rows of In
    Offset bias;    ///< Out numbers

    template <class F, class... L>
    static void parameters(F&& f, L&... l) {
        f("weight", l.weight...);
        f("bias", l.bias...);
    }

    /// W x + b.
    [[nodiscard]] NIBBLE_INLINE Vector<Out, A> forward(const Input& x) const noexcept {
        return apply(weight, bias, x);
    }
    /// The same with another's parameters.
    [[nodiscard]] static NIBBLE_INLINE Vector<Out, A> apply(const Weight& weight,
                                                            const Offset& bias,
                                                            const Input& x) noexcept {
        // One variable in the outermost block: g++ 12 copies any other.
        Vector<Out, A> y{typename Vector<Out, A>::Unwritten{}};
        if constexpr (form == Form::rows) {
            unroll<Out>([&](auto r) NIBBLE_INLINE_LAMBDA {
                y.value[r] = weight.dot(r, x.data()) + bias.lane[r];
            });
            for (std::size_t i = Out; i < y.padded; ++i) y.value[i] = 0.0f;
        } else {
            sum_tiles<0>(weight, bias, weight.prepare(x.data()), y);
            for (std::size_t i = order.size(); i < y.padded; ++i) y.value[i] = 0.0f;
            settle(y);
        }
        return y;
    }
    /// No state.
    void reset() noexcept {}

private:
    template <std::size_t I, class X>
    static NIBBLE_INLINE void sum_tiles(const Weight& weight, const Offset& bias, const X& x,
                                        Vector<Out, A>& y) noexcept {
        constexpr std::size_t tile = column_tile<InstructionSet>, first = I * tile;
        constexpr std::size_t left = order.registers() > first ? order.registers() - first : 0;
        constexpr std::size_t T = left < tile ? left : tile;
        if constexpr (T != 0) {
            B sum[T];
            unroll<T>([&](auto t) NIBBLE_INLINE_LAMBDA {
                sum[t] = B::load(bias.lane + (first + t) * B::lanes);
            });
            weight.add(first * B::lanes, x, sum);
            unroll<T>([&](auto t)
                          NIBBLE_INLINE_LAMBDA { sum[t].store(y.value + (first + t) * B::lanes); });
            sum_tiles<I + 1>(weight, bias, x, y);
        }
    }
};

}  // namespace fixed

}  // namespace nibble
