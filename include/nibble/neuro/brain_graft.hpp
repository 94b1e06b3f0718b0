// SPDX-License-Identifier: BSL-1.0
// Keeping what lives when a brain's structure changes: the state of areas that stayed as they were, and
// the synapses between them with the weights that they have learnt.
#pragma once

#include <nibble/neuro/brain_state.hpp>

#include <functional>
#include <map>
#include <optional>

namespace nibble::inline NIBBLE_ARCH {

/// Which parts of a brain are not taken over, by the ids of areas.
struct GraftChanges {
    std::function<bool(const std::string&)> area = [](const std::string&) { return false; };
    std::function<bool(const std::string&, const std::string&)> pair =
        [](const std::string&, const std::string&) { return false; };
};

/// Moves neurons and areas of one state to their numbers in another.
class BrainGraft {
public:
    BrainGraft(const BrainState& old, BrainState fresh, const GraftChanges& changes)
        : old_(old), fresh_(std::move(fresh)), changes_(changes) {
        std::map<std::string, std::uint32_t> at;
        for (std::uint32_t k = 0; k < fresh_.areas.size(); ++k)
            at[fresh_.areas[k].properties.id] = k;
        for (const AreaState& a : old_.areas) {
            const auto found = at.find(a.properties.id);
            const bool kept =
                found != at.end() && !changes_.area(a.properties.id) && fits(a, found->second);
            moved_.push_back(kept ? std::optional(found->second) : std::nullopt);
        }
        old_first_ = firsts(old_);
        first_ = firsts(fresh_);
    }

    [[nodiscard]] BrainState graft() {
        keep_areas();
        keep_memories();
        keep_synapses();
        keep_rules();
        for (const ReplayInput& r : old_.replays)
            if (moved_[r.area]) {
                fresh_.replays.push_back(r);
                fresh_.replays.back().area = *moved_[r.area];
            }
        fresh_.burst = old_.burst;
        fresh_.power = old_.power;
        fresh_.fatigue = old_.fatigue;
        return std::move(fresh_);
    }

private:
    [[nodiscard]] bool fits(const AreaState& a, std::uint32_t k) const {
        const AreaState& b = fresh_.areas[k];
        const bool memory = a.properties.kind == AreaKind::memory;
        return a.properties.kind == b.properties.kind && (memory || a.neurons == b.neurons);
    }
    [[nodiscard]] static std::vector<std::uint32_t> firsts(const BrainState& s) {
        std::vector<std::uint32_t> first(1, 0);
        for (const AreaState& a : s.areas)
            first.push_back(first.back() + (a.properties.kind == AreaKind::memory ? 0 : a.neurons));
        return first;
    }
    [[nodiscard]] const std::string& id(std::uint32_t old_area) const {
        return old_.areas[old_area].properties.id;
    }
    [[nodiscard]] bool kept(std::uint32_t from, std::uint32_t to) const {
        return moved_[from] && moved_[to] && !changes_.pair(id(from), id(to));
    }
    [[nodiscard]] NeuronPlace old_place(std::uint32_t neuron) const {
        if (neuron >= first_memory_neuron)
            return old_.memory_places.at(neuron - first_memory_neuron);
        // The last area that begins at or before it and has neurons.
        const auto next = std::upper_bound(old_first_.begin(), old_first_.end(), neuron);
        const auto area = static_cast<std::uint32_t>(next - old_first_.begin() - 1);
        return {area, neuron - old_first_[area]};
    }
    [[nodiscard]] std::uint32_t number(std::uint32_t area, std::uint32_t i) const {
        if (fresh_.areas[area].properties.kind != AreaKind::memory) return first_[area] + i;
        return memory_numbers_.at({area, i});
    }

    void keep_areas() {
        fresh_.ledger.resize(fresh_.areas.size(), 1);
        for (std::uint32_t j = 0; j < old_.areas.size(); ++j) {
            if (!moved_[j]) continue;
            AreaState& to = fresh_.areas[*moved_[j]];
            const std::string name = to.properties.name;
            const auto position = to.properties.position;
            to = old_.areas[j];
            to.properties.name = name;
            to.properties.position = position;
            if (j < old_.ledger.size()) fresh_.ledger[*moved_[j]] = old_.ledger[j];
        }
    }
    void keep_memories() {
        for (const NeuronPlace& at : old_.memory_places)
            if (moved_[at.area]) {
                memory_numbers_[{*moved_[at.area], at.i}] =
                    first_memory_neuron + static_cast<std::uint32_t>(fresh_.memory_places.size());
                fresh_.memory_places.push_back({*moved_[at.area], at.i});
            }
        for (MemoryState& m : fresh_.memories)
            for (const MemoryState& was : old_.memories)
                if (moved_[was.links.area] == m.links.area) {
                    m.neurons = was.neurons;
                    m.frames = was.frames;
                    // What was met in an area that is no more is not repeated.
                    for (auto& frames : m.frames) {
                        std::erase_if(frames,
                                      [&](const ReplayFrame& f) { return !moved_[f.upstream]; });
                        for (ReplayFrame& f : frames) f.upstream = *moved_[f.upstream];
                    }
                }
    }
    void keep_synapses() {
        // Those that grew between areas that are kept give way to those that were there.
        std::map<std::pair<std::uint32_t, std::uint32_t>, bool> lived;
        for (std::uint32_t i = 0; i < moved_.size(); ++i)
            for (std::uint32_t k = 0; k < moved_.size(); ++k)
                if (kept(i, k)) lived[{*moved_[i], *moved_[k]}] = true;
        const auto area_of = [&](std::uint32_t neuron) {
            return static_cast<std::uint32_t>(
                std::upper_bound(first_.begin(), first_.end(), neuron) - first_.begin() - 1);
        };
        std::erase_if(fresh_.synapses, [&](const BrainSynapse& s) {
            return lived.contains({area_of(s.source), area_of(s.target)});
        });
        for (const BrainSynapse& s : old_.synapses) {
            const NeuronPlace from = old_place(s.source), to = old_place(s.target);
            if (!kept(from.area, to.area)) continue;
            fresh_.synapses.push_back(s);
            fresh_.synapses.back().source = number(*moved_[from.area], from.i);
            fresh_.synapses.back().target = number(*moved_[to.area], to.i);
        }
    }
    void keep_rules() {
        const auto move = [&](auto rule) {
            rule.source_area = *moved_[rule.source_area];
            rule.target_area = *moved_[rule.target_area];
            return rule;
        };
        for (const PlasticityRule& r : old_.plasticity) {
            if (!kept(r.source_area, r.target_area)) continue;
            const PlasticityRule now = move(r);
            std::erase_if(fresh_.plasticity, [&](const PlasticityRule& x) {
                return x.source_area == now.source_area && x.target_area == now.target_area;
            });
            fresh_.plasticity.push_back(now);
        }
        for (const PairState& p : old_.pairs)
            if (kept(p.rule.source_area, p.rule.target_area))
                fresh_.pairs.push_back({move(p.rule), p.source, p.target});
    }

    const BrainState& old_;
    BrainState fresh_;
    const GraftChanges& changes_;
    std::vector<std::optional<std::uint32_t>> moved_;  // by old area: its number now
    std::vector<std::uint32_t> old_first_, first_;
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> memory_numbers_;
};

/// `fresh`, a brain that has just grown, with what of `old` is in it still.
[[nodiscard]] inline BrainState graft(const BrainState& old, BrainState fresh,
                                      const GraftChanges& changes = {}) {
    return BrainGraft(old, std::move(fresh), changes).graft();
}

}  // namespace nibble
