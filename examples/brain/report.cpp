#include "report.hpp"

#include <nibble/io/json.hpp>
#include <nibble/neuro/report.hpp>

#include <cmath>
#include <cstdarg>
#include <cstdio>

namespace example {

using namespace nibble;

namespace {

std::string format(const char* form, ...) {
    char text[400];
    va_list arguments;
    va_start(arguments, form);
    std::vsnprintf(text, sizeof text, form, arguments);
    va_end(arguments);
    return text;
}

double ratio(double a, double b) { return b > 0 ? a / b : 0; }

}  // namespace

std::string short_number(double x) {
    const char* unit = "";
    for (const char* next : {"k", "M", "G"})
        if (std::fabs(x) >= 1000) {
            x /= 1000;
            unit = next;
        }
    return format(unit[0] == '\0' ? "%.0f" : "%.1f ", x) + unit;
}

std::string text_of(const Report& r) {
    std::string out =
        format("%-22s %9s %10s %9s %9s %10s %11s %10s\n", "area", "neurons", "synapses", "B/neuron",
               "B/synapse", "spikes", "rate/1000", "saturated");
    const auto row = [&](const std::string& name, double neurons, const AreaRun& a) {
        out +=
            format("%-22.22s %9.0f %10.0f %9.2f %9.2f %10.0f %11.2f %10.0f\n", name.c_str(),
                   neurons, double(a.synapses), ratio(double(a.neuron_bytes), neurons),
                   ratio(double(a.synapse_bytes), double(a.synapses)), double(a.spikes),
                   1000 * ratio(double(a.spikes), neurons * double(r.bursts)), double(a.saturated));
    };
    AreaRun all;
    for (std::size_t k = 0; k < r.run.areas.size(); ++k) {
        const AreaRun& a = r.run.areas[k];
        row(r.brain.plan.areas[k].name, double(r.brain.first[k + 1] - r.brain.first[k]), a);
        all.spikes += a.spikes;
        all.saturated += a.saturated;
        all.neuron_bytes += a.neuron_bytes;
        all.synapse_bytes += a.synapse_bytes;
        all.synapses += a.synapses;
    }
    row("all", double(r.brain.neurons()), all);
    out += format("\n%s: %zu bursts in %.3f s: %s bursts/s, %s synaptic events/s (%s events)\n",
                  r.run.precision.c_str(), r.bursts, r.run.seconds,
                  short_number(r.per_second(double(r.bursts))).c_str(),
                  short_number(r.per_second(double(r.run.events))).c_str(),
                  short_number(double(r.run.events)).c_str());
    if (r.similarity)
        out += "\n" + similarity_text(*r.similarity,
                                      r.run.precision + " against " + r.reference->precision);
    return out;
}

std::string json_of(const Report& r) {
    const auto areas = [&](const Run& run) {
        Json list = Json::array();
        for (std::size_t k = 0; k < run.areas.size(); ++k) {
            const AreaRun& a = run.areas[k];
            const AreaProperties& p = r.brain.plan.areas[k];
            const double neurons = double(r.brain.first[k + 1] - r.brain.first[k]);
            list.push_back(
                {{"id", p.id},
                 {"name", p.name},
                 {"dimensions", {p.dimensions.x, p.dimensions.y, p.dimensions.z}},
                 {"neurons", neurons},
                 {"synapses", a.synapses},
                 {"bytes_per_neuron", ratio(double(a.neuron_bytes), neurons)},
                 {"bytes_per_synapse", ratio(double(a.synapse_bytes), double(a.synapses))},
                 {"spikes", a.spikes},
                 {"saturated", a.saturated}});
        }
        return list;
    };
    const auto run = [&](const Run& x) {
        return Json{{"precision", x.precision},
                    {"seconds", x.seconds},
                    {"bursts_per_second", ratio(double(r.bursts), x.seconds)},
                    {"events", x.events},
                    {"events_per_second", ratio(double(x.events), x.seconds)},
                    {"spikes", x.fired},
                    {"neuron_bytes", x.neuron_bytes},
                    {"synapse_bytes", x.synapse_bytes},
                    {"areas", areas(x)}};
    };
    Json notes = Json::array();
    const auto note = [&](const GenomeNote& n) {
        notes.push_back({{"kind", name_of(n.kind)},
                         {"path", n.path},
                         {"value", n.value},
                         {"expected", n.expected},
                         {"action", n.action}});
    };
    for (const GenomeNote& n : r.reading.notes) note(n);
    for (const GenomeNote& n : r.brain.notes) note(n);
    Json mappings = Json::array();
    for (const GrownMapping& m : r.brain.mappings)
        mappings.push_back(
            {{"source", r.brain.plan.areas[m.source_area].id},
             {"target", r.brain.plan.areas[m.target_area].id},
             {"morphology", r.genome.areas[m.source_area].mappings[m.rule].morphology},
             {"synapses", m.synapses}});
    Json root = {{"genome", r.source},
                 {"title", r.genome.title},
                 {"input", r.input},
                 {"neurons", r.brain.neurons()},
                 {"synapses", r.brain.plan.synapses.size()},
                 {"growth_seconds", r.growth_seconds},
                 {"bursts", r.bursts},
                 {"run", run(r.run)},
                 {"mappings", mappings},
                 {"notes", notes}};
    if (r.reference) root["reference"] = run(*r.reference);
    if (r.similarity) root["similarity"] = Json::parse(similarity_json(*r.similarity));
    return root.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace example
