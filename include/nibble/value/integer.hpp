// SPDX-License-Identifier: BSL-1.0
// Small signed integers: plain two's complement codes, so that all-zero bits are the number zero.
// A scale (and, for asymmetric formats, an offset) belongs to the tensor, never to the value.
#pragma once

#include <nibble/value/concept.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// An integer of `Bits` bits in [Low, High]. The object is one sign-extended byte; spans pack it.
template <int Bits, int Low, int High>
struct IntegerValue {
    std::int8_t code = 0;

    constexpr IntegerValue() = default;
    constexpr explicit IntegerValue(int c) noexcept : code(static_cast<std::int8_t>(c)) {}
    friend constexpr bool operator==(IntegerValue, IntegerValue) = default;
    friend constexpr auto operator<=>(IntegerValue, IntegerValue) = default;
};

using Int8Value = IntegerValue<8, -128, 127>;
using Int4Value = IntegerValue<4, -8, 7>;
using Int3Value = IntegerValue<4, -4, 3>;  ///< three bits in the place of four; files hold three
using Int2Value = IntegerValue<2, -2, 1>;
using Ternary = IntegerValue<2, -1, 1>;  ///< -1, 0, 1 in two bits; the code -2 is never made

/// Whether V is one of them: its codes can be summed as integers.
template <class V>
inline constexpr bool is_integer_value = false;
template <int Bits, int Low, int High>
inline constexpr bool is_integer_value<IntegerValue<Bits, Low, High>> = true;

/// x rounded to an integer in [low, high]; NaN gives 0.
template <class Rounding>
[[nodiscard]] NIBBLE_INLINE constexpr int round_to_integer(float x, int low, int high,
                                                           Rounding rounding) noexcept {
    if (!(x > static_cast<float>(low))) return x <= static_cast<float>(low) ? low : 0;
    if (x >= static_cast<float>(high)) return high;
    int whole = static_cast<int>(x);
    float rest = x - static_cast<float>(whole);  // exact, in (-1, 1)
    if (rest < 0) {
        rest += 1.0f;
        --whole;
    }
    if constexpr (std::is_same_v<Rounding, ToNearest>) {
        return whole + ((rest > 0.5f || (rest == 0.5f && (whole & 1))) ? 1 : 0);
    } else {
        return whole + (static_cast<float>(rounding.dither >> 8) * 0x1p-24f < rest ? 1 : 0);
    }
}

template <int Bits, int Low, int High>
struct value_traits<IntegerValue<Bits, Low, High>> {
    using V = IntegerValue<Bits, Low, High>;
    using compute = float;
    static constexpr int bits = Bits;
    static constexpr std::string_view name = Bits == 8   ? "int8"
                                             : Low == -4 ? "int3"
                                             : Bits == 4 ? "int4"
                                             : Low == -1 ? "ternary"
                                                         : "int2";
    static NIBBLE_INLINE constexpr float decode(V v) noexcept { return static_cast<float>(v.code); }
    template <class Rounding>
    static NIBBLE_INLINE constexpr V encode(float x, Rounding rounding) noexcept {
        return V(round_to_integer(x, Low, High, rounding));
    }
    static NIBBLE_INLINE constexpr bool clips(float x) noexcept {
        return x > static_cast<float>(High) + 0.5f || x < static_cast<float>(Low) - 0.5f;
    }
    static NIBBLE_INLINE constexpr V lowest() noexcept { return V(Low); }
    static NIBBLE_INLINE constexpr V highest() noexcept { return V(High); }
    static NIBBLE_INLINE constexpr std::uint8_t to_bits(V v) noexcept {
        return static_cast<std::uint8_t>(static_cast<std::uint8_t>(v.code) & ((1 << Bits) - 1));
    }
    static NIBBLE_INLINE constexpr V from_bits(std::uint8_t b) noexcept {
        const int code = b & ((1 << Bits) - 1);
        return V(code >= (1 << (Bits - 1)) ? code - (1 << Bits) : code);
    }
};

}  // namespace nibble
