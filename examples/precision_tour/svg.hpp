// A drawing, built up as text.
#pragma once

#include "console.hpp"

#include <cmath>
#include <vector>

namespace tour {

/// An SVG element of its own: scales with the page, named for readers who do not see it.
class Svg {
public:
    Svg(double width, double height, const std::string& id, const std::string& title,
        const std::string& description)
        : body_(text("<svg viewBox=\"0 0 %g %g\" role=\"img\" aria-labelledby=\"%s-t %s-d\">"
                     "<title id=\"%s-t\">%s</title><desc id=\"%s-d\">%s</desc>\n",
                     width, height, id.c_str(), id.c_str(), id.c_str(), title.c_str(), id.c_str(),
                     description.c_str())) {}

    void line(double x1, double y1, double x2, double y2, const char* kind) {
        body_ += text("<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n",
                      kind, x1, y1, x2, y2);
    }
    void label(double x, double y, const std::string& what, const char* kind) {
        body_ +=
            text("<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">%s</text>\n", kind, x, y, what.c_str());
    }
    void rectangle(double x, double y, double width, double height, const std::string& kind) {
        body_ += text("<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n",
                      kind.c_str(), x, y, width, height);
    }
    void path(const std::string& d, const std::string& kind) {
        body_ += "<path class=\"" + kind + "\" d=\"" + d + "\"/>\n";
    }
    [[nodiscard]] std::string finish() const { return body_ + "</svg>\n"; }

private:
    std::string body_;
};

/// Numbers from `low` to `high` onto places from `first` to `last`.
struct Scale {
    double low, high, first, last;
    double operator()(double x) const { return first + (x - low) / (high - low) * (last - first); }
};

/// Round numbers that cut [low, high] into about `n` parts.
[[nodiscard]] inline std::vector<double> ticks(double low, double high, int n) {
    const double raw = (high - low) / n;
    const double power = std::pow(10.0, std::floor(std::log10(raw)));
    const double ratio = raw / power;
    const double step = power * (ratio < 1.5 ? 1 : ratio < 3.5 ? 2 : ratio < 7.5 ? 5 : 10);
    std::vector<double> at;
    for (double k = std::ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; ++k)
        at.push_back(k * step == 0 ? 0.0 : k * step);
    return at;
}

}  // namespace tour
