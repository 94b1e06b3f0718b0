// SPDX-License-Identifier: BSL-1.0
// FEAGI's byte container, version 4: what agents and brains send one another. All numbers little-endian.
//
//     container    u8 version (4), u16 counter, u8 structures n, 8 bytes agent, n x u32 length,
//                  then the structures, one after the other
//     structure    u8 type, u8 version (1), then
//       1 JSON     text
//       11 voxels  u16 areas n, n x (8 bytes id, u32 begin, u32 bytes), then the data of each area:
//                  planes of all x, all y, all z (u32) and all potentials (f32); begin counts from the
//                  structure's first byte
//
// Reading is strict: everything must lie where its lengths say, without gaps, overlaps or a byte too
// many, so that a small message cannot stand for much memory; ids must be those of areas and come once,
// potentials must be finite.
#pragma once

#include <nibble/neuro/cortical_id.hpp>
#include <nibble/neuro/voxel_coding.hpp>

#include <array>
#include <bit>
#include <map>

namespace nibble::inline NIBBLE_ARCH {

/// The spikes of areas, by the areas' ids.
using VoxelFrame = std::map<CorticalId, std::vector<VoxelSpike>>;

/// What a container holds.
struct ByteContainer {
    std::uint16_t counter = 0;
    std::array<unsigned char, 8> agent{};
    std::vector<std::vector<unsigned char>> structures;  ///< each with its type and version

    /// The type of a structure: 1 JSON, 11 voxels.
    [[nodiscard]] unsigned type(std::size_t i) const noexcept { return structures[i][0]; }
};

inline constexpr unsigned char container_version = 4, json_structure = 1, voxel_structure = 11;

/// `bytes` as a number, lowest byte first.
[[nodiscard]] inline std::uint32_t little_endian(std::span<const unsigned char> bytes) noexcept {
    std::uint32_t x = 0;
    for (std::size_t i = bytes.size(); i-- > 0;) x = x << 8u | bytes[i];
    return x;
}
/// Appends the lowest `n` bytes of x, lowest first.
inline void put_little_endian(std::vector<unsigned char>& to, std::uint32_t x, unsigned n) {
    for (unsigned i = 0; i < n; ++i) to.push_back(static_cast<unsigned char>(x >> (8 * i) & 0xFFu));
}

/// Reads a container. `where` names it in messages. Errors: another version, lengths that do not add
/// up to the size, a structure without a header or of an unknown type.
[[nodiscard]] inline ByteContainer read_container(std::span<const unsigned char> bytes,
                                                  const std::string& where = "container") {
    if (bytes.size() < 12)
        fail(where + ": " + std::to_string(bytes.size()) + " bytes, a header has 12");
    if (bytes[0] != container_version)
        fail(where + ": version " + std::to_string(bytes[0]) + ", expected 4");
    ByteContainer c;
    c.counter = static_cast<std::uint16_t>(little_endian(bytes.subspan(1, 2)));
    std::copy_n(bytes.begin() + 4, 8, c.agent.begin());
    const std::size_t n = bytes[3];
    std::size_t at = 12 + 4 * n;
    if (bytes.size() < at)
        fail(where + ": " + std::to_string(bytes.size()) + " bytes, the lengths of " +
             std::to_string(n) + " structures end at " + std::to_string(at));
    for (std::size_t i = 0; i < n; ++i) {
        const std::size_t length = little_endian(bytes.subspan(12 + 4 * i, 4));
        const std::string what = where + ": structure " + std::to_string(i);
        if (length > bytes.size() - at)
            fail(what + " has " + std::to_string(length) + " bytes, " +
                 std::to_string(bytes.size() - at) + " are left");
        if (length < 2) fail(what + " has " + std::to_string(length) + " bytes, a header has 2");
        const auto part = bytes.subspan(at, length);
        if (part[0] != json_structure && part[0] != voxel_structure)
            fail(what + " is of type " + std::to_string(part[0]) + ", expected 1 or 11");
        c.structures.emplace_back(part.begin(), part.end());
        at += length;
    }
    if (at != bytes.size())
        fail(where + ": " + std::to_string(bytes.size()) + " bytes, its structures end at " +
             std::to_string(at));
    return c;
}

/// The bytes of a container. Errors: more than 255 structures, one without a header or beyond 2^32.
[[nodiscard]] inline std::vector<unsigned char> write_container(const ByteContainer& c) {
    if (c.structures.size() > 255)
        fail("container: " + std::to_string(c.structures.size()) + " structures, at most 255");
    std::vector<unsigned char> bytes{container_version};
    put_little_endian(bytes, c.counter, 2);
    bytes.push_back(static_cast<unsigned char>(c.structures.size()));
    bytes.insert(bytes.end(), c.agent.begin(), c.agent.end());
    for (const auto& s : c.structures) {
        if (s.size() < 2 || s.size() > 0xFFFFFFFFu)
            fail("container: a structure of " + std::to_string(s.size()) + " bytes");
        put_little_endian(bytes, static_cast<std::uint32_t>(s.size()), 4);
    }
    for (const auto& s : c.structures) bytes.insert(bytes.end(), s.begin(), s.end());
    return bytes;
}

/// Reads a structure of type 11. Errors name the area and the number that does not fit.
[[nodiscard]] inline VoxelFrame read_voxels(std::span<const unsigned char> bytes,
                                            const std::string& where = "voxels") {
    if (bytes.size() < 4 || bytes[0] != voxel_structure || bytes[1] != 1)
        fail(where + ": not a structure of type 11 and version 1");
    const std::size_t areas = little_endian(bytes.subspan(2, 2));
    std::size_t at = 4 + 16 * areas;
    if (bytes.size() < at)
        fail(where + ": " + std::to_string(bytes.size()) + " bytes, the headers of " +
             std::to_string(areas) + " areas end at " + std::to_string(at));
    VoxelFrame frame;
    for (std::size_t a = 0; a < areas; ++a) {
        const auto header = bytes.subspan(4 + 16 * a, 16);
        const std::string what = where + ": area " + std::to_string(a);
        CorticalId id;
        std::copy_n(header.begin(), 8, id.bytes.begin());
        if (!is_cortical_kind(id.kind()))
            fail(what + " has an id that begins with byte " + std::to_string(header[0]) +
                 ", expected c, m, _, i or o");
        const std::size_t begin = little_endian(header.subspan(8, 4));
        const std::size_t length = little_endian(header.subspan(12, 4));
        if (begin != at || length > bytes.size() - at || length % 16 != 0)
            fail(what + " has " + std::to_string(length) + " bytes from " + std::to_string(begin) +
                 ", expected a multiple of 16 from " + std::to_string(at) + " to at most " +
                 std::to_string(bytes.size()));
        const auto [entry, is_new] = frame.try_emplace(id);
        if (!is_new) fail(what + " has an id that an area before it has");
        const std::size_t n = length / 16;
        const auto number = [&](std::size_t plane, std::size_t i) {
            return little_endian(bytes.subspan(at + 4 * (plane * n + i), 4));
        };
        for (std::size_t i = 0; i < n; ++i) {
            const auto p = std::bit_cast<float>(number(3, i));
            if (!std::isfinite(p))
                fail(what + ": the potential of voxel " + std::to_string(i) + " is not finite");
            entry->second.push_back({number(0, i), number(1, i), number(2, i), p});
        }
        at += length;
    }
    if (at != bytes.size())
        fail(where + ": " + std::to_string(bytes.size()) + " bytes, its areas end at " +
             std::to_string(at));
    return frame;
}

/// The bytes of a structure of type 11, areas in the order of their ids. Errors: more than 65,535
/// areas, more than 2^32 bytes.
[[nodiscard]] inline std::vector<unsigned char> write_voxels(const VoxelFrame& frame) {
    std::size_t at = 4 + 16 * frame.size();
    for (const auto& [id, spikes] : frame) at += 16 * spikes.size();
    if (frame.size() > 0xFFFF || at > 0xFFFFFFFFu)
        fail("voxels: " + std::to_string(frame.size()) + " areas in " + std::to_string(at) +
             " bytes, expected at most 65535 in 2^32");
    std::vector<unsigned char> bytes{voxel_structure, 1};
    put_little_endian(bytes, static_cast<std::uint32_t>(frame.size()), 2);
    at = 4 + 16 * frame.size();
    for (const auto& [id, spikes] : frame) {
        bytes.insert(bytes.end(), id.bytes.begin(), id.bytes.end());
        put_little_endian(bytes, static_cast<std::uint32_t>(at), 4);
        put_little_endian(bytes, static_cast<std::uint32_t>(16 * spikes.size()), 4);
        at += 16 * spikes.size();
    }
    for (const auto& [id, spikes] : frame) {
        for (const VoxelSpike& s : spikes) put_little_endian(bytes, s.x, 4);
        for (const VoxelSpike& s : spikes) put_little_endian(bytes, s.y, 4);
        for (const VoxelSpike& s : spikes) put_little_endian(bytes, s.z, 4);
        for (const VoxelSpike& s : spikes)
            put_little_endian(bytes, std::bit_cast<std::uint32_t>(s.potential), 4);
    }
    return bytes;
}

/// The text of a structure of type 1, as it stands (io/json.hpp reads it); and one of a text.
[[nodiscard]] inline std::string read_json_text(std::span<const unsigned char> bytes) {
    if (bytes.size() < 2 || bytes[0] != json_structure || bytes[1] != 1)
        fail("container: not a structure of type 1 and version 1");
    return {bytes.begin() + 2, bytes.end()};
}
[[nodiscard]] inline std::vector<unsigned char> write_json_text(std::string_view text) {
    std::vector<unsigned char> bytes{json_structure, 1};
    bytes.insert(bytes.end(), text.begin(), text.end());
    return bytes;
}

}  // namespace nibble
