// SPDX-License-Identifier: BSL-1.0
// What a brain is made of, as plain data: areas, synapses, rules of plasticity. Growth produces these
// and Brain<V> (brain.hpp) runs them; the names follow FEAGI's.
//
// Neurons are numbered over all areas in the order in which the areas were added: neuron i of an area
// has the number `first + i`, where `first` counts the neurons of the areas before it. Within an area
// the order is x outer, then y, then z, then the neurons of a voxel:
//
//     i = ((x * dimensions.y + y) * dimensions.z + z) * neurons_per_voxel + k
#pragma once

#include <nibble/version.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace nibble::inline NIBBLE_ARCH {

/// What an area is for. Power and fatigue are fed by the engine itself; memory areas hold no neurons of
/// their own but one for every pattern that they have met; the others differ in name only.
enum class AreaKind : std::uint8_t { custom, sensory, motor, memory, power, death, fatigue };

/// Numbers of memory neurons begin here; all others are below.
inline constexpr std::uint32_t first_memory_neuron = 50'000'000;

/// Three whole numbers: sizes of an area in voxels, or the place of a voxel.
struct Voxels {
    std::uint32_t x = 1, y = 1, z = 1;
    friend bool operator==(const Voxels&, const Voxels&) = default;
};

/// How a memory area keeps its patterns. Lifespans are in bursts.
struct MemoryProperties {
    std::uint32_t temporal_depth = 1;        ///< bursts that make up a pattern, 1 and more
    std::uint32_t initial_lifespan = 20;     ///< of a new memory neuron
    double lifespan_growth = 3.0;            ///< added each time that its pattern is met again
    std::uint32_t longterm_threshold = 100;  ///< lifespan from which a neuron stays for ever
    friend bool operator==(const MemoryProperties&, const MemoryProperties&) = default;
};

/// What the neurons of an area have in common. Potentials, thresholds and limits are in real units, as
/// are contributions: weight * psp. Times are in bursts.
struct AreaProperties {
    std::string id{};    ///< as a genome names it: 8 characters, or 6 in old genomes
    std::string name{};  ///< for people
    AreaKind kind = AreaKind::custom;
    Voxels dimensions{};
    std::uint32_t neurons_per_voxel = 1;
    std::array<std::int32_t, 3> position{};  ///< of the area in the brain; for viewers only

    double threshold = 1.0;                      ///< fires at or above it
    std::array<double, 3> threshold_gradient{};  ///< added to it per voxel in x, y and z
    double threshold_limit = 0.0;                ///< fires at or below it; 0: no limit
    double leak = 0.0;                           ///< part of the potential that is lost, 0 to 1
    double leak_variability = 0.0;             ///< leaks are spread by +- this part of them, 0 to 1
    double excitability = 1.0;                 ///< chance to fire at threshold, 0 to 1
    std::uint16_t refractory = 0;              ///< bursts of silence after a spike
    std::uint16_t consecutive_fire_limit = 0;  ///< spikes in a row before a snooze; 0: no limit
    std::uint16_t snooze = 0;                  ///< further bursts of silence when the limit is met
    bool charge_accumulation = true;        ///< false: the potential is cleared before each burst
    std::uint8_t psp = 1;                   ///< of a synapse from here: contribution per weight
    bool psp_uniform_distribution = false;  ///< false: contributions / number of synapses
    bool mp_driven_psp = false;             ///< psp is the potential at firing, cut to 0..255
    double degeneration = 0.0;              ///< as the genome gives it; not used by the burst
    MemoryProperties memory{};              ///< of memory areas

    /// Neurons of the area: 0 for a memory area.
    [[nodiscard]] std::uint64_t neurons() const noexcept {
        return kind == AreaKind::memory
                   ? 0
                   : std::uint64_t{dimensions.x} * dimensions.y * dimensions.z * neurons_per_voxel;
    }
    /// The voxel of neuron i.
    [[nodiscard]] Voxels voxel(std::uint64_t i) const noexcept {
        i /= neurons_per_voxel;
        const auto z = static_cast<std::uint32_t>(i % dimensions.z);
        const auto y = static_cast<std::uint32_t>(i / dimensions.z % dimensions.y);
        return {static_cast<std::uint32_t>(i / dimensions.z / dimensions.y), y, z};
    }
    /// The first neuron of a voxel within the dimensions.
    [[nodiscard]] std::uint64_t neuron(Voxels at) const noexcept {
        return ((std::uint64_t{at.x} * dimensions.y + at.y) * dimensions.z + at.z) *
               neurons_per_voxel;
    }
    /// The threshold of the neurons of a voxel.
    [[nodiscard]] double threshold_at(Voxels at) const noexcept {
        return threshold + threshold_gradient[0] * at.x + threshold_gradient[1] * at.y +
               threshold_gradient[2] * at.z;
    }
    friend bool operator==(const AreaProperties&, const AreaProperties&) = default;
};

/// One synapse between numbered neurons. Its contribution to the target is weight * psp, negative when
/// it inhibits: 0 to 65025 in size, before the division that psp_uniform_distribution asks for.
struct BrainSynapse {
    std::uint32_t source = 0, target = 0;
    std::uint8_t weight = 1;
    std::uint8_t psp = 1;
    bool inhibitory = false;
    std::uint8_t delay = 1;  ///< bursts from the source's spike to the target's input, 1 to 255
    friend bool operator==(const BrainSynapse&, const BrainSynapse&) = default;
};

/// Plasticity of all synapses from one area to another, by what both ends did in the last `window`
/// bursts. Both fired in every one of them: weight += constant * ltp. Either fired in any: weight -=
/// constant * ltd. Weights stay in 0..255. Areas are numbers; the last rule of a pair counts.
struct PlasticityRule {
    std::uint32_t source_area = 0, target_area = 0;
    std::uint32_t window = 1;  ///< bursts, 1 and more
    std::int32_t constant = 1;
    std::int32_t ltp = 1;
    std::int32_t ltd = 1;
    bool associative = false;  ///< also makes the missing synapses between neurons that both fired
    std::uint8_t psp = 1;      ///< of synapses made so
    bool inhibitory = false;   ///< likewise
    friend bool operator==(const PlasticityRule&, const PlasticityRule&) = default;
};

/// Counts of one burst.
struct BurstCounts {
    std::uint64_t candidates = 0;  ///< neurons that were updated
    std::uint64_t fired = 0;
    std::uint64_t silent = 0;     ///< candidates in their refractory period or snooze
    std::uint64_t saturated = 0;  ///< potentials that were cut to the range of their type

    BurstCounts& operator+=(const BurstCounts& o) noexcept {
        candidates += o.candidates;
        fired += o.fired;
        silent += o.silent;
        saturated += o.saturated;
        return *this;
    }
};

/// Which neurons a burst updates.
enum class UpdateMode : std::uint8_t {
    candidates,  ///< those to which something arrived, be it 0, as FEAGI does
    every_step,  ///< all: potentials leak and countdowns run without input too
};

/// What growth hands to the engine: areas in the order of their numbers, and what connects them.
struct BrainPlan {
    std::vector<AreaProperties> areas;
    std::vector<BrainSynapse> synapses;
    std::vector<PlasticityRule> plasticity;
};

}  // namespace nibble
