// SPDX-License-Identifier: BSL-1.0
// Synapses of a fixed number, for tables in flash: no heap, no floating-point number.
//
// Compressed sparse rows: the synapses of source s are begin(s) to begin(s + 1), each a target of as
// few bytes as the number of targets needs and a weight code: 3 bytes for 8-bit weights and up to
// 65,536 targets, 2.5 for 4-bit ones. Where a row begins takes 2 bytes: of more than 65,535 synapses,
// 64 sources share a base.
#pragma once

#include <nibble/neuro/membrane.hpp>
#include <nibble/store/array.hpp>

#include <array>
#include <span>

namespace nibble::inline NIBBLE_ARCH {

/// The smallest unsigned integer that counts from 0 to `Most`.
template <std::uint64_t Most>
using smallest_index =
    std::conditional_t<(Most <= 0xFF), std::uint8_t,
                       std::conditional_t<(Most <= 0xFFFF), std::uint16_t, std::uint32_t>>;

/// One synapse of a list from which a table is made in a constant expression.
struct FixedSynapse {
    std::uint32_t source = 0, target = 0;
    std::int32_t code = 0;
};

/// Reaching this in a constant expression is an error: a synapse's source, target or code does not
/// fit. At run time such a synapse is left out.
inline void synapse_is_out_of_range() noexcept {}

/// `Synapses` synapses from `Sources` to `Targets` neurons, with weights that are codes of W.
template <NeuralValue W, std::size_t Sources, std::size_t Targets, std::size_t Synapses>
    requires integer_state<W>
struct FixedSynapses {
    using Target = smallest_index<(Targets > 0 ? Targets - 1 : 0)>;
    using Start = std::conditional_t<(Synapses <= 0xFF), std::uint8_t, std::uint16_t>;
    static constexpr std::size_t bases = Synapses <= 0xFFFF ? 0 : Sources / 64 + 1;

    std::array<std::uint32_t, bases> base{};
    std::array<Start, Sources + 1> start{};
    std::array<Target, Synapses> target{};
    std::array<unit_t<W>, units_for<W>(Synapses)> weight{};

    constexpr FixedSynapses() = default;
    /// From rows, as a program writes them: where each begins, targets, weights as bytes of unit_t<W>.
    constexpr FixedSynapses(const std::array<std::uint32_t, Sources + 1>& starts,
                            const std::array<Target, Synapses>& targets,
                            const std::array<int, units_for<W>(Synapses)>& weights) noexcept
        : target(targets) {
        set_starts(starts);
        for (std::size_t k = 0; k < weights.size(); ++k) {
            if constexpr (bits_v<W> < 8) weight[k] = static_cast<std::uint8_t>(weights[k]);
            else weight[k] = from_code<W>(weights[k]);
        }
    }
    /// From a list in any order; synapses of one source keep their order.
    constexpr explicit FixedSynapses(const std::array<FixedSynapse, Synapses>& list) noexcept {
        const auto fits = [](const FixedSynapse& s) {
            return s.source < Sources && s.target < Targets && s.code >= Membrane<W>::low &&
                   s.code <= Membrane<W>::high;
        };
        std::array<std::uint32_t, Sources + 1> next{};
        for (const FixedSynapse& s : list)
            if (fits(s)) ++next[s.source + 1];
            else synapse_is_out_of_range();
        for (std::size_t s = 0; s < Sources; ++s) next[s + 1] += next[s];
        set_starts(next);
        for (const FixedSynapse& s : list) {
            if (!fits(s)) continue;
            const std::size_t k = next[s.source]++;
            target[k] = static_cast<Target>(s.target);
            ValueSpan<W>(weight.data(), Synapses).set(k, from_code<W>(s.code));
        }
    }

    [[nodiscard]] static constexpr std::size_t size() noexcept { return Synapses; }
    /// The first synapse of a source, or the end of the last one's.
    [[nodiscard]] NIBBLE_INLINE constexpr std::size_t begin(std::size_t source) const noexcept {
        if constexpr (bases != 0) return base[source / 64] + start[source];
        else return start[source];
    }
    /// The weight code of synapse k.
    [[nodiscard]] NIBBLE_INLINE constexpr std::int32_t code(std::size_t k) const noexcept {
        return code_of(ValueSpan<const W>(weight.data(), Synapses)[k]);
    }
    /// Calls f(target, weight code) for every synapse of a source, in order.
    template <class F>
    NIBBLE_INLINE constexpr void for_each(std::size_t source, F&& f) const noexcept {
        const std::size_t end = begin(source + 1);
        for (std::size_t k = begin(source); k < end; ++k)
            f(static_cast<std::size_t>(target[k]), code(k));
    }
    /// charge[target] += code * gain for every synapse of a source that fired. `charge` has Targets
    /// elements; for a LifArray `gain` is the weight code's size in charge units (charge_t).
    NIBBLE_INLINE constexpr void deliver(std::size_t source, std::span<std::int32_t> charge,
                                         std::int32_t gain) const noexcept {
        for_each(source, [&](std::size_t t, std::int32_t c) { add_charge(charge[t], c * gain); });
    }
    /// The sum of |code| that each target can get in one burst; decides how wide sums must be.
    [[nodiscard]] constexpr std::array<std::uint32_t, Targets> largest_sums() const noexcept {
        std::array<std::uint32_t, Targets> sums{};
        for (std::size_t k = 0; k < begin(Sources); ++k) {
            const std::int32_t c = code(k);
            sums[target[k]] += static_cast<std::uint32_t>(c < 0 ? -c : c);
        }
        return sums;
    }

private:
    constexpr void set_starts(const std::array<std::uint32_t, Sources + 1>& starts) noexcept {
        for (std::size_t s = 0; s <= Sources; ++s) {
            std::uint32_t offset = starts[s];
            if constexpr (bases != 0) {
                base[s / 64] = starts[s / 64 * 64];
                offset -= base[s / 64];
            }
            start[s] = static_cast<Start>(offset);
            if (start[s] != offset) synapse_is_out_of_range();  // 64 sources have 65,536 synapses
        }
    }
};

}  // namespace nibble
