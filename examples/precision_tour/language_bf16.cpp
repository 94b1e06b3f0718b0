#include "language_run.hpp"

namespace tour {

LanguageResult learn_bf16(Lesson& lesson) {
    return learn<nibble::bfloat16, nibble::bfloat16>(
        lesson, {"bf16", "BF16", "bf16", "bf16", without_master});
}

}  // namespace tour
