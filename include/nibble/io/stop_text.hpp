// SPDX-License-Identifier: BSL-1.0
// StopText: text that ends where one of several strings would begin. What may be the start of one is held
// back until it is clear.
#pragma once

#include <nibble/version.hpp>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nibble::inline NIBBLE_ARCH {

/// Passes text on, piece by piece, up to the first of the strings. Empty strings are ignored.
class StopText {
public:
    StopText() = default;
    explicit StopText(std::vector<std::string> strings) : strings_(std::move(strings)) {
        std::erase_if(strings_, [](const std::string& s) { return s.empty(); });
    }

    /// What of the text so far may be shown now and has not been; valid until the next call.
    [[nodiscard]] std::string_view push(std::string_view piece) {
        waiting_.erase(0, shown_);
        shown_ = 0;
        if (stopped_) return {};
        waiting_ += piece;
        std::size_t end = waiting_.npos;
        for (const std::string& s : strings_) end = std::min(end, waiting_.find(s));
        stopped_ = end != waiting_.npos;
        if (!stopped_) end = waiting_.size() - held_back();
        shown_ = end;
        const std::string_view text(waiting_.data(), end);
        if (stopped_) shown_ = waiting_.size();
        return text;
    }
    /// What was held back, when no more text comes.
    [[nodiscard]] std::string_view finish() {
        waiting_.erase(0, shown_);
        shown_ = stopped_ ? 0 : waiting_.size();
        return {waiting_.data(), shown_};
    }
    /// True when one of the strings has come.
    [[nodiscard]] bool stopped() const noexcept { return stopped_; }

private:
    /// Bytes at the end that one of the strings begins with.
    [[nodiscard]] std::size_t held_back() const noexcept {
        std::size_t most = 0;
        const std::string_view text = waiting_;
        for (const std::string& s : strings_)
            for (std::size_t n = std::min(s.size() - 1, text.size()); n > most; --n)
                if (text.ends_with(std::string_view(s).substr(0, n))) most = n;
        return most;
    }

    std::vector<std::string> strings_;
    std::string waiting_;
    std::size_t shown_ = 0;
    bool stopped_ = false;
};

}  // namespace nibble
