// SPDX-License-Identifier: BSL-1.0
// Products of float activations with packed weights of any format.
//
//     matmul(on, packed, x, y);                         y[m, n] = sum_k x[m, k] w[n, k]
//     matmul(on, packed, x, y, AddBias{bias});          with an epilogue (epilogue.hpp)
//
// One row and a few rows read the weights as one stream and decode in registers (packed_rows.hpp).
// More rows run through the tiled product of gemm.hpp: packed floats are its right panels as they lie,
// other formats are decoded into panels that stay in the first cache. Results are the same for any
// number of threads. The padding of y is left zero.
#pragma once

#include <nibble/kernel/gemm.hpp>
#include <nibble/kernel/packed_rows.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// Packed weights as a right operand of gemm: panels of the numbers themselves.
template <Format F, class A>
struct PackedRight {
    using Traits = format_traits<F>;
    using V = typename Traits::Value;
    using Layout = PackedLayout<F>;
    using B = Batch<float, A>;
    using G = GemmShape<A>;
    static constexpr bool in_place = std::is_same_v<F, float>;
    const Matrix<Packed<F>>& matrix;

    /// Panels begin at multiples of this many columns: whole chunks, and whole runs where a run is
    /// not one of chunks.
    [[nodiscard]] std::size_t unit() const noexcept {
        const Layout& layout = matrix.layout();
        return layout.runs == 1 || layout.run % Layout::chunk == 0 ? Layout::chunk : layout.run;
    }
    [[nodiscard]] static constexpr std::size_t scratch(std::size_t block) noexcept {
        return in_place ? 0 : (block + Layout::chunk) * G::panel;
    }
    /// Where columns j on begin, value k of k; what is decoded is read in order anyway.
    [[nodiscard]] Ahead ahead(std::size_t j, std::size_t k) const noexcept {
        if constexpr (in_place) return {panel(j, k, 0, nullptr).data, 0, G::strip};
        else return {};
    }
    [[nodiscard]] std::size_t strip_step() const noexcept {
        return in_place ? matrix.layout().tile_bytes / sizeof(float) : 0;
    }
    /// Columns j on of the product and values k .. k + n of k.
    [[nodiscard]] RightPanel panel(std::size_t j, std::size_t k, std::size_t n,
                                   float* memory) const noexcept {
        if constexpr (in_place) {
            const auto* tile = reinterpret_cast<const float*>(matrix.tile(j / 16));
            return {tile + k * 16, matrix.layout().tile_bytes / sizeof(float)};
        } else {
            const std::size_t step = (n + Layout::chunk) * 16;
            for (std::size_t s = 0; s < G::panel / 16 && j + s * 16 < matrix.rows(); ++s)
                decode_tile(matrix.tile(j / 16 + s), k, k + n, memory + s * step);
            return {memory, step};
        }
    }

private:
    /// Columns k0 .. k1 of a tile to [k][16 rows].
    void decode_tile(const std::uint8_t* tile, std::size_t k0, std::size_t k1,
                     float* to) const noexcept {
        constexpr std::size_t registers = 16 / B::lanes, columns = packed_columns<V>;
        constexpr std::size_t line_bytes = Layout::line * packed_lines<V>;
        const Layout& layout = matrix.layout();
        for (std::size_t k = k0; k < k1;) {
            const std::size_t g = k / layout.run, in_run = k % layout.run;
            const std::size_t end = k1 - k < layout.run - in_run ? k1 - k : layout.run - in_run;
            B scale[registers], offset[registers];
            if constexpr (Traits::scaled) {
                using S = typename Traits::Scale;
                const std::uint8_t* scales = tile + layout.scale_at(g);
                unroll<registers>([&](auto h) NIBBLE_INLINE_LAMBDA {
                    scale[h] = decode_scales<S, A>(scales, h);
                    if constexpr (Traits::has_offset)
                        offset[h] = decode_scales<S, A>(scales + Layout::line, h);
                });
            }
            const auto put = [&](const std::uint8_t* line, float* at,
                                 std::size_t part) NIBBLE_INLINE_LAMBDA {
                unroll<registers>([&](auto h) NIBBLE_INLINE_LAMBDA {
                    decode_line<V, A>(line, h, [&](auto p, B v) NIBBLE_INLINE_LAMBDA {
                        if constexpr (Traits::has_offset) v = fma(v, scale[h], offset[h]);
                        else if constexpr (Traits::scaled) v = v * scale[h];
                        const std::size_t column =
                            packed_parts<V> ? p / 4 * part + p % 4 : std::size_t{p};
                        v.store(at + column * 16 + h * B::lanes);
                    });
                });
            };
            const std::uint8_t* codes =
                tile + layout.codes_at(g) + in_run / Layout::chunk * Layout::chunk_bytes;
            for (std::size_t i = 0; i < end; i += Layout::chunk) {
                const std::size_t wide = layout.chunk_columns(in_run + i);
                const std::size_t part = packed_parts<V> ? wide * std::size_t(bits_v<V>) / 8 : wide;
                constexpr std::size_t step = packed_parts<V> ? 4 : columns;
                for (std::size_t c = 0; c < part; c += step, codes += line_bytes)
                    put(codes, to + (k - k0 + i + c) * 16, part);
            }
            k += end;
        }
    }
};

/// A few rows of x, in the order in which packed_rows_tile reads them.
template <class A, Format F>
class FewRowsOf {
public:
    FewRowsOf(View<const float> x, const PackedLayout<F>& layout) {
        using V = value_of<F>;
        constexpr bool offsets = format_traits<F>::has_offset;
        const std::size_t step = x.rows == 1 ? 1 : FewRows::step<A, 2>;
        // Columns that a run is padded by are multiplied by codes of zero, but must be numbers.
        const std::size_t width = layout.cols + PackedLayout<F>::chunk;
        const bool copy = step != 1 || layout.run % packed_columns<V> != 0;
        const std::size_t copied = copy ? padded(left_panel_size<A>(x.rows, width)) : 0;
        memory_ = Tensor<float>::uninitialized(Shape{copied + (offsets ? layout.runs * step : 0)});
        float* const to = memory_.data();
        if (copy) {
            if (step == 1) std::memcpy(to, x.data, x.cols * sizeof(float));
            else pack_left_rows<A>(x, 0, x.rows, 0, x.cols, to);
            for (std::size_t i = x.cols * step; i < width * step; ++i) to[i] = 0.0f;
        }
        rows = {copy ? to : x.data, to + copied};
        if constexpr (offsets)
            for (std::size_t g = 0; g < layout.runs; ++g)
                for (std::size_t m = 0; m < step; ++m)
                    to[copied + g * step + m] =
                        m < x.rows ? sum(x, m, g * layout.run, layout.run) : 0.0f;
    }
    FewRows rows;

private:
    using B = Batch<float, A>;
    static float sum(View<const float> x, std::size_t m, std::size_t k, std::size_t n) noexcept {
        const float* p = x.data + m * x.stride + k;
        B total(0.0f);
        std::size_t i = 0;
        for (; i + B::lanes <= n; i += B::lanes) total = total + B::load(p + i);
        if (i < n) total = total + B::load_first(p + i, n - i);
        return reduce_add(total);
    }
    Tensor<float> memory_;
};

/// y = x w^T, then the epilogue. Fails when the shapes do not match.
template <class A, Format F, class E = AsIs>
    requires EpilogueOn<E, A>
void matmul(const BasicHost<A>& on, const Matrix<Packed<F>>& w, View<const float> x, View<float> y,
            const E& epilogue = {}) {
    expect_shape("matmul", "x", x.rows, x.cols, x.rows, w.cols());
    expect_shape("matmul", "y", y.rows, y.cols, x.rows, w.rows());
    if (y.empty()) return;
    if (x.rows > packed_few<A> || w.cols() == 0) {
        const PackedRight<F, A> right{w};
        return gemm<MultiplyAdd<A>>(on, LeftRows<A>{x}, right, y, w.cols(), false, epilogue);
    }
    const auto& layout = w.layout();
    const FewRowsOf<A, F> few(x, layout);
    // Waking a thread pays from about 10 us of reading on.
    const std::size_t grain = 1 + (std::size_t{3} << 16) / (layout.tile_bytes + 1);
    on.parallel_for(layout.tiles(), grain, [&](std::size_t t0, std::size_t t1) {
        const auto all = [&]<std::size_t M>(std::integral_constant<std::size_t, M>) {
            for (std::size_t t = t0; t < t1; ++t)
                packed_rows_tile<A, M>(w.tile(t), layout, few.rows, x.rows, y, t * 16, epilogue);
        };
        if (x.rows == 1) return all(std::integral_constant<std::size_t, 1>{});
        if constexpr (packed_few<A> >= 2)
            if (x.rows == 2) return all(std::integral_constant<std::size_t, 2>{});
        if constexpr (packed_few<A> >= 4)
            if (x.rows <= 4) return all(std::integral_constant<std::size_t, 4>{});
        if constexpr (packed_few<A> >= 8) all(std::integral_constant<std::size_t, 8>{});
    });
    if constexpr (!stores_outputs<E>) clear_padding<A>(y);
}

}  // namespace nibble
