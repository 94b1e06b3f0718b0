// SPDX-License-Identifier: BSL-1.0
// The report as one page of HTML: no script, no other file, charts as SVG inside, readable on light
// and dark ground. What a mark stands for is also said in words, in its title and in the tables.
#pragma once

#include <nibble/ptq/report.hpp>

namespace nibble::inline NIBBLE_ARCH {
namespace ptq {

/// Text between tags or in an attribute.
[[nodiscard]] inline std::string html_text(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '&') out += "&amp;";
        else if (c == '<') out += "&lt;";
        else if (c == '>') out += "&gt;";
        else if (c == '"') out += "&quot;";
        else if (static_cast<unsigned char>(c) >= 0x20) out += c;
    }
    return out;
}

/// The colour of the i-th format, the same in every chart of a page.
[[nodiscard]] inline std::string format_colour(const Report& report, const QuantizationSpec& spec) {
    const auto formats = bytes_by_format(report);
    for (std::size_t i = 0; i < formats.size(); ++i)
        if (formats[i].first == to_string(spec)) return text_of("var(--s%zu)", i < 7 ? i + 1 : 8);
    return "var(--s8)";
}

inline constexpr std::string_view report_style = R"(<style>
:root{color-scheme:light dark;--ground:#fcfcfb;--card:#fff;--ink:#1c1c1a;--soft:#5f5e58;--line:#dedcd4;
--s1:#2a78d6;--s2:#1baf7a;--s3:#eda100;--s4:#008300;--s5:#4a3aa7;--s6:#e34948;--s7:#e87ba4;--s8:#8a8982;
--heat:42,120,214}
@media(prefers-color-scheme:dark){:root{--ground:#1a1a19;--card:#232321;--ink:#ecebe6;--soft:#a5a49c;
--line:#3b3a36;--s1:#3987e5;--s2:#199e70;--s3:#c98500;--s4:#2f9a2f;--s5:#9085e9;--s6:#e66767;
--s7:#d55181;--s8:#8a8982;--heat:57,135,229}}
body{margin:0 auto;padding:24px;max-width:1080px;background:var(--ground);color:var(--ink);
font:15px/1.45 system-ui,sans-serif}
h1{font-size:24px;margin:0}h2{font-size:17px;margin:32px 0 8px}p{margin:4px 0;color:var(--soft)}
.tiles{display:flex;flex-wrap:wrap;gap:12px;margin:18px 0}
.tile{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:10px 16px;
min-width:130px}
.tile b{display:block;font-size:22px;font-variant-numeric:tabular-nums}
.tile span{font-size:13px;color:var(--soft)}
.pair{display:flex;flex-wrap:wrap;gap:24px;align-items:center}
svg{max-width:100%;height:auto;display:block}
svg text{font:12px system-ui,sans-serif;fill:var(--ink)}svg .soft{fill:var(--soft)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums;width:100%}
th{text-align:left;font-weight:600;color:var(--soft)}
th,td{padding:4px 10px 4px 0;border-bottom:1px solid var(--line);white-space:nowrap}
td.n,th.n{text-align:right}
.key{display:inline-block;width:11px;height:11px;border-radius:3px;margin-right:7px}
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(230px,1fr));gap:16px}
.grid div{font-size:12px;overflow:hidden;text-overflow:ellipsis}
</style>
)";

/// Shares of a whole as a ring, with a legend.
[[nodiscard]] inline std::string format_ring(const Report& report) {
    const auto formats = bytes_by_format(report);
    const auto whole = static_cast<double>(report.bytes());
    std::string ring =
                    "<div class=pair><svg width=200 height=200 viewBox='0 0 200 200' role=img "
                    "aria-label='Bytes by format'>",
                legend =
                    "<table style='width:auto'><tr><th>format<th class=n>bytes<th class=n>share";
    double from = 0;
    for (std::size_t i = 0; i < formats.size(); ++i) {
        const double share = whole > 0 ? static_cast<double>(formats[i].second) / whole : 0;
        const std::string colour = text_of("var(--s%zu)", i < 7 ? i + 1 : 8);
        const double around = 2 * 3.14159265358979 * 70;
        // A ring is cut by dashes; the gap between neighbours is part of the dash.
        ring += text_of(
                    "<circle cx=100 cy=100 r=70 fill=none stroke='%s' stroke-width=36 "
                    "stroke-dasharray='%.2f %.2f' transform='rotate(%.3f 100 100)'><title>",
                    colour.c_str(), std::max(share * around - 2, 0.8), around, from * 360 - 90) +
                html_text(formats[i].first) + text_of(": %.1f %%</title></circle>", 100 * share);
        legend += "<tr><td><span class=key style='background:" + colour + "'></span>" +
                  html_text(formats[i].first) +
                  text_of("<td class=n>%zu<td class=n>%.1f %%", formats[i].second, 100 * share);
        from += share;
    }
    return ring +
           text_of(
               "<text x=100 y=97 text-anchor=middle style='font-size:19px;font-weight:600'>%.2f"
               "</text><text x=100 y=116 text-anchor=middle class=soft>bits a weight</text>"
               "</svg>",
               report.bits_per_weight()) +
           legend + "</table></div>";
}

/// One horizontal bar for each row: a name, a length, a colour, and what the number is called.
struct Bar {
    std::string name;
    double value = 0;
    std::string colour, label;
};
[[nodiscard]] inline std::string bar_chart(const std::vector<Bar>& bars, const char* what) {
    double most = 0;
    for (const Bar& b : bars) most = std::max(most, b.value);
    std::string svg = text_of(
        "<svg width=1030 height=%zu viewBox='0 0 1030 %zu' role=img "
        "aria-label='%s'>",
        bars.size() * 20 + 4, bars.size() * 20 + 4, what);
    for (std::size_t i = 0; i < bars.size(); ++i) {
        const double y = static_cast<double>(i) * 20 + 2;
        const double width = most > 0 ? std::max(bars[i].value / most, 0.0) * 560 : 0;
        svg += std::string("<g><title>") + html_text(bars[i].name + ": " + bars[i].label) +
               "</title>" + text_of("<text x=322 y=%.0f text-anchor=end>", y + 13) +
               html_text(bars[i].name) +
               text_of("</text><rect x=330 y=%.0f width=%.1f height=15 rx=3 fill='%s'/>", y + 1,
                       std::max(width, 1.0), bars[i].colour.c_str()) +
               text_of("<text class=soft x=%.1f y=%.0f>", 336 + width, y + 13) +
               html_text(bars[i].label) + "</text></g>";
    }
    return svg + "</svg>";
}

/// The distribution of one tensor's errors.
[[nodiscard]] inline std::string histogram(const TensorOutcome& t, const std::string& colour) {
    std::size_t most = 1;
    for (const std::size_t n : t.error.histogram) most = std::max(most, n);
    std::string svg = "<div>" + html_text(t.name) +
                      "<svg width=230 height=84 viewBox='0 0 230 84' role=img aria-label='Errors'>"
                      "<line x1=0 x2=230 y1=66.5 y2=66.5 stroke='var(--line)'/>";
    for (std::size_t i = 0; i < ErrorReport::bins; ++i) {
        const double h = 60 * static_cast<double>(t.error.histogram[i]) / static_cast<double>(most);
        const double middle = static_cast<double>(i) - ErrorReport::bins / 2;
        if (h > 0)
            svg += text_of(
                "<rect x=%.2f y=%.2f width=4.6 height=%.2f fill='%s'><title>%zu near "
                "%.3g</title></rect>",
                static_cast<double>(i) * 5.6, 66 - h, h, colour.c_str(), t.error.histogram[i],
                middle * t.error.bin_width);
    }
    const double end = 20 * t.error.bin_width;
    return svg + text_of(
                     "<text class=soft x=0 y=80>%.2g</text><text class=soft x=115 y=80 "
                     "text-anchor=middle>0</text><text class=soft x=230 y=80 "
                     "text-anchor=end>%.2g</text></svg></div>",
                     -end, end);
}

/// What each tensor costs at each format, darker for more.
[[nodiscard]] inline std::string sensitivity_table(const Report& report) {
    double most = 0;
    for (const Sensitivity& s : report.sensitivity)
        for (const Choice& c : s.choices) most = std::max(most, c.kl);
    std::string table = "<div class=scroll><table><tr><th>tensor";
    for (const Choice& c : report.sensitivity.front().choices)
        table += "<th class=n>" + html_text(to_string(c.spec));
    for (const Sensitivity& s : report.sensitivity) {
        table += "<tr><td>" + html_text(s.name);
        for (const Choice& c : s.choices) {
            const double depth = most > 0 ? std::sqrt(std::max(c.kl, 0.0) / most) : 0;
            table += text_of("<td class=n style='background:rgba(var(--heat),%.2f)'>%.5f",
                             0.45 * depth, c.kl);
        }
    }
    return table + "</table></div>";
}

/// The whole page.
[[nodiscard]] inline std::string to_html(const Report& report) {
    const auto bytes = static_cast<double>(report.bytes());
    const double full = 4.0 * static_cast<double>(report.numbers());
    std::string page =
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport "
        "content='width=device-width'><title>Quantization of " +
        html_text(report.model) + "</title>\n" + std::string(report_style) + "<h1>" +
        html_text(report.model) + "</h1><p>" + html_text(report.method) + "</p>\n<div class=tiles>";
    const auto tile = [&](const std::string& value, const std::string& name) {
        page += "<div class=tile><b>" + value + "</b><span>" + html_text(name) + "</span></div>";
    };
    tile(size_text(bytes), "instead of " + size_text(full) + " in fp32");
    tile(text_of("%.2f", report.bits_per_weight()), "bits a weight, all in");
    if (report.before && report.after) {
        const Evaluation &a = *report.before, &b = *report.after;
        tile(text_of("%+.4f", b.loss - a.loss), text_of("loss, from %.4f to %.4f", a.loss, b.loss));
        tile(text_of("%.3f", b.perplexity()), text_of("perplexity, was %.3f", a.perplexity()));
        tile(text_of("%.2f %%", a.accuracy > 0 ? 100 * b.accuracy / a.accuracy : 0.0),
             text_of("of top-1 kept (%.2f %%)", 100 * b.accuracy));
        tile(text_of("%.5f", b.kl), text_of("KL to fp32, nats, %zu tokens", b.tokens));
    }
    page += "</div>\n<h2>Memory by format</h2>" + format_ring(report);

    std::vector<const TensorOutcome*> large;
    for (const TensorOutcome& t : report.tensors) large.push_back(&t);
    std::stable_sort(large.begin(), large.end(),
                     [](const auto* a, const auto* b) { return a->bytes > b->bytes; });
    std::vector<Bar> bars;
    std::size_t rest = 0;
    for (std::size_t i = 0; i < large.size(); ++i)
        if (i < 24)
            bars.push_back({large[i]->name, static_cast<double>(large[i]->bytes),
                            format_colour(report, large[i]->spec),
                            size_text(static_cast<double>(large[i]->bytes)) + ", " +
                                to_string(large[i]->spec)});
        else rest += large[i]->bytes;
    if (rest != 0)
        bars.push_back({text_of("%zu more", large.size() - 24), static_cast<double>(rest),
                        "var(--s8)", size_text(static_cast<double>(rest))});
    page += "<h2>Memory by tensor</h2><div class=scroll>" + bar_chart(bars, "Bytes by tensor") +
            "</div>";

    const auto worst = worst_first(report);
    bars.clear();
    for (const TensorOutcome& t : report.tensors)
        if (t.error.count != 0 && bars.size() < 200)
            bars.push_back({t.name, quality_of(t), format_colour(report, t.spec),
                            text_of("%.1f dB", quality_of(t))});
    if (!bars.empty()) {
        page +=
            "<h2>Signal to quantization noise, in the model's order</h2><p>Of the outputs on the "
            "calibration text where they were seen, otherwise of the numbers.</p>"
            "<div class=scroll>" +
            bar_chart(bars, "SQNR by tensor") +
            "</div><h2>Errors of the worst tensors</h2><p>Original minus quantized; the ends "
            "hold all beyond.</p><div class=grid>";
        for (std::size_t i = 0; i < worst.size() && i < 12; ++i)
            page += histogram(*worst[i], format_colour(report, worst[i]->spec));
        page += "</div>";
    }
    if (!report.sensitivity.empty())
        page += "<h2>Sensitivity</h2><p>KL to fp32 when one tensor alone is rounded, nats.</p>" +
                sensitivity_table(report);
    page +=
        "<h2>Tensors, the worst first</h2><div class=scroll><table><tr><th>tensor<th>format"
        "<th class=n>shape<th class=n>bytes<th class=n>SQNR dB<th class=n>output dB"
        "<th class=n>largest error<th class=n>clipped";
    for (const TensorOutcome* t : worst)
        page += "<tr><td>" + html_text(t->name) +
                "<td><span class=key style='background:" + format_colour(report, t->spec) +
                "'></span>" + html_text(to_string(t->spec)) +
                text_of("<td class=n>%zu x %zu<td class=n>%zu<td class=n>%.2f<td class=n>", t->rows,
                        t->cols, t->bytes, t->error.sqnr_db) +
                (t->output_sqnr_db != 0 ? text_of("%.2f", t->output_sqnr_db) : "-") +
                text_of("<td class=n>%.3g<td class=n>%zu", t->error.max_error, t->error.clipped);
    return page + "</table></div>\n<p>nibble " NIBBLE_VERSION "</p></html>\n";
}

}  // namespace ptq
}  // namespace nibble
