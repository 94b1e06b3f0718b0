// SPDX-License-Identifier: BSL-1.0
// A run of plain values in recycled memory: what kernels and layers need beside tensors, without
// asking the system in steady state (and without <vector>, which takes a tenth of the library's time
// to compile).
#pragma once

#include <nibble/store/memory.hpp>

#include <span>
#include <type_traits>
#include <utility>

namespace nibble::inline NIBBLE_ARCH {

/// n default-made values of T. Allocation may throw OutOfMemory, nothing else fails.
template <class T, class Memory = HostMemory>
    requires std::is_trivially_destructible_v<T>
class Buffer {
public:
    Buffer() = default;
    explicit Buffer(std::size_t n)
        : data_(static_cast<T*>(Memory::allocate(n * sizeof(T)))), size_(n) {
        for (std::size_t i = 0; i < n; ++i) ::new (static_cast<void*>(data_ + i)) T{};
    }
    Buffer(const Buffer& other) : Buffer(other.size_) {
        for (std::size_t i = 0; i < size_; ++i) data_[i] = other.data_[i];
    }
    Buffer(Buffer&& other) noexcept { swap(other); }
    Buffer& operator=(Buffer other) noexcept {
        swap(other);
        return *this;
    }
    ~Buffer() { Memory::release(data_, size_ * sizeof(T)); }
    void swap(Buffer& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
    }

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] T* data() noexcept { return data_; }
    [[nodiscard]] const T* data() const noexcept { return data_; }
    [[nodiscard]] T& operator[](std::size_t i) noexcept { return data_[i]; }
    [[nodiscard]] const T& operator[](std::size_t i) const noexcept { return data_[i]; }
    [[nodiscard]] T* begin() noexcept { return data_; }
    [[nodiscard]] T* end() noexcept { return data_ + size_; }
    [[nodiscard]] const T* begin() const noexcept { return data_; }
    [[nodiscard]] const T* end() const noexcept { return data_ + size_; }
    [[nodiscard]] std::span<const T> span() const noexcept { return {data_, size_}; }

private:
    T* data_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace nibble
