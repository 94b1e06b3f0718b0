#include "stimulus.hpp"

#include <nibble/io/file.hpp>
#include <nibble/io/json.hpp>
#include <nibble/value/rounding.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace example {

using namespace nibble;

namespace {

/// One entry of "inputs".
class Entry {
public:
    Entry(const Json& entry, std::string where) : entry_(entry), where_(std::move(where)) {
        if (!entry.is_object()) refuse("", entry, "an object");
        for (const auto& [name, value] : entry.items())
            if (std::find(std::begin(known), std::end(known), name) == std::end(known))
                refuse(name, value,
                       "one of area, burst, from, to, every, potential, neurons, "
                       "voxels, all");
    }
    [[noreturn]] void refuse(const std::string& name, const Json& value,
                             const std::string& expected) const {
        fail(where_ + (name.empty() ? "" : "/" + name) + " is " + value.dump().substr(0, 80) +
             ", expected " + expected);
    }
    [[nodiscard]] bool has(const char* name) const { return entry_.contains(name); }
    [[nodiscard]] const Json& get(const char* name) const {
        if (!has(name)) fail(where_ + " has no \"" + name + "\"");
        return entry_[name];
    }
    [[nodiscard]] std::uint64_t whole(const char* name, std::uint64_t low, std::uint64_t high,
                                      std::uint64_t otherwise) const {
        if (!has(name)) return otherwise;
        return whole(get(name), name, low, high);
    }
    [[nodiscard]] std::uint64_t whole(const Json& value, const std::string& name, std::uint64_t low,
                                      std::uint64_t high) const {
        if (!value.is_number_unsigned() || value.get<std::uint64_t>() < low ||
            value.get<std::uint64_t>() > high)
            refuse(name, value,
                   "a whole number from " + std::to_string(low) + " to " + std::to_string(high));
        return value.get<std::uint64_t>();
    }

private:
    static constexpr const char* known[] = {"area",      "burst",   "from",   "to", "every",
                                            "potential", "neurons", "voxels", "all"};
    const Json& entry_;
    std::string where_;
};

std::vector<std::uint32_t> neurons_of(const Entry& entry, const AreaProperties& area) {
    std::vector<std::uint32_t> neurons;
    if (area.neurons() == 0) entry.refuse("area", entry.get("area"), "an area that has neurons");
    if (entry.has("neurons")) {
        const Json& list = entry.get("neurons");
        if (!list.is_array()) entry.refuse("neurons", list, "a list of neurons");
        for (std::size_t i = 0; i < list.size(); ++i)
            neurons.push_back(static_cast<std::uint32_t>(
                entry.whole(list[i], "neurons/" + std::to_string(i), 0, area.neurons() - 1)));
    }
    if (entry.has("voxels")) {
        const Json& list = entry.get("voxels");
        if (!list.is_array()) entry.refuse("voxels", list, "a list of voxels");
        for (std::size_t i = 0; i < list.size(); ++i) {
            const std::string at = "voxels/" + std::to_string(i);
            if (!list[i].is_array() || list[i].size() != 3)
                entry.refuse(at, list[i], "three numbers");
            const std::uint32_t size[] = {area.dimensions.x, area.dimensions.y, area.dimensions.z};
            std::uint32_t v[3];
            for (std::size_t k = 0; k < 3; ++k)
                v[k] = static_cast<std::uint32_t>(
                    entry.whole(list[i][k], at + "/" + std::to_string(k), 0, size[k] - 1));
            const std::uint64_t first = area.neuron({v[0], v[1], v[2]});
            for (std::uint32_t n = 0; n < area.neurons_per_voxel; ++n)
                neurons.push_back(static_cast<std::uint32_t>(first + n));
        }
    }
    const bool all = entry.has("all") && entry.get("all") == true;
    if (entry.has("all") && !entry.get("all").is_boolean())
        entry.refuse("all", entry.get("all"), "true or false");
    if (all)
        for (std::uint64_t i = 0; i < area.neurons(); ++i)
            neurons.push_back(static_cast<std::uint32_t>(i));
    if (!entry.has("neurons") && !entry.has("voxels") && !all)
        entry.refuse("area", entry.get("area"), "\"neurons\", \"voxels\" or \"all\" beside it");
    return neurons;
}

}  // namespace

std::vector<std::vector<Input>> read_inputs(const std::string& file, const Genome& genome,
                                            const GrownBrain& brain, std::size_t bursts) {
    const MappedFile mapped = MappedFile::open(file);
    const auto bytes = mapped.bytes();
    const Json root = parse_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, file);
    const Json& list = json_member(root, "inputs", file);
    if (!list.is_array()) fail(file + ": /inputs is not a list");
    for (const auto& [name, value] : root.items())
        if (name != "inputs")
            fail(file + ": /" + name + " is " + value.dump().substr(0, 80) +
                 ", expected \"inputs\" alone");
    std::vector<std::vector<Input>> inputs(bursts);
    std::size_t late = 0;
    for (std::size_t i = 0; i < list.size(); ++i) {
        const Entry entry(list[i], file + ": /inputs/" + std::to_string(i));
        const Json& name = entry.get("area");
        const std::size_t area = name.is_string()
                                     ? genome.index(genome.find(name.get<std::string>()))
                                     : genome.areas.size();
        if (area == genome.areas.size()) entry.refuse("area", name, "an area of the genome");
        const Json& potential = entry.get("potential");
        if (!potential.is_number() || !(std::fabs(potential.get<double>()) <= 1e9))
            entry.refuse("potential", potential, "a number from -1e9 to 1e9");
        const bool once = entry.has("burst");
        for (const char* other : {"from", "to", "every"})
            if (once && entry.has(other))
                entry.refuse(other, entry.get(other), "no \"burst\" beside it");
        const std::uint64_t from =
            once ? entry.whole("burst", 1, ~0u, 1) : entry.whole("from", 1, ~0u, 1);
        const std::uint64_t to =
            once ? from : entry.whole("to", from, ~0u, std::max<std::uint64_t>(from, bursts));
        late += from > bursts ? 1 : 0;
        const std::uint64_t every = entry.whole("every", 1, ~0u, 1);
        const auto neurons = neurons_of(entry, brain.plan.areas[area]);
        for (std::uint64_t t = from; t <= to && t <= bursts; t += every)
            for (const std::uint32_t n : neurons)
                inputs[static_cast<std::size_t>(t - 1)].push_back(
                    {static_cast<std::uint32_t>(area), n, potential.get<float>()});
    }
    if (late != 0)
        std::fprintf(stderr, "%s: %zu of %zu inputs are after the last burst, %zu\n", file.c_str(),
                     late, list.size(), bursts);
    return inputs;
}

std::vector<std::vector<Input>> noise(const GrownBrain& brain, std::size_t bursts, double share,
                                      std::uint64_t seed) {
    std::vector<std::uint32_t> fed;
    for (std::uint32_t k = 0; k < brain.plan.areas.size(); ++k)
        if (brain.plan.areas[k].kind == AreaKind::sensory) fed.push_back(k);
    if (fed.empty())
        for (std::uint32_t k = 0; k < brain.plan.areas.size(); ++k) fed.push_back(k);
    std::vector<std::vector<Input>> inputs(bursts);
    for (std::size_t t = 0; t < bursts; ++t)
        for (const std::uint32_t k : fed) {
            const AreaProperties& area = brain.plan.areas[k];
            const std::uint64_t key = splitmix64(seed ^ splitmix64(t * 65536 + k));
            for (std::uint64_t i = 0; i < area.neurons(); ++i) {
                if (double(splitmix64(key + i) >> 11) * 0x1p-53 >= share) continue;
                const double threshold = area.threshold_at(area.voxel(i));
                inputs[t].push_back({k, static_cast<std::uint32_t>(i),
                                     static_cast<float>(std::max(threshold, 0.01) * 1.5)});
            }
        }
    return inputs;
}

}  // namespace example
