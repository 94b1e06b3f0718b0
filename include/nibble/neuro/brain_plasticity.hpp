// SPDX-License-Identifier: BSL-1.0
// Plasticity of a brain's synapses.
//
// Window rule (PlasticityRule), after each burst that has `window` bursts of history, for every synapse
// between two areas: both ends fired in all of them: weight += constant * ltp; else, either end fired in
// any: weight -= constant * ltd. Changes and weights are cut to 0..255; a weight of 0 can be pruned.
// The associative kind then makes the missing synapses between ends that fired in all, with the weight
// constant * ltp.
//
// "Fired in all" and "fired in any" are one AND and one OR a word of 64 neurons and burst.
#pragma once

#include <nibble/neuro/brain_area.hpp>
#include <nibble/neuro/brain_synapses.hpp>

#include <algorithm>
#include <span>

namespace nibble::inline NIBBLE_ARCH {

/// A weight change of a rule: cut to 0..255.
[[nodiscard]] constexpr std::uint8_t weight_step(std::int32_t constant,
                                                 std::int32_t factor) noexcept {
    const std::int64_t step = std::int64_t{constant} * factor;
    return static_cast<std::uint8_t>(step < 0 ? 0 : step > 255 ? 255 : step);
}

/// Who of the source and the target area fired in all and in any burst of a window.
struct WindowActivity {
    std::vector<std::uint64_t> source_all, source_any, target_all, target_any;
};

/// The words of an area's last `window` bursts, the last being `burst`, ANDed and ORed.
template <class Area>
void look_back(const Area& a, std::uint64_t burst, std::uint32_t window,
               std::vector<std::uint64_t>& all, std::vector<std::uint64_t>& any) {
    all.assign(a.row(burst), a.row(burst) + a.blocks());
    any = all;
    for (std::uint32_t ago = 1; ago < window; ++ago) {
        const std::uint64_t* const row = a.row(burst - ago);
        for (std::size_t w = 0; w < all.size(); ++w) {
            all[w] &= row[w];
            any[w] |= row[w];
        }
    }
}
inline void silence(std::vector<std::uint64_t>& all, std::vector<std::uint64_t>& any) {
    all.assign(all.size(), 0);
    any.assign(any.size(), 0);
}
[[nodiscard]] NIBBLE_INLINE bool bit_at(std::span<const std::uint64_t> words,
                                        std::size_t i) noexcept {
    return (words[i / 64] >> i % 64 & 1u) != 0;
}

/// Changes the weights of the rule's synapses by the activity of its areas up to `burst`, and leaves
/// that in `seen`. True when weights got an array of their own.
template <class Areas, class Projections>
bool apply_window_rule(const PlasticityRule& rule, const Areas& areas, Projections& projections,
                       std::uint64_t burst, WindowActivity& seen) {
    look_back(areas[rule.source_area], burst, rule.window, seen.source_all, seen.source_any);
    look_back(areas[rule.target_area], burst, rule.window, seen.target_all, seen.target_any);
    if (!rule.associative) {  // memory neurons learn by association alone
        if (areas[rule.source_area].fires_always) silence(seen.source_all, seen.source_any);
        if (areas[rule.target_area].fires_always) silence(seen.target_all, seen.target_any);
    }
    const std::uint8_t up = weight_step(rule.constant, rule.ltp);
    const std::uint8_t down = weight_step(rule.constant, rule.ltd);
    if (up == 0 && down == 0) return false;
    const bool quiet =
        std::all_of(seen.target_any.begin(), seen.target_any.end(), [](auto w) { return w == 0; });
    bool spread = false;
    for (auto& p : projections) {
        if (p.source_area != rule.source_area || p.target_area != rule.target_area) continue;
        spread = spread || p.weights().is_common();
        std::uint8_t* const weight = p.spread_weights();
        for (std::size_t s = 0; s < p.sources(); ++s) {
            const bool any = bit_at(seen.source_any, s), all = bit_at(seen.source_all, s);
            if (!any && quiet) continue;
            p.for_row(s, [&](std::size_t k, std::uint32_t t) {
                const bool both = all && bit_at(seen.target_all, t);
                const bool either = any || bit_at(seen.target_any, t);
                const int w = weight[k] + (both ? up : either ? -int{down} : 0);
                weight[k] = static_cast<std::uint8_t>(std::clamp(w, 0, 255));
            });
        }
    }
    return spread;
}

/// The synapses that an associative rule makes: all pairs that fired in the whole window and have none.
template <class Projections>
void new_synapses(const PlasticityRule& rule, const Projections& projections,
                  const WindowActivity& seen, std::vector<LocalSynapse>& created) {
    created.clear();
    const std::uint8_t weight = weight_step(rule.constant, rule.ltp);
    if (weight == 0) return;
    std::vector<std::uint64_t> free;
    for_each_spike(std::span<const std::uint64_t>(seen.source_all), [&](std::size_t s) {
        free = seen.target_all;
        for (const auto& p : projections)
            if (p.source_area == rule.source_area && p.target_area == rule.target_area)
                p.for_row(s, [&](std::size_t, std::uint32_t t) {
                    free[t / 64] &= ~(std::uint64_t{1} << t % 64);
                });
        for_each_spike(std::span<const std::uint64_t>(free), [&](std::size_t t) {
            created.push_back({static_cast<std::uint32_t>(s), static_cast<std::uint32_t>(t), weight,
                               rule.psp, rule.inhibitory});
        });
    });
}

}  // namespace nibble
