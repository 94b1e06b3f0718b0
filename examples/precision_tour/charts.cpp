#include "charts.hpp"

#include "svg.hpp"

#include <algorithm>
#include <vector>

namespace tour {

namespace {

constexpr double width = 480;

// Means over a window around about 120 evenly spaced steps: batches are noisy, trends are not.
struct Smooth {
    std::vector<double> step, value;
};
Smooth smooth(const std::vector<double>& x) {
    Smooth out;
    const std::size_t n = x.size(), half = std::max<std::size_t>(n / 60, 1);
    const std::size_t points = std::min<std::size_t>(n, 120);
    for (std::size_t p = 0; p < points; ++p) {
        const std::size_t centre = points < 2 ? 0 : p * (n - 1) / (points - 1);
        // The window grows from the first step, whose fall is fast, and stops at the last.
        const std::size_t reach = std::min(half, centre);
        const std::size_t end = std::min(centre + reach + 1, n);
        const std::size_t first = std::min(centre - reach, end - std::min(end, reach + 1));
        double sum = 0;
        for (std::size_t i = first; i < end; ++i) sum += x[i];
        out.step.push_back(static_cast<double>(centre + 1));
        out.value.push_back(sum / static_cast<double>(end - first));
    }
    return out;
}

std::string polyline(const Smooth& s, const Scale& x, const Scale& y) {
    std::string d;
    for (std::size_t i = 0; i < s.step.size(); ++i)
        d += text("%s%.1f %.1f", i == 0 ? "M" : " L", x(s.step[i]), y(s.value[i]));
    return d;
}

std::string tick_text(double t, int digits, bool sign) {
    const char* const mark = t < 0 ? "\u2212" : sign ? "+" : "";
    return t == 0 ? "0" : text("%s%.*f", mark, digits, std::fabs(t));
}

// Axes of a line chart over training steps.
void axes(Svg& svg, const Scale& x, const Scale& y, const std::string& y_title, int digits,
          bool sign) {
    for (const double t : ticks(y.low, y.high, 5)) {
        svg.line(x.first, y(t), x.last, y(t), "grid");
        svg.label(x.first - 8, y(t) + 4.5, tick_text(t, digits, sign), "tick end");
    }
    for (const double t : ticks(x.low, x.high, 5)) {
        svg.line(x(t), y.first, x(t), y.first + 5, "axis");
        svg.label(x(t), y.first + 20, text("%.0f", t), "tick middle");
    }
    svg.line(x.first, y.first, x.last, y.first, "axis");
    svg.label(x.last, y.first + 37, "training step", "tick end");
    svg.label(0, 14, y_title, "tick");
}

std::string line_chart(const std::vector<LanguageResult>& results, const std::vector<Smooth>& lines,
                       bool difference) {
    double low = 1e9, high = -1e9, steps = 1;
    for (const Smooth& s : lines)
        for (std::size_t i = 0; i < s.value.size(); ++i) {
            low = std::min(low, s.value[i]);
            high = std::max(high, s.value[i]);
            steps = std::max(steps, s.step[i]);
        }
    if (difference) {
        low = std::min(low, -0.05);
        high = std::max(high, 0.05);
    }
    const double margin = std::max(high - low, 1e-3) * 0.05;
    const Scale x{0, steps, 50, width - 12};
    const Scale y{low - margin, high + margin, 268, 28};
    Svg svg = difference
                  ? Svg(width, 312, "difference", "Training loss minus FP32's",
                        "Each precision's training loss minus FP32's on the same batches, by step.")
                  : Svg(width, 312, "loss", "Training loss by step",
                        "Training loss of each precision in nats per character, smoothed.");
    axes(svg, x, y, difference ? "loss minus FP32\u2019s, nats" : "loss, nats per character",
         difference ? 2 : 1, difference);
    if (difference) svg.line(x.first, y(0), x.last, y(0), "zero");
    for (std::size_t i = 0; i < lines.size(); ++i)
        if (!lines[i].value.empty())
            svg.path(polyline(lines[i], x, y), "series s-" + results[i].name);
    return svg.finish();
}

}  // namespace

std::string escape(const std::string& raw) {
    std::string out;
    for (const char c : raw) switch (c) {
            case '&': out += "&amp;"; break;
            case '<': out += "&lt;"; break;
            case '>': out += "&gt;"; break;
            case '"': out += "&quot;"; break;
            default: out += c;
        }
    return out;
}

std::string swatch(const std::string& name) {
    return "<svg class=\"swatch\" viewBox=\"0 0 30 10\" aria-hidden=\"true\"><path class=\"series "
           "s-" +
           name + "\" d=\"M1 5H29\"/></svg>";
}

std::string loss_chart(const std::vector<LanguageResult>& results) {
    std::vector<Smooth> lines;
    for (const LanguageResult& r : results) lines.push_back(smooth(r.losses));
    return line_chart(results, lines, false);
}

std::string difference_chart(const std::vector<LanguageResult>& results) {
    const LanguageResult* base = find(results, "fp32");
    std::vector<Smooth> lines;
    for (const LanguageResult& r : results) {
        std::vector<double> difference;
        if (&r != base)
            for (std::size_t i = 0; i < r.losses.size(); ++i)
                difference.push_back(r.losses[i] - base->losses[i]);
        lines.push_back(difference.empty() ? Smooth{} : smooth(difference));
    }
    return line_chart(results, lines, true);
}

std::string memory_chart(const std::vector<LanguageResult>& results) {
    std::size_t most = 1;
    for (const LanguageResult& r : results)
        most = std::max(most, r.weight_bytes + r.optimizer_bytes);
    const double row = 34, top = 10, bottom = top + row * static_cast<double>(results.size());
    const Scale x{0, static_cast<double>(most), 62, width - 84};
    Svg svg(width, bottom + 44, "memory", "Memory for training",
            "Bytes of weights and of optimizer state at each precision, stacked.");
    for (const double t : ticks(0, static_cast<double>(most), 4)) {
        svg.line(x(t), top, x(t), bottom, "grid");
        svg.label(x(t), bottom + 18, text("%g", t / 1e6), "tick middle");
    }
    svg.label(x.last, bottom + 37, "megabytes, as allocated", "tick end");
    double y = top;
    for (const LanguageResult& r : results) {
        const auto weights = static_cast<double>(r.weight_bytes);
        const auto total = static_cast<double>(r.weight_bytes + r.optimizer_bytes);
        svg.label(x.first - 8, y + 22, r.label, "name end");
        svg.rectangle(x.first, y + 6, x(weights) - x.first, row - 12, "fill s-" + r.name);
        svg.rectangle(x(weights), y + 6, x(total) - x(weights), row - 12, "backing");
        svg.rectangle(x(weights), y + 6, x(total) - x(weights), row - 12, "fill faint s-" + r.name);
        svg.label(x(total) + 7, y + 22, bytes_text(r.weight_bytes + r.optimizer_bytes), "tick");
        y += row;
    }
    svg.line(x.first, top, x.first, bottom, "axis");
    return svg.finish();
}

std::string error_chart(const std::vector<LanguageResult>& results) {
    const double row = 46, top = 18, bottom = top + row * static_cast<double>(results.size());
    const Scale x{WeightError::low, WeightError::high, 62, width - 84};
    const double bin = (WeightError::high - WeightError::low) / double{WeightError::bins};
    double most = 1e-9;
    for (const LanguageResult& r : results)
        for (const double share : r.error.share) most = std::max(most, share);
    Svg svg(width, bottom + 46, "errors", "Distribution of the weight error",
            "For each precision, how many weights are off by how much, on a logarithmic axis.");
    for (int power = -6; power <= 0; ++power) {
        svg.line(x(power), top, x(power), bottom, "grid");
        svg.label(x(power), bottom + 18,
                  power == 0 ? std::string("1")
                             : text("10<tspan class=\"power\" dy=\"-5\">\u2212%d</tspan>", -power),
                  "tick middle");
    }
    svg.label(x.last, bottom + 40, "error of a weight / rms of the weights", "tick end");
    double y = top;
    for (const LanguageResult& r : results) {
        const double floor = y + row - 8;
        svg.label(x.first - 8, floor, r.label, "name end");
        svg.line(x.first, floor, x.last, floor, "axis");
        const WeightError& e = r.error;
        if (e.exact > 0.999) {
            svg.label(x.first + 8, floor - 8, "no error", "tick");
        } else if (!e.share.empty()) {
            std::string d = text("M%.1f %.1f", x.first, floor);
            for (std::size_t b = 0; b < e.share.size(); ++b) {
                const double left = WeightError::low + bin * static_cast<double>(b);
                d += text(" L%.1f %.1f H%.1f", x(left), floor - (row - 12) * e.share[b] / most,
                          x(left + bin));
            }
            svg.path(d + text(" L%.1f %.1f Z", x.last, floor), "fill s-" + r.name);
            svg.label(x.last + 8, floor, text("%.1f dB", e.sqnr_db), "tick");
        }
        y += row;
    }
    return svg.finish();
}

std::string raster_chart(const SpikingResult& result, std::size_t neurons, std::size_t steps) {
    const double row = 3.2, top = 8, bottom = top + row * static_cast<double>(neurons);
    const Scale x{0, static_cast<double>(steps), 62, width - 8};
    const std::string id = "raster-" + result.name;
    Svg svg(width, bottom + 26, id, "Spikes at " + result.label,
            "A row a neuron, time to the right; spikes that FP32 did not fire stand out.");
    for (const double t : ticks(0, static_cast<double>(steps), 4)) {
        svg.line(x(t), top, x(t), bottom, "grid");
        svg.label(x(t), bottom + 17, text(t == 0 ? "%.0f ms" : "%.0f", t),
                  t >= static_cast<double>(steps) ? "tick end" : "tick middle");
    }
    svg.label(x.first - 8, top + (bottom - top) / 2 + 5, result.label, "name end");
    std::string shared, own;
    for (const Spike& s : result.raster)
        (s.shared ? shared : own) += text("M%.1f %.1fv2.6", x(s.step + 0.5),
                                          top + row * static_cast<double>(s.neuron) + 0.3);
    if (!shared.empty()) svg.path(shared, "spike");
    if (!own.empty()) svg.path(own, "spike own");
    svg.line(x.first, bottom, x.last, bottom, "axis");
    return svg.finish();
}

}  // namespace tour
