// SPDX-License-Identifier: BSL-1.0
// Growth: from a genome to the areas, neurons, synapses and rules of plasticity that Brain<V> runs.
//
//     corticogenesis    areas and their properties
//     voxelogenesis     how many voxels and neurons each has, and where its neurons begin
//     neurogenesis      thresholds and kinds
//     synaptogenesis    synapses, rule by rule
//
// The same genome and seed give the same brain, whatever form the genome was read from. Everything
// random (attractivity below 100 %, the randomizer) is a hash of the seed, the two areas, the rule and
// the neurons.
#pragma once

#include <nibble/neuro/grown_brain.hpp>
#include <nibble/neuro/morphology_core.hpp>
#include <nibble/store/error.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// Grows one brain.
class Growth {
public:
    Growth(const Genome& genome, const GrowthOptions& options)
        : genome_(genome), options_(options) {}

    [[nodiscard]] GrownBrain grow() {
        make_areas();
        count_neurons();
        check_neurons();
        make_synapses();
        return std::move(brain_);
    }

private:
    void report(GrowthStage stage, std::size_t done, std::size_t total) const {
        if (options_.progress)
            options_.progress({stage, done, total, brain_.neurons(), brain_.plan.synapses.size()});
    }
    void note(const std::string& path, const std::string& value, const std::string& action,
              GenomeNote::Kind kind = GenomeNote::Kind::ignored) {
        brain_.notes.push_back({kind, path, value, "", action});
    }
    [[nodiscard]] std::string path_of(const GenomeArea& a) const {
        return "/blueprint" + pointer_step(genome_.label(a.id));
    }
    /// Of a rule: where it stood in a file, else its number among those to the same target.
    [[nodiscard]] std::string path_of(const GenomeArea& a, std::size_t number) const {
        const MappingRule& rule = a.mappings[number];
        if (!rule.path.text.empty()) return rule.path.text;
        const auto same = std::count_if(
            a.mappings.begin(), a.mappings.begin() + static_cast<std::ptrdiff_t>(number),
            [&](const MappingRule& r) { return r.target == rule.target && r.named == rule.named; });
        return path_of(a) + "/cortical_mapping_dst" +
               pointer_step(rule.target ? genome_.label(rule.target) : rule.named) + "/" +
               std::to_string(same);
    }

    void make_areas() {
        report(GrowthStage::corticogenesis, 0, genome_.areas.size());
        for (const GenomeArea& a : genome_.areas) {
            brain_.plan.areas.push_back(area_properties(genome_, a));
            report(GrowthStage::corticogenesis, brain_.plan.areas.size(), genome_.areas.size());
        }
    }
    void count_neurons() {
        std::uint64_t total = 0;
        brain_.first.assign(1, 0);
        for (std::size_t k = 0; k < genome_.areas.size(); ++k) {
            const AreaProperties& p = brain_.plan.areas[k];
            const double wanted =
                double(p.dimensions.x) * p.dimensions.y * p.dimensions.z * p.neurons_per_voxel;
            if (wanted > double(options_.most_neurons - total))
                fail("growth: " + path_of(genome_.areas[k]) + " of " +
                     std::to_string(p.dimensions.x) + " x " + std::to_string(p.dimensions.y) +
                     " x " + std::to_string(p.dimensions.z) + " voxels with " +
                     std::to_string(p.neurons_per_voxel) + " neurons each, after " +
                     std::to_string(total) + " neurons, expected at most " +
                     std::to_string(options_.most_neurons) + " neurons in all");
            total += p.neurons();
            brain_.first.push_back(total);
            report(GrowthStage::voxelogenesis, k + 1, genome_.areas.size());
        }
    }
    /// Properties that cannot do what their numbers say.
    void check_neurons() {
        for (std::size_t k = 0; k < genome_.areas.size(); ++k) {
            const GenomeArea& a = genome_.areas[k];
            if (a.excitability > 1 && a.excitability != 100)
                note(path_of(a) + "/neuron_excitability", std::to_string(a.excitability),
                     "taken as percent", GenomeNote::Kind::assumed);
            if (a.threshold_limit != 0 && a.threshold_limit < a.threshold)
                note(path_of(a) + "/firing_threshold_limit", std::to_string(a.threshold_limit),
                     "below the threshold: these neurons never fire");
            report(GrowthStage::neurogenesis, k + 1, genome_.areas.size());
        }
    }

    void make_synapses() {
        std::size_t done = 0;
        const std::size_t total = genome_.rules();
        for (std::size_t k = 0; k < genome_.areas.size(); ++k)
            for (std::size_t r = 0; r < genome_.areas[k].mappings.size(); ++r) {
                make_synapses(k, r);
                report(GrowthStage::synaptogenesis, ++done, total);
            }
    }

    [[nodiscard]] const Morphology* find(const std::string& name) {
        if (const auto own = genome_.morphologies.find(name); own != genome_.morphologies.end())
            return &own->second;
        const auto [at, fresh] = core_.try_emplace(name, std::nullopt);
        if (fresh) at->second = core_morphology(name);
        return at->second ? &*at->second : nullptr;
    }

    void make_synapses(std::size_t source, std::size_t number) {
        const GenomeArea& from = genome_.areas[source];
        const MappingRule& rule = from.mappings[number];
        const std::string path = path_of(from, number);
        const std::size_t target = genome_.index(rule.target);
        if (target == genome_.areas.size())
            return note(path, "\"" + rule.named + "\"", "no such area: no synapses");
        const GenomeArea& to = genome_.areas[target];
        const Morphology* const morphology = find(rule.morphology);
        const Morphology* mapper = nullptr;
        if (morphology != nullptr && morphology->type == Morphology::Type::composite)
            mapper = find(morphology->mapper);
        static const Morphology nothing;
        const std::uint64_t key = rule_key(from.id, to.id, number);
        const AreaProperties &source_area = brain_.plan.areas[source],
                             &target_area = brain_.plan.areas[target];
        const bool associative = rule.morphology == "associative_memory";
        const Axon axon(rule.morphology, morphology == nullptr ? nothing : *morphology, mapper,
                        source_area.dimensions, target_area.dimensions, rule.scalar, key);
        const auto source_number = static_cast<std::uint32_t>(source),
                   target_number = static_cast<std::uint32_t>(target);
        GrownMapping mapping{source_number,  target_number, number, brain_.plan.synapses.size(), 0,
                             axon.function()};
        if (axon.function() == Axon::Function::unknown)
            note(path, "\"" + rule.morphology + "\"",
                 morphology == nullptr ? "no such morphology: no synapses"
                                       : "a morphology without a rule: no synapses");
        else if (source_area.kind != AreaKind::memory && target_area.kind != AreaKind::memory)
            connect(axon, rule, mapping, key,
                    rule.attractivity < 0 ? to.attractivity : rule.attractivity, path);
        if (rule.morphology == "episodic_memory" || rule.morphology == "memory_replay") {
            link_memory(rule.morphology == "memory_replay", source_number, target_number, path);
        }
        if (rule.plastic || associative) {
            const auto whole = [](double x) {
                return static_cast<std::int32_t>(
                    std::clamp(std::round(x), -2147483647.0, 2147483647.0));
            };
            brain_.plan.plasticity.push_back(
                {source_number, target_number, std::max(rule.window, 1u),
                 whole(rule.plasticity_constant), whole(rule.ltp), whole(rule.ltd), associative,
                 psp_of(rule, source_area)});
        }
        brain_.mappings.push_back(mapping);
    }

    void link_memory(bool replay, std::uint32_t source, std::uint32_t target,
                     const std::string& path) {
        MemoryLink link{replay ? target : source, replay ? source : target, source, replay};
        if (brain_.plan.areas[link.memory].kind != AreaKind::memory)
            return note(path, "", "not a memory area: nothing is remembered");
        if (replay) {
            const std::size_t of = genome_.index(genome_.find(genome_.areas[link.area].twin_of));
            if (of == genome_.areas.size())
                return note(path, "\"" + genome_.areas[link.area].twin_of + "\"",
                            "a twin of no area: nothing is replayed");
            link.upstream = static_cast<std::uint32_t>(of);
        }
        brain_.memories.push_back(link);
    }

    [[nodiscard]] static std::uint8_t psp_of(const MappingRule& rule,
                                             const AreaProperties& source) {
        return rule.psp < 0
                   ? source.psp
                   : static_cast<std::uint8_t>(std::clamp(std::round(rule.psp), 0.0, 255.0));
    }
    [[nodiscard]] std::uint64_t rule_key(const CorticalId& from, const CorticalId& to,
                                         std::size_t number) const {
        std::uint64_t key = splitmix64(options_.seed);
        for (const auto& id : {from, to})
            for (const unsigned char byte : id.bytes) key = splitmix64(key ^ byte);
        return splitmix64(key ^ number);
    }

    void connect(const Axon& axon, const MappingRule& rule, GrownMapping& mapping,
                 std::uint64_t key, double percent, const std::string& path) {
        const AreaProperties &from = brain_.plan.areas[mapping.source_area],
                             &to = brain_.plan.areas[mapping.target_area];
        if (percent <= 0 || axon.function() == Axon::Function::memory) return;
        auto& synapses = brain_.plan.synapses;
        BrainSynapse s;
        s.weight =
            static_cast<std::uint8_t>(std::min(std::round(std::fabs(rule.multiplier)), 255.0));
        s.inhibitory = rule.multiplier < 0;
        s.psp = psp_of(rule, from);
        const double chance = percent / 100 * 18446744073709551616.0;
        std::vector<std::uint64_t> voxels;
        const std::uint64_t all = from.neurons();
        for (std::uint64_t i = 0; i < all; i += from.neurons_per_voxel) {
            const std::uint64_t left = options_.most_synapses - synapses.size();
            axon.targets(from.voxel(i), voxels, left);
            if (voxels.size() > left)
                fail("growth: " + path + " makes more synapses than are left of " +
                     std::to_string(options_.most_synapses));
            for (std::uint64_t k = 0; k < from.neurons_per_voxel; ++k)
                for (const std::uint64_t voxel : voxels)
                    for (std::uint64_t n = 0; n < to.neurons_per_voxel; ++n) {
                        const std::uint64_t target = voxel * to.neurons_per_voxel + n;
                        const std::uint64_t pair = (i + k) << 32u | target;
                        if (percent < 100 && double(splitmix64(key ^ splitmix64(pair))) >= chance)
                            continue;
                        if (synapses.size() >= options_.most_synapses)
                            fail("growth: " + path + " makes more synapses than are left of " +
                                 std::to_string(options_.most_synapses));
                        s.source =
                            static_cast<std::uint32_t>(brain_.first[mapping.source_area] + i + k);
                        s.target =
                            static_cast<std::uint32_t>(brain_.first[mapping.target_area] + target);
                        synapses.push_back(s);
                    }
        }
        mapping.synapses = synapses.size() - mapping.first;
    }

    const Genome& genome_;
    GrowthOptions options_;
    GrownBrain brain_;
    std::map<std::string, std::optional<Morphology>> core_;
};

/// Grows a brain. Error: more neurons or synapses than the options allow.
[[nodiscard]] inline GrownBrain grow(const Genome& genome, const GrowthOptions& options = {}) {
    return Growth(genome, options).grow();
}

}  // namespace nibble
