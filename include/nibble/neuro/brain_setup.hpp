// SPDX-License-Identifier: BSL-1.0
// From the properties of an area to the numbers that its neurons compute with, and changes to them.
//
// Scales: real = code * scale. Floats of 16 bits and more have the scale 1 and fixed point the one of
// its type. The others take it from the thresholds, a scale for each neuron where thresholds differ:
// the finest at which every potential that a neuron can be left with has a code. That is the threshold,
// a quarter more where a neuron can be above it without firing (chance, limit of consecutive spikes),
// and a little more than the threshold limit where there is one. Or from a range that the caller names.
#pragma once

#include <nibble/neuro/brain_area.hpp>

#include <algorithm>
#include <string>

namespace nibble::inline NIBBLE_ARCH {

/// Ranges to name instead of an automatic one: the real potential of the highest code.
inline constexpr double biological_range = 100.0;  ///< -100 .. 100
inline constexpr double feagi_range = 100.0;       ///< FEAGI's thresholds: 0 .. 100
inline constexpr double embedded_range = 127.0;    ///< an INT8 code is a unit: scale 1

/// How a brain keeps and moves its neurons.
struct BrainOptions {
    UpdateMode update = UpdateMode::candidates;
    double range = 0.0;  ///< real potential of the highest code; 0: automatic
    StateRounding rounding = StateRounding::automatic;
    std::uint64_t seed = 1;  ///< of stochastic rounding and of spread leaks
    std::uint32_t memory_room =
        1024;                   ///< neurons that a memory area has room for; a multiple of 64
    bool count_always = false;  ///< counts spikes of neurons without a limit too
};

/// What can be changed of a neuron while the brain runs.
enum class NeuronParameter : std::uint8_t {
    threshold,
    threshold_limit,         ///< 0: none
    leak,                    ///< 0 to 1
    excitability,            ///< 0 to 1
    refractory,              ///< whole numbers 0 to 65535, as the next two
    consecutive_fire_limit,  ///< 0 and 65535: none
    snooze,
    charge_accumulation,  ///< 0 or 1
    potential,            ///< state, not a parameter
};

[[nodiscard]] inline const char* name_of(NeuronParameter p) noexcept {
    constexpr const char* names[] = {
        "threshold",    "threshold limit",     "leak",
        "excitability", "refractory period",   "consecutive fire limit",
        "snooze",       "charge accumulation", "potential"};
    return names[static_cast<std::size_t>(p)];
}

/// Error: a value out of the range of its parameter.
inline void expect_parameter(const std::string& area, NeuronParameter p, double x) {
    using enum NeuronParameter;
    const auto bad = [&](const char* expected) {
        fail("Brain: area '" + area + "': " + name_of(p) + " is " + std::to_string(x) +
             ", expected " + expected);
    };
    if (!std::isfinite(x) && !(p == threshold_limit && x > 0)) bad("a finite number");
    if (p == leak || p == excitability) {
        if (!(x >= 0.0 && x <= 1.0)) bad("0 to 1");
    } else if (p == refractory || p == consecutive_fire_limit || p == snooze) {
        if (!(x >= 0.0 && x <= 65535.0) || x != std::floor(x)) bad("a whole number 0 to 65535");
    } else if (p == threshold_limit) {
        if (!(x >= 0.0)) bad("0 (no limit) or more");
    } else if (p == charge_accumulation) {
        if (x != 0.0 && x != 1.0) bad("0 or 1");
    }
}

/// A threshold limit as the burst compares with it.
[[nodiscard]] inline float limit_of(double x) noexcept {
    const auto limit = static_cast<float>(x);
    return x <= 0.0 || !(limit < std::numeric_limits<float>::max())
               ? std::numeric_limits<float>::infinity()
               : limit;
}

/// Stores a real potential. It counts as touched, so that areas that forget clear it.
template <NeuralValue V, class A>
void put_potential(BrainArea<V, A>& a, std::size_t i, double x) {
    const auto code = static_cast<BrainWide<V>>(x) * static_cast<BrainWide<V>>(a.code_per_unit[i]);
    a.codes().set(i, BrainCode<V>::put(code, ToNearest{}));
    if (!a.forgetful.empty()) a.candidates[i / lif_block] |= std::uint64_t{1} << i % lif_block;
}

/// The parameters of neurons in the form in which the burst reads them; `n` is the area's room.
template <class Area>
void put_parameter(Area& a, NeuronParameter p, std::size_t i, double x) {
    using enum NeuronParameter;
    const std::size_t n = a.room;
    switch (p) {
        case threshold: a.threshold.set(i, static_cast<float>(x), n); break;
        case threshold_limit: a.limit.set(i, limit_of(x), n); break;
        case leak: a.keep.set(i, 1.0f - static_cast<float>(x), n); break;
        case excitability: a.excitability.set(i, static_cast<float>(x), n); break;
        case refractory: a.refractory.set(i, static_cast<std::uint16_t>(x), n); break;
        case consecutive_fire_limit: a.fire_limit.set(i, static_cast<std::uint16_t>(x), n); break;
        case snooze: a.snooze.set(i, static_cast<std::uint16_t>(x), n); break;
        case charge_accumulation: {
            if (a.forgetful.empty() && x == 0.0) a.forgetful.assign(a.blocks(), 0);
            if (a.forgetful.empty()) break;
            const std::uint64_t bit = std::uint64_t{1} << i % lif_block;
            a.forgetful[i / lif_block] &= ~bit;
            if (x == 0.0) a.forgetful[i / lif_block] |= bit;
            break;
        }
        case potential: put_potential(a, i, x); break;
    }
}

/// A parameter of all neurons of an area.
template <class Area>
void fill_parameter(Area& a, NeuronParameter p, double x) {
    using enum NeuronParameter;
    switch (p) {
        case threshold: a.threshold.fill(static_cast<float>(x)); break;
        case threshold_limit: a.limit.fill(limit_of(x)); break;
        case leak: a.keep.fill(1.0f - static_cast<float>(x)); break;
        case excitability: a.excitability.fill(static_cast<float>(x)); break;
        case refractory: a.refractory.fill(static_cast<std::uint16_t>(x)); break;
        case consecutive_fire_limit: a.fire_limit.fill(static_cast<std::uint16_t>(x)); break;
        case snooze: a.snooze.fill(static_cast<std::uint16_t>(x)); break;
        case charge_accumulation:
            a.forgetful.assign(x == 0.0 ? a.blocks() : 0, ~std::uint64_t{0});
            break;
        case potential:
            for (std::size_t i = 0; i < a.neurons; ++i) put_potential(a, i, x);
            break;
    }
}
/// A parameter of neuron i, as it was set.
template <class Area>
[[nodiscard]] double parameter(const Area& a, NeuronParameter p, std::size_t i) {
    using enum NeuronParameter;
    switch (p) {
        case threshold: return static_cast<double>(a.threshold[i]);
        case threshold_limit:
            return std::isfinite(a.limit[i]) ? static_cast<double>(a.limit[i]) : 0.0;
        case leak: return static_cast<double>(1.0f - a.keep[i]);
        case excitability: return static_cast<double>(a.excitability[i]);
        case refractory: return a.refractory[i];
        case consecutive_fire_limit: return a.fire_limit[i];
        case snooze: return a.snooze[i];
        case charge_accumulation:
            return a.forgetful.empty() || (a.forgetful[i / lif_block] >> i % lif_block & 1u) == 0
                       ? 1.0
                       : 0.0;
        case potential: return a.real_potential(i);
    }
    return 0.0;
}

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
        const BrainWide<V> code = BrainCode<V>::get(a.codes()[i]);
        a.codes().set(i, BrainCode<V>::put(code * static_cast<BrainWide<V>>(ratio), ToNearest{}));
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
    a.potential = Buffer<unit_t<V>>(a.room / values_per_unit<V>);
    a.candidates.assign(a.blocks(), 0);
    a.silent.assign(a.blocks(), 0);
    a.spikes.assign(a.blocks() * a.kept, 0);
    a.stochastic = is_stochastic<V>(o.rounding);
    a.seed = o.seed;
    a.count_always = o.count_always;
    a.fires_always = p.kind == AreaKind::memory;
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
