// SPDX-License-Identifier: BSL-1.0
// Integer dot products: four products of bytes a lane, summed into an int32.
//
// Weights are the unsigned operand, their code plus `code_bias` (one sign bit's worth: 128 for int8,
// 8 for int4); a kernel takes bias * sum(activations) off again. Activations are signed bytes in
// [-127, 127]. Results are exact on every instruction set: nothing here saturates.
#pragma once

#include <nibble/kernel/codec.hpp>

#include <cstring>

#if NIBBLE_SIMD && defined(__AVX2__)
#include <immintrin.h>
#endif

namespace nibble::inline NIBBLE_ARCH {

/// What turns a signed code into an unsigned byte.
template <class V>
    requires is_integer_value<V>
inline constexpr std::int32_t code_bias = 1 << (bits_v<V> - 1);

/// sum + w[0] x[0] + w[1] x[1] + w[2] x[2] + w[3] x[3] in every lane: w unsigned bytes, x signed.
/// Narrow says that w is below 16.
template <bool Narrow, class A>
[[nodiscard]] NIBBLE_INLINE Batch<std::int32_t, A> dot4(Batch<std::int32_t, A> sum,
                                                        Batch<std::int32_t, A> w,
                                                        Batch<std::int32_t, A> x) noexcept {
    using B = Batch<std::int32_t, A>;
#if NIBBLE_SIMD && defined(__AVX2__)
    if constexpr (std::is_same_v<A, isa::Avx512Vnni>) {
        return typename B::Register(_mm512_dpbusd_epi32(sum.v, w.v, x.v));
    } else if constexpr (is_avx512<A>) {
        // Pairs of products up to 2 * 255 * 127 would saturate maddubs: widen to 16 bits instead.
        if constexpr (Narrow) {
            const __m512i pairs = _mm512_maddubs_epi16(w.v, x.v);
            return typename B::Register(
                _mm512_add_epi32(sum.v, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1))));
        } else {
            const __m512i even = _mm512_madd_epi16(_mm512_and_si512(w.v, _mm512_set1_epi16(255)),
                                                   _mm512_srai_epi16(_mm512_slli_epi16(x.v, 8), 8));
            const __m512i odd =
                _mm512_madd_epi16(_mm512_srli_epi16(w.v, 8), _mm512_srai_epi16(x.v, 8));
            return typename B::Register(_mm512_add_epi32(sum.v, _mm512_add_epi32(even, odd)));
        }
    } else if constexpr (is_avx<A>) {
        if constexpr (Narrow) {
            const __m256i pairs = _mm256_maddubs_epi16(w.v, x.v);
            return typename B::Register(
                _mm256_add_epi32(sum.v, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1))));
        } else {
            const __m256i even = _mm256_madd_epi16(_mm256_and_si256(w.v, _mm256_set1_epi16(255)),
                                                   _mm256_srai_epi16(_mm256_slli_epi16(x.v, 8), 8));
            const __m256i odd =
                _mm256_madd_epi16(_mm256_srli_epi16(w.v, 8), _mm256_srai_epi16(x.v, 8));
            return typename B::Register(_mm256_add_epi32(sum.v, _mm256_add_epi32(even, odd)));
        }
    } else if constexpr (std::is_same_v<A, isa::Sse2>) {
        const __m128i even = _mm_madd_epi16(_mm_and_si128(w.v, _mm_set1_epi16(255)),
                                            _mm_srai_epi16(_mm_slli_epi16(x.v, 8), 8));
        const __m128i odd = _mm_madd_epi16(_mm_srli_epi16(w.v, 8), _mm_srai_epi16(x.v, 8));
        return typename B::Register(_mm_add_epi32(sum.v, _mm_add_epi32(even, odd)));
    } else
#endif
    {
        sum = sum + (w & B(255)) * ((x << 24) >> 24);
        sum = sum + ((w >> 8) & B(255)) * ((x << 16) >> 24);
        sum = sum + ((w >> 16) & B(255)) * ((x << 8) >> 24);
        return sum + ((w >> 24) & B(255)) * (x >> 24);
    }
}

/// Lanes from consecutive words of 1, 2 or 4 bytes, zero-extended.
template <class Word, class A>
[[nodiscard]] NIBBLE_INLINE Batch<std::uint32_t, A> load_words(const void* p) noexcept {
    using B = Batch<std::uint32_t, A>;
#if NIBBLE_SIMD && defined(__AVX2__)
    if constexpr (sizeof(Word) == 2 && is_avx<A>) return x86::load_u16<A>(p);
    if constexpr (sizeof(Word) == 1 && is_avx<A>) return x86::load_u8<A>(p);
#endif
    Word word[B::lanes];
    std::memcpy(word, p, sizeof(word));
    if constexpr (sizeof(Word) == 4) {
        return B::load(word);
    } else {
        std::uint32_t lane[B::lanes];
        for (std::size_t i = 0; i < B::lanes; ++i) lane[i] = word[i];
        return B::load(lane);
    }
}

/// Codes k .. k + 4 * lanes of a packed run, each plus its bias, as bytes in order.
template <class V, class A>
    requires is_integer_value<V>
[[nodiscard]] NIBBLE_INLINE Batch<std::uint32_t, A> load_biased(const unit_t<V>* row,
                                                                std::size_t k) noexcept {
    using B = Batch<std::uint32_t, A>;
    const unit_t<V>* p = row + k / values_per_unit<V>;
    constexpr auto bias = static_cast<std::uint32_t>(code_bias<V>) * 0x01010101u;
    if constexpr (bits_v<V> == 8) {
        return load_words<std::uint32_t, A>(p) ^ B(bias);
    } else if constexpr (bits_v<V> == 4) {
        B x = load_words<std::uint16_t, A>(p);
        x = (x | (x << 8)) & B(0x00FF00FFu);
        return ((x | (x << 4)) & B(0x0F0F0F0Fu)) ^ B(bias);
    } else {
        static_assert(bits_v<V> == 2);
        const B x = load_words<std::uint8_t, A>(p);
        return ((x | (x << 6) | (x << 12) | (x << 18)) & B(0x03030303u)) ^ B(bias);
    }
}

}  // namespace nibble
