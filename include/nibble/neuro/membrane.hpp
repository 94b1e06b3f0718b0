// SPDX-License-Identifier: BSL-1.0
// One leaky integrate-and-fire neuron: the arithmetic of a step, said once for every value type.
//
//     v <- leak * v + current         fire when v >= threshold, then v <- reset
//
// The potential is stored as a V: real = code * scale, zero is code 0. The sum is formed wider than
// it is stored, compared with the threshold while it is wide, and rounded once, when it is stored.
//
// Float types compute in float. Integer and fixed-point types compute in integers only: with b bits
// of storage (b <= 8) the potential is widened to 16 bits by 16 - b fraction bits, the leak is a
// 15-bit fraction, products are rounded to nearest. Fixed16 has 8 fraction bits more, in 32. What
// synapses add up (`charge_t`) is wider again: a state of 4 bits whose input has 4 bits too settles
// below its threshold and never fires.
//
// No heap, no exceptions; only <nibble/value/> below it. A constant Membrane (constexpr, constinit)
// leaves no floating-point instruction behind for the integer types.
#pragma once

#include <nibble/value/fixed.hpp>
#include <nibble/value/float.hpp>
#include <nibble/value/integer.hpp>
#include <nibble/value/rounding.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// What a population of neurons has in common, in real units.
struct LifParameters {
    double leak = 0.9;       ///< the factor that the potential keeps from step to step, in [0, 1]
    double threshold = 1.0;  ///< fires at or above it; above 0
    double reset = 0.0;      ///< the potential after a spike; below the threshold
    unsigned refractory =
        0;  ///< steps after a spike in which the potential holds and input is lost
};

/// How a potential is rounded when it is stored.
enum class StateRounding : std::uint8_t {
    automatic,   ///< stochastic for types of less than 8 bits and for 8-bit floats, else nearest
    nearest,     ///< ties to even; integer types: ties up, one instruction everywhere
    stochastic,  ///< unbiased, from Dither(seed, step) at the neuron's index
};

/// How potentials are stored.
struct StateScale {
    double scale = 0.0;  ///< real = code * scale; 0: see automatic_scale
    StateRounding rounding = StateRounding::automatic;
    std::uint64_t seed = 0;  ///< of stochastic rounding
};

/// True for the types whose neurons compute in integers: Int8Value, Int4Value, ..., Fixed16<F>.
template <class V>
inline constexpr bool integer_state = false;
template <int B, int L, int H>
inline constexpr bool integer_state<IntegerValue<B, L, H>> = true;
template <class Raw, int F>
inline constexpr bool integer_state<FixedValue<Raw, F>> = true;

/// The scale that lies in the type itself: 2^-F for fixed point, 0 for all others.
template <class V>
inline constexpr double type_scale = 0.0;
template <class Raw, int F>
inline constexpr double type_scale<FixedValue<Raw, F>> = 1.0 / static_cast<double>(1 << F);

/// What synapses add up and a neuron integrates in one step. Float types: the current in real units.
/// Integer types: 2^-charge_bits of a code, so that sums are exact and do not depend on order; the
/// range is 4096 times the state's (256 times for 16 bits), beyond which additions wrap.
template <NeuralValue V>
using charge_t = std::conditional_t<integer_state<V>, std::int32_t, compute_t<V>>;

/// sum += x; integers wrap.
template <class Charge>
NIBBLE_INLINE constexpr void add_charge(Charge& sum, Charge x) noexcept {
    if constexpr (std::is_integral_v<Charge>)
        sum = static_cast<Charge>(static_cast<std::uint32_t>(sum) + static_cast<std::uint32_t>(x));
    else sum += x;
}

/// Fraction bits of an integer charge.
template <NeuralValue V>
inline constexpr int charge_bits = bits_v<V> <= 8 ? 20 - bits_v<V> : 24 - bits_v<V>;

/// True when StateRounding::automatic means stochastic for V.
template <NeuralValue V>
inline constexpr bool stochastic_state = bits_v<V> < 8 || (bits_v<V> == 8 && !integer_state<V>);

/// True when `rounding` means stochastic for V.
template <NeuralValue V>
[[nodiscard]] NIBBLE_INLINE constexpr bool is_stochastic(StateRounding rounding) noexcept {
    return rounding == StateRounding::automatic ? stochastic_state<V>
                                                : rounding == StateRounding::stochastic;
}

/// The code of an integer or fixed-point value, and back.
template <int B, int L, int H>
NIBBLE_INLINE constexpr std::int32_t code_of(IntegerValue<B, L, H> v) noexcept {
    return v.code;
}
template <class Raw, int F>
NIBBLE_INLINE constexpr std::int32_t code_of(FixedValue<Raw, F> v) noexcept {
    return v.raw;
}
template <NeuralValue V>
    requires integer_state<V>
NIBBLE_INLINE constexpr V from_code(std::int32_t code) noexcept {
    V v;
    if constexpr (requires { v.raw; }) v.raw = static_cast<decltype(v.raw)>(code);
    else v.code = static_cast<std::int8_t>(code);
    return v;
}

/// x cut to the numbers of `Bits` bits; one instruction where there is one for it.
template <int Bits>
[[nodiscard]] NIBBLE_INLINE constexpr std::int32_t cut_to_bits(std::int32_t x) noexcept {
#if defined(__ARM_FEATURE_SAT)
    // The compiler moves the two limits out of a loop before it could see the instruction.
    if (!std::is_constant_evaluated()) return __builtin_arm_ssat(x, Bits);
#endif
    constexpr std::int32_t high = static_cast<std::int32_t>((std::uint32_t{1} << (Bits - 1)) - 1);
    x = x < -high - 1 ? -high - 1 : x;
    return x > high ? high : x;
}

/// The scale in use. Automatic: 1 for floats of 16 bits and more; else the finest at which every
/// potential below the threshold has a code. With nearest rounding that puts the threshold half a
/// step above the highest code, with stochastic rounding (which rounds up as well) on it.
template <NeuralValue V>
[[nodiscard]] NIBBLE_INLINE constexpr double state_scale(const LifParameters& p,
                                                         const StateScale& s) noexcept {
    if (type_scale<V> != 0.0) return type_scale<V>;
    if (s.scale != 0.0) return s.scale;
    if (bits_v<V> >= 16) return 1.0;
    const double top = static_cast<double>(decode(value_traits<V>::highest()));
    return p.threshold / (top + (integer_state<V> && !is_stochastic<V>(s.rounding) ? 0.5 : 0.0));
}

/// A step of one neuron whose potential is a V. This primary template computes in compute_t<V>.
template <NeuralValue V>
struct Membrane {
    using Wide = compute_t<V>;  ///< a potential before it is stored, in codes

    Wide leak{};
    Wide threshold{};
    Wide per_charge{};  ///< codes per real unit of charge: 1 / scale
    V reset{};

    constexpr Membrane() = default;
    NIBBLE_INLINE constexpr Membrane(const LifParameters& p, const StateScale& s) noexcept
        : leak(static_cast<Wide>(p.leak)),
          threshold(static_cast<Wide>(p.threshold / state_scale<V>(p, s))),
          per_charge(static_cast<Wide>(1.0 / state_scale<V>(p, s))),
          reset(encode<V>(static_cast<Wide>(p.reset / state_scale<V>(p, s)))) {}

    /// True when no potential below the threshold would saturate.
    [[nodiscard]] static NIBBLE_INLINE constexpr bool fits(const LifParameters& p,
                                                           const StateScale& s) noexcept {
        const double top = static_cast<double>(decode(value_traits<V>::highest()));
        return p.threshold / state_scale<V>(p, s) <= top * 1.000001;
    }
    /// leak * v + charge, in codes.
    [[nodiscard]] NIBBLE_INLINE constexpr Wide integrate(V v, charge_t<V> charge) const noexcept {
        return multiply_add(leak, decode(v), charge * per_charge);
    }
    /// The same for a current that is a code with the potential's scale.
    [[nodiscard]] NIBBLE_INLINE constexpr Wide integrate_code(V v, V current) const noexcept {
        return multiply_add(leak, decode(v), decode(current));
    }
    [[nodiscard]] NIBBLE_INLINE constexpr bool fires(Wide x) const noexcept {
        return x >= threshold;
    }
    template <class Rounding>
    [[nodiscard]] NIBBLE_INLINE constexpr V store(Wide x, Rounding rounding) const noexcept {
        return encode<V>(x, rounding);
    }
    /// True when storing x loses more than rounding.
    [[nodiscard]] NIBBLE_INLINE constexpr bool clips(Wide x) const noexcept {
        return value_traits<V>::clips(x);
    }
    /// True for what neither fires nor clips.
    [[nodiscard]] NIBBLE_INLINE constexpr bool is_plain(Wide x) const noexcept {
        return !fires(x) && !clips(x);
    }

private:
    // Fused where the target fuses, so that one neuron and a register of them agree bit for bit.
    static NIBBLE_INLINE constexpr Wide multiply_add(Wide a, Wide b, Wide c) noexcept {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
        if constexpr (std::is_same_v<Wide, float>) return __builtin_fmaf(a, b, c);
        else return __builtin_fma(a, b, c);
#else
        return a * b + c;
#endif
    }
};

/// The same in integers.
template <NeuralValue V>
    requires integer_state<V>
struct Membrane<V> {
    using Wide =
        std::int32_t;  ///< a potential before it is stored: codes with `fraction` bits more

    /// Fraction bits of Wide; charge_bits of them and `narrowing` more in a charge.
    static constexpr int fraction = bits_v<V> <= 8 ? 16 - bits_v<V> : 8;
    static constexpr int narrowing = charge_bits<V> - fraction;
    static constexpr std::int32_t unit = std::int32_t{1} << fraction;
    static constexpr int leak_bits = 15;

    std::int32_t leak = 0;  ///< in 2^-15
    std::int32_t threshold = 0;
    std::int32_t reset = 0;  ///< a code

    constexpr Membrane() = default;
    NIBBLE_INLINE constexpr Membrane(const LifParameters& p, const StateScale& s) noexcept
        : leak(whole(p.leak * (1 << leak_bits), 0, 1 << leak_bits)),
          threshold(whole(p.threshold / state_scale<V>(p, s) * unit, 1, (high + 1) * unit - 1)),
          reset(whole(p.reset / state_scale<V>(p, s), low, high)) {}

    [[nodiscard]] static NIBBLE_INLINE constexpr bool fits(const LifParameters& p,
                                                           const StateScale& s) noexcept {
        return p.threshold / state_scale<V>(p, s) <= static_cast<double>(high) + 0.500001;
    }
    /// Up to 8 bits, charges and sums saturate to 16 bits, that is to the range of the potential;
    /// Fixed16 cuts charges to 31.
    [[nodiscard]] NIBBLE_INLINE constexpr Wide integrate(V v, charge_t<V> charge) const noexcept {
        return integrate(code_of(v), charge);
    }
    [[nodiscard]] NIBBLE_INLINE constexpr Wide integrate_code(V v, V current) const noexcept {
        return integrate(v, charge_of(current));
    }
    /// The charge of a current that is a code with the potential's scale.
    [[nodiscard]] static NIBBLE_INLINE constexpr charge_t<V> charge_of(V current) noexcept {
        return code_of(current) * (std::int32_t{1} << charge_bits<V>);
    }
    [[nodiscard]] NIBBLE_INLINE constexpr Wide integrate(std::int32_t code,
                                                         charge_t<V> charge) const noexcept {
        constexpr int down = leak_bits - fraction;
        const std::int32_t kept = (code * leak + (1 << (down - 1))) >> down;
        if constexpr (narrowing > 0) {
            constexpr std::uint32_t rounding_half = 1u << (narrowing - 1);
            charge = static_cast<std::int32_t>(static_cast<std::uint32_t>(charge) + rounding_half);
            return cut_to_bits<16>(kept + cut_to_bits<16>(charge >> narrowing));
        } else {
            return kept + cut_to_bits<31>(charge);
        }
    }
    [[nodiscard]] NIBBLE_INLINE constexpr bool fires(Wide x) const noexcept {
        return x >= threshold;
    }
    /// x rounded to a code that may lie out of range; halves go up.
    template <class Rounding>
    [[nodiscard]] static NIBBLE_INLINE constexpr std::int32_t round(Wide x, Rounding r) noexcept {
        if constexpr (std::is_same_v<Rounding, ToNearest>) return (x + unit / 2) >> fraction;
        else return (x + static_cast<std::int32_t>(r.dither >> (32 - fraction))) >> fraction;
    }
    [[nodiscard]] static NIBBLE_INLINE constexpr std::int32_t saturate(std::int32_t code) noexcept {
        if constexpr (low == -high - 1) return cut_to_bits<bits_v<V>>(code);
        code = code < low ? low : code;
        return code > high ? high : code;
    }
    template <class Rounding>
    [[nodiscard]] NIBBLE_INLINE constexpr V store(Wide x, Rounding rounding) const noexcept {
        return from_code<V>(saturate(round(x, rounding)));
    }
    [[nodiscard]] static NIBBLE_INLINE constexpr bool clips(Wide x) noexcept {
        return x < bottom || x > top;
    }
    [[nodiscard]] NIBBLE_INLINE constexpr bool is_plain(Wide x) const noexcept {
        const std::int32_t end = threshold < top + 1 ? threshold : top + 1;  // one comparison
        return static_cast<std::uint32_t>(x) - static_cast<std::uint32_t>(bottom) <
               static_cast<std::uint32_t>(end) - static_cast<std::uint32_t>(bottom);
    }

    static constexpr std::int32_t low = code_of(value_traits<V>::lowest());
    static constexpr std::int32_t high = code_of(value_traits<V>::highest());
    /// Outside [bottom, top] a store saturates. (At 16 bits a sum that did has the lowest number.)
    static constexpr std::int32_t top = high * unit + unit / 2;
    static constexpr std::int32_t bottom =
        bits_v<V> <= 8 && low * unit - unit / 2 < -0x7FFF ? -0x7FFF : low * unit - unit / 2;

private:
    static NIBBLE_INLINE constexpr std::int32_t whole(double x, std::int32_t least,
                                                      std::int32_t most) noexcept {
        if (!(x > least)) return least;
        if (x >= most) return most;
        return static_cast<std::int32_t>(x + (x < 0 ? -0.5 : 0.5));
    }
};

/// The codes that `reset` puts back, for both forms of Membrane.
template <NeuralValue V>
[[nodiscard]] NIBBLE_INLINE constexpr V reset_code(const Membrane<V>& m) noexcept {
    if constexpr (integer_state<V>) return from_code<V>(m.reset);
    else return m.reset;
}

}  // namespace nibble
