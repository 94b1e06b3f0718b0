// SPDX-License-Identifier: BSL-1.0
// A plan of a brain as C++ source: the constant table that a chip runs (brain_table.hpp).
//
// Scales are chosen for each area. The potential's highest code lies half a step below the largest
// threshold (or limit) of the area, so that no potential that waits is cut. Weight codes have the
// finest step at which the area's largest contribution has a code; an area without synapses gets
// steps of its threshold / highest code, for what is injected.
#pragma once

#include <nibble/neuro/brain_rules.hpp>
#include <nibble/neuro/brain_table.hpp>
#include <nibble/neuro/brain_types.hpp>
#include <nibble/store/error.hpp>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace nibble::inline NIBBLE_ARCH {

/// How a table is written.
struct TableOptions {
    std::string name = "brain";  ///< of the constant: a C++ identifier
    bool every_step = false;     ///< all neurons move on in every burst, not only those with input
};

/// Source, and what the table does not have of the plan, a sentence each.
struct TableSource {
    std::string text;
    std::vector<std::string> notes;
};

/// The numbers of a plan's areas as a table has them.
template <NeuralValue V, NeuralValue W>
struct TableScales {
    static constexpr double high = Membrane<V>::high, unit = Membrane<V>::unit;
    std::vector<TableArea> areas;
    std::vector<double> wide_per_unit;     ///< wide numbers for a real one, by area
    std::vector<std::int16_t> thresholds;  ///< empty where no area has a gradient

    /// x as a wide number.
    [[nodiscard]] std::int32_t wide(std::size_t area, double x) const {
        const double w = std::nearbyint(x * wide_per_unit[area]);
        return static_cast<std::int32_t>(std::fmin(std::fmax(w, -32768.0), 32767.0));
    }
    /// The smallest hash that is no chance below `excitability`, as float arithmetic has it.
    [[nodiscard]] static std::uint32_t chance(double excitability) {
        const auto e = static_cast<float>(excitability);
        if (e >= 0.999f) return 0xFFFFFFFFu;
        std::uint32_t low = 0, up = 0xFFFFFFFEu;
        while (low < up) {
            const std::uint32_t mid = low + (up - low) / 2;
            if (static_cast<float>(mid) / 4294967296.0f < e) low = mid + 1;
            else up = mid;
        }
        return low;
    }
};

/// Areas and thresholds of a plan, without gains. Errors name the area and what a table cannot hold.
template <NeuralValue V, NeuralValue W>
[[nodiscard]] TableScales<V, W> table_scales(const BrainPlan& plan,
                                             std::vector<std::string>& notes) {
    TableScales<V, W> t;
    std::uint64_t first = 0;
    bool graded = false;
    for (const AreaProperties& a : plan.areas) {
        const std::string who = "table: area " + a.id;
        if (a.mp_driven_psp) fail(who + ": mp_driven_psp is set; a table's weights are constants");
        const bool limited = limits_fire(a.consecutive_fire_limit);
        if (a.refractory + std::uint64_t{limited ? a.snooze : std::uint16_t{0}} > 255 ||
            (limited && a.consecutive_fire_limit > 255))
            fail(who + ": refractory " + std::to_string(a.refractory) + ", snooze " +
                 std::to_string(a.snooze) + ", consecutive limit " +
                 std::to_string(a.consecutive_fire_limit) + "; counters have one byte");
        if (!(a.leak >= 0.0 && a.leak <= 1.0))
            fail(who + ": leak " + std::to_string(a.leak) + ", expected 0 to 1");
        if (a.leak_variability != 0.0)
            notes.push_back("area " + a.id + ": all neurons have its leak, without variability");
        if (a.kind == AreaKind::memory)
            notes.push_back("area " + a.id + ": memory areas are left out");
        const auto& d = a.dimensions;
        const std::uint64_t n = a.neurons();
        if (first + n > 0x7FFFFFFF) fail(who + ": more than 2^31 neurons");
        const auto g = a.threshold_gradient;
        const bool gradient = g[0] != 0.0 || g[1] != 0.0 || g[2] != 0.0;
        graded = graded || gradient;
        double top = a.threshold_limit > 0.0 ? a.threshold_limit : 0.0;
        for (const std::uint32_t x : {0u, d.x - 1})
            for (const std::uint32_t y : {0u, d.y - 1})
                for (const std::uint32_t z : {0u, d.z - 1})
                    top = std::fmax(top, n == 0 ? a.threshold : a.threshold_at({x, y, z}));
        if (!(top < 1e30)) fail(who + ": threshold or limit " + std::to_string(top));
        if (!(top > 0.0)) top = 1.0;
        const double high = Membrane<V>::high;
        t.wide_per_unit.push_back((high + 0.5) * Membrane<V>::unit / top);
        TableArea area{.first = static_cast<std::uint32_t>(first),
                       .size = static_cast<std::uint32_t>(n)};
        const std::size_t k = t.areas.size();
        area.threshold = t.wide(k, a.threshold);
        if (a.threshold_limit > 0.0) area.limit = t.wide(k, a.threshold_limit);
        area.keep = static_cast<std::int32_t>(std::nearbyint((1.0 - a.leak) * (1 << 15)));
        area.chance = t.chance(a.excitability);
        area.refractory = static_cast<std::uint8_t>(a.refractory);
        if (limited) {
            area.consecutive = static_cast<std::uint8_t>(a.consecutive_fire_limit);
            area.snooze = static_cast<std::uint8_t>(a.snooze);
        }
        area.accumulates = a.charge_accumulation;
        area.power = a.kind == AreaKind::power;
        t.areas.push_back(area);
        first += n;
    }
    for (std::size_t k = 0; graded && k < plan.areas.size(); ++k)
        for (std::uint32_t i = 0; i < t.areas[k].size; ++i)
            t.thresholds.push_back(static_cast<std::int16_t>(
                t.wide(k, plan.areas[k].threshold_at(plan.areas[k].voxel(i)))));
    return t;
}

/// Numbers as the rows of an initializer.
template <class Numbers>
[[nodiscard]] std::string table_rows(const Numbers& numbers) {
    std::string text = "{{", line = "\n    ";
    for (const auto& x : numbers) {
        const std::string number = std::to_string(x) + ",";
        if (line.size() + number.size() > 99) {
            text += line;
            line = "\n    ";
        }
        line += number;
    }
    return numbers.empty() ? "{}" : text + line + "}}";
}

/// The source of a header that defines `inline constexpr BrainTable<V, W, ...> NAME`: the plan's areas
/// and synapses with potentials of type V and weights of type W, both of at most 8 bits. Plasticity
/// and memory are not part of a table: see the notes. Errors: what a table cannot hold, a synapse
/// that leaves the plan's neurons, a delay other than 1.
template <NeuralValue V, NeuralValue W = V>
[[nodiscard]] TableSource write_brain_table(const BrainPlan& plan,
                                            const TableOptions& options = {}) {
    TableSource out;
    TableScales<V, W> t = table_scales<V, W>(plan, out.notes);
    const std::size_t neurons = t.areas.empty() ? 0 : t.areas.back().first + t.areas.back().size;
    if (!plan.plasticity.empty())
        out.notes.push_back(std::to_string(plan.plasticity.size()) +
                            " rules of plasticity are left out: a table's weights are constants");

    std::vector<std::uint32_t> area_of(neurons), fan_out(neurons), fan_in(neurons);
    for (std::size_t k = 0; k < t.areas.size(); ++k)
        for (std::uint32_t i = 0; i < t.areas[k].size; ++i)
            area_of[t.areas[k].first + i] = static_cast<std::uint32_t>(k);
    for (const BrainSynapse& s : plan.synapses) {
        if (s.source >= neurons || s.target >= neurons || s.delay != 1)
            fail("table: synapse from " + std::to_string(s.source) + " to " +
                 std::to_string(s.target) + " of " + std::to_string(neurons) +
                 " neurons with delay " + std::to_string(s.delay) + "; a table's delay is 1");
        ++fan_out[s.source];
        ++fan_in[s.target];
    }
    // A contribution in 2^-4 of a wide number: what one step of gain is.
    const auto charge = [&](const BrainSynapse& s) {
        double c = double{s.inhibitory ? -1.0 : 1.0} * s.weight * s.psp;
        if (!plan.areas[area_of[s.source]].psp_uniform_distribution) c /= fan_out[s.source];
        return c * t.wide_per_unit[area_of[s.target]] * 16.0;
    };
    constexpr double high = Membrane<W>::high;
    std::vector<double> largest(t.areas.size(), 0.0), most(t.areas.size(), 0x1p23);
    for (std::size_t i = 0; i < neurons; ++i)  // so that sums stay below 2^30
        if (fan_in[i] != 0) most[area_of[i]] = std::fmin(most[area_of[i]], 0x1p30 / fan_in[i]);
    for (const BrainSynapse& s : plan.synapses)
        largest[area_of[s.target]] = std::fmax(largest[area_of[s.target]], std::fabs(charge(s)));
    for (std::size_t k = 0; k < t.areas.size(); ++k) {
        if (largest[k] == 0.0 || t.areas[k].power)
            largest[k] = std::fmax(largest[k], t.areas[k].threshold * 16.0);
        if (largest[k] > most[k]) {
            out.notes.push_back("area " + plan.areas[k].id + ": contributions beyond " +
                                std::to_string(most[k] / 0x1p19) +
                                " times the range of its potentials are cut");
            largest[k] = most[k];
        }
        t.areas[k].gain =
            static_cast<std::int32_t>(std::fmax(1.0, std::ceil(largest[k] / high - 1e-9)));
    }

    std::vector<std::uint32_t> start(neurons + 1), next;
    for (const BrainSynapse& s : plan.synapses) ++start[s.source + 1];
    for (std::size_t i = 0; i < neurons; ++i) start[i + 1] += start[i];
    next = start;
    std::vector<std::uint32_t> target(plan.synapses.size());
    std::vector<unit_t<W>> weight(units_for<W>(target.size()));
    for (const BrainSynapse& s : plan.synapses) {
        const std::uint32_t k = next[s.source]++;
        target[k] = s.target;
        const double code = std::nearbyint(charge(s) / t.areas[area_of[s.target]].gain);
        ValueSpan<W>(weight.data(), target.size())
            .set(k,
                 from_code<W>(static_cast<std::int32_t>(std::fmin(std::fmax(code, -high), high))));
    }
    std::vector<int> bytes;
    for (const auto& w : weight) {
        if constexpr (bits_v<W> < 8) bytes.push_back(w);
        else bytes.push_back(code_of(w));
    }

    const auto type = [](auto value) {
        using T = decltype(value);
        if constexpr (bits_v<T> == 8) return "nibble::Int8Value";
        else if constexpr (bits_v<T> == 4) return "nibble::Int4Value";
        else return "nibble::Int2Value";
    };
    static_assert((bits_v<V> == 8 || bits_v<V> == 4) && (bits_v<W> == 8 || bits_v<W> == 4));
    std::string& text = out.text;
    text =
        "// Written by nibble from a brain's plan: not for editing.\n#pragma once\n\n"
        "#include <nibble/neuro/brain_table.hpp>\n\n";
    for (const std::string& note : out.notes) text += "// " + note + "\n";
    text += "inline constexpr nibble::BrainTable<" + std::string(type(V{})) + ", " + type(W{}) +
            ", " + std::to_string(t.areas.size()) + ", " + std::to_string(neurons) + ", " +
            std::to_string(target.size()) + ", " + std::to_string(t.thresholds.size()) + ">\n    " +
            options.name + "{\n    .areas = {{\n";
    for (std::size_t k = 0; k < t.areas.size(); ++k) {
        const TableArea& a = t.areas[k];
        std::string id;
        const AreaProperties& from = plan.areas[k];
        for (const char c : from.id + (from.name.empty() ? "" : " ") + from.name)
            id += c >= ' ' && c != '\\' ? c : '?';  // nothing that leaves the comment
        text += "        // " + id + "\n        {.first = " + std::to_string(a.first) +
                ", .size = " + std::to_string(a.size) +
                ", .threshold = " + std::to_string(a.threshold) +
                ", .limit = " + std::to_string(a.limit) + ", .keep = " + std::to_string(a.keep) +
                ", .gain = " + std::to_string(a.gain) +
                ",\n         .chance = " + std::to_string(a.chance) +
                "u, .refractory = " + std::to_string(a.refractory) +
                ", .consecutive = " + std::to_string(a.consecutive) +
                ", .snooze = " + std::to_string(a.snooze) +
                ",\n         .accumulates = " + (a.accumulates ? "true" : "false") +
                ", .power = " + (a.power ? "true" : "false") + "},\n";
    }
    text += "    }},\n    .synapses = {" + table_rows(start) + ", " + table_rows(target) + ", " +
            table_rows(bytes) + "},\n    .thresholds = " + table_rows(t.thresholds) +
            ",\n    .every_step = " + (options.every_step ? "true" : "false") + "};\n";
    return out;
}

}  // namespace nibble
