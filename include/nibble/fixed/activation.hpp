// SPDX-License-Identifier: BSL-1.0
// Activation functions between layers of fixed sizes: those of kernel/math.hpp, number by number.
#pragma once

#include <nibble/fixed/vector.hpp>
#include <nibble/kernel/gates.hpp>
#include <nibble/kernel/math.hpp>

namespace nibble::inline NIBBLE_ARCH {

namespace fixed {

/// Function::value over registers as a layer without parameters or state, of any size.
template <class Function>
struct Elementwise {
    template <class F, class... L>
    static void parameters(F&&, L&...) {}
    void reset() noexcept {}

    template <std::size_t N, class A>
    [[nodiscard]] NIBBLE_INLINE Vector<N, A> forward(const Vector<N, A>& x) const noexcept {
        using B = Batch<float, fitted_isa<N, A>>;
        constexpr std::size_t used = (N + B::lanes - 1) / B::lanes;
        Vector<N, A> y{typename Vector<N, A>::Unwritten{}};
        for (std::size_t i = 0; i < used; ++i)
            Function::value(B::load(x.value + i * B::lanes)).store(y.value + i * B::lanes);
        for (std::size_t i = used * B::lanes; i < y.padded; ++i) y.value[i] = 0.0f;
        settle(y);
        return y;
    }
};

struct TanhFunction {
    template <class B>
    static NIBBLE_INLINE B value(B x) noexcept {
        return short_tanh(x);
    }
};
struct ReluFunction {
    template <class B>
    static NIBBLE_INLINE B value(B x) noexcept {
        return relu(x);
    }
};
struct SigmoidFunction {
    template <class B>
    static NIBBLE_INLINE B value(B x) noexcept {
        return sigmoid(x);
    }
};
struct GeluFunction {
    template <class B>
    static NIBBLE_INLINE B value(B x) noexcept {
        return gelu(x);
    }
};
struct SiluFunction {
    template <class B>
    static NIBBLE_INLINE B value(B x) noexcept {
        return silu(x);
    }
};

using Tanh = Elementwise<TanhFunction>;
using Relu = Elementwise<ReluFunction>;
using Sigmoid = Elementwise<SigmoidFunction>;
using Gelu = Elementwise<GeluFunction>;  ///< the tanh form
using Silu = Elementwise<SiluFunction>;

}  // namespace fixed

}  // namespace nibble
