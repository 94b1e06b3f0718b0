// SPDX-License-Identifier: BSL-1.0
// Synapses as lists: for each source that fires, a run of targets and of weights.
//
// Layout: the targets are cut into tiles of at most 65,536 neurons; a tile keeps, for each source, a
// run of 16-bit targets and a run of weight codes (compressed sparse rows). A tile's sums stay in a
// near cache, and tiles are what threads share out: each sum is added up by one thread, by source
// ascending, so results do not depend on threads. Where all weights are the same there is no plane of
// codes at all.
#pragma once

#include <nibble/kernel/executor.hpp>
#include <nibble/neuro/membrane.hpp>
#include <nibble/store/error.hpp>
#include <nibble/store/span.hpp>

#include <span>
#include <vector>

namespace nibble::inline NIBBLE_ARCH {

/// sum += x; 16-bit sums are only used where none can pass their range.
NIBBLE_INLINE constexpr void add_charge(std::int16_t& sum, std::int16_t x) noexcept {
    sum = static_cast<std::int16_t>(sum + x);
}

/// How weight codes become what is added to a sum: times `per_code`; where all synapses share one
/// weight, `common` itself.
template <class Sum>
struct Delivery {
    Sum per_code{}, common{};
};

template <NeuralValue V, class A = Isa>
class SynapseList {
public:
    SynapseList() = default;
    /// For up to `expected` synapses, which sizes the tiles.
    SynapseList(std::size_t sources, std::size_t targets, std::size_t expected)
        : sources_(sources), targets_(targets) {
        // Small enough that a few threads find work and a tile's sums a near cache, large enough that
        // runs are worth the jump to them and row starts stay few.
        const std::size_t part = (targets / 8 + 63) / 64 * 64;
        tile_ = part < 1024 ? 1024 : part > 16384 ? 16384 : part;
        while (tile_ < 65536 && tile_ < targets && expected / 64 * tile_ < sources * targets)
            tile_ *= 2;
        tile_ = tile_ > 65536 ? 65536 : tile_;
        tiles_.resize((targets + tile_ - 1) / tile_);
        for (Tile& t : tiles_) t.start.assign(sources + 1, 0);
    }

    // Filling: count every synapse, then `counted`, then place every synapse in the same order.
    void count(std::uint32_t source, std::uint32_t target) {
        if (++tiles_[target / tile_].start[source + 1] == 0xFFFFFFFFu)
            fail("Projection: more than 2^32 synapses in a tile");
    }
    void counted() {
        for (Tile& t : tiles_) {
            std::uint64_t sum = 0;
            for (std::uint32_t& start : t.start) start = static_cast<std::uint32_t>(sum += start);
            if (sum > 0xFFFFFFFFu) fail("Projection: more than 2^32 synapses in a tile");
            t.target.resize(static_cast<std::size_t>(sum));
            t.weight.resize(units_for<V>(static_cast<std::size_t>(sum)));
            t.next = t.start;
        }
    }
    void place(std::uint32_t source, std::uint32_t target, V weight) noexcept {
        Tile& t = tiles_[target / tile_];
        const std::size_t k = t.next[source]++;
        t.target[k] = static_cast<std::uint16_t>(target % tile_);
        ValueSpan<V>(t.weight.data(), t.target.size()).set(k, weight);
    }
    /// All synapses are placed. `uniform`: their weights are the same, and need no plane.
    void placed(bool uniform) {
        for (Tile& t : tiles_) {
            std::vector<std::uint32_t>().swap(t.next);
            if (uniform) std::vector<unit_t<V>>().swap(t.weight);
        }
        uniform_ = uniform;
    }

    [[nodiscard]] std::size_t synapses() const noexcept {
        std::size_t n = 0;
        for (const Tile& t : tiles_) n += t.target.size();
        return n;
    }
    [[nodiscard]] std::size_t bytes() const noexcept {
        std::size_t n = 0;
        for (const Tile& t : tiles_)
            n += t.start.capacity() * 4 + t.target.capacity() * 2 +
                 t.weight.capacity() * sizeof(unit_t<V>);
        return n;
    }
    [[nodiscard]] std::size_t fan_out(std::size_t source) const noexcept {
        std::size_t n = 0;
        for (const Tile& t : tiles_) n += t.start[source + 1] - t.start[source];
        return n;
    }

    /// Adds the weights of all synapses of the sources in `spikes` (ascending) to `sums`; returns how
    /// many they are.
    template <class Sum>
    std::size_t deliver(const BasicHost<A>& on, std::span<const std::uint32_t> spikes,
                        std::span<Sum> sums, const Delivery<Sum>& how) const {
        if (tiles_.size() == 1) return deliver_tile(tiles_[0], spikes, sums.data(), how);
        Tally events;
        on.parallel_for(tiles_.size(), 1, [&](std::size_t begin, std::size_t end) {
            std::size_t n = 0;
            for (std::size_t i = begin; i < end; ++i)
                n += deliver_tile(tiles_[i], spikes, sums.data() + i * tile_, how);
            events.add(n);
        });
        return events.count();
    }

    /// Calls f(source, target, code) for every synapse; the code is `common` where all share one.
    template <class F>
    void for_each(V common, F&& f) const {
        for (std::size_t i = 0; i < tiles_.size(); ++i)
            for (std::size_t s = 0; s < sources_; ++s)
                for (std::size_t k = tiles_[i].start[s]; k < tiles_[i].start[s + 1]; ++k)
                    f(static_cast<std::uint32_t>(s),
                      static_cast<std::uint32_t>(i * tile_ + tiles_[i].target[k]),
                      uniform_ ? common : codes(tiles_[i])[k]);
    }

private:
    struct Tile {
        std::vector<std::uint32_t> start;   // sources + 1
        std::vector<std::uint16_t> target;  // within the tile
        std::vector<unit_t<V>> weight;      // codes; empty where all are the same
        std::vector<std::uint32_t> next;    // while placing
    };

    [[nodiscard]] static ValueSpan<const V> codes(const Tile& t) noexcept {
        return ValueSpan<const V>(t.weight.data(), t.target.size());
    }
    template <class Sum>
    [[nodiscard]] static NIBBLE_INLINE Sum amount(V v, Sum per_code) noexcept {
        if constexpr (integer_state<V>)
            return static_cast<Sum>(static_cast<Sum>(code_of(v)) * per_code);
        else if constexpr (std::is_floating_point_v<Sum>)
            return static_cast<Sum>(decode(v)) * per_code;
        else return Sum{};  // float weights that differ are never summed in integers
    }
    template <class Sum>
    std::size_t deliver_tile(const Tile& tile, std::span<const std::uint32_t> spikes, Sum* sums,
                             const Delivery<Sum>& how) const noexcept {
        const std::uint16_t* const target = tile.target.data();
        const std::uint32_t* const start = tile.start.data();
        const ValueSpan<const V> weight = codes(tile);
        const Delivery<Sum> by = how;
        std::size_t events = 0;
        for (std::size_t n = 0; n < spikes.size(); ++n) {
            std::size_t k = start[spikes[n]];
            const std::size_t end = start[spikes[n] + 1];
            events += end - k;
#if defined(__GNUC__)
            // Runs lie anywhere: ask for the head of the one after the next.
            if (n + 2 < spikes.size()) {
                const std::size_t ahead = start[spikes[n + 2]];
                __builtin_prefetch(target + ahead);
                __builtin_prefetch(target + ahead + 32);
            }
#endif
            if (uniform_) {
                for (; k + 8 <= end; k += 8)
                    for (std::size_t j = 0; j < 8; ++j) add_charge(sums[target[k + j]], by.common);
                for (; k < end; ++k) add_charge(sums[target[k]], by.common);
            } else {
                for (; k < end; ++k) add_charge(sums[target[k]], amount(weight[k], by.per_code));
            }
        }
        return events;
    }

    std::size_t sources_ = 0, targets_ = 0, tile_ = 1024;
    bool uniform_ = false;
    std::vector<Tile> tiles_;
};

}  // namespace nibble
