// SPDX-License-Identifier: BSL-1.0
// Projection: weighted synapses from one population to another, and the delivery of spikes.
//
//     charge[target] += weight      for every synapse of every neuron that fired
//
// Layout: the targets are cut into tiles of at most 65,536 neurons; a tile keeps, for each source, a
// run of 16-bit targets and a run of weight codes (compressed sparse rows). A tile's charges stay in
// a near cache, and tiles are what threads share out: each charge is summed by one thread, by source
// ascending, so results do not depend on threads. For integer types the sum is exact in any order.
//
// Weights have one scale: weight = code * scale. For integer types the scale is a whole number of
// charge units, so that a weight's charge is exactly code * units_per_code. Where all weights are the
// same there is no plane of codes at all.
#pragma once

#include <nibble/kernel/executor.hpp>
#include <nibble/neuro/membrane.hpp>
#include <nibble/store/error.hpp>
#include <nibble/store/span.hpp>

#include <cmath>
#include <span>
#include <vector>

namespace nibble::inline NIBBLE_ARCH {

/// One synapse. The weight is in real units: what the target's potential gains; negative inhibits.
struct Synapse {
    std::uint32_t source = 0;
    std::uint32_t target = 0;
    double weight = 0.0;
};

/// A random rule: every source has `per_source` synapses to random targets, or every target has
/// `per_target` from random sources; exactly one of the two is set. Pairs may repeat.
struct RandomSynapses {
    std::size_t per_source = 0;
    std::size_t per_target = 0;
    double weight = 0.1;  ///< mean, in real units; negative for an inhibitory projection
    double spread = 0.0;  ///< weights are uniform in weight * [1 - spread, 1 + spread]
    std::uint64_t seed = 1;
};

/// Synapses whose weights are V's, between `sources` and `targets` neurons whose potentials are V's.
template <NeuralValue V, class A = Isa>
class Projection {
public:
    using Charge = charge_t<V>;

    Projection() = default;
    /// From a list. `charge_per_unit` is the target's (LifArray::charge_per_unit()).
    Projection(std::size_t sources, std::size_t targets, std::span<const Synapse> synapses,
               double charge_per_unit)
        : sources_(sources), targets_(targets) {
        build(synapses.size(), charge_per_unit, [&](std::size_t e) { return synapses[e]; });
    }
    /// From a random rule. Equal seeds give equal synapses at every V.
    Projection(std::size_t sources, std::size_t targets, const RandomSynapses& rule,
               double charge_per_unit)
        : sources_(sources), targets_(targets) {
        if ((rule.per_source == 0) == (rule.per_target == 0))
            fail("Projection: set either per_source or per_target, not both or none");
        const bool by_source = rule.per_source != 0;
        const std::size_t each = by_source ? rule.per_source : rule.per_target;
        const std::size_t other = by_source ? targets : sources;
        const std::size_t n = other == 0 ? 0 : each * (by_source ? sources : targets);
        const std::uint64_t key = splitmix64(rule.seed);
        build(n, charge_per_unit, [&](std::size_t e) {
            const std::uint64_t dice = splitmix64(key + 2 * e), size = splitmix64(key + 2 * e + 1);
            const auto here = static_cast<std::uint32_t>(e / each);
            const auto there = static_cast<std::uint32_t>(((dice >> 32) * other) >> 32);
            const double u = static_cast<double>(size >> 11) * 0x1p-52 - 1.0;  // in [-1, 1)
            return Synapse{by_source ? here : there, by_source ? there : here,
                           rule.weight * (1.0 + rule.spread * u)};
        });
    }

    [[nodiscard]] std::size_t sources() const noexcept { return sources_; }
    [[nodiscard]] std::size_t targets() const noexcept { return targets_; }
    [[nodiscard]] std::size_t synapses() const noexcept { return synapses_; }
    /// Real weight of code 1.
    [[nodiscard]] double scale() const noexcept { return scale_; }
    /// Bytes as allocated: targets, weights and row starts.
    [[nodiscard]] std::size_t bytes() const noexcept {
        std::size_t n = 0;
        for (const Tile& t : tiles_)
            n += t.start.capacity() * 4 + t.target.capacity() * 2 +
                 t.weight.capacity() * sizeof(unit_t<V>);
        return n;
    }
    [[nodiscard]] double bytes_per_synapse() const noexcept {
        return synapses_ == 0 ? 0.0 : static_cast<double>(bytes()) / static_cast<double>(synapses_);
    }

    /// Synapses that a source has.
    [[nodiscard]] std::size_t fan_out(std::size_t source) const noexcept {
        std::size_t n = 0;
        for (const Tile& t : tiles_) n += t.start[source + 1] - t.start[source];
        return n;
    }

    /// Adds the weights of all synapses of the sources in `spikes` (ascending) to `charge`, which
    /// has `targets` elements or more.
    void deliver(const BasicHost<A>& on, std::span<const std::uint32_t> spikes,
                 std::span<Charge> charge) const {
        NIBBLE_EXPECT(charge.size() >= targets_);
        if (spikes.empty()) return;
        on.parallel_for(tiles_.size(), 1, [&](std::size_t begin, std::size_t end) {
            for (std::size_t i = begin; i < end; ++i)
                deliver(tiles_[i], spikes, charge.data() + i * tile_);
        });
    }

    /// Calls f(Synapse) for every synapse, with its weight as stored; for tests and reports.
    template <class F>
    void for_each(F&& f) const {
        for (std::size_t i = 0; i < tiles_.size(); ++i)
            for (std::size_t s = 0; s < sources_; ++s)
                for (std::size_t k = tiles_[i].start[s]; k < tiles_[i].start[s + 1]; ++k)
                    f(Synapse{
                        static_cast<std::uint32_t>(s),
                        static_cast<std::uint32_t>(i * tile_ + tiles_[i].target[k]),
                        static_cast<double>(charge_of(code(tiles_[i], k))) / charge_per_unit_});
    }

private:
    struct Tile {
        std::vector<std::uint32_t> start;   // sources + 1
        std::vector<std::uint16_t> target;  // within the tile
        std::vector<unit_t<V>> weight;      // codes; empty where all are `common_`
    };

    [[nodiscard]] NIBBLE_INLINE V code(const Tile& tile, std::size_t k) const noexcept {
        return tile.weight.empty() ? common_
                                   : ValueSpan<const V>(tile.weight.data(), tile.target.size())[k];
    }
    [[nodiscard]] NIBBLE_INLINE Charge charge_of(V v) const noexcept {
        if constexpr (integer_state<V>) return code_of(v) * units_per_code_;
        else return decode(v) * units_per_code_;
    }
    void deliver(const Tile& tile, std::span<const std::uint32_t> spikes,
                 Charge* charge) const noexcept {
        const std::uint16_t* target = tile.target.data();
        if (tile.weight.empty()) {
            const Charge x = charge_of(common_);
            for (const std::uint32_t s : spikes)
                for (std::size_t k = tile.start[s], end = tile.start[s + 1]; k < end; ++k)
                    add_charge(charge[target[k]], x);
            return;
        }
        const ValueSpan<const V> weight(tile.weight.data(), tile.target.size());
        for (const std::uint32_t s : spikes)
            for (std::size_t k = tile.start[s], end = tile.start[s + 1]; k < end; ++k)
                add_charge(charge[target[k]], charge_of(weight[k]));
    }

    // Two passes over edge(0) .. edge(n - 1): count, then fill.
    template <class Edge>
    void build(std::size_t n, double charge_per_unit, Edge&& edge) {
        // Small enough that a few threads find work, large enough that row starts stay few.
        const std::size_t part = (targets_ / 8 + 63) / 64 * 64;
        tile_ = part < 1024 ? 1024 : part > 16384 ? 16384 : part;
        tiles_.resize((targets_ + tile_ - 1) / tile_);
        for (Tile& t : tiles_) t.start.assign(sources_ + 1, 0);
        double largest = 0.0;
        for (std::size_t e = 0; e < n; ++e) {
            const Synapse s = edge(e);
            if (s.source >= sources_ || s.target >= targets_ || !std::isfinite(s.weight))
                fail("Projection: synapse from " + std::to_string(s.source) + " to " +
                     std::to_string(s.target) + " of weight " + std::to_string(s.weight) +
                     ", expected " + std::to_string(sources_) + " sources and " +
                     std::to_string(targets_) + " targets");
            if (++tiles_[s.target / tile_].start[s.source + 1] == 0xFFFFFFFFu)
                fail("Projection: more than 2^32 synapses in a tile");
            largest = std::fmax(largest, std::fabs(s.weight));
        }
        choose_scale(largest, charge_per_unit);
        for (Tile& t : tiles_) {
            std::uint64_t sum = 0;
            for (std::uint32_t& start : t.start) start = static_cast<std::uint32_t>(sum += start);
            if (sum > 0xFFFFFFFFu) fail("Projection: more than 2^32 synapses in a tile");
            t.target.resize(sum);
            t.weight.resize(units_for<V>(sum));
        }
        std::vector<std::vector<std::uint32_t>> next;
        for (const Tile& t : tiles_) next.emplace_back(t.start);
        bool uniform = true;
        for (std::size_t e = 0; e < n; ++e) {
            const Synapse s = edge(e);
            Tile& t = tiles_[s.target / tile_];
            const std::size_t k = next[s.target / tile_][s.source]++;
            const V v = quantized(s.weight);
            t.target[k] = static_cast<std::uint16_t>(s.target % tile_);
            ValueSpan<V>(t.weight.data(), t.target.size()).set(k, v);
            if (e == 0) common_ = v;
            uniform = uniform && v == common_;
        }
        if (uniform)
            for (Tile& t : tiles_) std::vector<unit_t<V>>().swap(t.weight);
        synapses_ = n;
    }
    void choose_scale(double largest, double charge_per_unit) {
        charge_per_unit_ = charge_per_unit;
        if constexpr (integer_state<V>) {
            const double top = Membrane<V>::high;
            const double units = std::ceil(largest * charge_per_unit / top - 1e-9);
            units_per_code_ = static_cast<Charge>(std::fmin(std::fmax(units, 1.0), 0x1p30 / top));
            scale_ = static_cast<double>(units_per_code_) / charge_per_unit;
        } else {
            const double top = static_cast<double>(decode(value_traits<V>::highest()));
            scale_ = bits_v<V> >= 16 || largest == 0.0 ? 1.0 : largest / top;
            units_per_code_ = static_cast<Charge>(scale_ * charge_per_unit);
        }
    }
    [[nodiscard]] V quantized(double weight) const noexcept {
        if constexpr (integer_state<V>) {
            const double code = std::nearbyint(weight / scale_);
            return from_code<V>(Membrane<V>::saturate(static_cast<std::int32_t>(
                std::fmin(std::fmax(code, Membrane<V>::low), Membrane<V>::high))));
        } else {
            return encode<V>(static_cast<compute_t<V>>(weight / scale_));
        }
    }

    std::size_t sources_ = 0, targets_ = 0, synapses_ = 0, tile_ = 1024;
    double scale_ = 1.0, charge_per_unit_ = 1.0;
    Charge units_per_code_{};
    V common_{};
    std::vector<Tile> tiles_;
};

}  // namespace nibble
