// SPDX-License-Identifier: BSL-1.0
// The properties of an area in a genome: how the flat and the nested forms call each, where it is
// kept, and what it may be. Reader and writer both go by this table.
#pragma once

#include <nibble/neuro/genome.hpp>

#include <algorithm>
#include <limits>
#include <span>
#include <variant>

namespace nibble::inline NIBBLE_ARCH {

/// Where a property is kept.
using AreaMember = std::variant<double GenomeArea::*, std::uint32_t GenomeArea::*,
                                bool GenomeArea::*, std::string GenomeArea::*>;

/// One property with one value.
struct AreaField {
    std::string_view flat;    ///< scope, name of six characters, type: "nx-fire_t-f"
    std::string_view nested;  ///< "firing_threshold"
    AreaMember member;
    double low = 0, high = 0;  ///< of numbers
    bool whole = false;        ///< of a double: the engine takes whole numbers
    /// The six characters, by which a flat key is recognised: older files differ in scope and type.
    [[nodiscard]] constexpr std::string_view stem() const noexcept { return flat.substr(3, 6); }
};

/// All of them.
[[nodiscard]] inline std::span<const AreaField> area_fields() noexcept {
    using G = GenomeArea;
    constexpr double any = std::numeric_limits<float>::max(), u16 = 65535, u32 = 4294967295.0;
    static constexpr AreaField fields[] = {
        {"cx-__name-t", "cortical_name", &G::name},
        {"cx-_group-t", "group_id", &G::group},
        {"cx-subgrp-t", "sub_group_id", &G::sub_group},
        {"cx-_n_cnt-i", "per_voxel_neuron_cnt", &G::neurons_per_voxel, 1, u16},
        {"cx-gd_vis-b", "visualization", &G::visible},
        {"cx-__rand-b", "location_generation_type", &G::random_locations},
        {"cx-devcnt-i", "dev_count", &G::dev_count, 0, u32},
        {"nx-fire_t-f", "firing_threshold", &G::threshold, -any, any},
        {"nx-ftincx-f", "firing_threshold_increment_x", &G::threshold_x, -any, any},
        {"nx-ftincy-f", "firing_threshold_increment_y", &G::threshold_y, -any, any},
        {"nx-ftincz-f", "firing_threshold_increment_z", &G::threshold_z, -any, any},
        {"nx-fthlim-f", "firing_threshold_limit", &G::threshold_limit, 0, any},
        {"nx-leak_c-f", "leak_coefficient", &G::leak, 0, 1},
        {"nx-leak_v-f", "leak_variability", &G::leak_variability, 0, 100},
        {"nx-excite-f", "neuron_excitability", &G::excitability, 0, 100},
        {"nx-refrac-i", "refractory_period", &G::refractory, 0, u16},
        {"nx-c_fr_c-i", "consecutive_fire_cnt_max", &G::consecutive_fire_limit, 0, u16},
        {"nx-snooze-f", "snooze_length", &G::snooze, 0, u16},
        {"nx-mp_acc-b", "mp_charge_accumulation", &G::charge_accumulation},
        {"nx-mp_psp-b", "mp_driven_psp", &G::mp_driven_psp},
        {"nx-pstcr_-f", "postsynaptic_current", &G::psp, 0, 255, true},
        {"nx-pstcrm-f", "postsynaptic_current_max", &G::psp_max, 0, any},
        {"cx-pspuni-b", "psp_uniform_distribution", &G::psp_uniform_distribution},
        {"cx-de_gen-f", "degeneration", &G::degeneration, -any, any},
        {"cx-plst_c-f", "plasticity_constant", &G::plasticity_constant, -any, any},
        {"cx-synatt-f", "synapse_attractivity", &G::attractivity, 0, 100},
        {"cx-memory-b", "is_mem_type", &G::memory},
        {"cx-tmpdpt-i", "temporal_depth", &G::temporal_depth, 1, u16},
        {"cx-mem__t-i", "longterm_mem_threshold", &G::longterm_threshold, 0, u32, true},
        {"cx-mem_gr-i", "lifespan_growth_rate", &G::lifespan_growth, 0, u32, true},
        {"cx-mem_ls-i", "init_lifespan", &G::initial_lifespan, 0, u32, true},
        {"cx-twinrf-t", "memory_twin_of", &G::twin_of},
    };
    return fields;
}

/// A property of two or three numbers; the flat form has a key for each, its axis the sixth
/// character of the name.
struct AreaTriple {
    std::string_view flat;  ///< with '?' for the axis
    std::string_view nested;
    std::variant<std::array<std::uint32_t, 3> GenomeArea::*,
                 std::array<std::int32_t, 3> GenomeArea::*,
                 std::array<std::int32_t, 2> GenomeArea::*>
        member;
    double low = 0, high = 0;

    [[nodiscard]] std::size_t axes() const noexcept {
        return std::holds_alternative<std::array<std::int32_t, 2> GenomeArea::*>(member) ? 2 : 3;
    }
    /// The property of one axis: "cx-___bbx-i".
    [[nodiscard]] std::string flat_name(std::size_t axis) const {
        std::string name(flat);
        name.replace(name.find('?'), 1, 1, "xyz"[axis]);
        return name;
    }
    /// Along an axis that is not given: sizes are 1, places 0.
    [[nodiscard]] int usual() const noexcept { return low == 1 ? 1 : 0; }
};

[[nodiscard]] inline std::span<const AreaTriple> area_triples() noexcept {
    using G = GenomeArea;
    constexpr double far = 2147483647.0;
    static constexpr AreaTriple triples[] = {
        {"cx-___bb?-i", "block_boundaries", &G::size, 1, most_voxels},
        {"cx-rcord?-i", "relative_coordinate", &G::position, -far, far},
        {"cx-2dcor?-i", "2d_coordinate", &G::position_2d, -far, far},
    };
    return triples;
}

/// True for the shape of a flat property: "nx-fire_t-f".
[[nodiscard]] constexpr bool is_flat_property(std::string_view name) noexcept {
    return name.size() == 11 && (name.starts_with("cx-") || name.starts_with("nx-")) &&
           name[9] == '-';
}

/// The table's name for another name of a property in nested files; the name itself when it has none.
[[nodiscard]] constexpr std::string_view usual_name(std::string_view name) noexcept {
    constexpr std::pair<std::string_view, std::string_view> others[] = {
        {"name", "cortical_name"},
        {"cortical_group", "group_id"},
        {"cortical_type", "group_id"},
        {"sub_group", "sub_group_id"},
        {"neurons_per_voxel", "per_voxel_neuron_cnt"},
        {"cortical_neuron_per_voxel_count", "per_voxel_neuron_cnt"},
        {"visible", "visualization"},
        {"snooze_period", "snooze_length"},
        {"consecutive_fire_limit", "consecutive_fire_cnt_max"},
        {"firing_threshold_starting_value", "firing_threshold"},
        {"dimensions", "block_boundaries"},
        {"cortical_dimensions", "block_boundaries"},
        {"location", "relative_coordinate"},
        {"position", "relative_coordinate"},
        {"coordinates_3d", "relative_coordinate"},
        {"coordinate_3d", "relative_coordinate"},
        {"coordinate_2d", "2d_coordinate"},
        {"coordinates_2d", "2d_coordinate"},
        {"cortical_mapping_dstn", "cortical_mapping_dst"},
        {"dstmap", "cortical_mapping_dst"},
    };
    for (const auto& [other, usual] : others)
        if (other == name) return usual;
    return name;
}

/// True for a member of a nested area that is read: everything else is kept as it is.
[[nodiscard]] inline bool is_area_member(std::string_view name) noexcept {
    constexpr std::string_view special[] = {"cortical_id", "morphology_id", "properties",
                                            "neuron_params", "cortical_mapping_dst"};
    name = usual_name(name);
    const auto named = [&](const auto& row) { return row.nested == name; };
    return std::find(std::begin(special), std::end(special), name) != std::end(special) ||
           std::any_of(area_fields().begin(), area_fields().end(), named) ||
           std::any_of(area_triples().begin(), area_triples().end(), named);
}

/// True for a flat property that is read.
[[nodiscard]] inline bool is_known_flat(std::string_view name) noexcept {
    const std::string_view stem = name.substr(3, 6);
    for (const AreaField& field : area_fields())
        if (field.stem() == stem) return true;
    for (const AreaTriple& triple : area_triples())
        if (triple.flat.substr(3, 5) == stem.substr(0, 5)) return true;
    return stem == "dstmap" || stem == "others";
}

}  // namespace nibble
