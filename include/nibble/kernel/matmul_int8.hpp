// SPDX-License-Identifier: BSL-1.0
// The product with integer weights and activations quantized on the fly: sums of int8 products in
// int32, one multiplication by scales a group.
//
//     y[m, n] = sum over groups g of  xs[m, g] * ( ws[n, g] * sum_k q[m, k] code[n, k]
//                                                + wo[n, g] * sum_k q[m, k] )
//
// A group is 32 columns, or the greatest common divisor of 32 and the weights' run, so that one scale
// of x meets one of w. q = x / xs rounded to nearest in [-127, 127], xs = max |x| / 127: the error of
// each x is at most xs / 2. A group with an infinity or a NaN makes its row of y NaN; one whose
// numbers are all below 2^-100 counts as zero. Integer sums are exact and the same on every
// instruction set.
//
// Weights are brought, a register's lanes of rows at a time, into a tile where a register holds four
// columns of each row; a tile then meets all rows of x.
#pragma once

#include <nibble/kernel/dot.hpp>
#include <nibble/kernel/gemm.hpp>
#include <nibble/quant/matrix.hpp>

#include <limits>

namespace nibble::inline NIBBLE_ARCH {

/// The greatest common divisor of a run and 32: the run's lowest one-bit, at most 32.
[[nodiscard]] constexpr std::size_t common_group(std::size_t run) noexcept {
    const std::size_t lowest = run & (~run + 1);
    return lowest < 32 ? lowest : 32;
}

/// Rows of activations in int8: padded with zeros, a scale and a sum of codes for each group.
template <class A>
struct Int8Rows {
    std::size_t group, groups;
    Tensor<Int8Value> codes;
    Tensor<float> scales, sums;

    /// Quantizes x in groups of `group`, a multiple of 8 that divides its columns (or 32).
    Int8Rows(const BasicHost<A>& on, View<const float> x, std::size_t group_)
        : group(group_),
          groups((x.cols + group_ - 1) / group_),
          codes(Tensor<Int8Value>::uninitialized(Shape{x.rows, x.cols})),
          scales(Tensor<float>::uninitialized(Shape{x.rows, groups})),
          sums(Tensor<float>::uninitialized(Shape{x.rows, groups})) {
        on.parallel_for(x.rows, 1 + (std::size_t{1} << 15) / (x.cols + 1),
                        [&](std::size_t first, std::size_t end) {
                            for (std::size_t r = first; r < end; ++r) quantize_row(x, r);
                        });
    }

private:
    using B = Batch<float, A>;

    void quantize_row(View<const float> x, std::size_t r) {
        const float* from = x.data + r * x.stride;
        Int8Value* to = codes.data() + r * codes.stride();
        for (std::size_t g = 0; g < groups; ++g) {
            const std::size_t first = g * group;
            const std::size_t end = first + group < x.cols ? first + group : x.cols;
            B top(0.0f);
            bool finite = true;
            for (std::size_t k = first; k < end; k += B::lanes) {
                const B size = abs(part(from, k, end));
                finite = finite && count(size <= B(std::numeric_limits<float>::max())) == B::lanes;
                top = max(top, size);
            }
            const float most = finite ? reduce_max(top) : 0.0f;
            const bool some = most >= 0x1p-100f;
            const B inverse(some ? 127.0f / most : 0.0f);
            B sum(0.0f);
            for (std::size_t k = first; k < end; k += B::lanes) {
                const B q = finite ? round_nearest(part(from, k, end) * inverse) : B(0.0f);
                sum = sum + q;
                if (k + B::lanes <= end) {
                    encode_lanes<Int8Value, A>(to, k, q);
                } else {
                    Int8Value last[B::lanes];
                    encode_lanes<Int8Value, A>(last, 0, q);
                    for (std::size_t j = 0; k + j < end; ++j) to[k + j] = last[j];
                }
            }
            scales(r, g) = !finite ? NAN : some ? most / 127.0f : 0.0f;
            sums(r, g) = reduce_add(sum);
        }
        for (std::size_t k = x.cols; k < codes.stride(); ++k) to[k] = Int8Value{};
    }
    static NIBBLE_INLINE B part(const float* from, std::size_t k, std::size_t end) noexcept {
        return k + B::lanes <= end ? B::load(from + k) : B::load_first(from + k, end - k);
    }
};

/// Scales and weights of `lanes` rows, ready for the integer loop.
struct Int8Tile {
    const float* words;    ///< [column / 4][lane]: four biased codes
    const float* scales;   ///< [run][lane]
    const float* offsets;  ///< the same, or nullptr
    std::size_t groups_per_run;
    std::int32_t bias;
};

/// y[m + i, lanes of columns] for M rows of x.
template <class A, bool Narrow, std::size_t M>
void int8_tile(const Int8Tile& tile, const Int8Rows<A>& x, std::size_t m, float* y,
               std::size_t y_stride, std::size_t cols) {
    using B = Batch<float, A>;
    using I = Batch<std::int32_t, A>;
    constexpr std::size_t lanes = B::lanes;
    B total[M];
    unroll<M>([&](auto i) { total[i] = B(0.0f); });
    const std::size_t quads = (x.group + 3) / 4, stride = x.codes.stride();
    const Int8Value* codes = x.codes.data() + m * stride;
    const float* xs = x.scales.data() + m * x.scales.stride();
    const float* sums = x.sums.data() + m * x.sums.stride();
    const float* words = tile.words;
    std::size_t run = 0, until = tile.groups_per_run;
    for (std::size_t g = 0; g < x.groups; ++g) {
        if (g == until) {
            ++run;
            until += tile.groups_per_run;
        }
        I sum[M];
        unroll<M>([&](auto i) {
            sum[i] = I(-tile.bias * static_cast<std::int32_t>(sums[i * x.sums.stride() + g]));
        });
        for (std::size_t q = 0; q < quads; ++q, words += lanes) {
            const I w = bit_cast_to<std::int32_t>(B::load(words));
            unroll<M>([&](auto i) {
                std::int32_t four;
                std::memcpy(&four, codes + i * stride + 4 * q, 4);
                sum[i] = dot4<Narrow, A>(sum[i], w, I(four));
            });
        }
        codes += x.group;
        const B scale = B::load(tile.scales + run * lanes);
        unroll<M>([&](auto i) {
            const B s(xs[i * x.scales.stride() + g]);
            total[i] = fma(to_float(sum[i]), scale * s, total[i]);
        });
        if (tile.offsets != nullptr) {
            const B offset = B::load(tile.offsets + run * lanes);
            unroll<M>([&](auto i) {
                const B s(xs[i * x.scales.stride() + g] * sums[i * x.sums.stride() + g]);
                total[i] = fma(offset, s, total[i]);
            });
        }
    }
    unroll<M>([&](auto i) {
        if (cols >= lanes) total[i].store(y + i * y_stride);
        else total[i].store_first(y + i * y_stride, cols);
    });
}

/// words[column / 4][lane] of rows n .. n + lanes, zero codes beyond the matrix.
template <class V, class A>
void pack_int8_tile(const Tensor<V>& codes, std::size_t n, float* words) {
    using B = Batch<float, A>;
    constexpr std::size_t lanes = B::lanes;
    const std::size_t units = codes.stride() / values_per_unit<V>;
    const unit_t<V>* from = codes.data() + n * units;
    const std::size_t rows = codes.rows() - n < lanes ? codes.rows() - n : lanes;
    for (std::size_t k = 0; k < codes.cols(); k += 4 * lanes) {
        B r[lanes];
        if (rows == lanes)
            unroll<lanes>(
                [&](auto i) { r[i] = bit_cast_to<float>(load_biased<V, A>(from + i * units, k)); });
        else
            for (std::size_t i = 0; i < lanes; ++i)
                r[i] =
                    i < rows ? bit_cast_to<float>(load_biased<V, A>(from + i * units, k)) : B(0.0f);
        transpose<A>(r);
        unroll<lanes>([&](auto i) { r[i].store(words + (k / 4 + i) * lanes); });
    }
}

/// Columns n0 .. n1 of y; n0 is a multiple of the lanes.
template <class A, Format F>
void int8_range(const Matrix<F>& w, const Int8Rows<A>& x, View<float> y, std::size_t n0,
                std::size_t n1) {
    using Traits = format_traits<F>;
    using V = typename Traits::Value;
    using S = typename Traits::Scale;
    constexpr std::size_t lanes = Batch<float, A>::lanes;
    constexpr bool narrow = bits_v<V> < 8;
    const std::size_t words = w.codes().stride() / 4 * lanes, factors = w.runs() * lanes;
    auto scratch = Tensor<float>::uninitialized(Shape{words + 2 * factors});
    float *const scales = scratch.data() + words, *const offsets = scales + factors;
    const Int8Tile tile{scratch.data(), scales, Traits::has_offset ? offsets : nullptr,
                        w.run() < x.group ? 1 : (w.run() + x.group - 1) / x.group, code_bias<V>};
    for (std::size_t n = n0; n < n1; n += lanes) {
        pack_int8_tile<V, A>(w.codes(), n, scratch.data());
        for (std::size_t i = 0; i < lanes; ++i) {
            for (std::size_t r = 0; r < w.runs(); ++r) {
                const std::size_t at = (n + i) * w.scale_stride() + r;
                float scale = n + i < w.rows() ? 1.0f : 0.0f, offset = 0.0f;
                if constexpr (Traits::scaled)
                    if (n + i < w.rows()) scale = decode_one<S, A>(w.scales().data()[at]);
                if constexpr (Traits::has_offset)
                    if (n + i < w.rows()) offset = decode_one<S, A>(w.offsets().data()[at]);
                scales[r * lanes + i] = scale;
                offsets[r * lanes + i] = offset;
            }
        }
        std::size_t m = 0;
        const std::size_t cols = n1 - n;
        const auto step = [&]<std::size_t M>(std::integral_constant<std::size_t, M>) {
            for (; m + M <= y.rows; m += M)
                int8_tile<A, narrow, M>(tile, x, m, y.data + m * y.stride + n, y.stride, cols);
        };
        if constexpr (is_avx512<A>) step(std::integral_constant<std::size_t, 8>{});
        step(std::integral_constant<std::size_t, 4>{});
        step(std::integral_constant<std::size_t, 2>{});
        step(std::integral_constant<std::size_t, 1>{});
    }
}

/// y = x w^T with x quantized to int8. Fails when the shapes do not match.
template <class A, Format F>
    requires is_integer_value<value_of<F>>
void matmul_int8(const BasicHost<A>& on, const Matrix<F>& w, View<const float> x, View<float> y) {
    expect_shape("matmul_int8", "x", x.rows, x.cols, x.rows, w.cols());
    expect_shape("matmul_int8", "y", y.rows, y.cols, x.rows, w.rows());
    if (y.empty()) return;
    constexpr std::size_t lanes = Batch<float, A>::lanes;
    const std::size_t group = w.runs() == 1 ? 32 : common_group(w.run());
    const Int8Rows<A> quantized(on, x, group);
    const std::size_t work = (x.rows + 1) * (w.cols() + 1) * lanes;
    on.parallel_for(w.rows(), lanes * (1 + (std::size_t{1} << 22) / work),
                    [&](std::size_t n0, std::size_t n1) { int8_range(w, quantized, y, n0, n1); });
    clear_padding<A>(y);
}

}  // namespace nibble
