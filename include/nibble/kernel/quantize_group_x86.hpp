// SPDX-License-Identifier: BSL-1.0
// quantize_groups (quantize_group.hpp) on AVX2 and AVX-512: four groups of 32 k numbers at a time, so
// that maxima and sums of bytes are reduced in one tree and the two divisions are made once for four.
//
// Instructions for four groups of 32, 128 numbers: on AVX-512 8 loads, 8 for the sizes and 17 for the
// maxima, 12 for the scales, 16 to multiply and convert, 8 to pack, 4 stores and 16 for the sums; on
// AVX2 16, 16, 25, 10, 32, 20, 4 and 19.
#pragma once

#include <nibble/kernel/arch.hpp>

#if NIBBLE_SIMD && defined(__AVX2__)
#include <immintrin.h>

namespace nibble::inline NIBBLE_ARCH::x86 {

/// GroupScales of four groups; false when one of them is not finite.
NIBBLE_INLINE bool four_scales(__m128i most, __m128& scale, __m128& inverse) noexcept {
    const __m128 size = _mm_castsi128_ps(most), reach = _mm_set1_ps(127.0f);
    const __m128 some = _mm_cmp_ps(size, _mm_set1_ps(0x1p-100f), _CMP_GE_OQ);
    const __m128 held = _mm_blendv_ps(_mm_set1_ps(1.0f), size, some);
    inverse = _mm_and_ps(some, _mm_div_ps(reach, held));
    scale = _mm_and_ps(some, _mm_div_ps(held, reach));
    const __m128i inf = _mm_set1_epi32(0x7F7FFFFF);
    return _mm_movemask_epi8(_mm_cmpgt_epi32(most, inf)) == 0;
}

#if defined(__AVX512BW__)

/// Maxima of four groups of 32 k numbers, without their signs, as integers.
NIBBLE_INLINE __m128i four_maxima_512(const float* x, std::size_t group) noexcept {
    const __m512i size = _mm512_set1_epi32(0x7FFFFFFF);
    const auto bits = [&](const float* p) { return _mm512_and_si512(_mm512_loadu_si512(p), size); };
    const auto top = [&](const float* p) {
        __m512i m = _mm512_max_epi32(bits(p), bits(p + 16));
        for (std::size_t k = 32; k < group; k += 32)
            m = _mm512_max_epi32(m, _mm512_max_epi32(bits(p + k), bits(p + k + 16)));
        return m;
    };
    // Halves of two registers side by side, twice; then within the 128 bits of each group.
    const __m512i a = top(x), b = top(x + group), c = top(x + 2 * group), d = top(x + 3 * group);
    const __m512i ab =
        _mm512_max_epi32(_mm512_shuffle_i32x4(a, b, 0x44), _mm512_shuffle_i32x4(a, b, 0xEE));
    const __m512i cd =
        _mm512_max_epi32(_mm512_shuffle_i32x4(c, d, 0x44), _mm512_shuffle_i32x4(c, d, 0xEE));
    __m512i m =
        _mm512_max_epi32(_mm512_shuffle_i32x4(ab, cd, 0x88), _mm512_shuffle_i32x4(ab, cd, 0xDD));
    m = _mm512_max_epi32(m, _mm512_shuffle_epi32(m, _MM_PERM_BADC));
    m = _mm512_max_epi32(m, _mm512_shuffle_epi32(m, _MM_PERM_CDAB));
    const __m512i firsts = _mm512_castsi128_si512(_mm_setr_epi32(0, 4, 8, 12));
    return _mm512_castsi512_si128(_mm512_permutexvar_epi32(firsts, m));
}

/// Codes and sums of four groups.
NIBBLE_INLINE __m128i four_codes_512(const float* x, std::size_t group, const float* inverse,
                                     std::int8_t* codes, std::size_t stride) noexcept {
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i bias = _mm512_set1_epi8(-128), zero = _mm512_setzero_si512();
    // Sixteen-bit codes of 32 numbers, in an order that packing again and `order` undo.
    const auto words = [&](const float* p, __m512 by) {
        return _mm512_packs_epi32(_mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(p), by)),
                                  _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(p + 16), by)));
    };
    const auto two = [&](const float* p, const float* by, std::int8_t* to) {
        const __m512 first = _mm512_set1_ps(by[0]), second = _mm512_set1_ps(by[1]);
        __m512i sum = zero;
        for (std::size_t k = 0; k < group; k += 32) {
            const __m512i bytes = _mm512_permutexvar_epi32(
                order, _mm512_packs_epi16(words(p + k, first), words(p + group + k, second)));
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + k), _mm512_castsi512_si256(bytes));
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + stride + k),
                                _mm512_extracti64x4_epi64(bytes, 1));
            sum = _mm512_add_epi64(sum, _mm512_sad_epu8(_mm512_xor_si512(bytes, bias), zero));
        }
        return sum;
    };
    const __m512i s01 = two(x, inverse, codes);
    const __m512i s23 = two(x + 2 * group, inverse + 2, codes + 2 * stride);
    // Sums of groups 0 and 2 in the lower four quads, of 1 and 3 in the upper.
    __m512i s = _mm512_or_si512(s01, _mm512_slli_epi64(s23, 32));
    s = _mm512_add_epi32(s, _mm512_shuffle_epi32(s, _MM_PERM_BADC));
    s = _mm512_add_epi32(s, _mm512_shuffle_i32x4(s, s, 0xB1));
    const __m512i picks = _mm512_castsi128_si512(_mm_setr_epi32(0, 8, 1, 9));
    return _mm_sub_epi32(_mm512_castsi512_si128(_mm512_permutexvar_epi32(picks, s)),
                         _mm_set1_epi32(static_cast<int>(128 * group)));
}

#endif

/// Maxima of four groups of 32 k numbers, without their signs, as integers.
NIBBLE_INLINE __m128i four_maxima_256(const float* x, std::size_t group) noexcept {
    const __m256i size = _mm256_set1_epi32(0x7FFFFFFF);
    const auto bits = [&](const float* p) {
        return _mm256_and_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)), size);
    };
    const auto top = [&](const float* p) {
        __m256i m = bits(p);
        for (std::size_t k = 8; k < group; k += 8) m = _mm256_max_epi32(m, bits(p + k));
        return _mm_max_epi32(_mm256_castsi256_si128(m), _mm256_extracti128_si256(m, 1));
    };
    const __m128i a = top(x), b = top(x + group), c = top(x + 2 * group), d = top(x + 3 * group);
    const __m128i ab = _mm_max_epi32(_mm_unpacklo_epi32(a, b), _mm_unpackhi_epi32(a, b));
    const __m128i cd = _mm_max_epi32(_mm_unpacklo_epi32(c, d), _mm_unpackhi_epi32(c, d));
    return _mm_max_epi32(_mm_unpacklo_epi64(ab, cd), _mm_unpackhi_epi64(ab, cd));
}

/// Codes and sums of four groups.
NIBBLE_INLINE __m128i four_codes_256(const float* x, std::size_t group, const float* inverse,
                                     std::int8_t* codes, std::size_t stride) noexcept {
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    const __m256i bias = _mm256_set1_epi8(-128), zero = _mm256_setzero_si256();
    const auto words = [&](const float* p, __m256 by) {
        return _mm256_packs_epi32(_mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(p), by)),
                                  _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(p + 8), by)));
    };
    const auto one = [&](std::size_t g) {
        const __m256 by = _mm256_set1_ps(inverse[g]);
        const float* p = x + g * group;
        __m256i sum = zero;
        for (std::size_t k = 0; k < group; k += 32) {
            const __m256i bytes = _mm256_permutevar8x32_epi32(
                _mm256_packs_epi16(words(p + k, by), words(p + k + 16, by)), order);
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes + g * stride + k), bytes);
            sum = _mm256_add_epi64(sum, _mm256_sad_epu8(_mm256_xor_si256(bytes, bias), zero));
        }
        return _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    };
    // Each register holds two parts of a group's sum, in lanes 0 and 2.
    const __m128i s02 = _mm_or_si128(one(0), _mm_slli_epi64(one(2), 32));
    const __m128i s13 = _mm_or_si128(one(1), _mm_slli_epi64(one(3), 32));
    const __m128i s = _mm_add_epi32(_mm_unpacklo_epi32(s02, s13), _mm_unpackhi_epi32(s02, s13));
    return _mm_sub_epi32(s, _mm_set1_epi32(static_cast<int>(128 * group)));
}

/// The maxima on the registers of A.
template <class A>
NIBBLE_INLINE __m128i four_maxima(const float* x, std::size_t group) noexcept {
#if defined(__AVX512BW__)
    if constexpr (is_avx512<A>) return four_maxima_512(x, group);
    else
#endif
        return four_maxima_256(x, group);
}

/// Four floats from their bits.
NIBBLE_INLINE void store_bits(float* to, __m128i bits) noexcept {
    _mm_storeu_ps(to, _mm_castsi128_ps(bits));
}

/// Four groups of 32 k numbers, neighbours in x; group g's codes at codes + g * stride. False, and
/// nothing written, when a number is not finite.
template <class A>
NIBBLE_INLINE bool quantize_four(const float* x, std::size_t group, std::int8_t* codes,
                                 std::size_t stride, float* scales, std::int32_t* sums) noexcept {
    const __m128i most = four_maxima<A>(x, group);
    __m128i sum;
    __m128 scale, inverse;
    if (!four_scales(most, scale, inverse)) return false;
    float by[4];
    _mm_storeu_ps(by, inverse);
#if defined(__AVX512BW__)
    if constexpr (is_avx512<A>) sum = four_codes_512(x, group, by, codes, stride);
    else
#endif
        sum = four_codes_256(x, group, by, codes, stride);
    _mm_storeu_ps(scales, scale);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(sums), sum);
    return true;
}

}  // namespace nibble::x86
#endif
