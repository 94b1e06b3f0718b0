// SPDX-License-Identifier: BSL-1.0
// KvCache: the keys and values of the positions that a decoder has seen, in a format of their own.
//
// One row a position, all key heads side by side, so a group of 32 never crosses a head of 32 or
// more. Position p lies in row p % capacity: when the cache is full the oldest position gives way
// (attention over the last `capacity` positions, as a sliding window does).
#pragma once

#include <nibble/kernel/quantize.hpp>
#include <nibble/layer/layer.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// The size of a KvCache.
struct KvCacheConfig {
    std::size_t capacity = 0;  ///< positions
    std::size_t width = 0;     ///< features of a key or value: key heads times head size
};

/// Keys and values in F: float, half, bfloat16, or a format with scales for each row or group.
template <Format F = float, class On = Host>
class KvCache {
public:
    using Memory = typename On::Memory;
    static_assert(format_traits<F>::granularity != Granularity::tensor,
                  "a cache is written row by row: use PerRow or Grouped");

    KvCache() = default;
    explicit KvCache(KvCacheConfig c) : keys_(c.capacity, c.width), values_(c.capacity, c.width) {
        if (c.capacity == 0 || c.width == 0)
            fail("KvCache: capacity " + std::to_string(c.capacity) + " and width " +
                 std::to_string(c.width) + ", expected both above 0");
    }

    [[nodiscard]] std::size_t capacity() const noexcept { return keys_.rows(); }
    [[nodiscard]] std::size_t width() const noexcept { return keys_.cols(); }
    /// Positions seen since clear(): the number of the next one.
    [[nodiscard]] std::size_t length() const noexcept { return length_; }
    /// Positions held: at most capacity().
    [[nodiscard]] std::size_t held() const noexcept {
        return length_ < capacity() ? length_ : capacity();
    }
    /// Bytes of storage, padding included; a cache allocates all of it at once.
    [[nodiscard]] std::size_t bytes() const noexcept { return keys_.bytes() + values_.bytes(); }
    /// Forgets everything; the storage stays.
    void clear() noexcept { length_ = 0; }

    /// Adds one position: key and value are width() floats each.
    void append(On&, const float* key, const float* value) {
        const std::size_t row = length_ % capacity();
        store_row<typename On::InstructionSet>(keys_, row, key);
        store_row<typename On::InstructionSet>(values_, row, value);
        ++length_;
    }

    /// Row p % capacity() is position p.
    [[nodiscard]] const Matrix<F, Memory>& keys() const noexcept { return keys_; }
    [[nodiscard]] const Matrix<F, Memory>& values() const noexcept { return values_; }

private:
    Matrix<F, Memory> keys_;
    Matrix<F, Memory> values_;
    std::size_t length_ = 0;
};

}  // namespace nibble
