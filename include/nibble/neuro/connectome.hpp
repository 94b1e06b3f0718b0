// SPDX-License-Identifier: BSL-1.0
// Connectome: a genome and the brain that grew from it, kept together. Areas, regions and mappings can
// be asked and changed while the brain lives: what a change does not touch keeps its state, its
// synapses and what they have learnt.
#pragma once

#include <nibble/neuro/brain_file.hpp>
#include <nibble/neuro/brain_graft.hpp>
#include <nibble/neuro/brain_growth.hpp>
#include <nibble/neuro/growth.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// Counts of one area.
struct AreaStatistics {
    std::uint64_t neurons = 0, incoming = 0, outgoing = 0;  ///< synapses to it and from it
    std::size_t neuron_bytes = 0;
};

/// Counts of a whole brain.
struct ConnectomeStatistics {
    std::size_t regions = 0, rules = 0;
    std::uint64_t neurons = 0, synapses = 0, excitatory = 0, inhibitory = 0;
    std::uint64_t most_outgoing = 0;  ///< synapses of the neuron that has most
    std::size_t neuron_bytes = 0, synapse_bytes = 0;
    std::vector<AreaStatistics> areas;
};

/// Areas are numbered as in genome().areas, which is the engine's order too; their texts are ids in any
/// spelling or names.
template <NeuralValue V, class A = Isa>
class Connectome {
public:
    /// Grows the genome. Errors as grow() and Brain.
    explicit Connectome(Genome genome, const GrowthOptions& growth = {},
                        const BrainOptions& options = {})
        : genome_(std::move(genome)), growth_(growth), options_(options) {
        brain_ = make_brain<V, A>(regrow(), options_);
    }
    /// Goes on from a file of save(), written at any precision. Errors: as load_brain, no genome in it,
    /// areas that are not the genome's.
    [[nodiscard]] static Connectome load(const std::string& path, const GrowthOptions& growth = {},
                                         const BrainOptions& options = {}) {
        BrainFile file = load_brain(path);
        if (!file.genome) fail("\"" + path + "\": a brain without a genome");
        bool same = file.genome->areas.size() == file.state.areas.size();
        for (std::size_t k = 0; same && k < file.state.areas.size(); ++k)
            same = file.state.areas[k].properties.id == to_string(file.genome->areas[k].id);
        if (!same) fail("\"" + path + "\": the areas of the brain are not those of its genome");
        Connectome c;
        c.genome_ = std::move(*file.genome);
        c.growth_ = growth;
        c.options_ = options;
        c.brain_ = BrainArchive::load<V, A>(file.state, options);
        return c;
    }
    /// Writes genome, structure and live state; the file appears whole or not at all.
    void save(const std::string& path) const {
        save_brain(path, BrainArchive::save(brain_), &genome_);
    }

    [[nodiscard]] const Genome& genome() const noexcept { return genome_; }
    /// The engine: bursts, injection, live edits of neurons and synapses.
    [[nodiscard]] Brain<V, A>& brain() noexcept { return brain_; }
    [[nodiscard]] const Brain<V, A>& brain() const noexcept { return brain_; }
    /// What growth left out or changed, of the last growth.
    [[nodiscard]] const std::vector<GenomeNote>& notes() const noexcept { return notes_; }

    /// The number of an area. Error: there is none.
    [[nodiscard]] std::size_t area(std::string_view text) const {
        const std::size_t k = genome_.index(genome_.find(text));
        if (k == genome_.areas.size())
            fail("Connectome: no area \"" + std::string(text) + "\" among " +
                 std::to_string(genome_.areas.size()));
        return k;
    }
    /// The neurons of a voxel. Error: no such voxel, or a memory area.
    [[nodiscard]] std::vector<std::uint32_t> neurons_at(std::size_t area, Voxels at) const {
        const auto& a = brain_.area(area);
        const Voxels size = a.properties.dimensions;
        if (a.properties.neurons() == 0 || at.x >= size.x || at.y >= size.y || at.z >= size.z)
            fail("Connectome: no voxel " + std::to_string(at.x) + ", " + std::to_string(at.y) +
                 ", " + std::to_string(at.z) + " in area '" + a.properties.id + "'");
        std::vector<std::uint32_t> neurons(a.properties.neurons_per_voxel);
        for (std::uint32_t k = 0; k < neurons.size(); ++k)
            neurons[k] = a.first + static_cast<std::uint32_t>(a.properties.neuron(at)) + k;
        return neurons;
    }
    /// The rules from one area to another.
    [[nodiscard]] std::vector<MappingRule> mapping(std::size_t from, std::size_t to) const {
        std::vector<MappingRule> rules;
        for (const MappingRule& r : genome_.areas.at(from).mappings)
            if (r.target == genome_.areas.at(to).id) rules.push_back(r);
        return rules;
    }
    /// The areas that have rules to this one; and to which it has rules.
    [[nodiscard]] std::vector<std::size_t> upstream(std::size_t of) const {
        std::vector<std::size_t> areas;
        for (std::size_t k = 0; k < genome_.areas.size(); ++k)
            if (!mapping(k, of).empty()) areas.push_back(k);
        return areas;
    }
    [[nodiscard]] std::vector<std::size_t> downstream(std::size_t of) const {
        std::vector<std::size_t> areas;
        for (std::size_t k = 0; k < genome_.areas.size(); ++k)
            if (!mapping(of, k).empty()) areas.push_back(k);
        return areas;
    }
    /// The region that holds an area; empty when none does.
    [[nodiscard]] std::string region_of(std::size_t area) const {
        for (const auto& [name, r] : genome_.regions)
            if (std::find(r.areas.begin(), r.areas.end(), genome_.areas.at(area).id) !=
                r.areas.end())
                return name;
        return {};
    }
    /// The areas of a region and of the regions in it. Error: there is none.
    [[nodiscard]] std::vector<std::size_t> areas_of(const std::string& region) const {
        std::vector<std::size_t> areas;
        std::vector<std::string> open{region}, seen;
        while (!open.empty()) {
            const std::string name = open.back();
            open.pop_back();
            if (std::find(seen.begin(), seen.end(), name) != seen.end()) continue;
            seen.push_back(name);
            const auto at = genome_.regions.find(name);
            if (at == genome_.regions.end()) fail("Connectome: no region \"" + name + "\"");
            for (const CorticalId& id : at->second.areas) areas.push_back(genome_.index(id));
            open.insert(open.end(), at->second.regions.begin(), at->second.regions.end());
        }
        std::sort(areas.begin(), areas.end());
        return areas;
    }
    [[nodiscard]] ConnectomeStatistics statistics() const {
        ConnectomeStatistics s;
        s.regions = genome_.regions.size();
        s.rules = genome_.rules();
        s.areas.resize(brain_.areas());
        for (std::size_t k = 0; k < brain_.areas(); ++k)
            s.areas[k] = {brain_.area(k).neurons, 0, 0, brain_.area(k).state_bytes()};
        std::map<std::uint32_t, std::uint64_t> fan_out;
        brain_.for_synapses([&](const BrainSynapse& x) {
            ++(x.inhibitory ? s.inhibitory : s.excitatory);
            ++s.areas[brain_.place(x.source).area].outgoing;
            ++s.areas[brain_.place(x.target).area].incoming;
            s.most_outgoing = std::max(s.most_outgoing, ++fan_out[x.source]);
        });
        s.neurons = brain_.neurons();
        s.synapses = brain_.synapses();
        s.neuron_bytes = brain_.state_bytes();
        s.synapse_bytes = brain_.synapse_bytes();
        return s;
    }

    /// Gives an area another name.
    void rename(std::size_t area, std::string name) {
        edit([&](Genome& g) { g.areas.at(area).name = std::move(name); }, {}, {});
    }
    /// Gives an area another size; its neurons and its synapses grow anew. Error: a size of 0, or more
    /// neurons than growth allows; the brain is as it was.
    void resize(std::size_t area, Voxels size, std::uint32_t neurons_per_voxel) {
        const std::string name = to_string(genome_.areas.at(area).id);
        if (size.x == 0 || size.y == 0 || size.z == 0 || neurons_per_voxel == 0)
            fail("Connectome: area '" + name + "' cannot be of " + std::to_string(size.x) + " x " +
                 std::to_string(size.y) + " x " + std::to_string(size.z) + " voxels with " +
                 std::to_string(neurons_per_voxel) + " neurons, expected 1 and more");
        edit(
            [&](Genome& g) {
                g.areas[area].size = {size.x, size.y, size.z};
                g.areas[area].neurons_per_voxel = neurons_per_voxel;
            },
            {name}, {});
    }
    /// Replaces the rules from one area to another (none: no synapses); their synapses grow anew.
    void set_mapping(std::size_t from, std::size_t to, const std::vector<MappingRule>& rules) {
        const CorticalId target = genome_.areas.at(to).id;
        const std::string source = to_string(genome_.areas.at(from).id);
        edit(
            [&](Genome& g) {
                auto& all = g.areas[from].mappings;
                std::erase_if(all, [&](const MappingRule& r) { return r.target == target; });
                for (MappingRule r : rules) {
                    r.target = target;
                    r.named.clear();
                    r.path = {};  // in no file as it is now
                    if (r.window == 0) r.window = g.physiology.plasticity_queue_depth;
                    all.push_back(std::move(r));
                }
                std::stable_sort(
                    all.begin(), all.end(), [](const MappingRule& a, const MappingRule& b) {
                        return std::tie(a.named, a.target) < std::tie(b.named, b.target);
                    });
            },
            {}, {{source, to_string(target)}});
    }
    /// Adds an area, or removes one with all rules to it. Error: an id that is there already.
    void add(const GenomeArea& area) {
        if (!area.id || genome_.index(area.id) != genome_.areas.size())
            fail("Connectome: area '" + to_string(area.id) + "' is there already");
        edit(
            [&](Genome& g) {
                g.areas.push_back(area);
                std::sort(g.areas.begin(), g.areas.end(),
                          [](const GenomeArea& a, const GenomeArea& b) { return a.id < b.id; });
            },
            {}, {});
    }
    void remove(std::size_t area) {
        const CorticalId id = genome_.areas.at(area).id;
        edit(
            [&](Genome& g) {
                g.areas.erase(g.areas.begin() + static_cast<std::ptrdiff_t>(area));
                for (GenomeArea& a : g.areas)
                    std::erase_if(a.mappings, [&](const MappingRule& r) { return r.target == id; });
                for (auto& [name, r] : g.regions)
                    for (auto* list : {&r.areas, &r.inputs, &r.outputs}) std::erase(*list, id);
                std::erase_if(g.old_ids, [&](const auto& old) { return old.second == id; });
            },
            {}, {});
    }
    /// Puts an area into a region, made when it is not there, and takes it out of others.
    void move(std::size_t area, const std::string& region) {
        const CorticalId id = genome_.areas.at(area).id;
        for (auto& [name, r] : genome_.regions) std::erase(r.areas, id);
        BrainRegion& to = genome_.regions[region];
        if (to.title.empty()) to.title = region;
        to.areas.push_back(id);
    }

private:
    using Pairs = std::vector<std::pair<std::string, std::string>>;

    Connectome() = default;

    [[nodiscard]] GrownBrain regrow() {
        GrownBrain grown = grow(genome_, growth_);
        notes_ = grown.notes;
        return grown;
    }
    /// Changes the genome and grows; when that fails everything is as it was.
    template <class Edit>
    void edit(Edit&& how, const std::vector<std::string>& areas, const Pairs& pairs) {
        Genome before = genome_;
        how(genome_);
        try {
            change(areas, pairs);
        } catch (...) {
            genome_ = std::move(before);
            throw;
        }
    }
    void change(const std::vector<std::string>& areas, const Pairs& pairs) {
        GraftChanges changes;
        changes.area = [&](const std::string& id) {
            return std::find(areas.begin(), areas.end(), id) != areas.end();
        };
        changes.pair = [&](const std::string& from, const std::string& to) {
            return std::find(pairs.begin(), pairs.end(), std::pair(from, to)) != pairs.end();
        };
        BrainState fresh = BrainArchive::save(make_brain<V, A>(regrow(), options_));
        brain_ = BrainArchive::load<V, A>(
            graft(BrainArchive::save(brain_), std::move(fresh), changes), options_);
    }

    Genome genome_;
    GrowthOptions growth_;
    BrainOptions options_;
    std::vector<GenomeNote> notes_;
    Brain<V, A> brain_;
};

}  // namespace nibble
