// SPDX-License-Identifier: BSL-1.0
// 64 potentials of a brain at once: input in, compare, leak, store. For every value type.
//
// Potentials are codes, real = code * scale. Sums of contributions are floats in real units for float
// types; for integer types whole numbers of 2^-f real units, so that they do not depend on order. Both
// say whether anything arrived, be it 0: a float sum starts at -0, which no sum of numbers but -0 can
// be, and an integer sum keeps its lowest bit for that.
//
// The arithmetic is done in float (double for double): an input is rounded once, when the potential
// is stored.
#pragma once

#include <nibble/neuro/lif_block.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// What arrives at a neuron in a burst.
template <NeuralValue V>
using BrainCharge = std::conditional_t<integer_state<V>, std::int32_t, compute_t<V>>;
/// In what a brain's potentials of type V are computed.
template <NeuralValue V>
using BrainWide = std::conditional_t<std::is_same_v<compute_t<V>, double>, double, float>;

/// A sum to which nothing was added.
template <class Charge>
inline constexpr Charge untouched = std::is_integral_v<Charge> ? Charge{0} : -Charge{0};

template <class Charge>
[[nodiscard]] NIBBLE_INLINE constexpr bool is_untouched(Charge x) noexcept {
    if constexpr (std::is_integral_v<Charge>) return x == 0;
    else if constexpr (sizeof(Charge) == 4) return std::bit_cast<std::uint32_t>(x) == 0x80000000u;
    else return std::bit_cast<std::uint64_t>(x) == std::uint64_t{1} << 63;
}
/// A contribution as deliver adds it: twice an integer; a float that is not -0.
template <class Charge>
[[nodiscard]] NIBBLE_INLINE constexpr Charge as_event(Charge x) noexcept {
    if constexpr (std::is_integral_v<Charge>)
        return static_cast<Charge>(static_cast<std::uint32_t>(x) << 1);
    else return x + Charge{0};
}
template <class Charge>
NIBBLE_INLINE constexpr void add_event(Charge& sum, Charge event) noexcept {
    if constexpr (std::is_integral_v<Charge>)
        sum = static_cast<Charge>(
            (static_cast<std::uint32_t>(sum) + static_cast<std::uint32_t>(event)) | 1u);
    else sum += event;
}
/// The sum itself.
template <class Charge>
[[nodiscard]] NIBBLE_INLINE constexpr Charge sum_of(Charge x) noexcept {
    if constexpr (std::is_integral_v<Charge>) return x >> 1;
    else return x;
}

/// Parameters of 64 neurons: an array, or null and what they share.
template <class Wide>
struct BlockParameter {
    const float* each = nullptr;
    Wide common{};
    [[nodiscard]] NIBBLE_INLINE Wide operator[](std::size_t i) const noexcept {
        return each == nullptr ? common : static_cast<Wide>(each[i]);
    }
};
template <class Wide>
struct BlockParameters {
    BlockParameter<Wide> threshold, limit;  ///< codes
    BlockParameter<Wide> keep;              ///< 1 - leak
    BlockParameter<Wide> per_charge;        ///< codes per unit of charge
};

/// a * b + c as registers compute it: with one rounding where the target can.
NIBBLE_INLINE float fused(float a, float b, float c) noexcept {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
    return __builtin_fmaf(a, b, c);
#else
    return a * b + c;
#endif
}
NIBBLE_INLINE double fused(double a, double b, double c) noexcept { return a * b + c; }

/// Which of 64 sums something was added to.
template <class A, class Charge>
[[nodiscard]] NIBBLE_INLINE std::uint64_t touched_block(const Charge* charge) noexcept {
    std::uint64_t word = 0;
    if constexpr (!std::is_same_v<A, isa::Scalar> && sizeof(Charge) == 4) {
        using B = Batch<Charge, A>;
        using U = Batch<std::uint32_t, A>;
        const U none(std::bit_cast<std::uint32_t>(untouched<Charge>));
        for (std::size_t i = 0; i < lif_block; i += B::lanes)
            word |= mask_bits<A>(bit_cast_to<std::uint32_t>(B::load(charge + i)) != none) << i;
    } else {
        for (std::size_t i = 0; i < lif_block; ++i)
            word |= std::uint64_t{!is_untouched(charge[i])} << i;
    }
    return word;
}

/// A potential as a number of codes and back, for one neuron.
template <NeuralValue V>
struct BrainCode {
    using Wide = BrainWide<V>;
    [[nodiscard]] static NIBBLE_INLINE Wide get(V v) noexcept {
        if constexpr (type_scale<V> != 0.0) return static_cast<Wide>(code_of(v));
        else return decode(v);
    }
    template <class Rounding>
    [[nodiscard]] static NIBBLE_INLINE V put(Wide x, Rounding rounding) noexcept {
        if constexpr (type_scale<V> != 0.0) {  // fixed point computes in integers elsewhere
            const double low = code_of(value_traits<V>::lowest());
            const double high = code_of(value_traits<V>::highest());
            double code = static_cast<double>(x);
            if constexpr (std::is_same_v<Rounding, ToNearest>) code = std::nearbyint(code);
            else code = std::floor(code + static_cast<double>(rounding.dither) * 0x1p-32);
            code = code < low ? low : code > high ? high : code;
            return from_code<V>(static_cast<std::int32_t>(code == code ? code : 0.0));
        } else {
            return encode<V>(x, rounding);
        }
    }
    [[nodiscard]] static NIBBLE_INLINE bool clips(Wide x) noexcept {
        if constexpr (type_scale<V> != 0.0)
            return x <= static_cast<Wide>(code_of(value_traits<V>::lowest())) - Wide(0.5) ||
                   x >= static_cast<Wide>(code_of(value_traits<V>::highest())) + Wide(0.5);
        else return value_traits<V>::clips(x);
    }
};

/// True for the types that may carry what rounding takes from a potential: INT8 keeps 4 bits of it, as a
/// packed number of sixteenths of a code, -7..7.
template <NeuralValue V>
inline constexpr bool can_carry = integer_state<V> && type_scale<V> == 0.0 && bits_v<V> == 8;
using BrainCarry = unit_t<Int4Value>;

/// What of x codes a rounded code leaves, in sixteenths.
NIBBLE_INLINE float carried(float x, float code) noexcept {
    const float r = std::nearbyint((x - code) * 16.0f);
    return r < -7.0f ? -7.0f : r > 7.0f ? 7.0f : r;
}

/// What integrate_block found: who is inside the firing window, and whose stored potential was cut.
struct BlockOutcome {
    std::uint64_t over = 0, cut = 0;
};

/// Adds 64 sums to 64 potentials, notes who is in the window and stores what leaks leave. Neurons to
/// which nothing was added stay as they are unless `all`. The sums are untouched afterwards; `before`
/// gets the potentials with input and before the leak, in codes. `carry`: 64 of them, or null.
template <NeuralValue V, class A, class Rounding>
NIBBLE_INLINE BlockOutcome integrate_block(unit_t<V>* units, [[maybe_unused]] BrainCarry* carry,
                                           BrainCharge<V>* charge,
                                           const BlockParameters<BrainWide<V>>& p, bool all,
                                           Rounding rounding, std::uint64_t first,
                                           BrainWide<V>* before) noexcept {
    using Charge = BrainCharge<V>;
    BlockOutcome out;
    if constexpr (!std::is_same_v<A, isa::Scalar> && std::is_same_v<compute_t<V>, float>) {
        using B = Batch<float, A>;
        using U = Batch<std::uint32_t, A>;
        const auto lane = [](const BlockParameter<float>& x, std::size_t i) {
            return x.each == nullptr ? B(x.common) : B::load(x.each + i);
        };
        const U none(std::bit_cast<std::uint32_t>(untouched<Charge>)), every(all ? 1u : 0u);
        for (std::size_t i = 0; i < lif_block; i += B::lanes) {
            const auto sums = Batch<Charge, A>::load(charge + i);
            Batch<Charge, A>(untouched<Charge>).store(charge + i);
            const auto moves = (bit_cast_to<std::uint32_t>(sums) != none) | (every != U(0u));
            B in;
            if constexpr (std::is_integral_v<Charge>) in = to_float(sums >> 1);
            else in = sums;
            B v = decode_lanes<V, A>(units, i), rest(0.0f);
            if constexpr (can_carry<V>)
                if (carry != nullptr) {
                    rest = decode_lanes<Int4Value, A>(carry, i);
                    v = v + rest * B(0.0625f);
                }
            B x;
            if constexpr (std::is_same_v<V, float>) x = v + in;
            else x = fma(in, lane(p.per_charge, i), v);
            x.store(before + i);
            out.over |= mask_bits<A>((x >= lane(p.threshold, i)) & (x <= lane(p.limit, i))) << i;
            const B y = x * lane(p.keep, i);
            if constexpr (!std::is_same_v<V, float>)
                out.cut |= mask_bits<A>(moves & ((y >= B(clip_limits<V>.high)) |
                                                 (y <= B(clip_limits<V>.low))))
                           << i;
            if constexpr (can_carry<V>)
                if (carry != nullptr) {
                    const B code =
                        round_nearest(max(B(static_cast<float>(Membrane<V>::low)),
                                          min(y, B(static_cast<float>(Membrane<V>::high)))));
                    const B left = round_nearest((y - code) * B(16.0f));
                    encode_lanes<Int4Value, A>(
                        carry, i, select(moves, max(B(-7.0f), min(left, B(7.0f))), rest));
                }
            encode_lanes<V, A>(units, i, select(moves, y, v), rounding, first);
        }
    } else {
        using Code = BrainCode<V>;
        using Wide = BrainWide<V>;
        const ValueSpan<V> potential(units, lif_block);
        for (std::size_t i = 0; i < lif_block; ++i) {
            const bool moves = all || !is_untouched(charge[i]);
            const Wide in = static_cast<Wide>(sum_of(charge[i]));
            charge[i] = untouched<Charge>;
            Wide v = Code::get(potential[i]);
            if constexpr (can_carry<V>)
                if (carry != nullptr)
                    v += decode(ValueSpan<const Int4Value>(carry, lif_block)[i]) * 0.0625f;
            Wide x;
            if constexpr (std::is_floating_point_v<V>) x = v + in;
            else x = fused(in, p.per_charge[i], v);
            before[i] = x;
            out.over |= std::uint64_t{x >= p.threshold[i] && x <= p.limit[i]} << i;
            const Wide y = x * p.keep[i];
            if (!moves) continue;
            out.cut |= std::uint64_t{Code::clips(y)} << i;
            potential.set(i, Code::put(y, rounding_at(rounding, first + i)));
            if constexpr (can_carry<V>)
                if (carry != nullptr)
                    ValueSpan<Int4Value>(carry, lif_block)
                        .set(i, encode<Int4Value>(carried(y, Code::get(potential[i]))));
        }
    }
    return out;
}

}  // namespace nibble
