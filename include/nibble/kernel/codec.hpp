// SPDX-License-Identifier: BSL-1.0
// The register codec: one register's worth of packed storage to floats and back.
//
//     decode_lanes<V, A>(row, i)                     elements i .. i + lanes of a run
//     encode_lanes<V, A>(row, i, x, rounding, base)  writes them; i is a multiple of lanes
//
// The results equal the scalar decode and encode of value/ bit for bit, NaN and saturation included,
// for every instruction set. AVX2 and AVX-512 work in registers; the others go lane by lane.
// Stochastic rounding takes the dither of element base + i + lane, so a row's base is the index of
// its first element.
#pragma once

#include <nibble/kernel/arch.hpp>
#include <nibble/store/span.hpp>
#include <nibble/value/list.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// The parameters of a SmallFloat type.
template <class V>
struct small_float_shape {
    static constexpr bool is = false;
};
template <int E, int M, Special S>
struct small_float_shape<SmallFloat<E, M, S>> {
    static constexpr bool is = true;
    static constexpr int exponent_bits = E, mantissa_bits = M;
    static constexpr Special special = S;
};

/// A 4-bit type's sixteen numbers by code, aligned for lookup.
template <class V>
    requires(bits_v<V> == 4)
struct CodeTable {
    alignas(64) float value[16];
    constexpr CodeTable() noexcept : value{} {
        for (unsigned c = 0; c < 16; ++c)
            value[c] = decode(value_traits<V>::from_bits(static_cast<std::uint8_t>(c)));
    }
};
template <class V>
inline constexpr CodeTable<V> code_table{};

/// The multiples 0, 1, ... of the dither's first multiplier.
template <class A>
struct DitherSteps {
    alignas(64) std::uint32_t value[Batch<std::uint32_t, A>::lanes];
    constexpr DitherSteps() noexcept : value{} {
        for (std::uint32_t i = 0; i < Batch<std::uint32_t, A>::lanes; ++i)
            value[i] = i * Dither::multiplier(0);
    }
};
template <class A>
inline constexpr DitherSteps<A> dither_steps{};

/// The random bits of elements index, index + 1, ...: Dither::operator() in registers. Two of the
/// mixer's three multiplications are left: products of neighbouring indices differ by a constant.
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<std::uint32_t, A> dither_lanes(const Dither& dither,
                                                                 std::uint64_t index) noexcept {
    using B = Batch<std::uint32_t, A>;
    const auto low = static_cast<std::uint32_t>(index),
               high = static_cast<std::uint32_t>(index >> 32);
    B x = B::load(dither_steps<A>.value) + B(low * Dither::multiplier(0) + dither.first());
    B above(high * Dither::multiplier(2));
    // Lanes that wrapped around 2^32 have one more in the upper half.
    if (low > 0u - static_cast<std::uint32_t>(B::lanes)) [[unlikely]]
        above = select(B::iota(low) < B(low), B((high + 1) * Dither::multiplier(2)), above);
    x = x ^ above;
    x = x ^ (x >> 16);
    x = (x * B(Dither::multiplier(1))) ^ B(dither.second());
    x = x ^ (x >> 15);
    x = x * B(Dither::multiplier(2));
    return x ^ (x >> 16);
}

/// decode for one value of eight bits or more: a scale.
template <NeuralValue V, class A>
[[nodiscard]] NIBBLE_INLINE float decode_one(V v) noexcept {
#if NIBBLE_SIMD && defined(__AVX2__)
    if constexpr (is_avx<A> && std::is_same_v<V, half>) return x86::half_to_float<A>(v.bits());
#endif
    return decode(v);
}

/// Elements i .. i + lanes of a packed run as floats. The whole register must lie in the run or its
/// padding; i is a multiple of lanes for packed values.
template <NeuralValue V, class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> decode_lanes(const unit_t<V>* row,
                                                         std::size_t i) noexcept {
    using B = Batch<float, A>;
    const unit_t<V>* p = row + i / values_per_unit<V>;
    if constexpr (std::is_same_v<V, float>) {
        return B::load(p);
#if NIBBLE_SIMD && defined(__AVX2__)
    } else if constexpr (is_avx<A>) {
        if constexpr (std::is_same_v<V, half>) {
            return x86::load_half<A>(p);
        } else if constexpr (std::is_same_v<V, bfloat16>) {
            return bit_cast_to<float>(x86::load_u16<A>(p) << 16);
        } else if constexpr (std::is_same_v<V, fp8_e4m3>) {
            return x86::load_e4m3<A>(p);
        } else if constexpr (std::is_same_v<V, fp8_e5m2>) {
            return x86::load_e5m2<A>(p);
        } else if constexpr (std::is_same_v<V, Int8Value>) {
            return to_float(x86::load_i8<A>(p));
        } else if constexpr (is_integer_value<V>) {
            const auto fields = x86::load_fields<bits_v<V>, A>(p);
            return to_float(bit_cast_to<std::int32_t>(fields) >> (32 - bits_v<V>));
        } else {
            static_assert(bits_v<V> == 4);
            return x86::lookup16<A>(code_table<V>.value, x86::load_fields<4, A>(p) >> 28);
        }
#endif
    } else {
        float lane[B::lanes];
        const ValueSpan<const V> run(p, B::lanes);
        for (std::size_t j = 0; j < B::lanes; ++j) lane[j] = decode(run[j]);
        return B::load(lane);
    }
}

#if NIBBLE_SIMD && defined(__AVX2__)

// SmallFloat::encode, line by line in registers. Where it shifts the mantissa's rest to the right to
// compare, here the rest stands at the top of a word: `rest` = mantissa << (32 - shift).
template <class V, class A, class Rounding>
[[nodiscard]] NIBBLE_INLINE Batch<std::uint32_t, A> small_float_codes(
    Batch<float, A> x, Rounding rounding, std::uint64_t index) noexcept {
    using U = Batch<std::uint32_t, A>;
    using I = Batch<std::int32_t, A>;
    using Form = small_float_shape<V>;
    constexpr int E = Form::exponent_bits, M = Form::mantissa_bits;
    constexpr auto max_code = static_cast<std::int32_t>(V::max_code);
    const U word = bit_cast_to<std::uint32_t>(x);
    const I size = bit_cast_to<std::int32_t>(word & U(0x7FFFFFFFu));
    U kept, rest;
    I code;
    if constexpr (E == 8) {
        kept = bit_cast_to<std::uint32_t>(size) >> (23 - M);
        rest = bit_cast_to<std::uint32_t>(size) << (9 + M);
        code = bit_cast_to<std::int32_t>(kept);
    } else {
        const auto normal = size >= I(0x800000);
        const I exponent = select(normal, (size >> 23) - I(127), I(-126));
        const I mantissa = (size & I(0x7FFFFF)) | select(normal, I(0x800000), I(0));
        const I low = max(I(V::min_exponent) - exponent, I(0));
        const U shift = bit_cast_to<std::uint32_t>(low + I(23 - M));
        const U whole = bit_cast_to<std::uint32_t>(mantissa);
        kept = x86::shift_right<A>(whole, shift);
        // One of the two counts is negative, that is huge, and gives zero.
        rest = x86::shift_left<A>(whole, U(32) - shift) | x86::shift_right<A>(whole, shift - U(32));
        code = ((max(exponent, I(V::min_exponent)) - I(V::min_exponent)) << M) +
               bit_cast_to<std::int32_t>(kept);
    }
    if constexpr (std::is_same_v<Rounding, ToNearest>) {
        code = code + select(rest + (kept & U(1)) > U(0x80000000u), I(1), I(0));
    } else {
        const auto up = dither_lanes<A>(rounding.dither, index) < rest;
        code = code + select(up & (code < I(max_code)), I(1), I(0));
    }
    const I beyond(Form::special == Special::ieee ? max_code + 1 : max_code);
    code = select(code > I(max_code), beyond, code);
    const U sign = (word >> 31) << (E + M);
    const auto nan = size > I(0x7F800000);
    if constexpr (Form::special == Special::none) {
        return select(nan, U(0), sign | bit_cast_to<std::uint32_t>(code));
    } else if constexpr (Form::special == Special::nan_only) {
        return sign | bit_cast_to<std::uint32_t>(select(nan, I(max_code + 1), code));
    } else {
        const I payload = (size & I(0x7FFFFF)) >> (23 - M);
        const I quiet = payload | I((max_code + 1) | (1 << (M - 1)));
        return sign | bit_cast_to<std::uint32_t>(select(nan, quiet, code));
    }
}

// value_traits<Nf4>::encode in registers.
template <class A, class Rounding>
[[nodiscard]] NIBBLE_INLINE Batch<std::uint32_t, A> nf4_codes(Batch<float, A> x, Rounding rounding,
                                                              std::uint64_t index) noexcept {
    using U = Batch<std::uint32_t, A>;
    using B = Batch<float, A>;
    alignas(64) static constexpr auto table = std::to_array(Nf4::ascending);
    U below(0);
    for (std::size_t i = 1; i < 16; ++i) below = below + select(B(table[i]) <= x, U(1), U(0));
    const B low = x86::lookup16<A>(table.data(), below);
    const B high = x86::lookup16<A>(table.data(), below + U(1));
    const auto between = (below < U(15)) & (x > low);
    if constexpr (std::is_same_v<Rounding, ToNearest>) {
        const B down = x - low, up = high - x;
        const auto even_above = (below & U(1)) == U(0);  // the code above is (below + 10) mod 16
        below = below + select(between & ((up < down) | ((up == down) & even_above)), U(1), U(0));
    } else {
        const auto dice = bit_cast_to<std::int32_t>(dither_lanes<A>(rounding.dither, index) >> 8);
        const B chance = (x - low) / (high - low);
        below = below + select(between & (to_float(dice) * B(0x1p-24f) < chance), U(1), U(0));
    }
    return select(x == x, (below + U(9)) & U(15), U(0));
}

#endif

// round_to_integer in registers: whole numbers in [low, high], NaN as 0.
template <class A, class Rounding>
[[nodiscard]] NIBBLE_INLINE Batch<std::int32_t, A> integer_lanes(Batch<float, A> x, int low,
                                                                 int high, Rounding rounding,
                                                                 std::uint64_t index) noexcept {
    using B = Batch<float, A>;
    using I = Batch<std::int32_t, A>;
    const auto number = x == x;
    x = select(number, x, B(0.0f));
    x = min(max(x, B(static_cast<float>(low))), B(static_cast<float>(high)));
    if constexpr (std::is_same_v<Rounding, ToNearest>) {
        return to_int_nearest(x);
    } else {
        I whole = to_int(x);
        B rest = x - to_float(whole);
        const auto negative = rest < B(0.0f);
        rest = select(negative, rest + B(1.0f), rest);
        whole = select(negative, whole - I(1), whole);
        const auto dice = bit_cast_to<std::int32_t>(dither_lanes<A>(rounding.dither, index) >> 8);
        return whole + select(to_float(dice) * B(0x1p-24f) < rest, I(1), I(0));
    }
}

/// Rounds x into elements i .. i + lanes of a packed run; i is a multiple of lanes. Rounding is
/// ToNearest or StochasticFrom; lane j takes the dither of element base + i + j.
template <NeuralValue V, class A, class Rounding = ToNearest>
NIBBLE_INLINE void encode_lanes(unit_t<V>* row, std::size_t i, Batch<float, A> x,
                                Rounding rounding = {}, std::uint64_t base = 0) noexcept {
    using B = Batch<float, A>;
    unit_t<V>* p = row + i / values_per_unit<V>;
    const std::uint64_t index = base + i;
    if constexpr (std::is_same_v<V, float>) {
        x.store(p);
#if NIBBLE_SIMD && defined(__AVX2__)
    } else if constexpr (is_avx<A>) {
        if constexpr (std::is_same_v<V, half> && std::is_same_v<Rounding, ToNearest>) {
            x86::store_half<A>(p, x);
        } else if constexpr (small_float_shape<V>::is) {
            x86::store_codes<bits_v<V>, A>(p, small_float_codes<V, A>(x, rounding, index));
        } else if constexpr (is_integer_value<V>) {
            const auto codes = integer_lanes<A>(x, value_traits<V>::lowest().code,
                                                value_traits<V>::highest().code, rounding, index);
            constexpr std::uint32_t mask = (1u << bits_v<V>)-1u;
            x86::store_codes<bits_v<V>, A>(
                p, bit_cast_to<std::uint32_t>(codes) & Batch<std::uint32_t, A>(mask));
        } else {
            static_assert(std::is_same_v<V, Nf4>);
            x86::store_codes<4, A>(p, nf4_codes<A>(x, rounding, index));
        }
#endif
    } else {
        float lane[B::lanes];
        x.store(lane);
        const ValueSpan<V> run(p, B::lanes);
        for (std::size_t j = 0; j < B::lanes; ++j)
            run.set(j, encode<V>(lane[j], rounding_at(rounding, index + j)));
    }
}

/// encode_lanes to nearest for an integer type and numbers that round to codes of it.
template <NeuralValue V, class A>
    requires is_integer_value<V>
NIBBLE_INLINE void encode_within(unit_t<V>* row, std::size_t i, Batch<float, A> x) noexcept {
#if NIBBLE_SIMD && defined(__AVX2__)
    if constexpr (is_avx<A>) {
        using U = Batch<std::uint32_t, A>;
        constexpr std::uint32_t mask = (1u << bits_v<V>)-1u;
        x86::store_codes<bits_v<V>, A>(row + i / values_per_unit<V>,
                                       bit_cast_to<std::uint32_t>(to_int_nearest(x)) & U(mask));
    } else
#endif
        encode_lanes<V, A>(row, i, x);
}

}  // namespace nibble
