// SPDX-License-Identifier: BSL-1.0
// One area of a brain: the state of its neurons, their parameters, and a burst of them.
//
// State that every neuron has: its potential (a V), one bit for each kept burst of spikes, one bit each
// for "was a candidate" and "is silent", and where there are refractory periods or limits of
// consecutive spikes a timer of 4 to 32 bits and one bit more. Parameters are one number an area;
// arrays appear only where neurons differ.
#pragma once

#include <nibble/neuro/brain_block.hpp>
#include <nibble/neuro/brain_planes.hpp>
#include <nibble/neuro/brain_rules.hpp>
#include <nibble/neuro/brain_types.hpp>
#include <nibble/neuro/lif_array.hpp>
#include <nibble/store/buffer.hpp>

#include <limits>

namespace nibble::inline NIBBLE_ARCH {

/// Counts of one burst.
struct BurstCounts {
    std::uint64_t candidates = 0;  ///< neurons that were updated
    std::uint64_t fired = 0;
    std::uint64_t silent = 0;     ///< candidates in their refractory period or snooze
    std::uint64_t saturated = 0;  ///< potentials that were cut to the range of their type

    BurstCounts& operator+=(const BurstCounts& o) noexcept {
        candidates += o.candidates;
        fired += o.fired;
        silent += o.silent;
        saturated += o.saturated;
        return *this;
    }
};

/// Which neurons a burst updates.
enum class UpdateMode : std::uint8_t {
    candidates,  ///< those to which something arrived, be it 0, as FEAGI does
    every_step,  ///< all: potentials leak and countdowns run without input too
};

/// The state and parameters of an area's neurons. Brain<V> owns these and moves them on.
template <NeuralValue V, class A = Isa>
struct BrainArea {
    using Value = V;
    using Charge = BrainCharge<V>;
    using Wide = BrainWide<V>;

    AreaProperties properties;
    std::uint32_t first = 0;    ///< number of neuron 0
    std::uint32_t neurons = 0;  ///< in use
    std::uint32_t room = 0;     ///< a multiple of 64

    Buffer<unit_t<V>> potential;
    Buffer<BrainCarry> carry;  ///< what rounding took from potentials; empty when not kept
    Timers timers;
    std::vector<std::uint64_t> candidates;  ///< of the last burst
    std::vector<std::uint64_t> silent;      ///< countdown above 0
    std::vector<std::uint64_t> counting;    ///< count above 0; empty without a limit
    std::vector<std::uint64_t> forgetful;   ///< no charge accumulation; empty when none
    std::vector<std::uint64_t> removed;     ///< empty when none
    std::vector<std::uint64_t> spikes;      ///< ring of `kept` rows: burst t is row t % kept
    std::uint32_t kept = 1;
    std::vector<std::uint8_t> fired_psp;  ///< ring like spikes, when psps are driven by potentials
    std::vector<float> fired_potential;   ///< real potential at the last spike, when sampled
    bool fires_always = false;            ///< whatever arrives makes a spike: memory neurons
    bool stale = false;                   ///< parameters changed since derive()
    bool count_always = false;            ///< counts spikes without a limit too

    Plane<float> threshold{1.0f}, limit{std::numeric_limits<float>::infinity()}, keep{1.0f};
    Plane<float> excitability{1.0f};
    Plane<std::uint16_t> refractory, fire_limit, snooze;
    Plane<float> code_per_unit{1.0f};         ///< 1 / scale
    Plane<float> threshold_code, limit_code;  ///< the same in codes, unless the scale is 1
    Plane<float> code_per_charge{1.0f};       ///< 2^-f / scale, for integer types
    std::vector<std::uint32_t> keys;          ///< for chance; empty: neuron numbers
    int charge_bits_used = 0;                 ///< f
    bool stochastic = false;
    std::uint64_t seed = 0;
    std::uint64_t saturated = 0;
    std::vector<std::pair<std::uint32_t, float>> staged;  ///< input of the next burst, real units

    [[nodiscard]] std::size_t blocks() const noexcept { return room / lif_block; }
    [[nodiscard]] std::uint64_t* row(std::uint64_t burst) noexcept {
        return spikes.data() + burst % kept * blocks();
    }
    [[nodiscard]] const std::uint64_t* row(std::uint64_t burst) const noexcept {
        return spikes.data() + burst % kept * blocks();
    }
    [[nodiscard]] ValueSpan<V> codes() noexcept { return {potential.data(), room}; }
    [[nodiscard]] ValueSpan<const V> codes() const noexcept { return {potential.data(), room}; }
    /// A potential in codes, with what is carried; and its change.
    [[nodiscard]] Wide code(std::size_t i) const noexcept {
        Wide x = BrainCode<V>::get(codes()[i]);
        if constexpr (can_carry<V>)
            if (carry.size() != 0)
                x += decode(ValueSpan<const Int4Value>(carry.data(), room)[i]) * 0.0625f;
        return x;
    }
    template <class Rounding = ToNearest>
    void put_code(std::size_t i, Wide x, Rounding rounding = {}) noexcept {
        codes().set(i, BrainCode<V>::put(x, rounding));
        if constexpr (can_carry<V>)
            if (carry.size() != 0)
                ValueSpan<Int4Value>(carry.data(), room)
                    .set(i, encode<Int4Value>(carried(x, BrainCode<V>::get(codes()[i]))));
    }
    [[nodiscard]] double real_potential(std::size_t i) const noexcept {
        return static_cast<double>(code(i)) / static_cast<double>(code_per_unit[i]);
    }
    /// Bytes of the neurons' state as allocated: potentials, timers and words of bits. Parameters of
    /// neurons that differ are not state.
    [[nodiscard]] std::size_t state_bytes() const noexcept {
        return potential.size() * sizeof(unit_t<V>) + carry.size() + timers.bytes() +
               fired_psp.capacity() +
               8 * (candidates.capacity() + silent.capacity() + counting.capacity() +
                    forgetful.capacity() + removed.capacity() + spikes.capacity()) +
               4 * fired_potential.capacity();
    }
    /// Bits of the neurons in block b that are there.
    [[nodiscard]] std::uint64_t valid(std::size_t b) const noexcept {
        std::uint64_t word = ~std::uint64_t{0};
        if ((b + 1) * lif_block > neurons)
            word =
                b * lif_block >= neurons ? 0 : (std::uint64_t{1} << (neurons - b * lif_block)) - 1;
        return removed.empty() ? word : word & ~removed[b];
    }

    /// One burst of the neurons of blocks [begin, end), whose sums begin at `charge` and are untouched
    /// afterwards.
    BurstCounts step(std::size_t begin, std::size_t end, Charge* charge, std::uint64_t burst,
                     UpdateMode mode) {
        if constexpr (bits_v<V> < 32)
            if (stochastic)
                return step(begin, end, charge, burst, mode, StochasticFrom{Dither(seed, burst)});
        return step(begin, end, charge, burst, mode, ToNearest{});
    }

private:
    template <class Rounding>
    BurstCounts step(std::size_t begin, std::size_t end, Charge* charge, std::uint64_t burst,
                     UpdateMode mode, Rounding rounding) {
        const bool all = mode == UpdateMode::every_step;
        std::uint64_t* const now = row(burst);
        BurstCounts n;
        for (std::size_t b = begin; b < end; ++b, charge += lif_block) {
            const std::uint64_t touched =
                all && !fires_always ? ~std::uint64_t{0} : touched_block<A>(charge);
            const std::uint64_t forgets = forgetful.empty() ? 0 : forgetful[b];
            if (forgets != 0) forget(b, touched != 0 ? forgets : forgets & candidates[b]);
            now[b] = 0;
            if (touched == 0) {
                candidates[b] = 0;
                continue;
            }
            candidates[b] = touched & valid(b);
            if (fires_always) now[b] = fire_touched(b, charge, burst);
            else now[b] = step_block(b, charge, burst, all, touched, rounding, n);
            n.candidates += static_cast<std::uint64_t>(std::popcount(candidates[b]));
            n.fired += static_cast<std::uint64_t>(std::popcount(now[b]));
            n.silent += static_cast<std::uint64_t>(std::popcount(candidates[b] & silent[b]));
        }
        return n;
    }

    void forget(std::size_t b, std::uint64_t which) noexcept {
        constexpr std::size_t units = lif_block / values_per_unit<V>;
        if (which == ~std::uint64_t{0} && carry.size() == 0)
            std::memset(static_cast<void*>(potential.data() + b * units), 0,
                        units * sizeof(unit_t<V>));
        else for_each_bit(which, [&](std::size_t i) { put_code(b * lif_block + i, Wide{}); });
    }

    [[nodiscard]] BlockParameters<Wide> parameters(std::size_t b) const noexcept {
        const auto at = [b](const Plane<float>& plane) {
            return BlockParameter<Wide>{
                plane.data() == nullptr ? nullptr : plane.data() + b * lif_block,
                static_cast<Wide>(plane.common())};
        };
        constexpr bool real = std::is_floating_point_v<V>;
        return {at(real ? threshold : threshold_code), at(real ? limit : limit_code), at(keep),
                at(code_per_charge)};
    }

    // Everything that is rare is done a neuron at a time, from words of bits.
    template <class Rounding>
    std::uint64_t step_block(std::size_t b, Charge* charge, std::uint64_t burst, bool all,
                             std::uint64_t touched, Rounding rounding, BurstCounts& n) {
        constexpr std::size_t units = lif_block / values_per_unit<V>;
        unit_t<V>* const block = potential.data() + b * units;
        const std::size_t base = b * lif_block;
        const std::uint64_t mine = candidates[b], waits = mine & silent[b];
        const std::uint64_t stays = (touched & ~mine) | waits, active = mine & ~waits;
        unit_t<V> old[units];
        BrainCarry old_carry[lif_block / 2];
        BrainCarry* const rest = carry.size() == 0 ? nullptr : carry.data() + b * (lif_block / 2);
        if (stays != 0) {
            std::memcpy(old, block, sizeof old);
            if (rest != nullptr) std::memcpy(old_carry, rest, sizeof old_carry);
        }
        alignas(64) Wide x[lif_block];
        const BlockOutcome found = integrate_block<V, A>(block, rest, charge, parameters(b), all,
                                                         rounding, first + base, x);
        const ValueSpan<V> potentials(block, lif_block);
        if (stays != 0) {
            const ValueSpan<const V> kept_codes(old, lif_block);
            for_each_bit(stays, [&](std::size_t i) {
                potentials.set(i, kept_codes[i]);
                if (rest != nullptr)
                    ValueSpan<Int4Value>(rest, lif_block)
                        .set(i, ValueSpan<const Int4Value>(old_carry, lif_block)[i]);
            });
            for_each_bit(waits, [&](std::size_t i) { wait(base + i); });
        }
        std::uint64_t fired = 0, capped = 0;
        for_each_bit(found.over & active, [&](std::size_t i) {
            const std::size_t g = base + i;
            const std::uint64_t bit = std::uint64_t{1} << i;
            const std::uint16_t most = fire_limit[g];
            if (limits_fire(most) && timers.get(g).count >= most) {
                capped |= bit;
                set_count(g, 0);
                put_code(g, x[i], rounding_at(rounding, first + g));
                return;
            }
            const float e = excitability[g];
            if (e < 0.999f) {
                const std::uint32_t key =
                    keys.empty() ? first + static_cast<std::uint32_t>(g) : keys[g];
                if (!excited(e, excitability_random(key, burst))) return;
            }
            fired |= bit;
            put_code(g, Wide{});
            fire(g, burst, static_cast<float>(x[i] / static_cast<Wide>(code_per_unit[g])));
        });
        if (!counting.empty())
            for_each_bit(active & ~fired & ~capped & counting[b],
                         [&](std::size_t i) { set_count(base + i, 0); });
        n.saturated += static_cast<std::uint64_t>(std::popcount(found.cut & active & ~fired));
        return fired;
    }

    std::uint64_t fire_touched(std::size_t b, Charge* charge, std::uint64_t burst) noexcept {
        const Wide unit = static_cast<Wide>(code_per_charge.common() / code_per_unit.common());
        for_each_bit(candidates[b], [&](std::size_t i) {
            fire(b * lif_block + i, burst,
                 static_cast<float>(static_cast<Wide>(sum_of(charge[i])) * unit));
        });
        for (std::size_t i = 0; i < lif_block; ++i) charge[i] = untouched<Charge>;
        return candidates[b];
    }
    void wait(std::size_t g) noexcept {
        Timers::Timer t = timers.get(g);
        if (--t.countdown == 0) {
            silent[g / lif_block] &= ~(std::uint64_t{1} << g % lif_block);
            const std::uint16_t most = fire_limit[g];
            if (limits_fire(most) && t.count >= most) {
                t.count = 0;
                if (!counting.empty()) counting[g / lif_block] &= ~(std::uint64_t{1} << g % 64);
            }
        }
        timers.set(g, t);
    }
    void set_count(std::size_t g, std::uint16_t count) noexcept {
        Timers::Timer t = timers.get(g);
        t.count = count;
        timers.set(g, t);
        if (!counting.empty()) counting[g / lif_block] &= ~(std::uint64_t{1} << g % lif_block);
    }
    void fire(std::size_t g, std::uint64_t burst, float at) noexcept {
        if (!fired_psp.empty()) fired_psp[burst % kept * room + g] = driven_psp(at);
        if (!fired_potential.empty()) fired_potential[g] = at;
        if (timers.bits() == 0) return;
        Timers::Timer t = timers.get(g);
        const std::uint64_t bit = std::uint64_t{1} << g % lif_block;
        const std::uint16_t most = fire_limit[g];
        if (limits_fire(most) || count_always) {
            t.count = t.count == 0xFFFF ? t.count : static_cast<std::uint16_t>(t.count + 1);
            if (!counting.empty() && limits_fire(most)) counting[g / lif_block] |= bit;
        }
        t.countdown = silence_after(refractory[g], t.count, most, snooze[g]);
        if (t.countdown != 0) silent[g / lif_block] |= bit;
        timers.set(g, t);
    }
};

}  // namespace nibble
