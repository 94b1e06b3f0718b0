// SPDX-License-Identifier: BSL-1.0
// Registers of pairs of 16-bit integers: two products a lane, summed into an int32.
//
// What attention over integer caches computes with: codes of 8 or 4 bits widen to 16 in one or two
// instructions, and the other operand, a query or a softmax, keeps 15 bits. Against bytes on both
// sides that is half the products an instruction and a hundredth of the error.
#pragma once

#include <nibble/kernel/dot.hpp>

#if NIBBLE_SIMD && defined(__SSE2__)
#include <immintrin.h>
#endif

namespace nibble::inline NIBBLE_ARCH {

/// sum + a.low * b.low + a.high * b.high in every lane; the halves of a lane are signed. Exact as
/// long as the sum fits.
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<std::int32_t, A> pair_dot(Batch<std::int32_t, A> sum,
                                                            Batch<std::int32_t, A> a,
                                                            Batch<std::int32_t, A> b) noexcept {
#if NIBBLE_SIMD && defined(__SSE2__)
#if defined(__AVX512VNNI__)
    if constexpr (is_avx512<A> && has_byte_dot<A>)
        return typename Batch<std::int32_t, A>::Register(_mm512_dpwssd_epi32(sum.v, a.v, b.v));
#endif
#if defined(__AVX512BW__)
    if constexpr (is_avx512<A>)
        return typename Batch<std::int32_t, A>::Register(
            _mm512_add_epi32(sum.v, _mm512_madd_epi16(a.v, b.v)));
#endif
#if defined(__AVX2__)
    if constexpr (is_avx2<A>)
        return typename Batch<std::int32_t, A>::Register(
            _mm256_add_epi32(sum.v, _mm256_madd_epi16(a.v, b.v)));
#endif
    if constexpr (is_sse<A>)
        return typename Batch<std::int32_t, A>::Register(
            _mm_add_epi32(sum.v, _mm_madd_epi16(a.v, b.v)));
#endif
    sum = sum + ((a << 16) >> 16) * ((b << 16) >> 16);
    return sum + (a >> 16) * (b >> 16);
}

/// pair_dot with the pair at p in every lane of b.
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<std::int32_t, A> pair_dot_at(Batch<std::int32_t, A> sum,
                                                               Batch<std::int32_t, A> a,
                                                               const std::int32_t* p) noexcept {
#if NIBBLE_SIMD && defined(__AVX512VNNI__) && defined(__GNUC__)
    // The broadcast inside the instruction: g++ 12 makes two of them, and the processor's front end
    // is what limits the loops that this is for.
    if constexpr (is_avx512<A> && has_byte_dot<A>) {
        __m512i s = sum.v;
        asm("vpdpwssd %2%{1to16%}, %1, %0" : "+v"(s) : "v"(__m512i(a.v)), "m"(*p));
        return typename Batch<std::int32_t, A>::Register(s);
    }
#endif
    return pair_dot(sum, a, Batch<std::int32_t, A>(*p));
}

/// 2 * lanes signed bytes as pairs, in order.
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<std::int32_t, A> byte_pairs(const void* p) noexcept {
    using I = Batch<std::int32_t, A>;
#if NIBBLE_SIMD && defined(__SSE2__)
#if defined(__AVX512BW__)
    if constexpr (is_avx512<A>)
        return typename Batch<std::int32_t, A>::Register(
            _mm512_cvtepi8_epi16(_mm256_loadu_si256(static_cast<const __m256i*>(p))));
#endif
#if defined(__AVX2__)
    if constexpr (is_avx2<A>)
        return typename Batch<std::int32_t, A>::Register(
            _mm256_cvtepi8_epi16(_mm_loadu_si128(static_cast<const __m128i*>(p))));
#endif
    if constexpr (is_sse<A>) {
        const __m128i x = _mm_loadl_epi64(static_cast<const __m128i*>(p));
        return
            typename Batch<std::int32_t, A>::Register(_mm_srai_epi16(_mm_unpacklo_epi8(x, x), 8));
    }
#endif
    const I x = bit_cast_to<std::int32_t>(load_words<std::uint16_t, A>(p));
    return (((x << 24) >> 24) & I(0xFFFF)) | (((x << 16) >> 24) << 16);
}

/// Pair j < 4 of words of eight signed 4-bit codes: nibble j is its low half, nibble 4 + j its high
/// one (so that one shift left and one right serve both).
template <std::size_t J, class A>
[[nodiscard]] NIBBLE_INLINE Batch<std::int32_t, A> nibble_pairs(Batch<std::int32_t, A> x) noexcept {
    using I = Batch<std::int32_t, A>;
    constexpr int up = 12 - 4 * static_cast<int>(J);
#if NIBBLE_SIMD && defined(__SSE2__)
#if defined(__AVX512BW__)
    if constexpr (is_avx512<A>)
        return typename Batch<std::int32_t, A>::Register(
            _mm512_srai_epi16(_mm512_slli_epi16(x.v, unsigned{up}), 12));
#endif
#if defined(__AVX2__)
    if constexpr (is_avx2<A>)
        return typename Batch<std::int32_t, A>::Register(
            _mm256_srai_epi16(_mm256_slli_epi16(x.v, up), 12));
#endif
    if constexpr (is_sse<A>)
        return
            typename Batch<std::int32_t, A>::Register(_mm_srai_epi16(_mm_slli_epi16(x.v, up), 12));
#endif
    return (((x << (up + 16)) >> 28) & I(0xFFFF)) | (((x << up) >> 28) << 16);
}

/// Writes one 16-bit integer for each lane, in order; 0 <= x < 65536.
template <class A>
NIBBLE_INLINE void store_shorts(void* p, Batch<std::int32_t, A> x) noexcept {
#if NIBBLE_SIMD && defined(__AVX2__)
    if constexpr (is_avx<A>) return x86::store_codes<16, A>(p, bit_cast_to<std::uint32_t>(x));
#endif
    std::int32_t lane[Batch<std::int32_t, A>::lanes];
    std::uint16_t low[Batch<std::int32_t, A>::lanes];
    x.store(lane);
    for (std::size_t i = 0; i < Batch<std::int32_t, A>::lanes; ++i)
        low[i] = static_cast<std::uint16_t>(lane[i]);
    std::memcpy(p, low, sizeof(low));
}

}  // namespace nibble
