// SPDX-License-Identifier: BSL-1.0
// A run of values, packed without proxies.
//
// Element i of a run of b-bit values sits at bits [i*b, i*b+b), lowest first; b is 1, 2, 4, 8 or
// more, so no value straddles a unit. Reading gives a value, writing is `set`: there is no reference
// to half a byte, so the rounding that produced the value stays visible at the call. The bytes are
// the same on the CPU, on a GPU, in fixed arrays and in files (little-endian).
#pragma once

#include <nibble/value/concept.hpp>

#include <span>

namespace nibble::inline NIBBLE_ARCH {

/// What a run of V is made of: bytes for packed values, V itself otherwise.
template <NeuralValue V>
using unit_t = std::conditional_t<(bits_v<V> < 8), std::uint8_t, V>;

/// How many values one unit holds.
template <NeuralValue V>
inline constexpr std::size_t values_per_unit = bits_v<V> < 8 ? 8 / bits_v<V> : 1;

/// How many units n values take, the last one possibly filled in part.
template <NeuralValue V>
[[nodiscard]] constexpr std::size_t units_for(std::size_t n) noexcept {
    return (n + values_per_unit<V> - 1) / values_per_unit<V>;
}

/// A pointer and a count of values. E is V, or const V for a read-only run.
template <class E>
class ValueSpan {
public:
    using V = std::remove_const_t<E>;
    using Unit = std::conditional_t<std::is_const_v<E>, const unit_t<V>, unit_t<V>>;

    constexpr ValueSpan() = default;
    constexpr ValueSpan(Unit* units, std::size_t size) noexcept : units_(units), size_(size) {}
    /// A writable run can be read.
    constexpr operator ValueSpan<const V>() const noexcept { return {units_, size_}; }

    [[nodiscard]] constexpr std::size_t size() const noexcept { return size_; }
    [[nodiscard]] constexpr bool empty() const noexcept { return size_ == 0; }

    /// Element i, by value. const, so that `run[i] = v` does not compile and do nothing.
    [[nodiscard]] NIBBLE_INLINE constexpr const V operator[](std::size_t i) const noexcept {
        NIBBLE_EXPECT(i < size_);
        if constexpr (bits_v<V> < 8) {
            return value_traits<V>::from_bits(
                static_cast<std::uint8_t>(units_[i / per] >> (i % per * bits_v<V>)));
        } else {
            return units_[i];
        }
    }

    /// Writes element i and no other. Two threads must not write into one byte at the same time.
    NIBBLE_INLINE constexpr void set(std::size_t i, V v) const noexcept
        requires(!std::is_const_v<E>)
    {
        NIBBLE_EXPECT(i < size_);
        if constexpr (bits_v<V> < 8) {
            const std::size_t shift = i % per * bits_v<V>;
            constexpr unsigned mask = (1u << bits_v<V>)-1u;
            const unsigned kept = units_[i / per] & ~(mask << shift);
            units_[i / per] =
                static_cast<std::uint8_t>(kept | (unsigned{value_traits<V>::to_bits(v)} << shift));
        } else {
            units_[i] = v;
        }
    }

    /// The storage itself: for kernels, upload and files.
    [[nodiscard]] constexpr std::span<Unit> units() const noexcept {
        return {units_, units_for<V>(size_)};
    }

    /// n values from `first` on; `first` must be the first value of a unit.
    [[nodiscard]] constexpr ValueSpan subspan(std::size_t first, std::size_t n) const noexcept {
        NIBBLE_EXPECT(first % per == 0 && first + n <= size_);
        return {units_ + first / per, n};
    }

private:
    static constexpr std::size_t per = values_per_unit<V>;
    Unit* units_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace nibble
