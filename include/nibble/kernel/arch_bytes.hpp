// SPDX-License-Identifier: BSL-1.0
// LeakyBytes<A>: 64 leaky sums in signed bytes, for AVX2 and AVX-512 (has_shorts<A>).
//
//     s = round(code * leak)      sum = s + in, cut to a byte      over where s + in >= limit
//
// The leak is a 15-bit fraction below 1, products are rounded as Shorts' multiply_fraction does and then
// to a code, halves up. Bytes are split into those at even and at odd places, which the shifts and masks
// of 16-bit lanes do in one instruction each, and only the leak needs 16 bits.
#pragma once

#include <nibble/kernel/shorts.hpp>

namespace nibble::inline NIBBLE_ARCH {

#if NIBBLE_SIMD && defined(__AVX2__)

template <class A>
struct LeakyBytes {
    static constexpr bool wide = is_avx512<A>;
    using Register = typename ShortRegisters<wide>::Whole;
    Register leak, below, reset;

    /// limit: 1 to 128; `reset` replaces what is over.
    LeakyBytes(std::int32_t fraction, std::int32_t limit, std::int32_t reset_code) noexcept {
        const auto l = static_cast<short>(fraction);
        const auto b = static_cast<char>(limit - 1), r = static_cast<char>(reset_code);
        if constexpr (wide) {
            leak = _mm512_set1_epi16(l);
            below = _mm512_set1_epi8(b);
            reset = _mm512_set1_epi8(r);
        } else {
            leak = _mm256_set1_epi16(l);
            below = _mm256_set1_epi8(b);
            reset = _mm256_set1_epi8(r);
        }
    }
    /// Steps the 64 codes at p with the 64 at `in`; bit i of `over` is code i. False, and nothing is
    /// changed, where a sum is the lowest code or was cut to it.
    NIBBLE_INLINE bool step(void* p, const void* in, std::uint64_t& over) const noexcept {
        if constexpr (wide) {
            const __m512i v = _mm512_loadu_si512(p), x = _mm512_loadu_si512(in);
            const __m512i upper = _mm512_set1_epi16(static_cast<short>(0xFF00));
            const __m512i half_code = _mm512_set1_epi16(128);
            const __m512i even = _mm512_mulhrs_epi16(_mm512_slli_epi16(v, 8), leak);
            const __m512i odd = _mm512_mulhrs_epi16(_mm512_and_si512(v, upper), leak);
            const __m512i s = _mm512_ternarylogic_epi32(
                _mm512_srli_epi16(_mm512_add_epi16(even, half_code), 8),
                _mm512_add_epi16(odd, half_code), upper, 0xF8);  // first | (second & third)
            const __m512i sum = _mm512_adds_epi8(s, x);
            if (_mm512_cmpeq_epi8_mask(sum, _mm512_set1_epi8(-128)) != 0) [[unlikely]]
                return false;
            over = _mm512_cmpgt_epi8_mask(x, _mm512_subs_epi8(below, s));
            _mm512_storeu_si512(p, _mm512_mask_blend_epi8(over, sum, reset));
            return true;
        } else {
            auto* const to = static_cast<__m256i*>(p);
            const auto* const from = static_cast<const __m256i*>(in);
            __m256i sum[2], high[2];
            for (int h = 0; h < 2; ++h) {
                const __m256i v = _mm256_loadu_si256(to + h), x = _mm256_loadu_si256(from + h);
                const __m256i upper = _mm256_set1_epi16(static_cast<short>(0xFF00));
                const __m256i half_code = _mm256_set1_epi16(128);
                const __m256i even = _mm256_mulhrs_epi16(_mm256_slli_epi16(v, 8), leak);
                const __m256i odd = _mm256_mulhrs_epi16(_mm256_and_si256(v, upper), leak);
                const __m256i s =
                    _mm256_or_si256(_mm256_srli_epi16(_mm256_add_epi16(even, half_code), 8),
                                    _mm256_and_si256(_mm256_add_epi16(odd, half_code), upper));
                sum[h] = _mm256_adds_epi8(s, x);
                high[h] = _mm256_cmpgt_epi8(x, _mm256_subs_epi8(below, s));
            }
            const __m256i lowest = _mm256_set1_epi8(-128);
            const __m256i low = _mm256_or_si256(_mm256_cmpeq_epi8(sum[0], lowest),
                                                _mm256_cmpeq_epi8(sum[1], lowest));
            if (_mm256_movemask_epi8(low) != 0) [[unlikely]]
                return false;
            over = 0;
            for (int h = 0; h < 2; ++h) {
                const auto bits = static_cast<std::uint32_t>(_mm256_movemask_epi8(high[h]));
                over |= std::uint64_t{bits} << (32 * h);
                _mm256_storeu_si256(to + h, _mm256_blendv_epi8(sum[h], reset, high[h]));
            }
            return true;
        }
    }
};

#endif

}  // namespace nibble
