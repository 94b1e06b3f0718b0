// SPDX-License-Identifier: BSL-1.0
// The tensor types of GGUF files: their ids, blocks and names.
#pragma once

#include <nibble/version.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>

namespace nibble::inline NIBBLE_ARCH {

/// Tensor types by their number in the file. Rows are cut into blocks, each with its scales.
enum class GgufType : std::uint32_t {
    F32 = 0,
    F16 = 1,
    Q4_0 = 2,
    Q4_1 = 3,
    Q5_0 = 6,
    Q5_1 = 7,
    Q8_0 = 8,
    Q8_1 = 9,
    Q2_K = 10,
    Q3_K = 11,
    Q4_K = 12,
    Q5_K = 13,
    Q6_K = 14,
    Q8_K = 15,
    IQ2_XXS = 16,
    IQ2_XS = 17,
    IQ3_XXS = 18,
    IQ1_S = 19,
    IQ4_NL = 20,
    IQ3_S = 21,
    IQ2_S = 22,
    IQ4_XS = 23,
    I8 = 24,
    I16 = 25,
    I32 = 26,
    I64 = 27,
    F64 = 28,
    IQ1_M = 29,
    BF16 = 30,
    TQ1_0 = 34,
    TQ2_0 = 35,
    MXFP4 = 39,
};

/// What a type is made of.
struct GgufTypeInfo {
    GgufType type;
    std::string_view name;
    unsigned block;  ///< elements in a block
    unsigned bytes;  ///< of a block
    bool read;       ///< to_floats knows it
};
inline constexpr GgufTypeInfo gguf_types[] = {
    {GgufType::F32, "F32", 1, 4, true},
    {GgufType::F16, "F16", 1, 2, true},
    {GgufType::Q4_0, "Q4_0", 32, 18, true},
    {GgufType::Q4_1, "Q4_1", 32, 20, true},
    {GgufType::Q5_0, "Q5_0", 32, 22, true},
    {GgufType::Q5_1, "Q5_1", 32, 24, true},
    {GgufType::Q8_0, "Q8_0", 32, 34, true},
    {GgufType::Q8_1, "Q8_1", 32, 36, true},
    {GgufType::Q2_K, "Q2_K", 256, 84, true},
    {GgufType::Q3_K, "Q3_K", 256, 110, true},
    {GgufType::Q4_K, "Q4_K", 256, 144, true},
    {GgufType::Q5_K, "Q5_K", 256, 176, true},
    {GgufType::Q6_K, "Q6_K", 256, 210, true},
    {GgufType::Q8_K, "Q8_K", 256, 292, true},
    {GgufType::IQ2_XXS, "IQ2_XXS", 256, 66, false},
    {GgufType::IQ2_XS, "IQ2_XS", 256, 74, false},
    {GgufType::IQ3_XXS, "IQ3_XXS", 256, 98, false},
    {GgufType::IQ1_S, "IQ1_S", 256, 50, false},
    {GgufType::IQ4_NL, "IQ4_NL", 32, 18, true},
    {GgufType::IQ3_S, "IQ3_S", 256, 110, false},
    {GgufType::IQ2_S, "IQ2_S", 256, 82, false},
    {GgufType::IQ4_XS, "IQ4_XS", 256, 136, true},
    {GgufType::I8, "I8", 1, 1, true},
    {GgufType::I16, "I16", 1, 2, true},
    {GgufType::I32, "I32", 1, 4, true},
    {GgufType::I64, "I64", 1, 8, true},
    {GgufType::F64, "F64", 1, 8, true},
    {GgufType::IQ1_M, "IQ1_M", 256, 56, false},
    {GgufType::BF16, "BF16", 1, 2, true},
    {GgufType::TQ1_0, "TQ1_0", 256, 54, false},
    {GgufType::TQ2_0, "TQ2_0", 256, 66, false},
    {GgufType::MXFP4, "MXFP4", 32, 17, true},
};

/// What is known of the type with that number; nullptr for a number that is no type, one that was
/// withdrawn (4, 5, 31 to 33, 36 to 38), or one newer than this library.
[[nodiscard]] constexpr const GgufTypeInfo* gguf_type_info(std::uint32_t id) noexcept {
    for (const GgufTypeInfo& info : gguf_types)
        if (static_cast<std::uint32_t>(info.type) == id) return &info;
    return nullptr;
}
[[nodiscard]] constexpr const GgufTypeInfo& info_of(GgufType t) noexcept {
    return *gguf_type_info(static_cast<std::uint32_t>(t));
}
/// "Q4_0", "BF16", ...
[[nodiscard]] constexpr std::string_view name_of(GgufType t) noexcept { return info_of(t).name; }

/// The type of that name in any case ("q4_k"); nothing for a name that is none.
[[nodiscard]] constexpr std::optional<GgufType> gguf_type_named(std::string_view name) noexcept {
    const auto upper = [](char c) {
        return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    };
    for (const GgufTypeInfo& info : gguf_types) {
        bool same = info.name.size() == name.size();
        for (std::size_t i = 0; same && i < name.size(); ++i) same = info.name[i] == upper(name[i]);
        if (same) return info.type;
    }
    return {};
}

/// True for the types in which several elements share a scale.
[[nodiscard]] constexpr bool is_quantized(GgufType t) noexcept { return info_of(t).block > 1; }

/// The types of metadata values by their number in the file.
enum class GgufKind : std::uint32_t {
    u8,
    i8,
    u16,
    i16,
    u32,
    i32,
    f32,
    boolean,
    string,
    array,
    u64,
    i64,
    f64,
};
struct GgufKindInfo {
    std::string_view name;
    unsigned bytes;  ///< the fewest that a value takes
};
inline constexpr GgufKindInfo gguf_kinds[] = {
    {"u8", 1},   {"i8", 1},     {"u16", 2},    {"i16", 2}, {"u32", 4}, {"i32", 4}, {"f32", 4},
    {"bool", 1}, {"string", 8}, {"array", 12}, {"u64", 8}, {"i64", 8}, {"f64", 8},
};
inline constexpr std::uint32_t gguf_kind_count = 13;
[[nodiscard]] constexpr const GgufKindInfo& info_of(GgufKind k) noexcept {
    return gguf_kinds[static_cast<std::size_t>(k)];
}
[[nodiscard]] constexpr std::string_view name_of(GgufKind k) noexcept { return info_of(k).name; }

/// The type of metadata that holds a T: bool, float, double or an integer type.
template <class T>
    requires std::is_arithmetic_v<T>
[[nodiscard]] constexpr GgufKind gguf_kind_of() noexcept {
    constexpr bool s = std::is_signed_v<T>;
    if constexpr (std::is_same_v<T, bool>) return GgufKind::boolean;
    else if constexpr (std::is_same_v<T, float>) return GgufKind::f32;
    else if constexpr (std::is_same_v<T, double>) return GgufKind::f64;
    else if constexpr (sizeof(T) == 1) return s ? GgufKind::i8 : GgufKind::u8;
    else if constexpr (sizeof(T) == 2) return s ? GgufKind::i16 : GgufKind::u16;
    else if constexpr (sizeof(T) == 4) return s ? GgufKind::i32 : GgufKind::u32;
    else return s ? GgufKind::i64 : GgufKind::u64;
}

}  // namespace nibble
