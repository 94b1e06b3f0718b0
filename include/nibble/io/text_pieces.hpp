// SPDX-License-Identifier: BSL-1.0
// How tokenizers cut text into pieces that no merge crosses: the patterns of GPT-2 and Llama 3 written
// out by hand, in linear time. L is a letter, N a number, S white space of Unicode.
//
//     gpt2     's|'t|'re|'ve|'m|'ll|'d| ?L+| ?N+| ?[^SLN]+|S+(?!\S)|S+
//     llama3   (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\nLN]?L+|N{1,3}| ?[^SLN]+[\r\n]*|S*[\r\n]+|S+(?!\S)|S+
//     words    what SentencePiece vocabularies allow: a run of spaces and the run of others after it
//
// Bytes that are not UTF-8 count as [^SLN], as many at a time as code_point says.
#pragma once

#include <nibble/io/unicode.hpp>

#include <algorithm>

namespace nibble::inline NIBBLE_ARCH {

/// The rule by which text is cut.
enum class TextCut : unsigned char { none, words, gpt2, llama3 };

/// Reads code points of a text with their classes.
class TextScan {
public:
    explicit TextScan(std::string_view text) : text_(text) {}

    /// Class and size of what is at `at` < size().
    struct Item {
        CharClass kind;
        std::size_t size;
        char32_t code;
    };
    [[nodiscard]] Item operator[](std::size_t at) const noexcept {
        const auto byte = static_cast<unsigned char>(text_[at]);
        if (byte < 0x80) return {class_of(byte), 1, byte};
        const CodePoint c = code_point(text_, at);
        return {c.valid ? wide_class(c.code) : CharClass::other, c.size, c.valid ? c.code : 0xFFFD};
    }
    [[nodiscard]] std::size_t size() const noexcept { return text_.size(); }
    /// Where a run of `kind` that starts at `at` ends, after at most `most` of them.
    [[nodiscard]] std::size_t run(std::size_t at, CharClass kind,
                                  std::size_t most = ~std::size_t{0}) const noexcept {
        for (; at < text_.size() && most != 0; --most) {
            const Item item = (*this)[at];
            if (item.kind != kind) break;
            at += item.size;
        }
        return at;
    }
    /// Where an English contraction that starts at `at` ends; `at` when there is none.
    [[nodiscard]] std::size_t contraction(std::size_t at, bool any_case) const noexcept {
        if (text_[at] != '\'') return at;
        const auto letter = [&](std::size_t i) {
            const char c = at + i < text_.size() ? text_[at + i] : '\0';
            return any_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
        };
        const char a = letter(1), b = letter(2);
        if (a == 's' || a == 't' || a == 'm' || a == 'd') return at + 2;
        if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l'))
            return at + 3;
        return at;
    }
    /// Where white space that starts at `at` is cut: all of it at the end of the text or when it is one
    /// character, all but the last character otherwise. `lines`: after its last line break.
    [[nodiscard]] std::size_t space(std::size_t at, bool lines) const noexcept {
        std::size_t last = at, end = at, broken = at;
        while (end < text_.size()) {
            const Item item = (*this)[end];
            if (item.kind != CharClass::space) break;
            last = end;
            end += item.size;
            if (item.code == '\r' || item.code == '\n') broken = end;
        }
        if (lines && broken != at) return broken;
        return end == text_.size() || last == at ? end : last;
    }

private:
    std::string_view text_;
};

/// The end of gpt2's piece that starts at `at`.
[[nodiscard]] inline std::size_t gpt2_piece(const TextScan& text, std::size_t at) noexcept {
    if (const std::size_t end = text.contraction(at, false); end != at) return end;
    TextScan::Item item = text[at];
    std::size_t first = at;
    if (item.code == ' ' && at + 1 < text.size()) item = text[first = at + 1];
    if (item.kind != CharClass::space) return text.run(first + item.size, item.kind);
    return text.space(at, false);
}

/// The end of llama3's piece that starts at `at`.
[[nodiscard]] inline std::size_t llama3_piece(std::string_view bytes, const TextScan& text,
                                              std::size_t at) noexcept {
    if (const std::size_t end = text.contraction(at, true); end != at) return end;
    const TextScan::Item item = text[at];
    if (item.kind == CharClass::letter) return text.run(at, CharClass::letter);
    if (item.kind == CharClass::number) return text.run(at, CharClass::number, 3);
    const std::size_t next = at + item.size;
    const bool breaks = item.code == '\r' || item.code == '\n';
    if (!breaks && next < text.size() && text[next].kind == CharClass::letter)
        return text.run(next, CharClass::letter);
    const std::size_t first = item.code == ' ' ? next : at;
    if (first < text.size() && text[first].kind == CharClass::other) {
        std::size_t end = text.run(first, CharClass::other);
        while (end < text.size() && (bytes[end] == '\r' || bytes[end] == '\n')) ++end;
        return end;
    }
    return text.space(at, true);
}

/// The end of the piece of `text` that starts at `at` < text.size().
[[nodiscard]] inline std::size_t piece_end(std::string_view text, std::size_t at,
                                           TextCut cut) noexcept {
    switch (cut) {
        case TextCut::gpt2: return gpt2_piece(TextScan(text), at);
        case TextCut::llama3: return llama3_piece(text, TextScan(text), at);
        case TextCut::words: {
            const std::size_t word = text.find_first_not_of(' ', at);
            return word == text.npos ? text.size() : std::min(text.find(' ', word), text.size());
        }
        default: return text.size();
    }
}

}  // namespace nibble
