// SPDX-License-Identifier: BSL-1.0
// Regions out of JSON.
#pragma once

#include <nibble/neuro/genome_json.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// A region of a genome whose areas are there; `all` are the file's regions.
[[nodiscard]] inline BrainRegion read_region(GenomeValues& in, const Genome& genome,
                                             const Json& all, const Json& value,
                                             const std::string& path) {
    in.expect_object(value, path, "a region");
    BrainRegion region;
    constexpr double far = 2147483647.0;
    const auto add = [&](std::vector<CorticalId>& to, const Json& list, const std::string& at) {
        if (list.is_null()) return;
        if (!list.is_array()) in.refuse(at, list, "a list of areas");
        for (std::size_t i = 0; i < list.size(); ++i) {
            const std::string name = in.text(list[i], at + "/" + std::to_string(i));
            const CorticalId id = genome.find(name);
            if (!id) in.ignored(at + "/" + std::to_string(i), list[i], "no such area: left out");
            else if (std::find(to.begin(), to.end(), id) == to.end()) to.push_back(id);
        }
    };
    const auto place = [&](auto& to, const Json& list, const std::string& at) {
        if (!list.is_array() || list.size() < to.size()) in.refuse(at, list, "a list of numbers");
        for (std::size_t i = 0; i < to.size(); ++i)
            to[i] = in.whole<std::int32_t>(list[i], at + "/" + std::to_string(i), -far, far, 0);
    };
    for (const auto& [name, member] : value.items()) {
        const std::string at = path + pointer_step(name);
        if (name == "title" || name == "name") region.title = in.text(member, at);
        else if (name == "description") region.description = in.text(member, at);
        else if (name == "parent_region_id") region.parent = in.text(member, at);
        else if (name == "region_id") continue;  // the key again
        else if (name == "areas" || name == "cortical_areas") add(region.areas, member, at);
        else if (name == "inputs") add(region.inputs, member, at);
        else if (name == "outputs") add(region.outputs, member, at);
        else if (name == "coordinate_2d") place(region.position_2d, member, at);
        else if (name == "coordinate_3d") place(region.position, member, at);
        else if (name == "regions" || name == "child_regions") {
            if (!member.is_array()) in.refuse(at, member, "a list of regions");
            for (std::size_t i = 0; i < member.size(); ++i) {
                const std::string where = at + "/" + std::to_string(i);
                std::string child = in.text(member[i], where);
                auto& to = region.regions;
                if (!all.contains(child)) in.ignored(where, member[i], "no such region: left out");
                else if (std::find(to.begin(), to.end(), child) == to.end())
                    to.push_back(std::move(child));
            }
        } else if (name == "signature") region.other[name] = member.dump();
        else in.keep(region.other, name, member, at);
    }
    return region;
}

}  // namespace nibble
