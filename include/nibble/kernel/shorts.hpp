// SPDX-License-Identifier: BSL-1.0
// Shorts<A>: a register of 16-bit integers, for states of 8 and 4 bits that are updated in integers.
//
// Only what such an update needs: codes loaded to the top of their lanes, saturating sums, a rounded
// fraction product, comparisons as bits, codes stored. For AVX2 and AVX-512 (has_shorts<A>); other
// instruction sets take the plain loop that the compiler makes of the same formula.
#pragma once

#include <nibble/kernel/codec.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// Defined where has_shorts<A>.
template <class A>
struct Shorts;

#if NIBBLE_SIMD && defined(__AVX2__)

/// True for AVX2 and AVX-512.
template <class A>
inline constexpr bool has_shorts = is_avx<A>;

/// The intrinsic types that 16-bit lanes take.
template <bool Wide>
struct ShortRegisters {
    using Whole = __m256i;
    using Half = __m128i;
    using Mask = __m256i;
};
template <>
struct ShortRegisters<true> {
    using Whole = __m512i;
    using Half = __m256i;
    using Mask = __mmask32;
};

template <class A>
struct Shorts {
    static constexpr bool wide = is_avx512<A>;
    static constexpr std::size_t lanes = wide ? 32 : 16;
    using Register = typename ShortRegisters<wide>::Whole;
    using Half = typename ShortRegisters<wide>::Half;
    Register v;

    Shorts() = default;
    NIBBLE_INLINE Shorts(Register r) noexcept : v(r) {}
    /// x in every lane.
    NIBBLE_INLINE explicit Shorts(std::int16_t x) noexcept {
        if constexpr (wide) v = _mm512_set1_epi16(x);
        else v = _mm256_set1_epi16(x);
    }

    /// `lanes` codes of `Bits` bits (8 or 4), each in the top bits of its lane.
    template <int Bits>
    [[nodiscard]] static NIBBLE_INLINE Shorts load_codes(const void* p) noexcept {
        static_assert(Bits == 8 || Bits == 4);
        if constexpr (Bits == 8) {
            const Half bytes = load_half(p);
            if constexpr (wide) return _mm512_slli_epi16(_mm512_cvtepu8_epi16(bytes), 8);
            else return _mm256_slli_epi16(_mm256_cvtepu8_epi16(bytes), 8);
        } else if constexpr (wide) {
            // Every byte twice, once for each of its halves.
            const __m128i b = _mm_loadu_si128(static_cast<const __m128i*>(p));
            const __m256i twice = _mm256_inserti128_si256(
                _mm256_castsi128_si256(_mm_unpacklo_epi8(b, b)), _mm_unpackhi_epi8(b, b), 1);
            const __m512i up = _mm512_set1_epi32(12 | 8 << 16);
            return _mm512_and_si512(_mm512_sllv_epi16(_mm512_cvtepu8_epi16(twice), up),
                                    _mm512_set1_epi16(static_cast<short>(0xF000)));
        } else {
            const __m128i b = _mm_loadl_epi64(static_cast<const __m128i*>(p));
            const __m256i up = _mm256_set1_epi32(4096 | 256 << 16);
            return _mm256_and_si256(
                _mm256_mullo_epi16(_mm256_cvtepu8_epi16(_mm_unpacklo_epi8(b, b)), up),
                _mm256_set1_epi16(static_cast<short>(0xF000)));
        }
    }
    /// Stores the low `Bits` bits of every lane.
    template <int Bits>
    NIBBLE_INLINE void store_codes(void* p) const noexcept {
        static_assert(Bits == 8 || Bits == 4);
        if constexpr (Bits == 8) {
            if constexpr (wide) {
                _mm256_storeu_si256(static_cast<__m256i*>(p), _mm512_cvtepi16_epi8(v));
            } else {
                const __m256i low = _mm256_and_si256(v, _mm256_set1_epi16(0xFF));
                const __m256i packed =
                    _mm256_permute4x64_epi64(_mm256_packus_epi16(low, low), 0x08);
                _mm_storeu_si128(static_cast<__m128i*>(p), _mm256_castsi256_si128(packed));
            }
        } else if constexpr (wide) {
            // Neighbours are joined by multiply-add: even + 16 * odd.
            const __m512i low = _mm512_and_si512(v, _mm512_set1_epi16(0xF));
            const __m512i pairs = _mm512_madd_epi16(low, _mm512_set1_epi32(1 | 16 << 16));
            _mm_storeu_si128(static_cast<__m128i*>(p), _mm512_cvtepi32_epi8(pairs));
        } else {
            const __m256i low = _mm256_and_si256(v, _mm256_set1_epi16(0xF));
            const __m256i pairs = _mm256_madd_epi16(low, _mm256_set1_epi32(1 | 16 << 16));
            const __m128i words =
                _mm_packus_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
            _mm_storel_epi64(static_cast<__m128i*>(p), _mm_packus_epi16(words, words));
        }
    }
    /// `lanes` 32-bit integers, saturated to 16 bits after (x + half) >> Down; x + half may wrap.
    template <int Down>
    [[nodiscard]] static NIBBLE_INLINE Shorts narrow(const std::int32_t* p) noexcept {
        using I = Batch<std::int32_t, A>;
        const I up(1 << (Down - 1));
        const I low = (I::load(p) + up) >> Down, high = (I::load(p + I::lanes) + up) >> Down;
        return pack(low.v, high.v);
    }
    /// The upper `Bits` of the dither of elements index, index + 1, ...
    template <int Bits>
    [[nodiscard]] static NIBBLE_INLINE Shorts dither(const Dither& d,
                                                     std::uint64_t index) noexcept {
        using U = Batch<std::uint32_t, A>;
        static_assert(Bits < 16);
        const U low = dither_lanes<A>(d, index) >> (32 - Bits);
        const U high = dither_lanes<A>(d, index + U::lanes) >> (32 - Bits);
        return pack(low.v, high.v);
    }

    /// `lanes` 16-bit integers, and back; any alignment.
    [[nodiscard]] static NIBBLE_INLINE Shorts load(const std::int16_t* p) noexcept {
        if constexpr (wide) return _mm512_loadu_si512(p);
        else return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    }
    NIBBLE_INLINE void store(std::int16_t* p) const noexcept {
        if constexpr (wide) _mm512_storeu_si512(p, v);
        else _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v);
    }

    friend NIBBLE_INLINE Shorts operator>>(Shorts a, int by) noexcept {
        if constexpr (wide) return _mm512_srai_epi16(a.v, static_cast<unsigned>(by));
        else return _mm256_srai_epi16(a.v, by);
    }
    /// a + b within 16 bits.
    friend NIBBLE_INLINE Shorts add_saturated(Shorts a, Shorts b) noexcept {
        if constexpr (wide) return _mm512_adds_epi16(a.v, b.v);
        else return _mm256_adds_epi16(a.v, b.v);
    }
    /// (a * b + 2^14) >> 15
    friend NIBBLE_INLINE Shorts multiply_fraction(Shorts a, Shorts b) noexcept {
        if constexpr (wide) return _mm512_mulhrs_epi16(a.v, b.v);
        else return _mm256_mulhrs_epi16(a.v, b.v);
    }

    /// One truth value a lane.
    struct Mask {
        typename ShortRegisters<wide>::Mask m;

        /// Bit i as lane i; bits beyond the lanes are ignored.
        [[nodiscard]] static NIBBLE_INLINE Mask from_bits(std::uint64_t word) noexcept {
            if constexpr (wide) {
                return {static_cast<__mmask32>(word)};
            } else {
                const __m256i one = _mm256_setr_epi16(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024,
                                                      2048, 4096, 8192, 16384, -32768);
                const __m256i all = _mm256_set1_epi16(static_cast<short>(word));
                return {_mm256_cmpeq_epi16(_mm256_and_si256(all, one), one)};
            }
        }
        /// Lane i as bit i.
        friend NIBBLE_INLINE std::uint32_t bits(Mask a) noexcept {
            if constexpr (wide) {
                return a.m;
            } else {
                const __m256i bytes = _mm256_permute4x64_epi64(_mm256_packs_epi16(a.m, a.m), 0x08);
                return static_cast<std::uint32_t>(_mm_movemask_epi8(_mm256_castsi256_si128(bytes)));
            }
        }
    };
    friend NIBBLE_INLINE Mask operator<(Shorts a, Shorts b) noexcept {
        if constexpr (wide) return {_mm512_cmplt_epi16_mask(a.v, b.v)};
        else return {_mm256_cmpgt_epi16(b.v, a.v)};
    }
    /// a + b where the mask is true, else a; sums wrap.
    friend NIBBLE_INLINE Shorts add_where(Mask m, Shorts a, Shorts b) noexcept {
        if constexpr (wide) return _mm512_mask_add_epi16(a.v, m.m, a.v, b.v);
        else return _mm256_add_epi16(a.v, _mm256_and_si256(m.m, b.v));
    }
    /// a where the mask is true, else b.
    friend NIBBLE_INLINE Shorts select(Mask m, Shorts a, Shorts b) noexcept {
        if constexpr (wide) return _mm512_mask_blend_epi16(m.m, b.v, a.v);
        else return _mm256_blendv_epi8(b.v, a.v, m.m);
    }

private:
    static NIBBLE_INLINE Half load_half(const void* p) noexcept {
        if constexpr (wide) return _mm256_loadu_si256(static_cast<const __m256i*>(p));
        else return _mm_loadu_si128(static_cast<const __m128i*>(p));
    }
    // Packing works in 128-bit parts; the permutation puts them in order.
    static NIBBLE_INLINE Shorts pack(Register low, Register high) noexcept {
        if constexpr (wide)
            return _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7),
                                            _mm512_packs_epi32(low, high));
        else return _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xD8);
    }
};

#else

template <class A>
inline constexpr bool has_shorts = false;

#endif

/// Lane i of a float mask as bit i.
template <class A>
[[nodiscard]] NIBBLE_INLINE std::uint64_t mask_bits(const Mask<A>& mask) noexcept {
#if NIBBLE_SIMD && defined(__AVX2__)
    if constexpr (is_avx512<A>) return static_cast<__mmask16>(mask.v);
    else if constexpr (is_avx<A>)
        return static_cast<std::uint64_t>(_mm256_movemask_ps(static_cast<__m256>(mask.v)));
    else
#endif
    {
        using B = Batch<float, A>;
        float flags[B::lanes];
        select(mask, B(1.0f), B(0.0f)).store(flags);
        std::uint64_t word = 0;
        for (std::size_t i = 0; i < B::lanes; ++i) word |= std::uint64_t{flags[i] != 0.0f} << i;
        return word;
    }
}

/// Bit i as lane i of a float mask; bits beyond the lanes are ignored.
template <class A>
[[nodiscard]] NIBBLE_INLINE Mask<A> mask_of_bits(std::uint64_t word) noexcept {
#if NIBBLE_SIMD && defined(__AVX2__)
    if constexpr (is_avx512<A>) {
        return {typename Mask<A>::Register(static_cast<__mmask16>(word))};
    } else
#endif
    {
        using I = Batch<std::int32_t, A>;
        alignas(64) static constexpr std::int32_t one[16] = {
            1,     2,     4,     8,     16,     32,     64,     128,
            0x100, 0x200, 0x400, 0x800, 0x1000, 0x2000, 0x4000, 0x8000};
        const I bit = I::load(one);
        return (I(static_cast<std::int32_t>(word & 0xFFFFu)) & bit) == bit;
    }
}

/// 16-bit integers, sign-extended.
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<std::int32_t, A> load_shorts(const std::int16_t* p) noexcept {
    using I = Batch<std::int32_t, A>;
#if NIBBLE_SIMD && defined(__AVX2__)
    if constexpr (is_avx512<A>) {
        return typename I::Register(
            _mm512_cvtepi16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))));
    } else if constexpr (is_avx<A>) {
        return typename I::Register(
            _mm256_cvtepi16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
    } else
#endif
    {
        std::int32_t wide[I::lanes];
        for (std::size_t i = 0; i < I::lanes; ++i) wide[i] = p[i];
        return I::load(wide);
    }
}

}  // namespace nibble
