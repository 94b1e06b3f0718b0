#include "language_run.hpp"

namespace tour {

using Weights = nibble::half;
using Moments = nibble::bfloat16;

const Course fp16_course{.name = "fp16",
                         .label = "FP16",
                         .storage = "fp16",
                         .moments = "bf16",
                         .update = without_master,
                         .learn = learn<Weights, Moments>,
                         .round = weight_error<Weights>};

}  // namespace tour
