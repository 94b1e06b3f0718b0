// SPDX-License-Identifier: BSL-1.0
// The parameters of a brain's neurons: their ranges, and how to set and read them one by one.
#pragma once

#include <nibble/neuro/brain_area.hpp>
#include <nibble/store/error.hpp>

#include <cmath>
#include <string>

namespace nibble::inline NIBBLE_ARCH {

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
    a.put_code(i, code);
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

}  // namespace nibble
