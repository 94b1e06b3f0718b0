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
                x += static_cast<Wide>(carry[i / lif_block].get(i % lif_block)) * Wide(0.0625);
        return x;
    }
    template <class Rounding = ToNearest>
    void put_code(std::size_t i, Wide x, Rounding rounding = {}) noexcept {
        if constexpr (can_carry<V>)
            if (carry.size() != 0) {
                const std::int32_t both = sixteenths(x);
                codes().set(i, from_code<V>(code_of_sixteenths(both)));
                carry[i / lif_block].set(i % lif_block, both);
                return;
            }
        codes().set(i, BrainCode<V>::put(x, rounding));
    }
    [[nodiscard]] double real_potential(std::size_t i) const noexcept {
        return static_cast<double>(code(i)) / static_cast<double>(code_per_unit[i]);
    }
    /// Bytes of the neurons' state as allocated: potentials, timers and words of bits. Parameters of
    /// neurons that differ are not state.
    [[nodiscard]] std::size_t state_bytes() const noexcept {
        return potential.size() * sizeof(unit_t<V>) + carry.size() * sizeof(BrainCarry) +
               timers.bytes() + fired_psp.capacity() +
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
        const BlockParameters<Wide> shared = parameters(0);
        // Then nothing needs a look at single neurons.
        const bool plain = shared.common() && excitability.is_common() &&
                           excitability.common() >= 0.999f && refractory.is_common() &&
                           fire_limit.is_common() && !limits_fire(fire_limit.common()) &&
                           !count_always && fired_psp.empty() && fired_potential.empty();
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
            else
                now[b] = plain ? step_plain(b, charge, shared, rounding, n)
                               : step_block(b, charge, burst, parameters(b), rounding, n);
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

    static constexpr std::size_t ahead = 4 * lif_block * bits_v<V> / 8;

    [[nodiscard]] unit_t<V>* block(std::size_t b) noexcept {
        return potential.data() + b * (lif_block / values_per_unit<V>);
    }
    [[nodiscard]] BrainCarry* block_carry(std::size_t b) noexcept {
        return carry.size() == 0 ? nullptr : carry.data() + b;
    }

    template <class Rounding>
    NIBBLE_INLINE std::uint64_t step_plain(std::size_t b, Charge* charge,
                                           const BlockParameters<Wide>& p, Rounding rounding,
                                           BurstCounts& n) {
        const std::uint64_t waits = candidates[b] & silent[b], active = candidates[b] & ~waits;
        // The next potentials come from far away when the area is large.
        for (std::size_t at = 0; at < lif_block * bits_v<V> / 8; at += 64)
            __builtin_prefetch(reinterpret_cast<const char*>(block(b)) + ahead + at, 1);
        const BlockOutcome found = integrate_block<V, A, true>(
            block(b), block_carry(b), charge, p, active, rounding, first + b * lif_block, nullptr);
        const std::uint64_t fired = found.over & active;
        const std::uint64_t left = timers.tick(b, waits);
        if (refractory.common() != 0) {
            timers.start(b, fired, refractory.common());
            silent[b] = left | fired;
        } else {
            silent[b] = left;
        }
        n.saturated += static_cast<std::uint64_t>(std::popcount(found.cut & active & ~fired));
        return fired;
    }

    // Everything that is rare is done a neuron at a time, from words of bits.
    template <class Rounding>
    std::uint64_t step_block(std::size_t b, Charge* charge, std::uint64_t burst,
                             const BlockParameters<Wide>& p, Rounding rounding, BurstCounts& n) {
        const std::uint64_t waits = candidates[b] & silent[b], active = candidates[b] & ~waits;
        alignas(64) Wide x[lif_block];
        const BlockOutcome found = integrate_block<V, A, false>(
            block(b), block_carry(b), charge, p, active, rounding, first + b * lif_block, x);
        silent[b] = timers.tick(b, waits);
        if (!counting.empty())
            for_each_bit(waits & ~silent[b] & counting[b],
                         [&](std::size_t i) { end_snooze(b * lif_block + i); });
        const Resolved done = resolve(b, found.over & active, x, burst, rounding);
        if (!counting.empty())
            for_each_bit(active & ~done.fired & ~done.capped & counting[b],
                         [&](std::size_t i) { set_count(b * lif_block + i, 0); });
        n.saturated += static_cast<std::uint64_t>(std::popcount(found.cut & active & ~done.fired));
        return done.fired;
    }

    // What becomes of neurons in their firing window; x are their potentials in codes.
    struct Resolved {
        std::uint64_t fired = 0, capped = 0;
    };
    template <class Rounding>
    Resolved resolve(std::size_t b, std::uint64_t over, const Wide* x, std::uint64_t burst,
                     Rounding rounding) {
        Resolved done;
        for_each_bit(over, [&](std::size_t i) {
            const std::size_t g = b * lif_block + i;
            const std::uint64_t bit = std::uint64_t{1} << i;
            const std::uint16_t most = fire_limit[g];
            if (limits_fire(most) && timers.get(g).count >= most) {
                done.capped |= bit;
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
            done.fired |= bit;
            put_code(g, Wide{});
            fire(g, burst, static_cast<float>(x[i] / static_cast<Wide>(code_per_unit[g])));
        });
        return done;
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
    void end_snooze(std::size_t g) noexcept {
        const std::uint16_t most = fire_limit[g];
        if (limits_fire(most) && timers.get(g).count >= most) set_count(g, 0);
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
