// SPDX-License-Identifier: BSL-1.0
// Numbers and images as spikes of an area's voxels, and back: the coders of FEAGI (feagi/feagi-core,
// feagi-sensorimotor).
//
// A channel is a slab of an area along x; a number is a place along z, where z = 0 stands for the most.
//
//     boolean       voxel (channel, 0, 0) with potential 1 or 0
//     percentage    in [0, 1], or [-1, 1] where signed; 1 to 4 numbers a channel side by side along x,
//                   signed ones with a column for the positive and one for the negative part
//       linear      one voxel, z = floor((1 - value) * depth); back: 1 - mean z / depth
//       fraction    the bits of a binary fraction: z is there when 2^-(z + 1) is
//     plane         a pixel of 8 bits is a voxel with its value as potential; image rows count from the
//                   top, y from the bottom, z is the colour channel
//     block         any numbers in [-1, 1]: a voxel each, with the number as potential
//
// CoderRule::feagi gives the voxels and numbers of FEAGI, whose rules do not all come back: a linear 0
// is at z = depth, outside of the area; every negative linear number is at z = 0; a fraction is read
// as twice what was written. CoderRule::round_trip mends these three and rounds to the nearest place.
// (FEAGI's decoder of several signed numbers a channel misses the columns beyond twice the number of
// channels; here all are read by either rule.)
#pragma once

#include <nibble/store/error.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace nibble::inline NIBBLE_ARCH {

/// A neuron's place in its area, and its potential (or what is injected into it).
struct VoxelSpike {
    std::uint32_t x = 0, y = 0, z = 0;
    float potential = 1.0f;
    friend bool operator==(const VoxelSpike&, const VoxelSpike&) = default;
};

enum class CoderRule : std::uint8_t { feagi, round_trip };
enum class PercentageCode : std::uint8_t { linear, fraction };

/// How the percentages of an area are coded.
struct PercentageLayout {
    std::uint32_t depth = 10;      ///< voxels along z; 1 and more
    std::uint32_t dimensions = 1;  ///< numbers of a channel, 1 to 4
    bool is_signed = false;
    PercentageCode code = PercentageCode::linear;
    CoderRule rule = CoderRule::feagi;

    /// Voxels along x of a channel.
    [[nodiscard]] std::uint32_t width() const noexcept {
        return is_signed ? 2 * dimensions : dimensions;
    }
};

inline void expect_percentages(const PercentageLayout& layout) {
    if (layout.depth == 0 || layout.depth > 0xFFFFFF || layout.dimensions == 0 ||
        layout.dimensions > 4)
        fail("PercentageLayout: depth " + std::to_string(layout.depth) + ", dimensions " +
             std::to_string(layout.dimensions) + "; expected 1 to 2^24 - 1, 1 to 4");
}

/// The places along z of the size (0 to 1) of a number. `negative` tells of its sign.
[[nodiscard]] inline std::vector<std::uint32_t> percentage_places(const PercentageLayout& layout,
                                                                  float size, bool negative) {
    const bool exact = layout.rule == CoderRule::round_trip;
    const auto depth = static_cast<float>(layout.depth);
    if (layout.code == PercentageCode::linear) {
        if (exact)
            return {static_cast<std::uint32_t>(
                std::fmin(std::round((1.0f - size) * depth), depth - 1.0f))};
        return {negative ? 0u : static_cast<std::uint32_t>(std::floor((1.0f - size) * depth))};
    }
    std::vector<std::uint32_t> places;
    float rest = size;
    for (std::uint32_t z = 0; z < layout.depth && size != 0.0f; ++z) {
        const float bit = std::ldexp(1.0f, -static_cast<int>(z) - 1);
        if (rest < bit || (exact && bit == 0.0f)) continue;
        rest -= bit;
        places.push_back(z);
    }
    // No voxel would say that there is no news: zero is written as the smallest number.
    if (size == 0.0f || (exact && places.empty())) places.push_back(layout.depth - 1);
    return places;
}

/// Appends the voxels of a channel's numbers: `values` has layout.dimensions of them. Errors: a number
/// out of range or NaN, a layout that is none.
inline void encode_percentages(const PercentageLayout& layout, std::uint32_t channel,
                               std::span<const float> values, std::vector<VoxelSpike>& out) {
    expect_percentages(layout);
    expect_equal(values.size(), std::size_t{layout.dimensions}, "encode_percentages",
                 "numbers of a channel");
    if (channel > 0xFFFFFFFFu / layout.width() - 1)
        fail("encode_percentages: channel " + std::to_string(channel) + " leaves 32 bits");
    for (std::size_t d = 0; d < values.size(); ++d) {
        const float v = values[d], least = layout.is_signed ? -1.0f : 0.0f;
        if (!(v >= least && v <= 1.0f))
            fail("encode_percentages: number " + std::to_string(d) + " of channel " +
                 std::to_string(channel) + " is " + std::to_string(v) + ", expected " +
                 (layout.is_signed ? "-1" : "0") + " to 1");
        const auto column = static_cast<std::uint32_t>(std::size_t{channel} * layout.width() +
                                                       (layout.is_signed ? 2 * d : d));
        const bool negative = v < 0.0f;
        for (const std::uint32_t z : percentage_places(layout, std::fabs(v), negative))
            out.push_back({column + (negative ? 1u : 0u), 0, z, 1.0f});
        // A signed zero is the smallest number of both signs, which cancel.
        if (v == 0.0f && layout.is_signed && layout.code == PercentageCode::fraction)
            out.push_back({column + 1, 0, layout.depth - 1, 1.0f});
    }
}

/// Reads the numbers of all channels: `values` has layout.dimensions for each. A number without a
/// voxel keeps its value. Returns which channels have news. Voxels out of the area, with y other than
/// 0 or with potential 0 are passed over.
inline std::vector<bool> decode_percentages(const PercentageLayout& layout,
                                            std::span<const VoxelSpike> spikes,
                                            std::span<float> values) {
    expect_percentages(layout);
    if (values.size() % layout.dimensions != 0)
        fail("decode_percentages: " + std::to_string(values.size()) + " numbers, expected " +
             std::to_string(layout.dimensions) + " for each channel");
    const std::size_t columns = values.size() * (layout.is_signed ? 2 : 1);
    std::vector<std::vector<std::uint32_t>> places(columns);
    for (const VoxelSpike& s : spikes)
        if (s.y == 0 && s.x < columns && s.z < layout.depth && s.potential != 0.0f)
            places[s.x].push_back(s.z);
    const int first = layout.rule == CoderRule::round_trip ? 1 : 0;
    const auto linear = [&](const std::vector<std::uint32_t>& at) {
        std::uint64_t sum = 0;
        for (const std::uint32_t z : at) sum += z;
        return at.empty() ? 0.0f
                          : 1.0f - static_cast<float>(sum) / (static_cast<float>(layout.depth) *
                                                              static_cast<float>(at.size()));
    };
    std::vector<bool> news(values.size() / layout.dimensions);
    for (std::size_t i = 0; i < values.size(); ++i) {
        const std::vector<std::uint32_t>& more = places[layout.is_signed ? 2 * i : i];
        const std::vector<std::uint32_t> less =
            layout.is_signed ? places[2 * i + 1] : std::vector<std::uint32_t>{};
        if (more.empty() && less.empty()) continue;
        if (layout.code == PercentageCode::linear) {
            values[i] = linear(more) - linear(less);
        } else {
            float sum = 0.0f;
            for (const std::uint32_t z : more)
                sum += std::ldexp(1.0f, -static_cast<int>(z) - first);
            for (const std::uint32_t z : less)
                sum -= std::ldexp(1.0f, -static_cast<int>(z) - first);
            values[i] = sum;
        }
        news[i / layout.dimensions] = true;
    }
    return news;
}

/// Appends a voxel for each channel: potential 1 for true, 0 for false.
inline void encode_booleans(const std::vector<bool>& values, std::vector<VoxelSpike>& out) {
    for (std::size_t c = 0; c < values.size(); ++c)
        out.push_back({static_cast<std::uint32_t>(c), 0, 0, values[c] ? 1.0f : 0.0f});
}

/// Reads booleans: true where the potential is not 0. A channel without a voxel keeps its value.
inline void decode_booleans(std::span<const VoxelSpike> spikes, std::vector<bool>& values) {
    for (const VoxelSpike& s : spikes)
        if (s.x < values.size() && s.y == 0 && s.z == 0) values[s.x] = s.potential != 0.0f;
}

/// The size of an image: rows from the top, in a row pixels from the left, in a pixel its colours.
struct PlaneLayout {
    std::uint32_t width = 1, height = 1, colours = 1;  ///< colours: 1 to 4

    [[nodiscard]] std::size_t size() const {
        if (width == 0 || height == 0 || colours == 0 || colours > 4 || width > 0xFFFF ||
            height > 0xFFFF)
            fail("PlaneLayout: " + std::to_string(width) + " x " + std::to_string(height) +
                 " pixels of " + std::to_string(colours) +
                 " colours, expected 1 to 65535 each, 1 to 4");
        return std::size_t{width} * height * colours;
    }
};

/// Appends the voxels of an image whose values are above `least` (FEAGI: above 1).
inline void encode_plane(const PlaneLayout& layout, std::uint32_t channel,
                         std::span<const std::uint8_t> pixels, std::vector<VoxelSpike>& out,
                         std::uint8_t least = 1) {
    expect_equal(pixels.size(), layout.size(), "encode_plane", "bytes of the image");
    if (channel > 0xFFFF) fail("encode_plane: channel " + std::to_string(channel) + " of 65536");
    std::size_t i = 0;
    for (std::uint32_t row = 0; row < layout.height; ++row)
        for (std::uint32_t x = 0; x < layout.width; ++x)
            for (std::uint32_t c = 0; c < layout.colours; ++c, ++i)
                if (pixels[i] > least)
                    out.push_back({channel * layout.width + x, layout.height - 1 - row, c,
                                   static_cast<float>(pixels[i])});
}

/// Reads the image of a channel: black where there is no voxel, potentials rounded and cut to 0..255.
/// Returns whether the channel has any; without one the image stays as it is.
inline bool decode_plane(const PlaneLayout& layout, std::uint32_t channel,
                         std::span<const VoxelSpike> spikes, std::span<std::uint8_t> pixels) {
    expect_equal(pixels.size(), layout.size(), "decode_plane", "bytes of the image");
    bool news = false;
    for (const VoxelSpike& s : spikes) {
        if (s.x / layout.width != channel || s.y >= layout.height || s.z >= layout.colours)
            continue;
        if (!news) std::fill(pixels.begin(), pixels.end(), std::uint8_t{0});
        news = true;
        const std::size_t row = layout.height - 1 - s.y;
        const float p = s.potential > 0.0f ? std::fmin(s.potential, 255.0f) : 0.0f;
        pixels[(row * layout.width + s.x % layout.width) * layout.colours + s.z] =
            static_cast<std::uint8_t>(std::round(p));
    }
    return news;
}

/// The size of a block of numbers; number (x, y, z) is element (x * height + y) * depth + z.
struct BlockLayout {
    std::uint32_t width = 1, height = 1, depth = 1;

    [[nodiscard]] std::size_t size() const {
        if (width == 0 || height == 0 || depth == 0 || width > 0xFFFF || height > 0xFFFF ||
            depth > 0xFFFF)
            fail("BlockLayout: " + std::to_string(width) + " x " + std::to_string(height) + " x " +
                 std::to_string(depth) + ", expected 1 to 65535 each");
        return std::size_t{width} * height * depth;
    }
};

/// Appends the voxels of a block's numbers that are larger in size than 0.0001, cut to [-1, 1].
/// Error: a NaN.
inline void encode_block(const BlockLayout& layout, std::uint32_t channel,
                         std::span<const float> values, std::vector<VoxelSpike>& out) {
    expect_equal(values.size(), layout.size(), "encode_block", "numbers of the block");
    if (channel > 0xFFFF) fail("encode_block: channel " + std::to_string(channel) + " of 65536");
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (std::isnan(values[i])) fail("encode_block: number " + std::to_string(i) + " is NaN");
        if (std::fabs(values[i]) <= 0.0001f) continue;
        const std::size_t x = i / layout.depth / layout.height;
        out.push_back({channel * layout.width + static_cast<std::uint32_t>(x),
                       static_cast<std::uint32_t>(i / layout.depth % layout.height),
                       static_cast<std::uint32_t>(i % layout.depth),
                       std::clamp(values[i], -1.0f, 1.0f)});
    }
}

/// Reads the block of a channel: 0 where there is no voxel, potentials cut to [-1, 1]. Returns whether
/// the channel has any; without one the block stays as it is.
inline bool decode_block(const BlockLayout& layout, std::uint32_t channel,
                         std::span<const VoxelSpike> spikes, std::span<float> values) {
    expect_equal(values.size(), layout.size(), "decode_block", "numbers of the block");
    bool news = false;
    for (const VoxelSpike& s : spikes) {
        if (s.x / layout.width != channel || s.y >= layout.height || s.z >= layout.depth ||
            std::isnan(s.potential))
            continue;
        if (!news) std::fill(values.begin(), values.end(), 0.0f);
        news = true;
        const std::size_t x = s.x % layout.width;
        values[(x * layout.height + s.y) * layout.depth + s.z] =
            std::clamp(s.potential, -1.0f, 1.0f);
    }
    return news;
}

}  // namespace nibble
