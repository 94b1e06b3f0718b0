#include "load.hpp"

std::unique_ptr<examples::LanguageModel> examples::load_int8(nibble::Host& on,
                                                             const nibble::ModelFile& file) {
    return load_in<nibble::Grouped<nibble::Int8Value, 32>>(on, file);
}
