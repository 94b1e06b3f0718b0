// SPDX-License-Identifier: BSL-1.0
// The step of 64 neurons at once, for every value type: branch-free, so that it becomes registers.
//
// The result equals that of 64 single steps of Membrane<V> (membrane.hpp) bit for bit.
#pragma once

#include <nibble/kernel/isa.hpp>
#include <nibble/neuro/membrane.hpp>
#include <nibble/store/span.hpp>

#include <bit>
#include <cstring>

namespace nibble::inline NIBBLE_ARCH {

/// How many neurons a block holds: the bits of a spike word.
inline constexpr std::size_t lif_block = 64;

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

/// The step of the 64 potentials from `units` on; `first` is the index of the first neuron, for
/// dither. Adds to `saturated` what was cut and returns one bit for each neuron that fired.
template <class V, class A, class Rounding>
    requires integer_state<V>
NIBBLE_INLINE std::uint64_t step_block(const Membrane<V>& m, unit_t<V>* units,
                                       const std::int32_t* charge, Rounding rounding,
                                       std::uint64_t first, std::size_t& saturated) noexcept {
    if constexpr (bits_v<V> < 8) {
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

/// The same for types that compute in float (or double).
template <class V, class A, class Rounding>
    requires(!integer_state<V>)
NIBBLE_INLINE std::uint64_t step_block(const Membrane<V>& m, unit_t<V>* units,
                                       const charge_t<V>* charge, Rounding rounding,
                                       std::uint64_t first, std::size_t& saturated) noexcept {
    const ValueSpan<V> potential(units, lif_block);
    std::uint64_t fired = 0;
    for (std::size_t i = 0; i < lif_block; ++i) {
        const auto x = m.integrate(potential[i], charge[i]);
        const bool fires = m.fires(x);
        potential.set(i, fires ? m.reset : m.store(x, rounding_at(rounding, first + i)));
        saturated += !fires && m.clips(x) ? 1u : 0u;
        fired |= std::uint64_t{fires} << i;
    }
    return fired;
}

}  // namespace nibble
