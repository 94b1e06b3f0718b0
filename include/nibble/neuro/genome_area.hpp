// SPDX-License-Identifier: BSL-1.0
// Areas out of JSON.
#pragma once

#include <nibble/neuro/genome_rules.hpp>
#include <nibble/neuro/genome_table.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// A property in a flat blueprint: "nx-fire_t-f", the whole key as a path, the value.
struct FlatEntry {
    std::string property, path;
    const Json* value;
};

/// Where an area stands in a file: an object of the nested form or entries of the flat one.
struct AreaSource {
    std::string text;   ///< the id as spelled
    std::string label;  ///< the member's name
    std::string path;
    const Json* object;
    std::vector<FlatEntry> entries;
};

/// Puts areas into a genome whose old_ids are complete.
class AreaReader {
public:
    /// `neurons` is the section of nested files that describes kinds of neurons, or nullptr.
    AreaReader(GenomeValues& in, Genome& genome, const Json* neurons)
        : in_(in), genome_(genome), neurons_(neurons) {}

    void read(const AreaSource& source) {
        area_ = {};
        seen_.clear();
        area_.id = genome_.old_ids.at(source.text);
        if (source.object != nullptr) read_nested(*source.object, source.path);
        for (const FlatEntry& entry : source.entries) read_flat(entry);
        if (source.object == nullptr) complete_flat(source.path);
        if (!seen_.contains("block_boundaries"))
            in_.note(GenomeNote::Kind::assumed, source.path, nullptr, "a size", "1 x 1 x 1 voxels");
        if (area_.name.empty()) area_.name = source.text;
        // An id of today tells a memory by its first byte; the ids before were free to begin with m.
        const bool present = source.text.size() == 8 || from_base64(source.text).has_value();
        if (!seen_.contains("is_mem_type") && area_.id.kind() == 'm' && present) {
            area_.memory = true;
            in_.note(GenomeNote::Kind::assumed, source.path, nullptr, "is_mem_type",
                     "a memory area by its id");
        }
        genome_.areas.push_back(std::move(area_));
    }

    /// Turns the spelled targets of all rules into ids, once every area is there.
    void resolve_targets() {
        for (GenomeArea& area : genome_.areas) {
            for (MappingRule& rule : area.mappings)
                if (const CorticalId id = resolve(rule.named)) {
                    rule.target = id;
                    rule.named.clear();
                }
            std::stable_sort(area.mappings.begin(), area.mappings.end(),
                             [](const MappingRule& a, const MappingRule& b) {
                                 return std::tie(a.named, a.target) < std::tie(b.named, b.target);
                             });
        }
        for (const auto& [path, target] : targets_)
            if (!resolve(target)) {
                const Json name(target);
                in_.ignored(path, name, "no such area: kept without effect");
            }
    }

private:
    [[nodiscard]] CorticalId resolve(const std::string& text) const {
        if (const CorticalId id = genome_.find(text)) return id;
        const auto known = fixed_successor(text);
        return known && genome_.index(known->id) != genome_.areas.size() ? known->id : CorticalId{};
    }

    /// True the first time; later a value that differs is listed.
    [[nodiscard]] bool first(std::string_view name, const Json& value, const std::string& path) {
        const auto [at, fresh] = seen_.try_emplace(std::string(name), &value);
        if (!fresh && *at->second != value) in_.ignored(path, value, "given before; not used");
        return fresh;
    }

    void set(const AreaField& field, const Json& value, const std::string& path) {
        const GenomeArea usual;
        std::visit(
            [&](auto member) {
                auto& to = area_.*member;
                using T = std::remove_reference_t<decltype(to)>;
                if constexpr (std::is_same_v<T, std::string>) {
                    to = in_.text(value, path);
                } else if constexpr (std::is_same_v<T, bool>) {
                    // The one truth that has names.
                    const bool named = field.nested == "location_generation_type";
                    if (named && (value == "random" || value == "sequential"))
                        to = value == "random";
                    else to = in_.boolean(value, path, usual.*member);
                } else if constexpr (std::is_same_v<T, double>) {
                    to = field.whole
                             ? in_.whole<T>(value, path, field.low, field.high, usual.*member)
                             : in_.number(value, path, field.low, field.high, usual.*member);
                } else {
                    to = in_.whole<T>(value, path, field.low, field.high, usual.*member);
                }
            },
            field.member);
    }
    void set(const AreaTriple& triple, std::size_t axis, const Json& value,
             const std::string& path) {
        std::visit(
            [&](auto member) {
                auto& to = area_.*member;
                using T = typename std::remove_reference_t<decltype(to)>::value_type;
                to[axis] = in_.whole<T>(value, path, triple.low, triple.high, triple.usual());
            },
            triple.member);
    }

    void read_flat(const FlatEntry& entry) {
        const Json& value = *entry.value;
        const std::size_t dash = entry.property.rfind('-');
        const std::string stem =
            dash == std::string::npos || dash <= 3 ? "" : entry.property.substr(3, dash - 3);
        if (stem == "dstmap") {
            if (first("cortical_mapping_dst", value, entry.path)) read_mappings(value, entry.path);
            return;
        }
        for (const AreaField& field : area_fields())
            if (field.stem() == stem) {
                if (first(field.nested, value, entry.path)) set(field, value, entry.path);
                return;
            }
        for (const AreaTriple& triple : area_triples())
            for (std::size_t axis = 0; axis < triple.axes(); ++axis) {
                if (triple.flat_name(axis).substr(3, 6) != stem) continue;
                seen_.try_emplace(std::string(triple.nested), entry.value);
                if (first(triple.flat_name(axis), value, entry.path))
                    set(triple, axis, value, entry.path);
                return;
            }
        if (stem == "others" && value.is_object()) {
            for (const auto& [name, member] : value.items())
                if (!is_area_member(name)) area_.other[name] = member.dump();
            in_.ignored(entry.path, value, "kept without effect");
            return;
        }
        in_.keep(area_.other, entry.property, value, entry.path);
    }

    /// Says which axes are not there beside others that are.
    void complete_flat(const std::string& path) {
        for (const AreaTriple& triple : area_triples())
            for (std::size_t axis = 0; axis < triple.axes(); ++axis)
                if (seen_.contains(std::string(triple.nested)) &&
                    !seen_.contains(triple.flat_name(axis)))
                    missing(triple, path + "-" + triple.flat_name(axis));
    }
    void missing(const AreaTriple& triple, const std::string& path) {
        in_.note(GenomeNote::Kind::assumed, path, nullptr, "a number",
                 "taken as " + std::to_string(triple.usual()));
    }

    void read_nested(const Json& object, const std::string& path) {
        // What kind of neurons: its values stand where the area has none of its own.
        std::string kind;
        for (const auto& [key, value] : object.items()) {
            const std::string at = path + pointer_step(key);
            const std::string_view name = usual_name(key);
            if (key == "cortical_id") continue;
            if (key == "properties" || key == "neuron_params") {
                in_.expect_object(value, at, "properties");
                read_nested(value, at);
            } else if (key == "morphology_id") {
                if (neurons_ != nullptr && value.is_string()) kind = value.get<std::string>();
                else in_.ignored(at, value, "left out: there are no kinds of neurons");
            } else if (name == "cortical_mapping_dst") {
                if (first(name, value, at)) read_mappings(value, at);
            } else if (!read_named(name, value, at)) {
                in_.keep(area_.other, key, value, at);
            }
        }
        if (kind.empty()) return;
        const std::string at = "/morphologies" + pointer_step(kind);
        const auto found = neurons_->find(kind);
        if (found == neurons_->end() || !found->is_object() || !found->contains("parameters") ||
            !(*found)["parameters"].is_object()) {
            const Json name(kind);
            in_.ignored(path + "/morphology_id", name, "no such kind of neurons");
            return;
        }
        for (const auto& [key, value] : (*found)["parameters"].items()) {
            const std::string_view name = usual_name(key);
            const std::string place = at + "/parameters" + pointer_step(key);
            if (seen_.contains(std::string(name))) continue;
            if (!is_area_member(key)) in_.keep(area_.other, key, value, place);
            else if (!read_named(name, value, place)) in_.ignored(place, value, "not used");
        }
    }

    /// A property by the table's name; false when the table has none.
    [[nodiscard]] bool read_named(std::string_view name, const Json& value,
                                  const std::string& path) {
        for (const AreaField& field : area_fields())
            if (field.nested == name) {
                if (first(name, value, path)) set(field, value, path);
                return true;
            }
        for (const AreaTriple& triple : area_triples())
            if (triple.nested == name) {
                if (first(name, value, path)) read_triple(triple, value, path);
                return true;
            }
        return false;
    }
    void read_triple(const AreaTriple& triple, const Json& value, const std::string& path) {
        constexpr const char* names[3][2] = {{"x", "width"}, {"y", "height"}, {"z", "depth"}};
        const std::size_t n = triple.axes();
        const std::string expected =
            std::to_string(n) + " numbers, or an object of " + (n == 2 ? "x and y" : "x, y and z");
        if (value.is_null())
            return in_.note(GenomeNote::Kind::assumed, path, &value, expected,
                            "each taken as " + std::to_string(triple.usual()));
        if (value == "") return in_.ignored(path, value, "empty");
        if (value.is_array() ? value.size() < n : !value.is_object())
            in_.refuse(path, value, expected);
        if (value.is_array()) {
            for (std::size_t i = 0; i < value.size(); ++i) {
                const std::string at = path + "/" + std::to_string(i);
                if (i < n) set(triple, i, value[i], at);
                else in_.ignored(at, value[i], "left out");
            }
            return;
        }
        for (const auto& [name, member] : value.items()) {
            const std::string at = path + pointer_step(name);
            std::size_t axis = 0;
            while (axis < n && name != names[axis][0] && name != names[axis][1]) ++axis;
            if (axis == n) in_.ignored(at, member, "left out");
            else if (first(triple.flat_name(axis), member, at)) set(triple, axis, member, at);
        }
        for (std::size_t axis = 0; axis < n; ++axis)
            if (!seen_.contains(triple.flat_name(axis)))
                missing(triple, path + pointer_step(names[axis][0]));
    }

    void read_mappings(const Json& value, const std::string& path) {
        if (value.is_null()) return;
        in_.expect_object(value, path, "rules by target");
        for (const auto& [target, rules] : value.items()) {
            const std::string at = path + pointer_step(target);
            const bool single = rules.is_object();
            if (!single && !rules.is_array()) in_.refuse(at, rules, "a list of rules");
            if (single)
                in_.note(GenomeNote::Kind::migrated, at, &rules, "a list of rules",
                         "taken as a list of one");
            for (std::size_t i = 0; i < (single ? 1 : rules.size()); ++i) {
                area_.mappings.push_back(
                    single ? read_mapping_rule(in_, rules, at)
                           : read_mapping_rule(in_, rules[i], at + "/" + std::to_string(i)));
                area_.mappings.back().named = target;
            }
            targets_.emplace_back(at, target);
        }
    }

    GenomeValues& in_;
    Genome& genome_;
    const Json* neurons_;
    GenomeArea area_;
    std::map<std::string, const Json*> seen_;
    std::vector<std::pair<std::string, std::string>> targets_;
};

}  // namespace nibble
