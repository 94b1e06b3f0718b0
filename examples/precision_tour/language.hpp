// The character model: trained, judged and made to write at one precision. Each precision is a
// translation unit of its own (language_*.cpp), so that they compile side by side.
#pragma once

#include "console.hpp"
#include "corpus.hpp"

#include <nibble/store/tensor.hpp>
#include <nibble/value/float.hpp>

namespace tour {

/// What all precisions have in common.
struct Lesson {
    const Corpus& corpus;
    const Settings& settings;
    Progress& progress;
    int threads = 0;
    /// The matrices that every precision rounds once to measure its weight error: FP32's after its
    /// training, or the starting weights where FP32 is not part of the tour.
    std::vector<nibble::Tensor<float>> reference;
};

/// Sets the reference to the starting weights.
void use_starting_weights(Lesson& lesson);

LanguageResult learn_fp32(Lesson& lesson);  ///< also sets the reference to what it has learnt
LanguageResult learn_bf16(Lesson& lesson);
LanguageResult learn_fp16(Lesson& lesson);
LanguageResult learn_fp8(Lesson& lesson);
LanguageResult learn_int8(Lesson& lesson);
LanguageResult learn_int4(Lesson& lesson);
LanguageResult learn_mixed(Lesson& lesson);

}  // namespace tour
