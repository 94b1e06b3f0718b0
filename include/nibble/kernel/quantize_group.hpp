// SPDX-License-Identifier: BSL-1.0
// Groups of floats to signed bytes with one scale each: how activations enter integer products.
//
//     scale = max |x| / 127     code = x * (127 / max |x|), to nearest, ties to even, in [-127, 127]
//
// A group with an infinity or a NaN gets the scale NaN and zero codes, one whose numbers are all below
// 2^-100 the scale 0 and zero codes. Codes, scales and sums have equal bits on every instruction set.
#pragma once

#include <nibble/kernel/codec.hpp>
#include <nibble/kernel/quantize_group_x86.hpp>

#include <limits>

namespace nibble::inline NIBBLE_ARCH {

/// Where the results of quantize_groups go. Strides are from one group to the next.
struct GroupCodes {
    std::int8_t* codes;  ///< group g's bytes at codes + g * code_stride
    std::size_t code_stride;
    float* scales;       ///< scales[g * stride]
    std::int32_t* sums;  ///< sums[g * stride]: the sum of the group's codes
    std::size_t stride = 1;
};

/// Scale and inverse scale of groups with the magnitudes `most` (their bits as integers).
template <class A>
struct GroupScales {
    using B = Batch<float, A>;
    B scale, inverse;

    explicit NIBBLE_INLINE GroupScales(Batch<std::int32_t, A> most) noexcept {
        const B size = bit_cast_to<float>(most);
        // False for a NaN, and for an infinity.
        const auto finite = size <= B(std::numeric_limits<float>::max());
        const auto some = (size >= B(0x1p-100f)) & finite;
        const B held = select(some, size, B(1.0f));
        inverse = select(some, B(127.0f) / held, B(0.0f));
        scale = select(some, held / B(127.0f), B(0.0f));
        scale = select(finite, scale, B(std::numeric_limits<float>::quiet_NaN()));
    }
};

/// Lanes in [-128, 127] as bytes.
template <class A>
NIBBLE_INLINE void store_bytes(Batch<std::int32_t, A> q, std::int8_t* to) noexcept {
    using U = Batch<std::uint32_t, A>;
#if NIBBLE_SIMD && defined(__AVX2__)
    if constexpr (is_avx<A>) {
        x86::store_codes<8, A>(to, bit_cast_to<std::uint32_t>(q) & U(255));
        return;
    }
#endif
    std::int32_t lane[U::lanes];
    q.store(lane);
    for (std::size_t i = 0; i < U::lanes; ++i) to[i] = static_cast<std::int8_t>(lane[i]);
}

/// One group of any size, register by register: the form for all instruction sets.
template <class A>
NIBBLE_INLINE void quantize_group(const float* x, std::size_t n, std::int8_t* codes, float& scale,
                                  std::int32_t& total) noexcept {
    using B = Batch<float, A>;
    using I = Batch<std::int32_t, A>;
    const auto bits = [](B v) { return bit_cast_to<std::int32_t>(v) & I(0x7FFFFFFF); };
    const std::size_t full = n / B::lanes * B::lanes;
    I most(0), most2(0);
    std::size_t k = 0;
    for (; k + 2 * B::lanes <= n; k += 2 * B::lanes) {
        most = max(most, bits(B::load(x + k)));
        most2 = max(most2, bits(B::load(x + k + B::lanes)));
    }
    for (; k < full; k += B::lanes) most = max(most, bits(B::load(x + k)));
    if (full < n) most = max(most, bits(B::load_first(x + full, n - full)));
    const GroupScales<A> by{I(reduce_max(max(most, most2)))};
    float first[B::lanes];
    by.scale.store(first);
    scale = first[0];
    total = 0;
    if (scale != scale) {  // 0 times an infinity is a NaN, whose code would be anything
        for (k = 0; k < n; ++k) codes[k] = 0;
        return;
    }
    I sum(0);
    for (k = 0; k < full; k += B::lanes) {
        const I q = to_int_nearest(B::load(x + k) * by.inverse);
        sum = sum + q;
        store_bytes(q, codes + k);
    }
    if (full < n) {
        const I q = to_int_nearest(B::load_first(x + full, n - full) * by.inverse);
        sum = sum + q;
        std::int8_t last[B::lanes];
        store_bytes(q, last);
        for (; k < n; ++k) codes[k] = last[k - full];
    }
    total = reduce_add(sum);
}

/// Registers for groups that are not whole registers of A: half as wide where there are such.
template <class A>
struct NarrowRegisters {
    using type = A;
};
#if NIBBLE_SIMD && defined(__AVX2__)
template <class A>
    requires is_avx512<A>
struct NarrowRegisters<A> {
    using type = isa::Avx2;
};
#endif

/// n numbers in groups of `group` > 0; the last may be shorter. Fast for multiples of 32. Only codes of
/// numbers are written: where the last group is shorter, the caller clears what follows it.
template <class A>
void quantize_groups(const float* x, std::size_t n, std::size_t group,
                     const GroupCodes& to) noexcept {
    const std::size_t groups = (n + group - 1) / group;
    for (std::size_t g = 0; g < groups;) {
        std::size_t several = 1;
#if NIBBLE_SIMD && defined(__AVX2__)
        if constexpr (is_avx<A>) {
            if (group % 32 == 0 && (g + 4) * group <= n) {
                float scales[4];
                std::int32_t sums[4];
                if (x86::quantize_four<A>(x + g * group, group, to.codes + g * to.code_stride,
                                          to.code_stride, scales, sums)) {
                    for (std::size_t i = 0; i < 4; ++i, ++g) {
                        to.scales[g * to.stride] = scales[i];
                        to.sums[g * to.stride] = sums[i];
                    }
                    continue;
                }
                several = 4;  // a NaN or an infinity: one by one
            }
        }
#endif
        for (; several != 0; --several, ++g) {
            const std::size_t count = (g + 1) * group <= n ? group : n - g * group;
            std::int8_t* const codes = to.codes + g * to.code_stride;
            float& scale = to.scales[g * to.stride];
            std::int32_t& sum = to.sums[g * to.stride];
            if (count % Batch<float, A>::lanes == 0)
                quantize_group<A>(x + g * group, count, codes, scale, sum);
            else
                quantize_group<typename NarrowRegisters<A>::type>(x + g * group, count, codes,
                                                                  scale, sum);
        }
    }
}

}  // namespace nibble
