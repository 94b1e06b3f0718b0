// SPDX-License-Identifier: BSL-1.0
// Instructions of AVX2 and AVX-512 that exp and its kin end with.
#pragma once

#include <nibble/kernel/arch.hpp>

#if NIBBLE_SIMD && defined(__AVX2__)
#include <immintrin.h>

namespace nibble::inline NIBBLE_ARCH::x86 {

/// 0 where the mask is true, else x. (g++ 12 makes three instructions of a blend with zero.)
template <class A>
    requires is_avx2<A>
NIBBLE_INLINE Batch<float, A> zero_where(Mask<A> mask, Batch<float, A> x) noexcept {
    return typename Batch<float, A>::Register(_mm256_andnot_ps(mask.v.data, x.v));
}

#if defined(__AVX512F__)

/// y 2^n for a whole n, infinity where that is more than a float holds.
template <class A>
    requires is_avx512<A>
NIBBLE_INLINE Batch<float, A> scale_by_power(Batch<float, A> y, Batch<float, A> n) noexcept {
    return typename Batch<float, A>::Register(_mm512_scalef_ps(y.v, n.v));
}

/// The same, but 0 where x is below `from`; a NaN is not.
template <class A>
    requires is_avx512<A>
NIBBLE_INLINE Batch<float, A> scale_by_power_from(Batch<float, A> y, Batch<float, A> n,
                                                  Batch<float, A> x, float from) noexcept {
    const __mmask16 kept = _mm512_cmp_ps_mask(x.v, _mm512_set1_ps(from), _CMP_NLT_UQ);
    return typename Batch<float, A>::Register(_mm512_maskz_scalef_ps(kept, y.v, n.v));
}

/// The same, but 0 where x is above `to`.
template <class A>
    requires is_avx512<A>
NIBBLE_INLINE Batch<float, A> scale_by_power_to(Batch<float, A> y, Batch<float, A> n,
                                                Batch<float, A> x, float to) noexcept {
    const __mmask16 kept = _mm512_cmp_ps_mask(x.v, _mm512_set1_ps(to), _CMP_NGT_UQ);
    return typename Batch<float, A>::Register(_mm512_maskz_scalef_ps(kept, y.v, n.v));
}

#endif

}  // namespace nibble::x86
#endif
