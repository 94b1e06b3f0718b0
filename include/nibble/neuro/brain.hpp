// SPDX-License-Identifier: BSL-1.0
// Brain: areas of neurons with FEAGI's rules, and the burst that moves them on.
//
//     Brain<Int8Value> brain;
//     const auto eye = brain.add({.id = "iv00CC", .dimensions = {32, 32, 1}, .threshold = 5.0});
//     ...
//     brain.inject(eye, 17, 20.0);
//     BurstResult r = brain.burst(Host());
//
// One burst:
//     1. inject      what was staged, then power, then fatigue
//     2. propagate   the spikes of the last burst (of `delay` bursts ago) through all synapses
//     3. update      the neurons to which something arrived, or all of them
//     4. keep        the spikes go into the ring of the last bursts
//     5. learn       plastic synapses change by what both ends did; memory areas look for patterns
// so a spike takes one burst to its targets. Every sum is made by one thread in a fixed order (staged
// input, then projections by source area, then source ascending): results do not depend on the number
// of threads. Sums of integer types do not depend on order at all. In steady state a burst allocates
// nothing.
#pragma once

#include <nibble/kernel/executor.hpp>
#include <nibble/neuro/brain_learning.hpp>
#include <nibble/neuro/brain_work.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// What a burst did.
struct BurstResult : BurstCounts {
    std::uint64_t burst = 0;   ///< its number, counted from 1
    std::uint64_t events = 0;  ///< contributions that went through synapses
};

/// A neuron that fired, as a viewer or a motor wants it.
struct FiredNeuron {
    std::uint32_t neuron = 0;
    Voxels voxel{};
    float potential = 0.0f;  ///< at firing, in real units; 0 when the area is not sampled
};

struct BrainArchive;

template <NeuralValue V, class A = Isa>
class Brain : public BrainLearning<V, A> {
    using Net = BrainLearning<V, A>;

public:
    using typename Net::Area;
    using Charge = BrainCharge<V>;
    using Net::add;
    using Net::areas;

    Brain() = default;
    explicit Brain(const BrainOptions& options) : Net(options) {}
    /// Areas, synapses and rules of a plan. Errors as of each.
    explicit Brain(const BrainPlan& plan, const BrainOptions& options = {}) : Net(options) {
        for (const AreaProperties& p : plan.areas) add(p);
        add(plan.synapses);
        for (const PlasticityRule& r : plan.plasticity) add(r);
    }

    /// Bursts so far.
    [[nodiscard]] std::uint64_t bursts() const noexcept { return burst_; }
    /// The sum that each burst adds to the first neuron of a power area, and while fatigue is on to
    /// all neurons of a fatigue area. Default 1.
    void set_power(float amount) {
        if (!std::isfinite(amount)) fail("Brain: power is " + std::to_string(amount));
        power_ = amount;
    }
    void set_fatigue(bool on) noexcept { fatigue_ = on; }

    /// Stages a finite input (real units) of one neuron for the next burst.
    void inject(std::size_t area, std::size_t i, double x) {
        Area& a = areas_.at(area);
        if (i >= a.neurons)
            fail("Brain: input for neuron " + std::to_string(i) + " of area '" + a.properties.id +
                 "', which has " + std::to_string(a.neurons));
        if (!std::isfinite(x)) fail("Brain: an input is " + std::to_string(x));
        a.staged.emplace_back(static_cast<std::uint32_t>(i), static_cast<float>(x));
    }
    void inject(std::uint32_t neuron, double x) {
        const NeuronPlace at = this->place(neuron);
        inject(at.area, at.i, x);
    }

    /// Keeps the spikes of an area's last `bursts` bursts: its fire ledger. 1 without.
    void keep_spikes(std::size_t area, std::uint32_t bursts) {
        ledger_.resize(areas(), 1);
        ledger_.at(area) = bursts == 0 ? 1 : bursts;
        stale_ = true;
    }
    /// Spike words of an area `ago` bursts before the last: bit i % 64 of word i / 64. Empty when they
    /// are not kept.
    [[nodiscard]] std::span<const std::uint64_t> spikes(std::size_t area,
                                                        std::uint32_t ago = 0) const {
        const Area& a = areas_.at(area);
        if (ago >= a.kept || ago >= burst_) return {};
        return {a.row(burst_ - ago), a.blocks()};
    }
    /// Records the potential at firing of an area's neurons, for fired().
    void sample(std::size_t area, bool on) {
        Area& a = areas_.at(area);
        a.fired_potential.assign(on ? a.room : 0, 0.0f);
    }
    /// Calls f(FiredNeuron) for the neurons of an area that fired in the last burst, ascending.
    template <class F>
    void for_fired(std::size_t area, F&& f) const {
        const Area& a = areas_.at(area);
        const auto at = static_cast<std::uint32_t>(area);
        for_each_spike(spikes(area), [&](std::size_t i) {
            f(FiredNeuron{this->number({at, static_cast<std::uint32_t>(i)}),
                          this->is_memory(a) ? Voxels{0, 0, 0} : a.properties.voxel(i),
                          a.fired_potential.empty() ? 0.0f : a.fired_potential[i]});
        });
    }

    /// One burst.
    BurstResult burst(const BasicHost<A>& on) {
        if (stale_ || shares_.size() != static_cast<std::size_t>(on.threads()))
            prepare(on.threads());
        if (this->stale_areas_) this->derive_stale();
        ++burst_;
        BurstResult result;
        result.burst = burst_;
        this->stage_replays();
        feed_power();
        for (SpikeFeed& f : feeds_) result.events += fill(f);
        on.parallel_for(shares_.size(), 1, [&](std::size_t first, std::size_t last) {
            for (std::size_t g = first; g < last; ++g) run(shares_[g]);
        });
        for (Share& g : shares_)
            for (BrainPart& p : g.parts) {
                result += p.counts;
                areas_[p.area].saturated += p.counts.saturated;
            }
        for (Area& a : areas_) a.staged.clear();
        this->learn();
        return result;
    }

private:
    friend struct BrainArchive;
    using Net::areas_;
    using Net::burst_;
    using Net::options_;
    using Net::projections_;
    using Net::stale_;

    using Share = BrainShare<Charge>;

    void feed_power() {
        for (Area& a : areas_) {
            if (a.neurons == 0) continue;
            if (a.properties.kind == AreaKind::power) a.staged.emplace_back(0u, power_);
            if (a.properties.kind == AreaKind::fatigue && fatigue_)
                for (std::uint32_t i = 0; i < a.neurons; ++i) a.staged.emplace_back(i, power_);
        }
    }

    std::uint64_t fill(SpikeFeed& feed) {
        feed.fired.clear();
        if (burst_ <= feed.delay) return 0;
        const Area& a = areas_[feed.area];
        const std::uint64_t then = burst_ - feed.delay;
        const std::uint8_t* const psp =
            a.fired_psp.empty() ? nullptr : a.fired_psp.data() + then % a.kept * a.room;
        for_each_spike(std::span<const std::uint64_t>(a.row(then), a.blocks()), [&](std::size_t i) {
            feed.fired.push_back({static_cast<std::uint32_t>(i),
                                  static_cast<std::uint16_t>(psp == nullptr ? 0 : psp[i]), 1});
        });
        // Rows lie anywhere in memory: ask for them well before they are read.
        constexpr std::size_t ahead = 16;
        std::uint64_t events = 0;
        for (std::size_t f = 0; f < feed.fired.size() + ahead; ++f) {
            std::uint64_t all = 0;
            for (const std::size_t k : leaving_[feed.area]) {
                const BrainProjection<A>& p = projections_[k];
                if (f < feed.fired.size()) p.fetch_start(feed.fired[f].neuron);
                if (f < ahead) continue;
                const std::uint32_t source = feed.fired[f - ahead].neuron;
                const std::size_t n = p.fan_out(source);
                all += n;
                if (p.delay != feed.delay) continue;
                events += n;
                p.fetch_row(source);
            }
            if (f >= ahead && !a.properties.psp_uniform_distribution && all > 1)
                feed.fired[f - ahead].divisor = static_cast<std::uint32_t>(all);
        }
        return events;
    }

    void run(Share& share) {
        constexpr std::size_t block = BrainProjection<A>::block;
        Charge* const sums = share.sums.data();
        for (BrainPart& part : share.parts) {
            Area& a = areas_[part.area];
            const std::size_t first = part.begin * lif_block, last = part.end * lif_block;
            const std::size_t low = first % block;
            for (const auto& [i, x] : a.staged)
                if (i >= first && i < last)
                    add_input(sums[low + (i - first)], x, a.charge_bits_used);
            for (const std::size_t k : arriving_[part.area]) {
                const BrainProjection<A>& p = projections_[k];
                const SpikeFeed& feed = feeds_[feed_of_[k]];
                p.deliver(std::span<const FiredSource>(feed.fired), first,
                          std::min(last, p.targets()), a.charge_bits_used,
                          areas_[feed.area].properties.mp_driven_psp, sums);
            }
            part.counts = a.step(part.begin, part.end, sums + low, burst_, options_.update);
        }
    }
    // Everything that follows from structure: feeds, rings of spikes, fraction bits, parts.
    void prepare(int threads) {
        feeds_.clear();
        feed_of_.clear();
        leaving_.assign(areas(), {});
        arriving_.assign(areas(), {});
        std::vector<std::uint32_t> kept(ledger_);
        kept.resize(areas(), 1);
        for (const auto& p : projections_) {
            std::size_t f = 0;
            while (f < feeds_.size() &&
                   !(feeds_[f].area == p.source_area && feeds_[f].delay == p.delay))
                ++f;
            if (f == feeds_.size()) feeds_.push_back({p.source_area, p.delay, {}});
            leaving_[p.source_area].push_back(feed_of_.size());
            arriving_[p.target_area].push_back(feed_of_.size());
            feed_of_.push_back(f);
            kept[p.source_area] = std::max<std::uint32_t>(kept[p.source_area], p.delay);
        }
        this->need(kept);
        for (SpikeFeed& f : feeds_) f.fired.reserve(areas_[f.area].room / 8 + 64);
        for (std::size_t k = 0; k < areas(); ++k) keep(areas_[k], kept[k]);
        choose_charge_bits();
        shares_ = share_out<Charge>(areas_, static_cast<std::size_t>(threads));
        stale_ = false;
    }
    void keep(Area& a, std::uint32_t kept) {
        const bool driven = a.properties.mp_driven_psp;
        if (a.kept == kept && a.fired_psp.empty() != driven) return;
        std::vector<std::uint64_t> rows(a.blocks() * kept, 0);
        std::vector<std::uint8_t> psp(driven ? std::size_t{a.room} * kept : 0, a.properties.psp);
        for (std::uint32_t ago = 0; ago < std::min({kept, a.kept}) && ago < burst_; ++ago) {
            const std::uint64_t t = burst_ - ago;
            std::copy_n(a.row(t), a.blocks(), rows.data() + t % kept * a.blocks());
            if (driven && !a.fired_psp.empty())
                std::copy_n(a.fired_psp.data() + t % a.kept * a.room, a.room,
                            psp.data() + t % kept * a.room);
        }
        a.spikes = std::move(rows);
        a.fired_psp = std::move(psp);
        a.kept = kept;
    }
    // The finest fraction at which no sum of all synapses of a neuron can leave 2^29 units.
    void choose_charge_bits() {
        if constexpr (std::is_integral_v<Charge>)
            for (std::size_t k = 0; k < areas(); ++k) {
                const int bits = most_charge_bits(projections_, areas_, k, this->plastic_pairs());
                if (bits == areas_[k].charge_bits_used) continue;
                areas_[k].charge_bits_used = bits;
                derive(areas_[k], options_);
            }
    }
    std::vector<SpikeFeed> feeds_;
    std::vector<std::size_t> feed_of_;                          // by projection
    std::vector<std::vector<std::size_t>> leaving_, arriving_;  // projections by area
    std::vector<Share> shares_;
    std::vector<std::uint32_t> ledger_;
    float power_ = 1.0f;
    bool fatigue_ = false;
};

}  // namespace nibble
