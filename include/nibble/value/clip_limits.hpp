// SPDX-License-Identifier: BSL-1.0
// Where a value type begins to clip, as two floats that a register can be compared with.
#pragma once

#include <nibble/value/concept.hpp>

#include <bit>
#include <limits>

namespace nibble::inline NIBBLE_ARCH {

/// The smallest float above and the largest below the range at which V counts a value as clipped.
template <NeuralValue V>
struct ClipLimits {
    float low = -std::numeric_limits<float>::infinity();
    float high = std::numeric_limits<float>::infinity();

    constexpr ClipLimits() noexcept {
        if constexpr (bits_v<V> < 32) {
            high = limit(1.0f);
            low = -limit(-1.0f);
        }
    }

private:
    // Positive floats are ordered as their bits are: bisect between a number of V and infinity.
    static constexpr float limit(float sign) noexcept {
        std::uint32_t in = 0, out = 0x7F800000u;
        while (out - in > 1) {
            const std::uint32_t middle = in + (out - in) / 2;
            (value_traits<V>::clips(sign * std::bit_cast<float>(middle)) ? out : in) = middle;
        }
        return std::bit_cast<float>(out);
    }
};
template <NeuralValue V>
inline constexpr ClipLimits<V> clip_limits{};

}  // namespace nibble
