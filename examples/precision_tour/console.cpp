#include "console.hpp"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#if defined(_WIN32)
#include <io.h>
#else
#include <unistd.h>
#endif

namespace tour {

namespace {

bool is_terminal() {
#if defined(_WIN32)
    return _isatty(_fileno(stdout)) != 0;
#else
    const char* kind = std::getenv("TERM");
    return isatty(fileno(stdout)) != 0 && kind != nullptr && std::string_view(kind) != "dumb";
#endif
}

bool speaks_unicode() {
    for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"})
        if (const char* value = std::getenv(name); value != nullptr && *value != '\0') {
            const std::string_view locale(value);
            return locale.find("UTF-8") != locale.npos || locale.find("utf8") != locale.npos;
        }
    return false;
}

std::string seconds_text(double s) {
    return s < 600 ? text("%.0f s", s) : text("%.0f min", s / 60);
}

// Columns, the first to the left and the others to the right, as wide as they need to be.
void print_table(const std::vector<std::vector<std::string>>& rows) {
    std::vector<std::size_t> width(rows.front().size(), 0);
    for (const auto& row : rows)
        for (std::size_t c = 0; c < row.size(); ++c) width[c] = std::max(width[c], row[c].size());
    for (std::size_t r = 0; r < rows.size(); ++r) {
        for (std::size_t c = 0; c < rows[r].size(); ++c)
            std::printf(c == 0 ? "%-*s" : "  %*s", static_cast<int>(width[c]), rows[r][c].c_str());
        std::puts("");
        if (r != 0) continue;
        for (std::size_t c = 0; c < width.size(); ++c)
            std::printf("%s%s", c == 0 ? "" : "  ", std::string(width[c], '-').c_str());
        std::puts("");
    }
}

}  // namespace

std::string text(const char* format, ...) {
    std::va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    const int size = std::vsnprintf(nullptr, 0, format, arguments);
    va_end(arguments);
    std::string out(static_cast<std::size_t>(std::max(size, 0)) + 1, '\0');
    std::vsnprintf(out.data(), out.size(), format, again);
    va_end(again);
    out.pop_back();
    return out;
}

std::string grouped(std::size_t n) {
    std::string digits = std::to_string(n);
    for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
    return digits;
}

std::string bytes_text(std::size_t bytes) {
    const auto b = static_cast<double>(bytes);
    return bytes < 1000000 ? text("%.1f kB", b / 1e3) : text("%.2f MB", b / 1e6);
}

std::string rate_text(double per_second) {
    if (per_second >= 1e6) return text("%.1fM", per_second / 1e6);
    return per_second >= 1e4 ? text("%.1fk", per_second / 1e3) : text("%.0f", per_second);
}

std::string one_line(const std::string& sample, std::size_t width) {
    std::string line;
    for (const char c : sample) {
        if (c != '\n' && c != '\t' && c != ' ') line += c;
        else if (!line.empty() && line.back() != ' ') line += ' ';
    }
    if (line.size() > width) line.resize(width);
    return line;
}

Progress::Progress(std::vector<std::string> labels)
    : terminal_(is_terminal()), unicode_(speaks_unicode()) {
    for (std::string& label : labels) lines_.emplace_back().label = std::move(label);
    if (terminal_)
        for (const Line& line : lines_) std::printf("%s\n", written(line).c_str());
    std::fflush(stdout);
}

void Progress::begin(std::size_t row, std::size_t steps) {
    const std::scoped_lock lock(mutex_);
    lines_[row].steps = steps;
    lines_[row].start = lines_[row].shown = Clock::now();
    if (terminal_) redraw();
}

void Progress::update(std::size_t row, std::size_t step, const std::string& note) {
    const std::scoped_lock lock(mutex_);
    Line& line = lines_[row];
    line.step = step;
    const auto now = Clock::now();
    const double taken = std::chrono::duration<double>(now - line.start).count();
    const double left = taken / static_cast<double>(std::max<std::size_t>(step, 1)) *
                        static_cast<double>(line.steps - step);
    line.note = note + "  " + seconds_text(left) + " left";
    // Ten times a second to eyes, every five seconds to a log.
    if (terminal_) {
        if (now - drawn_ >= std::chrono::milliseconds(100)) redraw();
    } else if (now - line.shown >= std::chrono::seconds(5)) {
        line.shown = now;
        std::printf("%s\n", written(line).c_str());
        std::fflush(stdout);
    }
}

void Progress::end(std::size_t row, const std::string& note) {
    const std::scoped_lock lock(mutex_);
    Line& line = lines_[row];
    line.ended = true;
    line.note =
        note + text("  %.1f s", std::chrono::duration<double>(Clock::now() - line.start).count());
    if (terminal_) {
        redraw();
    } else {
        std::printf("%s\n", written(line).c_str());
        std::fflush(stdout);
    }
}

std::string Progress::written(const Line& line) const {
    constexpr std::size_t width = 16;
    const std::size_t done = line.ended        ? width
                             : line.steps == 0 ? 0
                                               : width * line.step / line.steps;
    std::string bar;
    for (std::size_t i = 0; i < width; ++i)
        bar += unicode_ ? (i < done ? "\u2501" : "\u2500") : (i < done ? "=" : ".");
    std::string out = text("  %-6s %s  ", line.label.c_str(), bar.c_str());
    if (!line.ended && line.steps != 0) out += text("%4zu/%zu  ", line.step, line.steps);
    return out + line.note;
}

void Progress::redraw() {
    drawn_ = Clock::now();
    std::string block = text("\033[%zuA", lines_.size());
    for (const Line& line : lines_) block += "\r\033[K" + written(line) + "\n";
    std::fputs(block.c_str(), stdout);
    std::fflush(stdout);
}

void print_plan(const Tour& tour) {
    const Settings& s = tour.settings;
    std::printf("nibble %s: one source, many precisions\n\n", tour.version.c_str());
    std::printf("  text      %s: %s characters, %zu different\n", tour.text.source.c_str(),
                grouped(tour.text.characters).c_str(), tour.text.vocabulary);
    std::printf("  network   character GPT: %zu layers, %zu heads, %zu channels, context %zu\n",
                s.layers, s.heads, s.channels, s.context);
    std::printf(
        "  training  %zu steps of %zu x %zu characters with AdamW; the same starting\n"
        "            weights and the same batches at every precision, seed %llu\n",
        s.steps, s.batch, s.context, static_cast<unsigned long long>(s.seed));
    std::printf("  machine   %s, %d thread%s, %s\n\n", tour.machine.processor.c_str(),
                tour.machine.threads, tour.machine.threads == 1 ? "" : "s",
                tour.machine.instruction_set.c_str());
    std::fflush(stdout);
}

void print_results(const Tour& tour) {
    const LanguageResult* base = find(tour.language, "fp32");
    std::vector<std::vector<std::string>> rows{{"precision", "weights", "optimizer", "val loss",
                                                "accuracy", "of FP32", "train/s", "generate/s"}};
    for (const LanguageResult& r : tour.language)
        rows.push_back({r.label, bytes_text(r.weight_bytes), bytes_text(r.optimizer_bytes),
                        text("%.3f", r.validation_loss), text("%.1f %%", 100 * r.accuracy),
                        base == nullptr ? "-" : text("%.1f %%", 100 * r.accuracy / base->accuracy),
                        rate_text(r.train_tokens_per_second),
                        rate_text(r.generate_tokens_per_second)});
    std::puts(
        "\nCharacter model: bytes as allocated, next-character accuracy, characters per second\n");
    print_table(rows);

    if (!tour.spiking.empty()) {
        const SpikingResult& first = tour.spiking.front();
        rows = {{"precision", "rate error", "rate correlation", "mean rate", "bytes/neuron",
                 "bytes/synapse", "updates/s"}};
        for (const SpikingResult& r : tour.spiking)
            rows.push_back({r.label, text("%.2f %%", 100 * r.rate_error),
                            text("%.4f", r.rate_correlation), text("%.1f Hz", r.mean_rate),
                            text("%.2f", r.bytes_per_neuron), text("%.2f", r.bytes_per_synapse),
                            rate_text(r.updates_per_second)});
        std::printf(
            "\nSpiking network: %s leaky integrate-and-fire neurons, %s synapses, %s steps\n\n",
            grouped(first.neurons).c_str(), grouped(first.synapses).c_str(),
            grouped(first.steps).c_str());
        print_table(rows);
    }

    std::puts("\nWhat each of them writes\n");
    for (const LanguageResult& r : tour.language)
        std::printf("%-6s %s\n", r.label.c_str(), one_line(r.sample, 90).c_str());
    std::printf("\nfinished in %.0f seconds\n", tour.seconds);
    std::fflush(stdout);
}

}  // namespace tour
