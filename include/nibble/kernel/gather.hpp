// SPDX-License-Identifier: BSL-1.0
// Rows of a matrix in any format as floats: one row, rows by number (an embedding), and the gradient
// of that.
#pragma once

#include <nibble/kernel/codec.hpp>
#include <nibble/kernel/transform.hpp>
#include <nibble/quant/matrix.hpp>

#include <span>

namespace nibble::inline NIBBLE_ARCH {

/// Row r of w as floats. `out` has room for padded(cols); what follows cols becomes zero.
template <class A, Format F>
void decode_row(const Matrix<F>& w, std::size_t r, float* out) noexcept {
    using B = Batch<float, A>;
    using V = value_of<F>;
    using Traits = format_traits<F>;
    constexpr std::size_t lanes = B::lanes;
    const auto* const units = w.codes().row(r).units().data();
    const std::size_t n = w.cols();
    if constexpr (!Traits::scaled) {
        for (std::size_t i = 0; i < n; i += lanes) decode_lanes<V, A>(units, i).store(out + i);
    } else {
        const std::size_t run = w.run(), first = r * w.scale_stride();
        auto scale = [&](std::size_t k) { return decode(w.scales().data()[first + k]); };
        auto offset = [&]([[maybe_unused]] std::size_t k) {
            if constexpr (Traits::has_offset) return decode(w.offsets().data()[first + k]);
            else return 0.0f;
        };
        if (w.runs() == 1 || run % lanes == 0) {
            for (std::size_t k = 0; k < w.runs(); ++k) {
                const B by(scale(k));
                [[maybe_unused]] const B plus(offset(k));
                const std::size_t end = (k + 1) * run < n ? (k + 1) * run : n;
                for (std::size_t i = k * run; i < end; i += lanes) {
                    const B code = decode_lanes<V, A>(units, i);
                    if constexpr (Traits::has_offset) fma(code, by, plus).store(out + i);
                    else (code * by).store(out + i);
                }
            }
        } else {  // groups that cut through registers: a multiplier for each element
            for (std::size_t i = 0; i < n; i += lanes) {
                float by[lanes], plus[lanes];
                for (std::size_t j = 0; j < lanes; ++j) {
                    const std::size_t k = (i + j < n ? i + j : n - 1) / run;
                    by[j] = scale(k);
                    plus[j] = offset(k);
                }
                fma(decode_lanes<V, A>(units, i), B::load(by), B::load(plus)).store(out + i);
            }
        }
    }
    clear_padding<A>(View<float>{out, 1, n, padded(n)}, 0);
}

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
                decode_row<A>(table, id, out.row(i));
                continue;
            }
            decode_row<A>(table, id, scratch.data());
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
