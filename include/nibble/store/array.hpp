// SPDX-License-Identifier: BSL-1.0
// A fixed array of values without a heap: N * bits / 8 bytes, usable in constant expressions.
#pragma once

#include <nibble/store/span.hpp>

#include <array>

namespace nibble::inline NIBBLE_ARCH {

/// N values of V in place, packed as a ValueSpan is. Zero-initialised, and zero is code 0.
template <NeuralValue V, std::size_t N>
struct ValueArray {
    std::array<unit_t<V>, units_for<V>(N)> storage{};

    [[nodiscard]] static constexpr std::size_t size() noexcept { return N; }
    [[nodiscard]] NIBBLE_INLINE constexpr const V operator[](std::size_t i) const noexcept {
        return span()[i];
    }
    NIBBLE_INLINE constexpr void set(std::size_t i, V v) noexcept { span().set(i, v); }
    [[nodiscard]] NIBBLE_INLINE constexpr ValueSpan<V> span() noexcept {
        return {storage.data(), N};
    }
    [[nodiscard]] NIBBLE_INLINE constexpr ValueSpan<const V> span() const noexcept {
        return {storage.data(), N};
    }
    constexpr operator ValueSpan<V>() noexcept { return span(); }
    constexpr operator ValueSpan<const V>() const noexcept { return span(); }
};

}  // namespace nibble
