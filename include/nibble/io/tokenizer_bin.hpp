// SPDX-License-Identifier: BSL-1.0
// The tokenizer file of llama2.c (tokenizer.bin, tok512.bin), little-endian:
//
//     u32 length of the longest token, then for each token: f32 score, i32 length, its bytes
//
// Token 0 is unknown, 1 begins and 2 ends a text, "<0xHH>" are bytes; a space is put before a text.
#pragma once

#include <nibble/io/file.hpp>
#include <nibble/io/tokenizer.hpp>

#include <bit>

namespace nibble::inline NIBBLE_ARCH {

/// A tokenizer from the bytes of such a file. Fails for what is not one, naming `where` and the offset.
[[nodiscard]] inline Tokenizer tokenizer_from_bin(std::span<const std::byte> bytes,
                                                  const std::string& where) {
    Cursor in(bytes, where);
    const auto longest = in.integer<std::uint32_t>("length of the longest token");
    Vocabulary v;
    while (in.left() != 0) {
        const std::size_t id = v.tokens.size();
        if (id == most_tokens) fail(where + ": more than " + std::to_string(id) + " tokens");
        v.scores.push_back(std::bit_cast<float>(in.integer<std::uint32_t>("score")));
        const std::uint64_t at = in.position();
        const auto length = in.integer<std::uint32_t>("token length");
        if (length > longest)
            fail(where + ": token " + std::to_string(id) + " at offset " + std::to_string(at) +
                 " has " + std::to_string(static_cast<std::int32_t>(length)) +
                 " bytes, the longest is said to have " + std::to_string(longest));
        const auto text = in.take(length, "token");
        std::string name;
        for (const std::byte b : text) name.push_back(static_cast<char>(b));
        const int byte = byte_of_name(name);
        v.kinds.push_back(id == 0     ? TokenKind::unknown
                          : id <= 2   ? TokenKind::control
                          : byte >= 0 ? TokenKind::byte
                                      : TokenKind::normal);
        if (id > 2 && byte >= 0) name.assign(1, static_cast<char>(byte));
        v.tokens.push_back(std::move(name));
    }
    if (v.tokens.size() < 3)
        fail(where + ": " + std::to_string(v.tokens.size()) + " tokens, expected at least 3");
    v.prefix = TextPrefix::space;
    v.unknown = 0;
    v.bos = 1;
    v.eos = 2;
    v.add_bos = true;
    return Tokenizer(std::move(v), where);
}

}  // namespace nibble
