// SPDX-License-Identifier: BSL-1.0
// Refractory periods in bit planes.
#pragma once

#include <nibble/version.hpp>

#include <cstddef>
#include <cstdint>

namespace nibble::inline NIBBLE_ARCH {

/// Refractory countdowns of 64 neurons a word, in bit planes: plane k holds bit k of all counters, so
/// a period of R steps costs bit_width(R) bits a neuron and counting down is a few word operations.
/// Plane k of block b is planes[b * n + k].
struct Countdown {
    /// Bits that a period takes.
    [[nodiscard]] static constexpr unsigned bits(unsigned period) noexcept {
        unsigned n = 0;
        for (; period != 0; period >>= 1) ++n;
        return n;
    }
    /// Which of the 64 neurons are refractory now; their counters go down by one.
    static NIBBLE_INLINE constexpr std::uint64_t tick(std::uint64_t* planes, unsigned n) noexcept {
        std::uint64_t blocked = 0;
        for (unsigned k = 0; k < n; ++k) blocked |= planes[k];
        std::uint64_t borrow = blocked;
        for (unsigned k = 0; k < n; ++k) {
            const std::uint64_t plane = planes[k];
            planes[k] = plane ^ borrow;
            borrow &= ~plane;
        }
        return blocked;
    }
    /// `tick` for words [first, end) of counters whose planes lie in rows of `stride` words, plane k in
    /// row k, so that a register holds the words of many neurons. first, stride: multiples of 8; words
    /// up to the next multiple of 8 after `end` are ticked too.
    static void tick_rows(std::uint64_t* planes, unsigned n, std::size_t stride,
                          std::uint64_t* blocked, std::size_t first, std::size_t end) noexcept {
        for (std::size_t b = first; b < end; b += 8) {
            std::uint64_t any[8] = {};
            for (unsigned k = 0; k < n; ++k)
                for (std::size_t j = 0; j < 8; ++j) any[j] |= planes[k * stride + b + j];
            for (std::size_t j = 0; j < 8; ++j) blocked[b + j] = any[j];
            for (unsigned k = 0; k < n; ++k)
                for (std::size_t j = 0; j < 8; ++j) {
                    const std::uint64_t was = planes[k * stride + b + j];
                    planes[k * stride + b + j] = was ^ any[j];
                    any[j] &= ~was;
                }
        }
    }
    /// Starts the counters of the neurons in `fired`, which are not refractory.
    static NIBBLE_INLINE constexpr void start(std::uint64_t* planes, unsigned n,
                                              std::uint64_t fired, unsigned period) noexcept {
        for (unsigned k = 0; k < n; ++k)
            if ((period >> k & 1u) != 0) planes[k] |= fired;
    }
};

}  // namespace nibble
