// SPDX-License-Identifier: BSL-1.0
// What growth is asked and what it gives: see growth.hpp.
#pragma once

#include <nibble/neuro/morphology.hpp>

#include <cmath>
#include <functional>

namespace nibble::inline NIBBLE_ARCH {

/// The stages of growth, in order.
enum class GrowthStage : std::uint8_t {
    corticogenesis,
    voxelogenesis,
    neurogenesis,
    synaptogenesis
};

[[nodiscard]] constexpr const char* name_of(GrowthStage stage) noexcept {
    constexpr const char* names[] = {"corticogenesis", "voxelogenesis", "neurogenesis",
                                     "synaptogenesis"};
    return names[static_cast<std::size_t>(stage)];
}

/// How far growth has come: `done` of `total` areas or rules of a stage.
struct GrowthProgress {
    GrowthStage stage = GrowthStage::corticogenesis;
    std::size_t done = 0, total = 0;
    std::uint64_t neurons = 0, synapses = 0;  ///< so far
};

struct GrowthOptions {
    std::uint64_t seed = 1;
    /// More than these is an Error that names the area or rule; nothing is allocated for it.
    std::uint64_t most_neurons = first_memory_neuron;  ///< what Brain can number
    std::uint64_t most_synapses = 200'000'000;
    std::function<void(const GrowthProgress&)> progress{};
};

/// What one rule of a mapping has become.
struct GrownMapping {
    std::uint32_t source_area = 0, target_area = 0;
    std::size_t rule = 0;                   ///< its number among the rules of the source area
    std::uint64_t first = 0, synapses = 0;  ///< in BrainPlan::synapses
    Axon::Function function = Axon::Function::unknown;
};

/// An area that a memory area watches (episodic memory), or in which it repeats what another did.
struct MemoryLink {
    std::uint32_t area = 0, memory = 0;
    std::uint32_t upstream = 0;  ///< the area watched: `area` itself, or that whose twin it is
    bool replay = false;
    friend bool operator==(const MemoryLink&, const MemoryLink&) = default;
};

/// A brain as it has grown. Areas have the order of the genome's.
struct GrownBrain {
    BrainPlan plan;
    std::vector<std::uint64_t>
        first;  ///< the number of each area's first neuron; one more at the end
    std::vector<GrownMapping> mappings;
    std::vector<MemoryLink> memories;
    /// What was left out or changed: rules without an area or a morphology, percentages.
    std::vector<GenomeNote> notes;

    [[nodiscard]] std::uint64_t neurons() const noexcept {
        return first.empty() ? 0 : first.back();
    }
};

/// What the engine needs of an area of a genome: whole numbers are the nearest ones.
[[nodiscard]] inline AreaProperties area_properties(const Genome& genome, const GenomeArea& a) {
    const auto u16 = [](std::uint32_t x) {
        return static_cast<std::uint16_t>(std::min<std::uint32_t>(x, 65535));
    };
    const auto u32 = [](double x) {
        return static_cast<std::uint32_t>(std::clamp(std::round(x), 0.0, 4294967295.0));
    };
    const auto fraction = [](double x) { return std::clamp(x > 1 ? x / 100 : x, 0.0, 1.0); };
    AreaProperties p;
    p.id = to_string(a.id);
    p.name = a.name.empty() ? genome.label(a.id) : a.name;
    const bool memory = a.memory || a.group == "MEMORY" || a.sub_group == "MEMORY";
    p.kind = a.id == power_id     ? AreaKind::power
             : a.id == death_id   ? AreaKind::death
             : a.id == fatigue_id ? AreaKind::fatigue
             : memory             ? AreaKind::memory
             : a.id.kind() == 'i' ? AreaKind::sensory
             : a.id.kind() == 'o' ? AreaKind::motor
                                  : AreaKind::custom;
    p.dimensions = {a.size[0], a.size[1], a.size[2]};
    p.neurons_per_voxel = a.neurons_per_voxel;
    p.position = a.position;
    p.threshold = a.threshold;
    p.threshold_gradient = {a.threshold_x, a.threshold_y, a.threshold_z};
    p.threshold_limit = a.threshold_limit;
    p.leak = a.leak;
    p.leak_variability = fraction(a.leak_variability);
    p.excitability = fraction(a.excitability);
    p.refractory = u16(a.refractory);
    p.consecutive_fire_limit = u16(a.consecutive_fire_limit);
    p.snooze = u16(a.snooze);
    p.charge_accumulation = a.charge_accumulation;
    p.psp = static_cast<std::uint8_t>(std::clamp(std::round(a.psp), 0.0, 255.0));
    p.psp_uniform_distribution = a.psp_uniform_distribution;
    p.mp_driven_psp = a.mp_driven_psp;
    p.degeneration = a.degeneration;
    p.memory = {std::max(a.temporal_depth, 1u), u32(a.initial_lifespan),
                std::round(a.lifespan_growth), u32(a.longterm_threshold)};
    return p;
}

}  // namespace nibble
