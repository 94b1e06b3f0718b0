// SPDX-License-Identifier: BSL-1.0
// The product of packed integer weights with activations quantized on the fly: sums of bytes in int32,
// one multiplication by scales a span of activations.
//
//     y[m, n] = sum over spans s of  xs[m, s] * ( ws[n, s] * sum_k q[m, k] code[n, k]
//                                               + wo[n, s] * sum_k q[m, k] )
//
//     matmul_int8(on, packed, x, y);                            // a scale for each 32 of x
//     matmul_int8<PerRow<Int8Value>>(on, packed, x, y, AddBias{bias});
//
// Integer sums are exact; spans add up in order, in float: results do not depend on threads, and those
// of different instruction sets differ by nothing but the rounding of a multiply-add. A span of x with
// an infinity or a NaN makes its row of y NaN.
//
// Instructions for a chunk (32 columns of 16 rows, AVX-512 VNNI): 4-bit weights 4 loads and 12 to take
// them apart, then for each row of x 8 dot products with a broadcast from memory, 1 load of the start
// and, once a span, 3 to scale.
#pragma once

#include <nibble/kernel/epilogue.hpp>
#include <nibble/kernel/gemm.hpp>
#include <nibble/kernel/int8_panels.hpp>
#include <nibble/kernel/packed_chunk.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// A block of quantized rows, from its first span on.
struct Int8Block {
    const std::int8_t* codes;    ///< [chunk][room][32]
    const float* scales;         ///< [span][room]
    const float* moments;        ///< [span][room]
    const std::int32_t* starts;  ///< [span][room]
    std::size_t room, span;
};

/// One tile (16 outputs) against a block of x; out(sums, row, first output of the tile's 16) gets each
/// register. With Rows the sums of that many rows stay in registers, a tile is one register wide and
/// runs and spans are whole chunks; with Rows = 0 there are x.room rows and anything may be ragged.
/// Wide: a span may have several chunks.
template <class A, Format F, std::size_t Rows, bool Wide, class Out>
void int8_tile(const std::uint8_t* p, const PackedLayout<F>& layout, Int8Block x, Out&& out) {
    using Traits = format_traits<F>;
    using V = typename Traits::Value;
    using S = typename Traits::Scale;
    using Layout = PackedLayout<F>;
    using Dot = CodeDot<V, A>;
    using B = Batch<float, A>;
    using I = Batch<std::int32_t, A>;
    constexpr std::size_t lanes = B::lanes, parts = Layout::tile_rows / lanes;
    constexpr std::size_t per_byte = 8 / std::size_t(bits_v<V>);
    constexpr bool fixed = Rows != 0;
    constexpr std::size_t rows = fixed ? Rows : Int8Panels<A>::block_rows;
    static_assert(!fixed || parts == 1);
    constexpr std::size_t together = rows_together<V, A, Rows>;
    const std::size_t room = fixed ? Rows : x.room;
    const auto each_row = [&](auto&& f) NIBBLE_INLINE_LAMBDA {
        if constexpr (fixed) unroll<Rows>(f);
        else
            for (std::size_t i = 0; i < room; ++i) f(i);
    };
    const auto each_part = [](auto&& f) NIBBLE_INLINE_LAMBDA { unroll<parts>(f); };

    B total[rows * parts];
    each_row([&](auto i) NIBBLE_INLINE_LAMBDA {
        each_part([&](auto q) NIBBLE_INLINE_LAMBDA { total[i * parts + q] = B(0.0f); });
    });
    [[maybe_unused]] I sum[Wide ? rows * parts : 1];
    B scale[parts], offset[parts];
    const auto add_span = [&](auto i, auto q, I s) NIBBLE_INLINE_LAMBDA {
        const B xs(x.scales[i]);
        B& t = total[i * parts + q];
        t = fma(to_float(s), Traits::scaled ? scale[q] * xs : xs, t);
        if constexpr (Traits::has_offset) t = fma(offset[q], B(x.moments[i]), t);
    };

    const std::uint8_t* heads = p;
    for (std::size_t g = 0; g < layout.runs; ++g) {
        if constexpr (Traits::scaled) {
            const std::size_t in_block = g % Layout::block_runs;
            if (in_block == 0) {
                heads = p;
                p += Layout::head * Layout::line;
            }
            each_part([&](auto q) NIBBLE_INLINE_LAMBDA {
                const auto* s = reinterpret_cast<const S*>(heads) + in_block * Layout::tile_rows;
                scale[q] = packed_factors<S, A>(s, q * lanes);
                if constexpr (Traits::has_offset)
                    offset[q] =
                        packed_factors<S, A>(reinterpret_cast<const S*>(heads + Layout::line) +
                                                 in_block * Layout::tile_rows,
                                             q * lanes);
            });
        }
        const auto next_span = [&]() NIBBLE_INLINE_LAMBDA {
            x.starts += room;
            x.scales += room;
            x.moments += room;
        };
        const auto next_chunk = [&](std::size_t lines) NIBBLE_INLINE_LAMBDA {
            p += lines * Layout::line;
            x.codes += room * 32;
        };
        std::size_t left = layout.run;
        if constexpr (!Wide) {
            for (; left >= Layout::chunk; left -= Layout::chunk) {
                each_part([&](auto q) NIBBLE_INLINE_LAMBDA {
                    if constexpr (together > 1) {
                        unroll<Rows / together>([&](auto b) NIBBLE_INLINE_LAMBDA {
                            constexpr std::size_t first = b * rows_together<V, A, Rows>;
                            I s[rows_together<V, A, Rows>];
                            unroll<together>([&](auto i) NIBBLE_INLINE_LAMBDA {
                                s[i] = I(x.starts[first + i]);
                            });
                            chunk_rows<V, rows_together<V, A, Rows>, A>(p, x.codes + first * 32, s);
                            unroll<together>(
                                [&](auto i) NIBBLE_INLINE_LAMBDA { add_span(first + i, q, s[i]); });
                        });
                    } else {
                        typename Dot::Weights w[8];
                        take_chunk<V, A>(p + q * lanes * 4, w);
                        each_row([&](auto i) NIBBLE_INLINE_LAMBDA {
                            add_span(i, q, whole_chunk<V, A>(w, x.codes + i * 32, I(x.starts[i])));
                        });
                    }
                });
                next_chunk(8 / per_byte);
                next_span();
            }
            if (!fixed && left != 0) {
                const std::size_t tail = Layout::padded_columns(left) / (4 * per_byte);
                each_part([&](auto q) NIBBLE_INLINE_LAMBDA {
                    each_row([&](auto i) NIBBLE_INLINE_LAMBDA {
                        add_span(i, q,
                                 short_chunk<V, A>(p + q * lanes * 4, tail, x.codes + i * 32,
                                                   I(x.starts[i])));
                    });
                });
                next_chunk(tail);
                next_span();
            }
        } else {
            while (left != 0) {
                std::size_t n = left < x.span ? left : x.span;
                left -= n;
                each_row([&](auto i) NIBBLE_INLINE_LAMBDA {
                    each_part([&](auto q)
                                  NIBBLE_INLINE_LAMBDA { sum[i * parts + q] = I(x.starts[i]); });
                });
                for (; n >= Layout::chunk; n -= Layout::chunk) {
                    each_part([&](auto q) NIBBLE_INLINE_LAMBDA {
                        if constexpr (together > 1) {
                            chunk_rows<V, Rows, A>(p, x.codes, sum);
                        } else {
                            typename Dot::Weights w[8];
                            take_chunk<V, A>(p + q * lanes * 4, w);
                            each_row([&](auto i) NIBBLE_INLINE_LAMBDA {
                                sum[i * parts + q] =
                                    whole_chunk<V, A>(w, x.codes + i * 32, sum[i * parts + q]);
                            });
                        }
                    });
                    next_chunk(8 / per_byte);
                }
                if (!fixed && n != 0) {
                    const std::size_t tail = Layout::padded_columns(n) / (4 * per_byte);
                    each_row([&](auto i) NIBBLE_INLINE_LAMBDA {
                        each_part([&](auto q) NIBBLE_INLINE_LAMBDA {
                            sum[i * parts + q] = short_chunk<V, A>(
                                p + q * lanes * 4, tail, x.codes + i * 32, sum[i * parts + q]);
                        });
                    });
                    next_chunk(tail);
                }
                each_row([&](auto i) NIBBLE_INLINE_LAMBDA {
                    each_part([&](auto q)
                                  NIBBLE_INLINE_LAMBDA { add_span(i, q, sum[i * parts + q]); });
                });
                next_span();
            }
        }
    }
    each_row([&](auto i) NIBBLE_INLINE_LAMBDA {
        each_part([&](auto q) NIBBLE_INLINE_LAMBDA { out(total[i * parts + q], i, q * lanes); });
    });
}

/// A tile against blocks first .. end of x.
template <class A, Format F, bool Wide, class E>
void int8_blocks(const std::uint8_t* tile, std::size_t t, const PackedLayout<F>& layout,
                 const Int8Panels<A>& x, std::size_t first, std::size_t end, View<float> y,
                 const E& epilogue) {
    constexpr std::size_t height = Int8Panels<A>::block_rows;
    constexpr bool one_register = Batch<float, A>::lanes == 16;
    const bool whole = one_register && layout.run % 32 == 0 && x.span() % 32 == 0;
    for (std::size_t b = first; b < end; ++b) {
        const std::size_t room = x.room(b);
        const Int8Block block{x.codes(b), x.scales(b), x.moments(b), x.starts(b), room, x.span()};
        const auto out = [&](Batch<float, A> sum, std::size_t i, std::size_t n) {
            if (b * height + i < y.rows && t * 16 + n < y.cols)
                finish<A>(epilogue, sum, y, b * height + i, t * 16 + n);
        };
        const auto run = [&]<std::size_t R>(std::integral_constant<std::size_t, R>) {
            int8_tile<A, F, R, Wide>(tile, layout, block, out);
        };
        if (!whole) run(std::integral_constant<std::size_t, 0>{});
        else if constexpr (one_register) {
            if (room == 16) run(std::integral_constant<std::size_t, 16>{});
            else if (room == 1) run(std::integral_constant<std::size_t, 1>{});
            else if (room == 2) run(std::integral_constant<std::size_t, 2>{});
            else if (room == 4) run(std::integral_constant<std::size_t, 4>{});
            else run(std::integral_constant<std::size_t, 8>{});
        }
    }
}

/// The product over tiles(f), which calls f(t0, t1, tile) on ranges of tiles; tile(t) gives tile t.
/// 128 rows of x at a time, whose codes stay in the second cache.
template <ActivationFormat Q, class A, Format F, class E, class Tiles>
void int8_product(const BasicHost<A>& on, const PackedLayout<F>& layout, View<const float> x,
                  View<float> y, const E& epilogue, std::size_t at_once, Tiles&& tiles) {
    expect_shape("matmul_int8", "x", x.rows, x.cols, x.rows, layout.cols);
    expect_shape("matmul_int8", "y", y.rows, y.cols, x.rows, layout.rows);
    if (y.empty()) return;
    if (layout.cols == 0) fail("matmul_int8: the weights have no columns");
    const std::size_t span = activation_span<Q>(layout.run);
    const Int8Panels<A> quantized(on, x, layout.run, span, CodeDot<value_of<F>, A>::bias);
    tiles([&](std::size_t t0, std::size_t t1, auto&& tile) {
        for (std::size_t b = 0; b < quantized.blocks(); b += at_once) {
            const std::size_t left = quantized.blocks() - b;
            const std::size_t end = b + (left < at_once ? left : at_once);
            for (std::size_t t = t0; t < t1; ++t) {
                const std::uint8_t* const bytes = tile(t);
                constexpr bool wide = !std::same_as<Q, Int8Value>;
                int8_blocks<A, F, wide>(bytes, t, layout, quantized, b, end, y, epilogue);
            }
        }
    });
    if constexpr (!stores_outputs<E>) clear_padding<A>(y);
}

/// Tiles a thread takes at least: half a million products are worth ten times what starting it costs.
[[nodiscard]] constexpr std::size_t int8_grain(std::size_t rows, std::size_t cols) noexcept {
    return 1 + (std::size_t{1} << 19) / (rows * cols * 16 + 1);
}

/// y = epilogue(x w^T) with x quantized to Q on the way. Fails when the shapes do not match.
template <ActivationFormat Q = Int8Value, class A, Format F, class E = AsIs>
    requires(is_integer_value<value_of<F>> && EpilogueOn<E, A>)
void matmul_int8(const BasicHost<A>& on, const Matrix<Packed<F>>& w, View<const float> x,
                 View<float> y, const E& epilogue = {}) {
    int8_product<Q>(on, w.layout(), x, y, epilogue, 8, [&](auto&& range) {
        on.parallel_for(w.layout().tiles(), int8_grain(x.rows, w.cols()),
                        [&](std::size_t t0, std::size_t t1) {
                            range(t0, t1, [&](std::size_t t) { return w.tile(t); });
                        });
    });
}

}  // namespace nibble
