#include "language_run.hpp"

namespace tour {

namespace {

Matrices matrices_of(const nibble::Gpt2<float>& net) {
    Matrices out;
    nibble::for_each_parameter(
        [&](const std::string&, const auto& parameter) {
            if constexpr (nibble::is_matrix<std::remove_cvref_t<decltype(parameter)>>)
                out.push_back(parameter.codes());
        },
        net);
    return out;
}

Matrices learnt;

LanguageResult learn_and_keep(const Course& course, const Lesson& lesson, std::size_t row) {
    return learn<float, float>(course, lesson, row,
                               [](const auto& net) { learnt = matrices_of(net); });
}

}  // namespace

Matrices starting_weights(const Lesson& lesson) {
    return matrices_of(nibble::Gpt2<float>(config_of(lesson), nibble::Seed{lesson.settings.seed}));
}

const Matrices& learnt_weights() { return learnt; }

const Course fp32_course{.name = "fp32",
                         .label = "FP32",
                         .storage = "fp32",
                         .moments = "fp32",
                         .update = "plain float, nothing is rounded",
                         .learn = learn_and_keep,
                         .round = weight_error<float>};

}  // namespace tour
