// SPDX-License-Identifier: BSL-1.0
// Packed bfloat16 weights with activations rounded to bfloat16 and float sums: the arithmetic of
// Mixed<bfloat16, bfloat16>.
//
//     matmul_bf16(on, packed, x, y, epilogue = {})    y[m, n] = sum_k bf16(x[m, k]) w[n, k]
//
// The packed layout holds pairs of k, which is what vdpbf16ps reads: weights are used where they lie,
// and a tile does with pairs what the float product does with numbers. One instruction for 32
// multiply-adds, on 12 x 2 registers 1.6 with loads and broadcasts. Without that instruction both
// operands are widened into the float product's panels.
//
// A pair adds its second product first, each addition rounded to nearest, in ascending order of pairs:
// the same bits on every instruction set that fuses multiplications and additions (AVX2 and up, NEON),
// but that vdpbf16ps takes subnormal numbers as zero.
#pragma once

#include <nibble/kernel/dot.hpp>
#include <nibble/kernel/gemm.hpp>
#include <nibble/quant/packed.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// The float whose upper half is x rounded to bfloat16, ties to even; a NaN stays one.
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<std::uint32_t, A> round_to_bf16(Batch<float, A> x) noexcept {
    using U = Batch<std::uint32_t, A>;
    const U bits = bit_cast_to<std::uint32_t>(x);
    const U rounded = bits + U(0x7FFFu) + ((bits >> 16) & U(1u));
    return select(x == x, rounded, bits | U(0x400000u)) & U(0xFFFF0000u);
}

/// Rows of x as left panels. With has_bf16_dot a word is a pair of k, the first in its low half;
/// otherwise each number is a float and the numbers of a pair change places.
template <class A>
struct LeftBf16 {
    View<const float> x;

    void pack(std::size_t m0, std::size_t m1, std::size_t k0, std::size_t n, float* to) const {
        constexpr std::size_t per_word = has_bf16_dot<A> ? 2 : 1;
        const std::size_t first = k0 * per_word, columns = n * per_word;
        for (std::size_t m = m0; m < m1; m += rows, to += rows * n) {
            const std::size_t real = m1 - m < rows ? m1 - m : rows;
            if constexpr (rows > lanes) {
                static_assert(!has_bf16_dot<A>);
                for (std::size_t k = 0; k < columns; ++k)
                    for (std::size_t i = 0; i < real; ++i) {
                        const std::size_t at = first + (k ^ 1);
                        const float v = at < x.cols ? x.data[(m + i) * x.stride + at] : 0.0f;
                        to[k * rows + i] = decode(encode<bfloat16>(v));
                    }
            } else {
                // A square of registers at a time. Lanes beyond the rows land where the next k follows.
                for (std::size_t k = 0; k < columns; k += lanes) {
                    B r[lanes];
                    if (real == rows && first + k + lanes <= x.cols) {
                        const float* from = x.data + m * x.stride + first + k;
                        unroll<lanes>([&](auto i) NIBBLE_INLINE_LAMBDA {
                            r[i] = i < rows ? B::load(from + i * x.stride) : B(0.0f);
                        });
                    } else {
                        for (std::size_t i = 0; i < lanes; ++i)
                            r[i] = i < real ? load(m + i, first + k) : B(0.0f);
                    }
                    transpose<A>(r);
                    put(r, columns - k, to + k / per_word * rows);
                }
            }
        }
    }

private:
    using B = Batch<float, A>;
    using U = Batch<std::uint32_t, A>;
    static constexpr std::size_t lanes = B::lanes, rows = GemmShape<A>::rows;

    [[nodiscard]] NIBBLE_INLINE B load(std::size_t m, std::size_t k) const noexcept {
        const float* p = x.data + m * x.stride + k;
        if (k + B::lanes <= x.cols) return B::load(p);
        return k < x.cols ? B::load_first(p, x.cols - k) : B(0.0f);
    }
    /// Columns of a square of registers, as far as there are `count`.
    static NIBBLE_INLINE void put(RegisterSquare<A>& r, std::size_t count, float* to) noexcept {
        unroll<lanes / 2>([&](auto i) NIBBLE_INLINE_LAMBDA {
            if (2 * i >= count) return;
            const U low = round_to_bf16<A>(r[2 * i]), high = round_to_bf16<A>(r[2 * i + 1]);
            if constexpr (has_bf16_dot<A>) {
                bit_cast_to<float>(high | low >> 16).store(to + i * rows);
            } else {
                bit_cast_to<float>(high).store(to + 2 * i * rows);
                bit_cast_to<float>(low).store(to + (2 * i + 1) * rows);
            }
        });
    }
};

/// Packed bfloat16 as a right operand: where it lies, or as floats whose pairs change places.
template <class A>
struct RightBf16 {
    static constexpr bool in_place = has_bf16_dot<A>;
    const Matrix<Packed<bfloat16>>& matrix;

    /// Values of k: pairs, or numbers.
    [[nodiscard]] std::size_t depth() const noexcept {
        const std::size_t pairs = (matrix.cols() + 1) / 2;
        return in_place ? pairs : 2 * pairs;
    }
    [[nodiscard]] static constexpr std::size_t unit() noexcept { return 2; }
    [[nodiscard]] static constexpr std::size_t scratch(std::size_t block) noexcept {
        return in_place ? 0 : block * GemmShape<A>::panel;
    }
    /// Where columns j on begin, value k of k; what is decoded is read in order anyway.
    [[nodiscard]] Ahead ahead(std::size_t j, std::size_t k) const noexcept {
        if constexpr (in_place) return {panel(j, k, 0, nullptr).data, 0, GemmShape<A>::strip};
        else return {};
    }
    [[nodiscard]] std::size_t strip_step() const noexcept {
        return in_place ? matrix.layout().tile_bytes / sizeof(float) : 0;
    }
    [[nodiscard]] RightPanel panel(std::size_t j, std::size_t k, std::size_t n,
                                   float* memory) const noexcept {
        if constexpr (in_place) {
            const auto* tile = reinterpret_cast<const float*>(matrix.tile(j / 16));
            return {tile + k * 16, matrix.layout().tile_bytes / sizeof(float)};
        } else {
            using B = Batch<float, A>;
            using U = Batch<std::uint32_t, A>;
            for (std::size_t s = 0; s < GemmShape<A>::panel / 16 && j + s * 16 < matrix.rows();
                 ++s) {
                const auto* pairs =
                    reinterpret_cast<const std::uint32_t*>(matrix.tile(j / 16 + s)) + k / 2 * 16;
                float* const to = memory + s * n * 16;
                for (std::size_t i = 0; i < n; i += 2)
                    unroll<16 / B::lanes>([&](auto h) NIBBLE_INLINE_LAMBDA {
                        const U pair = U::load(pairs + i / 2 * 16 + h * B::lanes);
                        bit_cast_to<float>(pair & U(0xFFFF0000u)).store(to + i * 16 + h * B::lanes);
                        bit_cast_to<float>(pair << 16).store(to + (i + 1) * 16 + h * B::lanes);
                    });
            }
            return {memory, n * 16};
        }
    }
};

/// sum + the two products of a broadcast pair and a register of pairs.
template <class A>
struct MultiplyAddPairs {
    static NIBBLE_INLINE Batch<float, A> step(Batch<float, A> sum, Batch<float, A> x,
                                              Batch<float, A> r) noexcept {
        return dot2(sum, bit_cast_to<std::uint32_t>(r), bit_cast_to<std::uint32_t>(x));
    }
};

/// y = bf16(x) w^T, then the epilogue. Fails when the shapes do not match.
template <class A, class E = AsIs>
    requires EpilogueOn<E, A>
void matmul_bf16(const BasicHost<A>& on, const Matrix<Packed<bfloat16>>& w, View<const float> x,
                 View<float> y, const E& epilogue = {}) {
    expect_shape("matmul_bf16", "x", x.rows, x.cols, x.rows, w.cols());
    expect_shape("matmul_bf16", "y", y.rows, y.cols, x.rows, w.rows());
    using Step = std::conditional_t<has_bf16_dot<A>, MultiplyAddPairs<A>, MultiplyAdd<A>>;
    const RightBf16<A> right{w};
    gemm<Step>(on, LeftBf16<A>{x}, right, y, right.depth(), false, epilogue);
}

}  // namespace nibble
