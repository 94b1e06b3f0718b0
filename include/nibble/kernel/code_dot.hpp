// SPDX-License-Identifier: BSL-1.0
// How an instruction set sums a chunk's products of packed codes with int8 activations.
//
// CodeDot<V, A> takes registers of packed codes (unsigned, four neighbouring columns a lane) and
// activations (four signed bytes in memory, for every lane). A chunk is at most eight steps. What the
// stored codes are too large by, `bias` a column, is put right by the sum's start: bias times the
// sum of the activations, negative. Sums are exact everywhere.
//
//     byte dot products       one instruction a step
//     AVX2, AVX-512 without   2 and 4 bits: sums in 16 bits, widened once a chunk (dot4_pairs);
//                             8 bits: the codes' size times x with the codes' sign (dot4_signed)
//     others                  dot4
#pragma once

#include <nibble/kernel/dot.hpp>

namespace nibble::inline NIBBLE_ARCH {

template <class V, class A>
struct CodeDot {
    using I = Batch<std::int32_t, A>;
    using U = Batch<std::uint32_t, A>;
    static constexpr bool narrow = bits_v<V> < 8;
    /// Sums of 16 bits within a chunk.
    static constexpr bool by_pairs = narrow && is_avx<A> && !has_byte_dot<A>;
    /// Codes by size and sign.
    static constexpr bool by_sign = !narrow && is_avx<A> && !has_byte_dot<A>;
    /// A sum is a plain one of int32 all the while.
    static constexpr bool direct = !by_pairs;
    static constexpr std::int32_t bias = by_sign ? 0 : code_bias<V>;

    struct Plain {
        I code;
    };
    struct Signed {
        I size, code;
    };
    using Weights = std::conditional_t<by_sign, Signed, Plain>;

    static NIBBLE_INLINE Weights prepare(U bytes) noexcept {
        if constexpr (by_sign) {
            const I code = bit_cast_to<std::int32_t>(bytes ^ U(0x80808080u));
            return {byte_size(code), code};
        } else {
            return {bit_cast_to<std::int32_t>(bytes)};
        }
    }
    static NIBBLE_INLINE I start(I begin) noexcept { return by_pairs ? I(0) : begin; }
    static NIBBLE_INLINE I step(I sum, const Weights& w, const std::int8_t* x) noexcept {
        if constexpr (by_pairs) return dot4_pairs(sum, w.code, broadcast_four<A>(x));
        else if constexpr (by_sign) return dot4_signed(sum, w.size, w.code, broadcast_four<A>(x));
        else return dot4_broadcast<narrow>(sum, w.code, x);
    }
    /// The chunk's sum on top of what start() was given.
    static NIBBLE_INLINE I finish(I sum, I begin) noexcept {
        if constexpr (by_pairs) return add_pairs(begin, sum);
        else return sum;
    }
};

}  // namespace nibble
