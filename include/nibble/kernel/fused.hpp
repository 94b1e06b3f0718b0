// SPDX-License-Identifier: BSL-1.0
// Arithmetic with the same bits on every instruction set and from every compiler.
//
//     fused(a, b, c)   a * b + c with one rounding, also where no instruction does that
//     rounded(x)       x, rounded to a float before anything else happens to it
//     Lanes<A, N>      N sums side by side, added up in an order that no register width changes
//
// Compilers may contract: g++ makes one fma of a multiplication and an addition, its intrinsics
// included, whatever functions they come from, and its pragma against that does nothing. So functions
// that promise equal bits use fused where both belong together, and never let a product reach a sum
// otherwise, but for rounded products: those pass an empty asm statement, which costs nothing and which
// no compiler looks through.
//
// Without the instruction (SSE, scalar code for such a target) the product is exact in double, the sum
// rounds there, and rounding that to float is right but for two cases, which are tested for and left to
// the C library's fmaf: a sum in the middle of two floats, and a subnormal result. That is slow (exp takes
// some 37 cycles a number on SSE), and it is the price of one rounding: algorithms without fma would have
// more operations and larger errors on every target that has the instruction.
#pragma once

#include <nibble/kernel/transpose.hpp>

#if NIBBLE_SIMD && defined(__AVX2__)
#include <immintrin.h>
#elif NIBBLE_SIMD && defined(__SSE2__)
#include <emmintrin.h>  // xsimd has it already; all of immintrin.h would cost as much as nibble
#endif

namespace nibble::inline NIBBLE_ARCH {

#if defined(__FMA__) || defined(__ARM_FEATURE_FMA) || defined(__FP_FAST_FMAF)
inline constexpr bool target_fuses = true;
#else
inline constexpr bool target_fuses = false;
#endif

/// Whether the registers of A have an instruction for fused.
template <class A>
inline constexpr bool fuses = target_fuses && !is_sse<A>;

/// fused for n <= 16 lanes, one at a time.
template <class A>
[[gnu::noinline, gnu::cold]] void fused_slowly(const float* a, const float* b, const float* c,
                                               float* to, std::size_t n) noexcept {
    for (std::size_t i = 0; i < n; ++i) to[i] = std::fma(a[i], b[i], c[i]);
}

/// a * b + c, rounded once.
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> fused(Batch<float, A> a, Batch<float, A> b,
                                                  Batch<float, A> c) noexcept {
    using F = Batch<float, A>;
    if constexpr (fuses<A> && !std::is_same_v<A, isa::Scalar>) {
        return fma(a, b, c);
    } else if constexpr (fuses<A>) {
        F r;
        for (std::size_t i = 0; i < F::lanes; ++i)
            r.lane[i] = std::fma(a.lane[i], b.lane[i], c.lane[i]);
        return r;
#if NIBBLE_SIMD && defined(__SSE2__)
    } else if constexpr (is_sse<A>) {
        const __m128 x = a.v, y = b.v, z = c.v;
        const auto low = [](__m128 v) { return _mm_cvtps_pd(v); };
        const auto high = [](__m128 v) { return _mm_cvtps_pd(_mm_movehl_ps(v, v)); };
        const __m128d s = _mm_add_pd(_mm_mul_pd(low(x), low(y)), low(z));
        const __m128d t = _mm_add_pd(_mm_mul_pd(high(x), high(y)), high(z));
        const __m128 sum = _mm_movelh_ps(_mm_cvtpd_ps(s), _mm_cvtpd_ps(t));
        // The 29 bits that the second rounding drops: the middle is one and 28 zeros.
        const __m128i dropped = _mm_and_si128(
            _mm_castps_si128(_mm_shuffle_ps(_mm_castpd_ps(s), _mm_castpd_ps(t), 0x88)),
            _mm_set1_epi32(0x1FFFFFFF));
        const __m128i size = _mm_and_si128(_mm_castps_si128(sum), _mm_set1_epi32(0x7FFFFFFF));
        const __m128i small = _mm_and_si128(_mm_cmplt_epi32(size, _mm_set1_epi32(0x00800000)),
                                            _mm_cmpgt_epi32(size, _mm_setzero_si128()));
        const __m128i middle = _mm_cmpeq_epi32(dropped, _mm_set1_epi32(0x10000000));
        if (_mm_movemask_epi8(_mm_or_si128(middle, small)) != 0) [[unlikely]] {
            float part[4][4];
            a.store(part[0]);
            b.store(part[1]);
            c.store(part[2]);
            fused_slowly<A>(part[0], part[1], part[2], part[3], 4);
            return F::load(part[3]);
        }
        return typename F::Register(sum);
#endif
    } else {
        float part[4][F::lanes];
        a.store(part[0]);
        b.store(part[1]);
        c.store(part[2]);
        std::uint32_t doubtful = 0;
        for (std::size_t i = 0; i < F::lanes; ++i) {
            const double s = static_cast<double>(part[0][i]) * static_cast<double>(part[1][i]) +
                             static_cast<double>(part[2][i]);
            part[3][i] = static_cast<float>(s);
            const auto dropped = static_cast<std::uint32_t>(std::bit_cast<std::uint64_t>(s));
            const std::uint32_t size = std::bit_cast<std::uint32_t>(part[3][i]) & 0x7FFFFFFFu;
            doubtful |= (dropped & 0x1FFFFFFFu) == 0x10000000u ? 1u : 0u;
            doubtful |= size - 1u < 0x007FFFFFu ? 1u : 0u;
        }
        if (doubtful != 0) [[unlikely]]
            fused_slowly<A>(part[0], part[1], part[2], part[3], F::lanes);
        return F::load(part[3]);
    }
}

/// x, which no compiler then contracts with what follows: for products that are added to something.
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> rounded(Batch<float, A> x) noexcept {
#if defined(__GNUC__)
    if constexpr (target_fuses) {
        if constexpr (std::is_same_v<A, isa::Scalar>) {
            asm("" : "+m"(x.lane));
        } else {
#if NIBBLE_SIMD && defined(__AVX512F__)
            asm("" : "+v"(x.v.data));
#elif NIBBLE_SIMD && defined(__SSE2__)
            asm("" : "+x"(x.v.data));
#elif NIBBLE_SIMD && defined(__ARM_NEON)
            asm("" : "+w"(x.v.data));
#endif
        }
    }
#endif
    return x;
}

/// The same for one number.
template <class A>
[[nodiscard]] NIBBLE_INLINE float rounded(float x) noexcept {
#if defined(__GNUC__)
    if constexpr (target_fuses) asm("" : "+m"(x));
#endif
    return x;
}

/// N = 16 or 64 sums of floats side by side: sum i takes elements i, i + N, ... of a run.
template <class A, std::size_t N>
struct Lanes {
    using B = Batch<float, A>;
    static constexpr std::size_t registers = N / B::lanes;
    B sum[registers];

    NIBBLE_INLINE Lanes() noexcept {
        unroll<registers>([&](auto i) { sum[i] = B(0.0f); });
    }
    /// All sums, halves added to halves: of registers, then of the last sixteen numbers.
    [[nodiscard]] NIBBLE_INLINE float total() const noexcept {
        constexpr std::size_t last = 16 / B::lanes;
        static_assert(N == 16 || N == 64);
        B s[last];
        unroll<last>([&](auto i) {
            if constexpr (N == 16) s[i] = sum[i];
            else s[i] = (sum[i] + sum[i + 2 * last]) + (sum[i + last] + sum[i + 3 * last]);
        });
        float part[16];
        unroll<last>([&](auto i) { s[i].store(part + i * B::lanes); });
#if defined(__GNUC__)
        // Quarters as vectors: a plain loop takes one number at a time.
        using Quad __attribute__((vector_size(16))) = float;
        Quad q[4];
        __builtin_memcpy(q, part, sizeof q);
        const Quad four = (q[0] + q[2]) + (q[1] + q[3]);
        return (four[0] + four[2]) + (four[1] + four[3]);
#else
        for (std::size_t width = 8; width != 0; width /= 2)
            for (std::size_t i = 0; i < width; ++i) part[i] += part[i + width];
        return part[0];
#endif
    }
};

}  // namespace nibble
