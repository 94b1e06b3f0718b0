// SPDX-License-Identifier: BSL-1.0
// The register type that kernels are written over: Batch<T, A> holds as many T as one register of the
// instruction set A, Mask<A> one truth value a lane. The only header that sees xsimd (8.1 to 14).
//
//     auto x = Batch<float, A>::load(p);
//     select(x > 0.0f, x, 0.1f * x).store(q);
//
// Loads and stores take any alignment. isa::Scalar (simd_scalar.hpp) is there in every build. min and
// max give NaN where the second operand is. Comparisons with NaN are false, != true.
#pragma once

#include <nibble/kernel/simd_scalar.hpp>

#if NIBBLE_SIMD
#if defined(__GNUC__) && !defined(__clang__)
// The AVX-512 intrinsics of g++ 12 initialise a variable with itself and are warned about where they
// are inlined (GCC bug 105593).
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <xsimd/xsimd.hpp>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
#endif

namespace nibble::inline NIBBLE_ARCH {

#if NIBBLE_SIMD

template <class A>
struct xsimd_arch;
template <class A>
    requires is_sse<A>
struct xsimd_arch<A> {
    using type = std::conditional_t<std::is_same_v<A, isa::Sse2>, xsimd::sse2, xsimd::sse4_1>;
};
template <class A>
    requires is_avx2<A>
struct xsimd_arch<A> {
    using type = xsimd::fma3<xsimd::avx2>;
};
template <class A>
    requires is_avx512<A>
struct xsimd_arch<A> {
    using type = xsimd::avx512bw;
};
template <class A>
    requires is_neon<A>
struct xsimd_arch<A> {
    using type = std::conditional_t<xsimd::neon64::supported(), xsimd::neon64, xsimd::neon>;
};

template <class A>
struct Mask {
    using Register = xsimd::batch_bool<float, typename xsimd_arch<A>::type>;
    static constexpr std::size_t lanes = Batch<float, A>::lanes;
    Register v;

    friend NIBBLE_INLINE Mask operator&(Mask a, Mask b) noexcept { return {a.v & b.v}; }
    friend NIBBLE_INLINE Mask operator|(Mask a, Mask b) noexcept { return {a.v | b.v}; }
    // Not xsimd's ^: on AVX-512 version 8 gives the masks' or.
    friend NIBBLE_INLINE Mask operator^(Mask a, Mask b) noexcept { return (a | b) & ~(a & b); }
    friend NIBBLE_INLINE Mask operator~(Mask a) noexcept { return {~a.v}; }
    /// How many lanes are true.
    friend NIBBLE_INLINE std::size_t count(Mask a) noexcept {
        const Batch<float, A> ones = select(a, Batch<float, A>(1.0f), Batch<float, A>(0.0f));
        return static_cast<std::size_t>(reduce_add(ones));
    }
    /// True when at least one lane is.
    friend NIBBLE_INLINE bool any(Mask a) noexcept { return xsimd::any(a.v); }
};

template <class T, class A>
struct Batch {
    using Arch = typename xsimd_arch<A>::type;
    using Register = xsimd::batch<T, Arch>;
    using Mask = nibble::Mask<A>;
    using Int = Batch<std::int32_t, A>;
    static constexpr bool is_float = std::is_floating_point_v<T>;
    static constexpr std::size_t lanes = Register::size;
    // From version 14 on xsimd gives x86's min and max their operands the other way round.
    static constexpr bool turned = XSIMD_VERSION_MAJOR >= 14;
    static constexpr bool neon64 = std::is_same_v<Arch, xsimd::neon64>;
    Register v;

    Batch() = default;
    /// x in every lane.
    NIBBLE_INLINE Batch(T x) noexcept : v(x) {}
    NIBBLE_INLINE Batch(Register r) noexcept : v(r) {}
    /// first, first + 1, ...
    [[nodiscard]] static NIBBLE_INLINE Batch iota(T first) noexcept {
        alignas(64) static constexpr T steps[16] = {0, 1, 2,  3,  4,  5,  6,  7,
                                                    8, 9, 10, 11, 12, 13, 14, 15};
        return load(steps) + Batch(first);
    }
    /// `lanes` elements from p, of any alignment.
    [[nodiscard]] static NIBBLE_INLINE Batch load(const T* p) noexcept {
        return Register::load_unaligned(p);
    }
    NIBBLE_INLINE void store(T* p) const noexcept { v.store_unaligned(p); }
    /// The first n <= lanes elements from p, zeros after them.
    [[nodiscard]] static NIBBLE_INLINE Batch load_first(const T* p, std::size_t n) noexcept {
        T part[lanes] = {};
        for (std::size_t i = 0; i < n; ++i) part[i] = p[i];
        return load(part);
    }
    NIBBLE_INLINE void store_first(T* p, std::size_t n) const noexcept {
        T part[lanes];
        store(part);
        for (std::size_t i = 0; i < n; ++i) p[i] = part[i];
    }

    friend NIBBLE_INLINE Batch operator+(Batch a, Batch b) noexcept { return {a.v + b.v}; }
    friend NIBBLE_INLINE Batch operator-(Batch a, Batch b) noexcept { return {a.v - b.v}; }
    friend NIBBLE_INLINE Batch operator*(Batch a, Batch b) noexcept { return {a.v * b.v}; }
    friend NIBBLE_INLINE Batch operator/(Batch a, Batch b) noexcept
        requires is_float
    {
        // Not xsimd's for NEON, which multiplies by a reciprocal that is some bits off.
        if constexpr (is_neon<A>) return Register(a.v.data / b.v.data);
        else return {a.v / b.v};
    }
    friend NIBBLE_INLINE Batch operator-(Batch a) noexcept {
        // xsimd 8's negation is 0 - a on AVX-512, which loses the sign of zero.
        if constexpr (is_float)
            return (a.template cast_bits<std::uint32_t>() ^ 0x80000000u).template cast_bits<T>();
        else return Batch(T{}) - a;
    }
    friend NIBBLE_INLINE Batch operator&(Batch a, Batch b) noexcept
        requires(!is_float)
    {
        return {a.v & b.v};
    }
    friend NIBBLE_INLINE Batch operator|(Batch a, Batch b) noexcept
        requires(!is_float)
    {
        return {a.v | b.v};
    }
    friend NIBBLE_INLINE Batch operator^(Batch a, Batch b) noexcept
        requires(!is_float)
    {
        return {a.v ^ b.v};
    }
    friend NIBBLE_INLINE Batch operator~(Batch a) noexcept
        requires(!is_float)
    {
        return {~a.v};
    }
    /// Shifts every lane by `by` < 32 bits; right shifts of signed lanes keep the sign.
    friend NIBBLE_INLINE Batch operator<<(Batch a, int by) noexcept
        requires(!is_float)
    {
        return {a.v << by};
    }
    friend NIBBLE_INLINE Batch operator>>(Batch a, int by) noexcept
        requires(!is_float)
    {
        return {a.v >> by};
    }

    friend NIBBLE_INLINE Mask operator==(Batch a, Batch b) noexcept { return mask(a.v == b.v); }
    // Not xsimd's: its AVX != is false for NaN in version 8.
    friend NIBBLE_INLINE Mask operator!=(Batch a, Batch b) noexcept { return ~(a == b); }
    friend NIBBLE_INLINE Mask operator<(Batch a, Batch b) noexcept { return mask(a.v < b.v); }
    friend NIBBLE_INLINE Mask operator<=(Batch a, Batch b) noexcept { return mask(a.v <= b.v); }
    friend NIBBLE_INLINE Mask operator>(Batch a, Batch b) noexcept { return mask(b.v < a.v); }
    friend NIBBLE_INLINE Mask operator>=(Batch a, Batch b) noexcept { return mask(b.v <= a.v); }

    /// a * b + c
    friend NIBBLE_INLINE Batch fma(Batch a, Batch b, Batch c) noexcept {
        // xsimd 8 leaves it to the compiler to fuse a multiplication and an addition on AVX-512 and on
        // NEON, and not each does. The intrinsics are there with xsimd's headers.
        if constexpr (is_float && lanes == 16) return Register(_mm512_fmadd_ps(a.v, b.v, c.v));
        else if constexpr (is_float && neon64) return Register(vfmaq_f32(c.v, a.v, b.v));
        else return {xsimd::fma(a.v, b.v, c.v)};
    }
    /// c - a * b
    friend NIBBLE_INLINE Batch fnma(Batch a, Batch b, Batch c) noexcept {
        if constexpr (is_float && lanes == 16) return Register(_mm512_fnmadd_ps(a.v, b.v, c.v));
        else if constexpr (is_float && neon64) return Register(vfmsq_f32(c.v, a.v, b.v));
        else return {xsimd::fnma(a.v, b.v, c.v)};
    }
    /// The smaller of a and b; NaN where b is, and either one where only a is.
    friend NIBBLE_INLINE Batch min(Batch a, Batch b) noexcept {
        return {turned ? xsimd::min(b.v, a.v) : xsimd::min(a.v, b.v)};
    }
    friend NIBBLE_INLINE Batch max(Batch a, Batch b) noexcept {
        return {turned ? xsimd::max(b.v, a.v) : xsimd::max(a.v, b.v)};
    }
    friend NIBBLE_INLINE Batch abs(Batch a) noexcept {
        if constexpr (std::is_unsigned_v<T>) return a;
        else return {xsimd::abs(a.v)};
    }
    friend NIBBLE_INLINE Batch sqrt(Batch a) noexcept
        requires is_float
    {
        if constexpr (neon64) return Register(vsqrtq_f32(a.v));  // as for the division
        else return {xsimd::sqrt(a.v)};
    }
    /// Whole numbers, ties to even; infinities and NaN stay.
    friend NIBBLE_INLINE Batch round_nearest(Batch a) noexcept
        requires is_float
    {
        return {xsimd::nearbyint(a.v)};
    }
    /// Cut towards zero. Outside int32 and for NaN the result is unspecified.
    friend NIBBLE_INLINE Int to_int(Batch a) noexcept
        requires is_float
    {
        return {xsimd::to_int(a.v)};
    }
    /// Rounded to nearest, ties to even. Outside int32 and for NaN the result is unspecified.
    friend NIBBLE_INLINE Int to_int_nearest(Batch a) noexcept
        requires is_float
    {
        return {xsimd::nearbyint_as_int(a.v)};
    }
    friend NIBBLE_INLINE Batch<float, A> to_float(Batch a) noexcept
        requires std::is_same_v<T, std::int32_t>
    {
        return {xsimd::to_float(a.v)};
    }
    /// a where the mask is true, else b.
    friend NIBBLE_INLINE Batch select(Mask m, Batch a, Batch b) noexcept {
        if constexpr (is_float) {
            return {xsimd::select(m.v, a.v, b.v)};
        } else {
            const auto x = a.template cast_bits<float>(), y = b.template cast_bits<float>();
            return Batch<float, A>(xsimd::select(m.v, x.v, y.v)).template cast_bits<T>();
        }
    }
    friend NIBBLE_INLINE T reduce_add(Batch a) noexcept {
#if XSIMD_VERSION_MAJOR >= 9
        return xsimd::reduce_add(a.v);
#else
        return xsimd::hadd(a.v);
#endif
    }
    friend NIBBLE_INLINE T reduce_max(Batch a) noexcept {
        alignas(64) T part[lanes];
        a.store(part);
#if defined(__GNUC__)
        // Quarters as vectors: a plain loop goes through memory one lane at a time.
        using Quad __attribute__((vector_size(16))) = T;
        Quad top;
        __builtin_memcpy(&top, part, 16);
        for (std::size_t i = 4; i < lanes; i += 4) {
            Quad next;
            __builtin_memcpy(&next, part + i, 16);
            top = top > next ? top : next;
        }
        const T low = top[0] > top[1] ? top[0] : top[1], high = top[2] > top[3] ? top[2] : top[3];
        return low > high ? low : high;
#else
        for (std::size_t width = lanes / 2; width != 0; width /= 2)
            for (std::size_t i = 0; i < width; ++i)
                part[i] = part[i] > part[i + width] ? part[i] : part[i + width];
        return part[0];
#endif
    }
    /// The same bits as lanes of U.
    template <class U>
    [[nodiscard]] NIBBLE_INLINE Batch<U, A> cast_bits() const noexcept {
        if constexpr (std::is_same_v<U, T>) return *this;
#if XSIMD_VERSION_MAJOR >= 11
        else return {xsimd::bitwise_cast<U>(v)};
#else
        else return {xsimd::bitwise_cast<xsimd::batch<U, Arch>>(v)};
#endif
    }

private:
    // A comparison of integers as the mask of floats that covers the same bits.
    template <class B>
    static NIBBLE_INLINE Mask mask(const B& b) noexcept {
        if constexpr (is_float) {
            return {b};
        } else {
            const xsimd::batch_bool<std::int32_t, Arch> bits(b.data);
#if XSIMD_VERSION_MAJOR >= 9
            return {xsimd::batch_bool_cast<float>(bits)};
#else
            return {xsimd::bool_cast(bits)};
#endif
        }
    }
};

#endif  // NIBBLE_SIMD

}  // namespace nibble
