// SPDX-License-Identifier: BSL-1.0
// Attention of one query over a cache of keys and values in any format.
//
// Rows of the cache are decoded by registers, sixteen at a time, and used for all heads that share
// them; nothing else of the cache is ever expanded. Runs of 128 positions have a softmax of their own
// and are joined in order (Dao et al. 2023, "flash-decoding"), so threads can share a single query
// and the result does not depend on how many do.
#pragma once

#include <nibble/kernel/rows.hpp>
#include <nibble/kernel/softmax.hpp>
#include <nibble/kernel/tile.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// What attention_decode works on.
struct DecodeShape {
    std::size_t heads = 1;
    std::size_t kv_heads = 1;  ///< divides heads
    std::size_t head_size = 0;
    float scale = 0.0f;  ///< of scores; 0: 1 / sqrt(head_size)

    [[nodiscard]] std::size_t group() const noexcept { return heads / kv_heads; }
};

/// The dot product of n numbers; both sides readable to a whole register, zeros behind one of them.
template <class A>
[[nodiscard]] NIBBLE_INLINE float dot_product(const float* a, const float* b,
                                              std::size_t n) noexcept {
    using B = Batch<float, A>;
    constexpr std::size_t lanes = B::lanes;
    B s0(0.0f), s1(0.0f);
    std::size_t i = 0;
    for (; i + 2 * lanes <= n; i += 2 * lanes) {
        s0 = fma(B::load(a + i), B::load(b + i), s0);
        s1 = fma(B::load(a + i + lanes), B::load(b + i + lanes), s1);
    }
    for (; i < n; i += lanes) s0 = fma(B::load(a + i), B::load(b + i), s0);
    return reduce_add(s0 + s1);
}

/// out = attention of the one row q [1, heads * head_size] over positions [first, length) of the cache:
/// position p lies in row p % rows, so a full cache may be used as a ring. keys and values have
/// kv_heads * head_size columns. A sliding window is first = length - window.
template <class A, Format F>
void attention_decode(const BasicHost<A>& on, const DecodeShape& s, View<const float> q,
                      const Matrix<F>& keys, const Matrix<F>& values, std::size_t first,
                      std::size_t length, View<float> out) {
    using B = Batch<float, A>;
    constexpr std::size_t lanes = B::lanes, tile = 16, run = 128;
    const char* const name = "attention_decode";
    const std::size_t cols = s.kv_heads * s.head_size;
    if (s.kv_heads == 0 || s.heads % s.kv_heads != 0)
        fail(std::string(name) + ": " + std::to_string(s.heads) + " heads are not a multiple of " +
             std::to_string(s.kv_heads) + " key heads");
    expect_shape(q, 1, s.heads * s.head_size, name, "q");
    expect_shape(out, 1, s.heads * s.head_size, name, "the output");
    expect_equal(keys.cols(), cols, name, "the width of the keys");
    expect_equal(values.cols(), cols, name, "the width of the values");
    expect_equal(values.rows(), keys.rows(), name, "the number of rows of values");
    if (first >= length || length - first > keys.rows())
        fail(std::string(name) + ": positions " + std::to_string(first) + " to " +
             std::to_string(length) + " do not fit a cache of " + std::to_string(keys.rows()));

    const std::size_t count = length - first, runs = (count + run - 1) / run;
    const std::size_t width = whole_lanes<A>(s.head_size);
    // For each run: weighted values [heads, width], then the runs' largest scores and their sums.
    auto parts = Tensor<float>::uninitialized(Shape{runs * s.heads * (width + 2)});
    float* const tops = parts.data() + runs * s.heads * width;
    float* const totals = tops + runs * s.heads;
    auto queries = Tensor<float>(Shape{s.heads * width});  // scaled, zeros behind each head
    const float factor =
        s.scale != 0.0f ? s.scale : 1.0f / std::sqrt(static_cast<float>(s.head_size));
    for (std::size_t h = 0; h < s.heads; ++h)
        for (std::size_t d = 0; d < s.head_size; ++d)
            queries.data()[h * width + d] = q.row(0)[h * s.head_size + d] * factor;

    const std::size_t grain = 65536 / (run * s.heads * s.head_size) + 1;
    on.parallel_for(runs, grain, [&](std::size_t first_run, std::size_t end_run) {
        const std::size_t row = padded(cols) + row_elements;  // heads are read in whole registers
        Tensor<float> scratch(Shape{tile * row + s.heads * run});
        float* const rows = scratch.data();
        float* const scores = rows + tile * row;  // [heads, run]
        for (std::size_t r = first_run; r < end_run; ++r) {
            const std::size_t from = first + r * run;
            const std::size_t n = count - r * run < run ? count - r * run : run;
            for (std::size_t j = 0; j < n; ++j) {
                load_row<A>(keys, (from + j) % keys.rows(), rows);
                for (std::size_t h = 0; h < s.heads; ++h)
                    scores[h * run + j] =
                        dot_product<A>(queries.data() + h * width,
                                       rows + h / s.group() * s.head_size, s.head_size);
            }
            float* const sums = parts.data() + r * s.heads * width;
            for (std::size_t h = 0; h < s.heads; ++h) {
                float top = row_max<A>(scores + h * run, n);
                if (!(top > -std::numeric_limits<float>::infinity())) top = 0.0f;
                tops[r * s.heads + h] = top;
                totals[r * s.heads + h] =
                    row_exp<A>(scores + h * run, top, scores + h * run, n, true, true);
            }
            for (std::size_t i = 0; i < s.heads * width; i += lanes) B(0.0f).store(sums + i);
            for (std::size_t j = 0; j < n; j += tile) {
                const std::size_t m = n - j < tile ? n - j : tile;
                for (std::size_t i = 0; i < m; ++i)
                    load_row<A>(values, (from + j + i) % values.rows(), rows + i * row);
                for (std::size_t kv = 0; kv < s.kv_heads; ++kv) {
                    const std::size_t h = kv * s.group();
                    tile_product<A, true>(s.group(), width, m, {scores + h * run + j, run, 1},
                                          rows + kv * s.head_size, row, sums + h * width, width);
                }
            }
        }
    });

    for (std::size_t h = 0; h < s.heads; ++h) {
        float top = tops[h];
        for (std::size_t r = 1; r < runs; ++r)
            top = tops[r * s.heads + h] > top ? tops[r * s.heads + h] : top;
        float* const sums = parts.data() + h * width;  // run 0's place takes the total
        B total(0.0f);
        for (std::size_t r = 0; r < runs; ++r) {
            const B by = exp(B(tops[r * s.heads + h] - top));
            total = fma(by, B(totals[r * s.heads + h]), total);
            const float* const part = parts.data() + (r * s.heads + h) * width;
            for (std::size_t d = 0; d < width; d += lanes) {
                const B before = r == 0 ? B(0.0f) : B::load(sums + d);
                fma(by, B::load(part + d), before).store(sums + d);
            }
        }
        float* const p = out.row(0) + h * s.head_size;
        for (std::size_t d = 0; d < s.head_size; d += lanes)
            store_part(B::load(sums + d) / total, p + d, s.head_size - d, false);
    }
    clear_padding<A>(out, 0);
}

}  // namespace nibble
