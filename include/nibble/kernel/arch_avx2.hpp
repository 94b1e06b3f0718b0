// SPDX-License-Identifier: BSL-1.0
// What AVX2, FMA, F16C and AVX-VNNI have instructions for and xsimd does not: widening loads,
// narrowing stores, bit fields, per-lane shifts, table lookups, half conversion, byte dot products.
//
// n lanes of b bits take n * b / 8 bytes; no function touches a byte more. `p` needs no alignment.
// Functions of the same names for AVX-512 are in arch_avx512.hpp.
#pragma once

#include <nibble/kernel/simd.hpp>

#include <cstring>

#if NIBBLE_SIMD && defined(__AVX2__)
#include <immintrin.h>

namespace nibble::inline NIBBLE_ARCH {
namespace x86 {

/// Bytes of p as an integer: a load that the compiler sees through.
template <class U>
NIBBLE_INLINE U load_word(const void* p) noexcept {
    U word;
    std::memcpy(&word, p, sizeof(U));
    return word;
}

/// 16-bit codes, zero-extended.
template <class A>
    requires is_avx2<A>
NIBBLE_INLINE Batch<std::uint32_t, A> load_u16(const void* p) noexcept {
    using Register = typename Batch<std::uint32_t, A>::Register;
    return Register(_mm256_cvtepu16_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p))));
}

/// 8-bit codes, zero-extended.
template <class A>
    requires is_avx2<A>
NIBBLE_INLINE Batch<std::uint32_t, A> load_u8(const void* p) noexcept {
    using Register = typename Batch<std::uint32_t, A>::Register;
    return Register(_mm256_cvtepu8_epi32(_mm_loadl_epi64(static_cast<const __m128i*>(p))));
}

/// 8-bit codes, sign-extended.
template <class A>
    requires is_avx2<A>
NIBBLE_INLINE Batch<std::int32_t, A> load_i8(const void* p) noexcept {
    using Register = typename Batch<std::int32_t, A>::Register;
    return Register(_mm256_cvtepi8_epi32(_mm_loadl_epi64(static_cast<const __m128i*>(p))));
}

/// Codes of 4 or 2 bits in the upper bits of their lanes, with the next codes below them.
template <int Bits, class A>
    requires is_avx2<A>
NIBBLE_INLINE Batch<std::uint32_t, A> load_fields(const void* p) noexcept {
    using B = Batch<std::uint32_t, A>;
    static_assert(Bits == 4 || Bits == 2);
    constexpr std::uint32_t top = 32 - Bits;
    std::int32_t word;
    if constexpr (Bits == 4) word = load_word<std::int32_t>(p);
    else word = load_word<std::uint16_t>(p);
    alignas(32) static constexpr std::uint32_t shift[8] = {top,
                                                           top - Bits,
                                                           top - 2 * Bits,
                                                           top - 3 * Bits,
                                                           top - 4 * Bits,
                                                           top - 5 * Bits,
                                                           top - 6 * Bits,
                                                           top - 7 * Bits};
    return typename B::Register(_mm256_sllv_epi32(_mm256_set1_epi32(word), B::load(shift).v));
}

/// Each lane shifted by its own count; counts of 32 and more give zero.
template <class A>
    requires is_avx2<A>
NIBBLE_INLINE Batch<std::uint32_t, A> shift_left(Batch<std::uint32_t, A> x,
                                                 Batch<std::uint32_t, A> by) noexcept {
    return typename Batch<std::uint32_t, A>::Register(_mm256_sllv_epi32(x.v, by.v));
}
template <class A>
    requires is_avx2<A>
NIBBLE_INLINE Batch<std::uint32_t, A> shift_right(Batch<std::uint32_t, A> x,
                                                  Batch<std::uint32_t, A> by) noexcept {
    return typename Batch<std::uint32_t, A>::Register(_mm256_srlv_epi32(x.v, by.v));
}

/// The upper 16 bits of the lanes of x, then of y.
template <class A>
    requires is_avx2<A>
NIBBLE_INLINE void store_upper_halves(void* p, Batch<std::uint32_t, A> x,
                                      Batch<std::uint32_t, A> y) noexcept {
    const __m256i packed =
        _mm256_packus_epi32(_mm256_srli_epi32(x.v, 16), _mm256_srli_epi32(y.v, 16));
    _mm256_storeu_si256(static_cast<__m256i*>(p), _mm256_permute4x64_epi64(packed, 0xD8));
}

/// table[index] for indices 0 to 15; `table` is aligned to 64 bytes. Higher index bits are ignored.
template <class A>
    requires is_avx2<A>
NIBBLE_INLINE Batch<float, A> lookup16(const float* table, Batch<std::uint32_t, A> index) noexcept {
    const __m256 low = _mm256_permutevar8x32_ps(_mm256_load_ps(table), index.v);
    const __m256 high = _mm256_permutevar8x32_ps(_mm256_load_ps(table + 8), index.v);
    const __m256 above = _mm256_castsi256_ps(_mm256_slli_epi32(index.v, 28));
    return typename Batch<float, A>::Register(_mm256_blendv_ps(low, high, above));
}

/// binary16 to float and back (to nearest, ties to even).
template <class A>
    requires is_avx2<A>
NIBBLE_INLINE Batch<float, A> load_half(const void* p) noexcept {
    using Register = typename Batch<float, A>::Register;
    return Register(_mm256_cvtph_ps(_mm_loadu_si128(static_cast<const __m128i*>(p))));
}
template <class A>
    requires is_avx<A>
NIBBLE_INLINE float half_to_float(std::uint16_t bits) noexcept {
    return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(bits)));
}
template <class A>
    requires is_avx2<A>
NIBBLE_INLINE void store_half(void* p, Batch<float, A> x) noexcept {
    constexpr int nearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
    _mm_storeu_si128(static_cast<__m128i*>(p), _mm256_cvtps_ph(x.v, nearest));
}

/// fp8: both formats are binary16 with fewer bits, so they become that and widen in hardware.
/// E5M2 is its upper byte. E4M3 has the exponent bias 7 where binary16 has 15, hence the factor 2^8,
/// and its only special codes, magnitude 0x7F, become the quiet NaN 0x7E00.
template <class A>
    requires is_avx2<A>
NIBBLE_INLINE Batch<float, A> load_e5m2(const void* p) noexcept {
    const __m128i bytes = _mm_loadl_epi64(static_cast<const __m128i*>(p));
    return typename Batch<float, A>::Register(
        _mm256_cvtph_ps(_mm_unpacklo_epi8(_mm_setzero_si128(), bytes)));
}
template <class A>
    requires is_avx2<A>
NIBBLE_INLINE Batch<float, A> load_e4m3(const void* p) noexcept {
    // Bytes sign-extended and shifted: sign in bit 15, the magnitude from bit 7 on, bit 14 a copy
    // of the sign to be cut.
    const __m128i w =
        _mm_slli_epi16(_mm_cvtepi8_epi16(_mm_loadl_epi64(static_cast<const __m128i*>(p))), 7);
    const __m128i magnitude = _mm_and_si128(w, _mm_set1_epi16(0x3F80));
    const __m128i nan = _mm_cmpeq_epi16(magnitude, _mm_set1_epi16(0x3F80));
    const __m128i cut = _mm_andnot_si128(_mm_set1_epi16(0x4000), w);
    const __m128i h = _mm_xor_si128(cut, _mm_and_si128(nan, _mm_set1_epi16(0x4180)));
    return typename Batch<float, A>::Register(
        _mm256_mul_ps(_mm256_cvtph_ps(h), _mm256_set1_ps(256.0f)));
}

/// 8 or more codes of 4 or 2 bits in the bytes of a register, packed: neighbours are joined by
/// multiply-add, low + high * 2^Bits.
template <int Bits>
NIBBLE_INLINE __m128i join_bytes(__m128i bytes) noexcept {
    if constexpr (Bits < 8) bytes = _mm_maddubs_epi16(bytes, _mm_set1_epi16(1 + (256 << Bits)));
    if constexpr (Bits == 2) {
        bytes = _mm_madd_epi16(bytes, _mm_set1_epi32(1 + (65536 << 4)));
        bytes = _mm_packus_epi32(bytes, bytes);
    }
    if constexpr (Bits < 8) bytes = _mm_packus_epi16(bytes, bytes);
    return bytes;
}

/// The first N bytes of a register.
template <std::size_t N>
NIBBLE_INLINE void store_bytes(void* p, __m128i bytes) noexcept {
    alignas(16) std::uint8_t part[16];
    _mm_store_si128(reinterpret_cast<__m128i*>(part), bytes);
    std::memcpy(p, part, N);
}

/// The low 16, 8, 4 or 2 bits of every lane, packed; the bits above them must be zero.
template <int Bits, class A>
    requires is_avx2<A>
NIBBLE_INLINE void store_codes(void* p, Batch<std::uint32_t, A> codes) noexcept {
    const __m256i c = codes.v;
    const __m128i words =
        _mm_packus_epi32(_mm256_castsi256_si128(c), _mm256_extracti128_si256(c, 1));
    if constexpr (Bits == 16) _mm_storeu_si128(static_cast<__m128i*>(p), words);
    else store_bytes<Bits>(p, join_bytes<Bits>(_mm_packus_epi16(words, words)));
}

}  // namespace x86

/// dot4 (see dot.hpp). Narrow: vpmaddubsw, vpmaddwd, vpaddd; wide: the weights' even and odd bytes by
/// vpmaddwd, since pairs of products up to 2 * 255 * 127 would saturate vpmaddubsw (the activations'
/// part of that leaves a loop over weights). With AVX-VNNI both are vpdpbusd.
template <bool Narrow, class A>
    requires is_avx2<A>
[[nodiscard]] NIBBLE_INLINE Batch<std::int32_t, A> dot4(Batch<std::int32_t, A> sum,
                                                        Batch<std::int32_t, A> w,
                                                        Batch<std::int32_t, A> x) noexcept {
    using Register = typename Batch<std::int32_t, A>::Register;
#if defined(__AVXVNNI__)
    if constexpr (has_byte_dot<A>) return Register(_mm256_dpbusd_avx_epi32(sum.v, w.v, x.v));
    else
#endif
        if constexpr (Narrow) {
        const __m256i pairs = _mm256_maddubs_epi16(w.v, x.v);
        return Register(_mm256_add_epi32(sum.v, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1))));
    } else {
        const __m256i even = _mm256_madd_epi16(_mm256_and_si256(w.v, _mm256_set1_epi16(255)),
                                               _mm256_srai_epi16(_mm256_slli_epi16(x.v, 8), 8));
        const __m256i odd = _mm256_madd_epi16(_mm256_srli_epi16(w.v, 8), _mm256_srai_epi16(x.v, 8));
        return Register(_mm256_add_epi32(sum.v, _mm256_add_epi32(even, odd)));
    }
}

/// dot4_pairs and add_pairs (see dot.hpp): vpmaddubsw, vpaddw a step; vpmaddwd, vpaddd at the end.
template <class A>
    requires(is_avx2<A> && !has_byte_dot<A>)
[[nodiscard]] NIBBLE_INLINE Batch<std::int32_t, A> dot4_pairs(Batch<std::int32_t, A> pairs,
                                                              Batch<std::int32_t, A> w,
                                                              Batch<std::int32_t, A> x) noexcept {
    using Register = typename Batch<std::int32_t, A>::Register;
    return Register(_mm256_add_epi16(pairs.v, _mm256_maddubs_epi16(w.v, x.v)));
}
template <class A>
    requires(is_avx2<A> && !has_byte_dot<A>)
[[nodiscard]] NIBBLE_INLINE Batch<std::int32_t, A> add_pairs(
    Batch<std::int32_t, A> sum, Batch<std::int32_t, A> pairs) noexcept {
    using Register = typename Batch<std::int32_t, A>::Register;
    return Register(_mm256_add_epi32(sum.v, _mm256_madd_epi16(pairs.v, _mm256_set1_epi16(1))));
}

/// The size of every signed byte.
template <class A>
    requires(is_avx2<A> && !has_byte_dot<A>)
[[nodiscard]] NIBBLE_INLINE Batch<std::int32_t, A> byte_size(Batch<std::int32_t, A> w) noexcept {
    return typename Batch<std::int32_t, A>::Register(_mm256_abs_epi8(w.v));
}
/// dot4 for signed bytes w of the size `size`: x takes their sign, and 2 * 128 * 127 fits 16 bits.
template <class A>
    requires(is_avx2<A> && !has_byte_dot<A>)
[[nodiscard]] NIBBLE_INLINE Batch<std::int32_t, A> dot4_signed(Batch<std::int32_t, A> sum,
                                                               Batch<std::int32_t, A> size,
                                                               Batch<std::int32_t, A> w,
                                                               Batch<std::int32_t, A> x) noexcept {
    using Register = typename Batch<std::int32_t, A>::Register;
    const __m256i turned = _mm256_sign_epi8(x.v, w.v);
    const __m256i pairs = _mm256_maddubs_epi16(size.v, turned);
    return Register(_mm256_add_epi32(sum.v, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1))));
}

}  // namespace nibble
#endif
