#include "language_run.hpp"

namespace tour {

using Weights = nibble::PerRow<nibble::fp8_e4m3>;
using Moments = nibble::Grouped<nibble::Int8Value, 256>;

const Course fp8_course{.name = "fp8",
                        .label = "FP8",
                        .storage = "fp8_e4m3-row",
                        .moments = "int8-g256",
                        .update = without_master,
                        .learn = learn<Weights, Moments>,
                        .round = weight_error<Weights>};

}  // namespace tour
