// SPDX-License-Identifier: BSL-1.0
// KvSequence: the keys and values that one sequence has left in all layers of a model, in a format that
// is chosen at run time and does not touch the model's own.
//
//     auto sequence = make_kv_sequence(KvFormat::int8, model.kv_config());
//     KvPart part{&sequence, ids.size()};
//     auto logits = model.logits(on, model.hidden(on, ids, {&part, 1}));
#pragma once

#include <nibble/layer/attention.hpp>

#include <algorithm>
#include <memory>
#include <string_view>
#include <vector>

namespace nibble::inline NIBBLE_ARCH {

/// Layers, and the cache that each of them needs.
struct KvSequenceConfig {
    std::size_t layers = 0;
    std::size_t context = 0;  ///< positions of a sequence
    KvCacheConfig cache;

    [[nodiscard]] KvShape shape() const noexcept {
        return {.capacity = cache.capacity, .heads = cache.heads, .head_size = cache.head_size};
    }
};

/// The caches of a model of `layers` such attention layers: of `context` positions, or of a window and a
/// block more, so that prompts pass through in blocks.
[[nodiscard]] inline KvSequenceConfig kv_sequence_config(std::size_t layers, std::size_t context,
                                                         const AttentionConfig& a) {
    std::size_t capacity = context;
    if (a.window != 0 && a.window < context)
        capacity = std::min(context, (a.window + 2 * kv_block - 1) / kv_block * kv_block);
    return {layers,
            context,
            {.capacity = capacity,
             .heads = a.key_heads(),
             .head_size = a.size_of_head(),
             .sliding = capacity < context}};
}

/// The cache of one layer, in whatever format.
template <class On = Host>
class AnyKvCache {
public:
    AnyKvCache() = default;
    AnyKvCache(const AnyKvCache&) = delete;
    AnyKvCache& operator=(const AnyKvCache&) = delete;
    virtual ~AnyKvCache() = default;
    [[nodiscard]] virtual std::size_t length() const noexcept = 0;
    [[nodiscard]] virtual std::size_t held() const noexcept = 0;
    [[nodiscard]] virtual std::size_t bytes() const noexcept = 0;
    [[nodiscard]] virtual std::size_t pages_for(std::size_t n) const noexcept = 0;
    virtual void clear() noexcept = 0;
    virtual void truncate(std::size_t length) noexcept = 0;
    /// Fails when the other is of another format.
    virtual void take_prefix(const AnyKvCache& other, std::size_t length) = 0;
    /// Adds positions and attends over all that are there: see attend_cached.
    virtual void attend(On& on, const AttentionShape& shape, View<const float> q,
                        View<const float> k, View<const float> v, View<float> y) = 0;
};

/// A KvCache<F> behind that interface.
template <Format F, class On = Host>
class KvCacheOf final : public AnyKvCache<On> {
public:
    using Pages = typename KvCache<F, On>::Store::Pages;
    explicit KvCacheOf(const KvCacheConfig& c, Pages* pages = nullptr) : cache_(c, pages) {}

    [[nodiscard]] std::size_t length() const noexcept override { return cache_.length(); }
    [[nodiscard]] std::size_t held() const noexcept override { return cache_.held(); }
    [[nodiscard]] std::size_t bytes() const noexcept override { return cache_.bytes(); }
    [[nodiscard]] std::size_t pages_for(std::size_t n) const noexcept override {
        return cache_.pages_for(n);
    }
    void clear() noexcept override { cache_.clear(); }
    void truncate(std::size_t length) noexcept override { cache_.truncate(length); }
    void take_prefix(const AnyKvCache<On>& other, std::size_t length) override {
        const auto* same = dynamic_cast<const KvCacheOf*>(&other);
        if (same == nullptr) fail("KvCache: a prefix of a cache of another format");
        cache_.take_prefix(same->cache_, length);
    }
    void attend(On& on, const AttentionShape& shape, View<const float> q, View<const float> k,
                View<const float> v, View<float> y) override {
        attend_cached(on, shape, q, k, v, cache_, y);
    }

private:
    KvCache<F, On> cache_;
};

/// The caches of one sequence, a layer each.
template <class On = Host>
class KvSequence {
public:
    using Pages = KvPages<typename On::Memory>;

    KvSequence() = default;
    /// Caches in F. With `pages` (of kv_page_bytes<F>), which the sequence keeps alive, positions take
    /// their memory from there.
    template <Format F>
    [[nodiscard]] static KvSequence of(const KvSequenceConfig& c,
                                       std::shared_ptr<Pages> pages = nullptr) {
        KvSequence s;
        for (std::size_t i = 0; i < c.layers; ++i)
            s.layers_.push_back(std::make_unique<KvCacheOf<F, On>>(c.cache, pages.get()));
        s.sliding_ = c.cache.sliding;
        s.capacity_ = c.cache.capacity;
        s.pages_ = std::move(pages);
        return s;
    }
    KvSequence(KvSequence&&) = default;
    /// The old caches give their pages back before the pool may go.
    KvSequence& operator=(KvSequence&& other) noexcept {
        layers_ = std::move(other.layers_);
        pages_ = std::move(other.pages_);
        capacity_ = other.capacity_;
        sliding_ = other.sliding_;
        return *this;
    }

    [[nodiscard]] AnyKvCache<On>& operator[](std::size_t layer) noexcept { return *layers_[layer]; }
    [[nodiscard]] std::size_t layers() const noexcept { return layers_.size(); }
    /// Positions read so far.
    [[nodiscard]] std::size_t length() const noexcept {
        return layers_.empty() ? 0 : layers_.front()->length();
    }
    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
    /// True when the oldest positions give way.
    [[nodiscard]] bool sliding() const noexcept { return sliding_; }
    /// Bytes of all layers: what is allocated, or the pages in use, shared ones included.
    [[nodiscard]] std::size_t bytes() const noexcept {
        std::size_t n = 0;
        for (const auto& layer : layers_) n += layer->bytes();
        return n;
    }
    [[nodiscard]] const std::shared_ptr<Pages>& pages() const noexcept { return pages_; }
    /// Pages that n more positions take from the pool.
    [[nodiscard]] std::size_t pages_for(std::size_t n) const noexcept {
        std::size_t pages = 0;
        for (const auto& layer : layers_) pages += layer->pages_for(n);
        return pages;
    }

    /// Forgets everything; storage of its own stays, pages go back.
    void clear() noexcept {
        for (auto& layer : layers_) layer->clear();
    }
    /// Forgets the positions from `length` on.
    void truncate(std::size_t length) noexcept {
        for (auto& layer : layers_) layer->truncate(length);
    }
    /// Begins as another sequence did, with its first `length` positions. Nothing is computed, and with a
    /// pool in common nothing is copied until one of the two goes its own way.
    void take_prefix(const KvSequence& other, std::size_t length) {
        if (other.layers() != layers()) fail("KvSequence: a prefix from another model");
        for (std::size_t i = 0; i < layers(); ++i)
            layers_[i]->take_prefix(*other.layers_[i], length);
    }

private:
    std::shared_ptr<Pages> pages_;  // before the layers, which give theirs back when they go
    std::vector<std::unique_ptr<AnyKvCache<On>>> layers_;
    std::size_t capacity_ = 0;
    bool sliding_ = false;
};

/// `rows` next positions of one sequence among the rows of a batch.
template <class On = Host>
struct KvPart {
    KvSequence<On>* sequence = nullptr;
    std::size_t rows = 0;

    [[nodiscard]] AnyKvCache<On>& cache(std::size_t layer) const noexcept {
        return (*sequence)[layer];
    }
};

/// Fails unless `ids` rows hold the parts, which stay within the context and the pool. Rows after the last
/// part are padding.
template <class On>
void expect_parts(const char* where, std::size_t ids, std::span<const KvPart<On>> parts,
                  std::size_t context) {
    std::size_t rows = 0;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const KvPart<On>& part = parts[i];
        rows += part.rows;
        const std::size_t length = part.sequence->length();
        if (part.rows == 0 || part.rows > context - length)
            fail(std::string(where) + ": " + std::to_string(part.rows) + " ids after " +
                 std::to_string(length) + ", expected 1 to " + std::to_string(context - length));
        // What the parts before this one take is taken into account.
        std::size_t pages = 0;
        for (std::size_t k = 0; k <= i; ++k)
            if (parts[k].sequence->pages() == part.sequence->pages())
                pages += parts[k].sequence->pages_for(parts[k].rows);
        if (const auto& pool = part.sequence->pages(); pool != nullptr)
            if (pages > pool->size() - pool->used())
                fail(std::string(where) + ": " + std::to_string(pages) +
                     " pages of keys and values are needed, " +
                     std::to_string(pool->size() - pool->used()) + " of " +
                     std::to_string(pool->size()) + " are free");
    }
    if (rows > ids || rows == 0)
        fail(std::string(where) + ": " + std::to_string(ids) + " ids for parts of " +
             std::to_string(rows));
}

}  // namespace nibble
