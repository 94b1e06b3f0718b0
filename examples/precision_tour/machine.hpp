// What the tour ran on.
#pragma once

#include "result.hpp"

namespace tour {

/// Processor, instruction set of the kernels, compiler and system, as far as they can be found out.
[[nodiscard]] Machine describe_machine(int threads);

}  // namespace tour
