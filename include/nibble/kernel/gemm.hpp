// SPDX-License-Identifier: BSL-1.0
// The float matrix product that all of matmul.hpp runs through.
//
//     c[i, j] (+)= sum_k left(i, k) * right(j, k)
//
// gemm_operands.hpp says where (i, k) lies. Left rows are brought into panels for the second cache; the right
// operand, `depth_block` values of k at a time, into panels for the first. Quantized weights are
// decoded there; packed ones are used where they lie. gemm_tile.hpp has the loop inside.
//
// Each output is one chain of fma over k in ascending order, from zero or from what is added to: how
// the work is cut for caches, rows and threads does not change a bit.
#pragma once

#include <nibble/kernel/executor.hpp>
#include <nibble/kernel/gemm_operands.hpp>
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

/// Zeroes what lies between the columns and the padded width where that is the rows' own.
template <class A>
void clear_padding(View<float> c) {
    if (!c.wide()) return;
    for (std::size_t i = 0; i < c.rows; ++i)
        for (std::size_t j = c.cols; j < padded(c.cols); ++j) c.data[i * c.stride + j] = 0.0f;
}

/// The sums that a tile at the end of the rows of c begins at, brought to whole registers.
template <class A>
[[nodiscard]] TileSums part_of(View<float> c, std::size_t m, std::size_t n, std::size_t rows,
                               std::size_t n1, float* to) {
    constexpr std::size_t width = GemmShape<A>::panel;
    for (std::size_t i = 0; i < rows && i < GemmShape<A>::rows; ++i)
        for (std::size_t j = 0; j < width; ++j)
            to[i * width + j] = n + j < n1 ? c.data[(m + i) * c.stride + n + j] : 0.0f;
    return {to, width, nullptr, 0};
}

/// How a product is cut for the caches.
template <class A>
struct GemmBlocks {
    std::size_t depth;  ///< values of k of one right panel: 32 KiB, for the first cache
    std::size_t rows;   ///< rows of one left panel: for the second cache, and part of the third

    /// A right operand that is decoded pays for every block of rows. Its panels begin at multiples of
    /// `unit` values of k.
    GemmBlocks(std::size_t m, std::size_t k, bool in_place, std::size_t unit) noexcept {
        using G = GemmShape<A>;
        const std::size_t blocks = (k + G::depth_block - 1) / G::depth_block;
        depth = in_place && m <= G::rows ? k : padded((k + blocks - 1) / blocks);
        depth = (depth + unit - 1) / unit * unit;
        const std::size_t most = in_place ? std::size_t{3} << 17 : std::size_t{3} << 19;
        rows = most / k < 64 * G::rows ? most / k / G::rows * G::rows : 64 * G::rows;
        if (rows < 2 * G::rows) rows = 2 * G::rows;
        if (rows > m) rows = m;
    }
};

/// Rows i0 .. i1 and columns j0 .. j1 of the product, on the calling thread.
template <class A, class Step = MultiplyAdd<A>, class Left, class Right, class E>
void gemm_range(const Left& left, const Right& right, View<float> c, std::size_t depth, bool add,
                const E& epilogue, std::size_t i0, std::size_t i1, std::size_t j0, std::size_t j1) {
    using G = GemmShape<A>;
    const GemmBlocks<A> block(i1 - i0, depth, Right::in_place, right.unit());
    const std::size_t left_size = padded(left_panel_size<A>(block.rows, depth));
    const std::size_t sums_size = padded(block.rows * G::panel);
    auto scratch =
        Tensor<float>::uninitialized(Shape{left_size + sums_size + right.scratch(block.depth)});
    float* const packed = scratch.data();
    float* const partial = packed + left_size;
    float* const memory = partial + sums_size;
    const View<float> part = c.col_block(0, j1);
    for (std::size_t m = i0; m < i1; m += block.rows) {
        const std::size_t rows = i1 - m < block.rows ? i1 - m : block.rows;
        const std::size_t tiles = (rows + G::rows - 1) / G::rows * G::rows;
        for (std::size_t k = 0; k < depth; k += block.depth) {
            const std::size_t n = depth - k < block.depth ? depth - k : block.depth;
            left.pack(m, m + rows, k, n, packed + k * tiles);
        }
        for (std::size_t j = j0; j < j1; j += G::panel) {
            const bool whole = j + G::panel <= j1;
            for (std::size_t k = 0; k < depth; k += block.depth) {
                const std::size_t n = depth - k < block.depth ? depth - k : block.depth;
                const RightPanel panel = right.panel(j, k, n, memory);
                const bool more = k + n < depth;
                const Ahead next = more || j + G::panel < j1
                                       ? right.ahead(more ? j : j + G::panel, more ? k + n : 0)
                                       : Ahead();
                for (std::size_t i = 0; i < rows; i += G::rows) {
                    TileSums sums{nullptr, 0, nullptr, 0};
                    if (k != 0) sums = {partial + i * G::panel, G::panel, nullptr, 0};
                    else if (add && whole)
                        sums = {c.data + (m + i) * c.stride + j, c.stride, nullptr, 0};
                    else if (add)
                        sums = part_of<A>(c, m + i, j, rows - i, j1, partial + i * G::panel);
                    if (k + n < depth) {
                        sums.to = partial + i * G::panel;
                        sums.to_step = G::panel;
                    }
                    // The first tiles of a block bring the next one nearer, a line of 16 columns each;
                    // the others what they will add to.
                    Ahead ahead(packed, 0, 0);
                    if (next.address != 0 && rows > G::rows && i < G::panel / G::strip * G::rows) {
                        ahead = next;
                        ahead.address += i / G::rows * right.strip_step() * sizeof(float);
                    } else if (add && k == 0) {
                        ahead = {c.data, (m + i + G::rows) * c.stride + j + i / G::rows % 2 * 16,
                                 c.stride};
                    }
                    gemm_rows<A, Step>(rows - i < G::rows ? rows - i : G::rows,
                                       packed + k * tiles + i * n, panel, n, sums, part, m + i, j,
                                       ahead, epilogue);
                }
            }
        }
    }
}

/// Right panels of a range of columns, made once for many rows of the left operand.
template <class A>
struct MadeRight {
    static constexpr bool in_place = true;
    const float* data;
    std::size_t panel_size, step, first;

    [[nodiscard]] static constexpr std::size_t unit() noexcept { return 1; }
    [[nodiscard]] static constexpr std::size_t scratch(std::size_t) noexcept { return 0; }
    [[nodiscard]] std::size_t strip_step() const noexcept { return step; }
    [[nodiscard]] Ahead ahead(std::size_t j, std::size_t k) const noexcept {
        return {panel(j, k, 0, nullptr).data, 0, GemmShape<A>::strip};
    }
    [[nodiscard]] RightPanel panel(std::size_t j, std::size_t k, std::size_t,
                                   float*) const noexcept {
        using G = GemmShape<A>;
        return {data + (j - first) / G::panel * panel_size + k * G::strip, step};
    }
};

/// gemm_range that makes right panels once for all rows, 8 MiB of them at a time.
template <class A, class Step, class Left, class Right, class E>
void gemm_many(const Left& left, const Right& right, View<float> c, std::size_t depth, bool add,
               const E& epilogue, std::size_t i0, std::size_t i1, std::size_t j0, std::size_t j1) {
    using G = GemmShape<A>;
    const std::size_t size = right.scratch(depth), most = (std::size_t{1} << 21) / size;
    const std::size_t panels = (j1 - j0 + G::panel - 1) / G::panel;
    const std::size_t made = most == 0 ? 1 : most < panels ? most : panels;
    auto memory = Tensor<float>::uninitialized(Shape{made * size});
    for (std::size_t j = j0; j < j1; j += made * G::panel) {
        const std::size_t end = j1 - j < made * G::panel ? j1 : j + made * G::panel;
        std::size_t step = 0;
        for (std::size_t p = j; p < end; p += G::panel)
            step = right.panel(p, 0, depth, memory.data() + (p - j) / G::panel * size).step;
        const MadeRight<A> strips{memory.data(), size, step, j};
        gemm_range<A, Step>(left, strips, c, depth, add, epilogue, i0, i1, j, end);
    }
}

/// The product, split over threads by columns or by rows. With `add` it is added to c.
template <class Step, class A, class Left, class Right, class E = AsIs>
void gemm(const BasicHost<A>& on, const Left& left, const Right& right, View<float> c,
          std::size_t depth, bool add, const E& epilogue = {}) {
    using G = GemmShape<A>;
    if (c.empty()) return;
    if (depth == 0) {
        for (std::size_t i = 0; !add && i < c.rows; ++i)
            for (std::size_t j = 0; j < c.cols; j += G::lanes)
                finish<A>(epilogue, Batch<float, A>(0.0f), c, i, j);
        return;
    }
    // Waking a thread pays from about 20 us of work.
    constexpr std::size_t enough = std::size_t{1} << 21;
    const std::size_t panels = (c.cols + G::panel - 1) / G::panel;
    const auto threads = static_cast<std::size_t>(on.threads());
    // By columns each thread packs the left operand, by rows the right one.
    const auto range = [&](std::size_t i0, std::size_t i1, std::size_t j0, std::size_t j1) {
        // Panels that are made for each call pay for themselves within so many rows.
        constexpr std::size_t many = 16 * G::rows;
        if constexpr (!Right::in_place)
            if (i1 - i0 > many)
                return gemm_many<A, Step>(left, right, c, depth, add, epilogue, i0, i1, j0, j1);
        gemm_range<A, Step>(left, right, c, depth, add, epilogue, i0, i1, j0, j1);
    };
    const bool by_rows = Right::in_place ? c.rows >= 16 * G::rows * threads
                                         : panels < 2 * threads && c.rows >= 2 * G::rows;
    if (by_rows) {
        const std::size_t work = c.cols * depth * G::rows;
        on.parallel_for(c.rows, G::rows * (1 + enough / (work + 1)),
                        [&](std::size_t i0, std::size_t i1) { range(i0, i1, 0, c.cols); });
    } else {
        const std::size_t work = c.rows * depth * G::panel;
        on.parallel_for(c.cols, G::panel * (1 + enough / (work + 1)),
                        [&](std::size_t j0, std::size_t j1) { range(0, c.rows, j0, j1); });
    }
    if constexpr (!stores_outputs<E>)
        if (!add) clear_padding<A>(c);
}

}  // namespace nibble
