// How many requests for memory there were, in a program of which one file includes allocations.hpp.
#pragma once

#include <atomic>
#include <cstddef>

namespace support {

inline std::atomic<std::size_t> counted{0}, counted_bytes{0};
/// The request that is refused, counted as allocations() counts; 0: none. Not under sanitizers.
inline std::atomic<std::size_t> refused{0};

/// Requests to the system so far.
[[nodiscard]] inline std::size_t allocations() { return counted.load(); }
/// The bytes of them all, also of those given back.
[[nodiscard]] inline std::size_t allocated_bytes() { return counted_bytes.load(); }

}  // namespace support
