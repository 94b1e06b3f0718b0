#include "language_run.hpp"

namespace tour {

LanguageResult learn_int8(Lesson& lesson) {
    return learn<nibble::PerRow<nibble::Int8Value>, nibble::Grouped<nibble::Int8Value, 256>>(
        lesson, {"int8", "INT8", "int8-row", "int8-g256", without_master});
}

}  // namespace tour
