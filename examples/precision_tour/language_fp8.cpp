#include "language_run.hpp"

namespace tour {

LanguageResult learn_fp8(Lesson& lesson) {
    return learn<nibble::PerRow<nibble::fp8_e4m3>, nibble::Grouped<nibble::Int8Value, 256>>(
        lesson, {"fp8", "FP8", "fp8_e4m3-row", "int8-g256", without_master});
}

}  // namespace tour
