#include "load.hpp"

#include <nibble/io/tokenizer_file.hpp>
#include <nibble/model/kv_format.hpp>

#include <filesystem>

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
    namespace fs = std::filesystem;
    const auto checked = [&](const std::string& at) {
        auto t = nibble::read_tokenizer(at);
        if (t.size() > vocabulary)
            nibble::fail("\"" + at + "\": a vocabulary of " + std::to_string(t.size()) +
                         " tokens for a model of " + std::to_string(vocabulary));
        return t;
    };
    if (!path.empty()) return checked(path);
    if (model_path.ends_with(".gguf")) return checked(model_path);
    std::error_code ignored;
    const fs::path folder = fs::is_directory(model_path, ignored)
                                ? fs::path(model_path)
                                : fs::path(model_path).parent_path();
    // llama2.c names its vocabularies by their size.
    for (const std::string& name :
         {std::string("tokenizer.json"), std::string("encoder.json"), std::string("vocab.json"),
          std::string("tokenizer.bin"), "tok" + std::to_string(vocabulary) + ".bin"})
        if (fs::exists(folder / name, ignored)) return checked((folder / name).string());
    nibble::fail("\"" + model_path + "\": no tokenizer in or beside it, name one with --tokenizer");
}

}  // namespace examples
