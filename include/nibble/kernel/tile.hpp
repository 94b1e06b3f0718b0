// SPDX-License-Identifier: BSL-1.0
// Small dense products over scratch memory, for attention and convolution: registers run along n,
// the other operand is broadcast number by number, so it may have any strides and no packing.
#pragma once

#include <nibble/kernel/simd.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// The left operand: element (m, k) is data[m * row + k * step].
struct Strided {
    const float* data;
    std::size_t row;
    std::size_t step;
};

/// n rounded up to whole registers of A.
template <class A>
[[nodiscard]] constexpr std::size_t whole_lanes(std::size_t n) noexcept {
    constexpr std::size_t lanes = Batch<float, A>::lanes;
    return (n + lanes - 1) / lanes * lanes;
}

/// Rows x Across registers of c, held in registers along k.
template <class A, bool Add, std::size_t Rows, std::size_t Across>
void product_block(std::size_t count, Strided a, const float* b, std::size_t b_row, float* c,
                   std::size_t c_row) noexcept {
    using B = Batch<float, A>;
    constexpr std::size_t lanes = B::lanes;
    B sums[Rows][Across];
#pragma GCC unroll 8
    for (std::size_t m = 0; m < Rows; ++m)
#pragma GCC unroll 8
        for (std::size_t n = 0; n < Across; ++n)
            sums[m][n] = Add ? B::load(c + m * c_row + n * lanes) : B(0.0f);
    const float* left = a.data;
    for (std::size_t k = 0; k < count; ++k, left += a.step, b += b_row) {
        B right[Across];
#pragma GCC unroll 8
        for (std::size_t n = 0; n < Across; ++n) right[n] = B::load(b + n * lanes);
#pragma GCC unroll 8
        for (std::size_t m = 0; m < Rows; ++m) {
            const B by(left[m * a.row]);
#pragma GCC unroll 8
            for (std::size_t n = 0; n < Across; ++n) sums[m][n] = fma(by, right[n], sums[m][n]);
        }
    }
#pragma GCC unroll 8
    for (std::size_t m = 0; m < Rows; ++m)
#pragma GCC unroll 8
        for (std::size_t n = 0; n < Across; ++n) sums[m][n].store(c + m * c_row + n * lanes);
}

template <class A, bool Add, std::size_t Rows, std::size_t Across>
NIBBLE_INLINE void product_columns(std::size_t rows, std::size_t count, Strided a, const float* b,
                                   std::size_t b_row, float* c, std::size_t c_row) noexcept {
    const std::size_t whole = rows / Rows * Rows;
    for (std::size_t m = 0; m < whole; m += Rows)
        product_block<A, Add, Rows, Across>(count, {a.data + m * a.row, a.row, a.step}, b, b_row,
                                            c + m * c_row, c_row);
    for (std::size_t m = whole; m < rows; ++m)
        product_block<A, Add, 1, Across>(count, {a.data + m * a.row, a.row, a.step}, b, b_row,
                                         c + m * c_row, c_row);
}

/// c[m, n] = sum over k < count of a(m, k) b[k, n], or += with Add; m < rows, n < cols. Reads and
/// writes whole registers: b and c have room for whole_lanes(cols) in a row. The order of additions
/// does not depend on rows or cols.
template <class A, bool Add>
void tile_product(std::size_t rows, std::size_t cols, std::size_t count, Strided a, const float* b,
                  std::size_t b_row, float* c, std::size_t c_row) noexcept {
    constexpr std::size_t lanes = Batch<float, A>::lanes;
    // Registers for sums, the right operand and one broadcast: 32 with AVX-512, else 16.
    constexpr bool many = lanes == 16;
    std::size_t left = (cols + lanes - 1) / lanes;
    if constexpr (many)
        for (; left >= 4; left -= 4, b += 4 * lanes, c += 4 * lanes)
            product_columns<A, Add, 4, 4>(rows, count, a, b, b_row, c, c_row);
    for (; left >= 2; left -= 2, b += 2 * lanes, c += 2 * lanes)
        product_columns<A, Add, many ? 8 : 4, 2>(rows, count, a, b, b_row, c, c_row);
    if (left != 0) product_columns<A, Add, 8, 1>(rows, count, a, b, b_row, c, c_row);
}

}  // namespace nibble
