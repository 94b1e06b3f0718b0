// SPDX-License-Identifier: BSL-1.0
// CorticalId: the eight bytes by which a genome names an area, their spellings, and what the ids of
// older genomes have become.
//
// The first byte is the kind: c custom, m memory, _ core, i input, o output. Of an input or output the
// next three are the unit ("svi", "mot"), then the coding (16 bits, little-endian: bits 0-7 what is
// coded, 8 incremental, 9 fractional), the number of the area in its unit, the number of the unit.
//
// Spellings: base64 ("X19fcG93ZXI="), eight characters ("___power"), and the six characters of genomes
// before 3.0 ("_power", "iic400", "c__for"). The rules of migration are those of FEAGI
// (feagi/feagi-core, feagi-evolutionary).
#pragma once

#include <nibble/version.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace nibble::inline NIBBLE_ARCH {

/// The name of an area.
struct CorticalId {
    std::array<unsigned char, 8> bytes{};

    /// The first byte: 'c', 'm', '_', 'i' or 'o'; 0 of an id that names nothing.
    [[nodiscard]] char kind() const noexcept { return static_cast<char>(bytes[0]); }
    explicit operator bool() const noexcept { return bytes[0] != 0; }
    friend auto operator<=>(const CorticalId&, const CorticalId&) = default;
};

/// True for a byte that an id may begin with.
[[nodiscard]] constexpr bool is_cortical_kind(char c) noexcept {
    return c == 'c' || c == 'm' || c == '_' || c == 'i' || c == 'o';
}

/// The id of eight characters, shorter ones filled up with '_'. Longer text is cut.
[[nodiscard]] inline CorticalId cortical_id(std::string_view text) noexcept {
    CorticalId id;
    id.bytes.fill('_');
    for (std::size_t i = 0; i < text.size() && i < id.bytes.size(); ++i)
        id.bytes[i] = static_cast<unsigned char>(text[i]);
    return id;
}

/// The id of an input or output area: unit of three characters, coding, number in the unit, unit.
[[nodiscard]] inline CorticalId cortical_io_id(char kind, std::string_view unit,
                                               std::uint16_t coding, unsigned area,
                                               unsigned group) {
    CorticalId id = cortical_id(std::string(1, kind) + std::string(unit));
    id.bytes[4] = static_cast<unsigned char>(coding & 0xFFu);
    id.bytes[5] = static_cast<unsigned char>(coding >> 8u);
    id.bytes[6] = static_cast<unsigned char>(area);
    id.bytes[7] = static_cast<unsigned char>(group);
    return id;
}

inline constexpr std::string_view base64_digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The twelve characters of RFC 4648 base64 for the eight bytes.
[[nodiscard]] inline std::string to_base64(const CorticalId& id) {
    std::string text;
    for (std::size_t i = 0; i < 9; i += 3) {
        std::uint32_t word = 0;
        for (std::size_t k = i; k < i + 3; ++k)
            word = word << 8u | (k < id.bytes.size() ? id.bytes[k] : 0u);
        for (unsigned shift = 24; shift != 0; shift -= 6)
            text += base64_digits[word >> (shift - 6) & 63u];
    }
    text.back() = '=';
    return text;
}

/// Reads base64; nothing when the text is not the base64 of eight bytes that begin with a kind.
[[nodiscard]] inline std::optional<CorticalId> from_base64(std::string_view text) {
    if (text.size() != 12 || text.back() != '=') return {};
    CorticalId id;
    for (std::size_t i = 0; i < 3; ++i) {
        std::uint32_t word = 0;
        for (std::size_t k = 4 * i; k < 4 * i + 4; ++k) {
            const std::size_t digit = k == 11 ? 0 : base64_digits.find(text[k]);
            if (digit == std::string_view::npos) return {};
            word = word << 6u | static_cast<std::uint32_t>(digit);
        }
        // The last four digits hold two bytes; what they have beyond must be zero.
        if (i == 2 && (word & 0xFFu) != 0) return {};
        for (std::size_t k = 0; k < 3 && 3 * i + k < 8; ++k)
            id.bytes[3 * i + k] = static_cast<unsigned char>(word >> (16 - 8 * k) & 0xFFu);
    }
    if (!is_cortical_kind(id.kind())) return {};
    return id;
}

/// True when every byte is a letter, a digit or '_': the id can stand as eight characters.
[[nodiscard]] inline bool is_plain(const CorticalId& id) noexcept {
    return std::all_of(id.bytes.begin(), id.bytes.end(), [](unsigned char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_';
    });
}

/// Eight characters where they are plain, base64 otherwise.
[[nodiscard]] inline std::string to_string(const CorticalId& id) {
    if (!is_plain(id)) return to_base64(id);
    return {id.bytes.begin(), id.bytes.end()};
}

inline const CorticalId power_id = cortical_id("___power");
inline const CorticalId death_id = cortical_id("___death");
inline const CorticalId fatigue_id = cortical_id("___fatig");

/// An id and how it was got.
struct ReadId {
    CorticalId id;
    std::string why;  ///< empty: the text was an id as it stands; otherwise what was made of it
};

/// The ids of older genomes that have one fixed successor; nothing for others.
[[nodiscard]] inline std::optional<ReadId> fixed_successor(std::string_view old) {
    if (old == "_power" || old == "___pwr") return ReadId{power_id, "old name of the power area"};
    if (old == "_death") return ReadId{death_id, "old name of the death area"};
    if (old == "_fatigue") return ReadId{fatigue_id, "old name of the fatigue area"};
    if (old.size() != 6) return {};
    constexpr std::uint16_t plane = 9, signed_percent = 5, percent_2d = 2, percent = 1;
    const auto vision = [](int tile) {
        return ReadId{cortical_io_id('i', "svi", plane, static_cast<unsigned>(tile), 0),
                      "tile " + std::to_string(tile) + " of segmented vision"};
    };
    if (old.starts_with("iic") && old[3] >= '0' && old[3] <= '8') return vision(old[3] - '0');
    if (old.starts_with("iv00")) {
        constexpr std::string_view tiles[] = {"BL", "BM", "BR", "ML", "_C", "MR", "TL", "TM", "TR"};
        for (int i = 0; i < 9; ++i)
            if (old.substr(4) == tiles[i]) return vision(i);
    }
    if (old == "omot00")
        return ReadId{cortical_io_id('o', "mot", signed_percent, 0, 0), "rotary motor"};
    if (old == "ogaz00")
        return ReadId{cortical_io_id('o', "gaz", percent_2d, 0, 0), "gaze, eccentricity"};
    if (old == "ogaz01")
        return ReadId{cortical_io_id('o', "gaz", percent, 1, 0), "gaze, modulation"};
    return {};
}

/// The id that a text names, whatever its spelling. `taken` are the ids in use: one that is new is
/// never among them, and is put there. Never fails for text that is not empty.
[[nodiscard]] inline ReadId read_cortical_id(std::string_view text, std::set<CorticalId>& taken) {
    const auto use = [&](const CorticalId& id) { return taken.insert(id).second; };
    if (const auto id = from_base64(text); id && use(*id)) return {*id, {}};
    if (const auto known = fixed_successor(text); known && use(known->id)) return *known;
    const bool plain = !text.empty() && is_cortical_kind(text[0]) && is_plain(cortical_id(text));
    if (plain && text.size() == 8 && use(cortical_id(text))) return {cortical_id(text), {}};
    const bool legacy_io = text.size() == 6 && (text[0] == 'i' || text[0] == 'o');
    for (unsigned group = 0; legacy_io && group < 256; ++group) {
        constexpr std::uint16_t miscellaneous = 10;
        const CorticalId id = cortical_io_id(text[0], "mis", miscellaneous, 0, group);
        if (use(id)) return {id, "miscellaneous data, unit " + std::to_string(group)};
    }
    if (plain && text.size() < 8 && use(cortical_id(text)))
        return {cortical_id(text), "filled up to eight characters"};
    // No kind in front: a custom area of that name.
    const std::string custom = "c" + std::string(text);
    if (text.size() < 8 && is_plain(cortical_id(custom)) && use(cortical_id(custom)))
        return {cortical_id(custom), "made a custom area's: it begins with none of c, m, _, i, o"};
    // Too long or taken: a name from a hash (FNV-1a), the next number when that is taken too.
    std::uint32_t hash = 2166136261u;
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
    for (;; ++hash) {
        std::string name = "c";
        for (unsigned shift = 28; shift >= 4; shift -= 4)
            name += "0123456789abcdef"[hash >> shift & 15u];
        if (hash += 15; use(cortical_id(name)))
            return {cortical_id(name), "made a custom area's: it is too long or taken"};
    }
}

}  // namespace nibble
