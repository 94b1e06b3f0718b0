// SPDX-License-Identifier: BSL-1.0
// From the properties of an area to the numbers that its neurons compute with.
//
// Scales: real = code * scale. Floats of 16 bits and more have the scale 1 and fixed point the one of
// its type. The others take it from the thresholds, a scale for each neuron where thresholds differ:
// the finest at which every potential that a neuron can be left with has a code. That is the threshold,
// a quarter more where a neuron can be above it without firing (chance, limit of consecutive spikes),
// and a little more than the threshold limit where there is one. Or from a range that the caller names.
#pragma once

#include <nibble/neuro/brain_parameters.hpp>

#include <algorithm>

namespace nibble::inline NIBBLE_ARCH {

/// Ranges to name instead of an automatic one: the real potential of the highest code.
inline constexpr double biological_range = 100.0;  ///< -100 .. 100
inline constexpr double feagi_range = 100.0;       ///< FEAGI's thresholds: 0 .. 100
inline constexpr double embedded_range = 127.0;    ///< an INT8 code is a unit: scale 1

/// Whether INT8 potentials keep 4 bits of what rounding takes from them: half a byte a neuron, for
/// which spikes come at the steps of FP32.
enum class StateCarry : std::uint8_t {
    automatic,  ///< in areas whose state stays within 2.5 bytes a neuron: timers of at most 4 bits
    always,
    never,
};

/// How a brain keeps and moves its neurons.
struct BrainOptions {
    UpdateMode update = UpdateMode::candidates;
    double range = 0.0;  ///< real potential of the highest code; 0: automatic
    StateRounding rounding = StateRounding::automatic;
    StateCarry carry = StateCarry::automatic;
    std::uint64_t seed = 1;  ///< of stochastic rounding and of spread leaks
    std::uint32_t memory_room =
        1024;                   ///< neurons that a memory area has room for; a multiple of 64
    bool count_always = false;  ///< counts spikes of neurons without a limit too
};

/// Codes that potentials have for a real unit in neuron i when nothing else is asked for.
template <NeuralValue V, class A>
[[nodiscard]] double automatic_code_per_unit(const BrainArea<V, A>& a, std::size_t i,
                                             const BrainOptions& o) {
    if (type_scale<V> != 0.0) return 1.0 / type_scale<V>;
    if (bits_v<V> >= 16) return 1.0;
    const double top = static_cast<double>(decode(value_traits<V>::highest()));
    if (o.range > 0.0) return top / o.range;
    const double threshold = static_cast<double>(a.threshold[i]);
    const double limit = static_cast<double>(a.limit[i]);
    const bool above = a.excitability[i] < 0.999f || limits_fire(a.fire_limit[i]);
    double most = threshold > 0.0 ? threshold : 1.0;
    if (std::isfinite(limit) && limit * 1.02 > most) return top / (limit * 1.02);
    if (above) return top / (most * 1.25);
    // Nothing stays at or above the threshold: it may lie half a step above the highest code.
    return (top + (integer_state<V> && !is_stochastic<V>(o.rounding) ? 0.5 : 0.0)) / most;
}

/// Recomputes everything that follows from the parameters: scales (potentials keep their real values
/// as far as they can), thresholds in codes, timers.
template <NeuralValue V, class A>
void derive(BrainArea<V, A>& a, const BrainOptions& o) {
    a.stale = false;
    const std::size_t n = a.room;
    const auto timed = [&] {
        std::uint32_t longest = 0, most = a.count_always ? 0xFFFFu : 0u;
        for (std::size_t i = 0; i < n; ++i) {
            const std::uint16_t limit = a.fire_limit[i];
            longest = std::max<std::uint32_t>(
                longest, silence_after(a.refractory[i], limit, limit, a.snooze[i]));
            if (limits_fire(limit)) most = std::max<std::uint32_t>(most, limit);
            if (a.refractory.is_common() && a.fire_limit.is_common() && a.snooze.is_common()) break;
        }
        std::uint16_t running = 0;
        for_each_spike(a.silent, [&](std::size_t i) {
            running = std::max(running, a.timers.get(i).countdown);
        });
        a.timers.resize(n, static_cast<std::uint16_t>(std::max<std::uint32_t>(longest, running)),
                        static_cast<std::uint16_t>(most));
        const bool limited = !a.fire_limit.is_common() || limits_fire(a.fire_limit.common());
        if (!limited) std::vector<std::uint64_t>().swap(a.counting);
        else if (a.counting.empty()) {
            a.counting.assign(a.blocks(), 0);
            for (std::size_t i = 0; i < n; ++i)
                if (a.timers.get(i).count != 0 && limits_fire(a.fire_limit[i]))
                    a.counting[i / lif_block] |= std::uint64_t{1} << i % lif_block;
        }
    };
    timed();
    if constexpr (can_carry<V>) {
        const bool fits = o.carry == StateCarry::always || a.timers.bits() <= 4;
        const bool carries = fits && o.carry != StateCarry::never && !a.fires_always &&
                             !is_stochastic<V>(o.rounding);
        if (carries != (a.carry.size() != 0))
            a.carry = carries ? Buffer<BrainCarry>(a.blocks()) : Buffer<BrainCarry>();
    }
    if constexpr (std::is_floating_point_v<V>) return;
    const bool same = a.threshold.is_common() && a.limit.is_common() &&
                      a.excitability.is_common() && a.fire_limit.is_common();
    Plane<float> next(static_cast<float>(automatic_code_per_unit(a, 0, o)));
    if (!same && bits_v<V> < 16 && type_scale<V> == 0.0 && o.range == 0.0) {
        std::vector<float> each(n);
        for (std::size_t i = 0; i < n; ++i)
            each[i] = static_cast<float>(automatic_code_per_unit(a, i, o));
        next.assign(std::move(each));
    }
    for (std::size_t i = 0; i < n; ++i) {
        const float ratio = next[i] / a.code_per_unit[i];
        if (ratio == 1.0f) continue;
        a.put_code(i, a.code(i) * static_cast<BrainWide<V>>(ratio));
    }
    a.code_per_unit = std::move(next);
    const auto in_codes = [&](const Plane<float>& real, Plane<float>& codes) {
        codes.fill(real.common() * a.code_per_unit.common());
        if (real.is_common() && a.code_per_unit.is_common()) return;
        std::vector<float> each(n);
        for (std::size_t i = 0; i < n; ++i) each[i] = real[i] * a.code_per_unit[i];
        codes.assign(std::move(each));
    };
    in_codes(a.threshold, a.threshold_code);
    in_codes(a.limit, a.limit_code);
    const Plane<float> unit(integer_state<V> ? std::ldexp(1.0f, -a.charge_bits_used) : 1.0f);
    in_codes(unit, a.code_per_charge);
}

/// Makes `a` an area of `n` neurons, all at rest, with these properties.
template <NeuralValue V, class A>
void set_up(BrainArea<V, A>& a, const AreaProperties& p, std::uint32_t first, std::uint32_t n,
            std::uint32_t room, const BrainOptions& o) {
    using enum NeuronParameter;
    const auto checked = [&](NeuronParameter what, double x) {
        expect_parameter(p.id.empty() ? p.name : p.id, what, x);
        return x;
    };
    a.properties = p;
    a.first = first;
    a.neurons = n;
    a.room = (room + 63u) / 64u * 64u;
    a.fires_always = p.kind == AreaKind::memory;
    a.potential = Buffer<unit_t<V>>(a.room / values_per_unit<V>);
    a.candidates.assign(a.blocks(), 0);
    a.silent.assign(a.blocks(), 0);
    a.spikes.assign(a.blocks() * a.kept, 0);
    a.stochastic = is_stochastic<V>(o.rounding);
    a.seed = o.seed;
    a.count_always = o.count_always;

    a.threshold.fill(static_cast<float>(checked(threshold, p.threshold)));
    a.limit.fill(limit_of(checked(threshold_limit, p.threshold_limit)));
    a.keep.fill(1.0f - static_cast<float>(checked(leak, p.leak)));
    a.excitability.fill(static_cast<float>(checked(excitability, p.excitability)));
    a.refractory.fill(p.refractory);
    a.fire_limit.fill(p.consecutive_fire_limit);
    a.snooze.fill(p.snooze);
    if (!p.charge_accumulation) a.forgetful.assign(a.blocks(), ~std::uint64_t{0});
    if (p.threshold_gradient != std::array<double, 3>{})
        for (std::uint32_t i = 0; i < n; ++i)
            put_parameter(a, threshold, i, checked(threshold, p.threshold_at(p.voxel(i))));
    if (!(p.leak_variability >= 0.0 && p.leak_variability <= 1.0))
        fail("Brain: area '" + p.id + "': leak variability is " +
             std::to_string(p.leak_variability) + ", expected 0 to 1");
    if (p.leak_variability > 0.0 && p.leak > 0.0) {
        const Dither dice(o.seed, first, 4);
        for (std::uint32_t i = 0; i < n; ++i) {
            const double u = static_cast<double>(dice(i)) * 0x1p-31 - 1.0;
            put_parameter(a, leak, i,
                          std::clamp(p.leak * (1.0 + p.leak_variability * u), 0.0, 1.0));
        }
    }
    derive(a, o);
}

}  // namespace nibble
