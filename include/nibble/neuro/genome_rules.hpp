// SPDX-License-Identifier: BSL-1.0
// Mapping rules and morphologies out of JSON.
//
// A rule is an array of 4, 7 or 8 elements
//
//     [morphology, scalar, multiplier, plastic, constant, ltp, ltd, window]
//
// or an object with these by name. A morphology is {"type", "parameters", "class"}, or, in the oldest
// genomes, its parameters alone.
#pragma once

#include <nibble/neuro/genome_json.hpp>

#include <utility>

namespace nibble::inline NIBBLE_ARCH {

/// The present name of a morphology that had another before; the name itself otherwise.
[[nodiscard]] inline std::string present_morphology(const std::string& name) {
    if (name == "memory") return "episodic_memory";
    if (name == "bi_directional_stdp") return "associative_memory";
    if (name == "fully_connected") return "all_to_all";
    return name;
}

inline constexpr double largest_multiplier = 255;

/// The names of a rule's elements, in the order of the array form.
inline constexpr const char* rule_elements[] = {
    "morphology_id",   "morphology_scalar",   "postSynapticCurrent_multiplier",
    "plasticity_flag", "plasticity_constant", "ltp_multiplier",
    "ltd_multiplier",  "plasticity_window"};

inline void read_rule_scalar(GenomeValues& in, MappingRule& rule, const Json& value,
                             const std::string& path) {
    constexpr double far = 1e6;
    if (!value.is_array()) {
        rule.scalar.fill(in.number(value, path, -far, far, 1));
        return;
    }
    if (value.size() != 3) in.refuse(path, value, "three numbers, for x, y and z");
    for (std::size_t i = 0; i < 3; ++i) {
        const std::string at = path + "/" + std::to_string(i);
        if (value[i].is_string() &&
            !Json::parse(value[i].get<std::string>(), nullptr, false).is_number()) {
            in.ignored(at, value[i], "a formula; taken as 1");
            rule.formula[i] = value[i].get<std::string>();
        } else {
            rule.scalar[i] = in.number(value[i], at, -far, far, 1);
        }
    }
}

/// Element `which` of a rule, in the order of rule_elements.
inline void read_rule_element(GenomeValues& in, MappingRule& rule, std::size_t which,
                              const Json& value, const std::string& path) {
    constexpr double far = 2147483647.0;
    switch (which) {
        case 0: {
            const std::string name = in.text(value, path);
            rule.morphology = present_morphology(name);
            if (rule.morphology != name)
                in.note(GenomeNote::Kind::migrated, path, &value, "",
                        "now called \"" + rule.morphology + "\"");
            break;
        }
        case 1: read_rule_scalar(in, rule, value, path); break;
        case 2:
            rule.multiplier =
                in.whole<double>(value, path, -largest_multiplier, largest_multiplier, 1);
            break;
        case 3: rule.plastic = in.boolean(value, path, false); break;
        case 4: rule.plasticity_constant = in.whole<double>(value, path, -far, far, 1); break;
        case 5: rule.ltp = in.whole<double>(value, path, -far, far, 1); break;
        case 6: rule.ltd = in.whole<double>(value, path, -far, far, 1); break;
        default: rule.window = in.whole<std::uint32_t>(value, path, 0, 65535, 0); break;
    }
}

/// One rule. What is neither array nor object makes a rule without morphology that keeps the value.
[[nodiscard]] inline MappingRule read_mapping_rule(GenomeValues& in, const Json& value,
                                                   const std::string& path) {
    MappingRule rule;
    rule.path.text = path;
    if (value.is_array()) {
        const std::size_t n = value.size();
        if (n == 0) in.refuse(path, value, "a rule of 4, 7 or 8 elements or an object");
        for (std::size_t i = 0; i < n; ++i) {
            const std::string at = path + "/" + std::to_string(i);
            if (i < 8) read_rule_element(in, rule, i, value[i], at);
            else in.keep(rule.other, "element " + std::to_string(i), value[i], at);
        }
        if (n < 4 || n == 5 || n == 6)
            in.note(GenomeNote::Kind::repaired, path, &value, "4, 7 or 8 elements",
                    "what is missing is taken as usual");
        return rule;
    }
    if (!value.is_object()) in.refuse(path, value, "a rule of 4, 7 or 8 elements or an object");
    for (const auto& [name, member] : value.items()) {
        const std::string at = path + pointer_step(name);
        std::string_view usual = name;
        if (name == "cortical_mapping_type") usual = rule_elements[0];
        const auto* const found =
            std::find(std::begin(rule_elements), std::end(rule_elements), usual);
        if (found != std::end(rule_elements))
            read_rule_element(in, rule, static_cast<std::size_t>(found - rule_elements), member,
                              at);
        else if (name == "synapse_attractivity")
            rule.attractivity = in.number(member, at, 0, 100, 100);
        else if (name == "postsynaptic_current") rule.psp = in.whole<double>(member, at, 0, 255, 1);
        else in.keep(rule.other, name, member, at);
    }
    return rule;
}

[[nodiscard]] inline PatternStep read_pattern_step(GenomeValues& in, const Json& value,
                                                   const std::string& path) {
    using Kind = PatternStep::Kind;
    if (value.is_string()) {
        const auto& text = value.get_ref<const std::string&>();
        if (text == "*") return {Kind::any, 0};
        if (text == "?") return {Kind::same, 0};
        if (text == "!") return {Kind::other, 0};
    }
    return {Kind::exactly, in.whole<std::uint32_t>(value, path, 0, 4294967295.0, 0)};
}

[[nodiscard]] inline std::array<PatternStep, 3> read_pattern_steps(GenomeValues& in,
                                                                   const Json& value,
                                                                   const std::string& path) {
    if (!value.is_array() || value.size() != 3)
        in.refuse(path, value, "three of a voxel's number, \"*\", \"?\" and \"!\"");
    std::array<PatternStep, 3> steps;
    for (std::size_t i = 0; i < 3; ++i)
        steps[i] = read_pattern_step(in, value[i], path + "/" + std::to_string(i));
    return steps;
}

inline void read_patterns(GenomeValues& in, Morphology& m, const Json& value,
                          const std::string& path) {
    if (!value.is_array()) in.refuse(path, value, "a list of patterns");
    // The oldest genomes give one pattern without the list around it.
    const bool bare =
        value.size() == 2 && value[0].is_array() && value[0].size() == 3 && !value[0][0].is_array();
    const std::size_t n = bare ? 1 : value.size();
    if (bare)
        in.note(GenomeNote::Kind::migrated, path, &value, "a list of patterns",
                "taken as a list of one");
    for (std::size_t i = 0; i < n; ++i) {
        const Json& pair = bare ? value : value[i];
        const std::string at = bare ? path : path + "/" + std::to_string(i);
        if (!pair.is_array() || pair.size() != 2) {
            in.note(GenomeNote::Kind::repaired, at, &pair, "a pair of source and destination",
                    "left out");
            continue;
        }
        m.patterns.push_back({read_pattern_steps(in, pair[0], at + "/0"),
                              read_pattern_steps(in, pair[1], at + "/1")});
    }
}

/// Three whole numbers from low up.
template <class T>
[[nodiscard]] std::array<T, 3> read_three_whole(GenomeValues& in, const Json& value,
                                                const std::string& path, double low) {
    if (!value.is_array() || value.size() != 3) in.refuse(path, value, "three numbers");
    std::array<T, 3> three{};
    for (std::size_t i = 0; i < 3; ++i)
        three[i] = in.whole<T>(value[i], path + "/" + std::to_string(i), low, most_voxels, low);
    return three;
}

inline void read_morphology_parameter(GenomeValues& in, Morphology& m, const std::string& name,
                                      const Json& value, const std::string& path) {
    if (name == "vectors") {
        if (!value.is_array()) in.refuse(path, value, "a list of vectors");
        for (std::size_t i = 0; i < value.size(); ++i)
            m.vectors.push_back(read_three_whole<std::int32_t>(
                in, value[i], path + "/" + std::to_string(i), -most_voxels));
    } else if (name == "patterns") {
        read_patterns(in, m, value, path);
    } else if (name == "src_seed") {
        m.seed = read_three_whole<std::uint32_t>(in, value, path, 1);
    } else if (name == "src_pattern") {
        if (!value.is_array() || value.size() != 3)
            in.refuse(path, value, "a pair of choose and skip for each of x, y and z");
        for (std::size_t i = 0; i < 3; ++i) {
            const std::string at = path + "/" + std::to_string(i);
            if (!value[i].is_array() || value[i].size() != 2)
                in.refuse(at, value[i], "a pair of choose and skip");
            m.choose[i] = in.whole<std::uint32_t>(value[i][0], at + "/0", 0, most_voxels, 1);
            m.skip[i] = in.whole<std::uint32_t>(value[i][1], at + "/1", 0, most_voxels, 0);
        }
    } else if (name == "mapper_morphology") {
        m.mapper = present_morphology(in.text(value, path));
    } else if (name == "type" || name == "class") {
        in.ignored(path, value, "left out: it stands a level higher");
    } else if (name != "functions" && name != "parameters" && name != "morphology_name") {
        in.keep(m.other, name, value, path);
    }
}

[[nodiscard]] inline Morphology read_morphology(GenomeValues& in, const Json& value,
                                                const std::string& path) {
    using Type = Morphology::Type;
    in.expect_object(value, path, "a morphology");
    Morphology m;
    std::string type;
    for (const auto& [name, member] : value.items()) {
        const std::string at = path + pointer_step(name);
        if (name == "type") type = in.text(member, at);
        else if (name == "class") m.group = in.text(member, at);
        else if (name == "morphology_name") continue;  // the key again
        else if (name == "parameters") {
            in.expect_object(member, at, "parameters");
            for (const auto& [parameter, given] : member.items())
                read_morphology_parameter(in, m, parameter, given, at + pointer_step(parameter));
        } else if (name == "dimension_sensitive") {
            m.other[name] = member.dump();  // a remark: sizes decide in any case
        } else {
            read_morphology_parameter(in, m, name, member, at);
        }
    }
    constexpr std::pair<std::string_view, Type> types[] = {{"vectors", Type::vectors},
                                                           {"patterns", Type::patterns},
                                                           {"functions", Type::functions},
                                                           {"composite", Type::composite},
                                                           {"placeholder", Type::none}};
    for (const auto& [name, meant] : types)
        if (type == name) {
            m.type = meant;
            return m;
        }
    m.type = !m.vectors.empty()                            ? Type::vectors
             : !m.patterns.empty()                         ? Type::patterns
             : type.empty() && value.contains("functions") ? Type::functions
                                                           : Type::none;
    if (type.empty()) return m;
    in.ignored(path + "/type", Json(type), "none of vectors, patterns, functions, composite");
    m.other["type"] = Json(type).dump();
    return m;
}

}  // namespace nibble
