#include "load.hpp"

std::unique_ptr<examples::LanguageModel> examples::load_fp32(nibble::Host& on,
                                                             const nibble::ModelFile& file) {
    return load_in<float>(on, file);
}
