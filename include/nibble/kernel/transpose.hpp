// SPDX-License-Identifier: BSL-1.0
// Loops that are unrolled for certain, and a square of registers transposed.
//
// g++ 12 leaves an array of accumulators in memory when a loop index reaches it; with constant
// indices every element becomes a register.
#pragma once

#include <nibble/kernel/arch.hpp>

#include <utility>

#if NIBBLE_SIMD && defined(__AVX2__)
#include <immintrin.h>
#endif

namespace nibble::inline NIBBLE_ARCH {

template <class F, std::size_t... I>
NIBBLE_INLINE void unroll_over(std::index_sequence<I...>, F&& f) {
    (f(std::integral_constant<std::size_t, I>{}), ...);
}
/// f(0), f(1), ... f(N - 1), with constants.
template <std::size_t N, class F>
NIBBLE_INLINE void unroll(F&& f) {
    unroll_over(std::make_index_sequence<N>{}, f);
}

#if NIBBLE_SIMD && defined(__AVX2__)
namespace x86 {

// Pairs of rows, then fours of rows within each 128-bit part, then the parts.
template <class A>
NIBBLE_INLINE void transpose16(Batch<float, A> (&r)[16]) noexcept {
    __m512 t[16], s[16];
    unroll<8>([&](auto i) {
        t[2 * i] = _mm512_unpacklo_ps(r[2 * i].v, r[2 * i + 1].v);
        t[2 * i + 1] = _mm512_unpackhi_ps(r[2 * i].v, r[2 * i + 1].v);
    });
    const auto low = [](__m512 a, __m512 b) {
        return _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
    };
    const auto high = [](__m512 a, __m512 b) {
        return _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
    };
    unroll<4>([&](auto g) {
        s[4 * g] = low(t[4 * g], t[4 * g + 2]);
        s[4 * g + 1] = high(t[4 * g], t[4 * g + 2]);
        s[4 * g + 2] = low(t[4 * g + 1], t[4 * g + 3]);
        s[4 * g + 3] = high(t[4 * g + 1], t[4 * g + 3]);
    });
    using Register = typename Batch<float, A>::Register;
    unroll<4>([&](auto c) {
        const __m512 p = _mm512_shuffle_f32x4(s[c], s[4 + c], 0x88);
        const __m512 q = _mm512_shuffle_f32x4(s[c], s[4 + c], 0xDD);
        const __m512 u = _mm512_shuffle_f32x4(s[8 + c], s[12 + c], 0x88);
        const __m512 v = _mm512_shuffle_f32x4(s[8 + c], s[12 + c], 0xDD);
        r[c] = Register(_mm512_shuffle_f32x4(p, u, 0x88));
        r[4 + c] = Register(_mm512_shuffle_f32x4(q, v, 0x88));
        r[8 + c] = Register(_mm512_shuffle_f32x4(p, u, 0xDD));
        r[12 + c] = Register(_mm512_shuffle_f32x4(q, v, 0xDD));
    });
}

template <class A>
NIBBLE_INLINE void transpose8(Batch<float, A> (&r)[8]) noexcept {
    __m256 t[8], s[8];
    unroll<4>([&](auto i) {
        t[2 * i] = _mm256_unpacklo_ps(r[2 * i].v, r[2 * i + 1].v);
        t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i].v, r[2 * i + 1].v);
    });
    unroll<2>([&](auto g) {
        s[4 * g] = _mm256_shuffle_ps(t[4 * g], t[4 * g + 2], 0x44);
        s[4 * g + 1] = _mm256_shuffle_ps(t[4 * g], t[4 * g + 2], 0xEE);
        s[4 * g + 2] = _mm256_shuffle_ps(t[4 * g + 1], t[4 * g + 3], 0x44);
        s[4 * g + 3] = _mm256_shuffle_ps(t[4 * g + 1], t[4 * g + 3], 0xEE);
    });
    using Register = typename Batch<float, A>::Register;
    unroll<4>([&](auto c) {
        r[c] = Register(_mm256_permute2f128_ps(s[c], s[4 + c], 0x20));
        r[4 + c] = Register(_mm256_permute2f128_ps(s[c], s[4 + c], 0x31));
    });
}

/// Column k of four rows of sixteen, to to[k * step] and the three after it.
template <class A>
    requires is_avx512<A>
NIBBLE_INLINE void store_columns(const Batch<float, A> (&r)[4], float* to,
                                 std::size_t step) noexcept {
    const auto low = [](__m512 a, __m512 b) {
        return _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
    };
    const auto high = [](__m512 a, __m512 b) {
        return _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
    };
    const __m512 ab = _mm512_unpacklo_ps(r[0].v, r[1].v), cd = _mm512_unpacklo_ps(r[2].v, r[3].v);
    const __m512 ef = _mm512_unpackhi_ps(r[0].v, r[1].v), gh = _mm512_unpackhi_ps(r[2].v, r[3].v);
    // Part q of t[j] is column 4 q + j.
    const __m512 t[4] = {low(ab, cd), high(ab, cd), low(ef, gh), high(ef, gh)};
    unroll<16>([&](auto k) {
        _mm_storeu_ps(to + k * step, _mm512_extractf32x4_ps(t[k % 4], decltype(k)::value / 4));
    });
}

}  // namespace x86
#endif

/// As many registers as one has lanes. (Spelled out in a parameter, clang 14 takes it for a product.)
template <class A>
using RegisterSquare = Batch<float, A>[Batch<float, A>::lanes];

/// r[i] lane j becomes r[j] lane i.
template <class A>
NIBBLE_INLINE void transpose(RegisterSquare<A>& r) noexcept {
#if NIBBLE_SIMD && defined(__AVX2__)
    if constexpr (is_avx512<A>) return x86::transpose16<A>(r);
    else if constexpr (is_avx<A>) return x86::transpose8<A>(r);
#endif
    constexpr std::size_t n = Batch<float, A>::lanes;
    float square[n][n], turned[n][n];
    for (std::size_t i = 0; i < n; ++i) r[i].store(square[i]);
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < n; ++j) turned[i][j] = square[j][i];
    for (std::size_t i = 0; i < n; ++i) r[i] = Batch<float, A>::load(turned[i]);
}

}  // namespace nibble
