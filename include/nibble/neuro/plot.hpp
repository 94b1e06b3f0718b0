// SPDX-License-Identifier: BSL-1.0
// Recordings as pictures: a raster of spikes over a curve of the population's rate, as SVG text.
#pragma once

#include <nibble/neuro/recording.hpp>

#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>

namespace nibble::inline NIBBLE_ARCH {

/// What a picture shows, and how large.
struct PlotOptions {
    std::string title = "";
    std::size_t first_step = 0;  ///< of those held
    std::size_t steps = 1000;    ///< at most
    std::size_t neurons = 200;   ///< rows of the raster at most, evenly chosen from all
    std::size_t bin = 10;        ///< steps of one point of the rate; above 0
    unsigned width = 900;        ///< pixels, 200 or more
    unsigned height = 480;       ///< 200 or more
};

/// Text with the characters that mean something in XML written as entities; control characters, which
/// XML does not have, as spaces.
[[nodiscard]] inline std::string xml_text(std::string_view text) {
    std::string out;
    for (const char c : text)
        if (c == '<') out += "&lt;";
        else if (c == '>') out += "&gt;";
        else if (c == '&') out += "&amp;";
        else if (c == '"') out += "&quot;";
        else out += static_cast<unsigned char>(c) < 32 ? ' ' : c;
    return out;
}

/// A raster of `recording` and its rate, mean spikes of a neuron in 1000 steps, as one <svg> element.
/// With a reference of the same size, spikes of both are dark, those only in the reference blue,
/// those only in the recording red, and both rates are drawn. Errors: sizes differ, an option out of
/// its range, a first step that is not held.
[[nodiscard]] inline std::string plot_svg(const SpikeRecording& recording,
                                          const PlotOptions& options = {},
                                          const SpikeRecording* reference = nullptr) {
    if (options.bin == 0 || options.width < 200 || options.height < 200)
        fail("plot_svg: bin " + std::to_string(options.bin) + ", size " +
             std::to_string(options.width) + " x " + std::to_string(options.height) +
             "; expected above 0, 200 x 200 or more");
    if (options.first_step > recording.steps())
        fail("plot_svg: first step " + std::to_string(options.first_step) + " of " +
             std::to_string(recording.steps()));
    if (reference != nullptr) {
        expect_equal(recording.neurons(), reference->neurons(), "plot_svg", "number of neurons");
        expect_equal(recording.steps(), reference->steps(), "plot_svg", "number of steps");
    }
    const std::size_t first = options.first_step;
    const std::size_t steps = std::min(options.steps, recording.steps() - first);
    const std::size_t rows = std::min(options.neurons, recording.neurons());
    const double left = 60, right = options.width - 15, top = 40, middle = options.height * 0.68;
    const double low = options.height * 0.76, bottom = options.height - 40;
    const auto number = [](double x) {
        char text[32];
        std::snprintf(text, sizeof text, "%.6g", x);
        return std::string(text);
    };
    const auto at = [&](std::size_t t) {
        const double span = steps == 0 ? 1.0 : static_cast<double>(steps);
        return left + (right - left) * static_cast<double>(t) / span;
    };
    const std::string size = std::to_string(options.width) + " " + std::to_string(options.height);
    std::string svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + size +
                      "\" font-family=\"sans-serif\" font-size=\"12\">\n";
    const auto label = [&](double x, double y, std::string_view anchor, const std::string& text) {
        svg += "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" text-anchor=\"" +
               std::string(anchor) + "\">" + xml_text(text) + "</text>\n";
    };
    const auto path = [&](const char* colour, const char* width, const std::string& points) {
        svg += std::string("<path fill=\"none\" stroke=\"") + colour + "\" stroke-width=\"" +
               width + "\" d=\"" + points + "\"/>\n";
    };
    svg += "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n";
    label(left, 24, "start", options.title);

    // The raster: a horizontal stroke for each spike, one path for each colour.
    const double row = rows == 0 ? 1.0 : (middle - top) / static_cast<double>(rows);
    std::string marks[3];  // both or no reference, only the reference, only the recording
    for (std::size_t k = 0; k < rows; ++k) {
        const std::size_t neuron = k * recording.neurons() / rows;
        const std::string y = number(top + (static_cast<double>(k) + 0.5) * row);
        for (std::size_t t = 0; t < steps; ++t) {
            const bool here = recording.fired(first + t, neuron);
            const bool there = reference == nullptr ? here : reference->fired(first + t, neuron);
            if (here || there)
                marks[here && there ? 0
                      : there       ? 1
                                    : 2] += "M" + number(at(t)) + " " + y + "H" + number(at(t + 1));
        }
    }
    const char* const colours[3] = {"#222", "#1668c8", "#d22"};
    const std::string thick = number(std::max(0.6, 0.8 * row));
    for (std::size_t c = 0; c < 3; ++c)
        if (!marks[c].empty()) path(colours[c], thick.c_str(), marks[c]);
    label(left - 6, top + 10, "end", "0");
    label(left - 6, middle, "end",
          recording.neurons() == 0 ? "" : std::to_string(recording.neurons() - 1));

    // The rates of all neurons, not only of those in the raster.
    const std::size_t bins = (steps + options.bin - 1) / options.bin;
    const auto rates = [&](const SpikeRecording& r) {
        std::vector<double> rate(bins, 0.0);
        for (std::size_t t = 0; t < steps; ++t) {
            const std::size_t begin = t / options.bin * options.bin;
            const std::size_t length = std::min(options.bin, steps - begin);
            for (const std::uint64_t w : r.step(first + t))
                rate[t / options.bin] +=
                    1000.0 * std::popcount(w) / static_cast<double>(length * r.neurons());
        }
        return rate;
    };
    const std::vector<double> mine = rates(recording);
    const std::vector<double> theirs =
        reference == nullptr ? std::vector<double>{} : rates(*reference);
    double most = 0.0;
    for (const auto* curve : {&mine, &theirs})
        for (const double x : *curve) most = std::max(most, x);
    const auto curve = [&](const std::vector<double>& rate) {
        std::string points;
        for (std::size_t b = 0; b < rate.size(); ++b) {
            const std::size_t end = std::min(steps, (b + 1) * options.bin);
            const double x = (at(b * options.bin) + at(end)) / 2;
            const double y = bottom - (most > 0 ? rate[b] / most : 0.0) * (bottom - low);
            points += (b == 0 ? "M" : "L") + number(x) + " " + number(y);
        }
        return points;
    };
    if (!theirs.empty()) path(colours[1], "1.5", curve(theirs));
    if (!mine.empty()) path(reference == nullptr ? colours[0] : colours[2], "1.5", curve(mine));
    path("#888", "1",
         "M" + number(left) + " " + number(low) + "V" + number(bottom) + "H" + number(right));
    label(left - 6, low + 6, "end", number(most));
    label(left - 6, bottom, "end", "0");
    label(left, low - 6, "start", "spikes of a neuron in 1000 steps");
    label(left, bottom + 18, "middle", std::to_string(first));
    label(right, bottom + 18, "end", std::to_string(first + steps) + " steps");
    if (reference != nullptr)
        label(right, 24, "end", "blue: only in the reference; red: only here");
    return svg + "</svg>\n";
}

}  // namespace nibble
