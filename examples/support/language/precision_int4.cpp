#include "load.hpp"

std::unique_ptr<examples::LanguageModel> examples::load_int4(nibble::Host& on,
                                                             const nibble::ModelFile& file) {
    return load_in<nibble::Grouped<nibble::Int4Value, 32>>(on, file);
}
