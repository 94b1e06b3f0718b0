// SPDX-License-Identifier: BSL-1.0
// Floats of 8 and 4 bits, the NF4 table, and the power-of-two scale E8M0.
//
//     fp8_e4m3   1, 4, 3   OCP OFP8: no infinity, NaN at 0x7F and 0xFF, largest 448
//     fp8_e5m2   1, 5, 2   OCP OFP8: infinity and NaN as IEEE, largest 57344
//     fp4_e2m1   1, 2, 1   OCP MX: 0 .5 1 1.5 2 3 4 6 and their negatives
//     Nf4        4-bit table of normal quantiles (Dettmers et al. 2023, QLoRA, appendix E)
//     E8M0       8-bit exponent, 2^(code - 127): a scale only, it has no zero
#pragma once

#include <nibble/value/float.hpp>

namespace nibble::inline NIBBLE_ARCH {

using fp8_e4m3 = SmallFloat<4, 3, Special::nan_only>;
using fp8_e5m2 = SmallFloat<5, 2, Special::ieee>;
using fp4_e2m1 = SmallFloat<2, 1, Special::none>;

template <>
struct value_traits<fp8_e4m3> : small_float_traits<fp8_e4m3> {
    static constexpr std::string_view name = "fp8_e4m3";
};
template <>
struct value_traits<fp8_e5m2> : small_float_traits<fp8_e5m2> {
    static constexpr std::string_view name = "fp8_e5m2";
};
template <>
struct value_traits<fp4_e2m1> : small_float_traits<fp4_e2m1> {
    static constexpr std::string_view name = "fp4_e2m1";
    static NIBBLE_INLINE constexpr std::uint8_t to_bits(fp4_e2m1 v) noexcept { return v.bits(); }
    static NIBBLE_INLINE constexpr fp4_e2m1 from_bits(std::uint8_t b) noexcept {
        return fp4_e2m1::from_bits(b & 0xF);
    }
};

/// A code into the NF4 table, rotated by seven so that code 0 is its zero (codes 1 to 8 are the
/// positive entries in order, 9 to 15 the negative ones from the lowest up).
struct Nf4 {
    std::uint8_t code = 0;
    friend constexpr bool operator==(Nf4, Nf4) = default;

    /// The table in ascending order, as QLoRA prints it.
    static constexpr float ascending[16] = {-1.0f,        -0.6961928f,  -0.52507305f, -0.39491749f,
                                            -0.28444138f, -0.18477343f, -0.09105004f, 0.0f,
                                            0.0795803f,   0.1609302f,   0.2461123f,   0.33791524f,
                                            0.44070983f,  0.562617f,    0.72295684f,  1.0f};
};

template <>
struct value_traits<Nf4> {
    using compute = float;
    static constexpr int bits = 4;
    static constexpr std::string_view name = "nf4";
    static NIBBLE_INLINE constexpr float decode(Nf4 v) noexcept {
        return Nf4::ascending[(v.code + 7u) & 15u];
    }
    template <class Rounding>
    static NIBBLE_INLINE constexpr Nf4 encode(float x, Rounding rounding) noexcept {
        if (x != x) return {};
        unsigned below = 0;  // the last entry not above x
        for (unsigned i = 1; i < 16; ++i) below += Nf4::ascending[i] <= x ? 1u : 0u;
        if (below < 15 && x > Nf4::ascending[below]) {
            const float low = Nf4::ascending[below], high = Nf4::ascending[below + 1];
            if constexpr (std::is_same_v<Rounding, ToNearest>) {
                const float down = x - low, up = high - x;
                const bool even_above = ((below + 1 + 9) & 1u) == 0;
                below += (up < down || (up == down && even_above)) ? 1u : 0u;
            } else {
                const float chance = (x - low) / (high - low);
                below += static_cast<float>(rounding.dither >> 8) * 0x1p-24f < chance ? 1u : 0u;
            }
        }
        return {static_cast<std::uint8_t>((below + 9u) & 15u)};
    }
    /// True from half the last step beyond an end, as for every other value.
    static NIBBLE_INLINE constexpr bool clips(float x) noexcept {
        constexpr float above = 1.0f + (1.0f - Nf4::ascending[14]) / 2;
        constexpr float below = -1.0f - (Nf4::ascending[1] + 1.0f) / 2;
        return x > above || x < below;
    }
    static NIBBLE_INLINE constexpr Nf4 lowest() noexcept { return {9}; }
    static NIBBLE_INLINE constexpr Nf4 highest() noexcept { return {8}; }
    static NIBBLE_INLINE constexpr std::uint8_t to_bits(Nf4 v) noexcept { return v.code; }
    static NIBBLE_INLINE constexpr Nf4 from_bits(std::uint8_t b) noexcept {
        return {static_cast<std::uint8_t>(b & 0xF)};
    }
};

/// A scale of 2^(code - 127) (OCP MX 1.0). Code 255 is NaN. It obeys every law but zero's, so it is
/// never an element of a tensor: all-zero bits mean 2^-127, and padding with it would add.
struct E8M0 {
    std::uint8_t code = 0;
    friend constexpr bool operator==(E8M0, E8M0) = default;
};

template <>
struct value_traits<E8M0> {
    using compute = float;
    static constexpr int bits = 8;
    static constexpr std::string_view name = "e8m0";
    static NIBBLE_INLINE constexpr float decode(E8M0 v) noexcept {
        if (v.code == 255) return std::numeric_limits<float>::quiet_NaN();
        return v.code == 0 ? 0x1p-127f
                           : std::bit_cast<float>(static_cast<std::uint32_t>(v.code) << 23);
    }
    /// Zero and negative numbers give the smallest scale.
    template <class Rounding>
    static NIBBLE_INLINE constexpr E8M0 encode(float x, Rounding rounding) noexcept {
        if (x != x) return {255};
        if (!(x > 0x1p-127f)) return {0};
        if (x >= 0x1p127f) return {254};
        const std::uint32_t word = std::bit_cast<std::uint32_t>(x);
        std::uint32_t code = word >> 23;  // 0 for the subnormals between 2^-127 and 2^-126
        const std::uint32_t rest = code ? word & 0x7FFFFFu : (word - 0x400000u) << 1;
        if constexpr (std::is_same_v<Rounding, ToNearest>) {
            code += (rest > 0x400000u || (rest == 0x400000u && (code & 1u))) ? 1u : 0u;
        } else {
            code += (rounding.dither >> 9) < rest ? 1u : 0u;
        }
        return {static_cast<std::uint8_t>(code)};
    }
    static NIBBLE_INLINE constexpr bool clips(float x) noexcept {
        return x >= 0x1.8p127f || x < 0x1p-127f;
    }
    static NIBBLE_INLINE constexpr E8M0 lowest() noexcept { return {0}; }
    static NIBBLE_INLINE constexpr E8M0 highest() noexcept { return {254}; }
};

}  // namespace nibble
