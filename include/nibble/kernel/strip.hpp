// SPDX-License-Identifier: BSL-1.0
// Strips: codes of 16 lanes that share a left operand, along a depth. What cached keys (lanes are
// positions, depth is the head) and cached values (lanes are features, depth is positions) lie in.
//
// Element (k, lane) of a strip of V is number strip_index<V>(k, lane) of a packed run:
//
//     int8      [k/2][16][2]   two codes widen to a pair of 16-bit integers
//     int4      [k/8][16][8]   one word a lane; nibble j of it is k = 2j for j < 4, else 2(j - 4) + 1
//     bfloat16  [k/2][16][2]   a shift and a mask make two floats of a word
//     others    [k][16]
//
// strip_product multiplies rows of a small left operand with such a strip, straight from the codes.
// Instructions for 16 elements and R rows, AVX-512: int8 (1 load and widen + R dots) / 2, int4
// (2 + R) / 2 and a quarter of a load, bfloat16 1 + R, half 1 convert (2 micro-ops) + R.
#pragma once

#include <nibble/kernel/pairs.hpp>
#include <nibble/kernel/transpose.hpp>

#include <cstddef>

namespace nibble::inline NIBBLE_ARCH {

/// Lanes of a strip, on every instruction set.
inline constexpr std::size_t strip_lanes = 16;

/// Codes that are multiplied as integers.
template <class V>
inline constexpr bool has_pairs = std::is_same_v<V, Int8Value> || std::is_same_v<V, Int4Value>;

/// Which element of the run (k, lane) is.
template <class V>
[[nodiscard]] constexpr std::size_t strip_index(std::size_t k, std::size_t lane) noexcept {
    if constexpr (std::is_same_v<V, Int4Value>)
        return k / 8 * 128 + lane * 8 + k % 8 / 2 + k % 2 * 4;
    else if constexpr (std::is_same_v<V, Int8Value> || std::is_same_v<V, bfloat16>)
        return k / 2 * 32 + lane * 2 + k % 2;
    else return k * strip_lanes + lane;
}

/// Bytes of a strip; depth is a multiple of 8.
template <class V>
[[nodiscard]] constexpr std::size_t strip_bytes(std::size_t depth) noexcept {
    return depth * strip_lanes * static_cast<std::size_t>(bits_v<V>) / 8;
}

/// A register of words from bytes of any type.
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<std::uint32_t, A> strip_words(const std::byte* p) noexcept {
    if constexpr (std::is_same_v<A, isa::Scalar>) return load_words<std::uint32_t, A>(p);
    else return Batch<std::uint32_t, A>::load(reinterpret_cast<const std::uint32_t*>(p));
}

/// How a strip of V is read: step i, `depth` values of k, gives `operands` registers, each multiplied
/// with one Left (a float, or a pair of 16-bit integers as one word).
template <class V, class A>
struct Strip {
    using Left = float;
    using Operand = Batch<float, A>;
    static constexpr std::size_t depth = 1, operands = 1;

    static NIBBLE_INLINE void load(const std::byte* strip, std::size_t i, std::size_t lane,
                                   Operand* to) noexcept {
        to[0] =
            decode_lanes<V, A>(reinterpret_cast<const unit_t<V>*>(strip), i * strip_lanes + lane);
    }
    static NIBBLE_INLINE Operand add(Operand sum, const Left* left, Operand x) noexcept {
        return fma(Operand(*left), x, sum);
    }
};

template <class A>
struct Strip<bfloat16, A> : Strip<float, A> {
    using Operand = Batch<float, A>;
    static constexpr std::size_t depth = 2, operands = 2;

    static NIBBLE_INLINE void load(const std::byte* strip, std::size_t i, std::size_t lane,
                                   Operand* to) noexcept {
        const auto x = strip_words<A>(strip + i * 64 + lane * 4);
        to[0] = bit_cast_to<float>(x << 16);
        to[1] = bit_cast_to<float>(x & Batch<std::uint32_t, A>(0xFFFF0000u));
    }
};

/// What strips of integers are unpacked into: pairs as words, [k/2][16].
struct PairWord {};

template <class A>
struct Strip<PairWord, A> {
    using Left = std::int32_t;
    using Operand = Batch<std::int32_t, A>;
    static constexpr std::size_t depth = 2, operands = 1;

    static NIBBLE_INLINE void load(const std::byte* strip, std::size_t i, std::size_t lane,
                                   Operand* to) noexcept {
        to[0] =
            Operand::load(reinterpret_cast<const std::int32_t*>(strip) + i * strip_lanes + lane);
    }
    static NIBBLE_INLINE Operand add(Operand sum, const Left* left, Operand x) noexcept {
        return pair_dot_at(sum, x, left);
    }
};

template <class A>
struct Strip<Int8Value, A> : Strip<PairWord, A> {
    using Operand = Batch<std::int32_t, A>;

    static NIBBLE_INLINE void load(const std::byte* strip, std::size_t i, std::size_t lane,
                                   Operand* to) noexcept {
        to[0] = byte_pairs<A>(strip + i * 2 * strip_lanes + lane * 2);
    }
};

template <class A>
struct Strip<Int4Value, A> : Strip<PairWord, A> {
    using Operand = Batch<std::int32_t, A>;
    static constexpr std::size_t depth = 8, operands = 4;

    static NIBBLE_INLINE void load(const std::byte* strip, std::size_t i, std::size_t lane,
                                   Operand* to) noexcept {
        const auto x = bit_cast_to<std::int32_t>(strip_words<A>(strip + i * 64 + lane * 4));
        unroll<4>([&](auto j)
                      NIBBLE_INLINE_LAMBDA { to[j] = nibble_pairs<decltype(j)::value>(x); });
    }
};

/// Rows of a product: with the lanes of a strip they fill half of the registers.
template <class A>
inline constexpr std::size_t attend_rows = is_avx512<A>                      ? 8
                                           : is_avx2<A>                      ? 4
                                           : !std::is_same_v<A, isa::Scalar> ? 2
                                                                             : 1;

/// Calls f(first row, constant number of rows) for products that cover rows: whole ones, then 4, 2, 1.
template <class A, class F>
NIBBLE_INLINE void for_row_products(std::size_t rows, F&& f) {
    constexpr std::size_t most = attend_rows<A>;
    std::size_t r = 0;
    for (; r + most <= rows; r += most) f(r, std::integral_constant<std::size_t, most>{});
    if constexpr (most > 4)
        if (rows - r >= 4) f(r, std::integral_constant<std::size_t, 4>{}), r += 4;
    if constexpr (most > 2)
        if (rows - r >= 2) f(r, std::integral_constant<std::size_t, 2>{}), r += 2;
    if constexpr (most > 1)
        if (rows != r) f(r, std::integral_constant<std::size_t, 1>{});
}

/// A product's sums: Parts registers of lanes (those of one strip, or of neighbouring strips) for each
/// of Rows rows, each as Split sums that take turns, so that enough are under way at once.
template <class A, std::size_t Rows, std::size_t Parts>
inline constexpr std::size_t strip_split =
    Rows * Parts >= (Batch<float, A>::lanes == 16 ? 16 : 8)  ? 1
    : Rows * Parts >= (Batch<float, A>::lanes == 16 ? 8 : 4) ? 2
                                                             : 4;

/// Adds step i to the sums of one turn.
template <class S, std::size_t Rows, std::size_t Parts, std::size_t LeftRow, std::size_t LeftStep,
          std::size_t Split, std::size_t Turn>
NIBBLE_INLINE void strip_step(typename S::Operand (&sum)[Rows * Parts * Split],
                              const std::byte* strip, std::size_t next_strip, std::size_t i,
                              const typename S::Left* left) noexcept {
    using Operand = typename S::Operand;
    constexpr std::size_t lanes = Operand::lanes, operands = S::operands;
    Operand x[Parts * operands];
    unroll<Parts>([&](auto p) NIBBLE_INLINE_LAMBDA {
        S::load(strip + p * lanes / strip_lanes * next_strip, i, p * lanes % strip_lanes,
                x + p * operands);
    });
    const auto* const by = left + i * (operands * LeftStep);
    unroll<operands>([&](auto o) NIBBLE_INLINE_LAMBDA {
        constexpr std::size_t at = (Turn * operands + decltype(o)::value) % Split;
        unroll<Rows>([&](auto r) NIBBLE_INLINE_LAMBDA {
            unroll<Parts>([&](auto p) NIBBLE_INLINE_LAMBDA {
                Operand& s = sum[(r * Parts + p) * Split + at];
                s = S::add(s, by + (o * LeftStep + r * LeftRow), x[p * operands + o]);
            });
        });
    });
}

/// sink(row, part, sum over k in [first, end) of left(row, k) * x(k, lanes of part)). first and end
/// are multiples of S::depth; a row's Left number n is left[row * LeftRow + n * LeftStep].
template <class S, std::size_t Rows, std::size_t Parts, std::size_t LeftRow, std::size_t LeftStep,
          class A, class Sink>
NIBBLE_INLINE void strip_product(const std::byte* strip, std::size_t next_strip, std::size_t first,
                                 std::size_t end, const typename S::Left* left, Sink&& sink) {
    using Operand = typename S::Operand;
    constexpr std::size_t split = strip_split<A, Rows, Parts>;
    constexpr std::size_t turns = split > S::operands ? split / S::operands : 1;
    Operand sum[Rows * Parts * split];
    unroll<Rows * Parts * split>([&](auto i) NIBBLE_INLINE_LAMBDA { sum[i] = Operand(0); });
    std::size_t i = first / S::depth;
    const std::size_t last = end / S::depth;
    for (; i + turns <= last; i += turns)
        unroll<turns>([&](auto turn) NIBBLE_INLINE_LAMBDA {
            strip_step<S, Rows, Parts, LeftRow, LeftStep, split, decltype(turn)::value>(
                sum, strip, next_strip, i + turn, left);
        });
    if constexpr (turns > 1)
        for (; i < last; ++i)
            strip_step<S, Rows, Parts, LeftRow, LeftStep, split, 0>(sum, strip, next_strip, i,
                                                                    left);
    unroll<Rows * Parts>([&](auto n) NIBBLE_INLINE_LAMBDA {
        Operand s = sum[n * split];
        if constexpr (split >= 2) s = s + sum[n * split + 1];
        if constexpr (split == 4) s = s + (sum[n * split + 2] + sum[n * split + 3]);
        sink(n / Parts, n % Parts, s);
    });
}

/// The element at depth k of a strip, lanes from `lane` on.
template <class S>
[[nodiscard]] NIBBLE_INLINE typename S::Operand strip_lanes_at(const std::byte* strip,
                                                               std::size_t k,
                                                               std::size_t lane) noexcept {
    typename S::Operand x[S::operands];
    S::load(strip, k / S::depth, lane, x);
    typename S::Operand found = x[0];
    for (std::size_t o = 1; o < S::operands; ++o)
        if (k % S::depth == o) found = x[o];
    return found;
}

}  // namespace nibble
