#include "language_run.hpp"

namespace tour {

using Weights = nibble::bfloat16;
using Moments = nibble::bfloat16;

const Course bf16_course{.name = "bf16",
                         .label = "BF16",
                         .storage = "bf16",
                         .moments = "bf16",
                         .update = without_master,
                         .learn = learn<Weights, Moments>,
                         .round = weight_error<Weights>};

}  // namespace tour
