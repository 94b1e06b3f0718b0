// SPDX-License-Identifier: BSL-1.0
// Packed storage to registers of floats: a line of 64 bytes, a line of scales.
//
// A line holds 16 rows; a register of fewer lanes takes rows h * lanes on. Instructions for sixteen
// weights beside their share of the load (AVX-512): float none, half 1, bfloat16 1, fp8 5, 8-bit
// integers 2.75 (shift left and right, convert), 4-bit codes 1.9 (shift, look up), 2-bit codes 2.9.
// With AVX2 and 4-bit integers it is 2.9, fp4 and NF4 4.9.
#pragma once

#include <nibble/kernel/codec.hpp>
#include <nibble/kernel/transpose.hpp>
#include <nibble/quant/packed.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// Columns that a line of codes of V holds.
template <class V>
inline constexpr std::size_t packed_columns = PackedLayout<V>::line_columns;
/// Lines that a column takes (double: two).
template <class V>
inline constexpr std::size_t packed_lines =
    PackedLayout<V>::column_bits > 512 ? PackedLayout<V>::column_bits / 512 : 1;
/// True for codes below a byte, whose lines hold columns that are not neighbours.
template <class V>
inline constexpr bool packed_parts = bits_v<V> < 8;

/// What a 4-bit field stands for in a packed matrix: integers have 8 added.
template <class V>
struct PackedTable {
    alignas(64) float value[16];
    constexpr PackedTable() noexcept : value{} {
        for (unsigned c = 0; c < 16; ++c) {
            if constexpr (is_integer_value<V>) value[c] = static_cast<float>(int(c) - 8);
            else value[c] = decode(value_traits<V>::from_bits(static_cast<std::uint8_t>(c)));
        }
    }
};
template <class V>
inline constexpr PackedTable<V> packed_table{};

/// Columns of a line of V, for rows h * lanes on: f(p, register) with a constant p = 0, 1, ... For
/// codes below a byte, p counts four columns of the line's first part, four of the second, ...
template <NeuralValue V, class A, class F>
NIBBLE_INLINE void decode_line(const std::uint8_t* line, std::size_t h, F&& f) {
    using B = Batch<float, A>;
    using U = Batch<std::uint32_t, A>;
    using I = Batch<std::int32_t, A>;
    constexpr std::size_t columns = packed_columns<V>;
    if constexpr (is_integer_value<V> || bits_v<V> == 4) {
        constexpr int bits = bits_v<V>;
        const U word = U::load(reinterpret_cast<const std::uint32_t*>(line) + h * B::lanes);
        // Where field p begins: byte p % 4, then the part.
        constexpr auto at = [](std::size_t p) {
            return static_cast<int>(p % 4 * 8 + p / 4 * std::size_t{bits});
        };
#if NIBBLE_SIMD && defined(__AVX2__)
        if constexpr (is_avx<A> && bits == 4 && (is_avx512<A> || !is_integer_value<V>)) {
            unroll<columns>([&](auto p) NIBBLE_INLINE_LAMBDA {
                const U index = p == 0 ? word : word >> at(p);
                f(p, x86::lookup16<A>(packed_table<V>.value, index));
            });
            return;
        }
#endif
        if constexpr (is_integer_value<V>) {
            // The stored bias flips each code's sign bit.
            constexpr std::uint32_t flip = bits == 8   ? 0x80808080u
                                           : bits == 4 ? 0x88888888u
                                                       : 0xAAAAAAAAu;
            const U codes = word ^ U(flip);
            unroll<columns>([&](auto p) NIBBLE_INLINE_LAMBDA {
                constexpr int up = 32 - bits - at(p);
                const U top = up == 0 ? codes : codes << up;
                f(p, to_float(bit_cast_to<std::int32_t>(top) >> (32 - bits)));
            });
        } else {
            unroll<columns>([&](auto p) NIBBLE_INLINE_LAMBDA {
                const I index = bit_cast_to<std::int32_t>((word >> at(p)) & U(15u));
                std::int32_t lane[B::lanes];
                float number[B::lanes];
                index.store(lane);
                for (std::size_t i = 0; i < B::lanes; ++i)
                    number[i] = packed_table<V>.value[lane[i]];
                f(p, B::load(number));
            });
        }
    } else if constexpr (std::is_same_v<V, bfloat16>) {
        const U pairs = U::load(reinterpret_cast<const std::uint32_t*>(line) + h * B::lanes);
        f(std::integral_constant<std::size_t, 0>{}, bit_cast_to<float>(pairs << 16));
        f(std::integral_constant<std::size_t, 1>{}, bit_cast_to<float>(pairs & U(0xFFFF0000u)));
    } else {
#if NIBBLE_SIMD && defined(NIBBLE_HAS_AVX512)
        if constexpr (is_avx512<A> && std::is_same_v<V, fp8_e4m3>) {
            const auto numbers = x86::load_e4m3_line<A>(line);
            unroll<columns>([&](auto p) NIBBLE_INLINE_LAMBDA { f(p, numbers[p]); });
            return;
        }
#endif
        unroll<columns>([&](auto p) NIBBLE_INLINE_LAMBDA {
            const auto* column = reinterpret_cast<const unit_t<V>*>(line) + p * 16;
            f(p, decode_lanes<V, A>(column, h * B::lanes));
        });
    }
}

/// Scales (or offsets) of rows h * lanes on, from a line's part that begins at row 0.
template <ScaleValue S, class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> decode_scales(const std::uint8_t* p,
                                                          std::size_t h) noexcept {
    using B = Batch<float, A>;
    const auto* scales = reinterpret_cast<const S*>(p);
    if constexpr (std::is_same_v<S, E8M0>) {
#if NIBBLE_SIMD && defined(__AVX2__)
        if constexpr (is_avx<A>) {
            using U = Batch<std::uint32_t, A>;
            const U code = x86::load_u8<A>(p + h * B::lanes);
            const U size = select(code == U(0u), U(0x400000u), code << 23);
            return bit_cast_to<float>(select(code == U(255u), U(0x7FC00000u), size));
        }
#endif
        float lane[B::lanes];
        for (std::size_t i = 0; i < B::lanes; ++i) lane[i] = decode(scales[h * B::lanes + i]);
        return B::load(lane);
    } else {
        return decode_lanes<S, A>(scales, h * B::lanes);
    }
}

}  // namespace nibble
