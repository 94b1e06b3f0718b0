// The command line of the tour.
#pragma once

#include "result.hpp"

#include <optional>
#include <vector>

namespace tour {

/// Precisions that the tour is built for, in the order they run.
inline constexpr const char* all_precisions[] = {"fp32", "bf16", "fp16", "fp8",
                                                 "int8", "int4", "mixed"};

struct Options {
    std::string text;  ///< empty: the library's own headers and documentation
    std::string json;  ///< empty: none
    std::string html = "nibble-demo.html";
    std::vector<std::string> precisions;  ///< names from all_precisions, in its order
    std::uint64_t seed = 1337;
    std::size_t steps = 0;  ///< 0: as many as the time allows
    int threads = 0;        ///< 0: all
    bool quick = false;
};

/// Reads the command line. Without a value, `status` is the exit code: 0 after --help, 2 after bad
/// options, whose message is printed to standard error.
[[nodiscard]] std::optional<Options> read_options(int argc, char** argv, int& status);

}  // namespace tour
