// SPDX-License-Identifier: BSL-1.0
// The tokenizer in the metadata of a GGUF file: "llama" (SentencePiece's merges by score) or "gpt2"
// (byte-level merges by rank, cut as tokenizer.ggml.pre says).
#pragma once

#include <nibble/io/gguf_metadata.hpp>
#include <nibble/io/tokenizer.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// The id of a special token: `fallback` where the file has none; fails for one beyond the vocabulary.
[[nodiscard]] inline std::int32_t special_id(const GgufMetadata& file, const char* which,
                                             std::size_t tokens, std::int32_t fallback) {
    const std::string key = std::string("tokenizer.ggml.") + which + "_token_id";
    if (file.value(key) == nullptr)
        return static_cast<std::size_t>(fallback + 1) <= tokens ? fallback : -1;
    return static_cast<std::int32_t>(file.integer(key, 0, tokens - 1));
}

/// Byte-level merges and how text is cut for them.
inline void take_byte_level(Vocabulary& v, const GgufMetadata& file) {
    const std::string_view pre = file.text("tokenizer.ggml.pre", "gpt-2");
    if (pre == "gpt-2" || pre == "gpt2") {
        v.cut = TextCut::gpt2;
    } else if (pre == "llama3" || pre == "llama-v3" || pre == "llama-bpe") {
        v.cut = TextCut::llama3;
        v.ignore_merges = true;
    } else {
        fail(file.name() + ": cuts text by the rule \"tokenizer.ggml.pre\" " + shown(pre) +
             ", expected \"gpt-2\" or \"llama-bpe\"");
    }
    for (const std::string_view merge : file.strings("tokenizer.ggml.merges"))
        v.merges.push_back(split_merge(merge, v.merges.size(), file.name()));
    from_byte_letters(v, file.name());
}

/// The tokenizer of a GGUF file. Fails for a kind that is not known, naming it, and for metadata that
/// does not fit together.
[[nodiscard]] inline Tokenizer tokenizer_from_gguf(const GgufMetadata& file) {
    const std::string& where = file.name();
    const std::string_view model = file.text("tokenizer.ggml.model");
    if (model != "llama" && model != "gpt2")
        fail(where + ": a tokenizer of kind " + shown(model) + ", expected \"llama\" or \"gpt2\"");
    const bool scored = model == "llama";
    Vocabulary v;
    for (const std::string_view name : file.strings("tokenizer.ggml.tokens"))
        v.tokens.emplace_back(name);
    const std::size_t n = v.tokens.size();
    if (n == 0) fail(where + ": a tokenizer without tokens");
    v.kinds.assign(n, TokenKind::normal);
    if (file.value("tokenizer.ggml.token_type") != nullptr) {
        const auto kinds = file.array<std::int32_t>("tokenizer.ggml.token_type");
        if (kinds.size() != n)
            fail(where + ": " + std::to_string(kinds.size()) + " token types for " +
                 std::to_string(n) + " tokens");
        for (std::size_t i = 0; i < n; ++i) {
            if (kinds[i] < 1 || kinds[i] > 6)
                fail(where + ": token " + std::to_string(i) + " has type " +
                     std::to_string(kinds[i]) + ", expected 1 to 6");
            v.kinds[i] = static_cast<TokenKind>(kinds[i]);
            if (v.kinds[i] == TokenKind::byte && byte_of_name(v.tokens[i]) < 0)
                fail(where + ": token " + std::to_string(i) + " is a byte, but its name is " +
                     shown(v.tokens[i]) + ", expected \"<0xHH>\"");
        }
    }
    v.bos = special_id(file, "bos", n, scored ? 1 : -1);
    v.eos = special_id(file, "eos", n, scored ? 2 : -1);
    v.unknown = special_id(file, "unknown", n, scored ? 0 : -1);
    if (scored) {
        v.scores = file.array<float>("tokenizer.ggml.scores");
        from_escaped_spaces(v, true);
        if (file.boolean("tokenizer.ggml.add_space_prefix", true)) v.prefix = TextPrefix::space;
    } else {
        take_byte_level(v, file);
    }
    const bool begins = scored || v.cut == TextCut::llama3;
    v.add_bos = file.boolean("tokenizer.ggml.add_bos_token", begins && v.bos >= 0);
    v.add_eos = file.boolean("tokenizer.ggml.add_eos_token", false);
    return Tokenizer(std::move(v), where);
}

}  // namespace nibble
