#include "language_run.hpp"

namespace tour {

using Weights = nibble::Grouped<nibble::Int4Value, 32>;
using Moments = nibble::Grouped<nibble::Int8Value, 256>;

const Course int4_course{.name = "int4",
                         .label = "INT4",
                         .storage = "int4-g32",
                         .moments = "int8-g256",
                         .update = without_master_smoothed,
                         .learn = learn<Weights, Moments>,
                         .round = weight_error<Weights>};

}  // namespace tour
