// SPDX-License-Identifier: BSL-1.0
// Tokenizers from JSON: tokenizer.json of the Hugging Face libraries (BPE with a ByteLevel or Metaspace
// rule), GPT-2's encoder.json with vocab.bpe, and a plain list of characters. What such a file may ask
// for beyond that is refused by name.
#pragma once

#include <nibble/io/json.hpp>
#include <nibble/io/tokenizer.hpp>

#include <optional>

namespace nibble::inline NIBBLE_ARCH {

/// A string member, or nothing where it is missing or null; fails for any other value.
[[nodiscard]] inline std::optional<std::string> json_text(const Json& object, const char* field,
                                                          const std::string& where) {
    const auto found = object.find(field);
    if (found == object.end() || found->is_null()) return std::nullopt;
    if (!found->is_string())
        fail(where + ": \"" + field + "\" is " + found->dump().substr(0, 80) +
             ", expected a string");
    return found->get<std::string>();
}
/// A member that is true or false; `otherwise` where it is missing or null.
[[nodiscard]] inline bool json_flag(const Json& object, const char* field, bool otherwise,
                                    const std::string& where) {
    const auto found = object.find(field);
    if (found == object.end() || found->is_null()) return otherwise;
    if (!found->is_boolean())
        fail(where + ": \"" + field + "\" is " + found->dump().substr(0, 80) +
             ", expected true or false");
    return found->get<bool>();
}

/// Puts the names of a JSON object {name: id} where their ids say; ids without a name become unused.
inline void take_names(Vocabulary& v, const Json& names, const std::string& where) {
    if (!names.is_object()) fail(where + ": the vocabulary is no object of names and ids");
    const std::size_t limit = std::min(2 * names.size() + 1024, most_tokens);
    for (const auto& [name, id] : names.items()) {
        if (!id.is_number_unsigned() || id.get<std::uint64_t>() >= limit)
            fail(where + ": the id of " + shown(name) + " is " + id.dump().substr(0, 80) +
                 ", expected a whole number below " + std::to_string(limit));
        const auto i = id.get<std::size_t>();
        if (i >= v.tokens.size()) {
            v.tokens.resize(i + 1);
            v.kinds.resize(i + 1, TokenKind::unused);
        }
        if (v.kinds[i] != TokenKind::unused)
            fail(where + ": id " + std::to_string(i) + " is both " + shown(v.tokens[i]) + " and " +
                 shown(name));
        v.tokens[i] = name;
        v.kinds[i] = TokenKind::normal;
    }
}

/// The id of a token by its name in the file; fails when there is none.
[[nodiscard]] inline std::int32_t id_of_name(const Vocabulary& v, const std::string& name,
                                             const std::string& where) {
    for (std::size_t i = 0; i < v.tokens.size(); ++i)
        if (v.tokens[i] == name && v.kinds[i] != TokenKind::unused)
            return static_cast<std::int32_t>(i);
    fail(where + ": no token " + shown(name));
}

/// GPT-2's two files: encoder.json {name: id}, and the lines of vocab.bpe, best merge first. The token
/// "<|endoftext|>" ends a text where there is one.
[[nodiscard]] inline Tokenizer tokenizer_from_bpe(std::string_view encoder, std::string_view merges,
                                                  const std::string& where) {
    Vocabulary v;
    take_names(v, parse_json(encoder, where), where);
    for (std::size_t at = 0; at < merges.size();) {
        const std::size_t end = std::min(merges.find('\n', at), merges.size());
        std::string_view line = merges.substr(at, end - at);
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (!line.empty() && !(at == 0 && line.starts_with("#version")))
            v.merges.push_back(split_merge(line, v.merges.size(), where));
        at = end + 1;
    }
    for (std::size_t i = 0; i < v.tokens.size(); ++i)
        if (v.tokens[i] == "<|endoftext|>") {
            v.kinds[i] = TokenKind::control;
            v.bos = v.eos = static_cast<std::int32_t>(i);
        }
    from_byte_letters(v, where);
    v.cut = TextCut::gpt2;
    return Tokenizer(std::move(v), where);
}

/// A vocabulary of characters {character: id}: each is a token, and nothing merges.
[[nodiscard]] inline Tokenizer tokenizer_from_characters(std::string_view names,
                                                         const std::string& where) {
    Vocabulary v;
    take_names(v, parse_json(names, where), where);
    for (const std::string& name : v.tokens)
        if (!name.empty() && code_point(name, 0).size != name.size())
            fail(where + ": " + shown(name) + " is no single character, and there are no merges");
    return Tokenizer(std::move(v), where);
}

}  // namespace nibble
