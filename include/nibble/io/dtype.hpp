// SPDX-License-Identifier: BSL-1.0
// The element types of safetensors files, and their conversion to float.
#pragma once

#include <nibble/io/file.hpp>
#include <nibble/value/list.hpp>

#include <optional>
#include <string_view>

namespace nibble::inline NIBBLE_ARCH {

/// Every type name the format knows, in the order in which the reference writer sorts (a later one
/// is written earlier, so that wide elements come first and all are aligned).
enum class DType : std::uint8_t {
    BOOL,
    F4,
    F6_E2M3,
    F6_E3M2,
    U8,
    I8,
    F8_E5M2,
    F8_E4M3,
    F8_E8M0,
    F8_E4M3FNUZ,
    F8_E5M2FNUZ,
    I16,
    U16,
    F16,
    BF16,
    I32,
    U32,
    F32,
    C64,
    F64,
    I64,
    U64,
};

struct DTypeInfo {
    std::string_view name;
    unsigned bits;
};
inline constexpr DTypeInfo dtype_table[] = {
    {"BOOL", 8},        {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},
    {"I8", 8},          {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8},
    {"F8_E5M2FNUZ", 8}, {"I16", 16},    {"U16", 16},    {"F16", 16},    {"BF16", 16},
    {"I32", 32},        {"U32", 32},    {"F32", 32},    {"C64", 64},    {"F64", 64},
    {"I64", 64},        {"U64", 64},
};
inline constexpr std::size_t dtype_count = std::size(dtype_table);

/// "F32", "BF16", ...
[[nodiscard]] constexpr std::string_view name_of(DType t) noexcept {
    return dtype_table[static_cast<std::size_t>(t)].name;
}
/// Bits of one element.
[[nodiscard]] constexpr unsigned bits_of(DType t) noexcept {
    return dtype_table[static_cast<std::size_t>(t)].bits;
}
/// The type of that name; nothing for a name the format does not know.
[[nodiscard]] constexpr std::optional<DType> dtype_named(std::string_view name) noexcept {
    for (std::size_t i = 0; i < dtype_count; ++i)
        if (dtype_table[i].name == name) return static_cast<DType>(i);
    return {};
}
/// True for the floating-point types that to_floats converts: what a model's parameters may be.
[[nodiscard]] constexpr bool is_float(DType t) noexcept {
    return t == DType::F64 || t == DType::F32 || t == DType::F16 || t == DType::BF16 ||
           t == DType::F8_E4M3 || t == DType::F8_E5M2 || t == DType::F8_E4M3FNUZ ||
           t == DType::F8_E5M2FNUZ || t == DType::F8_E8M0;
}

/// An 8-bit float with exponent bias 2^(E-1), no infinity, no -0, and NaN at 0x80 (the FNUZ types).
template <int E, int M>
[[nodiscard]] inline float fnuz_to_float(std::uint8_t code) noexcept {
    if (code == 0x80) return std::numeric_limits<float>::quiet_NaN();
    const unsigned exponent = (code >> M) & ((1u << E) - 1), mantissa = code & ((1u << M) - 1);
    constexpr int bias = 1 << (E - 1);
    // 2^k is exact; the product of it and a small integer too.
    const auto power = [](int k) {
        return std::bit_cast<float>(static_cast<std::uint32_t>(127 + k) << 23);
    };
    const float x = exponent == 0 ? static_cast<float>(mantissa) * power(1 - bias - M)
                                  : static_cast<float>(mantissa + (1u << M)) *
                                        power(static_cast<int>(exponent) - bias - M);
    return code & 0x80 ? -x : x;
}

/// n values of V from their little-endian bytes.
template <class V>
void copy_values(const std::byte* from, std::size_t n, V* to) {
    if constexpr (sizeof(V) == 1 || std::endian::native == std::endian::little) {
        if (n != 0) std::memcpy(to, from, n * sizeof(V));
    } else {
        using Bits =
            std::conditional_t<sizeof(V) == 2, std::uint16_t,
                               std::conditional_t<sizeof(V) == 4, std::uint32_t, std::uint64_t>>;
        for (std::size_t i = 0; i < n; ++i)
            to[i] = std::bit_cast<V>(load_little<Bits>(from + i * sizeof(V)));
    }
}

/// Codes of Bits bits (4 or 6), one after the other, lowest first.
template <class Convert, unsigned Bits>
bool small_floats(const std::byte* from, std::size_t count, float* out, Convert&& convert,
                  std::integral_constant<unsigned, Bits>) {
    const auto byte = [&](std::size_t i) { return std::to_integer<unsigned>(from[i]); };
    for (std::size_t i = 0; i < count; ++i) {
        const std::size_t at = i * Bits / 8, shift = i * Bits % 8;
        unsigned bits = byte(at) >> shift;
        if (shift + Bits > 8) bits |= byte(at + 1) << (8 - shift);
        out[i] = convert(static_cast<std::uint8_t>(bits & ((1u << Bits) - 1)));
    }
    return true;
}

/// `count` elements of type t at `from` (any alignment, little-endian) as floats. Integers beyond
/// 2^24 and doubles are rounded to nearest. Types of 4 and 6 bits are packed lowest bits first, from a
/// whole byte on. False, and nothing written, for C64, which is two numbers.
[[nodiscard]] inline bool to_floats(DType t, const std::byte* from, std::size_t count, float* out) {
    const auto each = [&]<class Bits>(Bits, auto&& convert) {
        for (std::size_t i = 0; i < count; ++i)
            out[i] = convert(load_little<Bits>(from + i * sizeof(Bits)));
        return true;
    };
    constexpr std::uint8_t b8{};
    constexpr std::uint16_t b16{};
    constexpr std::uint32_t b32{};
    constexpr std::uint64_t b64{};
    switch (t) {
        case DType::F32:
            if constexpr (std::endian::native == std::endian::little) {
                if (count != 0) std::memcpy(out, from, count * sizeof(float));
                return true;
            } else {
                return each(b32, [](std::uint32_t x) { return std::bit_cast<float>(x); });
            }
        case DType::F64:
            return each(
                b64, [](std::uint64_t x) { return static_cast<float>(std::bit_cast<double>(x)); });
        case DType::F16:
            return each(b16, [](std::uint16_t x) { return decode(half::from_bits(x)); });
        case DType::BF16:
            return each(b16, [](std::uint16_t x) { return decode(bfloat16::from_bits(x)); });
        case DType::F8_E4M3:
            return each(b8, [](std::uint8_t x) { return decode(fp8_e4m3::from_bits(x)); });
        case DType::F8_E5M2:
            return each(b8, [](std::uint8_t x) { return decode(fp8_e5m2::from_bits(x)); });
        case DType::F8_E8M0: return each(b8, [](std::uint8_t x) { return decode(E8M0{x}); });
        case DType::F8_E4M3FNUZ:
            return each(b8, [](std::uint8_t x) { return fnuz_to_float<4, 3>(x); });
        case DType::F8_E5M2FNUZ:
            return each(b8, [](std::uint8_t x) { return fnuz_to_float<5, 2>(x); });
        case DType::BOOL: return each(b8, [](std::uint8_t x) { return x != 0 ? 1.0f : 0.0f; });
        case DType::U8: return each(b8, [](std::uint8_t x) { return static_cast<float>(x); });
        case DType::I8:
            return each(
                b8, [](std::uint8_t x) { return static_cast<float>(static_cast<std::int8_t>(x)); });
        case DType::U16: return each(b16, [](std::uint16_t x) { return static_cast<float>(x); });
        case DType::I16:
            return each(b16, [](std::uint16_t x) {
                return static_cast<float>(static_cast<std::int16_t>(x));
            });
        case DType::U32: return each(b32, [](std::uint32_t x) { return static_cast<float>(x); });
        case DType::I32:
            return each(b32, [](std::uint32_t x) {
                return static_cast<float>(static_cast<std::int32_t>(x));
            });
        case DType::U64: return each(b64, [](std::uint64_t x) { return static_cast<float>(x); });
        case DType::I64:
            return each(b64, [](std::uint64_t x) {
                return static_cast<float>(static_cast<std::int64_t>(x));
            });
        case DType::F4:
            return small_floats(
                from, count, out, [](std::uint8_t x) { return decode(fp4_e2m1::from_bits(x)); },
                std::integral_constant<unsigned, 4>{});
        case DType::F6_E2M3:
            return small_floats(
                from, count, out,
                [](std::uint8_t x) {
                    using V = SmallFloat<2, 3, Special::none>;
                    return V::decode(V::from_bits(x));
                },
                std::integral_constant<unsigned, 6>{});
        case DType::F6_E3M2:
            return small_floats(
                from, count, out,
                [](std::uint8_t x) {
                    using V = SmallFloat<3, 2, Special::none>;
                    return V::decode(V::from_bits(x));
                },
                std::integral_constant<unsigned, 6>{});
        case DType::C64: break;
    }
    return false;
}

}  // namespace nibble
