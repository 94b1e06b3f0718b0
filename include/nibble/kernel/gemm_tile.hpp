// SPDX-License-Identifier: BSL-1.0
// The register tile that every float product runs through, and the left operand's panels.
//
//     left panel    [tile of G::rows rows][k][row]       broadcast, value by value
//     right panel   [16 columns][k][column]              read a register at a time
//
// The right panel is the layout of Packed<float>: packed weights are used where they lie. A tile keeps
// rows x registers accumulators while it walks down both panels (Goto and van de Geijn, "Anatomy of
// High-Performance Matrix Multiplication", 2008). For one k and 12 x 2 registers on AVX-512 that is 24
// fma, 12 broadcasts and 2 loads: 1.6 instructions for sixteen multiply-adds.
#pragma once

#include <nibble/kernel/epilogue.hpp>
#include <nibble/kernel/transpose.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// The register tile: as many accumulators as leave room for a row of the panel and a broadcast.
template <class A>
struct GemmShape {
    static constexpr std::size_t lanes = Batch<float, A>::lanes;
    static constexpr bool many = is_avx512<A> || is_neon<A>;  // 32 registers
    static constexpr bool scalar = std::is_same_v<A, isa::Scalar>;
    static constexpr std::size_t strip = 16;  ///< columns of a right panel that lie together
    static constexpr std::size_t registers = lanes == 16 ? 2 : strip / lanes;
    static constexpr std::size_t rows = scalar                ? 2
                                        : is_avx512<A>        ? 12
                                        : lanes == 4 && !many ? 2
                                                              : 6;
    static constexpr std::size_t panel = registers * lanes;  ///< columns of a tile
    /// Values of k whose right panel stays in the first cache.
    static constexpr std::size_t depth_block = 256;
};

/// Strips of 16 columns: strip s begins at data + s * step and holds 16 values for each k.
struct RightPanel {
    const float* data;
    std::size_t step;
};

/// Lines that will be needed soon, one for each value of k that a tile takes: addresses, which need not
/// lie in anything.
struct Ahead {
    std::uintptr_t address = 0;
    std::size_t step = 0;  ///< bytes

    Ahead() = default;
    /// Floats at from + offset, then each step floats further.
    Ahead(const float* from, std::size_t offset, std::size_t step_) noexcept
        : address(reinterpret_cast<std::uintptr_t>(from) + offset * sizeof(float)),
          step(step_ * sizeof(float)) {}

    /// Asks for line k to be brought to the second cache.
    NIBBLE_INLINE void ask([[maybe_unused]] std::size_t k) const noexcept {
#if defined(__GNUC__)
        __builtin_prefetch(reinterpret_cast<const void*>(address + k * step), 0, 2);
#endif
    }
};

/// sum + x r: what a tile does with a broadcast and a register.
template <class A>
struct MultiplyAdd {
    static NIBBLE_INLINE Batch<float, A> step(Batch<float, A> sum, Batch<float, A> x,
                                              Batch<float, A> r) noexcept {
        return fma(x, r, sum);
    }
};

/// Where the sums of a tile begin and end.
struct TileSums {
    const float* from;      ///< row m, column n of what is added to, or nullptr
    std::size_t from_step;  ///< floats from one row to the next
    float* to;              ///< where unfinished sums go, or nullptr: through the epilogue to c
    std::size_t to_step;
};

/// Rows x Registers sums over `depth` values of k, each one chain of fma in ascending k. They begin at
/// sums.from and go to sums.to or, finished, through the epilogue to c[m + i, n + j]. Columns
/// beyond c.cols are dropped.
template <class A, class Step, std::size_t Rows, std::size_t Registers, class E>
void gemm_tile(const float* left, RightPanel right, std::size_t depth, TileSums sums, View<float> c,
               std::size_t m, std::size_t n, Ahead ahead, const E& epilogue) {
    using B = Batch<float, A>;
    using G = GemmShape<A>;
    constexpr std::size_t lanes = B::lanes;
    B sum[Rows * Registers];
    if (sums.from == nullptr) {
        unroll<Rows * Registers>([&](auto i) NIBBLE_INLINE_LAMBDA { sum[i] = B(0.0f); });
    } else {
        unroll<Rows>([&](auto i) NIBBLE_INLINE_LAMBDA {
            unroll<Registers>([&](auto j) NIBBLE_INLINE_LAMBDA {
                sum[i * Registers + j] = B::load(sums.from + i * sums.from_step + j * lanes);
            });
        });
    }
    const float* from[Registers];
    unroll<Registers>([&](auto j) NIBBLE_INLINE_LAMBDA {
        from[j] = right.data + j * lanes / G::strip * right.step + j * lanes % G::strip;
    });
    // Unrolled because two threads of a core share its front end: four percent.
#pragma GCC unroll 4
    for (std::size_t k = 0; k < depth; ++k) {
        B r[Registers];
        unroll<Registers>([&](auto j)
                              NIBBLE_INLINE_LAMBDA { r[j] = B::load(from[j] + k * G::strip); });
        ahead.ask(k);
        unroll<Rows>([&](auto i) NIBBLE_INLINE_LAMBDA {
            const B x(left[k * G::rows + i]);
            unroll<Registers>([&](auto j) NIBBLE_INLINE_LAMBDA {
                sum[i * Registers + j] = Step::step(sum[i * Registers + j], x, r[j]);
            });
        });
    }
    const bool whole = n + Registers * lanes <= c.cols;
    float* to = sums.to;
    std::size_t step = sums.to_step;
    if (std::is_same_v<E, AsIs> && to == nullptr && whole) {
        to = c.data + m * c.stride + n;
        step = c.stride;
    }
    if (to != nullptr) {
        unroll<Rows>([&](auto i) NIBBLE_INLINE_LAMBDA {
            unroll<Registers>([&](auto j) NIBBLE_INLINE_LAMBDA {
                sum[i * Registers + j].store(to + i * step + j * lanes);
            });
        });
        return;
    }
    // An epilogue may be long, and a row's end is seldom: not unrolled.
    alignas(64) float finished[Rows * Registers * lanes];
    unroll<Rows * Registers>([&](auto i)
                                 NIBBLE_INLINE_LAMBDA { sum[i].store(finished + i * lanes); });
    for (std::size_t i = 0; i < Rows; ++i)
        for (std::size_t j = 0; j < Registers && n + j * lanes < c.cols; ++j)
            finish<A>(epilogue, B::load(finished + (i * Registers + j) * lanes), c, m + i,
                      n + j * lanes);
}

/// gemm_tile for a run-time number of rows, at most G::rows; columns as c has them.
template <class A, class Step, class E>
void gemm_rows(std::size_t rows, const float* left, RightPanel right, std::size_t depth,
               TileSums sums, View<float> c, std::size_t m, std::size_t n, Ahead ahead,
               const E& epilogue) {
    using G = GemmShape<A>;
    const auto with = [&]<std::size_t Rows>(std::integral_constant<std::size_t, Rows>) {
        if (G::lanes == G::strip && c.cols <= n + G::lanes)
            gemm_tile<A, Step, Rows, 1>(left, right, depth, sums, c, m, n, ahead, epilogue);
        else
            gemm_tile<A, Step, Rows, G::registers>(left, right, depth, sums, c, m, n, ahead,
                                                   epilogue);
        left += Rows;
        if (sums.from != nullptr) sums.from += Rows * sums.from_step;
        if (sums.to != nullptr) sums.to += Rows * sums.to_step;
        m += Rows;
        rows -= Rows;
    };
    if (rows == G::rows) return with(std::integral_constant<std::size_t, G::rows>{});
    if constexpr (G::rows > 8)
        if (rows >= 8) with(std::integral_constant<std::size_t, 8>{});
    if constexpr (G::rows > 4)
        if (rows >= 4) with(std::integral_constant<std::size_t, 4>{});
    if constexpr (G::rows > 2)
        if (rows >= 2) with(std::integral_constant<std::size_t, 2>{});
    if (rows >= 1) with(std::integral_constant<std::size_t, 1>{});
}

/// Floats that a left panel of `rows` rows and `depth` values of k takes.
template <class A>
[[nodiscard]] constexpr std::size_t left_panel_size(std::size_t rows, std::size_t depth) noexcept {
    constexpr std::size_t r = GemmShape<A>::rows;
    return (rows + r - 1) / r * r * depth + Batch<float, A>::lanes;
}

/// Rows m0 .. m1 and columns k0 .. k0 + n of x as a left panel.
template <class A>
void pack_left_rows(View<const float> x, std::size_t m0, std::size_t m1, std::size_t k0,
                    std::size_t n, float* to) {
    using B = Batch<float, A>;
    constexpr std::size_t lanes = B::lanes, R = GemmShape<A>::rows;
    for (std::size_t m = m0; m < m1; m += R, to += R * n) {
        const float* from = x.data + m * x.stride + k0;
        const std::size_t rows = m1 - m < R ? m1 - m : R;
        std::size_t k = 0;
#if NIBBLE_SIMD && defined(__AVX2__)
        if constexpr (is_avx512<A>) {
            // Four rows at a time: 8 shuffles and 16 stores for 64 numbers. (A whole square of
            // registers takes 1.4 times as long here: its stores cross lines.)
            static_assert(R % 4 == 0);
            if (rows == R)
                for (; k + lanes <= n; k += lanes)
                    unroll<R / 4>([&](auto g) NIBBLE_INLINE_LAMBDA {
                        B r[4];
                        unroll<4>([&](auto i) NIBBLE_INLINE_LAMBDA {
                            r[i] = B::load(from + (4 * g + i) * x.stride + k);
                        });
                        x86::store_columns<A>(r, to + k * R + 4 * g, R);
                    });
        }
#endif
        if constexpr (R <= lanes && is_avx<A>) {
            // A square of registers at a time. The lanes beyond R land where the next k follows.
            for (; k + lanes <= n; k += lanes) {
                B r[lanes];
                if (rows == R)
                    unroll<lanes>(
                        [&](auto i) { r[i] = i < R ? B::load(from + i * x.stride + k) : B(0.0f); });
                else
                    for (std::size_t i = 0; i < lanes; ++i)
                        r[i] = i < rows ? B::load(from + i * x.stride + k) : B(0.0f);
                transpose<A>(r);
                unroll<lanes>([&](auto i) { r[i].store(to + (k + i) * R); });
            }
        }
        for (; k < n; ++k)
            for (std::size_t i = 0; i < rows; ++i) to[k * R + i] = from[i * x.stride + k];
    }
}

/// Columns m0 .. m1 and rows k0 .. k0 + n of x as a left panel: the left operand is x transposed.
template <class A>
void pack_left_columns(View<const float> x, std::size_t m0, std::size_t m1, std::size_t k0,
                       std::size_t n, float* to) {
    constexpr std::size_t R = GemmShape<A>::rows;
    // A few rows of x at a time, each read from end to end, give whole lines of each panel.
    constexpr std::size_t few = 8;
    for (std::size_t k = 0; k < n; k += few) {
        const std::size_t rows = n - k < few ? n - k : few;
        float* panel = to + k * R;
        for (std::size_t m = m0; m < m1; m += R, panel += R * n) {
            const float* from = x.data + (k0 + k) * x.stride + m;
            for (std::size_t i = 0; i < rows; ++i, from += x.stride) {
                if (m + R <= m1) std::memcpy(panel + i * R, from, R * sizeof(float));
                else std::memcpy(panel + i * R, from, (m1 - m) * sizeof(float));
            }
        }
    }
}

}  // namespace nibble
