// SPDX-License-Identifier: BSL-1.0
// Token ids of a batch, as language models take them.
#pragma once

#include <nibble/store/error.hpp>

#include <cstdint>
#include <span>
#include <string>

namespace nibble::inline NIBBLE_ARCH {

/// Token ids of a batch: sequences of `length` ids, one after the other. Does not own them.
struct Tokens {
    std::span<const std::int32_t> ids;
    std::size_t length = 0;

    [[nodiscard]] std::size_t batch() const noexcept {
        return length == 0 ? 0 : ids.size() / length;
    }
};

/// Fails unless the tokens are whole sequences of 1 to `context`. `where` is the model.
inline void expect_tokens(const char* where, const Tokens& tokens, std::size_t context) {
    const std::size_t length = tokens.length, batch = tokens.batch();
    if (length == 0 || batch == 0 || tokens.ids.size() != batch * length || length > context)
        fail(std::string(where) + ": " + std::to_string(tokens.ids.size()) +
             " ids in sequences of " + std::to_string(length) +
             ", expected whole sequences of 1 to " + std::to_string(context));
}

}  // namespace nibble
