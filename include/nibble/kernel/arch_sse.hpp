// SPDX-License-Identifier: BSL-1.0
// Byte dot products for SSE2 and SSE4.1. (Its codec goes lane by lane.)
#pragma once

#include <nibble/kernel/simd.hpp>

#if NIBBLE_SIMD && (defined(__SSE2__) || defined(_M_X64))
#include <emmintrin.h>
#if defined(__SSE4_1__)
#include <smmintrin.h>
#endif

namespace nibble::inline NIBBLE_ARCH {

/// dot4 (see dot.hpp): the weights' even and odd bytes by pmaddwd; narrow ones by pmaddubsw, pmaddwd
/// where there is the former.
template <bool Narrow, class A>
    requires is_sse<A>
[[nodiscard]] NIBBLE_INLINE Batch<std::int32_t, A> dot4(Batch<std::int32_t, A> sum,
                                                        Batch<std::int32_t, A> w,
                                                        Batch<std::int32_t, A> x) noexcept {
    using Register = typename Batch<std::int32_t, A>::Register;
#if defined(__SSE4_1__)
    if constexpr (Narrow && std::is_same_v<A, isa::Sse41>) {
        const __m128i pairs = _mm_maddubs_epi16(w.v, x.v);
        return Register(_mm_add_epi32(sum.v, _mm_madd_epi16(pairs, _mm_set1_epi16(1))));
    } else
#endif
    {
        const __m128i even = _mm_madd_epi16(_mm_and_si128(w.v, _mm_set1_epi16(255)),
                                            _mm_srai_epi16(_mm_slli_epi16(x.v, 8), 8));
        const __m128i odd = _mm_madd_epi16(_mm_srli_epi16(w.v, 8), _mm_srai_epi16(x.v, 8));
        return Register(_mm_add_epi32(sum.v, _mm_add_epi32(even, odd)));
    }
}

#if defined(__SSE4_1__)
/// dot4_pairs and add_pairs (see dot.hpp).
template <class A>
    requires std::is_same_v<A, isa::Sse41>
[[nodiscard]] NIBBLE_INLINE Batch<std::int32_t, A> dot4_pairs(Batch<std::int32_t, A> pairs,
                                                              Batch<std::int32_t, A> w,
                                                              Batch<std::int32_t, A> x) noexcept {
    using Register = typename Batch<std::int32_t, A>::Register;
    return Register(_mm_add_epi16(pairs.v, _mm_maddubs_epi16(w.v, x.v)));
}
template <class A>
    requires std::is_same_v<A, isa::Sse41>
[[nodiscard]] NIBBLE_INLINE Batch<std::int32_t, A> add_pairs(
    Batch<std::int32_t, A> sum, Batch<std::int32_t, A> pairs) noexcept {
    using Register = typename Batch<std::int32_t, A>::Register;
    return Register(_mm_add_epi32(sum.v, _mm_madd_epi16(pairs.v, _mm_set1_epi16(1))));
}
#endif

}  // namespace nibble
#endif
