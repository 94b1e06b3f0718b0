// The text that the character model learns: bytes to tokens and back.
#pragma once

#include "result.hpp"

#include <span>
#include <vector>

namespace tour {

/// A text as tokens, one a character. The vocabulary is the ASCII characters seen often enough, in
/// order; everything else is one further token. Runs of spaces are cut to two. The first 90 % train,
/// the rest validate.
class Corpus {
public:
    /// Reads `file`, or the library's own sources when it is empty. Throws std::runtime_error that
    /// names the file when it cannot be read or is too short for windows of `context` characters.
    Corpus(const std::string& file, std::size_t context);

    [[nodiscard]] const TextFacts& facts() const { return facts_; }
    [[nodiscard]] std::span<const std::int32_t> train() const {
        return std::span(tokens_).first(facts_.train);
    }
    [[nodiscard]] std::span<const std::int32_t> validation() const {
        return std::span(tokens_).subspan(facts_.train);
    }
    [[nodiscard]] char character(std::int32_t token) const {
        return alphabet_[static_cast<std::size_t>(token)];
    }
    /// The tokens of a text; characters outside the vocabulary become the rare one.
    [[nodiscard]] std::vector<std::int32_t> encode(const std::string& text) const;

private:
    TextFacts facts_;
    std::string alphabet_;  ///< the character of each token; '?' stands for the rare ones
    std::int32_t token_of_[256] = {};
    std::vector<std::int32_t> tokens_;
};

}  // namespace tour
