// SPDX-License-Identifier: BSL-1.0
// An owning tensor of values with padded rows.
#pragma once

#include <nibble/store/memory.hpp>
#include <nibble/store/span.hpp>
#include <nibble/store/view.hpp>
#include <nibble/value/float.hpp>

#include <limits>
#include <utility>

namespace nibble::inline NIBBLE_ARCH {

/// Up to four dimensions of V in Memory. Rows (runs of the last dimension) start on a 64-element
/// boundary and the padding is zero. A new tensor is all zeros. Only allocation can fail, by
/// OutOfMemory; element access is checked in debug builds only.
template <NeuralValue V, class Memory = HostMemory>
class Tensor {
public:
    using Value = V;
    using Unit = unit_t<V>;

    Tensor() = default;
    explicit Tensor(Shape shape) : Tensor(uninitialized(shape)) { clear(); }
    /// A tensor whose elements and padding have no value yet: for outputs written in full.
    [[nodiscard]] static Tensor uninitialized(Shape shape) {
        Tensor t;
        t.shape_ = shape;
        t.stride_ = padded(shape.cols());
        t.storage_ = static_cast<Unit*>(Memory::allocate(bytes_for(shape)));
        return t;
    }
    /// Bytes that a tensor of this shape takes. When they are too many to count: the largest
    /// number, for which there is never memory.
    [[nodiscard]] static constexpr std::size_t bytes_for(const Shape& shape) noexcept {
        constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
        if (shape.rank() == 0) return 0;
        if (shape.cols() > most - row_elements) return most;
        std::size_t bytes = padded(shape.cols()) / values_per_unit<V>;
        for (std::size_t i = 0; i < shape.rank(); ++i) {
            const std::size_t n = i + 1 < shape.rank() ? shape[i] : sizeof(Unit);
            if (n == 0 || bytes == 0) return 0;
            bytes = bytes > most / n ? most : bytes * n;
        }
        return bytes;
    }

    Tensor(const Tensor& other) : Tensor(uninitialized(other.shape_)) {
        for (std::size_t i = 0; i < unit_count(); ++i) storage_[i] = other.storage_[i];
    }
    Tensor(Tensor&& other) noexcept { swap(other); }
    Tensor& operator=(const Tensor& other) {
        Tensor copy(other);
        swap(copy);
        return *this;
    }
    Tensor& operator=(Tensor&& other) noexcept {
        Tensor taken(std::move(other));
        swap(taken);
        return *this;
    }
    ~Tensor() { Memory::release(storage_, bytes()); }
    void swap(Tensor& other) noexcept {
        std::swap(shape_, other.shape_);
        std::swap(stride_, other.stride_);
        std::swap(storage_, other.storage_);
    }

    [[nodiscard]] const Shape& shape() const noexcept { return shape_; }
    [[nodiscard]] std::size_t rows() const noexcept { return shape_.rows(); }
    [[nodiscard]] std::size_t cols() const noexcept { return shape_.cols(); }
    [[nodiscard]] std::size_t size() const noexcept { return shape_.size(); }
    [[nodiscard]] bool empty() const noexcept { return size() == 0; }
    /// Elements from one row's start to the next's: a multiple of 64.
    [[nodiscard]] std::size_t stride() const noexcept { return stride_; }
    /// Bytes of storage, padding included.
    [[nodiscard]] std::size_t bytes() const noexcept { return unit_count() * sizeof(Unit); }

    /// Row i without its padding.
    [[nodiscard]] ValueSpan<V> row(std::size_t i) noexcept { return {row_units(i), cols()}; }
    [[nodiscard]] ValueSpan<const V> row(std::size_t i) const noexcept {
        return {row_units(i), cols()};
    }
    /// All storage, padding included: for upload and files.
    [[nodiscard]] std::span<Unit> units() noexcept { return {storage_, unit_count()}; }
    [[nodiscard]] std::span<const Unit> units() const noexcept { return {storage_, unit_count()}; }

    /// The first element; nullptr when empty.
    [[nodiscard]] Unit* data() noexcept { return storage_; }
    [[nodiscard]] const Unit* data() const noexcept { return storage_; }

    /// A matrix window on all rows.
    [[nodiscard]] View<V> view() noexcept
        requires(bits_v<V> >= 8)
    {
        return {storage_, rows(), cols(), stride_};
    }
    [[nodiscard]] View<const V> view() const noexcept
        requires(bits_v<V> >= 8)
    {
        return {storage_, rows(), cols(), stride_};
    }
    operator View<V>() noexcept
        requires(bits_v<V> >= 8)
    {
        return view();
    }
    operator View<const V>() const noexcept
        requires(bits_v<V> >= 8)
    {
        return view();
    }
    /// Row r, column c of the matrix window.
    [[nodiscard]] V& operator()(std::size_t r, std::size_t c) noexcept
        requires(bits_v<V> >= 8)
    {
        return view()(r, c);
    }
    [[nodiscard]] const V& operator()(std::size_t r, std::size_t c) const noexcept
        requires(bits_v<V> >= 8)
    {
        return view()(r, c);
    }

    /// All elements and padding to zero.
    void clear() noexcept { Memory::clear(storage_, bytes()); }

    /// Another shape over the same elements; the last extent and the number of rows must not change.
    void reshape(Shape shape) noexcept {
        NIBBLE_EXPECT(shape.cols() == cols() && shape.rows() == rows());
        shape_ = shape;
    }

private:
    [[nodiscard]] std::size_t unit_count() const noexcept {
        return shape_.rows() * (stride_ / values_per_unit<V>);
    }
    [[nodiscard]] Unit* row_units(std::size_t i) const noexcept {
        NIBBLE_EXPECT(i < rows());
        return storage_ + i * (stride_ / values_per_unit<V>);
    }

    Shape shape_;
    std::size_t stride_ = 0;
    Unit* storage_ = nullptr;
};

}  // namespace nibble
