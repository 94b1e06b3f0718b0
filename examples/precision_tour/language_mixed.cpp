#include "language_run.hpp"

namespace tour {

LanguageResult learn_mixed(Lesson& lesson) {
    return learn<nibble::PerComponent<nibble::half, nibble::Grouped<nibble::Int4Value, 32>>,
                 nibble::Grouped<nibble::Int8Value, 256>>(
        lesson, {"mixed", "mixed", "attention fp16, MLP int4-g32", "int8-g256", without_master});
}

}  // namespace tour
