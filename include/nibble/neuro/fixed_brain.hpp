// SPDX-License-Identifier: BSL-1.0
// The burst engine for a chip: a brain whose structure is a constant table in flash and whose state is
// a few bytes a neuron. No heap, no exceptions, no RTTI, no threads, no floating-point number.
//
//     constexpr BrainTable<Int8Value, Int8Value, 3, 300, 3000> table{...};    // flash
//     constinit FixedBrain<table> brain;                                      // RAM
//
//     brain.inject(7, 40);                    // weight codes, before the burst
//     brain.burst();
//     brain.for_each_spike([](std::size_t i) { ... });
//
// A burst, as FEAGI has it: synapses of the neurons that fired in the last burst add their weights to
// their targets; then neurons with input (or all of them, table.every_step) integrate, and fire, count
// down or leak. What no area of the table uses (refractory periods, limits, chance) is not compiled.
//
// State of a neuron with 8-bit potentials: 1 byte, 2 of charge (4 where sums need them), 1 bit, and
// where an area has refractory periods or counts consecutive spikes, a byte for both (two bytes where
// either exceeds 15).
#pragma once

#include <nibble/neuro/brain_rules.hpp>
#include <nibble/neuro/brain_table.hpp>

#include <bit>

namespace nibble::inline NIBBLE_ARCH {

/// The state of a brain with the structure `table`, which is a constexpr BrainTable at namespace
/// scope. Declared constinit, it needs no start-up code.
template <const auto& table>
class FixedBrain {
    using Table = std::remove_cvref_t<decltype(table)>;
    static_assert(table.sound(), "the table's areas, parameters and synapses do not fit together");

public:
    using V = typename Table::Value;
    static constexpr std::size_t neurons = Table::neurons;
    static constexpr std::size_t words = (neurons + 31) / 32;
    /// Where only neurons with input move on, sums are doubled, and the lowest bit says that something
    /// arrived, be it 0.
    using Charge =
        std::conditional_t<(table.bounds().sum + 254 < 0x3FFF), std::int16_t, std::int32_t>;
    /// What can be injected into a neuron in a burst beside all that its synapses can bring.
    static constexpr std::int32_t room = [] {
        const std::int64_t sums = (sizeof(Charge) == 2 ? 0x3FFF : 0x3FFFFFFF) - table.bounds().sum;
        return static_cast<std::int32_t>(table.bounds().room < sums ? table.bounds().room : sums);
    }();
    static_assert(room > 0, "weights of one neuron could add up to more than 32 bits hold");

    /// Bursts so far.
    [[nodiscard]] constexpr std::uint32_t bursts() const noexcept { return bursts_; }
    /// Sums that were cut to the range of potentials so far.
    [[nodiscard]] constexpr std::uint32_t saturated() const noexcept { return saturated_; }
    /// Potentials as codes.
    [[nodiscard]] constexpr ValueSpan<const V> potential() const noexcept {
        return potential_.span();
    }
    /// Bit i % 32 of word i / 32: neuron i fired in the last burst.
    [[nodiscard]] constexpr std::span<const std::uint32_t, words> spikes() const noexcept {
        return std::span<const std::uint32_t, words>(fired_);
    }
    /// Calls f(i) for every neuron that fired in the last burst, ascending.
    template <class F>
    constexpr void for_each_spike(F&& f) const noexcept {
        for (std::size_t w = 0; w < words; ++w)
            for (std::uint32_t left = fired_[w]; left != 0; left &= left - 1)
                f(32 * w + static_cast<std::size_t>(std::countr_zero(left)));
    }

    /// What brings a resting neuron of an area to its threshold, in codes of the area's weights.
    [[nodiscard]] static constexpr std::int32_t threshold_code(const TableArea& area) noexcept {
        const std::int32_t code = (area.threshold * (1 << finer) + area.gain - 1) / area.gain;
        return code < 1 ? 1 : code;
    }
    /// Adds input to a neuron before the next burst, in codes of the target area's weights; cut to
    /// `room`. A neuron that is not there is ignored.
    constexpr void inject(std::size_t neuron, std::int32_t code) noexcept {
        if (neuron >= neurons) return;
        std::int32_t sum = code < -room ? -room : code > room ? room : code;
        sum += marked ? charge_[neuron] >> 1 : charge_[neuron];
        sum = sum < -room ? -room : sum > room ? room : sum;
        charge_[neuron] = static_cast<Charge>(marked ? sum * 2 + 1 : sum);
    }

    /// One burst; returns how many neurons fired.
    constexpr std::uint32_t burst() noexcept {
        for_each_spike([this](std::size_t s) NIBBLE_INLINE_LAMBDA {
            table.synapses.for_each(
                s, [this](std::size_t t, std::int32_t code) NIBBLE_INLINE_LAMBDA { add(t, code); });
        });
        for (std::uint32_t& w : fired_) w = 0;
        ++bursts_;
        std::uint32_t total = 0;
        for (const TableArea& area : table.areas) {
            if constexpr (table.any([](const TableArea& a) { return a.power; }))
                if (area.power && area.size != 0) inject(area.first, threshold_code(area));
            total += update(area);
        }
        return total;
    }

private:
    static constexpr bool marked = !table.every_step;
    static constexpr int fraction = Membrane<V>::fraction;
    static constexpr int finer = 4;             // bits of a scaled charge beyond a wide number
    static constexpr int down = 15 + fraction;  // from a wide number times keep to a code
    static constexpr bool rests =
        table.any([](const TableArea& a) { return a.refractory != 0 || a.snooze != 0; });
    static constexpr bool counts = table.any([](const TableArea& a) { return a.consecutive != 0; });
    static constexpr bool limits = table.any([](const TableArea& a) { return a.limit < 0x7FFF; });
    static constexpr bool chances =
        table.any([](const TableArea& a) { return a.chance != 0xFFFFFFFFu; });
    static constexpr bool clears = table.any([](const TableArea& a) { return !a.accumulates; });
    static constexpr bool graded = table.thresholds.size() != 0;

    NIBBLE_INLINE constexpr void add(std::size_t neuron, std::int32_t code) noexcept {
        const auto before = static_cast<std::uint32_t>(charge_[neuron]);
        const auto more = static_cast<std::uint32_t>(code);
        charge_[neuron] = static_cast<Charge>(marked ? (before + 2u * more) | 1u : before + more);
    }
    [[nodiscard]] NIBBLE_INLINE constexpr bool excited(const TableArea& area,
                                                       std::size_t neuron) const noexcept {
        if constexpr (!chances) return true;
        if (area.chance == 0xFFFFFFFFu) return true;
        return excitability_hash(static_cast<std::uint32_t>(neuron), bursts_) < area.chance;
    }

    constexpr std::uint32_t update(const TableArea& area) noexcept {
        std::uint32_t total = 0;
        const Dither dither = stochastic_state<V> ? Dither(1, bursts_) : Dither();
        const std::uint32_t end = area.first + area.size;
        for (std::uint32_t first = area.first; first < end;) {
            const std::uint32_t next = first / 32 * 32 + 32, stop = next < end ? next : end;
            const std::uint32_t fired = update(area, first, stop, dither);
            fired_[first / 32] |= fired;
            total += static_cast<std::uint32_t>(std::popcount(fired));
            first = stop;
        }
        return total;
    }
    // Neurons of one word of spikes; returns who fired. Potentials below the threshold and in range,
    // nearly all, are dealt with here in 16 instructions or so of a Cortex-M4: shifted by 2^15, they are
    // known by one comparison, and keep * shift is in a constant.
    [[gnu::noinline]] constexpr std::uint32_t update(const TableArea& area, std::uint32_t first,
                                                     std::uint32_t stop,
                                                     const Dither& dither) noexcept {
        constexpr std::uint32_t shift = 1u << 15;
        const std::int32_t gain = area.gain;
        const auto keep = static_cast<std::uint32_t>(area.keep);
        const std::uint32_t rounding = (1u << (down - 1)) - shift * keep;
        std::uint32_t bound = static_cast<std::uint32_t>(area.threshold) + shift;
        std::uint32_t fired = 0;
        for (std::uint32_t i = first; i < stop; ++i) {
            std::int32_t sum = charge_[i];
            if constexpr (marked) {
                if (sum == 0) {
                    if constexpr (clears)
                        if (!area.accumulates) potential_.set(i, V{});
                    continue;
                }
                sum >>= 1;
            }
            charge_[i] = 0;
            if constexpr (rests)
                if (resting(area, i)) continue;
            std::int32_t v = code_of(potential_[i]);
            if constexpr (clears) v = area.accumulates ? v : 0;
            constexpr std::int32_t half_and_shift = (1 << (finer - 1)) + (1 << (15 + finer));
            const std::int32_t shifted =
                (v * (1 << (fraction + finer)) + half_and_shift + sum * gain) >> finer;
            const auto x = static_cast<std::uint32_t>(shifted);
            if constexpr (graded)
                bound = static_cast<std::uint32_t>(std::int32_t{table.thresholds[i]}) + shift;
            if (x >= bound || stochastic_state<V>) [[unlikely]] {
                fired |= settle(area, i, shifted - (1 << 15), dither) << (i % 32);
                continue;
            }
            if constexpr (counts)
                if (area.consecutive != 0) set_count(i, 0);
            const auto code = static_cast<std::int32_t>(x * keep + rounding) >> down;
            potential_.set(i, from_code<V>(code));
        }
        return fired;
    }
    // The rest of a neuron's step, for a sum that reached its threshold or left the range, and for every
    // sum that is rounded at random. Returns 1 when it fires.
    [[gnu::noinline]] constexpr std::uint32_t settle(const TableArea& area, std::uint32_t i,
                                                     std::int32_t sum,
                                                     const Dither& dither) noexcept {
        const std::int32_t x = cut_to_bits<16>(sum);
        if (x != sum) ++saturated_;
        std::int32_t keep = area.keep;
        bool over = x >= area.threshold;
        if constexpr (graded) over = x >= table.thresholds[i];
        if constexpr (limits) over = over && x <= area.limit;
        bool held = false;
        if constexpr (counts) held = over && area.consecutive != 0 && count(i) >= area.consecutive;
        if (over && !held && excited(area, i)) {
            potential_.set(i, V{});
            if constexpr (rests || counts) begin_rest(area, i);
            return 1;
        }
        if (held) keep = 1 << 15;  // does not leak either
        if constexpr (counts) set_count(i, 0);
        std::int32_t rounding = 1 << (down - 1);
        if constexpr (stochastic_state<V>)
            rounding = static_cast<std::int32_t>(dither(i) >> (32 - down));
        potential_.set(i, from_code<V>(Membrane<V>::saturate((x * keep + rounding) >> down)));
        return 0;
    }
    [[nodiscard]] NIBBLE_INLINE constexpr bool resting(const TableArea& area,
                                                       std::size_t i) noexcept {
        const unsigned left = rest(i);
        if (left == 0) return false;
        set_rest(i, left - 1);
        if constexpr (counts)
            if (left == 1 && area.consecutive != 0 && count(i) >= area.consecutive) set_count(i, 0);
        if constexpr (clears)
            if (!area.accumulates) potential_.set(i, V{});
        return true;
    }
    NIBBLE_INLINE constexpr void begin_rest(const TableArea& area, std::size_t i) noexcept {
        unsigned bursts = area.refractory;
        if constexpr (counts)
            if (area.consecutive != 0) {
                const unsigned n = count(i) < area.consecutive ? count(i) + 1 : count(i);
                set_count(i, n);
                if (n >= area.consecutive) bursts += area.snooze;
            }
        if constexpr (rests) set_rest(i, bursts);
    }

    // Both timers of a neuron share a byte where no area needs more than 4 bits for either.
    static constexpr bool share = rests && counts && !table.any([](const TableArea& a) {
        return a.refractory + a.snooze > 15 || a.consecutive > 15;
    });
    [[nodiscard]] NIBBLE_INLINE constexpr unsigned rest(std::size_t i) const noexcept {
        return share ? rest_[i] & 15u : rest_[i];
    }
    NIBBLE_INLINE constexpr void set_rest(std::size_t i, unsigned n) noexcept {
        rest_[i] = static_cast<std::uint8_t>(share ? (rest_[i] & 0xF0u) | n : n);
    }
    [[nodiscard]] NIBBLE_INLINE constexpr unsigned count(std::size_t i) const noexcept {
        if constexpr (share) return rest_[i] >> 4;
        else return count_[i];
    }
    NIBBLE_INLINE constexpr void set_count(std::size_t i, unsigned n) noexcept {
        if constexpr (share) rest_[i] = static_cast<std::uint8_t>((rest_[i] & 15u) | n << 4);
        else count_[i] = static_cast<std::uint8_t>(n);
    }

    ValueArray<V, neurons> potential_{};
    std::array<Charge, neurons> charge_{};
    std::array<std::uint32_t, words> fired_{};
    [[no_unique_address]] std::array<std::uint8_t, rests ? neurons : 0> rest_{};
    [[no_unique_address]] std::array<std::uint8_t, counts && !share ? neurons : 0> count_{};
    std::uint32_t bursts_ = 0;
    std::uint32_t saturated_ = 0;
};

}  // namespace nibble
