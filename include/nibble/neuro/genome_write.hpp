// SPDX-License-Identifier: BSL-1.0
// Writing genomes in any of the three forms. What was read from one form and written in another reads
// back as the same brain.
#pragma once

#include <nibble/io/atomic_file.hpp>
#include <nibble/neuro/genome_rules.hpp>
#include <nibble/neuro/genome_table.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// Makes one JSON document of a Genome.
class GenomeWriter {
public:
    GenomeWriter(const Genome& genome, GenomeForm form) : genome_(genome), form_(form) {}

    [[nodiscard]] Json write() const {
        const bool nested = form_ == GenomeForm::nested;
        Json root = Json::object(), blueprint = Json::object();
        for (const auto& [name, text] : genome_.other)
            // Beside areas it is told from them; a key like theirs, or without any, is not.
            if (!nested && !genome_.areas.empty() && name.starts_with("blueprint/") &&
                !name.starts_with("blueprint/_____10c-"))
                blueprint[name.substr(10)] = Json::parse(text);
            else root[name] = Json::parse(text);
        for (const GenomeArea& area : genome_.areas)
            if (nested) blueprint[text_of(area.id)] = nested_area(area);
            else add_flat(area, blueprint);
        root["genome_id"] = genome_.id;
        root["genome_title"] = genome_.title;
        root["genome_description"] = genome_.description;
        root["timestamp"] = json_number(genome_.timestamp);
        root["version"] = nested ? "2.1" : form_ == GenomeForm::flat ? "2.0" : "3.0";
        root["blueprint"] = std::move(blueprint);
        root["neuron_morphologies"] = Json::object();
        for (const auto& [name, m] : genome_.morphologies)
            root["neuron_morphologies"][name] = morphology(m);
        root["physiology"] = physiology(genome_.physiology);
        if (!genome_.regions.empty()) {
            root["brain_regions"] = Json::object();
            for (const auto& [name, r] : genome_.regions) root["brain_regions"][name] = region(r);
        }
        if (!genome_.root_region.empty()) root["brain_regions_root"] = genome_.root_region;
        return root;
    }

private:
    [[nodiscard]] std::string text_of(const CorticalId& id) const {
        return form_ == GenomeForm::flat_64 ? to_base64(id) : to_string(id);
    }
    static void add_other(Json& to, const OtherMembers& other) {
        for (const auto& [name, text] : other) to[name] = Json::parse(text);
    }
    [[nodiscard]] static Json value_of(const GenomeArea& area, const AreaField& field) {
        return std::visit(
            [&](auto member) {
                const auto& value = area.*member;
                if constexpr (std::is_same_v<std::decay_t<decltype(value)>, double>)
                    return json_number(value);
                else return Json(value);
            },
            field.member);
    }

    void add_flat(const GenomeArea& area, Json& blueprint) const {
        const std::string prefix = "_____10c-" + text_of(area.id) + "-";
        for (const auto& [name, text] : area.other)
            if (is_flat_property(name) && !is_known_flat(name))
                blueprint[prefix + name] = Json::parse(text);
            else blueprint[prefix + "cx-others-d"][name] = Json::parse(text);
        for (const AreaField& field : area_fields())
            blueprint[prefix + std::string(field.flat)] = value_of(area, field);
        for (const AreaTriple& triple : area_triples())
            std::visit(
                [&](auto member) {
                    for (std::size_t axis = 0; axis < (area.*member).size(); ++axis)
                        blueprint[prefix + triple.flat_name(axis)] = (area.*member)[axis];
                },
                triple.member);
        blueprint[prefix + "cx-dstmap-d"] = mappings(area);
    }
    [[nodiscard]] Json nested_area(const GenomeArea& area) const {
        Json to = Json::object();
        add_other(to, area.other);
        for (const AreaField& field : area_fields())
            to[std::string(field.nested)] = value_of(area, field);
        to["location_generation_type"] = area.random_locations ? "random" : "sequential";
        to["cortical_type"] = area.group;
        for (const AreaTriple& triple : area_triples())
            std::visit([&](auto member) { to[std::string(triple.nested)] = area.*member; },
                       triple.member);
        to["cortical_mapping_dst"] = mappings(area);
        return to;
    }

    [[nodiscard]] Json mappings(const GenomeArea& area) const {
        Json to = Json::object();
        for (const MappingRule& r : area.mappings)
            to[r.target ? text_of(r.target) : r.named].push_back(rule(r));
        return to;
    }
    [[nodiscard]] Json rule(const MappingRule& r) const {
        Json scalar = Json::array();
        for (std::size_t i = 0; i < 3; ++i)
            scalar.push_back(r.formula[i].empty() ? json_number(r.scalar[i]) : Json(r.formula[i]));
        const Json values[] = {r.morphology,
                               scalar,
                               json_number(r.multiplier),
                               r.plastic,
                               json_number(r.plasticity_constant),
                               json_number(r.ltp),
                               json_number(r.ltd),
                               r.window};
        // The array has no place for more than this.
        if (form_ == GenomeForm::flat && r.attractivity < 0 && r.psp < 0 && r.other.empty())
            return Json(values);
        Json to = Json::object();
        for (std::size_t i = 0; i < std::size(values); ++i)
            if (i != 0 || !r.morphology.empty()) to[rule_elements[i]] = values[i];
        if (r.attractivity >= 0) to["synapse_attractivity"] = json_number(r.attractivity);
        if (r.psp >= 0) to["postsynaptic_current"] = json_number(r.psp);
        add_other(to, r.other);
        return to;
    }

    [[nodiscard]] static Json steps(const std::array<PatternStep, 3>& of) {
        using Kind = PatternStep::Kind;
        Json to = Json::array();
        for (const PatternStep& s : of)
            to.push_back(s.kind == Kind::exactly ? Json(s.at)
                         : s.kind == Kind::any   ? Json("*")
                         : s.kind == Kind::same  ? Json("?")
                                                 : Json("!"));
        return to;
    }
    [[nodiscard]] static Json morphology(const Morphology& m) {
        using Type = Morphology::Type;
        Json parameters = Json::object();
        if (!m.vectors.empty() || m.type == Type::vectors) parameters["vectors"] = m.vectors;
        if (!m.patterns.empty() || m.type == Type::patterns) {
            parameters["patterns"] = Json::array();
            for (const Pattern& p : m.patterns)
                parameters["patterns"].push_back({steps(p.source), steps(p.destination)});
        }
        const Morphology usual;
        if (m.type == Type::composite || m.seed != usual.seed || m.choose != usual.choose ||
            m.skip != usual.skip || m.mapper != usual.mapper) {
            parameters["src_seed"] = m.seed;
            parameters["src_pattern"] = Json::array();
            for (std::size_t i = 0; i < 3; ++i)
                parameters["src_pattern"].push_back({m.choose[i], m.skip[i]});
            parameters["mapper_morphology"] = m.mapper;
        }
        Json to = {{"class", m.group}, {"parameters", std::move(parameters)}};
        to["type"] = m.type == Type::vectors     ? "vectors"
                     : m.type == Type::patterns  ? "patterns"
                     : m.type == Type::functions ? "functions"
                     : m.type == Type::composite ? "composite"
                                                 : "placeholder";
        add_other(to, m.other);
        return to;
    }
    [[nodiscard]] static Json physiology(const Physiology& p) {
        Json to = Json::object();
        add_other(to, p.other);
        to["simulation_timestep"] = json_number(p.timestep);
        to["max_age"] = p.max_age;
        to["evolution_burst_count"] = p.evolution_bursts;
        to["ipu_idle_threshold"] = p.input_idle_threshold;
        to["plasticity_queue_depth"] = p.plasticity_queue_depth;
        to["lifespan_mgmt_interval"] = p.lifespan_interval;
        const bool usual = p.precision == default_spec(p.precision.value);
        to["quantization_precision"] =
            usual ? std::string(name_of(p.precision.value)) : to_string(p.precision);
        return to;
    }
    [[nodiscard]] Json region(const BrainRegion& r) const {
        const auto ids = [&](const std::vector<CorticalId>& of) {
            Json to = Json::array();
            for (const CorticalId& id : of) to.push_back(text_of(id));
            return to;
        };
        Json to = Json::object();
        add_other(to, r.other);
        to["title"] = r.title;
        to["description"] = r.description;
        to["parent_region_id"] = r.parent.empty() ? Json() : Json(r.parent);
        to["coordinate_2d"] = r.position_2d;
        to["coordinate_3d"] = r.position;
        to["areas"] = ids(r.areas);
        to["inputs"] = ids(r.inputs);
        to["outputs"] = ids(r.outputs);
        to["regions"] = r.regions;
        return to;
    }

    const Genome& genome_;
    GenomeForm form_;
};

/// The genome as a JSON text.
[[nodiscard]] inline std::string genome_text(const Genome& genome, GenomeForm form) {
    return GenomeWriter(genome, form).write().dump(2) + "\n";
}

/// Writes a genome file; it appears whole or not at all.
inline void write_genome(const Genome& genome, const std::string& path, GenomeForm form) {
    AtomicFile file(path);
    file.write(genome_text(genome, form));
    file.commit();
}

}  // namespace nibble
