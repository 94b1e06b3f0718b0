// SPDX-License-Identifier: BSL-1.0
// Packed<F>: the numbers of F in the order in which the processor's inference kernels read them.
//
// A packed matrix takes the place of the plain one: made once, at load (kernel/pack.hpp), and its
// plain bytes can be had back bit for bit. It is a run of tiles of 16 rows, each read from its first
// byte to its last; everything in it starts on a line of 64 bytes:
//
//     tile  = blocks of runs
//     block = one line of scales, [run][16 rows]      (two runs of half, one of float, four of fp8)
//             one line of offsets, where the format has them
//             the codes of these runs
//     run   = chunks of 32 columns; the last one may be shorter
//
// and in a chunk of c columns (column k of the chunk, row r of the tile):
//
//     8-bit integers    [k / 4][r][k % 4]                code + 128, unsigned
//     4-bit values      [k' / 4][r][k' % 4], k' = k % (c / 2)    the upper half of the columns in the
//                       upper nibbles; integers plus 8, unsigned; fp4 and NF4 their bits
//     2-bit integers    [k' / 4][r][k' % 4], k' = k % (c / 4)    the quarters of the columns from the
//                       lowest bits up; code + 2, unsigned
//     bfloat16          [k / 2][r][k % 2]
//     other values      [k][r]
//
// A run is padded to whole lines and the matrix to whole tiles, with zeros. A per-tensor scale is
// written once for each row. Unsigned codes are what byte dot products want; the kernel takes the
// bias off again through the sum of the activations.
#pragma once

#include <nibble/quant/matrix.hpp>
#include <nibble/store/buffer.hpp>

namespace nibble::inline NIBBLE_ARCH {

template <class F>
inline constexpr bool is_packed = false;

/// The format F, packed for inference. Trainers and files want F itself.
template <Format F>
    requires(!is_packed<F>)
struct Packed {};

template <class F>
inline constexpr bool is_packed<Packed<F>> = true;

template <Format F>
struct format_traits<Packed<F>> : format_traits<F> {
    using Plain = F;
};

template <class P>
struct packed_precision;
template <Format F>
struct packed_precision<F> {
    using type = Packed<F>;
};
template <Format W, Format A, Format C>
struct packed_precision<Mixed<W, A, C>> {
    using type = Mixed<Packed<W>, A, C>;
};
template <class A, class M, class E>
struct packed_precision<PerComponent<A, M, E>> {
    using type =
        PerComponent<typename packed_precision<A>::type, typename packed_precision<M>::type,
                     typename packed_precision<E>::type>;
};
/// The precision P with its weights packed.
template <Precision P>
using packed_t = typename packed_precision<P>::type;

/// What is added to integer codes, in every byte of a word.
template <class V>
inline constexpr std::uint32_t packed_bias = !is_integer_value<V> ? 0u
                                             : bits_v<V> == 8     ? 0x80808080u
                                             : bits_v<V> == 4     ? 0x88888888u
                                                                  : 0xAAAAAAAAu;

/// Where the numbers of a packed matrix lie.
template <Format F>
struct PackedLayout {
    using Traits = format_traits<F>;
    using V = typename Traits::Value;
    static constexpr std::size_t tile_rows = 16;
    static constexpr std::size_t line = 64;
    static constexpr std::size_t chunk = 32;
    static constexpr std::size_t column_bits = tile_rows * static_cast<std::size_t>(bits_v<V>);
    /// Columns that share a line of codes; a column of double takes two lines.
    static constexpr std::size_t line_columns =
        column_bits >= 8 * line ? 1 : 8 * line / column_bits;
    static constexpr std::size_t chunk_bytes = chunk * column_bits / 8;
    /// Runs that share a line of scales.
    static constexpr std::size_t block_runs = line / (tile_rows * sizeof(typename Traits::Scale));
    /// Lines in front of a block: scales, offsets.
    static constexpr std::size_t head = !Traits::scaled ? 0 : Traits::has_offset ? 2 : 1;

    std::size_t rows = 0, cols = 0;
    std::size_t run = 0;        ///< columns that share a scale
    std::size_t runs = 0;       ///< in a row
    std::size_t run_bytes = 0;  ///< codes of a run, sixteen rows
    std::size_t tile_bytes = 0;

    PackedLayout() = default;
    PackedLayout(std::size_t rows_, std::size_t cols_, std::size_t run_) noexcept
        : rows(rows_), cols(cols_), run(run_), runs(run_ == 0 ? 0 : cols_ / run_) {
        run_bytes = padded_columns(run) * column_bits / 8;
        tile_bytes = (runs + block_runs - 1) / block_runs * head * line + runs * run_bytes;
    }
    [[nodiscard]] static constexpr std::size_t padded_columns(std::size_t n) noexcept {
        return (n + line_columns - 1) / line_columns * line_columns;
    }
    [[nodiscard]] std::size_t tiles() const noexcept { return (rows + tile_rows - 1) / tile_rows; }
    /// Columns of the chunk that begins at `first` of a run, padding included.
    [[nodiscard]] std::size_t chunk_columns(std::size_t first) const noexcept {
        return padded_columns(run - first < chunk ? run - first : chunk);
    }
    /// Byte in a tile at which the scales of run g stand for row 0 (offsets: a line further).
    [[nodiscard]] std::size_t scale_at(std::size_t g) const noexcept {
        return g / block_runs * (head * line + block_runs * run_bytes) +
               g % block_runs * tile_rows * sizeof(typename Traits::Scale);
    }
    /// Byte in a tile at which the codes of run g begin.
    [[nodiscard]] std::size_t codes_at(std::size_t g) const noexcept {
        return g / block_runs * (head * line + block_runs * run_bytes) + head * line +
               g % block_runs * run_bytes;
    }

    /// A code's byte in its tile, and its lowest bit there.
    struct Place {
        std::size_t byte;
        unsigned shift;
    };
    [[nodiscard]] Place place(std::size_t r, std::size_t k) const noexcept {
        const std::size_t g = k / run, in_run = k % run, first = in_run / chunk * chunk;
        const std::size_t at = codes_at(g) + first / chunk * chunk_bytes;
        std::size_t column = in_run - first;
        if constexpr (bits_v<V> < 8) {
            const std::size_t part = chunk_columns(first) / (8 / bits_v<V>);
            const auto shift = static_cast<unsigned>(column / part) * unsigned(bits_v<V>);
            column %= part;
            return {at + column / 4 * line + r * 4 + column % 4, shift};
        } else if constexpr (is_integer_value<V> && bits_v<V> == 8) {
            return {at + column / 4 * line + r * 4 + column % 4, 0};
        } else if constexpr (std::is_same_v<V, bfloat16>) {
            return {at + column / 2 * line + r * 4 + column % 2 * 2, 0};
        } else {
            return {at + (column * tile_rows + r) * sizeof(V), 0};
        }
    }
};

/// rows x cols numbers in format F, packed. A new one is all zeros.
template <Format F, class Memory>
class Matrix<Packed<F>, Memory> {
public:
    using Traits = format_traits<F>;
    using Layout = PackedLayout<F>;
    using V = typename Traits::Value;
    using S = typename Traits::Scale;

    Matrix() = default;
    /// When F's group does not divide cols, the group is fitted (see fitted_group and run()).
    Matrix(std::size_t rows, std::size_t cols)
        : layout_(
              rows, cols,
              Traits::granularity == Granularity::group ? fitted_group(cols, Traits::group) : cols),
          bytes_(layout_.tiles() * layout_.tile_bytes) {
        // A code of zero is stored as its bias.
        constexpr unsigned bias = packed_bias<V> & 0xFF;
        if constexpr (bias != 0) {
            for (std::size_t t = 0; t < layout_.tiles(); ++t)
                for (std::size_t g = 0; g < layout_.runs; ++g)
                    std::memset(tile(t) + layout_.codes_at(g), int(bias), layout_.run_bytes);
        }
    }

    [[nodiscard]] std::size_t rows() const noexcept { return layout_.rows; }
    [[nodiscard]] std::size_t cols() const noexcept { return layout_.cols; }
    [[nodiscard]] std::size_t size() const noexcept { return rows() * cols(); }
    [[nodiscard]] bool empty() const noexcept { return size() == 0; }
    [[nodiscard]] Shape shape() const noexcept { return {rows(), cols()}; }
    /// Elements that share a scale; cols without scales.
    [[nodiscard]] std::size_t run() const noexcept { return layout_.run; }
    /// Scales that a row has (a per-tensor scale counts as each row's one).
    [[nodiscard]] std::size_t runs() const noexcept { return layout_.runs; }
    /// Bytes as allocated, padding included.
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_.size(); }
    [[nodiscard]] const Layout& layout() const noexcept { return layout_; }

    /// The first byte of tile t: rows 16 t to 16 t + 16.
    [[nodiscard]] std::uint8_t* tile(std::size_t t) noexcept {
        return bytes_.data() + t * layout_.tile_bytes;
    }
    [[nodiscard]] const std::uint8_t* tile(std::size_t t) const noexcept {
        return bytes_.data() + t * layout_.tile_bytes;
    }

    /// The value at (r, k) without its scale.
    [[nodiscard]] V code(std::size_t r, std::size_t k) const noexcept {
        const auto [byte, shift] = layout_.place(r % Layout::tile_rows, k);
        const std::uint8_t* p = tile(r / Layout::tile_rows) + byte;
        if constexpr (is_integer_value<V>) {
            const unsigned bits = (unsigned{*p} >> shift) & ((1u << bits_v<V>)-1);
            return V(static_cast<int>(bits) - (1 << (bits_v<V> - 1)));
        } else if constexpr (bits_v<V> < 8) {
            return value_traits<V>::from_bits(
                static_cast<std::uint8_t>((unsigned{*p} >> shift) & ((1u << bits_v<V>)-1)));
        } else {
            V v;
            std::memcpy(&v, p, sizeof(V));
            return v;
        }
    }
    /// Scale of the run that element (r, k) lies in; 1 without scales.
    [[nodiscard]] float scale(std::size_t r, std::size_t k) const noexcept {
        if constexpr (!Traits::scaled) return 1.0f;
        else return factor(r, layout_.scale_at(k / run()));
    }
    /// Offset of the run that element (r, k) lies in; 0 for a symmetric format.
    [[nodiscard]] float offset(std::size_t r, std::size_t k) const noexcept {
        if constexpr (!Traits::has_offset) return 0.0f;
        else return factor(r, layout_.scale_at(k / run()) + Layout::line);
    }
    /// The number at (r, k). For tests and reports; kernels decode runs.
    [[nodiscard]] float operator()(std::size_t r, std::size_t k) const noexcept {
        return static_cast<float>(decode(code(r, k))) * scale(r, k) + offset(r, k);
    }

    /// The run-time description of F, with the group that is really used.
    [[nodiscard]] QuantizationSpec spec() const noexcept {
        QuantizationSpec s = spec_of<F>();
        if (s.granularity == Granularity::group) s.group = static_cast<std::uint32_t>(run());
        return s;
    }

private:
    [[nodiscard]] float factor(std::size_t r, std::size_t byte) const noexcept {
        S s;
        std::memcpy(&s, tile(r / Layout::tile_rows) + byte + r % Layout::tile_rows * sizeof(S),
                    sizeof(S));
        return decode(s);
    }

    Layout layout_;
    Buffer<std::uint8_t, Memory> bytes_;
};

}  // namespace nibble
