#include "language_run.hpp"

namespace tour {

using Weights = nibble::PerRow<nibble::Int8Value>;
using Moments = nibble::Grouped<nibble::Int8Value, 256>;

const Course int8_course{.name = "int8",
                         .label = "INT8",
                         .storage = "int8-row",
                         .moments = "int8-g256",
                         .update = without_master,
                         .learn = learn<Weights, Moments>,
                         .round = weight_error<Weights>};

}  // namespace tour
