// SPDX-License-Identifier: BSL-1.0
// Many small products of one shape, such as the heads of an attention or the blocks of a block-diagonal
// layer: y[b] = x[b] w[b]^T.
//
// The operands are stacked by rows: matrix b of x is rows b m to (b + 1) m. Threads share the batch; a
// product is one thread's, on the tile of gemm_tile.hpp, with panels in memory that the thread keeps for
// all of its products.
#pragma once

#include <nibble/kernel/gemm.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// y[b] = x[b] w[b]^T for `batch` products, then the epilogue, which counts the rows of all of y. w is
/// batch n rows of k columns, x batch m of k, y batch m of n. Fails when the shapes do not match.
template <class A, class E = AsIs>
    requires EpilogueOn<E, A>
void matmul_batched(const BasicHost<A>& on, std::size_t batch, View<const float> w,
                    View<const float> x, View<float> y, const E& epilogue = {}) {
    using G = GemmShape<A>;
    const std::size_t k = x.cols, n = y.cols, m = batch == 0 ? 0 : y.rows / batch;
    expect_shape("matmul_batched", "y", y.rows, y.cols, batch * m, n);
    expect_shape("matmul_batched", "w", w.rows, w.cols, batch * n, k);
    expect_shape("matmul_batched", "x", x.rows, x.cols, batch * m, k);
    if (y.empty()) return;
    // Waking a thread pays from about 20 us of work; a product is never split.
    const std::size_t work = m * (n + G::panel) * (k + 1);
    const std::size_t grain = 1 + (std::size_t{1} << 19) / work;
    on.parallel_for(batch, grain, [&](std::size_t b0, std::size_t b1) {
        const std::size_t left_size = padded(left_panel_size<A>(m, k));
        const std::size_t step = (k + G::lanes) * G::strip;
        auto scratch =
            Tensor<float>::uninitialized(Shape{left_size + step * (G::panel / G::strip)});
        float* const left = scratch.data();
        float* const panel = left + left_size;
        for (std::size_t b = b0; b < b1; ++b) {
            const FloatSource<A> source{w.row_block(b * n, n)};
            pack_left_rows<A>(x, b * m, b * m + m, 0, k, left);
            for (std::size_t j = 0; j < n; j += G::panel) {
                pack_panel<A>(RowsOf<FloatSource<A>>{source}, j, 0, k, panel, step);
                for (std::size_t i = 0; i < m; i += G::rows)
                    gemm_rows<A, MultiplyAdd<A>>(m - i < G::rows ? m - i : G::rows, left + i * k,
                                                 {panel, step}, k, {nullptr, 0, nullptr, 0}, y,
                                                 b * m + i, j, {left, 0, 0}, epilogue);
            }
        }
    });
    if constexpr (!stores_outputs<E>) clear_padding<A>(y);
}

}  // namespace nibble
