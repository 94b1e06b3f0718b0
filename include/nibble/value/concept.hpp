// SPDX-License-Identifier: BSL-1.0
// What a value is: bits for storing that decode to, and encode from, a wider type for computing.
//
// There is no arithmetic on stored values. Code loads (decode), computes in compute_t, and stores
// (encode) with a rounding mode that a reader can see. The laws every NeuralValue obeys (zero, round
// trip, nearest, saturation, unbiased) are in docs/design.md and proved in tests/laws.
#pragma once

#include <nibble/version.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace nibble::inline NIBBLE_ARCH {

/// Everything the library knows about a value type; specialised once, next to the type.
///
///     using compute                     the type arithmetic happens in
///     static constexpr int bits         storage width: 1, 2, 4, 8, 16, 32 or 64
///     static constexpr std::string_view name
///     decode(v), encode(x, rounding)    exact widening; rounded, saturating narrowing
///     clips(x)                          true when encode(x) lands outside the range by more than
///                                       rounding: what saturation counters count
///     lowest(), highest()               the ends of the finite range
template <class V>
struct value_traits;

/// The type in which arithmetic on V happens: float for nearly all.
template <class V>
using compute_t = typename value_traits<V>::compute;

/// Width of a stored V in bits: 4 for Int4Value.
template <class V>
inline constexpr int bits_v = value_traits<V>::bits;

/// Rounds to the nearest code, ties to the even code. The default.
struct ToNearest {};

/// Rounds up or down with probabilities that make the mean exact. The caller supplies 32 random
/// bits; `Dither` in rounding.hpp makes them from (seed, index, step).
struct Stochastic {
    std::uint32_t dither;
};

template <class V>
concept NeuralValue =
    // A regular type, said with what compilers know by themselves: std::regular instantiates some
    // twenty traits a type, and the standard's trivially-copyable another twenty, which every
    // inclusion would pay.
    __is_trivially_copyable(V) && requires(V v, compute_t<V> x, ToNearest near, Stochastic dice) {
        V{};
        { v == v } -> std::same_as<bool>;
        requires 0 < bits_v<V>&& bits_v<V> <= 8 * int(sizeof(V));
        requires std::same_as<std::remove_cvref_t<decltype(value_traits<V>::name)>,
                              std::string_view>;
        { value_traits<V>::decode(v) } -> std::same_as<compute_t<V>>;
        { value_traits<V>::encode(x, near) } -> std::same_as<V>;
        { value_traits<V>::encode(x, dice) } -> std::same_as<V>;
        { value_traits<V>::clips(x) } -> std::same_as<bool>;
        { value_traits<V>::lowest() } -> std::same_as<V>;
        { value_traits<V>::highest() } -> std::same_as<V>;
    };

/// A value narrower than a byte: a span packs several of its codes into one.
template <class V>
concept PackedValue = NeuralValue<V> && bits_v<V> < 8 && requires(V v, std::uint8_t b) {
    { value_traits<V>::to_bits(v) } -> std::same_as<std::uint8_t>;
    { value_traits<V>::from_bits(b) } -> std::same_as<V>;
};

/// The real number that v stands for (before any scale of the tensor it lies in).
template <NeuralValue V>
[[nodiscard]] NIBBLE_INLINE constexpr compute_t<V> decode(V v) noexcept {
    return value_traits<V>::decode(v);
}

/// The V nearest to x, or its stochastic neighbour. Out of range saturates (infinity only where the
/// format has one); NaN gives NaN where the format has one, else zero.
template <NeuralValue V, class Rounding = ToNearest>
[[nodiscard]] NIBBLE_INLINE constexpr V encode(compute_t<V> x, Rounding rounding = {}) noexcept {
    return value_traits<V>::encode(x, rounding);
}

/// How many values an encode had to clip, and how many were NaN. Cheap enough to leave on.
struct Clipped {
    std::size_t saturated = 0;
    std::size_t nan = 0;

    constexpr Clipped& operator+=(const Clipped& other) noexcept {
        saturated += other.saturated;
        nan += other.nan;
        return *this;
    }
    friend constexpr bool operator==(const Clipped&, const Clipped&) = default;
};

/// encode that adds to `count` when x is out of range or not a number.
template <NeuralValue V, class Rounding>
[[nodiscard]] NIBBLE_INLINE constexpr V encode(compute_t<V> x, Rounding rounding,
                                               Clipped& count) noexcept {
    count.saturated += value_traits<V>::clips(x) ? 1u : 0u;
    count.nan += x != x ? 1u : 0u;
    return value_traits<V>::encode(x, rounding);
}

}  // namespace nibble
