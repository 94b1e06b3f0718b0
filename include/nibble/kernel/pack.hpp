// SPDX-License-Identifier: BSL-1.0
// Packing a matrix for inference, and getting its plain form back, bit for bit.
//
//     Matrix<Packed<F>> fast = pack(on, std::move(w));     // once, at load; w's memory is given back
//     Matrix<F> again = unpack(on, fast);                  // for files, training, another machine
//
// The layout is in quant/packed.hpp and does not depend on the instruction set.
#pragma once

#include <nibble/kernel/executor.hpp>
#include <nibble/kernel/rows.hpp>
#include <nibble/quant/packed.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// Eight 4-bit codes of a word, one a byte; and back.
[[nodiscard]] NIBBLE_INLINE std::uint64_t spread_nibbles(std::uint64_t x) noexcept {
    x = (x | x << 16) & 0x0000FFFF0000FFFFu;
    x = (x | x << 8) & 0x00FF00FF00FF00FFu;
    return (x | x << 4) & 0x0F0F0F0F0F0F0F0Fu;
}
[[nodiscard]] NIBBLE_INLINE std::uint64_t gather_nibbles(std::uint64_t x) noexcept {
    x &= 0x0F0F0F0F0F0F0F0Fu;
    x = (x | x >> 4) & 0x00FF00FF00FF00FFu;
    x = (x | x >> 8) & 0x0000FFFF0000FFFFu;
    return (x | x >> 16) & 0xFFFFFFFFu;
}
/// Eight 2-bit codes of half a word, one a byte; and back.
[[nodiscard]] NIBBLE_INLINE std::uint64_t spread_crumbs(std::uint64_t x) noexcept {
    x = (x | x << 24) & 0x000000FF000000FFu;
    x = (x | x << 12) & 0x000F000F000F000Fu;
    return (x | x << 6) & 0x0303030303030303u;
}
[[nodiscard]] NIBBLE_INLINE std::uint64_t gather_crumbs(std::uint64_t x) noexcept {
    x &= 0x0303030303030303u;
    x = (x | x >> 6) & 0x000F000F000F000Fu;
    x = (x | x >> 12) & 0x000000FF000000FFu;
    return (x | x >> 24) & 0xFFFFu;
}

/// One row's whole chunk (32 columns, `from` at its first unit) to its places: `to` is the chunk's
/// first byte plus row_offset<V>(r).
template <class V>
NIBBLE_INLINE void pack_chunk(const unit_t<V>* from, std::uint8_t* to) noexcept {
    constexpr std::size_t line = 64;
    constexpr std::uint64_t bias = packed_bias<V> * 0x100000001u;
    if constexpr (bits_v<V> == 4) {
        for (std::size_t j = 0; j < 2; ++j) {
            std::uint32_t low, high;
            std::memcpy(&low, from + 4 * j, 4);
            std::memcpy(&high, from + 8 + 4 * j, 4);
            const std::uint64_t x = (spread_nibbles(low) | spread_nibbles(high) << 4) ^ bias;
            std::memcpy(to + 2 * j * line, &x, 4);
            const std::uint64_t rest = x >> 32;
            std::memcpy(to + (2 * j + 1) * line, &rest, 4);
        }
    } else if constexpr (bits_v<V> == 2) {
        std::uint64_t x = 0;
        for (std::size_t c = 0; c < 4; ++c) {
            std::uint16_t part;
            std::memcpy(&part, from + 2 * c, 2);
            x |= spread_crumbs(part) << (2 * c);
        }
        x ^= bias;
        std::memcpy(to, &x, 4);
        x >>= 32;
        std::memcpy(to + line, &x, 4);
    } else if constexpr ((is_integer_value<V> && bits_v<V> == 8) || std::is_same_v<V, bfloat16>) {
        for (std::size_t j = 0; j < 32 * sizeof(V) / 4; ++j) {
            std::uint32_t x;
            std::memcpy(&x, reinterpret_cast<const std::uint8_t*>(from) + 4 * j, 4);
            x ^= packed_bias<V>;
            std::memcpy(to + j * line, &x, 4);
        }
    } else {
        for (std::size_t k = 0; k < 32; ++k)
            std::memcpy(to + k * 16 * sizeof(V), from + k, sizeof(V));
    }
}

/// The way back: 32 columns of a row.
template <class V>
NIBBLE_INLINE void unpack_chunk(const std::uint8_t* from, unit_t<V>* to) noexcept {
    constexpr std::size_t line = 64;
    constexpr std::uint64_t bias = packed_bias<V> * 0x100000001u;
    const auto pair = [&](std::size_t j) {
        std::uint32_t low, high;
        std::memcpy(&low, from + j * line, 4);
        std::memcpy(&high, from + (j + 1) * line, 4);
        return (low | std::uint64_t{high} << 32) ^ bias;
    };
    if constexpr (bits_v<V> == 4) {
        for (std::size_t j = 0; j < 2; ++j) {
            const std::uint64_t x = pair(2 * j);
            const std::uint64_t low = gather_nibbles(x), high = gather_nibbles(x >> 4);
            std::memcpy(to + 4 * j, &low, 4);
            std::memcpy(to + 8 + 4 * j, &high, 4);
        }
    } else if constexpr (bits_v<V> == 2) {
        const std::uint64_t x = pair(0);
        for (std::size_t c = 0; c < 4; ++c) {
            const std::uint64_t part = gather_crumbs(x >> (2 * c));
            std::memcpy(to + 2 * c, &part, 2);
        }
    } else if constexpr ((is_integer_value<V> && bits_v<V> == 8) || std::is_same_v<V, bfloat16>) {
        for (std::size_t j = 0; j < 32 * sizeof(V) / 4; ++j) {
            std::uint32_t x;
            std::memcpy(&x, from + j * line, 4);
            x ^= packed_bias<V>;
            std::memcpy(reinterpret_cast<std::uint8_t*>(to) + 4 * j, &x, 4);
        }
    } else {
        for (std::size_t k = 0; k < 32; ++k)
            std::memcpy(to + k, from + k * 16 * sizeof(V), sizeof(V));
    }
}

/// Bytes from a chunk's start to what row r has in its first line.
template <class V>
[[nodiscard]] constexpr std::size_t row_offset(std::size_t r) noexcept {
    return r *
           (bits_v<V> <= 4 || is_integer_value<V> || std::is_same_v<V, bfloat16> ? 4 : sizeof(V));
}

/// Rows 16 t to 16 t + 16 of w to a packed tile at `tile`. The places of rows beyond w and of padding
/// are left as they are.
template <Format F, class Memory>
void pack_tile(const Matrix<F, Memory>& w, const PackedLayout<F>& layout, std::size_t t,
               std::uint8_t* tile) noexcept {
    using Traits = format_traits<F>;
    using V = typename Traits::Value;
    using S = typename Traits::Scale;
    constexpr std::size_t height = PackedLayout<F>::tile_rows, chunk = PackedLayout<F>::chunk;
    const std::size_t first = t * height;
    const std::size_t rows = w.rows() - first < height ? w.rows() - first : height;
    const std::size_t units = w.codes().stride() / values_per_unit<V>;
    const unit_t<V>* const codes = w.codes().data() + first * units;
    for (std::size_t g = 0; g < layout.runs; ++g) {
        if constexpr (Traits::scaled) {
            for (std::size_t r = 0; r < rows; ++r) {
                const std::size_t at = (first + r) * w.scale_stride() + g;
                std::uint8_t* const to = tile + layout.scale_at(g) + r * sizeof(S);
                std::memcpy(to, w.scales().data() + at, sizeof(S));
                if constexpr (Traits::has_offset)
                    std::memcpy(to + PackedLayout<F>::line, w.offsets().data() + at, sizeof(S));
            }
        }
        std::uint8_t* to = tile + layout.codes_at(g);
        std::size_t k = 0;
        for (; k + chunk <= layout.run; k += chunk, to += PackedLayout<F>::chunk_bytes)
            for (std::size_t r = 0; r < rows; ++r)
                pack_chunk<V>(codes + r * units + (g * layout.run + k) / values_per_unit<V>,
                              to + row_offset<V>(r));
        for (; k < layout.run; ++k)
            for (std::size_t r = 0; r < rows; ++r) {
                const std::size_t column = g * layout.run + k;
                const auto [byte, shift] = layout.place(r, column);
                const V v = w.codes().row(first + r)[column];
                if constexpr (bits_v<V> < 8) {
                    constexpr unsigned mask = (1u << bits_v<V>)-1;
                    const unsigned bits = value_traits<V>::to_bits(v) ^ (packed_bias<V> & mask);
                    tile[byte] =
                        static_cast<std::uint8_t>((tile[byte] & ~(mask << shift)) | bits << shift);
                } else if constexpr (is_integer_value<V>) {
                    tile[byte] = static_cast<std::uint8_t>(v.code ^ 0x80);
                } else {
                    std::memcpy(tile + byte, &v, sizeof(V));
                }
            }
    }
}

/// w in the order of inference. Give it away (std::move) and its memory is free afterwards.
template <class A, Format F, class Memory>
[[nodiscard]] Matrix<Packed<F>, Memory> pack(const BasicHost<A>& on, Matrix<F, Memory> w) {
    Matrix<Packed<F>, Memory> packed(w.rows(), w.cols());
    const auto& layout = packed.layout();
    on.parallel_for(layout.tiles(), 1 + (std::size_t{1} << 18) / (layout.tile_bytes + 1),
                    [&](std::size_t t0, std::size_t t1) {
                        for (std::size_t t = t0; t < t1; ++t)
                            pack_tile(w, layout, t, packed.tile(t));
                    });
    return packed;
}

/// The plain form of a packed matrix: the same codes, scales and offsets.
template <class A, Format F, class Memory>
[[nodiscard]] Matrix<F, Memory> unpack(const BasicHost<A>& on,
                                       const Matrix<Packed<F>, Memory>& packed) {
    using Traits = format_traits<F>;
    using V = typename Traits::Value;
    using S = typename Traits::Scale;
    using Layout = PackedLayout<F>;
    Matrix<F, Memory> w(packed.rows(), packed.cols());
    const Layout& layout = packed.layout();
    const std::size_t units = w.codes().stride() / values_per_unit<V>;
    on.parallel_for(
        w.rows(), 1 + (std::size_t{1} << 18) / (w.cols() + 1), [&](std::size_t r0, std::size_t r1) {
            for (std::size_t row = r0; row < r1; ++row) {
                const std::uint8_t* const tile = packed.tile(row / Layout::tile_rows);
                const std::size_t r = row % Layout::tile_rows;
                for (std::size_t g = 0; g < layout.runs; ++g) {
                    if constexpr (Traits::scaled) {
                        const std::size_t at = row * w.scale_stride() + g;
                        const std::uint8_t* const from = tile + layout.scale_at(g) + r * sizeof(S);
                        if (w.scale_stride() != 0 || row == 0) {
                            std::memcpy(w.scales().data() + at, from, sizeof(S));
                            if constexpr (Traits::has_offset)
                                std::memcpy(w.offsets().data() + at, from + Layout::line,
                                            sizeof(S));
                        }
                    }
                    const std::uint8_t* from = tile + layout.codes_at(g) + row_offset<V>(r);
                    std::size_t k = 0;
                    for (; k + Layout::chunk <= layout.run; k += Layout::chunk)
                        unpack_chunk<V>(from + k / Layout::chunk * Layout::chunk_bytes,
                                        w.codes().data() + row * units +
                                            (g * layout.run + k) / values_per_unit<V>);
                    for (; k < layout.run; ++k)
                        w.codes().row(row).set(g * layout.run + k,
                                               packed.code(row, g * layout.run + k));
                }
            }
        });
    return w;
}

/// Row r of a packed matrix as floats. `out` has room for the row padded to 64 elements; the padding
/// becomes zero.
template <class A = Isa, Format F, class Memory>
void load_row(const Matrix<Packed<F>, Memory>& w, std::size_t r, float* out) noexcept {
    using V = value_of<F>;
    using B = Batch<float, A>;
    using Layout = PackedLayout<F>;
    const Layout& layout = w.layout();
    const std::uint8_t* const tile = w.tile(r / Layout::tile_rows);
    for (std::size_t g = 0; g < layout.runs; ++g) {
        const B scale(w.scale(r, g * layout.run)), offset(w.offset(r, g * layout.run));
        const std::uint8_t* const from =
            tile + layout.codes_at(g) + row_offset<V>(r % Layout::tile_rows);
        float* const to = out + g * layout.run;
        std::size_t k = 0;
        for (; k + Layout::chunk <= layout.run; k += Layout::chunk) {
            unit_t<V> codes[row_elements / values_per_unit<V>] = {};
            unpack_chunk<V>(from + k / Layout::chunk * Layout::chunk_bytes, codes);
            for (std::size_t i = 0; i < Layout::chunk; i += B::lanes)
                fma(decode_lanes<V, A>(codes, i), scale, offset).store(to + k + i);
        }
        for (; k < layout.run; ++k) {
            // The same multiply-add as above, so that a number does not depend on where it lies.
            float lane[B::lanes];
            const auto code = static_cast<float>(decode(w.code(r, g * layout.run + k)));
            fma(B(code), scale, offset).store(lane);
            to[k] = lane[0];
        }
    }
    for (std::size_t k = w.cols(); k < padded(w.cols()); ++k) out[k] = 0.0f;
}

}  // namespace nibble
