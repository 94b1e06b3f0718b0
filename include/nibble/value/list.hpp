// SPDX-License-Identifier: BSL-1.0
// Every value type in one list: for tests that run over all of them, and for lookup by name.
#pragma once

#include <nibble/value/concept.hpp>
#include <nibble/value/fixed.hpp>
#include <nibble/value/float.hpp>
#include <nibble/value/integer.hpp>
#include <nibble/value/minifloat.hpp>
#include <nibble/value/rounding.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// A list of types, nothing more.
template <class... T>
struct TypeList {
    static constexpr std::size_t size = sizeof...(T);
};

/// The values that compute in float and may be the elements of a tensor.
using FloatValues = TypeList<float, half, bfloat16, fp8_e4m3, fp8_e5m2, fp4_e2m1, Nf4, Int8Value,
                             Int4Value, Int3Value, Int2Value, Ternary>;

/// A run-time name of a value type. The numbers are stored in files: never renumber.
enum class ValueKind : std::uint8_t {
    fp32 = 0,
    fp16 = 1,
    bf16 = 2,
    e4m3 = 3,
    e5m2 = 4,
    e2m1 = 5,
    nf4 = 6,
    e8m0 = 7,
    int8 = 8,
    int4 = 9,
    int2 = 10,
    ternary = 11,
    fp64 = 12,
    int3 = 13,
};

/// Calls f with a default-made value of the type that `kind` names; f is a generic callable.
template <class F>
constexpr decltype(auto) dispatch_value(ValueKind kind, F&& f) {
    switch (kind) {
        case ValueKind::fp16: return f(half{});
        case ValueKind::bf16: return f(bfloat16{});
        case ValueKind::e4m3: return f(fp8_e4m3{});
        case ValueKind::e5m2: return f(fp8_e5m2{});
        case ValueKind::e2m1: return f(fp4_e2m1{});
        case ValueKind::nf4: return f(Nf4{});
        case ValueKind::e8m0: return f(E8M0{});
        case ValueKind::int8: return f(Int8Value{});
        case ValueKind::int4: return f(Int4Value{});
        case ValueKind::int3: return f(Int3Value{});
        case ValueKind::int2: return f(Int2Value{});
        case ValueKind::ternary: return f(Ternary{});
        case ValueKind::fp64: return f(double{});
        case ValueKind::fp32: break;
    }
    return f(float{});
}

/// The run-time name of V; fp32 for a type without one (fixed point). Spelt out, since every format
/// asks and a search through dispatch_value is slow to compile.
template <NeuralValue V>
inline constexpr ValueKind kind_of = ValueKind::fp32;
template <>
inline constexpr ValueKind kind_of<half> = ValueKind::fp16;
template <>
inline constexpr ValueKind kind_of<bfloat16> = ValueKind::bf16;
template <>
inline constexpr ValueKind kind_of<fp8_e4m3> = ValueKind::e4m3;
template <>
inline constexpr ValueKind kind_of<fp8_e5m2> = ValueKind::e5m2;
template <>
inline constexpr ValueKind kind_of<fp4_e2m1> = ValueKind::e2m1;
template <>
inline constexpr ValueKind kind_of<Nf4> = ValueKind::nf4;
template <>
inline constexpr ValueKind kind_of<E8M0> = ValueKind::e8m0;
template <>
inline constexpr ValueKind kind_of<Int8Value> = ValueKind::int8;
template <>
inline constexpr ValueKind kind_of<Int4Value> = ValueKind::int4;
template <>
inline constexpr ValueKind kind_of<Int3Value> = ValueKind::int3;
template <>
inline constexpr ValueKind kind_of<Int2Value> = ValueKind::int2;
template <>
inline constexpr ValueKind kind_of<Ternary> = ValueKind::ternary;
template <>
inline constexpr ValueKind kind_of<double> = ValueKind::fp64;

/// "fp32", "int4", ...: the name the library prints and reads.
[[nodiscard]] constexpr std::string_view name_of(ValueKind kind) noexcept {
    constexpr std::string_view names[] = {"fp32",     "fp16",    "bf16", "fp8_e4m3", "fp8_e5m2",
                                          "fp4_e2m1", "nf4",     "e8m0", "int8",     "int4",
                                          "int2",     "ternary", "fp64", "int3"};
    return names[static_cast<std::size_t>(kind)];
}

/// Bits that one element of this kind occupies.
[[nodiscard]] constexpr int bits_of(ValueKind kind) noexcept {
    constexpr int bits[] = {32, 16, 16, 8, 8, 4, 4, 8, 8, 4, 2, 2, 64, 4};
    return bits[static_cast<std::size_t>(kind)];
}

/// Bits that one element of this kind occupies in a file.
[[nodiscard]] constexpr int file_bits_of(ValueKind kind) noexcept {
    return kind == ValueKind::int3 ? 3 : bits_of(kind);
}

}  // namespace nibble
