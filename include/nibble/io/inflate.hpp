// SPDX-License-Identifier: BSL-1.0
// Inflating: the compressed members of ZIP files (RFC 1951), in 96 KiB whatever the stream claims.
#pragma once

#include <nibble/io/file.hpp>

#include <algorithm>
#include <array>
#include <vector>

namespace nibble::inline NIBBLE_ARCH {

/// What eight bytes, one at each of eight places, add to a CRC-32.
[[nodiscard]] constexpr std::array<std::array<std::uint32_t, 256>, 8> make_crc_tables() {
    std::array<std::array<std::uint32_t, 256>, 8> t{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t x = i;
        for (int k = 0; k < 8; ++k) x = x >> 1 ^ (x & 1 ? 0xEDB88320u : 0u);
        t[0][i] = x;
    }
    for (std::size_t k = 1; k < 8; ++k)
        for (std::size_t i = 0; i < 256; ++i) t[k][i] = t[k - 1][i] >> 8 ^ t[0][t[k - 1][i] & 255];
    return t;
}

/// CRC-32 of ZIP files, of bytes that arrive in pieces.
class Crc32 {
public:
    void update(std::span<const std::byte> bytes) noexcept {
        // Eight tables take eight bytes at a time (M. Kounavis, F. Berry: slicing by eight).
        static constexpr auto tables = make_crc_tables();
        const std::byte* p = bytes.data();
        std::size_t n = bytes.size();
        for (; n >= 8; n -= 8, p += 8) {
            const std::uint32_t a = load_little<std::uint32_t>(p) ^ crc_,
                                b = load_little<std::uint32_t>(p + 4);
            crc_ = tables[7][a & 255] ^ tables[6][a >> 8 & 255] ^ tables[5][a >> 16 & 255] ^
                   tables[4][a >> 24] ^ tables[3][b & 255] ^ tables[2][b >> 8 & 255] ^
                   tables[1][b >> 16 & 255] ^ tables[0][b >> 24];
        }
        for (; n != 0; --n, ++p)
            crc_ = crc_ >> 8 ^ tables[0][(crc_ ^ std::to_integer<std::uint32_t>(*p)) & 255];
    }
    [[nodiscard]] std::uint32_t digest() const noexcept { return ~crc_; }

private:
    std::uint32_t crc_ = 0xFFFFFFFFu;
};

/// A prefix code by its counts: codes of each length in order, as the format numbers them.
struct PrefixCode {
    std::array<std::uint16_t, 16> count{};
    std::array<std::uint16_t, 288> symbol{};

    /// False for lengths that no prefix code has; one that is not full may have a single code.
    [[nodiscard]] bool make(std::span<const std::uint8_t> lengths) noexcept {
        count.fill(0);
        for (const std::uint8_t n : lengths) ++count[n];
        int left = 1;
        for (std::size_t n = 1; n < 16; ++n) {
            left = 2 * left - count[n];
            if (left < 0) return false;
        }
        std::array<std::uint16_t, 16> at{};
        for (std::size_t n = 1; n < 15; ++n)
            at[n + 1] = static_cast<std::uint16_t>(at[n] + count[n]);
        for (std::size_t s = 0; s < lengths.size(); ++s)
            if (lengths[s] != 0) symbol[at[lengths[s]]++] = static_cast<std::uint16_t>(s);
        return left == 0 || count[0] + 1u >= lengths.size();
    }
};

/// Inflates `from` and hands the bytes, in pieces of at most 64 KiB, to sink(span); stops early when
/// that returns false. The pieces do not outlive the call. Fails for a damaged stream; `where` (a file
/// and its member) goes into the errors. Gives the number of bytes that the stream took.
template <class Sink>
std::size_t inflate(std::span<const std::byte> from, const std::string& where, Sink&& sink);

/// The state of inflate.
template <class Sink>
class Inflater {
public:
    Inflater(std::span<const std::byte> from, const std::string& where, Sink& sink)
        : from_(from), where_(where), sink_(sink), window_(history + piece) {}

    std::size_t run() {
        bool last = false;
        while (!last && !stopped_) {
            last = bits(1) != 0;
            switch (bits(2)) {
                case 0: stored(); break;
                case 1:
                    fixed();
                    coded();
                    break;
                case 2:
                    dynamic();
                    coded();
                    break;
                default: damaged("a block of a type that there is not");
            }
        }
        if (!stopped_) flush();
        return at_;
    }

private:
    static constexpr std::size_t history = 32768, piece = 65536;

    [[noreturn]] void damaged(const char* what) const {
        fail(where_ + ": damaged at compressed byte " + std::to_string(at_) + ": " + what);
    }
    [[nodiscard]] unsigned bits(unsigned n) {
        while (held_ < n) {
            if (at_ == from_.size()) damaged("the stream ends early");
            buffer_ |= std::to_integer<std::uint32_t>(from_[at_++]) << held_;
            held_ += 8;
        }
        const unsigned x = buffer_ & ((1u << n) - 1);
        buffer_ >>= n;
        held_ -= n;
        return x;
    }
    [[nodiscard]] unsigned symbol(const PrefixCode& code) {
        int word = 0, first = 0, index = 0;
        for (std::size_t n = 1; n < 16; ++n) {
            word |= static_cast<int>(bits(1));
            const int count = code.count[n];
            if (word - first < count)
                return code.symbol[static_cast<std::size_t>(index + word - first)];
            index += count;
            first = (first + count) << 1;
            word <<= 1;
        }
        damaged("a code that there is not");
    }
    void put(std::byte b) {
        if (end_ == window_.size()) flush();
        window_[end_++] = b;
    }
    /// Gives away what is new and keeps the last 32 KiB for copies.
    void flush() {
        if (!stopped_ && end_ != start_)
            stopped_ = !sink_(std::span<const std::byte>(window_).subspan(start_, end_ - start_));
        const std::size_t keep = std::min(end_, history);
        std::copy(window_.begin() + static_cast<std::ptrdiff_t>(end_ - keep),
                  window_.begin() + static_cast<std::ptrdiff_t>(end_), window_.begin());
        start_ = end_ = keep;
    }
    void stored() {
        held_ = buffer_ = 0;  // fewer than 8 bits are held: the rest of a byte
        const unsigned n = bits(16), check = bits(16);
        if ((n ^ check) != 0xFFFF) damaged("the length of a stored block is not its complement's");
        if (from_.size() - at_ < n) damaged("the stream ends early");
        for (unsigned i = 0; i < n; ++i) put(from_[at_++]);
    }
    void fixed() {
        std::array<std::uint8_t, 288> lengths{};
        for (std::size_t i = 0; i < 288; ++i)
            lengths[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
        static_cast<void>(literals_.make(lengths));
        std::fill_n(lengths.begin(), 30, std::uint8_t{5});
        static_cast<void>(distances_.make(std::span(lengths).first(30)));
    }
    void dynamic() {
        static constexpr std::uint8_t order[19] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                                   11, 4,  12, 3, 13, 2, 14, 1, 15};
        const std::size_t literals = bits(5) + 257, distances = bits(5) + 1, codes = bits(4) + 4;
        if (literals > 286 || distances > 30) damaged("more codes than there are symbols");
        std::array<std::uint8_t, 320> lengths{};
        for (std::size_t i = 0; i < codes; ++i)
            lengths[order[i]] = static_cast<std::uint8_t>(bits(3));
        if (!literals_.make(std::span(lengths).first(19))) damaged("no prefix code of lengths");
        lengths.fill(0);
        for (std::size_t i = 0; i < literals + distances;) {
            const unsigned s = symbol(literals_);
            if (s < 16) {
                lengths[i++] = static_cast<std::uint8_t>(s);
                continue;
            }
            if (s == 16 && i == 0) damaged("a repeated length without one before");
            const std::uint8_t value = s == 16 ? lengths[i - 1] : std::uint8_t{0};
            std::size_t n = s == 16 ? 3 + bits(2) : s == 17 ? 3 + bits(3) : 11 + bits(7);
            if (n > literals + distances - i) damaged("more lengths than codes");
            for (; n != 0; --n) lengths[i++] = value;
        }
        if (lengths[256] == 0) damaged("a block without an end");
        if (!literals_.make(std::span(lengths).first(literals))) damaged("no prefix code");
        if (!distances_.make(std::span(lengths).subspan(literals, distances)))
            damaged("no prefix code of distances");
    }
    void coded() {
        static constexpr std::uint16_t length[29] = {3,  4,  5,  6,   7,   8,   9,   10,  11, 13,
                                                     15, 17, 19, 23,  27,  31,  35,  43,  51, 59,
                                                     67, 83, 99, 115, 131, 163, 195, 227, 258};
        static constexpr std::uint16_t distance[30] = {
            1,   2,   3,   4,   5,   7,    9,    13,   17,   25,   33,   49,   65,    97,    129,
            193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
        while (!stopped_) {
            const unsigned s = symbol(literals_);
            if (s == 256) return;
            if (s < 256) {
                put(static_cast<std::byte>(s));
                continue;
            }
            if (s > 285) damaged("a length that there is not");
            const unsigned i = s - 257;
            unsigned n = length[i] + (i < 8 || i == 28 ? 0 : bits((i - 4) / 4));
            const unsigned k = symbol(distances_);
            if (k > 29) damaged("a distance that there is not");
            const std::size_t back = distance[k] + (k < 4 ? 0 : bits((k - 2) / 2));
            if (back > end_) damaged("a copy from before the beginning");
            for (; n != 0; --n) {
                if (end_ == window_.size()) flush();
                window_[end_] = window_[end_ - back];
                ++end_;
            }
        }
    }

    std::span<const std::byte> from_;
    const std::string& where_;
    Sink& sink_;
    std::vector<std::byte>
        window_;  // up to 32 KiB of history, then what is new from start_ to end_
    std::size_t at_ = 0, start_ = 0, end_ = 0;
    std::uint32_t buffer_ = 0;
    unsigned held_ = 0;
    bool stopped_ = false;
    PrefixCode literals_, distances_;
};

template <class Sink>
std::size_t inflate(std::span<const std::byte> from, const std::string& where, Sink&& sink) {
    return Inflater<std::remove_reference_t<Sink>>(from, where, sink).run();
}

}  // namespace nibble
