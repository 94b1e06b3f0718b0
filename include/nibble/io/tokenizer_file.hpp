// SPDX-License-Identifier: BSL-1.0
// read_tokenizer: a tokenizer from any of the files that models come with; find_tokenizer: which file that
// is.
//
//     folder           tokenizer.json in it, else the two files of GPT-2 under either of their names
//                      (encoder.json and vocab.bpe, vocab.json and merges.txt), else vocab.json alone:
//                      a list of characters
//     *.json           any of these files
//     "GGUF..."        the file's metadata
//     anything else    llama2.c's form (tokenizer.bin)
#pragma once

#include <nibble/io/gguf.hpp>
#include <nibble/io/tokenizer_bin.hpp>
#include <nibble/io/tokenizer_gguf.hpp>
#include <nibble/io/tokenizer_json.hpp>

#include <filesystem>
#include <optional>

namespace nibble::inline NIBBLE_ARCH {

/// The tokenizer of the file or folder at `path`. Fails, naming the file, for what is none.
[[nodiscard]] inline Tokenizer read_tokenizer(const std::string& path) {
    namespace fs = std::filesystem;
    const auto text_of = [](const MappedFile& file) {
        return std::string_view(reinterpret_cast<const char*>(file.bytes().data()),
                                file.bytes().size());
    };
    const auto there = [](const fs::path& p) {
        std::error_code ignored;
        return fs::is_regular_file(p, ignored);
    };
    std::error_code ignored;
    const bool folder = fs::is_directory(path, ignored);
    const fs::path home = folder ? fs::path(path) : fs::path(path).parent_path();
    if (folder && there(home / "tokenizer.json"))
        return read_tokenizer((home / "tokenizer.json").string());
    if (folder || fs::path(path).filename() == "encoder.json" ||
        fs::path(path).filename() == "vocab.json") {
        for (const auto& [names, merges] :
             {std::pair{"encoder.json", "vocab.bpe"}, {"vocab.json", "merges.txt"}})
            if ((folder || fs::path(path).filename() == names) && there(home / names) &&
                there(home / merges)) {
                const auto first = MappedFile::open((home / names).string());
                const auto second = MappedFile::open((home / merges).string());
                return tokenizer_from_bpe(text_of(first), text_of(second), first.path());
            }
        const fs::path names = folder ? home / "vocab.json" : fs::path(path);
        if (folder && !there(names))
            fail("\"" + path + "\": no tokenizer.json, vocab.json or encoder.json in this folder");
        const auto file = MappedFile::open(names.string());
        return tokenizer_from_characters(text_of(file), file.path());
    }
    const auto file = MappedFile::open(path);
    if (text_of(file).starts_with("GGUF"))
        return tokenizer_from_gguf(GgufFile::from_bytes(file.bytes(), path));
    if (fs::path(path).extension() == ".json") return tokenizer_from_json(text_of(file), path);
    return tokenizer_from_bin(file.bytes(), path);
}
/// The same for a model of so many tokens: fails when the tokenizer has more.
[[nodiscard]] inline Tokenizer read_tokenizer(const std::string& path, std::size_t vocabulary) {
    Tokenizer t = read_tokenizer(path);
    if (t.size() > vocabulary)
        fail("\"" + path + "\": a vocabulary of " + std::to_string(t.size()) +
             " tokens for a model of " + std::to_string(vocabulary));
    return t;
}

/// Where the tokenizer of a model of so many tokens lies: in its file (GGUF), else in its folder or
/// beside it under one of the names that such files have. Nothing where there is none.
[[nodiscard]] inline std::optional<std::string> find_tokenizer(const std::string& model,
                                                               std::size_t vocabulary) {
    namespace fs = std::filesystem;
    if (model.ends_with(".gguf")) return model;
    std::error_code ignored;
    const fs::path folder =
        fs::is_directory(model, ignored) ? fs::path(model) : fs::path(model).parent_path();
    // llama2.c names a vocabulary that is not Llama's by its size.
    for (const std::string& name :
         {std::string("tokenizer.json"), std::string("encoder.json"), std::string("vocab.json"),
          "tok" + std::to_string(vocabulary) + ".bin", std::string("tokenizer.bin")})
        if (fs::is_regular_file(folder / name, ignored)) return (folder / name).string();
    return {};
}

}  // namespace nibble
