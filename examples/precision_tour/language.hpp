// The character model: trained, judged and made to write at one precision. Each precision is a
// translation unit of its own (language_*.cpp), so that they compile side by side.
#pragma once

#include "console.hpp"
#include "corpus.hpp"

#include <nibble/store/tensor.hpp>
#include <nibble/value/float.hpp>

#include <vector>

namespace tour {

/// What all precisions have in common.
struct Lesson {
    const Corpus& corpus;
    const Settings& settings;
    Progress& progress;
};

/// The matrices of a network, in the order of its parameters.
using Matrices = std::vector<nibble::Tensor<float>>;

/// One precision: what it is called, and the code that was compiled for it.
struct Course {
    const char* name;  ///< LanguageResult's, as is what follows
    const char* label;
    const char* storage;
    const char* moments;
    const char* update;
    /// Trains a network on the calling thread, telling `row` of the progress.
    LanguageResult (*learn)(const Course&, const Lesson&, std::size_t row);
    /// What rounding matrices once to this precision does to them.
    WeightError (*round)(const Lesson&, const Matrices&);
};

/// All of them, in the order of all_precisions.
extern const Course fp32_course, bf16_course, fp16_course, fp8_course, int8_course, int4_course,
    mixed_course;
inline constexpr const Course* all_courses[] = {&fp32_course, &bf16_course, &fp16_course,
                                                &fp8_course,  &int8_course, &int4_course,
                                                &mixed_course};

/// The starting weights, which are the same for all.
[[nodiscard]] Matrices starting_weights(const Lesson& lesson);
/// What fp32_course learnt last; empty before.
[[nodiscard]] const Matrices& learnt_weights();

}  // namespace tour
