// SPDX-License-Identifier: BSL-1.0
// KvCache: the keys and values of the positions that a decoder has seen, in a format of their own
// and in the layout that attention reads (kernel/kv_store.hpp).
//
// Position p lies in slot p % capacity. A sliding cache forgets the oldest position when it is full
// (attention over the last `capacity` positions, as a window does); any other refuses the position.
#pragma once

#include <nibble/kernel/kv_store.hpp>
#include <nibble/layer/layer.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// The size of a KvCache.
struct KvCacheConfig {
    std::size_t capacity = 0;   ///< positions
    std::size_t heads = 1;      ///< key heads
    std::size_t head_size = 0;  ///< features of a key or value of a head
    bool sliding = false;       ///< when full, the oldest position gives way
};

/// Keys and values in F: float, half, bfloat16, or a format with scales for each row (of a head) or
/// group. Appending quantizes.
template <Format F = float, class On = Host>
class KvCache {
public:
    using Memory = typename On::Memory;
    using Store = KvStore<F, Memory>;

    KvCache() = default;
    /// With `pages` (of Store::page_bytes), which must outlive the cache, memory comes from there as
    /// positions do.
    explicit KvCache(KvCacheConfig c, typename Store::Pages* pages = nullptr)
        : store_({.capacity = c.capacity, .heads = c.heads, .head_size = c.head_size}, pages),
          sliding_(c.sliding) {
        if (c.capacity == 0 || c.heads == 0 || c.head_size == 0)
            fail("KvCache: capacity " + std::to_string(c.capacity) + ", " +
                 std::to_string(c.heads) + " heads of " + std::to_string(c.head_size) +
                 ", expected all above 0");
    }

    [[nodiscard]] std::size_t capacity() const noexcept { return store_.shape().capacity; }
    /// Features of a key, all heads together.
    [[nodiscard]] std::size_t width() const noexcept {
        return store_.shape().heads * store_.shape().head_size;
    }
    [[nodiscard]] bool sliding() const noexcept { return sliding_; }
    /// Positions seen since clear(): the number of the next one.
    [[nodiscard]] std::size_t length() const noexcept { return length_; }
    /// Positions held: at most capacity().
    [[nodiscard]] std::size_t held() const noexcept {
        return length_ < capacity() ? length_ : capacity();
    }
    /// Bytes of storage, padding included: all of it at once, or the pages that are in use.
    [[nodiscard]] std::size_t bytes() const noexcept { return store_.bytes(); }
    /// Forgets everything; storage of its own stays, pages go back.
    void clear() noexcept {
        length_ = 0;
        store_.release_from(0);
    }
    /// Forgets the positions from `length` on: those of a draft that was refused, say. In a sliding
    /// cache that is over full the positions they took the place of are gone.
    void truncate(std::size_t length) noexcept {
        if (length >= length_) return;
        const bool wrapped = length_ > capacity();
        length_ = length;
        if (!wrapped) store_.release_from((length + kv_block - 1) / kv_block);
    }
    /// Begins as `other` did: its first `length` positions are those of this cache, by sharing pages
    /// where both have one pool. Fails when the other has forgotten some of them, or has fewer.
    void take_prefix(const KvCache& other, std::size_t length) {
        if (length > other.length_ || other.length_ > other.capacity() || length > capacity())
            fail("KvCache: the first " + std::to_string(length) +
                 " positions of a cache that holds " + std::to_string(other.held()) + " of " +
                 std::to_string(other.length_));
        clear();
        store_.take_blocks(other.store_, (length + kv_block - 1) / kv_block);
        length_ = length;
    }

    /// Pages that n more positions take from the pool.
    [[nodiscard]] std::size_t pages_for(std::size_t n) const noexcept {
        return store_.pages_for(length_ % capacity(), n);
    }
    /// Fails unless n more positions have room.
    void expect_room(std::size_t n) const {
        if (!sliding_ && length_ + n > capacity())
            fail("KvCache: positions up to " + std::to_string(length_ + n) +
                 " in a cache of capacity " + std::to_string(capacity()) +
                 ", expected a larger capacity, or a sliding cache, which forgets the oldest");
    }
    /// Adds one position: key and value are width() floats each. Fails when there is no room.
    void append(On&, const float* key, const float* value) {
        expect_room(1);
        store_.template write<typename On::InstructionSet>(length_ % capacity(), key, value);
        ++length_;
    }

    /// Slot p % capacity() holds position p.
    [[nodiscard]] const Store& store() const noexcept { return store_; }

private:
    Store store_;
    std::size_t length_ = 0;
    bool sliding_ = false;
};

}  // namespace nibble
