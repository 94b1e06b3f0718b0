// What a target has to offer to the programs of this folder: a way to print, to stop, to count.
#pragma once

#include <cstdint>

namespace target {

/// Prints a string that ends with a zero.
void put(const char* text);
/// Ends the program; 0 is success.
[[noreturn]] void stop(int code);
/// Instructions so far, up to a few dozen; 0 where they are not counted. Wraps.
std::uint32_t instructions();

}  // namespace target
