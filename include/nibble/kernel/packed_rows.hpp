// SPDX-License-Identifier: BSL-1.0
// Packed weights and a few rows of float activations: weights are read once, as one ascending stream,
// and decoded in registers.
//
//     y[m, n] = sum over runs g of  scale[n, g] * sum_k x[m, k] code[n, k] + offset[n, g] * sum_k x[m, k]
//
// Instructions for sixteen weights: those of packed_line.hpp, and an fma with a broadcast from memory
// for each row of x.
#pragma once

#include <nibble/kernel/gemm_tile.hpp>
#include <nibble/kernel/packed_line.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// Rows of x that this kernel takes at a time, at most: as many as leave their sums in registers. From
/// one row more on, tiles are decoded for the tiled product.
template <class A>
inline constexpr std::size_t packed_few = is_avx512<A> ? 8
                                          : is_avx2<A> ? 2
                                                       : 1;

/// A few rows of activations as the kernel reads them: element (m, k) at data[k * step + m].
struct FewRows {
    /// One row is read where it lies, more as a left panel of the tiled product.
    template <class A, std::size_t M>
    static constexpr std::size_t step = M == 1 ? 1 : GemmShape<A>::rows;

    const float* data;
    const float* sums;  ///< [run][step]: sums of a run's activations; only where there are offsets
};

/// y[m, n .. n + 16] for M rows of x, of which `rows` are stored; tile holds rows n to n + 16 of w.
template <class A, std::size_t M, Format F, class E>
void packed_rows_tile(const std::uint8_t* tile, const PackedLayout<F>& layout, FewRows x,
                      std::size_t rows, View<float> y, std::size_t n, const E& epilogue) {
    using B = Batch<float, A>;
    using Traits = format_traits<F>;
    using V = typename Traits::Value;
    constexpr std::size_t R = 16 / B::lanes, columns = packed_columns<V>;
    // Independent sums, so that an fma need not wait for the one before it.
    constexpr std::size_t sums = M * R;
    constexpr std::size_t chains = !is_avx512<A> && sums >= 4 ? 1 : sums <= 2 ? 4 / sums : 2;
    constexpr std::size_t step = FewRows::step<A, M>;
    constexpr std::size_t per_line = chains < columns ? chains : columns;
    constexpr std::size_t lines = chains / per_line;  // lines a step
    constexpr std::size_t line_bytes = PackedLayout<F>::line * packed_lines<V>;
    B total[M * R];
    unroll<M * R>([&](auto i) NIBBLE_INLINE_LAMBDA { total[i] = B(0.0f); });
    for (std::size_t g = 0; g < layout.runs; ++g) {
        B sum[chains * M * R];
        unroll<chains * M * R>([&](auto i) NIBBLE_INLINE_LAMBDA { sum[i] = B(0.0f); });
        const std::uint8_t* codes = tile + layout.codes_at(g);
        const float* a = x.data + g * layout.run * step;
        const auto take = [&](const std::uint8_t* line, const float* at, std::size_t part,
                              auto chain) NIBBLE_INLINE_LAMBDA {
            unroll<R>([&](auto h) NIBBLE_INLINE_LAMBDA {
                decode_line<V, A>(line, h, [&](auto p, B v) NIBBLE_INLINE_LAMBDA {
                    const float* from =
                        packed_parts<V> ? at + (p / 4 * part + p % 4) * step : at + p * step;
                    constexpr std::size_t s = (chain * per_line + p % per_line) * M * R;
                    unroll<M>([&](auto m) NIBBLE_INLINE_LAMBDA {
                        sum[s + m * R + h] = fma(B(from[m]), v, sum[s + m * R + h]);
                    });
                });
            });
        };
        constexpr std::integral_constant<std::size_t, 0> first{};
        if constexpr (packed_parts<V>) {
            constexpr std::size_t chunk = PackedLayout<F>::chunk;
            for (std::size_t k = 0; k < layout.run; k += chunk, a += chunk * step) {
                const std::size_t part = layout.chunk_columns(k) * std::size_t(bits_v<V>) / 8;
                for (std::size_t j = 0; j < part; j += 4, codes += line_bytes)
                    take(codes, a + j * step, part, first);
            }
        } else {
            std::size_t left = (layout.run + columns - 1) / columns;
            for (; left >= lines; left -= lines) {
                unroll<lines>([&](auto i) NIBBLE_INLINE_LAMBDA {
                    take(codes + i * line_bytes, a + i * columns * step, 0, i);
                });
                codes += lines * line_bytes;
                a += lines * columns * step;
            }
            for (; left != 0; --left, codes += line_bytes, a += columns * step)
                take(codes, a, 0, first);
        }
        unroll<M * R>([&](auto i) NIBBLE_INLINE_LAMBDA {
            unroll<chains - 1>(
                [&](auto c) NIBBLE_INLINE_LAMBDA { sum[i] = sum[i] + sum[(c + 1) * M * R + i]; });
        });
        if constexpr (!Traits::scaled) {
            unroll<M * R>([&](auto i) NIBBLE_INLINE_LAMBDA { total[i] = sum[i]; });
        } else {
            using S = typename Traits::Scale;
            const std::uint8_t* scales = tile + layout.scale_at(g);
            unroll<R>([&](auto h) NIBBLE_INLINE_LAMBDA {
                const B scale = decode_scales<S, A>(scales, h);
                unroll<M>([&](auto m) NIBBLE_INLINE_LAMBDA {
                    total[m * R + h] = fma(scale, sum[m * R + h], total[m * R + h]);
                });
                if constexpr (Traits::has_offset) {
                    const B offset = decode_scales<S, A>(scales + PackedLayout<F>::line, h);
                    unroll<M>([&](auto m) NIBBLE_INLINE_LAMBDA {
                        const B s(x.sums[g * step + m]);
                        total[m * R + h] = fma(offset, s, total[m * R + h]);
                    });
                }
            });
        }
    }
    alignas(64) float finished[M * 16];
    unroll<M * R>([&](auto i) NIBBLE_INLINE_LAMBDA { total[i].store(finished + i * B::lanes); });
    for (std::size_t m = 0; m < rows; ++m)
        for (std::size_t h = 0; h < R && n + h * B::lanes < y.cols; ++h)
            finish<A>(epilogue, B::load(finished + m * 16 + h * B::lanes), y, m, n + h * B::lanes);
}

}  // namespace nibble
