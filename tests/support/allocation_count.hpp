// How many requests for memory there were, in a program of which one file includes allocations.hpp.
#pragma once

#include <atomic>
#include <cstddef>

namespace support {

inline std::atomic<std::size_t> counted{0};

/// Requests to the system so far.
[[nodiscard]] inline std::size_t allocations() { return counted.load(); }

}  // namespace support
