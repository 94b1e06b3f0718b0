// SPDX-License-Identifier: BSL-1.0
// The synapses from one area to another, of one delay, and the delivery of spikes through them.
//
//     sum[target] += weight * psp * sign / divisor     for every synapse of every source that fired
//
// Compressed sparse rows: targets are 16-bit numbers within blocks of 65,536 neurons; a source's row
// lists its targets ascending, block after block. Weights, psps and signs are planes that exist only
// where they differ. Per target, contributions arrive by source ascending.
#pragma once

#include <nibble/neuro/brain_block.hpp>
#include <nibble/neuro/brain_planes.hpp>
#include <nibble/neuro/brain_rules.hpp>
#include <nibble/neuro/brain_types.hpp>
#include <nibble/store/buffer.hpp>
#include <nibble/store/error.hpp>

#include <algorithm>
#include <span>
#include <string>
#include <vector>

namespace nibble::inline NIBBLE_ARCH {

/// A source that fired: its number in its area and what its spike carries.
struct FiredSource {
    std::uint32_t neuron = 0;
    std::uint16_t psp = 0;      ///< of all its synapses, when driven by its potential
    std::uint32_t divisor = 1;  ///< of its contributions
};

/// A contribution in the target's units: real for floats, 2^-bits for integers, bits at least 0. The
/// division is that of floats, or rounds to nearest.
template <class Charge>
[[nodiscard]] NIBBLE_INLINE Charge event_of(std::int32_t product, std::int64_t divisor,
                                            int bits) noexcept {
    if constexpr (std::is_integral_v<Charge>) {
        const std::int64_t units = std::int64_t{product} << bits;
        if (divisor == 1) return as_event(static_cast<Charge>(units));
        const std::int64_t mid = units < 0 ? -(divisor / 2) : divisor / 2;
        return as_event(static_cast<Charge>((units + mid) / divisor));
    } else {
        const Charge whole = static_cast<Charge>(product);
        return as_event(divisor == 1 ? whole : whole / static_cast<Charge>(divisor));
    }
}

/// One synapse within a projection.
struct LocalSynapse {
    std::uint32_t source = 0, target = 0;  ///< within their areas
    std::uint8_t weight = 1, psp = 1;
    bool inhibitory = false;
};

template <class A = Isa>
class BrainProjection {
public:
    static constexpr std::size_t block = 65536;

    std::uint32_t source_area = 0, target_area = 0;
    std::uint8_t delay = 1;

    BrainProjection() = default;
    BrainProjection(std::uint32_t from, std::uint32_t to, std::uint8_t bursts, std::size_t sources,
                    std::size_t targets)
        : source_area(from),
          target_area(to),
          delay(bursts),
          sources_(sources),
          targets_(targets),
          blocks_((targets + block - 1) / block),
          start_(sources * blocks_ + 2),
          target_(short_run) {}

    [[nodiscard]] std::size_t sources() const noexcept { return sources_; }
    [[nodiscard]] std::size_t targets() const noexcept { return targets_; }
    [[nodiscard]] std::size_t synapses() const noexcept { return start_[sources_ * blocks_]; }
    [[nodiscard]] std::size_t fan_out(std::size_t source) const noexcept {
        return start_[(source + 1) * blocks_] - start_[source * blocks_];
    }
    /// Asks for what a source's delivery reads: first where its row lies, later (when that has arrived)
    /// the row.
    void fetch_start(std::size_t source) const noexcept {
        __builtin_prefetch(start_.data() + source * blocks_);
        __builtin_prefetch(start_.data() + (source + 1) * blocks_);
    }
    void fetch_row(std::size_t source) const noexcept {
        const std::size_t end = start_[(source + 1) * blocks_];
        for (std::size_t k = start_[source * blocks_]; k < end; k += 32)
            __builtin_prefetch(target_.data() + k);
    }
    [[nodiscard]] std::size_t bytes() const noexcept {
        return start_.size() * 4 + target_.size() * 2 + weight_.bytes() + psp_.bytes() +
               inhibits_.bytes();
    }
    [[nodiscard]] const Plane<std::uint8_t>& weights() const noexcept { return weight_; }

    /// Synapses k of `source` are [row(source), row(source + 1)).
    [[nodiscard]] std::size_t row(std::size_t source) const noexcept {
        return start_[source * blocks_];
    }
    [[nodiscard]] std::uint8_t weight(std::size_t k) const noexcept { return weight_[k]; }
    [[nodiscard]] std::uint8_t psp(std::size_t k) const noexcept { return psp_[k]; }
    void set_weight(std::size_t k, std::uint8_t w) { weight_.set(k, w, synapses()); }
    /// The weights as an array, for rules that change many.
    [[nodiscard]] std::uint8_t* spread_weights() { return weight_.spread(synapses()); }
    void fill_psp(std::uint8_t psp) { psp_.fill(psp); }

    /// Calls f(k, target) for the synapses of a source, by target ascending.
    template <class F>
    void for_row(std::size_t source, F&& f) const {
        for (std::size_t b = 0; b < blocks_; ++b)
            for (std::size_t k = start_[source * blocks_ + b],
                             end = start_[source * blocks_ + b + 1];
                 k < end; ++k)
                f(k, static_cast<std::uint32_t>(b * block + target_[k]));
    }
    [[nodiscard]] LocalSynapse synapse(std::size_t source, std::size_t k,
                                       std::uint32_t target) const noexcept {
        return {static_cast<std::uint32_t>(source), target, weight_[k], psp_[k], inhibits_[k] != 0};
    }
    /// All synapses, by source, then by target.
    [[nodiscard]] std::vector<LocalSynapse> list() const {
        std::vector<LocalSynapse> all;
        all.reserve(synapses());
        for (std::size_t s = 0; s < sources_; ++s)
            for_row(s, [&](std::size_t k, std::uint32_t t) { all.push_back(synapse(s, k, t)); });
        return all;
    }

    /// Replaces all synapses by n: edge(e) gives a LocalSynapse, twice. Those of one source to one
    /// target stay in the order given. Error: numbers beyond the areas; 2^32 synapses.
    template <class Edge>
    void build(std::size_t n, Edge&& edge) {
        if (n >= 0xFFFFFFFFu) fail("BrainProjection: more than 2^32 - 2 synapses");
        Buffer<std::uint32_t> next(start_.size());
        for (std::size_t e = 0; e < n; ++e) {
            const LocalSynapse s = edge(e);
            if (s.source >= sources_ || s.target >= targets_)
                fail("BrainProjection: synapse from " + std::to_string(s.source) + " to " +
                     std::to_string(s.target) + ", expected " + std::to_string(sources_) +
                     " sources and " + std::to_string(targets_) + " targets");
            ++next[s.source * blocks_ + s.target / block + 2];
        }
        for (std::size_t i = 2; i < next.size(); ++i) next[i] += next[i - 1];
        Buffer<std::uint16_t> target(n + short_run);
        std::vector<std::uint8_t> weight(n), psp(n), inhibits(n);
        for (std::size_t e = 0; e < n; ++e) {
            const LocalSynapse s = edge(e);
            const std::size_t k = next[s.source * blocks_ + s.target / block + 1]++;
            target[k] = static_cast<std::uint16_t>(s.target % block);
            weight[k] = s.weight;
            psp[k] = s.psp;
            inhibits[k] = s.inhibitory ? 1 : 0;
        }
        start_ = std::move(next);
        sort_rows(target, weight, psp, inhibits);
        target_ = std::move(target);
        weight_.assign(std::move(weight));
        psp_.assign(std::move(psp));
        inhibits_.assign(std::move(inhibits));
    }

    /// Adds the contributions of sources to the sums of targets [first, last) of one block; `sum` has
    /// the sums of the whole block. `bits` are the fraction bits of integer sums; below 0 the unit is
    /// 2^-bits, and every contribution is divided by it.
    template <class Charge>
    void deliver(std::span<const FiredSource> fired, std::size_t first, std::size_t last, int bits,
                 bool driven, Charge* sum) const noexcept {
        const std::size_t b = first / block, low = first % block, high = low + (last - first);
        const bool whole = low == 0 && high >= std::min(block, targets_ - b * block);
        const std::uint16_t* const target = target_.data();
        const bool plain = weight_.is_common() && psp_.is_common() && inhibits_.is_common();
        const int coarser = bits < 0 ? -bits : 0;
        bits += coarser;
        Pending<Charge> pending;
        for (std::size_t n = 0; n < fired.size(); ++n) {
            const FiredSource& f = fired[n];
            const std::int64_t divisor = std::int64_t{f.divisor} << coarser;
            if (blocks_ > 1 && n + ahead < fired.size())
                __builtin_prefetch(target + start_[fired[n + ahead].neuron * blocks_ + b]);
            std::size_t k = start_[f.neuron * blocks_ + b],
                        end = start_[f.neuron * blocks_ + b + 1];
            if (!whole) {
                const auto in = [&](std::size_t x) {
                    return static_cast<std::size_t>(std::lower_bound(target + k, target + end, x) -
                                                    target);
                };
                const std::size_t from = in(low);
                end = in(high);
                k = from;
            }
            if (plain) {
                const std::uint8_t psp = driven ? static_cast<std::uint8_t>(f.psp) : psp_.common();
                const Charge event = event_of<Charge>(
                    contribution(weight_.common(), psp, inhibits_.common() != 0), divisor, bits);
                if (end - k <= short_run) {
                    pending.add(target + k, end - k, event, sum);
                } else {
                    pending.flush(sum);
                    for (; k < end; ++k) add_event(sum[target[k]], event);
                }
            } else if (divisor == 1) {
                for (; k < end; ++k)
                    add_event(sum[target[k]], event<Charge>(f, k, 1, bits, driven));
            } else {
                for (; k < end; ++k)
                    add_event(sum[target[k]], event<Charge>(f, k, divisor, bits, driven));
            }
        }
        pending.flush(sum);
    }

private:
    static constexpr std::size_t short_run = 16, ahead = 12;

    // Short runs one after the other, copied without a branch on their length (a loop of a few turns
    // costs a wrong guess at its end, more than the turns), then added in one loop.
    template <class Charge>
    struct Pending {
        static constexpr std::size_t most = 1024;
        std::size_t n = 0;
        std::uint16_t target[most + short_run];
        Charge event[most + short_run];

        NIBBLE_INLINE void add(const std::uint16_t* run, std::size_t length, Charge x,
                               Charge* sum) noexcept {
            std::memcpy(target + n, run, short_run * sizeof *run);
            for (std::size_t i = 0; i < short_run; ++i) event[n + i] = x;
            n += length;
            if (n > most) flush(sum);
        }
        NIBBLE_INLINE void flush(Charge* sum) noexcept {
            for (std::size_t i = 0; i < n; ++i) add_event(sum[target[i]], event[i]);
            n = 0;
        }
    };

    template <class Charge>
    [[nodiscard]] NIBBLE_INLINE Charge event(const FiredSource& f, std::size_t k,
                                             std::int64_t divisor, int bits,
                                             bool driven) const noexcept {
        const std::uint8_t psp = driven ? static_cast<std::uint8_t>(f.psp) : psp_[k];
        return event_of<Charge>(contribution(weight_[k], psp, inhibits_[k] != 0), divisor, bits);
    }

    void sort_rows(Buffer<std::uint16_t>& target, std::vector<std::uint8_t>& weight,
                   std::vector<std::uint8_t>& psp, std::vector<std::uint8_t>& inhibits) const {
        struct Item {
            std::uint16_t target;
            std::uint8_t weight, psp, inhibits;
        };
        std::vector<Item> items;
        for (std::size_t r = 0; r < sources_ * blocks_; ++r) {
            const std::size_t begin = start_[r], end = start_[r + 1];
            if (std::is_sorted(target.data() + begin, target.data() + end)) continue;
            items.clear();
            for (std::size_t k = begin; k < end; ++k)
                items.push_back({target[k], weight[k], psp[k], inhibits[k]});
            std::stable_sort(items.begin(), items.end(),
                             [](const Item& x, const Item& y) { return x.target < y.target; });
            for (std::size_t k = begin; k < end; ++k) {
                target[k] = items[k - begin].target;
                weight[k] = items[k - begin].weight;
                psp[k] = items[k - begin].psp;
                inhibits[k] = items[k - begin].inhibits;
            }
        }
    }

    std::size_t sources_ = 0, targets_ = 0, blocks_ = 1;
    Buffer<std::uint32_t> start_ = Buffer<std::uint32_t>(2);  // of row (source, block); two more
    Buffer<std::uint16_t> target_;                            // within the block; short_run more
    Plane<std::uint8_t> weight_{1}, psp_{1}, inhibits_{0};
};

}  // namespace nibble
