// SPDX-License-Identifier: BSL-1.0
// Memory neurons: one for every pattern of activity that an area has met.
//
// A pattern is what fired in the watched areas over the last `temporal_depth` bursts, oldest first, in
// each burst by area. Its name is XXH64 (seed 0) of the sets, each as a 32-bit count and the sorted
// 32-bit neuron numbers, little-endian. A pattern met for the first time makes a neuron with the
// initial lifespan; each burst takes one from it and each time the pattern is met again adds the growth;
// at 0 the neuron dies, and from the long-term threshold on it lives for ever.
#pragma once

#include <nibble/io/checksum.hpp>
#include <nibble/neuro/brain_types.hpp>
#include <nibble/store/error.hpp>

#include <algorithm>
#include <functional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace nibble::inline NIBBLE_ARCH {

/// Hashes the sets of a pattern, given one after the other.
class PatternHash {
public:
    /// One set: neuron numbers, ascending.
    void add(std::span<const std::uint32_t> neurons) {
        word(static_cast<std::uint32_t>(neurons.size()));
        for (const std::uint32_t n : neurons) word(n);
        total_ += neurons.size();
    }
    /// Neurons in all sets.
    [[nodiscard]] std::size_t total() const noexcept { return total_; }
    [[nodiscard]] std::uint64_t digest() const noexcept { return hash_.digest(); }

private:
    void word(std::uint32_t x) noexcept {
        const std::byte bytes[4] = {std::byte(x & 0xFFu), std::byte(x >> 8 & 0xFFu),
                                    std::byte(x >> 16 & 0xFFu), std::byte(x >> 24)};
        hash_.update(std::span<const std::byte>(bytes));
    }
    Xxh64 hash_;
    std::size_t total_ = 0;
};

/// The neurons of one memory area: their patterns and lifespans.
class MemoryNeurons {
public:
    static constexpr std::uint32_t none = 0xFFFFFFFFu;
    struct Neuron {
        std::uint64_t pattern = 0;
        std::uint32_t lifespan = 0;  ///< bursts left
        std::uint32_t met = 0;       ///< times that the pattern was met
        bool alive = false, longterm = false;
        friend bool operator==(const Neuron&, const Neuron&) = default;
    };

    MemoryNeurons() = default;
    MemoryNeurons(const MemoryProperties& p, std::uint32_t room)
        : properties_(p), growth_(static_cast<std::uint32_t>(p.lifespan_growth)), room_(room) {
        if (!(p.lifespan_growth >= 0.0 && p.lifespan_growth < 4294967296.0))
            fail("MemoryNeurons: lifespan growth is " + std::to_string(p.lifespan_growth) +
                 ", expected 0 to 2^32");
        if (p.temporal_depth == 0)
            fail("MemoryNeurons: temporal depth is 0, expected 1 burst or more");
    }

    /// The neuron of a pattern, made or woken; `none` when there is no room for another. `fresh`: made.
    std::uint32_t meet(std::uint64_t pattern, bool& fresh) {
        fresh = false;
        if (const std::uint32_t i = find(pattern); i != none) {
            wake(i);
            return i;
        }
        std::uint32_t i = static_cast<std::uint32_t>(neurons_.size());
        if (!free_.empty()) {
            i = free_.back();
            free_.pop_back();
        } else if (i < room_) {
            neurons_.emplace_back();
        } else {
            ++refused_;
            return none;
        }
        neurons_[i] = {pattern, properties_.initial_lifespan, 1, true, false};
        by_pattern_[pattern] = i;
        fresh = true;
        return i;
    }
    [[nodiscard]] std::uint32_t find(std::uint64_t pattern) const {
        const auto at = by_pattern_.find(pattern);
        return at == by_pattern_.end() ? none : at->second;
    }
    /// Adds the growth to a living neuron's lifespan unless it is long-term; false when it is dead.
    bool wake(std::uint32_t i) {
        Neuron& n = neurons_.at(i);
        if (!n.alive) return false;
        ++n.met;
        if (!n.longterm) n.lifespan = n.lifespan > ~growth_ ? ~0u : n.lifespan + growth_;
        return true;
    }
    /// Takes a burst from every lifespan; calls died(i) for those that end.
    template <class F>
    void age(F&& died) {
        for (std::uint32_t i = 0; i < neurons_.size(); ++i) {
            Neuron& n = neurons_[i];
            if (!n.alive || n.longterm || n.lifespan == 0 || --n.lifespan != 0) continue;
            n.alive = false;
            by_pattern_.erase(n.pattern);
            free_.insert(std::lower_bound(free_.begin(), free_.end(), i, std::greater<>()), i);
            died(i);
        }
    }
    /// Makes the neurons whose lifespan has reached the threshold long-term; returns how many.
    std::size_t settle() {
        std::size_t count = 0;
        for (Neuron& n : neurons_)
            if (n.alive && !n.longterm && n.lifespan >= properties_.longterm_threshold) {
                n.longterm = true;
                ++count;
            }
        return count;
    }

    [[nodiscard]] const MemoryProperties& properties() const noexcept { return properties_; }
    /// All that were ever made, dead ones among them until they are reused.
    [[nodiscard]] std::span<const Neuron> neurons() const noexcept { return neurons_; }
    /// Patterns that found no room.
    [[nodiscard]] std::uint64_t refused() const noexcept { return refused_; }
    [[nodiscard]] std::size_t alive() const noexcept { return by_pattern_.size(); }
    /// Puts neurons back as neurons() gave them.
    void restore(std::vector<Neuron> neurons) {
        neurons_ = std::move(neurons);
        by_pattern_.clear();
        free_.clear();
        for (std::uint32_t i = static_cast<std::uint32_t>(neurons_.size()); i-- > 0;) {
            if (neurons_[i].alive) by_pattern_[neurons_[i].pattern] = i;
            else free_.push_back(i);
        }
    }

private:
    MemoryProperties properties_;
    std::uint32_t growth_ = 3;
    std::uint32_t room_ = 0;
    std::uint64_t refused_ = 0;
    std::vector<Neuron> neurons_;
    std::unordered_map<std::uint64_t, std::uint32_t> by_pattern_;
    std::vector<std::uint32_t> free_;  // dead ones, descending: the lowest is used first
};

/// What a memory area watches, and into which areas its neurons replay what they met.
struct MemoryLinks {
    std::uint32_t area = 0;               ///< the memory area
    std::vector<std::uint32_t> upstream;  ///< watched areas, ascending
    struct Twin {
        std::uint32_t upstream = 0, twin = 0;  ///< what fired in `upstream` is put into `twin`
        float potential = 1.0f;                ///< as an input of this size
        friend bool operator==(const Twin&, const Twin&) = default;
    };
    std::vector<Twin> twins;
    friend bool operator==(const MemoryLinks&, const MemoryLinks&) = default;
};

/// What a memory neuron met: neuron `neuron` of area `upstream`, `offset` bursts after the oldest.
struct ReplayFrame {
    std::uint32_t offset = 0, upstream = 0, neuron = 0;
    friend bool operator==(const ReplayFrame&, const ReplayFrame&) = default;
};
/// An input that a replay has on its way.
struct ReplayInput {
    std::uint64_t burst = 0;
    std::uint32_t area = 0, neuron = 0;
    float potential = 0.0f;
    friend bool operator==(const ReplayInput&, const ReplayInput&) = default;
};

/// A memory area at work.
struct MemoryArea {
    MemoryLinks links;
    MemoryNeurons neurons;
    std::vector<std::vector<ReplayFrame>> frames;  ///< by neuron
};

}  // namespace nibble
