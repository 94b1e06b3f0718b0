// SPDX-License-Identifier: BSL-1.0
// The register type without SIMD: arrays of eight lanes in plain loops.
//
// It works on every target and needs nothing, and compilers turn most of these loops into vector
// instructions where there are any. It says the same as the native registers of simd.hpp: same
// functions, same results for everything but the order of reduce_add and the rounding of fma (one
// rounding where the target fuses, two where it does not).
#pragma once

#include <nibble/kernel/executor.hpp>

#include <bit>
#include <cmath>

namespace nibble::inline NIBBLE_ARCH {

/// One truth value a lane: what comparing registers gives.
template <class A = Isa>
struct Mask;

/// A register of T = float, std::int32_t or std::uint32_t.
template <class T, class A = Isa>
struct Batch;

template <>
struct Mask<isa::Scalar> {
    static constexpr std::size_t lanes = 8;
    std::uint32_t lane[lanes];  ///< 0 or 1

    friend NIBBLE_INLINE Mask operator&(Mask a, Mask b) noexcept {
        for (std::size_t i = 0; i < lanes; ++i) a.lane[i] &= b.lane[i];
        return a;
    }
    friend NIBBLE_INLINE Mask operator|(Mask a, Mask b) noexcept {
        for (std::size_t i = 0; i < lanes; ++i) a.lane[i] |= b.lane[i];
        return a;
    }
    friend NIBBLE_INLINE Mask operator^(Mask a, Mask b) noexcept {
        for (std::size_t i = 0; i < lanes; ++i) a.lane[i] ^= b.lane[i];
        return a;
    }
    friend NIBBLE_INLINE Mask operator~(Mask a) noexcept {
        for (std::size_t i = 0; i < lanes; ++i) a.lane[i] ^= 1u;
        return a;
    }
    /// How many lanes are true.
    friend NIBBLE_INLINE std::size_t count(Mask a) noexcept {
        std::size_t n = 0;
        for (std::size_t i = 0; i < lanes; ++i) n += a.lane[i];
        return n;
    }
    /// True when at least one lane is.
    friend NIBBLE_INLINE bool any(Mask a) noexcept { return count(a) != 0; }
};

template <class T>
struct Batch<T, isa::Scalar> {
    static constexpr std::size_t lanes = 8;
    using Mask = nibble::Mask<isa::Scalar>;
    using Int = Batch<std::int32_t, isa::Scalar>;
    T lane[lanes];

    Batch() = default;
    /// x in every lane.
    NIBBLE_INLINE Batch(T x) noexcept {
        for (std::size_t i = 0; i < lanes; ++i) lane[i] = x;
    }
    /// first, first + 1, ...
    [[nodiscard]] static NIBBLE_INLINE Batch iota(T first) noexcept {
        Batch r;
        for (std::size_t i = 0; i < lanes; ++i) r.lane[i] = first + static_cast<T>(i);
        return r;
    }
    /// `lanes` elements from p, of any alignment.
    [[nodiscard]] static NIBBLE_INLINE Batch load(const T* p) noexcept {
        Batch r;
        for (std::size_t i = 0; i < lanes; ++i) r.lane[i] = p[i];
        return r;
    }
    NIBBLE_INLINE void store(T* p) const noexcept {
        for (std::size_t i = 0; i < lanes; ++i) p[i] = lane[i];
    }
    /// The first n <= lanes elements from p, zeros after them.
    [[nodiscard]] static NIBBLE_INLINE Batch load_first(const T* p, std::size_t n) noexcept {
        Batch r(T{});
        for (std::size_t i = 0; i < n; ++i) r.lane[i] = p[i];
        return r;
    }
    NIBBLE_INLINE void store_first(T* p, std::size_t n) const noexcept {
        for (std::size_t i = 0; i < n; ++i) p[i] = lane[i];
    }

    friend NIBBLE_INLINE Batch operator+(Batch a, Batch b) noexcept {
        return map(a, b, [](T x, T y) { return wrap(unwrap(x) + unwrap(y)); });
    }
    friend NIBBLE_INLINE Batch operator-(Batch a, Batch b) noexcept {
        return map(a, b, [](T x, T y) { return wrap(unwrap(x) - unwrap(y)); });
    }
    friend NIBBLE_INLINE Batch operator*(Batch a, Batch b) noexcept {
        return map(a, b, [](T x, T y) { return wrap(unwrap(x) * unwrap(y)); });
    }
    friend NIBBLE_INLINE Batch operator/(Batch a, Batch b) noexcept
        requires std::is_floating_point_v<T>
    {
        return map(a, b, [](T x, T y) { return x / y; });
    }
    friend NIBBLE_INLINE Batch operator-(Batch a) noexcept {
        return map(a, a, [](T x, T) { return wrap(-unwrap(x)); });
    }
    friend NIBBLE_INLINE Batch operator&(Batch a, Batch b) noexcept
        requires std::is_integral_v<T>
    {
        return map(a, b, [](T x, T y) { return x & y; });
    }
    friend NIBBLE_INLINE Batch operator|(Batch a, Batch b) noexcept
        requires std::is_integral_v<T>
    {
        return map(a, b, [](T x, T y) { return x | y; });
    }
    friend NIBBLE_INLINE Batch operator^(Batch a, Batch b) noexcept
        requires std::is_integral_v<T>
    {
        return map(a, b, [](T x, T y) { return x ^ y; });
    }
    friend NIBBLE_INLINE Batch operator~(Batch a) noexcept
        requires std::is_integral_v<T>
    {
        return map(a, a, [](T x, T) { return ~x; });
    }
    /// Shifts every lane by `by` < 32 bits; right shifts of signed lanes keep the sign.
    friend NIBBLE_INLINE Batch operator<<(Batch a, int by) noexcept
        requires std::is_integral_v<T>
    {
        return map(a, a, [by](T x, T) { return wrap(unwrap(x) << by); });
    }
    friend NIBBLE_INLINE Batch operator>>(Batch a, int by) noexcept
        requires std::is_integral_v<T>
    {
        return map(a, a, [by](T x, T) { return static_cast<T>(x >> by); });
    }

    friend NIBBLE_INLINE Mask operator==(Batch a, Batch b) noexcept {
        return compare(a, b, [](T x, T y) { return x == y; });
    }
    friend NIBBLE_INLINE Mask operator!=(Batch a, Batch b) noexcept {
        return compare(a, b, [](T x, T y) { return x != y; });
    }
    friend NIBBLE_INLINE Mask operator<(Batch a, Batch b) noexcept {
        return compare(a, b, [](T x, T y) { return x < y; });
    }
    friend NIBBLE_INLINE Mask operator<=(Batch a, Batch b) noexcept {
        return compare(a, b, [](T x, T y) { return x <= y; });
    }
    friend NIBBLE_INLINE Mask operator>(Batch a, Batch b) noexcept { return b < a; }
    friend NIBBLE_INLINE Mask operator>=(Batch a, Batch b) noexcept { return b <= a; }

    /// a * b + c
    friend NIBBLE_INLINE Batch fma(Batch a, Batch b, Batch c) noexcept {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
        // Said outright: whether a compiler would fuse a * b + c by itself is its own choice.
        if constexpr (std::is_same_v<T, float>) {
            for (std::size_t i = 0; i < lanes; ++i)
                a.lane[i] = std::fma(a.lane[i], b.lane[i], c.lane[i]);
            return a;
        }
#endif
        return a * b + c;
    }
    /// c - a * b
    friend NIBBLE_INLINE Batch fnma(Batch a, Batch b, Batch c) noexcept {
        if constexpr (std::is_same_v<T, float>) return fma(-a, b, c);
        else return c - a * b;
    }
    /// The smaller of a and b; NaN where b is, and either one where only a is.
    friend NIBBLE_INLINE Batch min(Batch a, Batch b) noexcept {
        return map(a, b, [](T x, T y) { return x < y ? x : y; });
    }
    friend NIBBLE_INLINE Batch max(Batch a, Batch b) noexcept {
        return map(a, b, [](T x, T y) { return x > y ? x : y; });
    }
    friend NIBBLE_INLINE Batch abs(Batch a) noexcept {
        if constexpr (std::is_floating_point_v<T>)
            return map(a, a, [](T x, T) { return std::fabs(x); });
        else if constexpr (std::is_signed_v<T>) return max(a, -a);
        else return a;
    }
    friend NIBBLE_INLINE Batch sqrt(Batch a) noexcept
        requires std::is_floating_point_v<T>
    {
        return map(a, a, [](T x, T) { return std::sqrt(x); });
    }
    /// Whole numbers, ties to even; infinities and NaN stay.
    friend NIBBLE_INLINE Batch round_nearest(Batch a) noexcept
        requires std::is_floating_point_v<T>
    {
        // Adding 2^23 leaves no fraction bits, in the current rounding mode: nearest, ties to even.
        return map(a, a, [](T x, T) {
            constexpr float whole = 0x1p23f;
            const float size = std::fabs(x);
            const float rounded = std::copysign((size + whole) - whole, x);
            return size < whole ? rounded : x;
        });
    }
    /// Cut towards zero. Outside int32 and for NaN the result is unspecified.
    friend NIBBLE_INLINE Int to_int(Batch a) noexcept
        requires std::is_floating_point_v<T>
    {
        Int r;
        for (std::size_t i = 0; i < lanes; ++i) {
            const float x = a.lane[i] > -0x1p31f ? a.lane[i] : -0x1p31f;
            r.lane[i] = static_cast<std::int32_t>(x < 0x1.fffffep30f ? x : 0x1.fffffep30f);
        }
        return r;
    }
    /// Rounded to nearest, ties to even. Outside int32 and for NaN the result is unspecified.
    friend NIBBLE_INLINE Int to_int_nearest(Batch a) noexcept
        requires std::is_floating_point_v<T>
    {
        return to_int(round_nearest(a));
    }
    friend NIBBLE_INLINE Batch<float, isa::Scalar> to_float(Batch a) noexcept
        requires std::is_same_v<T, std::int32_t>
    {
        Batch<float, isa::Scalar> r;
        for (std::size_t i = 0; i < lanes; ++i) r.lane[i] = static_cast<float>(a.lane[i]);
        return r;
    }
    /// a where the mask is true, else b.
    friend NIBBLE_INLINE Batch select(const Mask& m, Batch a, Batch b) noexcept {
        for (std::size_t i = 0; i < lanes; ++i) a.lane[i] = m.lane[i] ? a.lane[i] : b.lane[i];
        return a;
    }
    friend NIBBLE_INLINE T reduce_add(Batch a) noexcept {
        for (std::size_t width = lanes / 2; width != 0; width /= 2)
            for (std::size_t i = 0; i < width; ++i)
                a.lane[i] = wrap(unwrap(a.lane[i]) + unwrap(a.lane[i + width]));
        return a.lane[0];
    }
    friend NIBBLE_INLINE T reduce_max(Batch a) noexcept {
        T top = a.lane[0];
        for (std::size_t i = 1; i < lanes; ++i) top = a.lane[i] > top ? a.lane[i] : top;
        return top;
    }
    /// The same bits as lanes of U.
    template <class U>
    [[nodiscard]] NIBBLE_INLINE Batch<U, isa::Scalar> cast_bits() const noexcept {
        Batch<U, isa::Scalar> r;
        for (std::size_t i = 0; i < lanes; ++i) r.lane[i] = std::bit_cast<U>(lane[i]);
        return r;
    }

private:
    // Integer lanes wrap around, as registers do: signed overflow would be undefined.
    using Wrapping = std::conditional_t<std::is_integral_v<T>, std::uint32_t, T>;
    static NIBBLE_INLINE Wrapping unwrap(T x) noexcept { return static_cast<Wrapping>(x); }
    static NIBBLE_INLINE T wrap(Wrapping x) noexcept { return static_cast<T>(x); }

    template <class F>
    static NIBBLE_INLINE Batch map(const Batch& a, const Batch& b, F f) noexcept {
        Batch r;
        for (std::size_t i = 0; i < lanes; ++i) r.lane[i] = f(a.lane[i], b.lane[i]);
        return r;
    }
    template <class F>
    static NIBBLE_INLINE Mask compare(const Batch& a, const Batch& b, F f) noexcept {
        Mask r;
        for (std::size_t i = 0; i < lanes; ++i) r.lane[i] = f(a.lane[i], b.lane[i]) ? 1u : 0u;
        return r;
    }
};

/// The bits of a register as lanes of another type of the same width.
template <class U, class T, class A>
[[nodiscard]] NIBBLE_INLINE Batch<U, A> bit_cast_to(Batch<T, A> x) noexcept {
    return x.template cast_bits<U>();
}

}  // namespace nibble
