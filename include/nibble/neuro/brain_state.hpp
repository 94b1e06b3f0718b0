// SPDX-License-Identifier: BSL-1.0
// A brain between two bursts as plain data, complete: what a file holds, and what another brain, at the
// same value type or another, goes on from. At the same type it goes on in every bit.
#pragma once

#include <nibble/neuro/brain.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// Numbers of neurons: one for all, or one each.
struct StatePlane {
    float common = 0.0f;
    std::vector<float> each;
    friend bool operator==(const StatePlane&, const StatePlane&) = default;
};

/// An area with its neurons.
struct AreaState {
    AreaProperties properties;
    std::uint32_t neurons = 0;      ///< in use: of a memory area those that were made
    std::uint32_t room = 0;         ///< of a memory area
    std::vector<double> potential;  ///< real units
    std::vector<std::uint16_t> countdown, count;
    StatePlane threshold, limit, keep, excitability, refractory, fire_limit, snooze;
    std::vector<std::uint64_t> candidates, forgetful, removed;  ///< bits; the last two may be empty
    std::uint32_t kept = 1;                                     ///< bursts of spikes
    std::vector<std::uint64_t> spikes;  ///< `kept` rows of bits; burst t is row t % kept
    std::vector<std::uint8_t> fired_psp;
    std::vector<float> fired_potential;
    std::vector<std::uint32_t> keys;
    std::vector<std::pair<std::uint32_t, float>> staged;
    std::uint64_t saturated = 0;
    friend bool operator==(const AreaState&, const AreaState&) = default;
};

/// A memory area's patterns.
struct MemoryState {
    MemoryLinks links;
    std::vector<MemoryNeurons::Neuron> neurons;
    std::vector<std::vector<ReplayFrame>> frames;
    friend bool operator==(const MemoryState&, const MemoryState&) = default;
};
struct PairState {
    PairRule rule;
    std::vector<float> source, target;
    friend bool operator==(const PairState&, const PairState&) = default;
};

/// All of a brain.
struct BrainState {
    std::string value;  ///< name of the value type that it ran at
    std::uint64_t burst = 0;
    float power = 1.0f;
    bool fatigue = false;
    std::vector<AreaState> areas;
    std::vector<BrainSynapse> synapses;
    std::vector<PlasticityRule> plasticity;
    std::vector<PairState> pairs;
    std::vector<MemoryState> memories;
    std::vector<NeuronPlace> memory_places;  ///< by memory neuron number
    std::vector<ReplayInput> replays;
    std::vector<std::uint32_t> ledger;  ///< bursts of spikes that areas were told to keep
    friend bool operator==(const BrainState&, const BrainState&) = default;
};

/// Between a Brain and a BrainState.
struct BrainArchive {
    template <NeuralValue V, class A>
    [[nodiscard]] static BrainState save(const Brain<V, A>& brain) {
        BrainState s;
        s.value = std::string(value_traits<V>::name);
        s.burst = brain.burst_;
        s.power = brain.power_;
        s.fatigue = brain.fatigue_;
        for (const auto& a : brain.areas_) s.areas.push_back(save(a));
        brain.for_synapses([&](const BrainSynapse& x) { s.synapses.push_back(x); });
        s.plasticity = brain.rules_;
        for (const auto& [rule, traces] : brain.pairs_)
            s.pairs.push_back({rule, traces.source, traces.target});
        for (const MemoryArea& m : brain.memory_) {
            const auto n = m.neurons.neurons();
            s.memories.push_back({m.links, {n.begin(), n.end()}, m.frames});
        }
        s.memory_places = brain.memory_places_;
        s.replays = brain.replays_;
        s.ledger = brain.ledger_;
        s.ledger.resize(brain.areas_.size(), 1);
        return s;
    }

    /// Error: sizes that do not fit together, numbers out of range.
    template <NeuralValue V, class A = Isa>
    [[nodiscard]] static Brain<V, A> load(const BrainState& s, const BrainOptions& options = {}) {
        Brain<V, A> brain(options);
        for (const AreaState& x : s.areas) {
            const bool memory = x.properties.kind == AreaKind::memory;
            expect(memory || x.neurons == x.properties.neurons(), x, "neurons", x.neurons);
            expect(!memory || (x.room % lif_block == 0 && x.neurons <= x.room), x, "room", x.room);
            // Before anything of the size that the state names is allocated.
            expect(x.candidates.size() == ((memory ? x.room : x.neurons) + 63ull) / lif_block, x,
                   "candidate words", x.candidates.size());
            if (memory) brain.options_.memory_room = x.room;
            auto& a = brain.areas_[brain.add(x.properties)];
            load(a, x, brain.options_);
        }
        brain.options_.memory_room = options.memory_room;
        for (const NeuronPlace& at : s.memory_places) {
            if (at.area >= brain.areas_.size() || !brain.is_memory(brain.areas_[at.area]) ||
                at.i != brain.memory_numbers_[at.area].size() ||
                at.i >= brain.areas_[at.area].neurons)
                fail("BrainState: memory neuron " + std::to_string(at.i) + " of area " +
                     std::to_string(at.area) + " is out of place");
            brain.memory_numbers_[at.area].push_back(
                first_memory_neuron + static_cast<std::uint32_t>(brain.memory_places_.size()));
            brain.memory_places_.push_back(at);
        }
        for (std::uint32_t k = 0; k < brain.areas_.size(); ++k) {
            const auto& a = brain.areas_[k];
            if (brain.is_memory(a))
                expect(brain.memory_numbers_[k].size() == a.neurons, s.areas[k], "numbers",
                       brain.memory_numbers_[k].size());
        }
        brain.add(s.synapses);
        for (const PlasticityRule& r : s.plasticity) brain.add(r);
        for (const PairState& p : s.pairs) {
            brain.add(p.rule);
            brain.pairs_.back().second.source = p.source;
            brain.pairs_.back().second.target = p.target;
        }
        for (const MemoryState& m : s.memories) {
            const std::size_t before = brain.memory_.size();
            brain.watch(m.links);
            const AreaState& x = s.areas[m.links.area];
            expect(brain.memory_.size() > before, x, "memories", 2);
            expect(m.neurons.size() == x.neurons, x, "memory neurons", m.neurons.size());
            expect(m.frames.size() <= x.neurons, x, "lists of frames", m.frames.size());
            for (const auto& frames : m.frames)
                for (const ReplayFrame& f : frames)
                    if (f.upstream >= s.areas.size() || f.neuron >= s.areas[f.upstream].neurons)
                        fail("BrainState: area '" + x.properties.id + "' replays neuron " +
                             std::to_string(f.neuron) + " of area " + std::to_string(f.upstream));
            brain.memory_.back().neurons.restore(m.neurons);
            brain.memory_.back().frames = m.frames;
        }
        for (const ReplayInput& r : s.replays)
            if (r.area >= brain.areas_.size() || r.neuron >= brain.areas_[r.area].neurons)
                fail("BrainState: a replay for neuron " + std::to_string(r.neuron) + " of area " +
                     std::to_string(r.area));
        brain.replays_ = s.replays;
        brain.ledger_ = s.ledger;
        brain.ledger_.resize(brain.areas_.size(), 1);
        brain.burst_ = s.burst;
        brain.power_ = s.power;
        brain.fatigue_ = s.fatigue;
        return brain;
    }

private:
    static void expect(bool good, const AreaState& x, const char* what, std::uint64_t met) {
        if (!good)
            fail("BrainState: area '" + x.properties.id + "' has " + std::to_string(met) + " " +
                 what + ", which does not fit its " + std::to_string(x.neurons) + " neurons");
    }

    template <class Area>
    [[nodiscard]] static AreaState save(const Area& a) {
        AreaState x;
        x.properties = a.properties;
        x.neurons = a.neurons;
        x.room = a.room;
        for (std::uint32_t i = 0; i < a.neurons; ++i) {
            x.potential.push_back(a.real_potential(i));
            x.countdown.push_back(a.timers.get(i).countdown);
            x.count.push_back(a.timers.get(i).count);
        }
        const auto plane = [&](const auto& p) {
            StatePlane out{static_cast<float>(p.common()), {}};
            if (!p.is_common())
                for (std::size_t i = 0; i < a.room; ++i)
                    out.each.push_back(static_cast<float>(p[i]));
            return out;
        };
        x.threshold = plane(a.threshold);
        x.limit = plane(a.limit);
        x.keep = plane(a.keep);
        x.excitability = plane(a.excitability);
        x.refractory = plane(a.refractory);
        x.fire_limit = plane(a.fire_limit);
        x.snooze = plane(a.snooze);
        x.candidates = a.candidates;
        x.forgetful = a.forgetful;
        x.removed = a.removed;
        x.kept = a.kept;
        x.spikes = a.spikes;
        x.fired_psp = a.fired_psp;
        x.fired_potential = a.fired_potential;
        x.keys = a.keys;
        x.staged = a.staged;
        x.saturated = a.saturated;
        return x;
    }

    template <class Area>
    static void load(Area& a, const AreaState& x, const BrainOptions& options) {
        a.neurons = x.neurons;
        const auto plane = [&](auto& to, const StatePlane& from, const char* what) {
            using T = decltype(to.common());
            const auto cast = [&](float f) {
                if constexpr (!std::is_same_v<T, float>)
                    expect(f >= 0.0f && f <= 65535.0f, x, what, static_cast<std::uint64_t>(-1));
                return static_cast<T>(f);
            };
            to.fill(cast(from.common));
            if (from.each.empty()) return;
            expect(from.each.size() == a.room, x, what, from.each.size());
            for (std::size_t i = 0; i < a.room; ++i) to.set(i, cast(from.each[i]), a.room);
        };
        plane(a.threshold, x.threshold, "thresholds");
        plane(a.limit, x.limit, "limits");
        plane(a.keep, x.keep, "leaks");
        plane(a.excitability, x.excitability, "excitabilities");
        plane(a.refractory, x.refractory, "refractory periods");
        plane(a.fire_limit, x.fire_limit, "fire limits");
        plane(a.snooze, x.snooze, "snoozes");
        const auto words = [&](auto& to, const auto& from, std::size_t n, bool may_lack,
                               const char* what) {
            expect(from.size() == n || (may_lack && from.empty()), x, what, from.size());
            to = from;
        };
        words(a.candidates, x.candidates, a.blocks(), false, "candidate words");
        words(a.forgetful, x.forgetful, a.blocks(), true, "forgetful words");
        words(a.removed, x.removed, a.blocks(), true, "removed words");
        words(a.spikes, x.spikes, a.blocks() * x.kept, x.kept == 0, "spike words");
        words(a.fired_psp, x.fired_psp, std::size_t{a.room} * x.kept, true, "psps");
        words(a.fired_potential, x.fired_potential, a.room, true, "fired potentials");
        words(a.keys, x.keys, a.neurons, true, "keys");
        expect(x.kept != 0, x, "bursts of spikes", 0);
        a.kept = x.kept;
        const auto only_neurons = [&](const std::vector<std::uint64_t>& from, const char* what) {
            for_each_spike(
                from, [&](std::size_t i) { expect(i % a.room < a.neurons, x, what, i % a.room); });
        };
        only_neurons(x.candidates, "as a candidate");
        only_neurons(x.spikes, "among its spikes");
        expect(x.potential.size() == a.neurons && x.countdown.size() == a.neurons &&
                   x.count.size() == a.neurons,
               x, "potentials and timers", x.potential.size());
        std::uint16_t longest = 0;
        for (const std::uint16_t t : x.countdown) longest = std::max(longest, t);
        a.timers = Timers(a.room, longest, 0xFFFF);
        for (std::uint32_t i = 0; i < a.neurons; ++i) {
            a.timers.set(i, {x.countdown[i], x.count[i]});
            if (x.countdown[i] != 0) a.silent[i / lif_block] |= std::uint64_t{1} << i % lif_block;
        }
        a.counting.clear();
        derive(a, options);
        for (std::uint32_t i = 0; i < a.neurons; ++i) {
            expect(std::isfinite(x.potential[i]), x, "potentials", i);
            a.put_code(i, static_cast<typename Area::Wide>(
                              x.potential[i] * static_cast<double>(a.code_per_unit[i])));
        }
        for (const auto& [i, in] : x.staged)
            expect(i < a.neurons && std::isfinite(in), x, "staged inputs", i);
        a.staged = x.staged;
        a.saturated = x.saturated;
    }
};

}  // namespace nibble
