#include "load.hpp"

std::unique_ptr<examples::LanguageModel> examples::load_bf16(nibble::Host& on,
                                                             const nibble::ModelFile& file) {
    return load_in<nibble::bfloat16>(on, file);
}
