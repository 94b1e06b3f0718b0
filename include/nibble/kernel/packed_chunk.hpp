// SPDX-License-Identifier: BSL-1.0
// A chunk of packed integer weights (32 columns of a register of rows) with rows of int8 activations:
// what the integer products are made of.
#pragma once

#include <nibble/kernel/code_dot.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// Word j (four columns) of a packed line, part h of its bytes, ready for dot products; p is the line
/// at the register's first row.
template <class V, class A>
[[nodiscard]] NIBBLE_INLINE typename CodeDot<V, A>::Weights packed_word(const std::uint8_t* p,
                                                                        int part) noexcept {
    using U = Batch<std::uint32_t, A>;
    const U bytes = U::load(reinterpret_cast<const std::uint32_t*>(p));
    if constexpr (bits_v<V> == 8) {
        return CodeDot<V, A>::prepare(bytes);
    } else {
        constexpr auto mask = static_cast<std::uint32_t>((1 << bits_v<V>)-1) * 0x01010101u;
        return CodeDot<V, A>::prepare((part == 0 ? bytes : bytes >> (part * bits_v<V>)) & U(mask));
    }
}

/// The scales (or offsets) of a register's rows.
template <class S, class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> packed_factors(const S* p, std::size_t row) noexcept {
    if constexpr (std::is_same_v<S, E8M0>) {
        float lane[Batch<float, A>::lanes];
        for (std::size_t i = 0; i < Batch<float, A>::lanes; ++i) lane[i] = decode(p[row + i]);
        return Batch<float, A>::load(lane);
    } else {
        return decode_lanes<S, A>(p, row);
    }
}

/// A register of rows of a whole chunk: word k / 4 at w[k / 4].
template <class V, class A>
NIBBLE_INLINE void take_chunk(const std::uint8_t* p,
                              typename CodeDot<V, A>::Weights (&w)[8]) noexcept {
    constexpr std::size_t lines = std::size_t(bits_v<V>);
    unroll<8 / lines>([&](auto h) NIBBLE_INLINE_LAMBDA {
        unroll<lines>([&](auto j) NIBBLE_INLINE_LAMBDA {
            w[h * lines + j] = packed_word<V, A>(p + j * 64, int(h));
        });
    });
}

/// begin + the products of a whole chunk with one row of x.
template <class V, class A>
[[nodiscard]] NIBBLE_INLINE Batch<std::int32_t, A> whole_chunk(
    const typename CodeDot<V, A>::Weights (&w)[8], const std::int8_t* x,
    Batch<std::int32_t, A> begin) noexcept {
    auto sum = CodeDot<V, A>::start(begin);
    unroll<8>([&](auto j)
                  NIBBLE_INLINE_LAMBDA { sum = CodeDot<V, A>::step(sum, w[j], x + 4 * j); });
    return CodeDot<V, A>::finish(sum, begin);
}

/// Rows of x whose dot products alternate, so that one's latency hides behind the others'.
template <class V, class A, std::size_t Rows>
inline constexpr std::size_t rows_together = Rows == 0 || !CodeDot<V, A>::direct ? 1
                                             : Rows == 16                        ? 8
                                             : Rows == 12                        ? 6
                                                                                 : Rows;

/// sums[i] += the products of the whole chunk at p with row i of Rows rows of x, a word at a time: as
/// many chains of dot products in flight as there are rows.
template <class V, std::size_t Rows, class A>
NIBBLE_INLINE void chunk_rows(const std::uint8_t* p, const std::int8_t* x,
                              Batch<std::int32_t, A>* sums) noexcept {
    constexpr std::size_t lines = std::size_t(bits_v<V>);
    unroll<lines>([&](auto j) NIBBLE_INLINE_LAMBDA {
        unroll<8 / lines>([&](auto h) NIBBLE_INLINE_LAMBDA {
            const auto w = packed_word<V, A>(p + j * 64, int(h));
            unroll<Rows>([&](auto i) NIBBLE_INLINE_LAMBDA {
                sums[i] = CodeDot<V, A>::step(sums[i], w, x + i * 32 + 4 * (h * lines + j));
            });
        });
    });
}

/// begin + the products of a chunk of fewer than 32 columns with one row of x.
template <class V, class A>
[[nodiscard]] NIBBLE_INLINE Batch<std::int32_t, A> short_chunk(
    const std::uint8_t* p, std::size_t lines, const std::int8_t* x,
    Batch<std::int32_t, A> begin) noexcept {
    using Dot = CodeDot<V, A>;
    auto sum = Dot::start(begin);
    for (std::size_t h = 0; h < 8 / std::size_t(bits_v<V>); ++h)
        for (std::size_t j = 0; j < lines; ++j)
            sum = Dot::step(sum, packed_word<V, A>(p + j * 64, int(h)), x + 4 * (h * lines + j));
    return Dot::finish(sum, begin);
}

}  // namespace nibble
