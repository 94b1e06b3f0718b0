// SPDX-License-Identifier: BSL-1.0
// Dot products in registers: four products of bytes a lane summed into an int32, two of bfloat16 summed
// into a float. The forms of each instruction set are in arch_*.hpp; here are those for every other one.
//
// Weights are the unsigned operand, their code plus `code_bias` (one sign bit's worth: 128 for int8,
// 8 for int4); a kernel takes bias * sum(activations) off again. Activations are signed bytes in
// [-127, 127]. Integer results are exact on every instruction set: nothing here saturates.
//
// For weights below 16 an instruction set may sum in 16 bits first, which saves half of the work where
// there is no byte dot product, and costs nothing elsewhere:
//
//     B pairs(0);
//     for (up to pairs_steps steps) pairs = dot4_pairs(pairs, w, x);
//     sum = add_pairs(sum, pairs);
#pragma once

#include <nibble/kernel/codec.hpp>

#include <cstring>

namespace nibble::inline NIBBLE_ARCH {

/// What turns a signed code into an unsigned byte.
template <class V>
    requires is_integer_value<V>
inline constexpr std::int32_t code_bias = 1 << (bits_v<V> - 1);

/// sum + w[0] x[0] + w[1] x[1] + w[2] x[2] + w[3] x[3] in every lane: w unsigned bytes, x signed.
/// Narrow says that w is below 16.
template <bool Narrow, class A>
[[nodiscard]] NIBBLE_INLINE Batch<std::int32_t, A> dot4(Batch<std::int32_t, A> sum,
                                                        Batch<std::int32_t, A> w,
                                                        Batch<std::int32_t, A> x) noexcept {
    using B = Batch<std::int32_t, A>;
    sum = sum + (w & B(255)) * ((x << 24) >> 24);
    sum = sum + ((w >> 8) & B(255)) * ((x << 16) >> 24);
    sum = sum + ((w >> 16) & B(255)) * ((x << 8) >> 24);
    return sum + ((w >> 24) & B(255)) * (x >> 24);
}

/// Four neighbouring activations in every lane.
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<std::int32_t, A> broadcast_four(const std::int8_t* x) noexcept {
    std::int32_t four;
    std::memcpy(&four, x, 4);
    return Batch<std::int32_t, A>(four);
}

/// dot4 with the same four activations in every lane.
template <bool Narrow, class A>
[[nodiscard]] NIBBLE_INLINE Batch<std::int32_t, A> dot4_broadcast(Batch<std::int32_t, A> sum,
                                                                  Batch<std::int32_t, A> w,
                                                                  const std::int8_t* x) noexcept {
    return dot4<Narrow>(sum, w, broadcast_four<A>(x));
}

/// Steps of dot4_pairs that may be summed before an add_pairs: 8 * 2 * 15 * 127 = 30480 < 2^15.
inline constexpr std::size_t pairs_steps = 8;

/// One step of a sum of products of bytes w < 16 and x, in a form of the instruction set's own that
/// begins with zero and that only add_pairs reads.
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<std::int32_t, A> dot4_pairs(Batch<std::int32_t, A> pairs,
                                                              Batch<std::int32_t, A> w,
                                                              Batch<std::int32_t, A> x) noexcept {
    return dot4<true>(pairs, w, x);
}
/// sum + what dot4_pairs has summed: together the same as dot4<true> for each step.
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<std::int32_t, A> add_pairs(
    Batch<std::int32_t, A> sum, Batch<std::int32_t, A> pairs) noexcept {
    return sum + pairs;
}

/// (sum + w[1] x[1]) + w[0] x[0] in every lane, each step rounded once: w and x are two bfloat16 each,
/// the first in the low half. With has_bf16_dot<A> subnormal numbers count as zero; apart from them
/// vdpbf16ps gives the same bits.
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> dot2(Batch<float, A> sum, Batch<std::uint32_t, A> w,
                                                 Batch<std::uint32_t, A> x) noexcept {
    using B = Batch<std::uint32_t, A>;
    const B upper(0xFFFF0000u);
    sum = fma(bit_cast_to<float>(w & upper), bit_cast_to<float>(x & upper), sum);
    return fma(bit_cast_to<float>(w << 16), bit_cast_to<float>(x << 16), sum);
}

/// Lanes from consecutive words of 1, 2 or 4 bytes, zero-extended.
template <class Word, class A>
[[nodiscard]] NIBBLE_INLINE Batch<std::uint32_t, A> load_words(const void* p) noexcept {
    using B = Batch<std::uint32_t, A>;
#if NIBBLE_SIMD && defined(__AVX2__)
    if constexpr (sizeof(Word) == 2 && is_avx<A>) return x86::load_u16<A>(p);
    if constexpr (sizeof(Word) == 1 && is_avx<A>) return x86::load_u8<A>(p);
#endif
    Word word[B::lanes];
    std::memcpy(word, p, sizeof(word));
    if constexpr (sizeof(Word) == 4) {
        return B::load(word);
    } else {
        std::uint32_t lane[B::lanes];
        for (std::size_t i = 0; i < B::lanes; ++i) lane[i] = word[i];
        return B::load(lane);
    }
}

}  // namespace nibble
