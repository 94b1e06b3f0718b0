// SPDX-License-Identifier: BSL-1.0
// Shapes of up to four dimensions, and a row-aligned window on elements of eight bits or more.
#pragma once

#include <nibble/version.hpp>

#include <cstddef>
#include <cstdlib>
#include <initializer_list>
#include <type_traits>

namespace nibble::inline NIBBLE_ARCH {

/// Rows of heap tensors start at multiples of this many elements, and the padding is zero, so that
/// contraction kernels need no tail code: zeros add nothing to a dot product.
inline constexpr std::size_t row_elements = 64;

[[nodiscard]] constexpr std::size_t padded(std::size_t n) noexcept {
    return (n + row_elements - 1) / row_elements * row_elements;
}

/// Extents, outermost first. The last one is contiguous ("columns"); the others make up the rows.
class Shape {
public:
    static constexpr std::size_t max_rank = 4;

    constexpr Shape() = default;
    constexpr Shape(std::initializer_list<std::size_t> extents) noexcept : rank_(extents.size()) {
        // Checked in every build: the extents would be written past their array.
        if (extents.size() > max_rank) std::abort();
        std::size_t i = 0;
        for (const std::size_t e : extents) extents_[i++] = e;
    }

    [[nodiscard]] constexpr std::size_t rank() const noexcept { return rank_; }
    [[nodiscard]] constexpr std::size_t operator[](std::size_t i) const noexcept {
        NIBBLE_EXPECT(i < rank_);
        return extents_[i];
    }
    [[nodiscard]] constexpr std::size_t cols() const noexcept {
        return rank_ == 0 ? 0 : extents_[rank_ - 1];
    }
    /// The product of all extents but the last.
    [[nodiscard]] constexpr std::size_t rows() const noexcept {
        if (rank_ == 0) return 0;
        std::size_t n = 1;
        for (std::size_t i = 0; i + 1 < rank_; ++i) n *= extents_[i];
        return n;
    }
    [[nodiscard]] constexpr std::size_t size() const noexcept { return rows() * cols(); }
    /// The same shape with another last extent.
    [[nodiscard]] constexpr Shape with_cols(std::size_t cols) const noexcept {
        Shape s = *this;
        if (s.rank_ == 0) s.rank_ = 1;
        s.extents_[s.rank_ - 1] = cols;
        return s;
    }
    friend constexpr bool operator==(const Shape&, const Shape&) = default;

private:
    std::size_t extents_[max_rank] = {};
    std::size_t rank_ = 0;
};

/// A matrix window: `rows` rows of `cols` elements, `stride` elements apart. Views do not own.
/// What lies between cols and the next multiple of 64 is the rows' own padding when `wide()`; then
/// kernels may read and write it, and leave it zero. Otherwise they do not touch it.
template <class E>
struct View {
    E* data = nullptr;
    std::size_t rows = 0;
    std::size_t cols = 0;
    std::size_t stride = 0;
    bool whole = true;  ///< false for a block of columns: what follows cols is its neighbour's

    constexpr operator View<const E>() const noexcept
        requires(!std::is_const_v<E>)
    {
        return {data, rows, cols, stride, whole};
    }
    /// True when each row owns its padding to the next multiple of 64.
    [[nodiscard]] constexpr bool wide() const noexcept { return whole && stride >= padded(cols); }
    [[nodiscard]] constexpr bool empty() const noexcept { return rows == 0 || cols == 0; }
    [[nodiscard]] constexpr E* row(std::size_t i) const noexcept {
        NIBBLE_EXPECT(i < rows);
        return data + i * stride;
    }
    [[nodiscard]] constexpr E& operator()(std::size_t i, std::size_t j) const noexcept {
        NIBBLE_EXPECT(i < rows && j < cols);
        return data[i * stride + j];
    }
    /// n rows from `first` on.
    [[nodiscard]] constexpr View row_block(std::size_t first, std::size_t n) const noexcept {
        NIBBLE_EXPECT(first + n <= rows);
        return {data + first * stride, n, cols, stride, whole};
    }
    /// n columns from `first` on. Not whole, even at the end of the rows: the padding stays the
    /// whole view's.
    [[nodiscard]] constexpr View col_block(std::size_t first, std::size_t n) const noexcept {
        NIBBLE_EXPECT(first + n <= cols);
        // Without rows there may be no data to move on from.
        E* const at = data == nullptr ? data : data + first;
        return {at, rows, n, stride, whole && first == 0 && n == cols};
    }
};

}  // namespace nibble
