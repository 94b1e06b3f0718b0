#include "report.hpp"

#include <nibble/neuro/plot.hpp>
#include <nibble/neuro/report.hpp>

#include <algorithm>
#include <cstdio>

namespace example {

using namespace nibble;

namespace {

constexpr const char* style = R"css(
:root { color-scheme: light dark; --paper: #fcfcfb; --panel: #ffffff; --ink: #1b1f24; --soft: #59616b;
  --rule: #e2e4e8; --both: #2c3138; --lost: #1668c8; --new: #d2322d; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171b; --panel: #1a1e23; --ink: #e6e8eb;
  --soft: #a2a9b3; --rule: #2d333b; --both: #cfd4da; --lost: #6fb1ff; --new: #ff7b72; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 40px 22px 64px; }
h1 { font-size: 32px; line-height: 1.15; margin: 0 0 8px; } h2 { font-size: 21px; margin: 44px 0 10px; }
p { color: var(--soft); margin: 0 0 10px; max-width: 72ch; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 14px; margin: 26px 0; }
.card { border-top: 2px solid var(--ink); padding-top: 10px; }
.card b { display: block; font-size: 27px; line-height: 1.15; font-variant-numeric: tabular-nums; }
.card span { color: var(--soft); font-size: 14px; }
.wide { overflow-x: auto; } figure { margin: 0; background: var(--panel); border: 1px solid var(--rule);
  border-radius: 10px; padding: 14px; }
svg { display: block; width: 100%; height: auto; color: var(--ink); }
table { border-collapse: collapse; width: 100%; font-size: 14.5px; font-variant-numeric: tabular-nums; }
th, td { padding: 6px 10px; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--rule); }
th { color: var(--soft); font-weight: 600; } th:first-child, td:first-child { text-align: left; padding-left: 0; }
.left td, .left th { text-align: left; white-space: normal; overflow-wrap: anywhere; }
.bar { fill: var(--lost); } svg text { fill: currentColor; font: 12px system-ui, sans-serif; }
)css";

std::string number(double x, const char* form = "%.2f") {
    char text[64];
    std::snprintf(text, sizeof text, form, x);
    return text;
}
std::string card(const std::string& figure, const std::string& meaning) {
    return "<div class=\"card\"><b>" + figure + "</b><span>" + meaning + "</span></div>\n";
}
std::string row(const std::vector<std::string>& cells, const char* tag = "td") {
    std::string out = "<tr>";
    for (const std::string& c : cells)
        out += std::string("<") + tag + ">" + xml_text(c) + "</" + tag + ">";
    return out + "</tr>\n";
}

/// The plot with the page's colours in place of its own.
std::string plot(const Report& r) {
    PlotOptions options;
    const std::size_t held = r.run.spikes.steps();
    options.steps = std::min<std::size_t>(held, 1000);
    options.bin = std::max<std::size_t>(1, options.steps / 100);
    std::string svg = plot_svg(r.run.spikes, options, r.reference ? &r.reference->spikes : nullptr);
    const std::pair<const char*, const char*> colours[] = {{"fill=\"white\"", "fill=\"none\""},
                                                           {"\"#222\"", "\"var(--both)\""},
                                                           {"\"#1668c8\"", "\"var(--lost)\""},
                                                           {"\"#d22\"", "\"var(--new)\""},
                                                           {"\"#888\"", "\"var(--soft)\""}};
    for (const auto& [from, to] : colours)
        for (std::size_t at = 0; (at = svg.find(from, at)) != std::string::npos;
             at += std::string_view(to).size())
            svg.replace(at, std::string_view(from).size(), to);
    return svg;
}

std::string areas(const Report& r) {
    std::string out = "<div class=\"wide\"><table><thead>" +
                      row({"area", "voxels", "neurons", "synapses", "bytes/neuron", "bytes/synapse",
                           "spikes", "rate in 1000", "saturated"},
                          "th") +
                      "</thead><tbody>\n";
    for (std::size_t k = 0; k < r.run.areas.size(); ++k) {
        const AreaRun& a = r.run.areas[k];
        const AreaProperties& p = r.brain.plan.areas[k];
        const double n = double(r.brain.first[k + 1] - r.brain.first[k]);
        const auto each = [](double x, double of) { return of > 0 ? number(x / of) : "-"; };
        out +=
            row({p.name,
                 std::to_string(p.dimensions.x) + " × " + std::to_string(p.dimensions.y) + " × " +
                     std::to_string(p.dimensions.z),
                 number(n, "%.0f"), std::to_string(a.synapses), each(double(a.neuron_bytes), n),
                 each(double(a.synapse_bytes), double(a.synapses)), std::to_string(a.spikes),
                 each(1000 * double(a.spikes), n * double(r.bursts)), std::to_string(a.saturated)});
    }
    return out + "</tbody></table></div>\n";
}

std::string notes(const Report& r) {
    std::vector<GenomeNote> all(r.reading.notes);
    all.insert(all.end(), r.brain.notes.begin(), r.brain.notes.end());
    if (all.empty()) return "<p>Everything was taken as it stands.</p>";
    std::string out = "<div class=\"wide\"><table class=\"left\"><thead>" +
                      row({"", "where", "value", "expected", "done"}, "th") + "</thead><tbody>\n";
    for (const GenomeNote& n : all)
        out += row({name_of(n.kind), n.path, n.value, n.expected, n.action});
    return out + "</tbody></table></div>\n";
}

}  // namespace

std::string html_of(const Report& r) {
    const double neurons = double(r.brain.neurons()),
                 synapses = double(r.brain.plan.synapses.size());
    std::string page =
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
        "<meta name=\"viewport\" content=\"width=device-width\"><title>" +
        xml_text(r.genome.title) + "</title><style>" + style + "</style></head><body><main>\n<h1>" +
        xml_text(r.genome.title.empty() ? "A brain" : r.genome.title) + "</h1>\n<p>" +
        xml_text(r.source) + " at " + xml_text(r.run.precision) + ", " + std::to_string(r.bursts) +
        " bursts, fed with " + xml_text(r.input) + ".</p>\n<div class=\"cards\">\n";
    page += card(short_number(neurons), "neurons") + card(short_number(synapses), "synapses");
    if (neurons > 0)
        page += card(number(double(r.run.neuron_bytes) / neurons), "bytes of state a neuron");
    if (synapses > 0)
        page += card(number(double(r.run.synapse_bytes) / synapses), "bytes a synapse");
    page += card(short_number(r.per_second(double(r.bursts))), "bursts a second") +
            card(short_number(r.per_second(double(r.run.events))), "synaptic events a second");
    if (r.similarity)
        page += card(number(r.similarity->rate_error, "%.2f %%"),
                     "rate error against " + xml_text(r.reference->precision)) +
                card(number(r.similarity->jaccard, "%.3f"), "spikes shared at the same burst");
    page += "</div>\n<h2>Spikes</h2>\n";
    if (r.run.spikes.steps() != 0 && neurons > 0) page += "<figure>" + plot(r) + "</figure>\n";
    page += "<h2>Areas</h2>\n" + areas(r);
    if (r.similarity) {
        page += "<h2>Likeness to " + xml_text(r.reference->precision) +
                "</h2>\n<div class=\"wide\"><table><tbody>\n";
        r.similarity->for_each([&](const char* name, double x) {
            std::string words = name;
            std::replace(words.begin(), words.end(), '_', ' ');
            page += row({words, number(x, "%.6g")});
        });
        page += "</tbody></table></div>\n";
    }
    page += "<h2>The genome as read</h2>\n" + notes(r);
    return page + "</main></body></html>\n";
}

}  // namespace example
