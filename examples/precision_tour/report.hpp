// The two files a tour leaves behind.
#pragma once

#include "result.hpp"

namespace tour {

/// All figures as JSON (see docs/tour.md for the fields). Throws std::runtime_error naming the file
/// when it cannot be written.
void write_json(const Tour& tour, const std::string& file);

/// A page that needs nothing but itself: styles and SVG inline, no scripts, light and dark.
void write_html(const Tour& tour, const std::string& file);

}  // namespace tour
