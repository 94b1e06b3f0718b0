// SPDX-License-Identifier: BSL-1.0
// Reading genomes: the form is found from the content, ids and names of older forms are brought up to
// date, values that cannot be are repaired, and all of it is reported.
#pragma once

#include <nibble/io/file.hpp>
#include <nibble/neuro/genome_area.hpp>
#include <nibble/neuro/genome_region.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// A genome and what its reader had to say.
struct ReadGenome {
    Genome genome;
    GenomeReport report;
};

/// Makes a Genome of one JSON document.
class GenomeReader {
public:
    GenomeReader(const Json& root, const std::string& file, const GenomeOptions& options)
        : root_(root), in_(file, options, report_) {}

    [[nodiscard]] ReadGenome read() {
        if (!root_.is_object() || !root_.contains("blueprint"))
            fail(in_.file() + ": no \"blueprint\", expected an object of areas");
        read_morphologies();
        const std::vector<AreaSource> sources = find_areas(root_["blueprint"]);
        name_areas(sources);
        AreaReader areas(in_, genome_,
                         root_.contains("morphologies") ? &root_["morphologies"] : nullptr);
        for (const AreaSource& source : sources) areas.read(source);
        std::sort(genome_.areas.begin(), genome_.areas.end(),
                  [](const GenomeArea& a, const GenomeArea& b) { return a.id < b.id; });
        areas.resolve_targets();
        read_physiology();
        complete_windows();
        read_regions();
        read_rest();
        return {std::move(genome_), std::move(report_)};
    }

private:
    /// The areas of a blueprint in either form; what is no area is kept.
    [[nodiscard]] std::vector<AreaSource> find_areas(const Json& blueprint) {
        in_.expect_object(blueprint, "/blueprint", "areas");
        std::vector<AreaSource> sources;
        bool flat = false;
        for (const auto& [key, value] : blueprint.items())
            flat = flat || key.starts_with("_____10c-");
        if (!flat) {
            report_.form = GenomeForm::nested;
            const bool listed = blueprint.contains("cortical_areas");
            const Json& areas = listed ? blueprint["cortical_areas"] : blueprint;
            const std::string path = listed ? "/blueprint/cortical_areas" : "/blueprint";
            in_.expect_object(areas, path, "areas");
            for (const auto& [key, value] : areas.items()) {
                const std::string at = path + pointer_step(key);
                in_.expect_object(value, at, "an area's properties");
                const auto id = value.find("cortical_id");
                const bool named = id != value.end() && id->is_string() && !id->empty();
                sources.push_back({named ? id->get<std::string>() : key, key, at, &value, {}});
            }
            return sources;
        }
        // Keys of one area stand together: the document is sorted.
        std::map<std::string, std::vector<FlatEntry>> by_id;
        for (const auto& [key, value] : blueprint.items()) {
            const std::string at = "/blueprint" + pointer_step(key);
            const std::size_t cx = key.find("-cx-", 9), nx = key.find("-nx-", 9);
            const std::size_t end = std::min(cx, nx);
            if (!key.starts_with("_____10c-") || end == std::string::npos || end == 9)
                in_.keep(genome_.other, "blueprint/" + key, value, at);
            else by_id[key.substr(9, end - 9)].push_back({key.substr(end + 1), at, &value});
        }
        bool all_64 = true;
        for (auto& [id, entries] : by_id) {
            all_64 = all_64 && from_base64(id).has_value();
            sources.push_back({id, id, "/blueprint" + pointer_step("_____10c-" + id), nullptr,
                               std::move(entries)});
        }
        report_.form = all_64 ? GenomeForm::flat_64 : GenomeForm::flat;
        return sources;
    }

    /// Gives every area its id: those that stand as they are first, so that nothing new takes them.
    void name_areas(const std::vector<AreaSource>& sources) {
        std::set<CorticalId> taken;
        for (const int turn : {0, 1, 2})
            for (const AreaSource& s : sources) {
                const bool stands = from_base64(s.text).has_value() ||
                                    (s.text.size() == 8 && is_plain(cortical_id(s.text)) &&
                                     is_cortical_kind(s.text[0]));
                if (turn != (stands ? 0 : fixed_successor(s.text) ? 1 : 2)) continue;
                if (s.text.empty()) in_.refuse(s.path, Json(s.text), "an area's id");
                if (genome_.old_ids.contains(s.text))
                    in_.refuse(s.path, Json(s.text), "an id that no other area has");
                const ReadId read = read_cortical_id(s.text, taken);
                genome_.old_ids[s.text] = read.id;
                if (read.why.empty()) continue;
                const Json old(s.text);
                in_.note(GenomeNote::Kind::migrated, s.path, &old, "",
                         "now \"" + to_string(read.id) + "\": " + read.why);
            }
        // Mappings of nested files may go by the names of the members instead.
        for (const AreaSource& s : sources)
            genome_.old_ids.try_emplace(s.label, genome_.old_ids.at(s.text));
    }

    void read_morphologies() {
        const auto section = root_.find("neuron_morphologies");
        if (section == root_.end()) return;
        in_.expect_object(*section, "/neuron_morphologies", "morphologies");
        for (const auto& [name, value] : section->items()) {
            const std::string at = "/neuron_morphologies" + pointer_step(name);
            const std::string present = present_morphology(name);
            if (present != name && !section->contains(present)) {
                const Json old(name);
                in_.note(GenomeNote::Kind::migrated, at, &old, "", "now \"" + present + "\"");
                genome_.morphologies[present] = read_morphology(in_, value, at);
            } else {
                genome_.morphologies[name] = read_morphology(in_, value, at);
            }
        }
    }

    void read_precision(const Json* value) {
        const std::string at = "/physiology/quantization_precision";
        if (value == nullptr || value->is_null()) {
            in_.note(GenomeNote::Kind::assumed, at, nullptr, "a precision", "taken as fp32");
            return;
        }
        std::string text = in_.text(*value, at);
        text.erase(0, text.find_first_not_of(" \t\r\n"));
        text.erase(text.find_last_not_of(" \t\r\n") + 1);
        const ParsedSpec parsed = parse_spec(text);
        if (!parsed) in_.repaired(at, *value, std::string(precision_names), "fp32");
        genome_.physiology.precision = parsed.spec;
    }

    void read_physiology() {
        Physiology& p = genome_.physiology;
        constexpr double u32 = 4294967295.0;
        const auto member = [&](const std::string& name, const Json& value, const std::string& at) {
            // Not quite 0: a burst takes time.
            if (name == "simulation_timestep" || name == "burst_delay")
                p.timestep = in_.number(value, at, 1e-9, 1e9, p.timestep);
            else if (name == "max_age")
                p.max_age = in_.whole<std::uint64_t>(value, at, 1, 9e15, 1e7);
            else if (name == "evolution_burst_count")
                p.evolution_bursts = in_.whole<std::uint32_t>(value, at, 0, u32, 50);
            else if (name == "ipu_idle_threshold")
                p.input_idle_threshold = in_.whole<std::uint32_t>(value, at, 0, u32, 1000);
            else if (name == "plasticity_queue_depth")
                p.plasticity_queue_depth = in_.whole<std::uint32_t>(value, at, 1, 65535, 3);
            else if (name == "lifespan_mgmt_interval")
                p.lifespan_interval = in_.whole<std::uint32_t>(value, at, 1, u32, 10);
            else return false;
            return true;
        };
        const auto section = root_.find("physiology");
        const bool there = section != root_.end() && !section->is_null();
        if (there) in_.expect_object(*section, "/physiology", "values");
        read_precision(there && section->contains("quantization_precision")
                           ? &(*section)["quantization_precision"]
                           : nullptr);
        if (there)
            for (const auto& [name, value] : section->items()) {
                const std::string at = "/physiology" + pointer_step(name);
                if (name == "quantization_precision" || member(name, value, at)) continue;
                // Sleep is not run; everything else that is not known is listed too.
                in_.keep(p.other, name, value, at);
            }
        // Before 2023 these stood beside the blueprint.
        for (const auto& [name, value] : root_.items())
            if (!there && member(name, value, pointer_step(name))) loose_.insert(name);
    }

    /// Rules of 4 and 7 elements have no window: it was the depth of the plasticity queue.
    void complete_windows() {
        for (GenomeArea& area : genome_.areas)
            for (MappingRule& rule : area.mappings) {
                if (rule.window != 0) continue;
                rule.window = genome_.physiology.plasticity_queue_depth;
                if (rule.plastic)
                    in_.note(GenomeNote::Kind::assumed, rule.path.text, nullptr,
                             "a plasticity_window",
                             "plasticity_queue_depth, " + std::to_string(rule.window));
            }
    }

    void read_regions() {
        const auto section = root_.find("brain_regions");
        if (section == root_.end() || section->is_null()) return;
        in_.expect_object(*section, "/brain_regions", "regions");
        for (const auto& [name, value] : section->items())
            genome_.regions[name] =
                read_region(in_, genome_, *section, value, "/brain_regions" + pointer_step(name));
    }

    void read_rest() {
        for (const auto& [name, value] : root_.items()) {
            const std::string at = pointer_step(name);
            if (name == "blueprint" || name == "neuron_morphologies" || name == "physiology" ||
                name == "brain_regions" || loose_.contains(name))
                continue;
            if (name == "genome_id") genome_.id = in_.text(value, at);
            else if (name == "genome_title") genome_.title = in_.text(value, at);
            else if (name == "genome_description") genome_.description = in_.text(value, at);
            else if (name == "brain_regions_root") genome_.root_region = in_.text(value, at);
            else if (name == "version") report_.version = in_.text(value, at);
            else if (name == "timestamp") genome_.timestamp = in_.number(value, at, 0, 1e300, 0);
            // These say something about the genome and nothing about the brain: kept without a word.
            else if (name == "stats" ||
                     (name == "morphologies" && report_.form == GenomeForm::nested) ||
                     name == "signatures" || name == "hosts" || name == "species")
                genome_.other[name] = value.dump();
            else in_.keep(genome_.other, name, value, at);
        }
    }

    const Json& root_;
    Genome genome_;
    GenomeReport report_;
    GenomeValues in_;
    std::set<std::string> loose_;
};

/// A genome from JSON text; `file` goes into errors. Errors: not JSON, no blueprint, a value of the
/// wrong type, and, without GenomeOptions::repair, the first value that cannot be.
[[nodiscard]] inline ReadGenome parse_genome(std::string_view text,
                                             const std::string& file = "genome",
                                             const GenomeOptions& options = {}) {
    const Json root = parse_json(text, file, options.limits);
    return GenomeReader(root, file, options).read();
}

/// A genome from a file.
[[nodiscard]] inline ReadGenome read_genome(const std::string& path,
                                            const GenomeOptions& options = {}) {
    const MappedFile file = MappedFile::open(path);
    const auto bytes = file.bytes();
    return parse_genome({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path, options);
}

}  // namespace nibble
