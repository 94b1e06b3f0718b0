// SPDX-License-Identifier: BSL-1.0
// Genome: the plan from which a brain grows, as plain data. The three forms in which FEAGI writes one
// (flat 2.0, nested 2.1, flat 3.0 with base64 ids) are read by genome_read.hpp and written by
// genome_write.hpp; growth.hpp makes the brain. docs/genome.md describes the format as read.
//
// Areas are held in the order of their ids, so that the brain that grows does not depend on the form
// or on the order of a file. What a reader does not understand is kept as JSON text in `other`,
// listed in the report, and written back.
#pragma once

#include <nibble/neuro/cortical_id.hpp>
#include <nibble/quant/spec.hpp>

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace nibble::inline NIBBLE_ARCH {

/// The largest extent of an area along an axis, and of a step of a morphology.
inline constexpr double most_voxels = 1'000'000;

/// `name` as a step of a JSON pointer, with the slash before it.
[[nodiscard]] inline std::string pointer_step(std::string_view name) {
    std::string step = "/";
    for (const char c : name) {
        if (c == '~') step += "~0";
        else if (c == '/') step += "~1";
        else step += c;
    }
    return step;
}

/// Where something stood in a file, as a JSON pointer: for messages, equal to every other.
struct SourcePath {
    std::string text;
    friend bool operator==(const SourcePath&, const SourcePath&) noexcept { return true; }
};

/// Members that are kept without being used: their JSON text by name.
using OtherMembers = std::map<std::string, std::string>;

/// One rule of a mapping: synapses from the area that holds it to `target`, by a morphology.
struct MappingRule {
    CorticalId target;       ///< none: `named` is no area of the genome
    std::string named;       ///< the target as the genome spells it, when it is no area
    std::string morphology;  ///< empty when the rule names none
    std::array<double, 3> scalar{1, 1, 1};  ///< by which vectors are multiplied
    double multiplier = 1;  ///< weight of the synapses, a whole number; negative inhibits
    bool plastic = false;
    double plasticity_constant = 1;
    double ltp = 1, ltd = 1;             ///< multiples of the constant when strengthened, weakened
    std::uint32_t window = 0;            ///< bursts; 0: the genome's plasticity_queue_depth
    double attractivity = -1;            ///< percent of synapses made; negative: the target area's
    double psp = -1;                     ///< of the synapses; negative: the source area's
    std::array<std::string, 3> formula;  ///< of a scalar that is one ("2x"): kept, taken as 1
    OtherMembers other;
    SourcePath path;  ///< of the rule; empty when it was made in code
    friend bool operator==(const MappingRule&, const MappingRule&) = default;
};

/// An area: its place, its neurons, where it projects.
struct GenomeArea {
    CorticalId id;
    std::string name;
    std::string group = "CUSTOM";  ///< IPU, OPU, CORE, MEMORY or CUSTOM
    std::string sub_group;
    std::array<std::uint32_t, 3> size{1, 1, 1};  ///< voxels
    std::array<std::int32_t, 3> position{};
    std::array<std::int32_t, 2> position_2d{};
    std::uint32_t neurons_per_voxel = 1;
    bool visible = true;
    bool random_locations = false;
    std::uint32_t dev_count = 0;

    double threshold = 1;
    double threshold_x = 0, threshold_y = 0, threshold_z = 0;  ///< added per voxel
    double threshold_limit = 0;                                ///< 0: none
    double leak = 0;  ///< part of the potential that is lost, 0 to 1
    double leak_variability = 0;
    double excitability = 100;  ///< percent; up to 1 it is taken as a fraction
    std::uint32_t refractory = 0;
    std::uint32_t consecutive_fire_limit = 0;
    std::uint32_t snooze = 0;
    bool charge_accumulation = false;
    double psp = 1;       ///< 0 to 255, taken as the nearest whole number
    double psp_max = 35;  ///< kept; the engine has no use for it
    bool psp_uniform_distribution = false;
    bool mp_driven_psp = false;
    double degeneration = 0;
    double plasticity_constant = 0;
    double attractivity = 100;  ///< percent of the synapses to this area that are made

    bool memory = false;
    std::uint32_t temporal_depth = 1;
    double longterm_threshold = 100;
    double lifespan_growth = 1;
    double initial_lifespan = 9;
    std::string twin_of;  ///< the area that this one repeats for a memory

    std::vector<MappingRule> mappings;
    OtherMembers other;
    friend bool operator==(const GenomeArea&, const GenomeArea&) = default;
};

/// One position along an axis in a pattern.
struct PatternStep {
    enum class Kind : std::uint8_t {
        exactly,  ///< `at`
        any,      ///< "*"
        same,     ///< "?": the source's position; in a source pattern, any
        other,    ///< "!": all but the source's position; in a source pattern, any
    } kind = Kind::any;
    std::uint32_t at = 0;
    friend bool operator==(const PatternStep&, const PatternStep&) = default;
};

/// Source and destination of a pattern, by axis.
struct Pattern {
    std::array<PatternStep, 3> source, destination;
    friend bool operator==(const Pattern&, const Pattern&) = default;
};

/// How an axon finds its targets.
struct Morphology {
    enum class Type : std::uint8_t { none, vectors, patterns, functions, composite };
    Type type = Type::none;
    std::string group = "custom";  ///< "core" or "custom" ("class" in files)
    std::vector<std::array<std::int32_t, 3>> vectors;
    std::vector<Pattern> patterns;
    // A composite cuts the source area into blocks of `seed`, takes `choose` of them and skips `skip`
    // along each axis, and applies `mapper` to each of the blocks taken.
    std::array<std::uint32_t, 3> seed{1, 1, 1}, choose{1, 1, 1}, skip{};
    std::string mapper;
    OtherMembers other;
    friend bool operator==(const Morphology&, const Morphology&) = default;
};

/// A part of the brain that holds areas and other parts.
struct BrainRegion {
    std::string title, description, parent;
    std::array<std::int32_t, 3> position{};
    std::array<std::int32_t, 2> position_2d{};
    std::vector<CorticalId> areas, inputs, outputs;
    std::vector<std::string> regions;
    OtherMembers other;
    friend bool operator==(const BrainRegion&, const BrainRegion&) = default;
};

/// What holds for the whole brain.
struct Physiology {
    double timestep = 0.025;  ///< seconds of one burst
    std::uint64_t max_age = 10'000'000;
    std::uint32_t evolution_bursts = 50;
    std::uint32_t input_idle_threshold = 1000;
    std::uint32_t plasticity_queue_depth = 3;
    std::uint32_t lifespan_interval = 10;  ///< bursts between looks at the lifespans of memories
    QuantizationSpec precision{};  ///< of the neurons' values; FP32 when the genome has none
    OtherMembers other;
    friend bool operator==(const Physiology&, const Physiology&) = default;
};

/// The whole plan.
struct Genome {
    std::string id, title, description;
    double timestamp = 0;  ///< seconds since 1970
    Physiology physiology;
    std::vector<GenomeArea> areas;  ///< by id, ascending
    std::map<std::string, Morphology> morphologies;
    std::map<std::string, BrainRegion> regions;
    std::string root_region;
    OtherMembers other;
    /// The old spellings of ids, for looking areas up and for messages; not part of the brain.
    std::map<std::string, CorticalId> old_ids;

    /// The number of the area with this id; areas.size() when there is none.
    [[nodiscard]] std::size_t index(const CorticalId& of) const noexcept {
        const auto at = std::lower_bound(
            areas.begin(), areas.end(), of,
            [](const GenomeArea& a, const CorticalId& wanted) { return a.id < wanted; });
        return static_cast<std::size_t>((at != areas.end() && at->id == of ? at : areas.end()) -
                                        areas.begin());
    }
    /// The id that a text names in this genome, in any spelling or as an area's name; none otherwise.
    [[nodiscard]] CorticalId find(std::string_view text) const {
        if (const auto old = old_ids.find(std::string(text)); old != old_ids.end())
            return old->second;
        if (const auto exact = from_base64(text); exact && index(*exact) != areas.size())
            return *exact;
        if (text.size() <= 8 && index(cortical_id(text)) != areas.size()) return cortical_id(text);
        for (const GenomeArea& a : areas)
            if (a.name == text) return a.id;
        return {};
    }
    /// How people know an area: its old id, else its id.
    [[nodiscard]] std::string label(const CorticalId& of) const {
        for (const auto& [old, present] : old_ids)
            if (present == of) return old;
        return to_string(of);
    }
    [[nodiscard]] std::size_t rules() const noexcept {
        std::size_t n = 0;
        for (const GenomeArea& a : areas) n += a.mappings.size();
        return n;
    }
};

/// True when the same brain grows from both: everything is equal but the old spellings of ids.
[[nodiscard]] inline bool same_brain(const Genome& a, const Genome& b) {
    return a.id == b.id && a.title == b.title && a.description == b.description &&
           a.timestamp == b.timestamp && a.physiology == b.physiology && a.areas == b.areas &&
           a.morphologies == b.morphologies && a.regions == b.regions &&
           a.root_region == b.root_region && a.other == b.other;
}

/// The forms of a genome file.
enum class GenomeForm : std::uint8_t {
    flat,     ///< 2.0: one key for each property of each area
    nested,   ///< 2.1: an object for each area
    flat_64,  ///< 3.0: as 2.0, ids in base64
};

[[nodiscard]] constexpr const char* name_of(GenomeForm form) noexcept {
    return form == GenomeForm::flat     ? "flat 2.0"
           : form == GenomeForm::nested ? "nested 2.1"
                                        : "flat 3.0";
}

/// Something that a reader of genomes did, or left.
struct GenomeNote {
    enum class Kind : std::uint8_t {
        assumed,   ///< not there: a default was taken
        migrated,  ///< an old spelling was brought up to date
        repaired,  ///< a value that cannot be was replaced
        ignored,   ///< not understood: kept, without effect
    } kind = Kind::ignored;
    std::string path;   ///< JSON pointer (RFC 6901) into the file
    std::string value;  ///< what was there, as JSON
    std::string expected;
    std::string action;  ///< what was done

    friend bool operator==(const GenomeNote&, const GenomeNote&) = default;
};

[[nodiscard]] constexpr const char* name_of(GenomeNote::Kind kind) noexcept {
    constexpr const char* names[] = {"assumed", "migrated", "repaired", "not understood"};
    return names[static_cast<std::size_t>(kind)];
}

/// "repaired: /blueprint/c__for/leak_coefficient is 10, expected 0 to 1: taken as 1"
[[nodiscard]] inline std::string to_string(const GenomeNote& n) {
    return std::string(name_of(n.kind)) + ": " + n.path +
           (n.value.empty() ? std::string() : " is " + n.value) +
           (n.expected.empty() ? std::string() : ", expected " + n.expected) + ": " + n.action;
}

/// Everything that was not taken as it stands.
struct GenomeReport {
    GenomeForm form = GenomeForm::flat;
    std::string version;  ///< as the file gives it
    std::vector<GenomeNote> notes;

    [[nodiscard]] std::size_t count(GenomeNote::Kind kind) const noexcept {
        std::size_t n = 0;
        for (const GenomeNote& note : notes) n += note.kind == kind ? 1u : 0u;
        return n;
    }
};

}  // namespace nibble
