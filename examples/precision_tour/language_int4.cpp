#include "language_run.hpp"

namespace tour {

LanguageResult learn_int4(Lesson& lesson) {
    return learn<nibble::Grouped<nibble::Int4Value, 32>, nibble::Grouped<nibble::Int8Value, 256>>(
        lesson, {"int4", "INT4", "int4-g32", "int8-g256", without_master});
}

}  // namespace tour
