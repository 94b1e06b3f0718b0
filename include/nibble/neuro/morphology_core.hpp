// SPDX-License-Identifier: BSL-1.0
// Morphologies that every genome has.
#pragma once

#include <nibble/neuro/genome.hpp>

#include <optional>

namespace nibble::inline NIBBLE_ARCH {

/// Morphologies that a genome may use without defining them.
[[nodiscard]] inline std::optional<Morphology> core_morphology(std::string_view name) {
    using Kind = PatternStep::Kind;
    Morphology m;
    m.group = "core";
    constexpr std::string_view functions[] = {"projector",          "projector_xy",
                                              "projector_xz",       "projector_yz",
                                              "project_from_end_x", "project_from_end_y",
                                              "project_from_end_z", "expander",
                                              "expander_x",         "reducer",
                                              "reducer_x",          "randomizer",
                                              "lateral_pairs_x",    "last_to_first",
                                              "block_connection",   "episodic_memory",
                                              "memory_replay",      "associative_memory"};
    if (std::find(std::begin(functions), std::end(functions), name) != std::end(functions)) {
        m.type = Morphology::Type::functions;
        return m;
    }
    const PatternStep any{Kind::any, 0}, zero{Kind::exactly, 0};
    const std::array<PatternStep, 3> all{any, any, any}, first{zero, zero, zero};
    m.type = Morphology::Type::patterns;
    if (name == "all_to_all") m.patterns = {{all, all}};
    if (name == "0-0-0_to_all") m.patterns = {{first, all}};
    if (name == "all_to_0-0-0") m.patterns = {{all, first}};
    if (!m.patterns.empty()) return m;
    m.type = Morphology::Type::vectors;
    if (name == "block_to_block") m.vectors = {{0, 0, 0}};
    for (std::size_t axis = 0; axis < 3; ++axis)
        for (const int step : {1, -1}) {
            const char lateral[] = {step > 0 ? '+' : '-', "xyz"[axis], '\0'};
            if (name != "lateral_" + std::string(lateral)) continue;
            m.vectors.push_back({0, 0, 0});
            m.vectors.back()[axis] = step;
        }
    return m.vectors.empty() ? std::nullopt : std::optional(m);
}

}  // namespace nibble
