#include "language_run.hpp"

namespace tour {

LanguageResult learn_fp16(Lesson& lesson) {
    return learn<nibble::half, nibble::bfloat16>(lesson,
                                                 {"fp16", "FP16", "fp16", "bf16", without_master});
}

}  // namespace tour
