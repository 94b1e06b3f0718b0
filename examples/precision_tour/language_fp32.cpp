#include "language_run.hpp"

namespace tour {

namespace {

void use_as_reference(Lesson& lesson, const nibble::Gpt2<float>& net) {
    lesson.reference.clear();
    nibble::for_each_parameter(
        [&](const std::string&, const auto& parameter) {
            if constexpr (nibble::is_matrix<std::remove_cvref_t<decltype(parameter)>>)
                lesson.reference.push_back(parameter.codes());
        },
        net);
}

}  // namespace

void use_starting_weights(Lesson& lesson) {
    use_as_reference(lesson,
                     nibble::Gpt2<float>(config_of(lesson), nibble::Seed{lesson.settings.seed}));
}

LanguageResult learn_fp32(Lesson& lesson) {
    nibble::Gpt2<float> net;
    LanguageResult result = learn<float, float>(
        lesson, {"fp32", "FP32", "fp32", "fp32", "plain float, nothing is rounded"}, net);
    use_as_reference(lesson, net);
    nibble::Host on(lesson.threads);
    result.error = weight_error(on, net, lesson);
    return result;
}

}  // namespace tour
