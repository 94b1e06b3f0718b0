// SPDX-License-Identifier: BSL-1.0
// tokenizer.json: from what it asks for to a Vocabulary.
//
//     model           BPE, with byte_fallback and ignore_merges
//     normalizer      none, or Prepend and Replace of U+2581
//     pre_tokenizer   none, ByteLevel, Metaspace, or Split by a known pattern and ByteLevel
//     post_processor  ByteLevel, TemplateProcessing: tokens before and after a text
//     added_tokens    special: control tokens; others: found in any text
#pragma once

#include <nibble/io/vocabulary_json.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// The members of a "Sequence", or the step itself; nothing for null.
[[nodiscard]] inline std::vector<Json> json_steps(const Json& object, const char* field,
                                                  const char* list, const std::string& where) {
    const auto found = object.find(field);
    if (found == object.end() || found->is_null()) return {};
    const std::string here = where + ": " + field;
    if (!found->is_object()) fail(here + " is no object");
    if (json_text(*found, "type", here) != "Sequence") return {*found};
    const Json& steps = json_member(*found, list, here);
    if (!steps.is_array()) fail(here + ": \"" + list + "\" is no list");
    std::vector<Json> all(steps.begin(), steps.end());
    for (const Json& step : all)
        if (!step.is_object()) fail(here + ": a step is no object");
    return all;
}

/// The pattern of a Split step as a rule; fails for one that is not known.
[[nodiscard]] inline TextCut cut_of_pattern(const Json& split, const std::string& where) {
    const Json& pattern = json_member(split, "pattern", where);
    const auto text =
        pattern.is_object() ? json_text(pattern, "Regex", where) : std::optional<std::string>{};
    if (text == R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)")
        return TextCut::gpt2;
    if (text ==
        R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)")
        return TextCut::llama3;
    fail(where + ": splits by the pattern " + pattern.dump().substr(0, 200) +
         ", expected GPT-2's or Llama 3's");
}

/// Takes over how a text is normalized and cut; true for a byte-level vocabulary.
inline bool take_rules(Vocabulary& v, const Json& file, const std::string& where) {
    bool bytes = false;
    for (const Json& step : json_steps(file, "normalizer", "normalizers", where)) {
        const std::string type = json_text(step, "type", where).value_or("");
        if (type == "Prepend" && json_text(step, "prepend", where) == "\xE2\x96\x81") {
            v.prefix = TextPrefix::space;
        } else if (type == "Replace" && json_text(step, "content", where) == "\xE2\x96\x81") {
            v.escaped_spaces = true;
        } else {
            fail(where + ": normalizer " + shown(type) + " is not known");
        }
    }
    for (const Json& step : json_steps(file, "pre_tokenizer", "pretokenizers", where)) {
        const std::string type = json_text(step, "type", where).value_or("");
        if (type == "ByteLevel") {
            bytes = true;
            if (json_flag(step, "use_regex", true, where)) v.cut = TextCut::gpt2;
            if (json_flag(step, "add_prefix_space", false, where))
                v.prefix = TextPrefix::space_unless_there;
        } else if (type == "Split") {
            v.cut = cut_of_pattern(step, where + ": pre_tokenizer");
        } else if (type == "Metaspace") {
            v.escaped_spaces = true;
            const std::string scheme = json_text(step, "prepend_scheme", where).value_or("always");
            if (scheme != "never" && json_flag(step, "add_prefix_space", true, where))
                v.prefix = TextPrefix::space;
        } else {
            fail(where + ": pre_tokenizer " + shown(type) + " is not known");
        }
    }
    if (bytes && v.escaped_spaces)
        fail(where + ": a vocabulary of bytes whose spaces are escaped is not known");
    return bytes;
}

/// Tokens that the post-processor puts around a text.
inline void take_ends(Vocabulary& v, const Json& file, const std::string& where) {
    for (const Json& step : json_steps(file, "post_processor", "processors", where)) {
        if (json_text(step, "type", where) != "TemplateProcessing") continue;
        const Json& single = json_member(step, "single", where);
        bool before = true;
        if (!single.is_array()) fail(where + ": \"single\" is no list");
        for (const Json& item : single) {
            if (item.is_object() && item.contains("Sequence")) before = false;
            const auto token = item.is_object() ? item.find("SpecialToken") : item.end();
            if (!item.is_object() || token == item.end()) continue;
            const std::int32_t id =
                id_of_name(v, json_text(*token, "id", where).value_or(""), where);
            (before ? v.bos : v.eos) = id;
            (before ? v.add_bos : v.add_eos) = true;
        }
    }
}

/// Adds the tokens of "added_tokens", after the vocabulary's own names are text.
inline void take_added(Vocabulary& v, const Json& file, const std::string& where) {
    const auto added = file.find("added_tokens");
    if (added == file.end() || added->is_null()) return;
    if (!added->is_array()) fail(where + ": \"added_tokens\" is no list");
    const std::size_t limit = std::min(2 * (v.tokens.size() + added->size()) + 1024, most_tokens);
    for (const Json& token : *added) {
        if (!token.is_object()) fail(where + ": an added token is no object");
        const auto i = static_cast<std::size_t>(json_integer(token, "id", 0, limit - 1, where));
        const std::string name = json_text(token, "content", where).value_or("");
        if (i >= v.tokens.size()) {
            v.tokens.resize(i + 1);
            v.kinds.resize(i + 1, TokenKind::unused);
        }
        v.tokens[i] = name;
        v.kinds[i] = json_flag(token, "special", false, where) ? TokenKind::control
                                                               : TokenKind::user_defined;
        v.whole.push_back({static_cast<std::int32_t>(i), json_flag(token, "lstrip", false, where),
                           json_flag(token, "rstrip", false, where)});
    }
}

/// A tokenizer from the text of a tokenizer.json. Fails for what is not one or asks for what is not
/// known, naming it.
[[nodiscard]] inline Tokenizer tokenizer_from_json(std::string_view text,
                                                   const std::string& where) {
    const Json file = parse_json(text, where);
    const Json& model = json_member(file, "model", where);
    if (!model.is_object()) fail(where + ": \"model\" is no object");
    if (const auto type = json_text(model, "type", where); type.value_or("BPE") != "BPE")
        fail(where + ": a tokenizer of type " + shown(*type) + ", only \"BPE\" is known");
    for (const char* field : {"continuing_subword_prefix", "end_of_word_suffix"})
        if (!json_text(model, field, where).value_or("").empty())
            fail(where + ": \"" + field + "\" is set, which is not known");
    Vocabulary v;
    take_names(v, json_member(model, "vocab", where), where);
    const Json& merges = json_member(model, "merges", where);
    if (!merges.is_array()) fail(where + ": \"merges\" is no list");
    for (const Json& merge : merges) {
        const std::size_t rank = v.merges.size();
        if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string())
            v.merges.emplace_back(merge[0].get<std::string>(), merge[1].get<std::string>());
        else if (merge.is_string())
            v.merges.push_back(split_merge(merge.get<std::string>(), rank, where));
        else fail(where + ": merge " + std::to_string(rank) + " is no pair of tokens");
    }
    v.ignore_merges = json_flag(model, "ignore_merges", false, where);
    const auto unknown = json_text(model, "unk_token", where);
    const bool bytes = take_rules(v, file, where);
    // Added tokens are plain text also where they are in the vocabulary.
    take_added(v, file, where);
    if (bytes) from_byte_letters(v, where);
    else if (v.escaped_spaces)
        from_escaped_spaces(v, json_flag(model, "byte_fallback", false, where));
    if (unknown && !unknown->empty()) {
        v.unknown = id_of_name(v, *unknown, where);
        if (auto& kind = v.kinds[static_cast<std::size_t>(v.unknown)]; kind == TokenKind::normal)
            kind = TokenKind::unknown;
    }
    take_ends(v, file, where);
    return Tokenizer(std::move(v), where);
}

}  // namespace nibble
