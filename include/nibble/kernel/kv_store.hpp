// SPDX-License-Identifier: BSL-1.0
// KvStore: keys and values of a decoder's positions, in the layout that attention reads.
//
// Key heads lie one after the other, each as blocks of 64 positions, and a block's bytes are in the
// order in which attention needs them, so that one query's attention reads memory in strictly
// ascending order and every byte once for all query heads that share a key head:
//
//     keys' scales    [groups][64]         (then their offsets likewise, when the format has them)
//     keys            4 strips of 16 positions, each as deep as a head      (see strip.hpp)
//     values' scales  [groups][64]         (and offsets)
//     values          strips of 16 features, each 64 positions deep
//
// Every part starts on 64 bytes. A head's depth is padded to 8 and its features to 16 with zero
// codes. PerRow has one scale for each position and head. Groups are multiples of 16: the largest
// that divides the head and is not above the format's, or else the whole head.
//
// A store has memory of its own, all of it from the start, or takes pages of a pool (kv_pages.hpp) as
// positions come: then the heads of a block lie one after the other.
#pragma once

#include <nibble/kernel/kv_pages.hpp>
#include <nibble/kernel/rows.hpp>
#include <nibble/kernel/strip.hpp>
#include <nibble/store/buffer.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// Positions of a block of keys and values.
inline constexpr std::size_t kv_block = 64;

/// What a KvStore holds.
struct KvShape {
    std::size_t capacity = 0;   ///< positions
    std::size_t heads = 1;      ///< key heads
    std::size_t head_size = 0;  ///< features of a head

    [[nodiscard]] constexpr std::size_t blocks() const noexcept {
        return (capacity + kv_block - 1) / kv_block;
    }
};

/// Features of a head that share a scale.
[[nodiscard]] constexpr std::size_t kv_group(std::size_t head_size, std::size_t group) noexcept {
    for (std::size_t g = group < head_size ? group / 16 * 16 : head_size / 16 * 16; g >= 16;
         g -= 16)
        if (head_size % g == 0) return g;
    return head_size;
}

/// Offsets in bytes of the parts of a block, and their sizes.
template <Format F>
struct KvLayout {
    using Traits = format_traits<F>;
    using V = typename Traits::Value;
    using S = typename Traits::Scale;
    static constexpr bool scaled = Traits::scaled, has_offset = Traits::has_offset;
    static constexpr bool pairs = has_pairs<V>;  ///< products in integers

    std::size_t head_size = 0;
    std::size_t run = 0;     ///< features that share a scale
    std::size_t groups = 1;  ///< scales of a position and head
    std::size_t depth = 0;   ///< of a strip of keys
    std::size_t slices = 0;  ///< strips of values
    std::size_t scale_plane = 0;
    std::size_t key_strip = 0, value_strip = 0;  ///< bytes of one
    std::size_t keys = 0, value_scales = 0, values = 0, block = 0;

    KvLayout() = default;
    explicit constexpr KvLayout(std::size_t size) noexcept
        : head_size(size),
          run(Traits::granularity == Granularity::group ? kv_group(size, Traits::group) : size),
          groups(run == 0 ? 1 : size / run),
          depth((size + 7) / 8 * 8),
          slices((size + strip_lanes - 1) / strip_lanes),
          scale_plane(scaled ? line(groups * kv_block * sizeof(S)) : 0),
          key_strip(strip_bytes<V>(depth)),
          value_strip(strip_bytes<V>(kv_block)) {
        keys = planes * scale_plane;
        value_scales = keys + line(kv_block / strip_lanes * key_strip);
        values = value_scales + planes * scale_plane;
        block = values + line(slices * value_strip);
    }
    /// Depths [first, end) of a key strip that group g covers, the padding with the last one.
    [[nodiscard]] constexpr std::size_t group_first(std::size_t g) const noexcept {
        return g * run;
    }
    [[nodiscard]] constexpr std::size_t group_end(std::size_t g) const noexcept {
        return g + 1 == groups ? depth : (g + 1) * run;
    }

private:
    static constexpr std::size_t planes = has_offset ? 2 : 1;
    static constexpr std::size_t line(std::size_t bytes) noexcept { return (bytes + 63) / 64 * 64; }
};

/// Keys and values in F. A new store is all zeros; its memory is on huge pages from 2 MiB on.
template <Format F, class Memory = HostMemory>
class KvStore {
public:
    using Layout = KvLayout<F>;
    using V = typename Layout::V;
    using S = typename Layout::S;
    static_assert(Layout::Traits::granularity != Granularity::tensor,
                  "keys and values are written position by position: use PerRow or Grouped");

    using Pages = KvPages<Memory>;

    KvStore() = default;
    /// With `pages`, which must outlive the store and have pages of page_bytes(shape), positions take
    /// their memory from there.
    explicit KvStore(KvShape shape, Pages* pages = nullptr)
        : shape_(shape),
          layout_(shape.head_size),
          pages_(pages),
          bytes_(pages != nullptr ? 0 : shape.heads * shape.blocks() * layout_.block),
          blocks_(shape.blocks()),
          head_step_(pages != nullptr ? layout_.block : shape.blocks() * layout_.block),
          row_(layout_.groups, layout_.run) {
        if (pages != nullptr && pages->page_bytes() != page_bytes(shape))
            fail("KvStore: pages of " + std::to_string(pages->page_bytes()) + " bytes, expected " +
                 std::to_string(page_bytes(shape)));
        for (std::size_t b = 0; b < blocks_.size(); ++b)
            blocks_[b] = pages != nullptr ? nullptr : bytes_.data() + b * layout_.block;
    }
    KvStore(KvStore&& other) noexcept { swap(other); }
    KvStore& operator=(KvStore&& other) noexcept {
        KvStore taken(std::move(other));
        swap(taken);
        return *this;
    }
    ~KvStore() { release_from(0); }

    /// Bytes of a page for stores of this shape.
    [[nodiscard]] static constexpr std::size_t page_bytes(const KvShape& shape) noexcept {
        return shape.heads * Layout(shape.head_size).block;
    }

    [[nodiscard]] const KvShape& shape() const noexcept { return shape_; }
    [[nodiscard]] const Layout& layout() const noexcept { return layout_; }
    /// Bytes of all parts, padding included; of the pages it has when there is a pool.
    [[nodiscard]] std::size_t bytes() const noexcept {
        std::size_t pages = 0;
        for (const std::byte* b : blocks_) pages += pages_ != nullptr && b != nullptr ? 1u : 0u;
        return bytes_.size() + pages * page_bytes(shape_);
    }
    /// Where a block of a key head begins; a slot of it must have been written.
    [[nodiscard]] const std::byte* block(std::size_t head, std::size_t b) const noexcept {
        return blocks_[b] + head * head_step_;
    }
    /// Pages that writing n slots from `slot` on (around the ring) takes from the pool.
    [[nodiscard]] std::size_t pages_for(std::size_t slot, std::size_t n) const noexcept {
        std::size_t pages = 0;
        const std::size_t first = slot / kv_block, end = (slot + n + kv_block - 1) / kv_block;
        for (std::size_t b = first; b < end && b - first < blocks_.size(); ++b) {
            const std::byte* const page = blocks_[b % blocks_.size()];
            if (pages_ != nullptr && (page == nullptr || pages_->shared(page))) ++pages;
        }
        return pages;
    }
    /// Gives the blocks from b on back to the pool.
    void release_from(std::size_t b) noexcept {
        for (; pages_ != nullptr && b < blocks_.size(); ++b)
            if (std::byte* const page = std::exchange(blocks_[b], nullptr)) pages_->release(page);
    }
    /// Makes the first `blocks` blocks those of another store of the same shape: the same pages where
    /// both have one pool, copies otherwise.
    void take_blocks(const KvStore& other, std::size_t blocks) {
        if (other.shape_.heads != shape_.heads || other.shape_.head_size != shape_.head_size ||
            blocks > blocks_.size() || blocks > other.blocks_.size())
            fail("KvStore: " + std::to_string(blocks) + " blocks of a store of another shape");
        for (std::size_t b = 0; b < blocks; ++b) {
            if (pages_ != nullptr && pages_ == other.pages_) {
                if (other.blocks_[b] != nullptr) pages_->share(other.blocks_[b]);
                if (blocks_[b] != nullptr) pages_->release(blocks_[b]);
                blocks_[b] = other.blocks_[b];
                continue;
            }
            if (other.blocks_[b] == nullptr) continue;
            make_own(b, false);
            for (std::size_t h = 0; h < shape_.heads; ++h)
                std::memcpy(blocks_[b] + h * head_step_, other.block(h, b), layout_.block);
        }
    }

    /// Stores a key and a value, heads * head_size floats each, in slot < capacity: rounded to
    /// nearest, scales found anew. Fails when the pool has no page left.
    template <class A = Isa>
    void write(std::size_t slot, const float* key, const float* value) {
        NIBBLE_EXPECT(slot < shape_.capacity);
        const std::size_t at = slot % kv_block;
        make_own(slot / kv_block, true);
        for (std::size_t h = 0; h < shape_.heads; ++h) {
            std::byte* const b = blocks_[slot / kv_block] + h * head_step_;
            encode_head<A>(key + h * shape_.head_size, b, at);
            std::byte* const strip = b + layout_.keys + at / strip_lanes * layout_.key_strip;
            const ValueSpan<V> keys(units(strip), layout_.depth * strip_lanes);
            each_code([&](std::size_t d, V code) {
                keys.set(strip_index<V>(d, at % strip_lanes), code);
            });
            encode_head<A>(value + h * shape_.head_size, b + layout_.value_scales, at);
            each_code([&](std::size_t d, V code) {
                std::byte* const p = b + layout_.values + d / strip_lanes * layout_.value_strip;
                const ValueSpan<V> values(units(p), kv_block * strip_lanes);
                values.set(strip_index<V>(at, d % strip_lanes), code);
            });
        }
    }

    /// What a slot holds, as floats: head_size of the key and of the value. For tests and reports.
    void read(std::size_t slot, std::size_t head, float* key, float* value) const noexcept {
        const std::size_t at = slot % kv_block;
        const std::byte* const b = block(head, slot / kv_block);
        for (std::size_t d = 0; d < shape_.head_size; ++d) {
            const std::byte* const k = b + layout_.keys + at / strip_lanes * layout_.key_strip;
            const std::byte* const v = b + layout_.values + d / strip_lanes * layout_.value_strip;
            const std::size_t i = d / layout_.run * kv_block + at;
            key[d] = real(k, strip_index<V>(d, at % strip_lanes), b, i);
            value[d] = real(v, strip_index<V>(at, d % strip_lanes), b + layout_.value_scales, i);
        }
    }

private:
    void swap(KvStore& other) noexcept {
        std::swap(shape_, other.shape_);
        std::swap(layout_, other.layout_);
        std::swap(pages_, other.pages_);
        std::swap(bytes_, other.bytes_);
        std::swap(blocks_, other.blocks_);
        std::swap(head_step_, other.head_step_);
        std::swap(row_, other.row_);
    }
    /// Sees to it that block b has memory that no other store uses, with what it held before.
    void make_own(std::size_t b, bool keep) {
        std::byte*& page = blocks_[b];
        if (page != nullptr && (pages_ == nullptr || !pages_->shared(page))) return;
        std::byte* const fresh = pages_->take();
        if (page != nullptr) {
            if (keep) std::memcpy(fresh, page, pages_->page_bytes());
            pages_->release(page);
        }
        page = fresh;
    }

    // A head as rows of one scale each: groups need not be what Matrix would fit.
    template <class X>
    struct Row {
        using type = X;
    };
    template <class X, std::size_t G, class T, Offset O>
    struct Row<Grouped<X, G, T, O>> {
        using type = PerRow<X, T, O>;
    };

    static unit_t<V>* units(std::byte* p) noexcept { return reinterpret_cast<unit_t<V>*>(p); }

    /// Rounds one head into row_, and writes its scales (and offsets) for position `at` from p on.
    template <class A>
    void encode_head(const float* x, [[maybe_unused]] std::byte* p,
                     [[maybe_unused]] std::size_t at) {
        for (std::size_t g = 0; g < layout_.groups; ++g) {
            store_row<A>(row_, g, x + g * layout_.run);
            if constexpr (Layout::scaled)
                reinterpret_cast<S*>(p)[g * kv_block + at] = row_.scales().data()[g];
            if constexpr (Layout::has_offset)
                reinterpret_cast<S*>(p + layout_.scale_plane)[g * kv_block + at] =
                    row_.offsets().data()[g];
        }
    }
    template <class Put>
    void each_code(Put&& put) const {
        for (std::size_t g = 0, d = 0; g < layout_.groups; ++g) {
            const auto codes = row_.codes().row(g);
            for (std::size_t i = 0; i < layout_.run; ++i, ++d) put(d, codes[i]);
        }
    }
    float real(const std::byte* codes, std::size_t i, [[maybe_unused]] const std::byte* scales,
               [[maybe_unused]] std::size_t scale) const noexcept {
        const ValueSpan<const V> run(reinterpret_cast<const unit_t<V>*>(codes), i + 1);
        float x = decode(run[i]);
        if constexpr (Layout::scaled) x *= decode(reinterpret_cast<const S*>(scales)[scale]);
        if constexpr (Layout::has_offset)
            x += decode(reinterpret_cast<const S*>(scales + layout_.scale_plane)[scale]);
        return x;
    }

    KvShape shape_;
    Layout layout_;
    Pages* pages_ = nullptr;
    Buffer<std::byte, Memory> bytes_;
    Buffer<std::byte*, Memory> blocks_;  ///< where each begins; null: no page yet
    std::size_t head_step_ = 0;          ///< bytes from a block of a head to that of the next
    Matrix<typename Row<F>::type, Memory> row_;
};

}  // namespace nibble
