// SPDX-License-Identifier: BSL-1.0
// A tokenizer into the metadata of a GGUF file: what tokenizer_gguf.hpp reads.
#pragma once

#include <nibble/io/gguf_writer.hpp>
#include <nibble/io/vocabulary.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// Bytes in the letters of a byte-level vocabulary: the inverse of ByteLetters::read.
[[nodiscard]] inline std::string in_byte_letters(std::string_view bytes) {
    std::string text;
    for (const char c : bytes) {
        const unsigned b = static_cast<unsigned char>(c);
        const bool itself =
            (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || (b >= 174 && b <= 255);
        // The others from U+0100 in increasing order: 0-32, 127-160, 173.
        const unsigned code = itself ? b : 0x100 + (b <= 32 ? b : b <= 160 ? b - 94 : 67);
        if (code < 0x80) {
            text += static_cast<char>(code);
        } else {
            text += static_cast<char>(0xC0 | code >> 6);
            text += static_cast<char>(0x80 | (code & 63));
        }
    }
    return text;
}

/// A text's spaces as U+2581.
[[nodiscard]] inline std::string without_spaces(std::string_view text) {
    std::string name;
    for (const char c : text) {
        if (c == ' ') name += "\xE2\x96\x81";
        else name += c;
    }
    return name;
}

/// Sets every key of the tokenizer. Fails for one that GGUF's two kinds cannot say: merges of code points,
/// or a way of cutting text without a name there.
inline void set_tokenizer(GgufWriter& file, const Vocabulary& v) {
    const bool scored = !v.scores.empty();
    if (scored == v.bytes || (v.bytes && v.cut != TextCut::gpt2 && v.cut != TextCut::llama3))
        fail(
            "write a GGUF file: its tokenizers merge by scores, or bytes cut as GPT-2 or Llama 3 "
            "do; this one does not");
    file.set("tokenizer.ggml.model", scored ? "llama" : "gpt2");
    file.set("tokenizer.ggml.pre", scored                     ? "default"
                                   : v.cut == TextCut::llama3 ? "llama-bpe"
                                                              : "gpt-2");
    std::vector<std::string> names;
    std::vector<std::int32_t> kinds;
    for (std::size_t i = 0; i < v.tokens.size(); ++i) {
        const std::string& token = v.tokens[i];
        const TokenKind kind = v.kinds[i];
        kinds.push_back(static_cast<std::int32_t>(kind));
        if (scored && kind == TokenKind::byte) {
            const unsigned b = static_cast<unsigned char>(token[0]);
            constexpr const char* digits = "0123456789ABCDEF";
            names.push_back(std::string("<0x") + digits[b >> 4] + digits[b & 15] + ">");
        } else if (kind == TokenKind::normal) {
            names.push_back(scored ? without_spaces(token) : in_byte_letters(token));
        } else {
            names.push_back(token);
        }
    }
    const auto set_texts = [&](const char* key, const std::vector<std::string>& texts) {
        const std::vector<std::string_view> views(texts.begin(), texts.end());
        file.set_array(key, std::span<const std::string_view>(views));
    };
    set_texts("tokenizer.ggml.tokens", names);
    file.set_array("tokenizer.ggml.token_type", std::span<const std::int32_t>(kinds));
    if (scored) {
        file.set_array("tokenizer.ggml.scores", std::span<const float>(v.scores));
        file.set("tokenizer.ggml.add_space_prefix", v.prefix == TextPrefix::space);
    } else {
        std::vector<std::string> merges;
        for (const auto& [left, right] : v.merges)
            merges.push_back(in_byte_letters(left) + " " + in_byte_letters(right));
        set_texts("tokenizer.ggml.merges", merges);
    }
    const auto set_id = [&](const char* key, std::int32_t id) {
        if (id >= 0) file.set(key, static_cast<std::uint32_t>(id));
    };
    set_id("tokenizer.ggml.bos_token_id", v.bos);
    set_id("tokenizer.ggml.eos_token_id", v.eos);
    set_id("tokenizer.ggml.unknown_token_id", v.unknown);
    file.set("tokenizer.ggml.add_bos_token", v.add_bos);
    file.set("tokenizer.ggml.add_eos_token", v.add_eos);
}

}  // namespace nibble
