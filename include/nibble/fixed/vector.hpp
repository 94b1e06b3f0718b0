// SPDX-License-Identifier: BSL-1.0
// The numbers that go through nets of fixed sizes: N floats in place, padded to whole registers.
#pragma once

#include <nibble/kernel/gated_step.hpp>
#include <nibble/kernel/transpose.hpp>

#include <span>

namespace nibble::inline NIBBLE_ARCH {

/// Nets whose sizes are known to the compiler: no heap, no virtual call, no exception; see
/// fixed/chain.hpp.
namespace fixed {

/// The instruction set whose registers suit runs of n floats: at most 8 do not fill a register of 16.
template <std::size_t N, class A>
using fitted_isa = std::conditional_t<(Batch<float, A>::lanes == 16 && N <= 8), half_width_t<A>, A>;

/// What arrays that registers are loaded from are aligned to.
template <class A>
inline constexpr std::size_t register_bytes =
    std::is_same_v<A, isa::Scalar> ? 16 : 4 * Batch<float, A>::lanes;

/// n rounded up to whole registers of A.
template <class A>
[[nodiscard]] constexpr std::size_t whole_registers(std::size_t n) noexcept {
    return (n + Batch<float, A>::lanes - 1) / Batch<float, A>::lanes * Batch<float, A>::lanes;
}

/// Leaves x in memory, from where single numbers are broadcast at the cost of a load. g++ would rather
/// keep it in registers and take them apart by two shuffles a number.
template <class T>
NIBBLE_INLINE void settle([[maybe_unused]] T& x) noexcept {
#if defined(__GNUC__) && !defined(__clang__)
    asm("" : "+m"(x));
#endif
}

/// N floats. What lies between N and `padded` is finite as long as the N are, and means nothing.
template <std::size_t N, class A = Isa>
    requires(N > 0)
struct Vector {
    static constexpr std::size_t padded = whole_registers<A>(N);
    alignas(register_bytes<A>) float value[padded];

    /// For results that are about to be written in full.
    struct Unwritten {};
    explicit NIBBLE_INLINE Vector(Unwritten) noexcept {}

    /// Zeros.
    NIBBLE_INLINE Vector() noexcept : value{} {}
    /// The number of a vector of one.
    NIBBLE_INLINE Vector(float x) noexcept
        requires(N == 1)
        : value{x} {}
    /// A copy of N numbers.
    explicit NIBBLE_INLINE Vector(std::span<const float, N> x) noexcept : value{} {
        for (std::size_t i = 0; i < N; ++i) value[i] = x[i];
    }

    [[nodiscard]] static constexpr std::size_t size() noexcept { return N; }
    [[nodiscard]] NIBBLE_INLINE float& operator[](std::size_t i) noexcept {
        NIBBLE_EXPECT(i < N);
        return value[i];
    }
    [[nodiscard]] NIBBLE_INLINE const float& operator[](std::size_t i) const noexcept {
        NIBBLE_EXPECT(i < N);
        return value[i];
    }
    [[nodiscard]] NIBBLE_INLINE float* data() noexcept { return value; }
    [[nodiscard]] NIBBLE_INLINE const float* data() const noexcept { return value; }
    [[nodiscard]] NIBBLE_INLINE float* begin() noexcept { return value; }
    [[nodiscard]] NIBBLE_INLINE float* end() noexcept { return value + N; }
    [[nodiscard]] NIBBLE_INLINE const float* begin() const noexcept { return value; }
    [[nodiscard]] NIBBLE_INLINE const float* end() const noexcept { return value + N; }
    operator std::span<const float, N>() const noexcept {
        return std::span<const float, N>(value, N);
    }
};

}  // namespace fixed

}  // namespace nibble
