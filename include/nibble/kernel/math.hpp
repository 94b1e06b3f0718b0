// SPDX-License-Identifier: BSL-1.0
// exp, log, tanh, sigmoid and the activation functions on registers.
//
// Own polynomials, no call into the C library: bits do not depend on its version, and are equal on
// all instruction sets that fuse a*b+c (Avx2 and up, Neon). Where fma rounds twice (Sse2, Scalar)
// the bounds below still hold but bits may differ. Errors in units in the last place of the result,
// for every argument unless a range is given:
//
//     exp      1.1   0 where the result would be below the normal numbers (x < -87.336)
//     expm1    1.8   log       1.1   (arguments below the normal numbers count as 0)
//     tanh     2.6   sigmoid   2.6
//     silu     2.6   gelu      3 + 2.6 |u|, u the argument of its exponential: e^-u takes over u's
//                              rounding, so far below 0 the small results have fewer right digits
//
// NaN gives NaN everywhere, and infinities the limit. exp and friends reduce x = n ln 2 + r with n
// from the low bits of x/ln 2 + 1.5*2^23; the polynomials interpolate at Chebyshev nodes.
#pragma once

#include <nibble/kernel/simd.hpp>

#include <limits>

namespace nibble::inline NIBBLE_ARCH {

/// e^r = 1 + r + r^2 q(r) and n with x = n ln 2 + r, |r| <= ln(2)/2: what exp, expm1 and tanh share.
template <class A>
struct ReducedExp {
    Batch<std::int32_t, A> shifted_n;  ///< n in the exponent's place, modulo 2^32
    Batch<float, A> below;             ///< e^r - 1

    /// x in [-88, 89]; anything else gives garbage that the caller replaces.
    explicit NIBBLE_INLINE ReducedExp(Batch<float, A> x) noexcept {
        using F = Batch<float, A>;
        const F magic(0x1.8p23f);
        const F t = fma(x, F(0x1.715476p0f), magic);
        const F n = t - magic;
        shifted_n = bit_cast_to<std::int32_t>(t) << 23;
        // ln 2 in two parts; the first has 15 bits, so n times it is exact.
        F r = fma(n, F(-0x1.62e4p-1f), x);
        r = fma(n, F(-0x1.7f7d1cp-20f), r);
        F q = fma(F(0x1.6d113cp-10f), r, F(0x1.120ba2p-7f));
        q = fma(q, r, F(0x1.55551ap-5f));
        q = fma(q, r, F(0x1.5554dcp-3f));
        q = fma(q, r, F(0.5f));
        below = fma(r * r, q, r);
    }
};

/// e^x. 0 below -87.336 and infinity above 88.722.
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> exp(Batch<float, A> x) noexcept {
    using F = Batch<float, A>;
    const ReducedExp<A> e(x);
    // Adding n to the exponent reaches every normal result, 2^127 and more included.
    F y = bit_cast_to<float>(bit_cast_to<std::int32_t>(F(1.0f) + e.below) + e.shifted_n);
    y = select(x < F(-0x1.5d589ep6f), F(0.0f), y);
    return select(x <= F(0x1.62e42ep6f), y, x + F(std::numeric_limits<float>::infinity()));
}

/// e^x - 1 without cancellation near 0. -1 below -17.4, infinity above 88.029 (2^127).
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> expm1(Batch<float, A> x) noexcept {
    using F = Batch<float, A>;
    using I = Batch<std::int32_t, A>;
    const F held = select(x < F(-17.4f), F(-17.4f), x);
    const ReducedExp<A> e(held);
    const F scale = bit_cast_to<float>(e.shifted_n + I(0x3F800000));
    F y = fma(e.below, scale, scale - F(1.0f));
    y = select(x == F(0.0f), x, y);
    return select(x <= F(88.0f), y, exp(x));
}

/// Natural logarithm. -infinity at 0 and for subnormals, NaN below 0.
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> log(Batch<float, A> x) noexcept {
    using F = Batch<float, A>;
    using I = Batch<std::int32_t, A>;
    // x = 2^n m with m in [sqrt(1/2), sqrt(2)): subtracting sqrt(1/2)'s bits puts the cut there.
    const I bits = bit_cast_to<std::int32_t>(x) - I(0x3F3504F3);
    const F n = to_float(bits >> 23);
    const F f = bit_cast_to<float>((bits & I(0x007FFFFF)) + I(0x3F3504F3)) - F(1.0f);
    F p = fma(F(0x1.1d8ea6p-4f), f, F(-0x1.d635bcp-4f));
    p = fma(p, f, F(0x1.dea282p-4f));
    p = fma(p, f, F(-0x1.fcf4c6p-4f));
    p = fma(p, f, F(0x1.23d21ap-3f));
    p = fma(p, f, F(-0x1.555b4ap-3f));
    p = fma(p, f, F(0x1.999d5ap-3f));
    p = fma(p, f, F(-0x1.fffffcp-3f));
    p = fma(p, f, F(0x1.555554p-2f));
    const F square = f * f;
    // The small terms first; f and n ln 2's leading part last.
    F tail = fma(f * square, p, n * F(0x1.7f7d1cp-20f));
    tail = fma(square, F(-0.5f), tail);
    F y = fma(n, F(0x1.62e4p-1f), f + tail);
    constexpr float infinity = std::numeric_limits<float>::infinity();
    y = select(x < F(std::numeric_limits<float>::min()), F(-infinity), y);
    y = select(x < F(0.0f), F(std::numeric_limits<float>::quiet_NaN()), y);
    return select(x < F(infinity), y, x);  // infinity and NaN stay
}

/// |x| with the sign of `sign`.
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> copy_sign(Batch<float, A> x,
                                                      Batch<float, A> sign) noexcept {
    using U = Batch<std::uint32_t, A>;
    return bit_cast_to<float>((bit_cast_to<std::uint32_t>(x) & U(0x7FFFFFFFu)) |
                              (bit_cast_to<std::uint32_t>(sign) & U(0x80000000u)));
}

/// Hyperbolic tangent: -m / (2 + m) with m = e^(-2|x|) - 1. 1 from |x| = 9.02 on.
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> tanh(Batch<float, A> x) noexcept {
    using F = Batch<float, A>;
    using I = Batch<std::int32_t, A>;
    const F size = abs(x);
    const F held = select(size > F(9.02f), F(9.02f), size);
    const ReducedExp<A> e(F(-2.0f) * held);
    const F scale = bit_cast_to<float>(e.shifted_n + I(0x3F800000));
    const F m = fma(e.below, scale, scale - F(1.0f));
    return copy_sign(m / (F(2.0f) + m), x);
}

/// 1 - tanh(x)^2, from y = tanh(x).
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> tanh_slope(Batch<float, A> y) noexcept {
    return fnma(y, y, Batch<float, A>(1.0f));
}

/// 1 / (1 + e^-x).
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> sigmoid(Batch<float, A> x) noexcept {
    using F = Batch<float, A>;
    return F(1.0f) / (F(1.0f) + exp(-x));
}

/// s (1 - s), from s = sigmoid(x).
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> sigmoid_slope(Batch<float, A> s) noexcept {
    return fnma(s, s, s);
}

/// x sigmoid(x), also called swish (Elfwing et al. 2018). 0 below -88.7, where it is under 3e-37.
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> silu(Batch<float, A> x) noexcept {
    using F = Batch<float, A>;
    const F y = x / (F(1.0f) + exp(-x));
    return select(x < F(-88.7f), F(0.0f), y);
}

/// The derivative of silu at x.
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> silu_slope(Batch<float, A> x) noexcept {
    using F = Batch<float, A>;
    F held = select(x < F(-100.0f), F(-100.0f), x);  // finite, so that 0 times it is 0
    held = select(held > F(100.0f), F(100.0f), held);
    const F s = sigmoid(held);
    return fma(held * s, F(1.0f) - s, s);
}

/// The argument 2 sqrt(2/pi) (x + 0.044715 x^3) that makes gelu(x) = x sigmoid(argument).
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> gelu_argument(Batch<float, A> x) noexcept {
    using F = Batch<float, A>;
    return x * fma(x * x, F(0.07135481627f), F(1.5957691216f));
}

/// x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))): GPT-2's form (Hendrycks and Gimpel 2016), written
/// as x sigmoid(2u), which does not cancel for negative x. 0 below -10.03, where it is under 7e-38.
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> gelu(Batch<float, A> x) noexcept {
    using F = Batch<float, A>;
    const F y = x / (F(1.0f) + exp(-gelu_argument(x)));
    return select(x < F(-10.03f), F(0.0f), y);
}

/// The derivative of gelu at x.
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> gelu_slope(Batch<float, A> x) noexcept {
    using F = Batch<float, A>;
    F held = select(x < F(-10.1f), F(-10.1f), x);
    held = select(held > F(10.1f), F(10.1f), held);
    const F s = sigmoid(gelu_argument(held));
    const F slope = fma(held * held, F(3 * 0.07135481627f), F(1.5957691216f));
    return fma(held * slope, fnma(s, s, s), s);
}

/// The larger of x and 0; NaN stays.
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> relu(Batch<float, A> x) noexcept {
    return select(x < Batch<float, A>(0.0f), Batch<float, A>(0.0f), x);
}

}  // namespace nibble
