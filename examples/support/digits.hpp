// Drawn digits: strokes in a unit square, moved, turned, stretched and thickened at random, with
// noise. Harder than printed digits, easier than handwriting; there without any download.
#pragma once

#include <nibble/value/rounding.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

struct Point {
    double x, y;
};

/// The strokes of a digit, x to the right, y down; a point with x < 0 lifts the pen.
inline const std::vector<Point>& strokes_of(int digit) {
    static const Point lift{-1, -1};
    static const std::vector<Point> strokes[10] = {
        {{.5, .1},
         {.3, .2},
         {.22, .5},
         {.3, .8},
         {.5, .9},
         {.7, .8},
         {.78, .5},
         {.7, .2},
         {.5, .1}},
        {{.36, .28}, {.54, .1}, {.54, .9}},
        {{.26, .3}, {.34, .14}, {.54, .1}, {.7, .2}, {.72, .36}, {.6, .54}, {.26, .9}, {.76, .9}},
        {{.26, .16},
         {.5, .1},
         {.7, .2},
         {.7, .38},
         {.48, .48},
         {.72, .58},
         {.74, .76},
         {.54, .9},
         {.26, .84}},
        {{.62, .9}, {.62, .1}, {.22, .64}, {.8, .64}},
        {{.72, .1}, {.34, .1}, {.3, .46}, {.54, .42}, {.74, .56}, {.72, .78}, {.5, .9}, {.26, .84}},
        {{.68, .12},
         {.44, .22},
         {.28, .5},
         {.28, .74},
         {.44, .9},
         {.66, .86},
         {.74, .68},
         {.6, .52},
         {.4, .54},
         {.28, .7}},
        {{.24, .1}, {.76, .1}, {.56, .46}, {.44, .9}},
        {{.5, .48},
         {.3, .36},
         {.32, .18},
         {.5, .1},
         {.68, .18},
         {.7, .36},
         {.5, .48},
         {.26, .64},
         {.3, .84},
         {.5, .9},
         {.7, .84},
         {.74, .64},
         {.5, .48}},
        {{.72, .32},
         {.58, .46},
         {.38, .44},
         {.28, .28},
         {.38, .12},
         {.58, .1},
         {.72, .26},
         {.7, .6},
         {.5, .9},
         lift,
         {.72, .26},
         {.72, .34}},
    };
    return strokes[digit];
}

/// Appends side x side pixels (0 to 255) of a digit drawn with the next random numbers.
inline void draw_digit(int digit, std::size_t side, nibble::Random& random,
                       std::vector<std::uint8_t>& pixels) {
    const auto spread = [&](double width) { return width * (2 * random.uniform() - 1); };
    const double turn = spread(0.3), lean = spread(0.3), wide = 1 + spread(0.22);
    const double tall = 1 + spread(0.15), right = spread(0.1), down = spread(0.09);
    const double thick = 0.055 + spread(0.02), soft = 0.7 / static_cast<double>(side);
    const double noise = 110 * random.uniform();
    std::vector<Point> points = strokes_of(digit);
    for (Point& p : points) {
        if (p.x < 0) continue;
        const double x = (p.x - 0.5 + spread(0.03)) * wide, y = (p.y - 0.5 + spread(0.03)) * tall;
        const double slanted = x - lean * y;
        p = {0.5 + right + slanted * std::cos(turn) - y * std::sin(turn),
             0.5 + down + slanted * std::sin(turn) + y * std::cos(turn)};
    }
    for (std::size_t row = 0; row < side; ++row)
        for (std::size_t column = 0; column < side; ++column) {
            const double x = (static_cast<double>(column) + 0.5) / static_cast<double>(side);
            const double y = (static_cast<double>(row) + 0.5) / static_cast<double>(side);
            double nearest = 1;
            for (std::size_t i = 1; i < points.size(); ++i) {
                const Point a = points[i - 1], b = points[i];
                if (a.x < 0 || b.x < 0) continue;
                const double dx = b.x - a.x, dy = b.y - a.y;
                const double along =
                    ((x - a.x) * dx + (y - a.y) * dy) / (dx * dx + dy * dy + 1e-12);
                const double t = std::clamp(along, 0.0, 1.0);
                nearest = std::min(nearest, std::hypot(x - a.x - t * dx, y - a.y - t * dy));
            }
            const double ink = std::clamp((thick + soft - nearest) / (2 * soft), 0.0, 1.0);
            const double shade = 255 * ink + spread(noise);
            pixels.push_back(static_cast<std::uint8_t>(std::clamp(shade, 0.0, 255.0)));
        }
}
