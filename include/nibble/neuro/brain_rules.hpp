// SPDX-License-Identifier: BSL-1.0
// The rules of one FEAGI neuron and one FEAGI synapse, a scalar at a time, in single precision: what
// Brain<V> computes 64 neurons at once, and what its tests compare with.
//
//     potential      V += input
//     fires          threshold <= V <= limit, by chance when excitability < 1; then V = 0
//     leak           else V *= 1 - leak
//     contribution   weight * psp, negative for inhibition, 0 .. 65025 in size
//     chance         u(neuron, burst) < excitability, u from a counter-based hash (PCG's output
//                    permutation, M. O'Neill 2014), so that runs repeat without a state
//
// From 0.999 on, excitability means always.
#pragma once

#include <nibble/version.hpp>

#include <cmath>
#include <cstdint>

namespace nibble::inline NIBBLE_ARCH {

/// 32 well mixed bits of 32.
[[nodiscard]] NIBBLE_INLINE constexpr std::uint32_t pcg_hash(std::uint32_t x) noexcept {
    const std::uint32_t state = x * 747796405u + 2891336453u;
    const std::uint32_t word = ((state >> ((state >> 28) + 4)) ^ state) * 277803737u;
    return (word >> 22) ^ word;
}
/// What a neuron draws in a burst, before it is a number from 0 to 1; bursts count from 1.
[[nodiscard]] NIBBLE_INLINE constexpr std::uint32_t excitability_hash(
    std::uint32_t neuron, std::uint64_t burst) noexcept {
    return pcg_hash(neuron * 2654435761u + static_cast<std::uint32_t>(burst) * 1597334677u);
}
/// The same as a number from 0 to 1.
[[nodiscard]] NIBBLE_INLINE constexpr float pcg_unit(std::uint32_t x) noexcept {
    return static_cast<float>(pcg_hash(x)) / 4294967296.0f;
}
/// The chance that a neuron draws in a burst; bursts count from 1.
[[nodiscard]] NIBBLE_INLINE constexpr float excitability_random(std::uint32_t neuron,
                                                                std::uint64_t burst) noexcept {
    return static_cast<float>(excitability_hash(neuron, burst)) / 4294967296.0f;
}
/// Whether a neuron at its threshold fires when it draws `chance`.
[[nodiscard]] NIBBLE_INLINE constexpr bool excited(float excitability, float chance) noexcept {
    return excitability >= 0.999f || (excitability > 0.0f && chance < excitability);
}
/// Whether a neuron of potential v fires when it draws `chance`.
[[nodiscard]] NIBBLE_INLINE constexpr bool should_fire(float v, float threshold, float excitability,
                                                       float chance) noexcept {
    return v >= threshold && excited(excitability, chance);
}

/// A potential after a step, and whether the neuron fired.
struct LifOutcome {
    float potential = 0.0f;
    bool fired = false;
};
/// FEAGI's running rule: add, compare, then reset or leak. No resting potential.
[[nodiscard]] NIBBLE_INLINE constexpr LifOutcome lif_step(float v, float input, float threshold,
                                                          float leak) noexcept {
    v += input;
    if (v >= threshold) return {0.0f, true};
    return {v * (1.0f - leak), false};
}
/// The textbook rule, which FEAGI documents but does not run: V += input - leak * (V - rest).
[[nodiscard]] NIBBLE_INLINE constexpr LifOutcome lif_step_with_rest(float v, float input,
                                                                    float threshold, float leak,
                                                                    float rest) noexcept {
    v += input - leak * (v - rest);
    if (v >= threshold) return {rest, true};
    return {v, false};
}

/// What a synapse adds to its target: weight * psp, negative when it inhibits.
[[nodiscard]] NIBBLE_INLINE constexpr std::int32_t contribution(std::uint8_t weight,
                                                                std::uint8_t psp,
                                                                bool inhibitory) noexcept {
    const std::int32_t size = std::int32_t{weight} * psp;
    return inhibitory ? -size : size;
}
/// A weight of 0..1 as a byte: cut, not rounded.
[[nodiscard]] NIBBLE_INLINE constexpr std::uint8_t weight_from_float(float w) noexcept {
    const float scaled = w * 255.0f;
    if (!(scaled > 0.0f)) return 0;
    return scaled >= 255.0f ? std::uint8_t{255} : static_cast<std::uint8_t>(scaled);
}
/// A weight after a change; stays in 0..255.
[[nodiscard]] NIBBLE_INLINE constexpr std::uint8_t changed_weight(std::uint8_t weight,
                                                                  std::int32_t change) noexcept {
    const std::int32_t w = (change > 255 ? 255 : change < -255 ? -255 : change) + weight;
    return static_cast<std::uint8_t>(w < 0 ? 0 : w > 255 ? 255 : w);
}
/// The psp of a neuron whose potential at firing drives it.
[[nodiscard]] NIBBLE_INLINE std::uint8_t driven_psp(float potential) noexcept {
    if (!(potential > 0.0f)) return 0;
    return potential >= 255.0f ? std::uint8_t{255}
                               : static_cast<std::uint8_t>(std::round(potential));
}

/// True when a limit of consecutive spikes is one: 0 and 65535 are none.
[[nodiscard]] NIBBLE_INLINE constexpr bool limits_fire(std::uint16_t limit) noexcept {
    return limit != 0 && limit != 0xFFFF;
}
/// Bursts of silence after a spike that made it `count` in a row.
[[nodiscard]] NIBBLE_INLINE constexpr std::uint16_t silence_after(std::uint16_t refractory,
                                                                  std::uint16_t count,
                                                                  std::uint16_t limit,
                                                                  std::uint16_t snooze) noexcept {
    const std::uint32_t n = refractory + (limits_fire(limit) && count >= limit ? snooze : 0u);
    return static_cast<std::uint16_t>(n > 0xFFFF ? 0xFFFF : n);
}

}  // namespace nibble
