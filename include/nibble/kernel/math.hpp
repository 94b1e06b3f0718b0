// SPDX-License-Identifier: BSL-1.0
// exp, log, tanh, sigmoid and the activation functions on registers.
//
// Own polynomials, no call into the C library, every fused step exact (fused.hpp): results have equal
// bits on every instruction set and from every compiler (tests/kernel/equal_bits.cpp). Errors in units
// in the last place of the result, for every argument unless a range is given:
//
//     exp      1.1   0 where the result would be below the normal numbers (x < -87.336)
//     expm1    1.8   log       1.1   (arguments below the normal numbers count as 0)
//     tanh     2.6   sigmoid   2.6
//     gelu_erf 7     below 0; 1 above
//     silu     2.6   gelu      3 + 2.6 |u|, u the argument of its exponential: e^-u takes over u's
//                              rounding, so far below 0 the small results have fewer right digits
//
// NaN gives NaN everywhere, and infinities the limit. exp and friends reduce x = n ln 2 + r with n
// from the low bits of x/ln 2 + 1.5*2^23.
//
// Vector instructions a register of 16 on AVX-512: exp 13, sigmoid 15, silu 17, tanh 19, gelu 20, one of
// them a division (all but exp) that costs as much as eight others; on AVX2 exp takes 18 for 8.
#pragma once

#include <nibble/kernel/fused.hpp>
#include <nibble/kernel/math_x86.hpp>

#include <limits>

namespace nibble::inline NIBBLE_ARCH {

/// e^(Times x) = 2^n (1 + slope r): what exp, expm1, sigmoid and tanh share. Times is 1, -1, 2 or -2,
/// powers of two, so that constants can take it in. Times x must lie in [-88, 89]; anything else gives
/// garbage that the caller replaces. Brief takes ln 2 with 24 bits: off by n 2^-29, for n near 0.
template <class A, int Times = 1, bool Brief = false>
struct ReducedExp {
    using F = Batch<float, A>;
    F n, r;
    Batch<std::int32_t, A> shifted_n;  ///< n in the exponent's place, modulo 2^32
    F slope;

    explicit NIBBLE_INLINE ReducedExp(F x) noexcept {
        constexpr float a = Times;
        const F magic(0x1.8p23f);
        const F t = fused(x, F(0x1.715476p0f * a), magic);
        n = t - magic;
        shifted_n = bit_cast_to<std::int32_t>(t) << 23;
        if constexpr (Brief) {
            r = fused(n, F(-0x1.62e43p-1f / a), x);
        } else {
            // ln 2 in two parts; the first has 15 bits, so n times it is exact.
            r = fused(n, F(-0x1.62e4p-1f / a), x);
            r = fused(n, F(-0x1.7f7d1cp-20f / a), r);
        }
        // The best coefficients of 24 bits for e^r with |r| <= ln(2)/2, off by 2^-28.2.
        slope = fused(F(0x1.6a6016p-10f * (a * a) * (a * a) * (a * a)), r,
                      F(0x1.123acp-7f * (a * a) * (a * a) * a));
        slope = fused(slope, r, F(0x1.5558ap-5f * (a * a) * (a * a)));
        slope = fused(slope, r, F(0x1.55549p-3f * (a * a) * a));
        slope = fused(slope, r, F(0x1.fffffcp-2f * (a * a)));
        slope = fused(slope, r, F(a));
    }
    /// e^(Times r).
    [[nodiscard]] NIBBLE_INLINE F value() const noexcept { return fused(slope, r, F(1.0f)); }
    /// e^(Times x) - 1.
    [[nodiscard]] NIBBLE_INLINE F minus_one() const noexcept {
        const F scale = power();
        return fused(slope * r, scale, scale - F(1.0f));
    }
    /// 2^n
    [[nodiscard]] NIBBLE_INLINE F power() const noexcept {
#if NIBBLE_SIMD && defined(__AVX512F__)
        if constexpr (is_avx512<A>) return x86::scale_by_power(F(1.0f), n);
        else
#endif
            return bit_cast_to<float>(shifted_n + Batch<std::int32_t, A>(0x3F800000));
    }
};

/// 0 where the mask is true, else x.
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> zero_where(Mask<A> mask, Batch<float, A> x) noexcept {
#if NIBBLE_SIMD && defined(__AVX2__)
    if constexpr (is_avx2<A>) return x86::zero_where(mask, x);
    else
#endif
        return select(mask, Batch<float, A>(0.0f), x);
}

/// e^(Times x) for Times = 1 or -1, with the bits of exp(Times * x). Bounded says that Times x is at
/// most 88, or NaN.
template <int Times, bool Bounded = false, class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> exp_of(Batch<float, A> x) noexcept {
    using F = Batch<float, A>;
    constexpr float least = -0x1.5d589ep6f * Times;  // where the normal numbers end
    F held = x;
#if NIBBLE_SIMD && defined(__AVX512F__)
    if constexpr (is_avx512<A>) {
        if constexpr (!Bounded) held = Times > 0 ? min(F(89.0f), x) : max(F(-89.0f), x);
        const ReducedExp<A, Times> e(held);
        if constexpr (Times > 0) return x86::scale_by_power_from(e.value(), e.n, x, least);
        else return x86::scale_by_power_to(e.value(), e.n, x, least);
    } else
#endif
    {
        const auto low = Times > 0 ? x < F(least) : x > F(least);
        const ReducedExp<A, Times> e(held);
        if constexpr (Bounded) return zero_where(low, e.value() * e.power());  // NaN stays
        // Adding n to the exponent reaches every normal result, 2^127 and more included.
        const F y =
            zero_where(low, bit_cast_to<float>(bit_cast_to<std::int32_t>(e.value()) + e.shifted_n));
        const F high(0x1.62e42ep6f * Times), inf(std::numeric_limits<float>::infinity());
        if constexpr (Times > 0) return select(x <= high, y, x + inf);
        else return select(x >= high, y, inf - x);
    }
}

/// e^x. 0 below -87.336 and infinity above 88.722.
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> exp(Batch<float, A> x) noexcept {
    return exp_of<1>(x);
}

/// e^x - 1 without cancellation near 0. -1 below -17.4, infinity above 88.029 (2^127).
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> expm1(Batch<float, A> x) noexcept {
    using F = Batch<float, A>;
    const F y = ReducedExp<A>(min(F(88.0f), max(F(-17.4f), x))).minus_one();
    return select(x <= F(88.0f), select(x == F(0.0f), x, y), exp(x));
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
    F p = fused(F(0x1.1d8ea6p-4f), f, F(-0x1.d635bcp-4f));
    p = fused(p, f, F(0x1.dea282p-4f));
    p = fused(p, f, F(-0x1.fcf4c6p-4f));
    p = fused(p, f, F(0x1.23d21ap-3f));
    p = fused(p, f, F(-0x1.555b4ap-3f));
    p = fused(p, f, F(0x1.999d5ap-3f));
    p = fused(p, f, F(-0x1.fffffcp-3f));
    p = fused(p, f, F(0x1.555554p-2f));
    const F square = f * f;
    // The small terms first; f and n ln 2's leading part last.
    F tail = fused(f * square, p, n * F(0x1.7f7d1cp-20f));
    tail = fused(square, F(-0.5f), tail);
    F y = fused(n, F(0x1.62e4p-1f), f + tail);
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
    const F m = ReducedExp<A, -2, true>(min(F(9.02f), abs(x))).minus_one();
    return copy_sign(m / (F(2.0f) + m), x);
}

/// 1 - tanh(x)^2, from y = tanh(x).
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> tanh_slope(Batch<float, A> y) noexcept {
    return fused(-y, y, Batch<float, A>(1.0f));
}

/// 1 / (1 + e^-x).
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> sigmoid(Batch<float, A> x) noexcept {
    using F = Batch<float, A>;
    return F(1.0f) / (F(1.0f) + exp_of<-1>(x));
}

/// s (1 - s), from s = sigmoid(x).
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> sigmoid_slope(Batch<float, A> s) noexcept {
    return fused(-s, s, s);
}

/// x sigmoid(x), also called swish (Elfwing et al. 2018). 0 below -88.7, where it is under 3e-37.
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> silu(Batch<float, A> x) noexcept {
    using F = Batch<float, A>;
    const F y = x / (F(1.0f) + exp_of<-1>(x));
    return zero_where(x < F(-88.7f), y);
}

/// The derivative of silu at x.
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> silu_slope(Batch<float, A> x) noexcept {
    using F = Batch<float, A>;
    F held = select(x < F(-100.0f), F(-100.0f), x);  // finite, so that 0 times it is 0
    held = select(held > F(100.0f), F(100.0f), held);
    const F s = sigmoid(held);
    return fused(held * s, F(1.0f) - s, s);
}

/// The argument 2 sqrt(2/pi) (x + 0.044715 x^3) that makes gelu(x) = x sigmoid(argument).
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> gelu_argument(Batch<float, A> x) noexcept {
    using F = Batch<float, A>;
    return x * fused(x * x, F(0.07135481627f), F(1.5957691216f));
}

/// x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))): GPT-2's form (Hendrycks and Gimpel 2016), written
/// as x sigmoid(2u), which does not cancel for negative x. 0 below -10.03, where it is under 7e-38.
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> gelu(Batch<float, A> x) noexcept {
    using F = Batch<float, A>;
    const F y = x / (F(1.0f) + exp_of<-1>(gelu_argument(x)));
    return zero_where(x < F(-10.03f), y);
}

/// The derivative of gelu at x.
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> gelu_slope(Batch<float, A> x) noexcept {
    using F = Batch<float, A>;
    F held = select(x < F(-10.1f), F(-10.1f), x);
    held = select(held > F(10.1f), F(10.1f), held);
    const F s = sigmoid(gelu_argument(held));
    const F slope = fused(held * held, F(3 * 0.07135481627f), F(1.5957691216f));
    return fused(held * slope, fused(-s, s, s), s);
}

/// e^(-a^2/2) for 0 <= a <= 14 and the ratio of the normal distribution's tail beyond a to it.
template <class A>
struct NormalTail {
    using F = Batch<float, A>;
    F density, ratio;

    explicit NIBBLE_INLINE NormalTail(F a) noexcept {
        const F square = a * a;
        const F missing = fused(a, a, -square);  // what rounding took from the square
        const F e = exp_of<-1, true>(square * F(0.5f));
        density = fused(e * F(-0.5f), missing, e);
        // A polynomial in 1 / (1 + a/4), off by 2^-26.8.
        const F t = F(1.0f) / fused(F(0.25f), a, F(1.0f));
        F p = fused(F(0x1.0f3ec2p-6f), t, F(-0x1.00aeb6p-4f));
        p = fused(p, t, F(0x1.a4d266p-5f));
        p = fused(p, t, F(0x1.d7cd74p-6f));
        p = fused(p, t, F(0x1.971e54p-7f));
        p = fused(p, t, F(0x1.638dc2p-4f));
        p = fused(p, t, F(0x1.26b524p-4f));
        p = fused(p, t, F(0x1.874632p-4f));
        p = fused(p, t, F(0x1.978442p-4f));
        ratio = fused(p, t, F(0x1.989152p-4f)) * t;
    }
};

/// x/2 (1 + erf(x / sqrt(2))): the exact form of GELU, without cancellation for negative x. 0 below
/// -13.2, where it is under 2e-38.
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> gelu_erf(Batch<float, A> x) noexcept {
    using F = Batch<float, A>;
    const F a = min(F(14.0f), abs(x));
    const NormalTail<A> tail(a);
    return fused(-(a * tail.ratio), tail.density, max(F(0.0f), x));
}

/// The derivative of gelu_erf at x.
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> gelu_erf_slope(Batch<float, A> x) noexcept {
    using F = Batch<float, A>;
    const F a = min(F(14.0f), abs(x));
    const NormalTail<A> tail(a);
    // On the side below 0: tail - a density; above 0 one less that.
    const F low = tail.density * fused(a, F(-0.39894228f), tail.ratio);
    return select(x < F(0.0f), low, F(1.0f) - rounded(low));
}

/// The larger of x and 0; NaN stays.
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> relu(Batch<float, A> x) noexcept {
    return zero_where(x < Batch<float, A>(0.0f), x);
}

}  // namespace nibble
