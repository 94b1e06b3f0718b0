// SPDX-License-Identifier: BSL-1.0
// What quantizing a model did to it, as text and as JSON (report_html.hpp: as a page): sizes by tensor
// and by format, errors, sensitivities, and how well the model does before and after.
#pragma once

#include <nibble/io/text.hpp>
#include <nibble/ptq/allocate.hpp>

#include <cstdio>
#include <optional>

namespace nibble::inline NIBBLE_ARCH {
namespace ptq {

/// All there is to report. What was not measured stays empty.
struct Report {
    std::string model;   ///< a name or path
    std::string method;  ///< how it was quantized, in words
    std::vector<TensorOutcome> tensors;
    std::vector<Sensitivity> sensitivity;
    std::optional<Evaluation> before, after;

    [[nodiscard]] std::size_t numbers() const {
        std::size_t n = 0;
        for (const TensorOutcome& t : tensors) n += t.rows * t.cols;
        return n;
    }
    [[nodiscard]] std::size_t bytes() const {
        std::size_t n = 0;
        for (const TensorOutcome& t : tensors) n += t.bytes;
        return n;
    }
    [[nodiscard]] double bits_per_weight() const {
        return numbers() == 0 ? 0
                              : 8.0 * static_cast<double>(bytes()) / static_cast<double>(numbers());
    }
};

/// printf into a string.
template <class... T>
[[nodiscard]] std::string text_of(const char* format, T... values) {
    char text[512];
    const int n = std::snprintf(text, sizeof text, format, values...);
    return {text, static_cast<std::size_t>(n < 0 ? 0 : n < 512 ? n : 511)};
}

/// The decibels that a tensor is judged by: of its outputs where known, else of its numbers.
[[nodiscard]] inline double quality_of(const TensorOutcome& t) {
    return t.output_sqnr_db != 0 ? t.output_sqnr_db : t.error.sqnr_db;
}

/// The quantized tensors, the worst first.
[[nodiscard]] inline std::vector<const TensorOutcome*> worst_first(const Report& report) {
    std::vector<const TensorOutcome*> order;
    for (const TensorOutcome& t : report.tensors)
        if (t.error.count != 0) order.push_back(&t);
    std::stable_sort(order.begin(), order.end(),
                     [](const auto* a, const auto* b) { return quality_of(*a) < quality_of(*b); });
    return order;
}

/// Bytes by format, the largest first.
[[nodiscard]] inline std::vector<std::pair<std::string, std::size_t>> bytes_by_format(
    const Report& report) {
    std::map<std::string, std::size_t> sums;
    for (const TensorOutcome& t : report.tensors) sums[to_string(t.spec)] += t.bytes;
    std::vector<std::pair<std::string, std::size_t>> order(sums.begin(), sums.end());
    std::stable_sort(order.begin(), order.end(),
                     [](const auto& a, const auto& b) { return a.second > b.second; });
    return order;
}

/// "418.6 KB"
[[nodiscard]] inline std::string size_text(double bytes) {
    const char* unit = bytes >= 1e9 ? "GB" : bytes >= 1e6 ? "MB" : bytes >= 1e3 ? "KB" : "bytes";
    const double by = bytes >= 1e9 ? 1e9 : bytes >= 1e6 ? 1e6 : bytes >= 1e3 ? 1e3 : 1;
    return text_of(by == 1 ? "%.0f %s" : "%.1f %s", bytes / by, unit);
}

/// Lines for a terminal.
[[nodiscard]] inline std::string to_text(const Report& report) {
    const auto bytes = static_cast<double>(report.bytes());
    const double full = 4.0 * static_cast<double>(report.numbers());
    std::string text = report.model + ": " + report.method + "\n" +
                       text_of("%zu numbers, %s instead of %s: %.3f bits a weight, %.1f %% less\n",
                               report.numbers(), size_text(bytes).c_str(), size_text(full).c_str(),
                               report.bits_per_weight(), full > 0 ? 100 - 100 * bytes / full : 0.0);
    const auto line = [&](const char* name, const Evaluation& e) {
        text += text_of("%-8s loss %.4f  perplexity %.3f  top-1 %.2f %%  KL %.5f  (%zu tokens)\n",
                        name, e.loss, e.perplexity(), 100 * e.accuracy, e.kl, e.tokens);
    };
    if (report.before) line("before", *report.before);
    if (report.after) line("after", *report.after);
    if (report.before && report.after)
        text += text_of("%-8s loss %+.4f  top-1 kept %.2f %%\n", "change",
                        report.after->loss - report.before->loss,
                        report.before->accuracy > 0
                            ? 100 * report.after->accuracy / report.before->accuracy
                            : 0.0);
    text += "\nby format\n";
    for (const auto& [name, size] : bytes_by_format(report))
        text += text_of("  %-22s %12zu bytes  %5.1f %%\n", name.c_str(), size,
                        bytes > 0 ? 100 * static_cast<double>(size) / bytes : 0.0);
    text += text_of("\n%-44s %-20s %11s %10s %10s %11s\n", "worst first", "format", "bytes",
                    "SQNR dB", "output dB", "largest");
    for (const TensorOutcome* t : worst_first(report))
        text += text_of("%-44s %-20s %11zu %10.2f %10.2f %11.3g\n", t->name.c_str(),
                        to_string(t->spec).c_str(), t->bytes, t->error.sqnr_db, t->output_sqnr_db,
                        t->error.max_error);
    if (!report.sensitivity.empty()) {
        text += "\nKL when one tensor alone is rounded\n";
        for (const Sensitivity& s : report.sensitivity) {
            text += text_of("%-44s", s.name.c_str());
            for (const Choice& c : s.choices)
                text += text_of("  %s %.5f", to_string(c.spec).c_str(), c.kl);
            text += "\n";
        }
    }
    return text;
}

/// A string of JSON, quotes included. What is no UTF-8 becomes '?'.
[[nodiscard]] inline std::string json_string(std::string_view text) {
    std::string out = "\"";
    for (std::size_t i = 0; i < text.size();) {
        const auto c = static_cast<unsigned char>(text[i]);
        if (c == '"' || c == '\\') {
            out += {'\\', text[i++]};
        } else if (c < 0x20) {
            out += text_of("\\u%04x", unsigned{c});
            ++i;
        } else if (c < 0x80) {
            out += text[i++];
        } else {
            const std::size_t whole = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
            const std::string_view one = text.substr(i, whole);
            const bool good = one.size() == whole && valid_utf8_length(one) == whole;
            out += good ? std::string(one) : "?";
            i += good ? whole : 1;
        }
    }
    return out + "\"";
}

/// A number of JSON; null for what has none.
[[nodiscard]] inline std::string json_number(double x) {
    return std::isfinite(x) ? text_of("%.9g", x) : "null";
}

/// One JSON object.
[[nodiscard]] inline std::string to_json(const Report& report) {
    std::string text =
        "{\"model\": " + json_string(report.model) + ", \"method\": " + json_string(report.method) +
        ", \"library\": " + json_string("nibble " NIBBLE_VERSION) +
        text_of(", \"numbers\": %zu, \"bytes\": %zu", report.numbers(), report.bytes()) +
        ", \"bits_per_weight\": " + json_number(report.bits_per_weight());
    const auto evaluation = [&](const char* name, const std::optional<Evaluation>& e) {
        if (!e) return;
        text += text_of(", \"%s\": {\"tokens\": %zu", name, e->tokens) +
                ", \"loss\": " + json_number(e->loss) +
                ", \"perplexity\": " + json_number(e->perplexity()) +
                ", \"top1\": " + json_number(e->accuracy) + ", \"kl\": " + json_number(e->kl) + "}";
    };
    evaluation("before", report.before);
    evaluation("after", report.after);
    text += ", \"tensors\": [";
    for (const TensorOutcome& t : report.tensors) {
        text += (&t == report.tensors.data() ? "\n" : ",\n") + std::string("  {\"name\": ") +
                json_string(t.name) + ", \"format\": " + json_string(to_string(t.spec)) +
                text_of(", \"rows\": %zu, \"cols\": %zu, \"bytes\": %zu", t.rows, t.cols, t.bytes);
        if (t.error.count != 0) {
            text += ", \"mse\": " + json_number(t.error.mse) +
                    ", \"sqnr_db\": " + json_number(t.error.sqnr_db) + ", \"output_sqnr_db\": " +
                    (t.output_sqnr_db != 0 ? json_number(t.output_sqnr_db) : "null") +
                    ", \"max_error\": " + json_number(t.error.max_error) +
                    text_of(", \"clipped\": %zu", t.error.clipped) +
                    ", \"bin_width\": " + json_number(t.error.bin_width) + ", \"histogram\": [";
            for (std::size_t i = 0; i < t.error.histogram.size(); ++i)
                text += text_of(i == 0 ? "%zu" : ", %zu", t.error.histogram[i]);
            text += "]";
        }
        text += "}";
    }
    text += "]";
    if (!report.sensitivity.empty()) {
        text += ", \"sensitivity\": [";
        for (const Sensitivity& s : report.sensitivity) {
            text += (&s == report.sensitivity.data() ? "\n" : ",\n") +
                    std::string("  {\"name\": ") + json_string(s.name) + ", \"kl\": {";
            for (const Choice& c : s.choices)
                text += (&c == s.choices.data() ? "" : ", ") + json_string(to_string(c.spec)) +
                        ": " + json_number(c.kl);
            text += "}}";
        }
        text += "]";
    }
    return text + "}\n";
}

}  // namespace ptq
}  // namespace nibble
