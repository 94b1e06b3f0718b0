// SPDX-License-Identifier: BSL-1.0
// Fixed-point values for machines without a floating-point unit.
//
// Fixed16<F> is a 16-bit two's complement number with F fraction bits. It computes in FixedCompute,
// a 32-bit integer with eight further fraction bits, so that rounding a store means something and a
// neuron update written once compiles to integer instructions only. The scale is in the type because
// it is a power of two that nobody calibrates; that is the one case where a scale belongs there.
#pragma once

#include <nibble/value/concept.hpp>

#include <compare>
#include <limits>

namespace nibble::inline NIBBLE_ARCH {

/// A 32-bit fixed-point number with F fraction bits. Addition and multiplication saturate.
template <int F>
struct FixedCompute {
    static_assert(F > 0 && F < 31, "products need a fraction, and their quotients 64 bits");
    std::int32_t raw = 0;

    constexpr FixedCompute() = default;
    /// From a constant (evaluate it at compile time where there is no floating-point unit).
    constexpr FixedCompute(double x) noexcept : raw(from_double(x)) {}
    constexpr explicit operator double() const noexcept {
        return static_cast<double>(raw) / static_cast<double>(std::int64_t{1} << F);
    }
    [[nodiscard]] static constexpr FixedCompute from_raw(std::int64_t raw) noexcept {
        constexpr std::int64_t low = std::numeric_limits<std::int32_t>::min();
        constexpr std::int64_t high = std::numeric_limits<std::int32_t>::max();
        FixedCompute v;
        v.raw = static_cast<std::int32_t>(raw < low ? low : raw > high ? high : raw);
        return v;
    }

    friend constexpr bool operator==(FixedCompute, FixedCompute) = default;
    friend constexpr auto operator<=>(FixedCompute, FixedCompute) = default;
    friend constexpr FixedCompute operator+(FixedCompute a, FixedCompute b) noexcept {
        return from_raw(std::int64_t{a.raw} + b.raw);
    }
    friend constexpr FixedCompute operator-(FixedCompute a, FixedCompute b) noexcept {
        return from_raw(std::int64_t{a.raw} - b.raw);
    }
    friend constexpr FixedCompute operator-(FixedCompute a) noexcept {
        return from_raw(-std::int64_t{a.raw});
    }
    /// The product rounded to nearest (half up), so that a leak does not drift downwards.
    friend constexpr FixedCompute operator*(FixedCompute a, FixedCompute b) noexcept {
        const std::int64_t product = std::int64_t{a.raw} * b.raw;
        return from_raw((product + (std::int64_t{1} << (F - 1))) >> F);
    }
    friend constexpr FixedCompute operator/(FixedCompute a, FixedCompute b) noexcept {
        return from_raw(b.raw == 0 ? (a.raw < 0 ? std::numeric_limits<std::int64_t>::min()
                                                : std::numeric_limits<std::int64_t>::max())
                                   : (std::int64_t{a.raw} * (std::int64_t{1} << F)) / b.raw);
    }
    constexpr FixedCompute& operator+=(FixedCompute b) noexcept { return *this = *this + b; }
    constexpr FixedCompute& operator-=(FixedCompute b) noexcept { return *this = *this - b; }
    constexpr FixedCompute& operator*=(FixedCompute b) noexcept { return *this = *this * b; }

private:
    static constexpr std::int32_t from_double(double x) noexcept {
        const double scaled = x * static_cast<double>(std::int64_t{1} << F);
        if (!(scaled > -2147483648.0)) return scaled <= -2147483648.0 ? -2147483647 - 1 : 0;
        if (scaled >= 2147483647.0) return 2147483647;
        return static_cast<std::int32_t>(scaled + (scaled < 0 ? -0.5 : 0.5));
    }
};

/// A stored fixed-point number: an integer `Raw` with F fraction bits.
template <class Raw, int F>
struct FixedValue {
    Raw raw = 0;

    constexpr FixedValue() = default;
    constexpr explicit FixedValue(double x) noexcept;
    constexpr explicit operator double() const noexcept {
        return static_cast<double>(raw) / static_cast<double>(1 << F);
    }
    friend constexpr bool operator==(FixedValue, FixedValue) = default;
    friend constexpr auto operator<=>(FixedValue, FixedValue) = default;
};

template <int F>
using Fixed8 = FixedValue<std::int8_t, F>;
template <int F>
using Fixed16 = FixedValue<std::int16_t, F>;

template <class Raw, int F>
struct value_traits<FixedValue<Raw, F>> {
    using V = FixedValue<Raw, F>;
    static constexpr int guard = 8;  ///< fraction bits that computing has beyond storing
    using compute = FixedCompute<F + guard>;
    static constexpr int bits = 8 * static_cast<int>(sizeof(Raw));
    static constexpr std::string_view name = sizeof(Raw) == 1 ? "fixed8" : "fixed16";
    static_assert(F >= 0 && F < bits, "the fraction must leave room for the sign");
    static_assert(bits + guard < 32, "the compute type must be wider than the stored one");

    static NIBBLE_INLINE constexpr compute decode(V v) noexcept {
        return compute::from_raw(std::int64_t{v.raw} * (1 << guard));
    }
    template <class Rounding>
    static NIBBLE_INLINE constexpr V encode(compute x, Rounding rounding) noexcept {
        constexpr std::int32_t unit = 1 << guard;
        std::int32_t whole = x.raw >> guard;  // floor: arithmetic shift since C++20
        const std::int32_t rest = x.raw & (unit - 1);
        if constexpr (std::is_same_v<Rounding, ToNearest>) {
            whole += (rest > unit / 2 || (rest == unit / 2 && (whole & 1))) ? 1 : 0;
        } else {
            whole += static_cast<std::int32_t>(rounding.dither >> (32 - guard)) < rest ? 1 : 0;
        }
        V v;
        v.raw = static_cast<Raw>(whole < low ? low : whole > high ? high : whole);
        return v;
    }
    static NIBBLE_INLINE constexpr bool clips(compute x) noexcept {
        constexpr std::int64_t slack = 1 << (guard - 1);
        return x.raw > std::int64_t{high} * (1 << guard) + slack ||
               x.raw < std::int64_t{low} * (1 << guard) - slack;
    }
    static NIBBLE_INLINE constexpr V lowest() noexcept { return from_raw(low); }
    static NIBBLE_INLINE constexpr V highest() noexcept { return from_raw(high); }

private:
    static constexpr std::int32_t low = std::numeric_limits<Raw>::min();
    static constexpr std::int32_t high = std::numeric_limits<Raw>::max();
    static constexpr V from_raw(std::int32_t raw) noexcept {
        V v;
        v.raw = static_cast<Raw>(raw);
        return v;
    }
};

template <class Raw, int F>
constexpr FixedValue<Raw, F>::FixedValue(double x) noexcept
    : FixedValue(value_traits<FixedValue>::encode(typename value_traits<FixedValue>::compute(x),
                                                  ToNearest{})) {}

}  // namespace nibble
