// SPDX-License-Identifier: BSL-1.0
// Vocabulary: what a file says of a tokenizer, in one form for all files. Readers (tokenizer_json.hpp,
// tokenizer_bin.hpp, tokenizer_gguf.hpp) fill one; Tokenizer checks it and works with it.
#pragma once

#include <nibble/io/text_pieces.hpp>
#include <nibble/store/error.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace nibble::inline NIBBLE_ARCH {

/// What a token is, by GGUF's numbers.
enum class TokenKind : std::uint8_t {
    normal = 1,
    unknown,       ///< stands for what has no token
    control,       ///< no text: begin, end, roles of a chat
    user_defined,  ///< text that is always one token
    unused,
    byte  ///< one byte of what has no token
};

/// What is put before a text.
enum class TextPrefix : std::uint8_t { none, space, space_unless_there };

/// A token that is looked for in a text before it is cut.
struct WholeToken {
    std::int32_t id = 0;
    bool left = false;   ///< white space before it goes with it
    bool right = false;  ///< and behind it
};

/// A vocabulary and the rules that go with it. Ids are positions in `tokens`; -1 is none.
struct Vocabulary {
    std::vector<std::string> tokens;  ///< the bytes of a text that an id stands for, or its name
    std::vector<TokenKind> kinds;     ///< as many
    /// As many, or none. With scores, the adjacent pair whose concatenation is the token of highest
    /// score merges first (SentencePiece); else the pair that comes first in `merges`.
    std::vector<float> scores;
    std::vector<std::pair<std::string, std::string>> merges;
    bool bytes = false;           ///< merges start from bytes, not from code points
    bool ignore_merges = false;   ///< a piece that is a token is that token
    bool escaped_spaces = false;  ///< U+2581 in a text is a space too
    TextCut cut = TextCut::none;
    TextPrefix prefix = TextPrefix::none;
    std::int32_t bos = -1, eos = -1, unknown = -1;
    bool add_bos = false, add_eos = false;
    std::vector<WholeToken> whole;  ///< besides control and user-defined tokens, which need none
};

/// The most tokens that are read.
inline constexpr std::size_t most_tokens = std::size_t{1} << 24;

/// The byte that a name "<0xHH>" stands for, two hexadecimal digits and nothing else; -1 for any other.
[[nodiscard]] inline int byte_of_name(std::string_view name) noexcept {
    if (name.size() != 6 || !name.starts_with("<0x") || name.back() != '>') return -1;
    int value = 0;
    for (const char c : name.substr(3, 2)) {
        const int digit = c >= '0' && c <= '9'   ? c - '0'
                          : c >= 'A' && c <= 'F' ? c - 'A' + 10
                          : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                                 : -1;
        if (digit < 0) return -1;
        value = value * 16 + digit;
    }
    return value;
}

/// The byte that each code point of a byte-level vocabulary stands for, and back (Radford et al. 2019):
/// 33-126, 161-172 and 174-255 for themselves, the other 68 in increasing order from U+0100.
class ByteLetters {
public:
    constexpr ByteLetters() {
        char32_t next = 0x100;
        for (unsigned b = 0; b < 256; ++b) {
            const bool itself =
                (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || (b >= 174 && b <= 255);
            const char32_t letter = itself ? b : next++;
            byte_[letter] = static_cast<std::int16_t>(b);
        }
    }
    /// The bytes that a name of such a vocabulary stands for; false when it has other characters.
    [[nodiscard]] bool read(std::string_view name, std::string& bytes) const {
        bytes.clear();
        for (std::size_t at = 0; at < name.size();) {
            const CodePoint c = code_point(name, at);
            if (!c.valid || c.code >= byte_.size() || byte_[c.code] < 0) return false;
            bytes.push_back(static_cast<char>(byte_[c.code]));
            at += c.size;
        }
        return true;
    }

private:
    static constexpr std::array<std::int16_t, 0x144> none() {
        std::array<std::int16_t, 0x144> all{};
        for (auto& b : all) b = -1;
        return all;
    }
    std::array<std::int16_t, 0x144> byte_ = none();
};
inline constexpr ByteLetters byte_letters{};

/// U+2581, which stands for a space in SentencePiece's tokens, as a space.
[[nodiscard]] inline std::string with_spaces(std::string_view name) {
    std::string text;
    for (std::size_t at = 0; at < name.size();)
        if (name.substr(at).starts_with("\xE2\x96\x81")) {
            text.push_back(' ');
            at += 3;
        } else {
            text.push_back(name[at++]);
        }
    return text;
}

/// A token's text in quotes, for messages: what is not printable ASCII as \xHH, at most 40 bytes.
[[nodiscard]] inline std::string shown(std::string_view text) {
    constexpr const char* digits = "0123456789ABCDEF";
    std::string s = "\"";
    for (const char c : text.substr(0, 40)) {
        const auto b = static_cast<unsigned char>(c);
        if (b >= 32 && b < 127) s.push_back(c);
        else (s += "\\x").append({digits[b >> 4], digits[b & 15]});
    }
    return s + (text.size() > 40 ? "...\"" : "\"");
}

/// Fails unless the parts of a vocabulary fit together. `where` names the file.
inline void expect_whole(const Vocabulary& v, const std::string& where) {
    const std::size_t n = v.tokens.size();
    if (n == 0 || n > most_tokens)
        fail(where + ": a vocabulary of " + std::to_string(n) + " tokens, expected 1 to " +
             std::to_string(most_tokens));
    const auto as_many = [&](std::size_t have, const char* what) {
        if (have != n)
            fail(where + ": " + std::to_string(have) + " " + what + " for " + std::to_string(n) +
                 " tokens");
    };
    as_many(v.kinds.size(), "token types");
    if (!v.scores.empty()) as_many(v.scores.size(), "scores");
    for (std::size_t i = 0; i < n; ++i) {
        const auto kind = static_cast<unsigned>(v.kinds[i]);
        if (kind < 1 || kind > 6)
            fail(where + ": token " + std::to_string(i) + " has type " + std::to_string(kind) +
                 ", expected 1 to 6");
        if (v.kinds[i] == TokenKind::byte && v.tokens[i].size() != 1)
            fail(where + ": token " + std::to_string(i) + " is a byte, but its text is " +
                 shown(v.tokens[i]));
    }
    for (std::size_t i = 0; i < v.scores.size(); ++i)
        if (!(v.scores[i] == v.scores[i]))
            fail(where + ": the score of token " + std::to_string(i) + " is not a number");
    const auto known = [&](std::int32_t id, const char* what) {
        if (id < -1 || (id >= 0 && static_cast<std::size_t>(id) >= n))
            fail(where + ": the " + what + " token is " + std::to_string(id) + " of " +
                 std::to_string(n));
    };
    known(v.bos, "begin");
    known(v.eos, "end");
    known(v.unknown, "unknown");
    if (v.add_bos && v.bos < 0) fail(where + ": texts begin with a token that is not there");
    if (v.add_eos && v.eos < 0) fail(where + ": texts end with a token that is not there");
    for (const WholeToken& w : v.whole) {
        known(w.id, "added");
        if (w.id < 0) fail(where + ": an added token has no id");
    }
}

/// From the names of a byte-level vocabulary to the bytes that they stand for.
inline void from_byte_letters(Vocabulary& v, const std::string& where) {
    std::string bytes;
    const auto change = [&](std::string& name) {
        if (!byte_letters.read(name, bytes))
            fail(where + ": " + shown(name) + " is not written in the letters of bytes");
        name = bytes;
    };
    for (std::size_t i = 0; i < v.tokens.size(); ++i)
        if (v.kinds[i] == TokenKind::normal) change(v.tokens[i]);
    for (auto& [left, right] : v.merges) change(left), change(right);
    v.bytes = true;
}

/// From the names of a SentencePiece vocabulary to text: U+2581 is a space, "<0xHH>" a byte.
inline void from_escaped_spaces(Vocabulary& v, bool byte_names) {
    for (std::size_t i = 0; i < v.tokens.size(); ++i) {
        const int byte = byte_names ? byte_of_name(v.tokens[i]) : -1;
        if (byte >= 0 && (v.kinds[i] == TokenKind::normal || v.kinds[i] == TokenKind::byte)) {
            v.kinds[i] = TokenKind::byte;
            v.tokens[i].assign(1, static_cast<char>(byte));
        } else if (v.kinds[i] == TokenKind::normal || v.kinds[i] == TokenKind::user_defined) {
            v.tokens[i] = with_spaces(v.tokens[i]);
        }
    }
    for (auto& [left, right] : v.merges) {
        left = with_spaces(left);
        right = with_spaces(right);
    }
    v.escaped_spaces = true;
}

/// "left right" as a pair; fails for anything else.
[[nodiscard]] inline std::pair<std::string, std::string> split_merge(std::string_view line,
                                                                     std::size_t rank,
                                                                     const std::string& where) {
    const std::size_t space = line.find(' ');
    if (space == 0 || space == line.npos || space + 1 == line.size() ||
        line.find(' ', space + 1) != line.npos)
        fail(where + ": merge " + std::to_string(rank) + " is " + shown(line) +
             ", expected two tokens and a space between them");
    return {std::string(line.substr(0, space)), std::string(line.substr(space + 1))};
}

}  // namespace nibble
