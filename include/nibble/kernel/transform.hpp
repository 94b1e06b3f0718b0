// SPDX-License-Identifier: BSL-1.0
// Elementwise kernels from a lambda over registers, and sums in a fixed order.
//
//     transform(on, [](auto x) { return gelu(x); }, y, x);
//     transform(on, [](auto a, auto b) { return a * b; }, y, gate, up);
//
// Works on whole tensors and on blocks of columns; an output may be one of the inputs. The lambda
// also sees padding (zeros) at the ends of rows; what it makes of it is not kept.
#pragma once

#include <nibble/kernel/math.hpp>
#include <nibble/store/error.hpp>
#include <nibble/store/tensor.hpp>
#include <nibble/value/float.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// "[512, 64]"
template <class E>
[[nodiscard]] std::string shape_of(const View<E>& x) {
    return to_string(Shape{x.rows, x.cols});
}

/// Fails unless x is rows x cols.
template <class E>
void expect_shape(const View<E>& x, std::size_t rows, std::size_t cols, const char* where,
                  const char* what) {
    if (x.rows != rows || x.cols != cols)
        fail(std::string(where) + ": " + what + " is " + shape_of(x) + ", expected " +
             to_string(Shape{rows, cols}));
}

/// x with lanes from n on set to zero; n may pass the number of lanes.
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> keep_first(Batch<float, A> x, std::size_t n) noexcept {
    using F = Batch<float, A>;
    return select(F::iota(0.0f) < F(static_cast<float>(n)), x, F(0.0f));
}

/// The n > 0 elements from p on, or a register of them; zeros after them. `wide` says that the row
/// owns its padding.
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> load_part(const float* p, std::size_t n,
                                                      bool wide) noexcept {
    using F = Batch<float, A>;
    return wide || n >= F::lanes ? F::load(p) : F::load_first(p, n);
}

/// Writes the first n > 0 lanes; the rest become zeros where the row owns its padding.
template <class A>
NIBBLE_INLINE void store_part(Batch<float, A> x, float* p, std::size_t n, bool wide) noexcept {
    if (n >= Batch<float, A>::lanes) x.store(p);
    else if (wide) keep_first(x, n).store(p);
    else x.store_first(p, n);
}

/// Zeros behind the last column of a row that owns its padding. Touches nothing before it, since
/// another thread may be writing the last columns (a head's, say) at the same time.
template <class A>
NIBBLE_INLINE void clear_padding(View<float> x, std::size_t row) noexcept {
    using F = Batch<float, A>;
    if (!x.wide() || x.cols % row_elements == 0) return;
    float* p = x.row(row);
    std::size_t i = x.cols;
    for (; i % F::lanes != 0; ++i) p[i] = 0.0f;
    for (; i < padded(x.cols); i += F::lanes) F(0.0f).store(p + i);
}

/// Calls f(row, first, end) on runs of columns that cover rows x cols, split among the threads at
/// multiples of 64 columns when there is enough to do: `cost` is 1 for an addition, more for more.
template <class A, class F>
void for_each_run(const BasicHost<A>& on, std::size_t rows, std::size_t cols, std::size_t cost,
                  F&& f) {
    const std::size_t blocks = padded(cols) / row_elements;
    const std::size_t grain = 512 / cost + 1;  // 32 k additions: about what waking a thread costs
    on.parallel_for(rows * blocks, grain, [&](std::size_t first, std::size_t end) {
        for (std::size_t b = first; b < end;) {
            const std::size_t row = b / blocks, c = b % blocks;
            const std::size_t n = end - b < blocks - c ? end - b : blocks - c;
            const std::size_t last = (c + n) * row_elements;
            f(row, c * row_elements, last < cols ? last : cols);
            b += n;
        }
    });
}

/// One run of a row: whole registers in place, the rest through a buffer.
template <class A, class F, class... P>
[[gnu::flatten]] void transform_run(F& f, std::size_t n, bool padded_rows, float* out, P... in) {
    using B = Batch<float, A>;
    constexpr std::size_t lanes = B::lanes;
    const std::size_t full = n / lanes * lanes, rest = n - full;
    const std::size_t direct = padded_rows && rest != 0 ? full + lanes : full;
    alignas(64) float tail[sizeof...(P) + 1][lanes];
    // One loop body for both, so that f has one call and melts into it.
    for (int pass = direct != 0 ? 0 : 1; pass < 2; ++pass) {
        if (pass == 1) {
            if (direct >= n) return;
            std::size_t k = 0;
            ((B::load_first(in + full, rest).store(tail[k]), in = tail[k], ++k), ...);
        }
        float* const y = pass == 0 ? out : tail[sizeof...(P)];
        const std::size_t end = pass == 0 ? direct : lanes;
        for (std::size_t i = 0; i < end; i += lanes) B(f(B::load(in + i)...)).store(y + i);
    }
    B::load(tail[sizeof...(P)]).store_first(out + full, rest);
}

/// out = f(in...) element by element; f takes and returns Batch<float, A>.
template <class A, class F, class... In>
    requires(std::convertible_to<const In&, View<const float>> && ...)
void transform(const BasicHost<A>& on, F f, View<float> out, const In&... in) {
    const bool all_wide = out.wide() && (View<const float>(in).wide() && ...);
    (expect_shape(View<const float>(in), out.rows, out.cols, "transform", "an input"), ...);
    for_each_run(on, out.rows, out.cols, 4,
                 [&](std::size_t row, std::size_t first, std::size_t end) {
                     transform_run<A>(f, end - first, all_wide, out.row(row) + first,
                                      View<const float>(in).row(row) + first...);
                     if (end == out.cols) clear_padding<A>(out, row);
                 });
}

/// y += x.
template <class A>
void add_to(const BasicHost<A>& on, View<const float> x, View<float> y) {
    transform(
        on, [](auto a, auto b) { return a + b; }, y, y, x);
}

/// y += a x.
template <class A>
void axpy(const BasicHost<A>& on, float a, View<const float> x, View<float> y) {
    transform(
        on, [a](auto u, auto v) { return fma(decltype(u)(a), v, u); }, y, y, x);
}

/// y *= a.
template <class A>
void scale(const BasicHost<A>& on, float a, View<float> y) {
    transform(
        on, [a](auto u) { return u * decltype(u)(a); }, y, y);
}

/// y[m, n] += b[n]: one row added to each.
template <class A>
void add_row(const BasicHost<A>& on, View<const float> b, View<float> y) {
    expect_shape(b, 1, y.cols, "add_row", "the row");
    const bool all_wide = b.wide() && y.wide();
    auto add = [](auto u, auto v) { return u + v; };
    for_each_run(on, y.rows, y.cols, 1, [&](std::size_t row, std::size_t first, std::size_t end) {
        float* p = y.row(row) + first;
        transform_run<A>(add, end - first, all_wide, p, static_cast<const float*>(p),
                         b.row(0) + first);
        if (end == y.cols) clear_padding<A>(y, row);
    });
}

/// The sum of f(in...) over all elements; f takes and returns Batch<float, A>. Added in float within
/// 4096 neighbours and in double beyond, in an order that no number of threads changes.
template <class A, class F, class First, class... In>
    requires std::convertible_to<const First&, View<const float>>
[[nodiscard]] double sum_of(const BasicHost<A>& on, F f, const First& first_in, const In&... in) {
    using B = Batch<float, A>;
    constexpr std::size_t lanes = B::lanes, run = 4096;
    const View<const float> x = first_in;
    (expect_shape(View<const float>(in), x.rows, x.cols, "sum_of", "an input"), ...);
    const std::size_t runs = (x.cols + run - 1) / run;
    auto parts = Tensor<double>::uninitialized(Shape{x.rows * runs});
    auto add_run = [&](std::size_t n, auto... p) {
        B s0(0.0f), s1(0.0f), s2(0.0f), s3(0.0f);
        for (std::size_t i = 0; i < n; i += lanes) {
            const bool end = n - i < lanes;
            B value = f((end ? B::load_first(p + i, n - i) : B::load(p + i))...);
            if (end) value = keep_first(value, n - i);
            // Four sums take turns, so that one addition need not wait for the last.
            const B next = s0 + value;
            s0 = s1;
            s1 = s2;
            s2 = s3;
            s3 = next;
        }
        return static_cast<double>(reduce_add((s0 + s1) + (s2 + s3)));
    };
    on.parallel_for(x.rows * runs, x.cols < run ? run / (x.cols + 1) + 1 : 1,
                    [&](std::size_t begin, std::size_t end) {
                        for (std::size_t i = begin; i < end; ++i) {
                            const std::size_t row = i / runs, at = i % runs * run;
                            const std::size_t n = x.cols - at < run ? x.cols - at : run;
                            parts.data()[i] =
                                add_run(n, x.row(row) + at, View<const float>(in).row(row) + at...);
                        }
                    });
    double total = 0.0;
    for (std::size_t i = 0; i < x.rows * runs; ++i) total += parts.data()[i];
    return total;
}

/// The sum of all elements.
template <class A>
[[nodiscard]] double sum(const BasicHost<A>& on, View<const float> x) {
    return sum_of(
        on, [](auto u) { return u; }, x);
}

/// The sum of all squares: for norms of gradients.
template <class A>
[[nodiscard]] double sum_of_squares(const BasicHost<A>& on, View<const float> x) {
    return sum_of(
        on, [](auto u) { return u * u; }, x);
}

/// y[n] += sum over m of x[m, n], rows in order: the gradient of a bias. y has one row.
template <class A>
void column_sums(const BasicHost<A>& on, View<const float> x, View<float> y) {
    using B = Batch<float, A>;
    expect_shape(y, 1, x.cols, "column_sums", "the output");
    constexpr std::size_t lanes = B::lanes, across = row_elements / lanes;
    const std::size_t grain = 512 / (x.rows + 1) + 1;
    on.parallel_for(padded(x.cols) / row_elements, grain, [&](std::size_t first, std::size_t end) {
        for (std::size_t c = first * row_elements; c < end * row_elements; c += row_elements) {
            const std::size_t n = x.cols - c;  // columns from here on
            if (n >= row_elements || x.wide()) {
                B sums[across];
                for (std::size_t j = 0; j < across; ++j) sums[j] = B(0.0f);
                for (std::size_t m = 0; m < x.rows; ++m) {
                    const float* p = x.row(m) + c;
#pragma GCC unroll 16
                    for (std::size_t j = 0; j < across; ++j)
                        sums[j] = sums[j] + B::load(p + j * lanes);
                }
                alignas(64) float block[row_elements];
                for (std::size_t j = 0; j < across; ++j) sums[j].store(block + j * lanes);
                float* out = y.row(0) + c;
                for (std::size_t i = 0; i < row_elements && i < n; ++i) out[i] += block[i];
            } else {
                for (std::size_t i = c; i < x.cols; ++i) {
                    float total = 0.0f;
                    for (std::size_t m = 0; m < x.rows; ++m) total += x(m, i);
                    y(0, i) += total;
                }
            }
        }
    });
}

}  // namespace nibble
