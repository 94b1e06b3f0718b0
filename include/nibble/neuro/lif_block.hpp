// SPDX-License-Identifier: BSL-1.0
// The step of 64 neurons at once, for every value type, without a branch. The result equals that of
// 64 single steps of Membrane<V> (membrane.hpp) bit for bit.
//
// Three forms: registers of floats for types that compute in float, registers of 16-bit integers for
// 8-bit and 4-bit states (AVX2, AVX-512), and a loop over codes that compilers make registers of.
#pragma once

#include <nibble/kernel/arch_bytes.hpp>
#include <nibble/neuro/membrane.hpp>
#include <nibble/store/span.hpp>
#include <nibble/value/clip_limits.hpp>

#include <array>
#include <bit>
#include <cstring>
#include <span>

namespace nibble::inline NIBBLE_ARCH {

/// How many neurons a block holds: the bits of a spike word.
inline constexpr std::size_t lif_block = 64;

/// Calls f(i) for every set bit, ascending.
template <class F>
NIBBLE_INLINE void for_each_bit(std::uint64_t word, F&& f) {
    for (; word != 0; word &= word - 1) f(static_cast<std::size_t>(std::countr_zero(word)));
}
template <class F>
void for_each_spike(std::span<const std::uint64_t> words, F&& f) {
    for (std::size_t w = 0; w < words.size(); ++w)
        for_each_bit(words[w], [&](std::size_t i) { f(w * 64 + i); });
}

/// 64 flags, 0 or 1 a byte, as the bits of a word: flag i is bit i.
template <class A = Isa>
NIBBLE_INLINE std::uint64_t pack_flags(const std::uint8_t* flags) noexcept {
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < 8; ++i) {
        std::uint64_t eight = 0;
        if constexpr (std::endian::native == std::endian::little) {
            std::memcpy(&eight, flags + 8 * i, 8);
        } else {
            for (std::size_t k = 0; k < 8; ++k) eight |= std::uint64_t{flags[8 * i + k]} << (8 * k);
        }
        // Gathers bit 0 of byte k into bit 56 + k; no two products meet in a bit.
        word |= ((eight * 0x0102040810204080u) >> 56) << (8 * i);
    }
    return word;
}

/// 64 packed values as one code a byte, and back.
template <class V, class A = Isa>
NIBBLE_INLINE void unpack_block(const std::uint8_t* units, std::int8_t* codes) noexcept {
    constexpr std::size_t per = values_per_unit<V>;
    constexpr int bits = bits_v<V>;
    for (std::size_t u = 0; u < lif_block / per; ++u)
        for (std::size_t k = 0; k < per; ++k) {
            const int up = 8 - bits * static_cast<int>(k + 1);
            codes[u * per + k] = static_cast<std::int8_t>(
                static_cast<std::int8_t>(static_cast<std::uint8_t>(units[u] << up)) >> (8 - bits));
        }
}
template <class V, class A = Isa>
NIBBLE_INLINE void pack_block(const std::int8_t* codes, std::uint8_t* units) noexcept {
    constexpr std::size_t per = values_per_unit<V>;
    constexpr int bits = bits_v<V>;
    constexpr unsigned mask = (1u << bits) - 1u;
    for (std::size_t u = 0; u < lif_block / per; ++u) {
        unsigned unit = 0;
        for (std::size_t k = 0; k < per; ++k)
            unit |= (static_cast<unsigned>(codes[u * per + k]) & mask)
                    << (bits * static_cast<int>(k));
        units[u] = static_cast<std::uint8_t>(unit);
    }
}

/// 64 steps over codes one an element (int8 or int16), in place. Returns the spikes.
template <class V, class A, class Rounding, class Code>
NIBBLE_INLINE std::uint64_t step_codes(const Membrane<V>& m, Code* codes,
                                       const std::int32_t* charge, Rounding rounding,
                                       std::uint64_t first, std::size_t& saturated) noexcept {
    alignas(64) std::uint8_t flags[lif_block];
    const std::int32_t threshold = m.threshold, reset = m.reset;
    std::uint32_t cut = 0;
    for (std::uint32_t i = 0; i < lif_block; ++i) {
        const std::int32_t x = m.integrate(std::int32_t{codes[i]}, charge[i]);
        const std::int32_t stays = -static_cast<std::int32_t>(x < threshold);
        const std::int32_t inside =
            Membrane<V>::saturate(Membrane<V>::round(x, rounding_at(rounding, first + i)));
        cut += static_cast<std::uint32_t>(stays & static_cast<std::int32_t>(Membrane<V>::clips(x)));
        codes[i] = static_cast<Code>((inside & stays) | (reset & ~stays));
        flags[i] = static_cast<std::uint8_t>(1 + stays);
    }
    saturated += cut;
    return pack_flags<A>(flags);
}

/// True where a block of V's is stepped in 16-bit registers.
template <class V, class A>
inline constexpr bool steps_in_shorts = [] {
    if constexpr (has_shorts<A> && integer_state<V> && (bits_v<V> == 8 || bits_v<V> == 4))
        return Membrane<V>::low == -(1 << (bits_v<V> - 1)) &&
               Membrane<V>::high == (1 << (bits_v<V> - 1)) - 1;
    return false;
}();

/// The input of 64 neurons as codes with the scale of their potentials.
template <class V>
struct CodeBlock {
    const unit_t<V>* units;
};

/// 64 steps in 16-bit registers; the input is charges or a CodeBlock. The threshold is at most half a
/// step above the highest code. `Keeps`: the leak is 1, which is no 15-bit fraction.
template <class V, class A, bool Keeps, class Rounding, class Input>
NIBBLE_INLINE std::uint64_t step_shorts(const Membrane<V>& m, unit_t<V>* units, Input input,
                                        Rounding rounding, std::uint64_t first,
                                        std::size_t& saturated) noexcept {
    using S = Shorts<A>;
    using M = Membrane<V>;
    constexpr int width = bits_v<V>;
    const S leak(static_cast<std::int16_t>(Keeps ? 0 : m.leak));
    const S threshold(static_cast<std::int16_t>(m.threshold));
    const S bottom(static_cast<std::int16_t>(M::bottom));
    const S reset(static_cast<std::int16_t>(m.reset));
    std::uint64_t silent = 0, cut = 0;
    for (std::size_t i = 0; i < lif_block; i += S::lanes) {
        unit_t<V>* p = units + i / values_per_unit<V>;
        S kept = S::template load_codes<width>(p), in;
        if constexpr (!Keeps) kept = multiply_fraction(kept, leak);
        if constexpr (std::is_same_v<Input, CodeBlock<V>>)
            in = S::template load_codes<width>(input.units + i / values_per_unit<V>);
        else in = S::template narrow<M::narrowing>(input + i);
        const S x = add_saturated(kept, in);
        S code;
        if constexpr (std::is_same_v<Rounding, ToNearest>)  // (x + unit / 2) >> fraction
            code = multiply_fraction(x, S(std::int16_t{1 << (15 - M::fraction)}));
        else
            code = add_saturated(x, S::template dither<M::fraction>(rounding.dither, first + i)) >>
                   M::fraction;
        const typename S::Mask below = x < threshold;
        silent |= std::uint64_t{bits(below)} << i;
        cut |= std::uint64_t{bits(x < bottom)} << i;
        select(below, code, reset).template store_codes<width>(p);
    }
    saturated += static_cast<std::size_t>(std::popcount(cut));
    return ~silent;
}

/// The step of the 64 potentials from `units` on; `first` is the index of the first neuron, for
/// dither. Adds to `saturated` what was cut and returns one bit for each neuron that fired.
template <class V, class A, class Rounding>
    requires integer_state<V>
NIBBLE_INLINE std::uint64_t step_block(const Membrane<V>& m, unit_t<V>* units,
                                       const std::int32_t* charge, Rounding rounding,
                                       std::uint64_t first, std::size_t& saturated) noexcept {
    if constexpr (steps_in_shorts<V, A>) {
        return m.leak == 1 << Membrane<V>::leak_bits
                   ? step_shorts<V, A, true>(m, units, charge, rounding, first, saturated)
                   : step_shorts<V, A, false>(m, units, charge, rounding, first, saturated);
    } else if constexpr (bits_v<V> < 8) {
        alignas(64) std::int8_t codes[lif_block];
        unpack_block<V, A>(units, codes);
        const std::uint64_t fired = step_codes<V, A>(m, codes, charge, rounding, first, saturated);
        pack_block<V, A>(codes, units);
        return fired;
    } else {
        using Code = std::conditional_t<bits_v<V> == 8, std::int8_t, std::int16_t>;
        static_assert(sizeof(V) == sizeof(Code));
        Code codes[lif_block];
        std::memcpy(codes, units, sizeof codes);
        const std::uint64_t fired = step_codes<V, A>(m, codes, charge, rounding, first, saturated);
        std::memcpy(units, codes, sizeof codes);
        return fired;
    }
}

/// The same for types that compute in float (or double); the input is charges or a CodeBlock.
template <class V, class A, class Rounding, class Input>
    requires(!integer_state<V>)
NIBBLE_INLINE std::uint64_t step_block(const Membrane<V>& m, unit_t<V>* units, Input input,
                                       Rounding rounding, std::uint64_t first,
                                       std::size_t& saturated) noexcept {
    constexpr bool from_codes = std::is_same_v<Input, CodeBlock<V>>;
    std::uint64_t fired = 0;
    if constexpr (std::is_same_v<compute_t<V>, float> && !std::is_same_v<A, isa::Scalar>) {
        using B = Batch<float, A>;
        const B leak(m.leak), per_charge(m.per_charge), threshold(m.threshold);
        const B reset(decode(m.reset));
        std::uint64_t cut = 0;
        for (std::size_t i = 0; i < lif_block; i += B::lanes) {
            B in;
            if constexpr (from_codes) in = decode_lanes<V, A>(input.units, i);
            else in = B::load(input + i) * per_charge;
            const B x = fma(leak, decode_lanes<V, A>(units, i), in);
            const auto fires = x >= threshold;
            fired |= mask_bits<A>(fires) << i;
            if constexpr (!std::is_same_v<V, float>)
                cut |= mask_bits<A>((x >= B(clip_limits<V>.high)) | (x <= B(clip_limits<V>.low)))
                       << i;
            encode_lanes<V, A>(units, i, select(fires, reset, x), rounding, first);
        }
        saturated += static_cast<std::size_t>(std::popcount(cut & ~fired));
        return fired;
    } else {
        const ValueSpan<V> potential(units, lif_block);
        for (std::size_t i = 0; i < lif_block; ++i) {
            compute_t<V> x;
            if constexpr (from_codes)
                x = m.integrate_code(potential[i], ValueSpan<const V>(input.units, lif_block)[i]);
            else x = m.integrate(potential[i], input[i]);
            const bool fires = m.fires(x);
            potential.set(i, fires ? m.reset : m.store(x, rounding_at(rounding, first + i)));
            saturated += !fires && m.clips(x) ? 1u : 0u;
            fired |= std::uint64_t{fires} << i;
        }
        return fired;
    }
}

/// The same for integer types from codes.
template <class V, class A, class Rounding>
    requires integer_state<V>
NIBBLE_INLINE std::uint64_t step_block(const Membrane<V>& m, unit_t<V>* units, CodeBlock<V> input,
                                       Rounding rounding, std::uint64_t first,
                                       std::size_t& saturated) noexcept {
#if NIBBLE_SIMD && defined(__AVX2__)
    if constexpr (steps_in_shorts<V, A> && bits_v<V> == 8 && std::is_same_v<Rounding, ToNearest>) {
        // A threshold half a step above a code can be told from the rounded sum, in bytes. What may
        // have been cut is counted below.
        constexpr std::int32_t unit = Membrane<V>::unit;
        std::uint64_t fired = 0;
        if (m.threshold % unit == unit / 2 && m.leak < 1 << Membrane<V>::leak_bits &&
            LeakyBytes<A>(m.leak, (m.threshold + unit / 2) / unit, m.reset)
                .step(units, input.units, fired))
            return fired;
    }
#endif
    if constexpr (steps_in_shorts<V, A>) {
        return m.leak == 1 << Membrane<V>::leak_bits
                   ? step_shorts<V, A, true>(m, units, input, rounding, first, saturated)
                   : step_shorts<V, A, false>(m, units, input, rounding, first, saturated);
    } else {
        alignas(64) std::int32_t charge[lif_block];
        const ValueSpan<const V> current(input.units, lif_block);
        for (std::size_t i = 0; i < lif_block; ++i) charge[i] = m.charge_of(current[i]);
        const std::int32_t* charges = charge;
        return step_block<V, A>(m, units, charges, rounding, first, saturated);
    }
}

}  // namespace nibble
