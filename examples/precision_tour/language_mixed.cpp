#include "language_run.hpp"

namespace tour {

using Weights = nibble::PerComponent<nibble::half, nibble::Grouped<nibble::Int4Value, 32>>;
using Moments = nibble::Grouped<nibble::Int8Value, 256>;

const Course mixed_course{.name = "mixed",
                          .label = "mixed",
                          .storage = "attention fp16, MLP int4-g32",
                          .moments = "int8-g256",
                          .update = without_master_smoothed,
                          .learn = learn<Weights, Moments>,
                          .round = weight_error<Weights>};

}  // namespace tour
