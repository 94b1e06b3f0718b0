// SPDX-License-Identifier: BSL-1.0
// The float matrix product that all of matmul.hpp runs through.
//
//     c[i, j] (+)= sum_k left(i, k) * right(j, k)
//
// An operand says where (i, k) lies: RowsOf when i is a row of its matrix and k a column, ColumnsOf
// when it is the other way round. The right operand is brought, `depth_block` values of k at a time,
// into a panel of a few registers' width that stays in the first cache; quantized weights are decoded
// there, once. A tile of rows x registers of accumulators then walks down the panel (Goto and van de
// Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008).
//
// Each output is one chain of fma over k in ascending order, cut at the same multiples of k whatever
// the number of threads: results do not depend on it.
#pragma once

#include <nibble/kernel/transpose.hpp>
#include <nibble/store/error.hpp>
#include <nibble/store/tensor.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// Fails unless a matrix has the expected shape: "matmul: y is [4, 3], expected [4, 5]".
inline void expect_shape(const char* where, const char* what, std::size_t rows, std::size_t cols,
                         std::size_t expected_rows, std::size_t expected_cols) {
    if (rows != expected_rows || cols != expected_cols)
        fail(std::string(where) + ": " + what + " is " + to_string(Shape{rows, cols}) +
             ", expected " + to_string(Shape{expected_rows, expected_cols}));
}

/// The register tile: as many accumulators as leave room for a row of the panel.
template <class A>
struct GemmShape {
    static constexpr std::size_t lanes = Batch<float, A>::lanes;
    static constexpr bool many = is_avx512<A> || std::is_same_v<A, isa::Neon>;  // 32 registers
    static constexpr bool scalar = std::is_same_v<A, isa::Scalar>;
    static constexpr std::size_t rows = scalar ? 2 : many ? 8 : 6;
    static constexpr std::size_t registers = scalar ? 1 : 2;
    static constexpr std::size_t panel = registers * lanes;
    static constexpr std::size_t depth_block = 256;
};

/// i runs over rows of `matrix`, k over its columns.
template <class Matrix>
struct RowsOf {
    const Matrix& matrix;
};
/// i runs over columns, k over rows.
template <class Matrix>
struct ColumnsOf {
    const Matrix& matrix;
};

/// A float matrix as an operand.
template <class A>
struct FloatSource {
    using B = Batch<float, A>;
    View<const float> view;

    [[nodiscard]] std::size_t rows() const noexcept { return view.rows; }
    [[nodiscard]] std::size_t cols() const noexcept { return view.cols; }
    /// Where the scales of column k lie, how many columns share them, and what they are: nothing.
    struct Place {};
    struct Factor {};
    [[nodiscard]] Place place(std::size_t) const noexcept { return {}; }
    [[nodiscard]] std::size_t span() const noexcept { return view.cols; }
    [[nodiscard]] NIBBLE_INLINE Factor factor(std::size_t, Place) const noexcept { return {}; }
    /// Elements k .. k + lanes of row r, zeros beyond the row.
    [[nodiscard]] NIBBLE_INLINE B load(std::size_t r, std::size_t k, Factor) const noexcept {
        const float* p = view.data + r * view.stride + k;
        return k + B::lanes <= view.cols ? B::load(p) : B::load_first(p, view.cols - k);
    }
};

/// panel[k * width + j] = source(first + j, depth + k) for k < n and j < width, zeros beyond the rows.
template <class A, class Source>
void pack_panel(RowsOf<Source> from, std::size_t first, std::size_t depth, std::size_t n,
                float* panel) {
    using B = Batch<float, A>;
    constexpr std::size_t lanes = B::lanes, width = GemmShape<A>::panel;
    const Source& source = from.matrix;
    for (std::size_t k = 0; k < n; k += lanes) {
        const auto place = source.place(depth + k);
        for (std::size_t j = 0; j < width; j += lanes) {
            B r[lanes];
            const std::size_t row = first + j;
            if (row + lanes <= source.rows()) {
                unroll<lanes>([&](auto i) {
                    r[i] = source.load(row + i, depth + k, source.factor(row + i, place));
                });
            } else {
                for (std::size_t i = 0; i < lanes; ++i)
                    r[i] = row + i < source.rows()
                               ? source.load(row + i, depth + k, source.factor(row + i, place))
                               : B(0.0f);
            }
            transpose<A>(r);
            unroll<lanes>([&](auto i) { r[i].store(panel + (k + i) * width + j); });
        }
    }
}
template <class A, class Source>
void pack_panel(ColumnsOf<Source> from, std::size_t first, std::size_t depth, std::size_t n,
                float* panel) {
    using B = Batch<float, A>;
    constexpr std::size_t lanes = B::lanes, width = GemmShape<A>::panel;
    const Source& source = from.matrix;
    for (std::size_t j = 0; j < width; j += lanes) {
        if (first + j >= source.cols()) {
            for (std::size_t k = 0; k < n; ++k) B(0.0f).store(panel + k * width + j);
            continue;
        }
        const auto place = source.place(first + j);
        for (std::size_t k = 0; k < n; ++k)
            source.load(depth + k, first + j, source.factor(depth + k, place))
                .store(panel + k * width + j);
    }
}

/// Left values of one tile: row i's at data + i * row_step + k * depth_step.
struct LeftTile {
    const float* data;
    std::size_t step;
};

/// c[i, j] (+)= sum over k < n, for Rows rows and Registers registers of columns, of which `cols` are
/// real. Packed: the left values of one k are neighbours; otherwise those of one row are.
template <class A, std::size_t Rows, std::size_t Registers, bool Packed>
void gemm_tile(LeftTile left, const float* panel, std::size_t n, View<float> c, bool add) {
    using B = Batch<float, A>;
    constexpr std::size_t lanes = B::lanes, width = GemmShape<A>::panel;
    B sum[Rows * Registers];
    unroll<Rows * Registers>([&](auto i) { sum[i] = B(0.0f); });
    const float* row[Rows];
    unroll<Rows>([&](auto i) { row[i] = left.data + (Packed ? i : i * left.step); });
    for (std::size_t k = 0; k < n; ++k) {
        B r[Registers];
        unroll<Registers>([&](auto j) { r[j] = B::load(panel + k * width + j * lanes); });
        unroll<Rows>([&](auto i) {
            const B x(Packed ? row[0][k * GemmShape<A>::rows + i] : row[i][k]);
            unroll<Registers>(
                [&](auto j) { sum[i * Registers + j] = fma(x, r[j], sum[i * Registers + j]); });
        });
    }
    if (c.cols >= Registers * lanes) {
        unroll<Rows>([&](auto i) {
            float* out = c.data + i * c.stride;
            unroll<Registers>([&](auto j) {
                const B s = sum[i * Registers + j];
                (add ? B::load(out + j * lanes) + s : s).store(out + j * lanes);
            });
        });
    } else {
        unroll<Rows>([&](auto i) {
            float* out = c.data + i * c.stride;
            unroll<Registers>([&](auto j) {
                if (j * lanes < c.cols) {
                    const std::size_t count =
                        c.cols - j * lanes < lanes ? c.cols - j * lanes : lanes;
                    const B s = sum[i * Registers + j];
                    (add ? B::load_first(out + j * lanes, count) + s : s)
                        .store_first(out + j * lanes, count);
                }
            });
        });
    }
}

/// The tile for a run-time number of rows and columns.
template <class A, bool Packed>
void gemm_tiles(std::size_t rows, LeftTile left, const float* panel, std::size_t n, View<float> c,
                bool add) {
    using G = GemmShape<A>;
    const auto with = [&]<std::size_t Rows>(std::integral_constant<std::size_t, Rows>) {
        if (G::registers > 1 && c.cols <= G::lanes)
            gemm_tile<A, Rows, 1, Packed>(left, panel, n, c, add);
        else gemm_tile<A, Rows, G::registers, Packed>(left, panel, n, c, add);
        left.data += Packed ? Rows : Rows * left.step;
        c.data += Rows * c.stride;
        rows -= Rows;
    };
    if (rows == G::rows) return with(std::integral_constant<std::size_t, G::rows>{});
    if constexpr (G::rows > 4)
        if (rows >= 4) with(std::integral_constant<std::size_t, 4>{});
    if constexpr (G::rows > 2)
        if (rows >= 2) with(std::integral_constant<std::size_t, 2>{});
    if (rows >= 1) with(std::integral_constant<std::size_t, 1>{});
}

/// Zeroes what lies between the columns and the padded width where that is the rows' own.
template <class A>
void clear_padding(View<float> c) {
    if (!c.wide()) return;
    for (std::size_t i = 0; i < c.rows; ++i)
        for (std::size_t j = c.cols; j < padded(c.cols); ++j) c.data[i * c.stride + j] = 0.0f;
}

/// Rows i0 .. i1 and columns j0 .. j1 of the product, on the calling thread.
template <class A, bool LeftIsColumns, class Right>
void gemm_range(View<const float> left, const Right& right, View<float> c, std::size_t depth,
                bool add, std::size_t i0, std::size_t i1, std::size_t j0, std::size_t j1) {
    using G = GemmShape<A>;
    constexpr std::size_t most = G::depth_block;
    // Blocks of nearly equal length, each a whole number of registers.
    const std::size_t blocks = (depth + most - 1) / most;
    const std::size_t block = padded((depth + blocks - 1) / blocks);
    const std::size_t tiles = (i1 - i0 + G::rows - 1) / G::rows;
    const std::size_t panel_size = (block + G::lanes) * G::panel;
    auto scratch = Tensor<float>::uninitialized(
        Shape{panel_size + (LeftIsColumns ? tiles * G::rows * block : 0)});
    float* const panel = scratch.data();
    float* const packed = panel + panel_size;
    for (std::size_t k = 0; k < depth; k += block) {
        const std::size_t n = depth - k < block ? depth - k : block;
        if constexpr (LeftIsColumns) {
            for (std::size_t d = 0; d < n; ++d) {
                const float* from = left.data + (k + d) * left.stride;
                for (std::size_t i = i0; i < i1; i += G::rows) {
                    float* to = packed + (i - i0) * block + d * G::rows;
                    if (i + G::rows <= i1)
                        for (std::size_t r = 0; r < G::rows; ++r) to[r] = from[i + r];
                    else
                        for (std::size_t r = 0; i + r < i1; ++r) to[r] = from[i + r];
                }
            }
        }
        for (std::size_t j = j0; j < j1; j += G::panel) {
            pack_panel<A>(right, j, k, n, panel);
            const std::size_t cols = j1 - j < G::panel ? j1 - j : G::panel;
            for (std::size_t i = i0; i < i1; i += G::rows) {
                const std::size_t rows = i1 - i < G::rows ? i1 - i : G::rows;
                const View<float> out{c.data + i * c.stride + j, rows, cols, c.stride, false};
                if constexpr (LeftIsColumns)
                    gemm_tiles<A, true>(rows, {packed + (i - i0) * block, 0}, panel, n, out,
                                        add || k != 0);
                else
                    gemm_tiles<A, false>(rows, {left.data + i * left.stride + k, left.stride},
                                         panel, n, out, add || k != 0);
            }
        }
    }
}

/// The product, split over threads by columns, or by rows when there are too few columns. With `add`
/// it is added to c.
template <class A, bool LeftIsColumns, class Right>
void gemm(const BasicHost<A>& on, View<const float> left, const Right& right, View<float> c,
          std::size_t depth, bool add) {
    using G = GemmShape<A>;
    if (c.empty()) return;
    if (depth == 0) {
        for (std::size_t i = 0; !add && i < c.rows; ++i)
            for (std::size_t j = 0; j < c.cols; ++j) c.data[i * c.stride + j] = 0.0f;
    } else {
        // Waking a thread pays from about 20 us of work.
        constexpr std::size_t enough = std::size_t{1} << 21;
        const std::size_t panels = (c.cols + G::panel - 1) / G::panel;
        const auto threads = static_cast<std::size_t>(on.threads());
        if (panels >= 2 * threads || c.rows < 2 * G::rows) {
            const std::size_t work = c.rows * depth * G::panel;
            const std::size_t grain = G::panel * (1 + enough / (work + 1));
            on.parallel_for(c.cols, grain, [&](std::size_t j0, std::size_t j1) {
                gemm_range<A, LeftIsColumns>(left, right, c, depth, add, 0, c.rows, j0, j1);
            });
        } else {
            const std::size_t work = c.cols * depth * G::rows;
            const std::size_t grain = G::rows * (1 + enough / (work + 1));
            on.parallel_for(c.rows, grain, [&](std::size_t i0, std::size_t i1) {
                gemm_range<A, LeftIsColumns>(left, right, c, depth, add, i0, i1, 0, c.cols);
            });
        }
    }
    if (!add) clear_padding<A>(c);
}

}  // namespace nibble
