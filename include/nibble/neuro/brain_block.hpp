// SPDX-License-Identifier: BSL-1.0
// 64 potentials of a brain at once: input in, compare, leak, store. For every value type.
//
// Potentials are codes, real = code * scale. Sums of contributions are floats in real units for float
// types; for integer types whole numbers of 2^-f real units, so that they do not depend on order. Both
// say whether anything arrived, be it 0: a float sum starts at -0, which no sum of numbers but -0 can
// be, and an integer sum keeps its lowest bit for that.
//
// The arithmetic is done in float (double for double), with equal bits on every instruction set.
#pragma once

#include <nibble/kernel/bytes.hpp>
#include <nibble/kernel/fused.hpp>
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
    [[nodiscard]] NIBBLE_INLINE bool common() const noexcept {
        return threshold.each == nullptr && limit.each == nullptr && keep.each == nullptr &&
               per_charge.each == nullptr;
    }
};

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

/// True for the types that may carry what rounding takes from a potential: INT8 keeps 4 bits of it, so
/// that code and carry are one number of 12 bits, in sixteenths of a code, in two planes.
template <NeuralValue V>
inline constexpr bool can_carry = std::is_same_v<V, Int8Value>;

/// The carries of 64 neurons: byte i has those of neurons i and, in its upper half, 32 + i.
struct BrainCarry {
    Int8Value pair[lif_block / 2];

    /// -8..7 sixteenths.
    [[nodiscard]] NIBBLE_INLINE std::int32_t get(std::size_t i) const noexcept {
        const std::uint32_t byte = static_cast<std::uint8_t>(pair[i % 32].code);
        const std::uint32_t four = i < 32 ? byte & 15u : byte >> 4;
        return static_cast<std::int32_t>(four ^ 8u) - 8;
    }
    NIBBLE_INLINE void set(std::size_t i, std::int32_t x) noexcept {
        const std::uint32_t up = i < 32 ? 0 : 4,
                            byte = static_cast<std::uint8_t>(pair[i % 32].code);
        pair[i % 32].code = static_cast<std::int8_t>(static_cast<std::uint8_t>(
            (byte & ~(15u << up)) | (static_cast<std::uint32_t>(x) & 15u) << up));
    }
};
/// Sixteenths of a code that x codes are, within the range of INT8; and the code that goes with them.
inline constexpr float lowest_sixteenths = 16.0f * -128.0f,
                       highest_sixteenths = 16.0f * 127.0f + 7.0f;
[[nodiscard]] NIBBLE_INLINE std::int32_t sixteenths(float x) noexcept {
    x *= 16.0f;
    x = x < lowest_sixteenths ? lowest_sixteenths : x > highest_sixteenths ? highest_sixteenths : x;
    return static_cast<std::int32_t>(std::nearbyint(x));
}
[[nodiscard]] NIBBLE_INLINE constexpr std::int32_t code_of_sixteenths(std::int32_t x) noexcept {
    return (x + 8) >> 4;
}

/// What integrate_block found: who is inside the firing window, and whose stored potential was cut.
struct BlockOutcome {
    std::uint64_t over = 0, cut = 0;
};

/// Adds 64 sums to the potentials of the `active` of 64 neurons, notes who is in the window and stores
/// what leaks leave; the others stay as they are. The sums are untouched afterwards; `before` gets the
/// potentials with input and before the leak, in codes. `carry` may be null. `Plain`: no parameter is an
/// array, and who is in the window is reset to 0 (`before` is not written).
template <NeuralValue V, class A, bool Plain, class Rounding>
NIBBLE_INLINE BlockOutcome integrate_block(unit_t<V>* units, [[maybe_unused]] BrainCarry* carry,
                                           BrainCharge<V>* charge,
                                           const BlockParameters<BrainWide<V>>& p,
                                           std::uint64_t active, Rounding rounding,
                                           std::uint64_t first, BrainWide<V>* before) noexcept {
    using Charge = BrainCharge<V>;
    BlockOutcome out;
    if constexpr (!std::is_same_v<A, isa::Scalar> && std::is_same_v<compute_t<V>, float>) {
        using B = Batch<float, A>;
        using I = Batch<std::int32_t, A>;
        using U = Batch<std::uint32_t, A>;
        std::uint32_t one_of[B::lanes];
        for (std::size_t j = 0; j < B::lanes; ++j) one_of[j] = 1u << j;
        const U mine = U::load(one_of);
        const auto lane = [](const BlockParameter<float>& x, std::size_t i) {
            return Plain || x.each == nullptr ? B(x.common) : B::load(x.each + i);
        };
        // What becomes of the potentials v of lanes i on.
        const auto leaked = [&](std::size_t i, B v) __attribute__((always_inline)) {
            const auto sums = Batch<Charge, A>::load(charge + i);
            Batch<Charge, A>(untouched<Charge>).store(charge + i);
            const auto moves = (U(static_cast<std::uint32_t>(active >> i)) & mine) != U(0u);
            B x;
            if constexpr (std::is_same_v<V, float>) x = v + sums;
            else if constexpr (std::is_integral_v<Charge>)
                x = v + rounded(to_float(sums >> 1) * lane(p.per_charge, i));
            else x = v + rounded(sums * lane(p.per_charge, i));
            const auto over = (x >= lane(p.threshold, i)) & (x <= lane(p.limit, i));
            out.over |= mask_bits<A>(over) << i;
            const B y = x * lane(p.keep, i);
            if constexpr (!std::is_same_v<V, float>)
                out.cut |=
                    mask_bits<A>((y >= B(clip_limits<V>.high)) | (y <= B(clip_limits<V>.low))) << i;
            if constexpr (Plain) return select(moves, select(over, B(0.0f), y), v);
            x.store(before + i);
            return select(moves, y, v);
        };
        if constexpr (can_carry<V>)
            if (carry != nullptr) {
                const auto step = [&](std::size_t i, I rest) __attribute__((always_inline)) {
                    const I both = (load_bytes<A>(units + i) << 4) + rest;
                    const B x = leaked(i, to_float(both) * B(0.0625f)) * B(16.0f);
                    const I next =
                        to_int_nearest(max(B(lowest_sixteenths), min(x, B(highest_sixteenths))));
                    store_bytes<A>(units + i, (next + I(8)) >> 4);
                    return next;
                };
                for (std::size_t i = 0; i < lif_block / 2; i += B::lanes) {
                    const I pair = load_bytes<A>(carry->pair + i);
                    const I low = step(i, (pair << 28) >> 28);
                    const I high = step(i + lif_block / 2, pair >> 4);
                    store_bytes<A>(carry->pair + i, (low & I(15)) | (high << 4));
                }
                return out;
            }
        for (std::size_t i = 0; i < lif_block; i += B::lanes)
            encode_lanes<V, A>(units, i, leaked(i, decode_lanes<V, A>(units, i)), rounding, first);
    } else {
        using Code = BrainCode<V>;
        using Wide = BrainWide<V>;
        const ValueSpan<V> potential(units, lif_block);
        for (std::size_t i = 0; i < lif_block; ++i) {
            const bool moves = (active >> i & 1u) != 0;
            const Wide in = static_cast<Wide>(sum_of(charge[i]));
            charge[i] = untouched<Charge>;
            Wide v = Code::get(potential[i]);
            if constexpr (can_carry<V>)
                if (carry != nullptr) v += static_cast<Wide>(carry->get(i)) * Wide(0.0625);
            Wide x;
            if constexpr (std::is_floating_point_v<V>) x = v + in;
            else x = v + rounded<A>(in * p.per_charge[i]);
            const bool over = x >= p.threshold[i] && x <= p.limit[i];
            out.over |= std::uint64_t{over} << i;
            Wide y = x * p.keep[i];
            out.cut |= std::uint64_t{Code::clips(y)} << i;
            if constexpr (Plain) y = over ? Wide{} : y;
            else before[i] = x;
            if (!moves) continue;
            if constexpr (can_carry<V>)
                if (carry != nullptr) {
                    const std::int32_t both = sixteenths(y);
                    potential.set(i, from_code<V>(code_of_sixteenths(both)));
                    carry->set(i, both);
                    continue;
                }
            potential.set(i, Code::put(y, rounding_at(rounding, first + i)));
        }
    }
    return out;
}

}  // namespace nibble
