// SPDX-License-Identifier: BSL-1.0
// The counter-based source of dither for stochastic rounding.
//
// The bits for element `index` depend on (seed, step, stream, index) and on nothing else, so results
// are the same for any number of threads, any instruction set and any backend, and a resumed run
// continues where it stopped. The mixer is two rounds of xorshift-multiply on 32 bits with the
// constants of "lowbias32" (C. Wellons, hash-prospector, 2018: bias 0.17, full avalanche), keyed
// between the rounds: two 32-bit multiplies an element, which every SIMD unit and GPU has.
#pragma once

#include <nibble/value/concept.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// splitmix64 (Steele, Lea, Flood 2014): turns any 64-bit counter into 64 well-mixed bits.
NIBBLE_INLINE constexpr std::uint64_t splitmix64(std::uint64_t x) noexcept {
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

/// A stream of dither: 32 random bits for each index.
class Dither {
public:
    constexpr Dither() = default;

    /// `stream` separates users of one (seed, step): the tensors of a model, say.
    constexpr Dither(std::uint64_t seed, std::uint64_t step, std::uint64_t stream = 0) noexcept {
        const std::uint64_t key = splitmix64(splitmix64(splitmix64(seed) ^ step) ^ stream);
        first_ = static_cast<std::uint32_t>(key);
        second_ = static_cast<std::uint32_t>(key >> 32);
    }

    /// The random bits of one element.
    [[nodiscard]] NIBBLE_INLINE constexpr std::uint32_t operator()(
        std::uint64_t index) const noexcept {
        auto x = static_cast<std::uint32_t>(index) * multiplier(0) + first_;
        x ^= static_cast<std::uint32_t>(index >> 32) * multiplier(2);
        x ^= x >> 16;
        x = (x * multiplier(1)) ^ second_;
        x ^= x >> 15;
        x *= multiplier(2);
        return x ^ (x >> 16);
    }

    /// The two keys, for kernels that compute the same bits in registers.
    [[nodiscard]] constexpr std::uint32_t first() const noexcept { return first_; }
    [[nodiscard]] constexpr std::uint32_t second() const noexcept { return second_; }

    /// The mixer's odd multipliers: index 0 spreads the counter, 1 and 2 are lowbias32's.
    [[nodiscard]] static constexpr std::uint32_t multiplier(int i) noexcept {
        return i == 0 ? 0x9E3779B9u : i == 1 ? 0x7FEB352Du : 0x846CA68Bu;
    }

private:
    std::uint32_t first_ = 0;
    std::uint32_t second_ = 0;
};

/// Rounding modes for whole tensors. ToNearest is one; this is the other.
struct StochasticFrom {
    Dither dither;
};

/// The rounding of element `index` under a tensor-wide mode.
NIBBLE_INLINE constexpr ToNearest rounding_at(ToNearest, std::uint64_t) noexcept { return {}; }
NIBBLE_INLINE constexpr Stochastic rounding_at(StochasticFrom mode, std::uint64_t index) noexcept {
    return {mode.dither(index)};
}

/// Uniform random numbers for initialisation and tests; not for rounding.
class Random {
public:
    constexpr explicit Random(std::uint64_t seed) noexcept : state_(seed) {}

    /// 64 random bits.
    constexpr std::uint64_t bits() noexcept {
        const std::uint64_t x = splitmix64(state_);
        state_ += 0x9E3779B97F4A7C15u;
        return x;
    }
    /// Uniform in [0, 1), 53 bits.
    constexpr double uniform() noexcept { return static_cast<double>(bits() >> 11) * 0x1p-53; }
    /// Uniform in [0, n); n > 0. The modulo bias is below n / 2^64.
    constexpr std::uint64_t below(std::uint64_t n) noexcept { return bits() % n; }

private:
    std::uint64_t state_;
};

}  // namespace nibble
