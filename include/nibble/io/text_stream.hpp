// SPDX-License-Identifier: BSL-1.0
// TextStream: the text of tokens as they come. A token may end within a character; what it has of it
// waits for the next, so what is shown is UTF-8 at every moment.
#pragma once

#include <nibble/io/tokenizer.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// Decodes one token after the other. Bytes that cannot become UTF-8 are shown as U+FFFD.
class TextStream {
public:
    /// The tokenizer is held by reference. `continued`: there was text before, so a space that begins
    /// the first token counts; `control`: names of control tokens are shown.
    explicit TextStream(const Tokenizer& tokenizer, bool continued = false, bool control = false)
        : tokenizer_(&tokenizer), first_(!continued), control_(control) {}

    /// Whole characters that the token completes; valid until the next call. Fails for no token.
    [[nodiscard]] std::string_view push(std::int32_t id) {
        if (tokenizer_->append(id, bytes_, first_, control_)) first_ = false;
        return take(false);
    }
    /// What is left at the end: U+FFFD when the last character is incomplete.
    [[nodiscard]] std::string_view finish() { return take(true); }
    /// Bytes that wait for the rest of their character: 0 to 3.
    [[nodiscard]] std::size_t waiting() const noexcept { return bytes_.size(); }

private:
    std::string_view take(bool all) {
        text_.clear();
        std::size_t at = 0;
        while (at < bytes_.size()) {
            const CodePoint c = code_point(bytes_, at);
            if (c.cut && !all) break;
            if (c.valid) text_.append(bytes_, at, c.size);
            else text_ += "\xEF\xBF\xBD";
            at += c.size;
        }
        bytes_.erase(0, at);
        return text_;
    }

    const Tokenizer* tokenizer_;
    std::string bytes_, text_;
    bool first_, control_;
};

}  // namespace nibble
