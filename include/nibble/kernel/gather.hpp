// SPDX-License-Identifier: BSL-1.0
// Rows of a matrix in any format by number, as floats (an embedding), and the gradient of that. One row
// alone is load_row (rows.hpp).
#pragma once

#include <nibble/kernel/rows.hpp>
#include <nibble/kernel/transform.hpp>

#include <span>

namespace nibble::inline NIBBLE_ARCH {

/// out row i = row ids[i] of the table. An id outside the table is an Error.
template <class A, Format F>
void gather_rows(const BasicHost<A>& on, const Matrix<F>& table, std::span<const std::int32_t> ids,
                 View<float> out) {
    using B = Batch<float, A>;
    expect_shape(out, ids.size(), table.cols(), "gather_rows", "the output");
    for (std::size_t i = 0; i < ids.size(); ++i)
        if (ids[i] < 0 || static_cast<std::size_t>(ids[i]) >= table.rows())
            fail("gather_rows: id " + std::to_string(i) + " is " + std::to_string(ids[i]) +
                 ", but the table has " + std::to_string(table.rows()) + " rows");
    const std::size_t n = table.cols();
    on.parallel_for(ids.size(), 16384 / (n + 1) + 1, [&](std::size_t first, std::size_t end) {
        Tensor<float> scratch;
        if (!out.wide()) scratch = Tensor<float>::uninitialized(Shape{n});
        for (std::size_t i = first; i < end; ++i) {
            const auto id = static_cast<std::size_t>(ids[i]);
            if (out.wide()) {
                load_row<A>(table, id, out.row(i));
                continue;
            }
            load_row<A>(table, id, scratch.data());
            for (std::size_t c = 0; c < n; c += B::lanes)
                store_part(B::load(scratch.data() + c), out.row(i) + c, n - c, false);
        }
    });
}

/// dtable row ids[i] += dy row i, in the order of i: the gradient of gather_rows. Threads share out
/// columns, not rows, so equal ids add in the same order for any number of them.
template <class A>
void scatter_add_rows(const BasicHost<A>& on, std::span<const std::int32_t> ids,
                      View<const float> dy, View<float> dtable) {
    expect_shape(dy, ids.size(), dtable.cols, "scatter_add_rows", "the gradient");
    for (std::size_t i = 0; i < ids.size(); ++i)
        if (ids[i] < 0 || static_cast<std::size_t>(ids[i]) >= dtable.rows)
            fail("scatter_add_rows: id " + std::to_string(i) + " is " + std::to_string(ids[i]) +
                 ", but the table has " + std::to_string(dtable.rows) + " rows");
    const bool all_wide = dy.wide() && dtable.wide();
    auto add = [](auto a, auto b) { return a + b; };
    on.parallel_for(padded(dtable.cols) / row_elements, 512 / (ids.size() + 1) + 1,
                    [&](std::size_t first, std::size_t end) {
                        const std::size_t c = first * row_elements;
                        const std::size_t last = end * row_elements;
                        const std::size_t n = (last < dtable.cols ? last : dtable.cols) - c;
                        for (std::size_t i = 0; i < ids.size(); ++i) {
                            float* p = dtable.row(static_cast<std::size_t>(ids[i])) + c;
                            transform_run<A>(add, n, all_wide, p, static_cast<const float*>(p),
                                             dy.row(i) + c);
                        }
                    });
}

}  // namespace nibble
