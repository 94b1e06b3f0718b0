// SPDX-License-Identifier: BSL-1.0
// A grown brain as a constant: areas, synapses and thresholds in whole numbers, for a chip's flash.
//
// table_writer.hpp writes one from a plan of a brain, and fixed_brain.hpp runs it. Potentials are codes
// of an integer type V, and a step is computed in 16 bits, as FEAGI's rule has it:
//
//     x = v + charge                          wide: codes with 16 - bits(V) fraction bits, saturating
//     fires when threshold <= x <= limit      (and by chance); then v = 0
//     else v = x * keep                       rounded once
//
// Weights are codes of an integer type W; a target's charge is the sum of the codes that arrived, times
// the area's gain. The sum is a whole number: its order does not matter.
#pragma once

#include <nibble/neuro/fixed_synapses.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// What the neurons of an area share, in whole numbers. Times are in bursts.
struct TableArea {
    std::uint32_t first = 0;             ///< number of its first neuron
    std::uint32_t size = 0;              ///< neurons
    std::int32_t threshold = 1;          ///< wide
    std::int32_t limit = 0x7FFF;         ///< wide
    std::int32_t keep = 1 << 15;         ///< 1 - leak, in 2^-15
    std::int32_t gain = 1 << 12;         ///< of a weight code, in 2^-4 of a wide unit
    std::uint32_t chance = 0xFFFFFFFFu;  ///< fires when its draw is below; all ones: always
    std::uint8_t refractory = 0;         ///< bursts of silence after a spike
    std::uint8_t consecutive = 0;        ///< spikes in a row before a snooze; 0: no limit
    std::uint8_t snooze = 0;             ///< further bursts of silence when the limit is met
    bool accumulates = true;             ///< false: the potential is cleared before each burst
    bool power = false;                  ///< its first neuron gets a threshold's worth every burst

    /// The largest gain that a table may have.
    static constexpr std::int32_t largest_gain = 1 << 21;
};

/// The form of a table: types and sizes. Thresholds is 0, or Neurons where thresholds differ within
/// an area.
template <NeuralValue V, NeuralValue W, std::size_t Areas, std::size_t Neurons,
          std::size_t Synapses, std::size_t Thresholds = 0>
    requires(integer_state<V> && bits_v<V> <= 8 && integer_state<W> && bits_v<W> <= 8)
struct BrainTable {
    using Value = V;
    using Weight = W;
    static constexpr std::size_t neurons = Neurons;
    static_assert(Thresholds == 0 || Thresholds == Neurons);

    std::array<TableArea, Areas> areas{};
    FixedSynapses<W, Neurons, Neurons, Synapses> synapses{};
    std::array<std::int16_t, Thresholds> thresholds{};  ///< wide; in place of the areas' ones
    bool every_step = false;  ///< false: only neurons with input leak, count down or fire

    /// Whether areas follow one another without gaps over all neurons, with parameters in range.
    [[nodiscard]] constexpr bool sound() const noexcept {
        std::uint32_t next = 0;
        for (const TableArea& a : areas) {
            if (a.first != next || a.size > Neurons - next) return false;
            if (a.gain < 1 || a.gain > TableArea::largest_gain || a.keep < 0 || a.keep > 1 << 15)
                return false;
            if (a.threshold < -0x8000 || a.threshold > Membrane<V>::top) return false;
            if (unsigned{a.refractory} + a.snooze > 0xFF) return false;
            next += a.size;
        }
        for (const std::int16_t t : thresholds)
            if (t > Membrane<V>::top) return false;
        if (next != Neurons || synapses.begin(0) != 0) return false;
        for (std::size_t s = 0; s < Neurons; ++s)
            if (synapses.begin(s) > synapses.begin(s + 1)) return false;
        for (const auto t : synapses.target)
            if (t >= Neurons) return false;
        return synapses.begin(Neurons) <= Synapses;
    }
    /// How large sums of weight codes can become.
    struct Bounds {
        std::int64_t sum = 0;            ///< of any neuron
        std::int64_t room = 0x3FFFFFFF;  ///< what more fits into 31 bits after the gain
    };
    [[nodiscard]] constexpr Bounds bounds() const noexcept {
        const auto sums = synapses.largest_sums();
        Bounds b;
        for (const TableArea& a : areas)
            for (std::uint32_t i = a.first; i < a.first + a.size; ++i) {
                b.sum = sums[i] > b.sum ? std::int64_t{sums[i]} : b.sum;
                const std::int64_t more = 0x7FE00000 / a.gain - std::int64_t{sums[i]};
                b.room = more < b.room ? more : b.room;
            }
        return b;
    }
    /// Whether any area satisfies a predicate.
    template <class F>
    [[nodiscard]] constexpr bool any(F&& f) const noexcept {
        for (const TableArea& a : areas)
            if (f(a)) return true;
        return false;
    }
};

}  // namespace nibble
