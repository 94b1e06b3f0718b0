#include "load.hpp"

#include <nibble/io/tokenizer_file.hpp>
#include <nibble/model/kv_format.hpp>

namespace examples {

std::unique_ptr<LanguageModel> load_language_model(nibble::Host& on, const std::string& path,
                                                   const std::string& precision) {
    const auto file = nibble::ModelFile::open(path);
    if (precision == "fp32") return load_fp32(on, file);
    if (precision == "bf16") return load_bf16(on, file);
    if (precision == "int8") return load_int8(on, file);
    if (precision == "int4") return load_int4(on, file);
    nibble::fail("precision \"" + precision + "\", expected fp32, bf16, int8 or int4");
}

nibble::KvSequence<> make_sequence(const std::string& format, const nibble::KvSequenceConfig& c) {
    const auto known = nibble::kv_format_named(format);
    if (!known)
        nibble::fail("keys and values as \"" + format +
                     "\", expected fp32, fp16, bf16, fp8, int8 or int4");
    return nibble::make_kv_sequence(*known, c);
}

nibble::Tokenizer tokenizer_for(const std::string& path, const std::string& model_path,
                                std::size_t vocabulary) {
    if (!path.empty()) return nibble::read_tokenizer(path, vocabulary);
    if (const auto found = nibble::find_tokenizer(model_path, vocabulary))
        return nibble::read_tokenizer(*found, vocabulary);
    nibble::fail("\"" + model_path + "\": no tokenizer in or beside it, name one with --tokenizer");
}

}  // namespace examples
