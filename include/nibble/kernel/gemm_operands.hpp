// SPDX-License-Identifier: BSL-1.0
// The operands of gemm.hpp: where element (i, k) lies, and how it comes into the panels of a tile.
//
// RowsOf says that i is a row of its matrix and k a column, ColumnsOf that it is the other way round.
// A source of registers of floats stands behind both: float memory, or quantized codes (matmul.hpp).
#pragma once

#include <nibble/kernel/gemm_tile.hpp>
#include <nibble/store/tensor.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// The left operand: i its rows, or its columns. pack(i0, i1, k, n, to) makes left panels of it.
template <class A>
struct LeftRows {
    View<const float> x;
    void pack(std::size_t i0, std::size_t i1, std::size_t k, std::size_t n, float* to) const {
        pack_left_rows<A>(x, i0, i1, k, n, to);
    }
};
template <class A>
struct LeftColumns {
    View<const float> x;
    void pack(std::size_t i0, std::size_t i1, std::size_t k, std::size_t n, float* to) const {
        pack_left_columns<A>(x, i0, i1, k, n, to);
    }
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

/// Right panels of a plain operand: strips of 16 columns, `step` floats apart, from column `first` and
/// value `depth` of k on; zeros beyond the columns. `n` is rounded up to whole registers.
template <class A, class Source>
void pack_panel(RowsOf<Source> from, std::size_t first, std::size_t depth, std::size_t n,
                float* panel, std::size_t step) {
    using B = Batch<float, A>;
    using G = GemmShape<A>;
    constexpr std::size_t lanes = B::lanes;
    const Source& source = from.matrix;
    for (std::size_t k = 0; k < n; k += lanes) {
        const auto place = source.place(depth + k);
        for (std::size_t j = 0; j < G::panel; j += lanes) {
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
            float* const to = panel + j / G::strip * step + j % G::strip + k * G::strip;
            unroll<lanes>([&](auto i) { r[i].store(to + i * G::strip); });
        }
    }
}
template <class A, class Source>
void pack_panel(ColumnsOf<Source> from, std::size_t first, std::size_t depth, std::size_t n,
                float* panel, std::size_t step) {
    using B = Batch<float, A>;
    using G = GemmShape<A>;
    const Source& source = from.matrix;
    for (std::size_t j = 0; j < G::panel; j += B::lanes) {
        float* const to = panel + j / G::strip * step + j % G::strip;
        if (first + j >= source.cols()) {
            for (std::size_t k = 0; k < n; ++k) B(0.0f).store(to + k * G::strip);
            continue;
        }
        const auto place = source.place(first + j);
        [[maybe_unused]] Ahead ahead;
        if constexpr (std::is_same_v<Source, FloatSource<A>>)
            ahead = {source.view.data, (depth + 16) * source.view.stride + first + j,
                     source.view.stride};
        for (std::size_t k = 0; k < n; ++k) {
            // Each row is on another page, where the processor does not look ahead by itself.
            if constexpr (std::is_same_v<Source, FloatSource<A>>) ahead.ask(k);
            source.load(depth + k, first + j, source.factor(depth + k, place))
                .store(to + k * G::strip);
        }
    }
}

/// A plain operand as right panels, made in scratch memory of right_scratch floats.
template <class A, class Operand>
struct PlainRight {
    static constexpr bool in_place = false;
    const Operand& operand;

    [[nodiscard]] static constexpr std::size_t unit() noexcept { return 1; }
    [[nodiscard]] static constexpr std::size_t scratch(std::size_t block) noexcept {
        return (block + GemmShape<A>::lanes) * GemmShape<A>::panel;
    }
    /// Where columns j on begin, value k of k: rows of floats can be asked for early.
    [[nodiscard]] Ahead ahead(std::size_t j, std::size_t k) const noexcept {
        if constexpr (std::is_same_v<Operand, ColumnsOf<FloatSource<A>>>) {
            const View<const float>& x = operand.matrix.view;
            return {x.data, k * x.stride + j, x.stride};
        } else {
            return {};
        }
    }
    [[nodiscard]] static constexpr std::size_t strip_step() noexcept {
        return std::is_same_v<Operand, ColumnsOf<FloatSource<A>>> ? GemmShape<A>::strip : 0;
    }
    /// Columns j on and values k .. k + n of k.
    [[nodiscard]] RightPanel panel(std::size_t j, std::size_t k, std::size_t n,
                                   float* memory) const {
        const std::size_t step = (n + GemmShape<A>::lanes) * GemmShape<A>::strip;
        pack_panel<A>(operand, j, k, n, memory, step);
        return {memory, step};
    }
};

}  // namespace nibble
