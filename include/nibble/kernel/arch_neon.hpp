// SPDX-License-Identifier: BSL-1.0
// Byte dot products for NEON, its dotprod and its i8mm extension. (Its codec goes lane by lane.)
#pragma once

#include <nibble/kernel/simd.hpp>

#if NIBBLE_SIMD && defined(__ARM_NEON)
#include <arm_neon.h>

namespace nibble::inline NIBBLE_ARCH {

/// Sums of neighbouring products of bytes, in 16 bits: |w * x| stays below 2^14.
template <class A>
    requires is_neon<A>
NIBBLE_INLINE int16x8_t narrow_pairs(Batch<std::int32_t, A> w, Batch<std::int32_t, A> x) noexcept {
    const int8x16_t a = vreinterpretq_s8_s32(w.v), b = vreinterpretq_s8_s32(x.v);
    const int16x8_t low = vmull_s8(vget_low_s8(a), vget_low_s8(b));
    const int16x8_t high = vmull_s8(vget_high_s8(a), vget_high_s8(b));
    return vcombine_s16(vpadd_s16(vget_low_s16(low), vget_high_s16(low)),
                        vpadd_s16(vget_low_s16(high), vget_high_s16(high)));
}

/// dot4 (see dot.hpp). usdot with i8mm. With dotprod alone narrow weights are signed bytes for sdot,
/// and wide ones are taken as (w - 128) and 128. Otherwise products widen to 16 and to 32 bits.
template <bool Narrow, class A>
    requires is_neon<A>
[[nodiscard]] NIBBLE_INLINE Batch<std::int32_t, A> dot4(Batch<std::int32_t, A> sum,
                                                        Batch<std::int32_t, A> w,
                                                        Batch<std::int32_t, A> x) noexcept {
    using Register = typename Batch<std::int32_t, A>::Register;
#if defined(__ARM_FEATURE_MATMUL_INT8)
    if constexpr (std::is_same_v<A, isa::NeonI8mm>)
        return Register(vusdotq_s32(sum.v, vreinterpretq_u8_s32(w.v), vreinterpretq_s8_s32(x.v)));
    else
#endif
#if defined(__ARM_FEATURE_DOTPROD)
        if constexpr (has_byte_dot<A>) {
        const int8x16_t a = vreinterpretq_s8_s32(w.v), b = vreinterpretq_s8_s32(x.v);
        if constexpr (Narrow) return Register(vdotq_s32(sum.v, a, b));
        // The second product leaves a loop over weights.
        const int32x4_t total = vdotq_s32(vdupq_n_s32(0), vdupq_n_s8(1), b);
        return Register(
            vdotq_s32(vaddq_s32(sum.v, vshlq_n_s32(total, 7)), veorq_s8(a, vdupq_n_s8(-128)), b));
    } else
#endif
        if constexpr (Narrow) {
        return Register(vpadalq_s16(sum.v, narrow_pairs<A>(w, x)));
    } else {
        const uint8x16_t a = vreinterpretq_u8_s32(w.v);
        const int8x16_t b = vreinterpretq_s8_s32(x.v);
        const int16x8_t a0 = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(a)));
        const int16x8_t a1 = vreinterpretq_s16_u16(vmovl_u8(vget_high_u8(a)));
        const int16x8_t b0 = vmovl_s8(vget_low_s8(b)), b1 = vmovl_s8(vget_high_s8(b));
        const int32x4_t p0 = vmull_s16(vget_low_s16(a0), vget_low_s16(b0));
        const int32x4_t p1 = vmull_s16(vget_high_s16(a0), vget_high_s16(b0));
        const int32x4_t p2 = vmull_s16(vget_low_s16(a1), vget_low_s16(b1));
        const int32x4_t p3 = vmull_s16(vget_high_s16(a1), vget_high_s16(b1));
        // Two levels of neighbours: lane i gets all four of p_i.
        const auto halves = [](int32x4_t p) {
            return vpadd_s32(vget_low_s32(p), vget_high_s32(p));
        };
        const int32x2_t low = vpadd_s32(halves(p0), halves(p1));
        const int32x2_t high = vpadd_s32(halves(p2), halves(p3));
        return Register(vaddq_s32(sum.v, vcombine_s32(low, high)));
    }
}

/// dot4_pairs and add_pairs (see dot.hpp) without dotprod.
template <class A>
    requires(is_neon<A> && !has_byte_dot<A>)
[[nodiscard]] NIBBLE_INLINE Batch<std::int32_t, A> dot4_pairs(Batch<std::int32_t, A> pairs,
                                                              Batch<std::int32_t, A> w,
                                                              Batch<std::int32_t, A> x) noexcept {
    using Register = typename Batch<std::int32_t, A>::Register;
    return Register(
        vreinterpretq_s32_s16(vaddq_s16(vreinterpretq_s16_s32(pairs.v), narrow_pairs<A>(w, x))));
}
template <class A>
    requires(is_neon<A> && !has_byte_dot<A>)
[[nodiscard]] NIBBLE_INLINE Batch<std::int32_t, A> add_pairs(
    Batch<std::int32_t, A> sum, Batch<std::int32_t, A> pairs) noexcept {
    using Register = typename Batch<std::int32_t, A>::Register;
    return Register(vpadalq_s16(sum.v, vreinterpretq_s16_s32(pairs.v)));
}

}  // namespace nibble
#endif
