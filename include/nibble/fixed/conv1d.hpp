// SPDX-License-Identifier: BSL-1.0
// Conv1d of a fixed size, causal and dilated, one sample at a time (the layer of van den Oord et al.
// 2016):
//
//     y[t] = b + sum over taps j < Kernel of W_j x[t - (Kernel - 1 - j) Dilation]
//
// What came before the first sample is zero. The last tap meets the newest sample.
#pragma once

#include <nibble/fixed/linear.hpp>

namespace nibble::inline NIBBLE_ARCH {

namespace fixed {

/// In channels to Out. Row o of the weights holds tap 0's In numbers, then tap 1's: PyTorch's
/// weight[o][i][j] is column j * In + i.
template <LayerPrecision P, std::size_t In, std::size_t Out, std::size_t Kernel,
          std::size_t Dilation = 1, class A = Isa>
    requires(Kernel > 0 && Dilation > 0)
struct Conv1d {
    static constexpr std::size_t in = In, out = Out;
    using Input = Vector<In, A>;
    using Window = Vector<Kernel * In, A>;
    using Product = Linear<P, Kernel * In, Out, A>;
    /// Samples that are remembered.
    static constexpr std::size_t slots = (Kernel - 1) * Dilation + 1;

    typename Product::Weight weight;  ///< Out rows of Kernel * In
    typename Product::Offset bias;    ///< Out numbers
    float past[slots][In] = {};       ///< the state, a ring
    std::size_t newest = 0;           ///< its last sample

    template <class F, class... L>
    static void parameters(F&& f, L&... l) {
        f("weight", l.weight...);
        f("bias", l.bias...);
    }
    /// Back to a past of zeros.
    void reset() noexcept {
        for (auto& sample : past)
            for (float& x : sample) x = 0.0f;
    }

    /// The next sample.
    [[nodiscard]] NIBBLE_INLINE Vector<Out, A> forward(const Input& x) noexcept {
        newest = newest + 1 == slots ? 0 : newest + 1;
        for (std::size_t i = 0; i < In; ++i) past[newest][i] = x.value[i];
        Window window{typename Window::Unwritten{}};
        for (std::size_t j = 0; j < Kernel; ++j) {
            const std::size_t back = (Kernel - 1 - j) * Dilation;
            const float* from = past[newest >= back ? newest - back : newest + slots - back];
            for (std::size_t i = 0; i < In; ++i) window.value[j * In + i] = from[i];
        }
        for (std::size_t i = Kernel * In; i < Window::padded; ++i) window.value[i] = 0.0f;
        settle(window);
        return Product::apply(weight, bias, window);
    }
};

}  // namespace fixed

}  // namespace nibble
