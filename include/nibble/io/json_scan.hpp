// SPDX-License-Identifier: BSL-1.0
// JSON read from left to right without a tree: for headers of which nothing is believed. Texts and numbers
// are looked at where they stand, so refusing a document takes no memory, however it is made.
#pragma once

#include <nibble/io/text.hpp>
#include <nibble/store/error.hpp>

#include <algorithm>
#include <string>
#include <string_view>

namespace nibble::inline NIBBLE_ARCH {

/// A place in one JSON document (RFC 8259). Every error names `where` and the byte.
class JsonScan {
public:
    /// Fails unless the text begins with '{' and has no zero byte.
    JsonScan(std::string_view text, std::string where) : text_(text), where_(std::move(where)) {
        if (text.empty() || text.front() != '{') fail(where_ + ": JSON does not begin with '{'");
        if (const std::size_t zero = text.find('\0'); zero != std::string_view::npos)
            fail(where_ + ": JSON has a zero byte at offset " + std::to_string(zero));
    }

    [[nodiscard]] std::size_t position() const noexcept { return at_; }
    void go_to(std::size_t position) noexcept { at_ = position; }

    /// Passes `c` after white space; false when something else is there.
    [[nodiscard]] bool next(char c) {
        skip();
        if (at_ == text_.size() || text_[at_] != c) return false;
        ++at_;
        return true;
    }
    /// Passes `c`, or fails.
    void expect(char c) {
        if (!next(c)) invalid(std::string("expected '") + c + "'");
    }
    /// After an element: true when ',' and another follow, false at `close`.
    [[nodiscard]] bool more(char close) {
        if (next(',')) return true;
        expect(close);
        return false;
    }
    /// Fails unless only white space is left.
    void expect_end() {
        skip();
        if (at_ != text_.size()) invalid("something after the value");
    }

    /// The string here as it is written between its quotes, checked for UTF-8, control characters and
    /// escapes; nothing is passed and false given when no string is here.
    [[nodiscard]] bool string(std::string_view& raw) {
        skip();
        if (at_ == text_.size() || text_[at_] != '"') return false;
        const std::size_t begin = ++at_;
        for (;; ++at_) {
            if (at_ == text_.size()) invalid("a string without an end");
            const auto c = static_cast<unsigned char>(text_[at_]);
            if (c == '"') break;
            if (c < 0x20) invalid("a control character in a string");
            if (c == '\\') escape();
        }
        raw = text_.substr(begin, at_ - begin);
        if (const std::size_t good = valid_utf8_length(raw); good != raw.size()) {
            at_ = begin + good;
            invalid("a string that is not UTF-8");
        }
        ++at_;
        return true;
    }
    /// A whole number below 2^64 without sign, fraction or exponent; false, and nothing passed, when
    /// something else is here.
    [[nodiscard]] bool whole(std::uint64_t& x) {
        skip();
        std::size_t end = at_;
        std::uint64_t n = 0;
        for (; end < text_.size() && is_digit(text_[end]); ++end) {
            const auto digit = static_cast<std::uint64_t>(text_[end] - '0');
            if (n > (~std::uint64_t{0} - digit) / 10) return false;
            n = 10 * n + digit;
        }
        if (end == at_) return false;
        if (text_[at_] == '0' && end - at_ > 1) invalid("a number that begins with 0");
        if (end < text_.size() && (text_[end] == '.' || text_[end] == 'e' || text_[end] == 'E'))
            return false;
        at_ = end;
        x = n;
        return true;
    }
    /// Passes a string, number, true, false or null; false when an object or array is here.
    [[nodiscard]] bool scalar() {
        std::string_view unused;
        if (string(unused)) return true;
        if (at_ < text_.size() && (text_[at_] == '{' || text_[at_] == '[')) return false;
        for (const std::string_view word : {"true", "false", "null"})
            if (text_.substr(at_, word.size()) == word) {
                at_ += word.size();
                return true;
            }
        if (at_ < text_.size() && text_[at_] == '-') ++at_;
        const std::size_t digits = at_;
        pass_digits();
        if (at_ == digits) invalid("expected a value");
        if (at_ < text_.size() && text_[at_] == '.') ++at_, pass_digits();
        if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
            ++at_;
            if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
            pass_digits();
        }
        return true;
    }
    /// What is here, for a message: "array", "number 1", "string \"x\"".
    [[nodiscard]] std::string here() {
        skip();
        const char c = at_ < text_.size() ? text_[at_] : '\0';
        std::string_view raw;
        if (c == '{') return "object";
        if (c == '[') return "array";
        if (string(raw)) return "string " + in_quotes(raw);
        if (c == 't' || c == 'f') return "true or false";
        if (c == 'n') return "null";
        if (c != '-' && !is_digit(c)) invalid("expected a value");
        std::size_t end = at_;
        while (end < text_.size() &&
               std::string_view("+-.eE0123456789").find(text_[end]) != std::string_view::npos)
            ++end;
        return "number " + std::string(text_.substr(at_, std::min<std::size_t>(end - at_, 40)));
    }
    [[noreturn]] void invalid(const std::string& what) const {
        fail(where_ + ": not valid JSON at byte " + std::to_string(at_) + ": " + what);
    }

private:
    [[nodiscard]] static bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
    void skip() noexcept {
        while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' ||
                                      text_[at_] == '\r' || text_[at_] == '\t'))
            ++at_;
    }
    void pass_digits() noexcept {
        while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
    }
    /// From a backslash to the last character of its escape.
    void escape() {
        const char c = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
        if (c == 'u') {
            const unsigned unit = hexadecimal(at_ + 2);
            at_ += 5;
            if (unit >= 0xDC00 && unit < 0xE000) invalid("half of a surrogate pair");
            if (unit < 0xD800 || unit >= 0xDC00) return;
            if (text_.substr(at_ + 1, 2) != "\\u") invalid("half of a surrogate pair");
            const unsigned low = hexadecimal(at_ + 3);
            if (low < 0xDC00 || low >= 0xE000) invalid("half of a surrogate pair");
            at_ += 6;
            return;
        }
        if (c == '\0' || std::string_view("\"\\/bfnrt").find(c) == std::string_view::npos)
            invalid("an escape that there is not");
        ++at_;
    }
    [[nodiscard]] unsigned hexadecimal(std::size_t from) const {
        unsigned x = 0;
        for (std::size_t i = from; i < from + 4; ++i) {
            const char c = i < text_.size() ? text_[i] : '\0';
            const int digit = is_digit(c)            ? c - '0'
                              : c >= 'a' && c <= 'f' ? c - 'a' + 10
                              : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                     : -1;
            if (digit < 0) invalid("\\u without four hexadecimal digits");
            x = 16 * x + static_cast<unsigned>(digit);
        }
        return x;
    }

    std::string_view text_;
    std::string where_;
    std::size_t at_ = 0;
};

/// The text that a checked string stands for.
[[nodiscard]] inline std::string unescaped(std::string_view raw) {
    std::string text;
    text.reserve(raw.size());
    const auto unit = [&](std::size_t at) {
        unsigned x = 0;
        for (const char c : raw.substr(at, 4))
            x = 16 * x + static_cast<unsigned>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
        return x;
    };
    for (std::size_t i = 0; i < raw.size(); ++i) {
        if (raw[i] != '\\') {
            text += raw[i];
            continue;
        }
        const char c = raw[++i];
        if (c != 'u') {
            constexpr std::string_view from = "bfnrt", to = "\b\f\n\r\t";
            const std::size_t k = from.find(c);
            text += k == from.npos ? c : to[k];
            continue;
        }
        unsigned code = unit(i + 1);
        i += 4;
        if (code >= 0xD800 && code < 0xDC00) {
            code = 0x10000 + ((code - 0xD800) << 10) + (unit(i + 3) - 0xDC00);
            i += 6;
        }
        const auto put = [&](unsigned byte) { text += static_cast<char>(byte); };
        if (code < 0x80) {
            put(code);
        } else if (code < 0x800) {
            put(0xC0 | code >> 6), put(0x80 | (code & 63));
        } else if (code < 0x10000) {
            put(0xE0 | code >> 12), put(0x80 | (code >> 6 & 63)), put(0x80 | (code & 63));
        } else {
            put(0xF0 | code >> 18), put(0x80 | (code >> 12 & 63));
            put(0x80 | (code >> 6 & 63)), put(0x80 | (code & 63));
        }
    }
    return text;
}

}  // namespace nibble
