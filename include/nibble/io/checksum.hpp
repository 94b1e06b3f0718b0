// SPDX-License-Identifier: BSL-1.0
// The checksum of nibble's checkpoints: XXH64 (Y. Collet, xxHash, seed 0; some 10 GB/s a core).
//
// It covers the whole file. The writer puts the metadata entry
//
//     "nibble.checksum":"xxh64:0123456789abcdef"
//
// into the header; the hash is taken over the file with these 16 digits as zeros. Any tool can
// check it: set the digits to '0', hash the file with XXH64, compare.
#pragma once

#include <nibble/io/file.hpp>

#include <bit>
#include <string_view>

namespace nibble::inline NIBBLE_ARCH {

/// XXH64 of bytes that arrive in pieces.
class Xxh64 {
public:
    void update(std::span<const std::byte> bytes) noexcept {
        total_ += bytes.size();
        if (held_ != 0) {
            const std::size_t n = std::min(bytes.size(), sizeof(block_) - held_);
            std::memcpy(block_ + held_, bytes.data(), n);
            held_ += n;
            bytes = bytes.subspan(n);
            if (held_ < sizeof(block_)) return;
            consume(block_);
            held_ = 0;
        }
        for (; bytes.size() >= sizeof(block_); bytes = bytes.subspan(sizeof(block_)))
            consume(bytes.data());
        if (!bytes.empty()) std::memcpy(block_, bytes.data(), bytes.size());
        held_ = bytes.size();
    }
    void update(std::string_view text) noexcept {
        update(std::as_bytes(std::span(text.data(), text.size())));
    }

    [[nodiscard]] std::uint64_t digest() const noexcept {
        std::uint64_t h = prime5;
        if (total_ >= sizeof(block_)) {
            h = std::rotl(lane_[0], 1) + std::rotl(lane_[1], 7) + std::rotl(lane_[2], 12) +
                std::rotl(lane_[3], 18);
            for (const std::uint64_t lane : lane_) h = (h ^ round(0, lane)) * prime1 + prime4;
        }
        h += total_;
        std::size_t i = 0;
        for (; i + 8 <= held_; i += 8)
            h = std::rotl(h ^ round(0, load_little<std::uint64_t>(block_ + i)), 27) * prime1 +
                prime4;
        for (; i + 4 <= held_; i += 4)
            h = std::rotl(h ^ load_little<std::uint32_t>(block_ + i) * prime1, 23) * prime2 +
                prime3;
        for (; i < held_; ++i)
            h = std::rotl(h ^ std::to_integer<std::uint64_t>(block_[i]) * prime5, 11) * prime1;
        h = (h ^ (h >> 33)) * prime2;
        h = (h ^ (h >> 29)) * prime3;
        return h ^ (h >> 32);
    }

private:
    static constexpr std::uint64_t prime1 = 0x9E3779B185EBCA87u, prime2 = 0xC2B2AE3D27D4EB4Fu,
                                   prime3 = 0x165667B19E3779F9u, prime4 = 0x85EBCA77C2B2AE63u,
                                   prime5 = 0x27D4EB2F165667C5u;

    [[nodiscard]] static std::uint64_t round(std::uint64_t lane, std::uint64_t input) noexcept {
        return std::rotl(lane + input * prime2, 31) * prime1;
    }
    void consume(const std::byte* block) noexcept {
        for (std::size_t i = 0; i < 4; ++i)
            lane_[i] = round(lane_[i], load_little<std::uint64_t>(block + 8 * i));
    }

    std::uint64_t lane_[4] = {prime1 + prime2, prime2, 0, 0 - prime1};
    std::byte block_[32] = {};
    std::size_t held_ = 0;
    std::uint64_t total_ = 0;
};

/// Where the checksum's digits stand in a header: 16 characters after this text.
inline constexpr std::string_view checksum_entry = "\"nibble.checksum\":\"xxh64:";
inline constexpr std::string_view checksum_zeros = "0000000000000000";

/// "xxh64:" and 16 hexadecimal digits.
[[nodiscard]] inline std::string checksum_text(std::uint64_t digest) {
    std::string text = "xxh64:";
    for (int shift = 60; shift >= 0; shift -= 4) text += "0123456789abcdef"[digest >> shift & 15];
    return text;
}

/// Starts a file's checksum: the header's length and text, its digits taken as zeros.
[[nodiscard]] inline Xxh64 checksum_of_header(std::string_view header) {
    Xxh64 hash;
    std::byte length[8];
    for (unsigned i = 0; i < 8; ++i)
        length[i] = static_cast<std::byte>(std::uint64_t{header.size()} >> (8 * i));
    hash.update(std::span<const std::byte>(length));
    const std::size_t entry = header.find(checksum_entry);
    if (entry != std::string_view::npos &&
        header.size() - entry - checksum_entry.size() >= checksum_zeros.size()) {
        const std::size_t digits = entry + checksum_entry.size();
        hash.update(header.substr(0, digits));
        hash.update(checksum_zeros);
        header.remove_prefix(digits + checksum_zeros.size());
    }
    hash.update(header);
    return hash;
}

}  // namespace nibble
