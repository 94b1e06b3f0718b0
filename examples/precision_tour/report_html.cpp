#include "charts.hpp"
#include "console.hpp"
#include "page_style.hpp"
#include "report.hpp"

#include <algorithm>
#include <fstream>
#include <stdexcept>
#include <vector>

namespace tour {

namespace {

std::string card(const std::string& figure, const std::string& meaning) {
    return "<div class=\"card\"><strong>" + figure + "</strong><span>" + meaning +
           "</span></div>\n";
}

// The figures a reader should leave with; those that this run has.
std::string headline(const Tour& tour) {
    const LanguageResult* fp32 = find(tour.language, "fp32");
    const LanguageResult* int8 = find(tour.language, "int8");
    const LanguageResult* int4 = find(tour.language, "int4");
    const auto times = [](std::size_t a, std::size_t b) {
        return text("%.1f\u00d7", static_cast<double>(a) / static_cast<double>(b));
    };
    std::string cards;
    if (fp32 != nullptr && int4 != nullptr) {
        cards += card(text("%.1f %%", 100 * int4->accuracy / fp32->accuracy),
                      "of FP32\u2019s next-character accuracy, trained in INT4");
        cards += card(times(fp32->weight_bytes, int4->weight_bytes), "less weight memory in INT4");
    }
    if (fp32 != nullptr && int8 != nullptr) {
        cards += card(text("%.1f %%", 100 * int8->accuracy / fp32->accuracy),
                      "of FP32\u2019s accuracy, trained in INT8");
        cards += card(times(fp32->weight_bytes + fp32->optimizer_bytes,
                            int8->weight_bytes + int8->optimizer_bytes),
                      "less weight and optimizer memory in INT8");
    }
    if (const SpikingResult* spikes = find(tour.spiking, "int4"); spikes != nullptr)
        cards += card(text("%.1f %%", 100 * spikes->rate_error),
                      "mean difference of INT4 neurons\u2019 firing rates from FP32\u2019s");
    return cards.empty() ? "" : "<div class=\"cards\">" + cards + "</div>\n";
}

std::string figure(const std::string& title, const std::string& chart, const std::string& caption) {
    return "<figure><h3>" + title + "</h3>" + chart + "<figcaption>" + caption +
           "</figcaption></figure>\n";
}

std::string legend(const std::vector<LanguageResult>& results) {
    std::string list = "<ul class=\"legend\">";
    for (const LanguageResult& r : results)
        list += "<li>" + swatch(r.name) + r.label + text(" <b>%.3f</b></li>", r.validation_loss);
    return list + "</ul>\n";
}

std::string cells(const std::vector<std::string>& values, const char* kind) {
    std::string row = "<tr>";
    for (std::size_t i = 0; i < values.size(); ++i) {
        const bool head = i == 0 || std::string(kind) == "col";
        const std::string element = head ? "th" : "td";
        row += "<" + element + (head ? text(" scope=\"%s\"", kind) : "") + ">" + values[i] + "</" +
               element + ">";
    }
    return row + "</tr>\n";
}

std::string language_table(const Tour& tour) {
    const LanguageResult* base = find(tour.language, "fp32");
    std::string out =
        "<div class=\"wide\"><table><caption>The character model. Bytes are as allocated, with "
        "scales and padding.</caption><thead>" +
        cells({"Precision", "Weights", "Optimizer", "Validation loss", "Accuracy", "Share of FP32",
               "Training, chars/s", "Generation, chars/s", "Stored as", "Moments"},
              "col") +
        "</thead><tbody>";
    for (const LanguageResult& r : tour.language)
        out +=
            cells({r.label, bytes_text(r.weight_bytes), bytes_text(r.optimizer_bytes),
                   text("%.3f", r.validation_loss), text("%.1f %%", 100 * r.accuracy),
                   base == nullptr ? "\u2013" : text("%.1f %%", 100 * r.accuracy / base->accuracy),
                   rate_text(r.train_tokens_per_second), rate_text(r.generate_tokens_per_second),
                   escape(r.storage), escape(r.moments)},
                  "row");
    out += "</tbody></table></div>\n<dl class=\"updates\">";
    std::vector<std::string> told;
    for (const LanguageResult& r : tour.language) {
        if (std::find(told.begin(), told.end(), r.update) != told.end()) continue;
        told.push_back(r.update);
        std::string who;
        for (const LanguageResult& other : tour.language)
            if (other.update == r.update) who += (who.empty() ? "" : ", ") + other.label;
        out += "<dt>" + who + "</dt><dd>" + escape(r.update) + "</dd>";
    }
    return out + "</dl>\n";
}

std::string spiking_section(const Tour& tour) {
    if (tour.spiking.empty()) return "";
    const SpikingResult& first = tour.spiking.front();
    std::string out =
        "<section><h2>The same spikes</h2>\n<p>" + grouped(first.neurons) +
        " leaky integrate-and-fire neurons with " + grouped(first.synapses) + " synapses for " +
        grouped(first.steps) +
        " ms, driven by the same input, with potentials and weights stored at each precision. The "
        "rasters show the first moments of " +
        grouped(tour.raster_neurons) +
        " of them. Such a network is chaotic: the smallest rounding soon moves single spikes, "
        "while "
        "the rates, which carry the meaning, stay.</p>\n" +
        "<ul class=\"legend\"><li><svg class=\"swatch\" viewBox=\"0 0 30 10\" "
        "aria-hidden=\"true\"><path class=\"spike\" d=\"M6 1v8M15 1v8M24 1v8\"/></svg>"
        "fired at FP32 too, within 2 ms</li><li><svg class=\"swatch\" viewBox=\"0 0 30 "
        "10\" aria-hidden=\"true\"><path class=\"spike own\" d=\"M6 1v8M15 1v8M24 "
        "1v8\"/></svg>not at FP32</li></ul>\n<div class=\"pair\">";
    for (const SpikingResult& r : tour.spiking)
        out += "<figure>" + raster_chart(r, tour.raster_neurons, tour.raster_steps) + "</figure>\n";
    out +=
        "</div>\n<div class=\"wide\"><table><caption>The spiking network, against FP32."
        "</caption><thead>" +
        cells({"Precision", "Rate error", "Rate correlation", "Coincidence, ±2 ms", "Mean rate",
               "Bytes per neuron", "Bytes per synapse", "Updates/s"},
              "col") +
        "</thead><tbody>";
    for (const SpikingResult& r : tour.spiking)
        out += cells({r.label, text("%.2f %%", 100 * r.rate_error),
                      text("%.4f", r.rate_correlation), text("%.3f", r.coincidence),
                      text("%.1f Hz", r.mean_rate), text("%.2f", r.bytes_per_neuron),
                      text("%.2f", r.bytes_per_synapse), rate_text(r.updates_per_second)},
                     "row");
    return out + "</tbody></table></div></section>\n";
}

std::string language_sections(const Tour& tour) {
    const auto& results = tour.language;
    if (results.empty()) return "";
    const bool compare = find(results, "fp32") != nullptr && results.size() > 1;
    std::string out =
        "<section><h2>The same lesson</h2>\n<p>Every precision starts from the same weights and "
        "sees the same batches. The number beside each name is its final validation "
        "loss.</p>\n" +
        legend(results) + "<div class=\"pair\">" +
        figure("Training loss", loss_chart(results), "Smoothed over nearby steps.");
    if (compare)
        out += figure("Difference from FP32", difference_chart(results),
                      "The same batches, so the noise they share cancels. Zero is FP32.");
    out += "</div></section>\n<section><h2>Less memory, more rounding</h2>\n<div class=\"pair\">" +
           figure("Memory for training", memory_chart(results),
                  "Solid: weights. Light: the optimizer\u2019s state.") +
           figure("Weight error", error_chart(results),
                  "How far each format\u2019s nearest numbers are from " + escape(tour.error_of) +
                      ", with the signal-to-noise ratio.") +
           "</div></section>\n<section><h2>All figures</h2>\n" + language_table(tour) +
           "</section>\n";
    out += "<section><h2>What each of them writes</h2>\n<div class=\"pair\">";
    for (const LanguageResult& r : results)
        out += "<figure class=\"sample\"><figcaption>" + swatch(r.name) + r.label +
               "</figcaption><pre>" + escape(r.sample) + "</pre></figure>\n";
    return out + "</div></section>\n";
}

std::string notes(const Tour& tour) {
    const Settings& s = tour.settings;
    const Machine& m = tour.machine;
    const auto entry = [](const std::string& name, const std::string& value) {
        return "<dt>" + name + "</dt><dd>" + escape(value) + "</dd>";
    };
    std::string out = "<section><h2>This run</h2>\n<dl class=\"notes\">";
    out +=
        entry("Text", tour.text.source + ": " + grouped(tour.text.characters) + " characters, " +
                          text("%zu", tour.text.vocabulary) + " different; the first 90 % train");
    out += entry("Network",
                 text("GPT of %zu layers, %zu heads and %zu channels, context %zu", s.layers,
                      s.heads, s.channels, s.context) +
                     (tour.language.empty()
                          ? ""
                          : ": " + grouped(tour.language.front().parameters) + " parameters"));
    out +=
        entry("Training", text("%zu steps of %zu windows, AdamW, peak rate %g, seed %llu", s.steps,
                               s.batch, s.rate, static_cast<unsigned long long>(s.seed)));
    out += entry("Validation", text("%zu windows of the last tenth", s.validation_windows));
    out += entry("Processor", text("%s, %d of %d threads, %s kernels", m.processor.c_str(),
                                   m.threads, m.cores, m.instruction_set.c_str()));
    out += entry("System", m.system + ", " + m.compiler);
    out += entry("Time", text("%.0f seconds", tour.seconds));
    return out + "</dl></section>\n";
}

}  // namespace

void write_html(const Tour& tour, const std::string& file) {
    const char* const numbers[] = {"no", "one", "two", "three", "four", "five", "six", "seven"};
    const std::size_t n = std::min<std::size_t>(tour.language.size(), 7);
    std::ofstream out(file, std::ios::binary);
    out << "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
           "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
           "<meta name=\"color-scheme\" content=\"light dark\">\n<title>nibble: a tour of "
           "precisions</title>\n<style>"
        << page_style << "</style></head>\n<body><main>\n<header><p class=\"brand\">nibble "
        << tour.version << "</p>\n<h1>One source, " << numbers[n]
        << (n == 1 ? " precision" : " precisions")
        << "</h1>\n<p>The same small language model, trained from the same weights on the same "
           "text, "
           "and the same spiking network, each compiled from one template for every precision. No "
           "copy of the weights is kept in a wider format.</p></header>\n"
        << headline(tour) << language_sections(tour) << spiking_section(tour) << notes(tour)
        << "</main></body></html>\n";
    if (!out.flush()) throw std::runtime_error("--html: cannot write \"" + file + "\"");
}

}  // namespace tour
