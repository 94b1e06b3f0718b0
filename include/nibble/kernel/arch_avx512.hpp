// SPDX-License-Identifier: BSL-1.0
// What AVX-512 (F, BW, DQ, VL), VNNI and BF16 have instructions for and xsimd does not; the functions
// of arch_avx2.hpp for registers of 512 bits, and the dot product of bfloat16 numbers.
#pragma once

#include <nibble/kernel/arch_avx2.hpp>

#if NIBBLE_SIMD && defined(NIBBLE_HAS_AVX512)
#include <array>

namespace nibble::inline NIBBLE_ARCH {
namespace x86 {

/// 16-bit codes, zero-extended.
template <class A>
    requires is_avx512<A>
NIBBLE_INLINE Batch<std::uint32_t, A> load_u16(const void* p) noexcept {
    using Register = typename Batch<std::uint32_t, A>::Register;
    return Register(_mm512_cvtepu16_epi32(_mm256_loadu_si256(static_cast<const __m256i*>(p))));
}

/// 8-bit codes, zero-extended.
template <class A>
    requires is_avx512<A>
NIBBLE_INLINE Batch<std::uint32_t, A> load_u8(const void* p) noexcept {
    using Register = typename Batch<std::uint32_t, A>::Register;
    return Register(_mm512_cvtepu8_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p))));
}

/// 8-bit codes, sign-extended.
template <class A>
    requires is_avx512<A>
NIBBLE_INLINE Batch<std::int32_t, A> load_i8(const void* p) noexcept {
    using Register = typename Batch<std::int32_t, A>::Register;
    return Register(_mm512_cvtepi8_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p))));
}

/// Codes of 4 or 2 bits in the upper bits of their lanes, with the next codes below them.
template <int Bits, class A>
    requires is_avx512<A>
NIBBLE_INLINE Batch<std::uint32_t, A> load_fields(const void* p) noexcept {
    using B = Batch<std::uint32_t, A>;
    static_assert(Bits == 4 || Bits == 2);
    __m512i words;
    if constexpr (Bits == 4)
        words = _mm512_permutexvar_epi32(
            _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1),
            _mm512_castsi128_si512(_mm_loadl_epi64(static_cast<const __m128i*>(p))));
    else words = _mm512_set1_epi32(load_word<std::int32_t>(p));
    // 28, 24, ... 0 and again; 30, 28, ... 0.
    alignas(64) static constexpr auto shift = [] {
        std::array<std::uint32_t, 16> by{};
        for (std::uint32_t i = 0; i < 16; ++i) by[i] = 32 - Bits - Bits * (i % (32 / Bits));
        return by;
    }();
    return typename B::Register(_mm512_sllv_epi32(words, B::load(shift.data()).v));
}

/// Each lane shifted by its own count; counts of 32 and more give zero.
template <class A>
    requires is_avx512<A>
NIBBLE_INLINE Batch<std::uint32_t, A> shift_left(Batch<std::uint32_t, A> x,
                                                 Batch<std::uint32_t, A> by) noexcept {
    return typename Batch<std::uint32_t, A>::Register(_mm512_sllv_epi32(x.v, by.v));
}
template <class A>
    requires is_avx512<A>
NIBBLE_INLINE Batch<std::uint32_t, A> shift_right(Batch<std::uint32_t, A> x,
                                                  Batch<std::uint32_t, A> by) noexcept {
    return typename Batch<std::uint32_t, A>::Register(_mm512_srlv_epi32(x.v, by.v));
}

/// Finite floats as bfloat16, to nearest, ties to even: x, then y. `most` takes the largest of their
/// upper halves without the sign, as 16-bit lanes.
template <class A>
    requires is_avx512<A>
NIBBLE_INLINE void store_bfloat16(void* p, Batch<float, A> x, Batch<float, A> y,
                                  Batch<std::int32_t, A>& most) noexcept {
    alignas(64) static constexpr auto even = [] {
        std::array<std::uint16_t, 32> words{};
        for (std::size_t i = 0; i < 32; ++i) words[i] = static_cast<std::uint16_t>(2 * i);
        return words;
    }();
    const __m512i index = _mm512_load_si512(even.data()), one = _mm512_set1_epi16(1);
    const __m512i a = _mm512_castps_si512(x.v), b = _mm512_castps_si512(y.v);
    const __m512i low = _mm512_permutex2var_epi16(a, index, b);
    const __m512i high = _mm512_permutex2var_epi16(a, _mm512_or_si512(index, one), b);
    // Up above the middle, and in the middle where the upper half is odd.
    const __m512i rest = _mm512_adds_epu16(low, _mm512_and_si512(high, one));
    const __mmask32 up =
        _mm512_cmpgt_epu16_mask(rest, _mm512_set1_epi16(static_cast<short>(0x8000)));
    _mm512_storeu_si512(p, _mm512_mask_add_epi16(high, up, high, one));
    most = typename Batch<std::int32_t, A>::Register(
        _mm512_max_epu16(most.v, _mm512_and_si512(high, _mm512_set1_epi16(0x7FFF))));
}

/// table[index] for indices 0 to 15; `table` is aligned to 64 bytes. Higher index bits are ignored.
template <class A>
    requires is_avx512<A>
NIBBLE_INLINE Batch<float, A> lookup16(const float* table, Batch<std::uint32_t, A> index) noexcept {
    return
        typename Batch<float, A>::Register(_mm512_permutexvar_ps(index.v, _mm512_load_ps(table)));
}

/// binary16 to float and back (to nearest, ties to even).
template <class A>
    requires is_avx512<A>
NIBBLE_INLINE Batch<float, A> load_half(const void* p) noexcept {
    using Register = typename Batch<float, A>::Register;
    return Register(_mm512_cvtph_ps(_mm256_loadu_si256(static_cast<const __m256i*>(p))));
}
template <class A>
    requires is_avx512<A>
NIBBLE_INLINE void store_half(void* p, Batch<float, A> x) noexcept {
    constexpr int nearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
    _mm256_storeu_si256(static_cast<__m256i*>(p), _mm512_cvtps_ph(x.v, nearest));
}

/// fp8 by way of binary16, as in arch_avx2.hpp.
template <class A>
    requires is_avx512<A>
NIBBLE_INLINE Batch<float, A> load_e5m2(const void* p) noexcept {
    const __m256i w = _mm256_cvtepu8_epi16(_mm_loadu_si128(static_cast<const __m128i*>(p)));
    return typename Batch<float, A>::Register(_mm512_cvtph_ps(_mm256_slli_epi16(w, 8)));
}
template <class A>
    requires is_avx512<A>
NIBBLE_INLINE Batch<float, A> load_e4m3(const void* p) noexcept {
    const __m256i w =
        _mm256_slli_epi16(_mm256_cvtepi8_epi16(_mm_loadu_si128(static_cast<const __m128i*>(p))), 7);
    const __m256i magnitude = _mm256_and_si256(w, _mm256_set1_epi16(0x3F80));
    const __m256i nan = _mm256_cmpeq_epi16(magnitude, _mm256_set1_epi16(0x3F80));
    const __m256i cut = _mm256_andnot_si256(_mm256_set1_epi16(0x4000), w);
    const __m256i h = _mm256_xor_si256(cut, _mm256_and_si256(nan, _mm256_set1_epi16(0x4180)));
    return typename Batch<float, A>::Register(
        _mm512_mul_ps(_mm512_cvtph_ps(h), _mm512_set1_ps(256.0f)));
}

/// The low 16, 8, 4 or 2 bits of every lane, packed; the bits above them must be zero.
template <int Bits, class A>
    requires is_avx512<A>
NIBBLE_INLINE void store_codes(void* p, Batch<std::uint32_t, A> codes) noexcept {
    if constexpr (Bits == 16)
        _mm256_storeu_si256(static_cast<__m256i*>(p), _mm512_cvtepi32_epi16(codes.v));
    else store_bytes<2 * Bits>(p, join_bytes<Bits>(_mm512_cvtepi32_epi8(codes.v)));
}

/// load_e4m3 for the 64 codes at p, sixteen to a register: where none of them is NaN, as nearly always,
/// three instructions for sixteen less.
template <class A>
    requires is_avx512<A>
NIBBLE_INLINE std::array<Batch<float, A>, 4> load_e4m3_line(const std::uint8_t* p) noexcept {
    using Register = typename Batch<float, A>::Register;
    const __m512i size =
        _mm512_and_si512(_mm512_loadu_si512(static_cast<const void*>(p)), _mm512_set1_epi8(0x7F));
    if (_mm512_cmpeq_epi8_mask(size, _mm512_set1_epi8(0x7F)) != 0)
        return {load_e4m3<A>(p), load_e4m3<A>(p + 16), load_e4m3<A>(p + 32), load_e4m3<A>(p + 48)};
    // Halves of a 256th: the sign in bit 15, the magnitude from bit 7 on, a copy of the sign cut.
    const auto halves = [](const std::uint8_t* q) {
        const __m256i codes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(q));
        return _mm512_and_si512(_mm512_slli_epi16(_mm512_cvtepi8_epi16(codes), 7),
                                _mm512_set1_epi16(static_cast<short>(0xBFFF)));
    };
    const auto floats = [](__m256i h) {
        return Batch<float, A>(Register(_mm512_mul_ps(_mm512_cvtph_ps(h), _mm512_set1_ps(256.0f))));
    };
    const __m512i first = halves(p), second = halves(p + 32);
    return {floats(_mm512_castsi512_si256(first)), floats(_mm512_extracti64x4_epi64(first, 1)),
            floats(_mm512_castsi512_si256(second)), floats(_mm512_extracti64x4_epi64(second, 1))};
}

}  // namespace x86

/// dot4 (see dot.hpp): vpdpbusd with VNNI, else as for AVX2.
template <bool Narrow, class A>
    requires is_avx512<A>
[[nodiscard]] NIBBLE_INLINE Batch<std::int32_t, A> dot4(Batch<std::int32_t, A> sum,
                                                        Batch<std::int32_t, A> w,
                                                        Batch<std::int32_t, A> x) noexcept {
    using Register = typename Batch<std::int32_t, A>::Register;
#if defined(__AVX512VNNI__)
    if constexpr (has_byte_dot<A>) return Register(_mm512_dpbusd_epi32(sum.v, w.v, x.v));
    else
#endif
        if constexpr (Narrow) {
        const __m512i pairs = _mm512_maddubs_epi16(w.v, x.v);
        return Register(_mm512_add_epi32(sum.v, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1))));
    } else {
        const __m512i even = _mm512_madd_epi16(_mm512_and_si512(w.v, _mm512_set1_epi16(255)),
                                               _mm512_srai_epi16(_mm512_slli_epi16(x.v, 8), 8));
        const __m512i odd = _mm512_madd_epi16(_mm512_srli_epi16(w.v, 8), _mm512_srai_epi16(x.v, 8));
        return Register(_mm512_add_epi32(sum.v, _mm512_add_epi32(even, odd)));
    }
}

/// dot4_pairs and add_pairs (see dot.hpp) without VNNI.
template <class A>
    requires(is_avx512<A> && !has_byte_dot<A>)
[[nodiscard]] NIBBLE_INLINE Batch<std::int32_t, A> dot4_pairs(Batch<std::int32_t, A> pairs,
                                                              Batch<std::int32_t, A> w,
                                                              Batch<std::int32_t, A> x) noexcept {
    using Register = typename Batch<std::int32_t, A>::Register;
    return Register(_mm512_add_epi16(pairs.v, _mm512_maddubs_epi16(w.v, x.v)));
}
template <class A>
    requires(is_avx512<A> && !has_byte_dot<A>)
[[nodiscard]] NIBBLE_INLINE Batch<std::int32_t, A> add_pairs(
    Batch<std::int32_t, A> sum, Batch<std::int32_t, A> pairs) noexcept {
    using Register = typename Batch<std::int32_t, A>::Register;
    return Register(_mm512_add_epi32(sum.v, _mm512_madd_epi16(pairs.v, _mm512_set1_epi16(1))));
}

/// The size of every signed byte.
template <class A>
    requires(is_avx512<A> && !has_byte_dot<A>)
[[nodiscard]] NIBBLE_INLINE Batch<std::int32_t, A> byte_size(Batch<std::int32_t, A> w) noexcept {
    return typename Batch<std::int32_t, A>::Register(_mm512_abs_epi8(w.v));
}
/// dot4 for signed bytes w of the size `size`: x takes their sign, and 2 * 128 * 127 fits 16 bits.
template <class A>
    requires(is_avx512<A> && !has_byte_dot<A>)
[[nodiscard]] NIBBLE_INLINE Batch<std::int32_t, A> dot4_signed(Batch<std::int32_t, A> sum,
                                                               Batch<std::int32_t, A> size,
                                                               Batch<std::int32_t, A> w,
                                                               Batch<std::int32_t, A> x) noexcept {
    using Register = typename Batch<std::int32_t, A>::Register;
    const __m512i turned =
        _mm512_mask_sub_epi8(x.v, _mm512_movepi8_mask(w.v), _mm512_setzero_si512(), x.v);
    const __m512i pairs = _mm512_maddubs_epi16(size.v, turned);
    return Register(_mm512_add_epi32(sum.v, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1))));
}

#if defined(__AVX512VNNI__) && defined(__GNUC__)
/// dot4_broadcast with the broadcast inside the instruction: g++ 12 makes two of it, and the loops that
/// use this are bound by how many instructions the processor takes in.
template <bool Narrow, class A>
    requires(is_avx512<A> && has_byte_dot<A>)
[[nodiscard]] NIBBLE_INLINE Batch<std::int32_t, A> dot4_broadcast(Batch<std::int32_t, A> sum,
                                                                  Batch<std::int32_t, A> w,
                                                                  const std::int8_t* x) noexcept {
    struct Four {
        std::int8_t byte[4];
    };
    __m512i s = sum.v;
    asm("vpdpbusd %2%{1to16%}, %1, %0"
        : "+v"(s)
        : "v"(__m512i(w.v)), "m"(*reinterpret_cast<const Four*>(x)));
    return typename Batch<std::int32_t, A>::Register(s);
}
#endif

#if defined(__AVX512BF16__)
/// dot2 (see dot.hpp): vdpbf16ps.
template <class A>
    requires(is_avx512<A> && has_bf16_dot<A>)
[[nodiscard]] NIBBLE_INLINE Batch<float, A> dot2(Batch<float, A> sum, Batch<std::uint32_t, A> w,
                                                 Batch<std::uint32_t, A> x) noexcept {
    const __m512i a = w.v, b = x.v;
    return typename Batch<float, A>::Register(
        _mm512_dpbf16_ps(sum.v, reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b)));
}
#endif

}  // namespace nibble
#endif
