// SPDX-License-Identifier: BSL-1.0
// Products with a weight matrix in any format, and the two that its backward pass needs.
//
//     matmul             y[m, n]  = sum_k x[m, k] w[n, k]
//     matmul_transposed  dx[m, k] = sum_n dy[m, n] w[n, k]
//     matmul_gradient    dw[n, k] += sum_m dy[m, n] x[m, k]
//     matmul_int8        as matmul, with x quantized on the fly (matmul_int8.hpp)
//
// w has a row for each output. Its numbers are code * scale + offset, in float; the padding of x and
// of w is not read as data. For a few rows of x the weights are decoded in registers and read once;
// from five rows on they are decoded into panels of the tiled product (gemm.hpp). Results are the same
// for any number of threads. The padding of y and dx is left zero.
#pragma once

#include <nibble/kernel/matmul_int8.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// A quantized matrix as an operand of gemm: codes to numbers, a register at a time.
template <Format F, class A>
struct CodedSource {
    using B = Batch<float, A>;
    using Traits = format_traits<F>;
    using V = typename Traits::Value;
    /// The runs that a register's lower and upper eight columns lie in.
    struct Place {
        std::size_t run, upper;
    };
    struct Factor {
        B scale, offset;
    };

    const unit_t<V>* codes;
    std::size_t row_units;
    const typename Traits::Scale* scales;
    const typename Traits::Scale* offsets;
    std::size_t row_count, col_count, run, scale_stride;
    bool mixed;  ///< a register can lie in two runs: runs of 8, 24, 40 ... on 16 lanes

    explicit CodedSource(const Matrix<F>& w) noexcept
        : codes(w.codes().data()),
          row_units(w.codes().stride() / values_per_unit<V>),
          scales(w.scales().data()),
          offsets(w.offsets().data()),
          row_count(w.rows()),
          col_count(w.cols()),
          run(w.run()),
          scale_stride(w.scale_stride()),
          mixed(w.runs() > 1 && w.run() % B::lanes != 0) {}

    [[nodiscard]] std::size_t rows() const noexcept { return row_count; }
    [[nodiscard]] std::size_t cols() const noexcept { return col_count; }
    /// Columns from a multiple of itself on that share a factor.
    [[nodiscard]] std::size_t span() const noexcept { return mixed ? B::lanes : run; }
    [[nodiscard]] Place place(std::size_t k) const noexcept {
        if constexpr (!Traits::scaled) return {};
        else return {k / run, mixed && k + 8 < col_count ? (k + 8) / run : k / run};
    }
    [[nodiscard]] NIBBLE_INLINE Factor factor(std::size_t r, Place at) const noexcept {
        if constexpr (!Traits::scaled) {
            return {};
        } else {
            const std::size_t row = r * scale_stride;
            Factor f{plane(scales, row, at), B(0.0f)};
            if constexpr (Traits::has_offset) f.offset = plane(offsets, row, at);
            return f;
        }
    }
    /// Elements k .. k + lanes of row r; what lies beyond the row is of no use but finite.
    [[nodiscard]] NIBBLE_INLINE B load(std::size_t r, std::size_t k,
                                       const Factor& f) const noexcept {
        const B x = decode_lanes<V, A>(codes + r * row_units, k);
        if constexpr (!Traits::scaled) return x;
        else if constexpr (Traits::has_offset) return fma(x, f.scale, f.offset);
        else return x * f.scale;
    }

private:
    using S = typename Traits::Scale;
    [[nodiscard]] NIBBLE_INLINE B plane(const S* p, std::size_t row, Place at) const noexcept {
        const B low(decode_one<S, A>(p[row + at.run]));
        if (!mixed) return low;
        const B high(decode_one<S, A>(p[row + at.upper]));
        return select(B::iota(0.0f) < B(8.0f), low, high);
    }
};

/// y[m, n0 .. n1] for M rows of x: each row of w is read once.
template <class A, std::size_t M, class Source>
void dot_rows(const Source& w, View<const float> x, View<float> y, std::size_t n0, std::size_t n1) {
    using B = Batch<float, A>;
    constexpr std::size_t lanes = B::lanes;
    constexpr std::size_t most = GemmShape<A>::many ? 16 : GemmShape<A>::scalar ? 1 : 8;
    constexpr std::size_t R = M >= most ? 1 : most / M < 4 ? most / M : 4;
    const std::size_t whole = w.cols() / lanes * lanes;
    for (std::size_t n = n0; n < n1; n += R) {
        B sum[M * R];
        unroll<M * R>([&](auto i) { sum[i] = B(0.0f); });
        std::size_t row[R];
        unroll<R>([&](auto i) { row[i] = n + i < n1 ? n + i : n1 - 1; });
        using Factor = decltype(w.factor(0, w.place(0)));
        for (std::size_t k = 0; k < whole;) {
            const auto place = w.place(k);
            Factor f[R];
            unroll<R>([&](auto i) { f[i] = w.factor(row[i], place); });
            const std::size_t end = whole - k < w.span() ? whole : k + w.span();
            for (; k < end; k += lanes) {
                B v[R];
                unroll<R>([&](auto i) { v[i] = w.load(row[i], k, f[i]); });
                unroll<M>([&](auto m) {
                    const B a = B::load(x.data + m * x.stride + k);
                    unroll<R>([&](auto i) { sum[m * R + i] = fma(a, v[i], sum[m * R + i]); });
                });
            }
        }
        if (whole < w.cols()) {
            const auto place = w.place(whole);
            unroll<M>([&](auto m) {
                const B a = B::load_first(x.data + m * x.stride + whole, w.cols() - whole);
                unroll<R>([&](auto i) {
                    const B v = w.load(row[i], whole, w.factor(row[i], place));
                    sum[m * R + i] = fma(a, v, sum[m * R + i]);
                });
            });
        }
        unroll<M>([&](auto m) {
            unroll<R>([&](auto i) {
                if (n + i < n1) y.data[m * y.stride + n + i] = reduce_add(sum[m * R + i]);
            });
        });
    }
}

template <class A, class Source, class E>
void matmul_source(const BasicHost<A>& on, const Source& w, View<const float> x, View<float> y,
                   const E& epilogue) {
    expect_shape("matmul", "x", x.rows, x.cols, x.rows, w.cols());
    expect_shape("matmul", "y", y.rows, y.cols, x.rows, w.rows());
    constexpr std::size_t few = 4;
    if (x.rows > few || w.cols() == 0) {
        const RowsOf<Source> rows{w};
        return gemm<MultiplyAdd<A>>(on, LeftRows<A>{x}, PlainRight<A, RowsOf<Source>>{rows}, y,
                                    w.cols(), false, epilogue);
    }
    if (y.empty()) return;
    constexpr bool plain = std::is_same_v<E, AsIs>;
    // Sums come one by one here: registers of them are made in memory for the epilogue.
    Tensor<float> made;
    if constexpr (!plain) made = Tensor<float>::uninitialized(Shape{y.rows, y.cols});
    const View<float> sums = plain ? y : made.view();
    const std::size_t grain = row_elements * (1 + (std::size_t{1} << 13) / w.cols());
    on.parallel_for(w.rows(), grain, [&](std::size_t n0, std::size_t n1) {
        std::size_t m = 0;
        const auto step = [&]<std::size_t M>(std::integral_constant<std::size_t, M>) {
            if (x.rows - m < M) return;
            dot_rows<A, M>(w, x.row_block(m, M), sums.row_block(m, M), n0, n1);
            m += M;
        };
        step(std::integral_constant<std::size_t, 4>{});
        step(std::integral_constant<std::size_t, 2>{});
        step(std::integral_constant<std::size_t, 1>{});
        if constexpr (!plain)
            for (m = 0; m < y.rows; ++m)
                for (std::size_t n = n0; n < n1; n += Batch<float, A>::lanes)
                    finish<A>(epilogue, load_outputs<A>(sums, m, n), y, m, n);
    });
    if constexpr (!stores_outputs<E>) clear_padding<A>(y);
}

template <class A, class Source>
void matmul_transposed_source(const BasicHost<A>& on, const Source& w, View<const float> dy,
                              View<float> dx) {
    expect_shape("matmul_transposed", "dy", dy.rows, dy.cols, dy.rows, w.rows());
    expect_shape("matmul_transposed", "dx", dx.rows, dx.cols, dy.rows, w.cols());
    const ColumnsOf<Source> columns{w};
    gemm<MultiplyAdd<A>>(on, LeftRows<A>{dy}, PlainRight<A, ColumnsOf<Source>>{columns}, dx,
                         w.rows(), false);
}

/// y = x w^T, then the epilogue (epilogue.hpp). Fails when the shapes do not match.
template <class A, class E = AsIs>
    requires EpilogueOn<E, A>
void matmul(const BasicHost<A>& on, View<const float> w, View<const float> x, View<float> y,
            const E& epilogue = {}) {
    matmul_source(on, FloatSource<A>{w}, x, y, epilogue);
}
template <class A, Format F, class E = AsIs>
    requires EpilogueOn<E, A>
void matmul(const BasicHost<A>& on, const Matrix<F>& w, View<const float> x, View<float> y,
            const E& epilogue = {}) {
    if constexpr (std::is_same_v<F, float>) matmul(on, w.codes().view(), x, y, epilogue);
    else matmul_source(on, CodedSource<F, A>(w), x, y, epilogue);
}

/// dx = dy w. Fails when the shapes do not match.
template <class A>
void matmul_transposed(const BasicHost<A>& on, View<const float> w, View<const float> dy,
                       View<float> dx) {
    matmul_transposed_source(on, FloatSource<A>{w}, dy, dx);
}
template <class A, Format F>
void matmul_transposed(const BasicHost<A>& on, const Matrix<F>& w, View<const float> dy,
                       View<float> dx) {
    if constexpr (std::is_same_v<F, float>) matmul_transposed(on, w.codes().view(), dy, dx);
    else matmul_transposed_source(on, CodedSource<F, A>(w), dy, dx);
}

/// dw += dy^T x. Fails when the shapes do not match.
template <class A>
void matmul_gradient(const BasicHost<A>& on, View<const float> dy, View<const float> x,
                     View<float> dw) {
    expect_shape("matmul_gradient", "x", x.rows, x.cols, dy.rows, x.cols);
    expect_shape("matmul_gradient", "dw", dw.rows, dw.cols, dy.cols, x.cols);
    const FloatSource<A> source{x};
    const ColumnsOf<FloatSource<A>> columns{source};
    gemm<MultiplyAdd<A>>(on, LeftColumns<A>{dy}, PlainRight<A, ColumnsOf<FloatSource<A>>>{columns},
                         dw, dy.rows, true);
}

}  // namespace nibble
