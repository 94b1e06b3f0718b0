// SPDX-License-Identifier: BSL-1.0
// Projection: weighted synapses from one population to another, and the delivery of spikes.
//
//     sum[target] += weight      for every synapse of every neuron that fired, `delay` ticks later
//
// Synapses are sorted by delay into parts; what waits is the list of spikes, not the sums. Each part
// takes the form that its density asks for: lists of targets (synapse_list.hpp), or rows of bits
// (synapse_bits.hpp) where one weight is shared and sources that have synapses reach at least
// one target in twenty.
//
// Weights have one scale: weight = code * scale. For integer types the scale is a whole number of
// charge units, so that a weight's charge is exactly code * units_per_code, and sums are exact. Where all
// weights are the same, that weight is kept once, in full.
#pragma once

#include <nibble/neuro/port_sums.hpp>
#include <nibble/neuro/synapse_bits.hpp>
#include <nibble/neuro/synapse_list.hpp>
#include <nibble/neuro/synapse_rule.hpp>

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

namespace nibble::inline NIBBLE_ARCH {

/// How the synapses of one delay are stored.
enum class SynapseForm : std::uint8_t { automatic, list, bits };

/// Synapses whose weights are V's, between `sources` and `targets` neurons.
template <NeuralValue V, class A = Isa>
class Projection {
public:
    using Charge = charge_t<V>;

    Projection() = default;
    /// From a list. `charge_per_unit` is the target's (LifArray::charge_per_unit(); 1 for floats).
    /// `form` other than automatic asks for it where it is possible.
    Projection(std::size_t sources, std::size_t targets, std::span<const Synapse> synapses,
               double charge_per_unit, SynapseForm form = SynapseForm::automatic)
        : sources_(sources), targets_(targets) {
        build(SynapseSpan{synapses}, charge_per_unit, form);
    }
    /// From a random rule. Equal seeds give equal synapses at every V.
    Projection(std::size_t sources, std::size_t targets, const RandomSynapses& rule,
               double charge_per_unit, SynapseForm form = SynapseForm::automatic)
        : sources_(sources), targets_(targets) {
        build(RandomPairs(rule, sources, targets), charge_per_unit, form);
    }

    [[nodiscard]] std::size_t sources() const noexcept { return sources_; }
    [[nodiscard]] std::size_t targets() const noexcept { return targets_; }
    [[nodiscard]] std::size_t synapses() const noexcept { return synapses_; }
    /// Real weight of code 1.
    [[nodiscard]] double scale() const noexcept { return scale_; }
    /// Bytes as allocated: targets, weights, row starts, bit rows.
    [[nodiscard]] std::size_t bytes() const noexcept {
        std::size_t n = 0;
        for (const Part& p : parts_) n += p.list.bytes() + p.bits.bytes();
        return n;
    }
    [[nodiscard]] double bytes_per_synapse() const noexcept {
        return synapses_ == 0 ? 0.0 : static_cast<double>(bytes()) / static_cast<double>(synapses_);
    }
    /// Synapses that a source has.
    [[nodiscard]] std::size_t fan_out(std::size_t source) const noexcept {
        std::size_t n = 0;
        for (std::size_t i = 0; i < parts_.size(); ++i) n += fan_out(i, source);
        return n;
    }
    [[nodiscard]] std::size_t fan_out(std::size_t part, std::size_t source) const noexcept {
        return parts_[part].list.fan_out(source) + parts_[part].bits.fan_out(source);
    }

    /// Parts: synapses of one delay each, ascending.
    [[nodiscard]] std::size_t parts() const noexcept { return parts_.size(); }
    /// In ticks, at least 1.
    [[nodiscard]] unsigned delay(std::size_t part) const noexcept { return parts_[part].delay; }
    [[nodiscard]] unsigned longest_delay() const noexcept {
        return parts_.empty() ? 1 : parts_.back().delay;
    }
    /// The form that was chosen. Pairs that a rule made twice are kept in a list beside the bits.
    [[nodiscard]] SynapseForm form(std::size_t part) const noexcept {
        return parts_[part].bits.synapses() != 0 ? SynapseForm::bits : SynapseForm::list;
    }
    /// The share of all pairs that are connected, over all parts.
    [[nodiscard]] double density() const noexcept {
        const double pairs = static_cast<double>(sources_) * static_cast<double>(targets_);
        return pairs == 0.0 ? 0.0 : static_cast<double>(synapses_) / pairs;
    }
    /// What its weights are like, for PortSums.
    [[nodiscard]] WeightRange range() const noexcept { return {quantum_, most_}; }

    /// Adds the weights of all synapses of the sources in `spikes` (ascending), whatever their delay,
    /// to `charge`, which has padded(targets) elements; returns how many they are.
    std::size_t deliver(const BasicHost<A>& on, std::span<const std::uint32_t> spikes,
                        std::span<Charge> charge) const {
        std::size_t n = 0;
        for (std::size_t i = 0; i < parts_.size(); ++i) n += deliver(on, i, spikes, charge);
        return n;
    }
    /// The same for the synapses of one part.
    std::size_t deliver(const BasicHost<A>& on, std::size_t part,
                        std::span<const std::uint32_t> spikes, std::span<Charge> charge) const {
        return deliver(on, part, spikes, charge, {units_per_code_, common_charge_});
    }
    /// The same to sums of `unit` (real units each) as chosen by PortSums.
    template <class Sum>
    std::size_t deliver_in(const BasicHost<A>& on, std::size_t part,
                           std::span<const std::uint32_t> spikes, std::span<Sum> sums,
                           double unit) const {
        const auto in_units = [unit](double real) {
            if constexpr (std::is_floating_point_v<Sum>) return static_cast<Sum>(real / unit);
            else return static_cast<Sum>(std::nearbyint(real / unit));
        };
        return deliver(on, part, spikes, sums, {in_units(scale_), in_units(common_)});
    }

    /// Calls f(Synapse) for every synapse, with its weight as stored; for tests and reports.
    template <class F>
    void for_each(F&& f) const {
        for (const Part& p : parts_) {
            p.list.for_each(V{}, [&](std::uint32_t s, std::uint32_t t, V v) {
                f(Synapse{s, t, uniform_ ? common_ : real_of(v), p.delay});
            });
            p.bits.for_each([&](std::uint32_t s, std::uint32_t t) {
                f(Synapse{s, t, common_, p.delay});
            });
        }
    }

private:
    struct Part {
        unsigned delay = 1;
        SynapseList<V, A> list;
        SynapseBits<A> bits;
    };

    [[nodiscard]] NIBBLE_INLINE Charge charge_of(V v) const noexcept {
        if constexpr (integer_state<V>) return code_of(v) * units_per_code_;
        else return decode(v) * units_per_code_;
    }
    [[nodiscard]] static Charge whole_charge(double x) noexcept {
        if constexpr (integer_state<V>)
            return static_cast<Charge>(std::nearbyint(std::fmin(std::fmax(x, -0x1p30), 0x1p30)));
        else return static_cast<Charge>(x);
    }
    [[nodiscard]] double real_of(V v) const noexcept {
        return static_cast<double>(charge_of(v)) / charge_per_unit_;
    }
    template <class Sum>
    std::size_t deliver(const BasicHost<A>& on, std::size_t part,
                        std::span<const std::uint32_t> spikes, std::span<Sum> sums,
                        const Delivery<Sum>& how) const {
        NIBBLE_EXPECT(sums.size() >= targets_);
        if (spikes.empty()) return 0;
        return parts_[part].bits.deliver(on, spikes, sums, how.common) +
               parts_[part].list.deliver(on, spikes, sums, how);
    }

    // Three passes over the synapses: what there is, how many of each, and where they go.
    template <class Pairs>
    void build(const Pairs& pairs, double charge_per_unit, SynapseForm form) {
        std::vector<std::size_t> count;  // by delay
        std::vector<char> has(sources_);
        std::vector<double> onto(targets_);
        double least = 0.0, most = 0.0;
        pairs([&](const Synapse& s) {
            check(s);
            if (s.delay >= count.size()) count.resize(s.delay + 1);
            ++count[s.delay];
            has[s.source] = 1;
            least = synapses_ == 0 ? s.weight : std::fmin(least, s.weight);
            most = synapses_++ == 0 ? s.weight : std::fmax(most, s.weight);
        });
        std::size_t used = 0;  // sources that have synapses
        for (const char h : has) used += h != 0 ? 1u : 0u;
        choose_scale(std::fmax(std::fabs(least), std::fabs(most)), charge_per_unit);
        uniform_ = least == most;
        common_ = uniform_ ? least : 0.0;
        common_charge_ = whole_charge(common_ * charge_per_unit);
        std::vector<std::size_t> part_of(count.size());
        std::vector<char> in_bits;
        for (std::size_t d = 0; d < count.size(); ++d) {
            part_of[d] = parts_.size();
            if (count[d] == 0) continue;
            const bool dense = static_cast<double>(count[d]) * 20.0 >=
                               static_cast<double>(used) * static_cast<double>(targets_);
            const bool bits = uniform_ && targets_ >= 256 &&
                              (form == SynapseForm::automatic ? dense : form == SynapseForm::bits);
            Part p{static_cast<unsigned>(d), {}, {}};
            if (bits) p.bits = SynapseBits<A>(sources_, targets_, used);
            p.list = SynapseList<V, A>(sources_, targets_, bits ? 0 : count[d]);
            in_bits.push_back(bits);
            parts_.push_back(std::move(p));
        }
        // A pair that a rule made twice has its bit already, and goes to the list.
        std::vector<Synapse> twice;
        pairs([&](const Synapse& s) {
            const std::size_t i = part_of[s.delay];
            onto[s.target] += std::fabs(uniform_ ? common_ : real_of(quantized(s.weight)));
            if (!in_bits[i]) parts_[i].list.count(s.source, s.target);
            else if (!parts_[i].bits.set(s.source, s.target)) {
                parts_[i].list.count(s.source, s.target);
                twice.push_back(s);
            }
        });
        for (Part& p : parts_) p.list.counted();
        const auto place = [&](const Synapse& s) {
            parts_[part_of[s.delay]].list.place(s.source, s.target, quantized(s.weight));
        };
        if (std::find(in_bits.begin(), in_bits.end(), 0) != in_bits.end())
            pairs([&](const Synapse& s) {
                if (in_bits[part_of[s.delay]] == 0) place(s);
            });
        for (const Synapse& s : twice) place(s);
        for (Part& p : parts_) p.list.placed(uniform_);
        for (const double sum : onto) most_ = std::fmax(most_, sum);
        quantum_ = uniform_ ? std::fabs(common_) : integer_state<V> ? scale_ : 0.0;
    }
    void check(const Synapse& s) const {
        if (s.source >= sources_ || s.target >= targets_ || !std::isfinite(s.weight))
            fail("Projection: synapse from " + std::to_string(s.source) + " to " +
                 std::to_string(s.target) + " of weight " + std::to_string(s.weight) +
                 ", expected " + std::to_string(sources_) + " sources and " +
                 std::to_string(targets_) + " targets");
        if (s.delay == 0 || s.delay > longest)
            fail("Projection: synapse from " + std::to_string(s.source) + " to " +
                 std::to_string(s.target) + " with a delay of " + std::to_string(s.delay) +
                 " ticks, expected 1 to " + std::to_string(longest));
    }
    void choose_scale(double largest, double charge_per_unit) {
        charge_per_unit_ = charge_per_unit;
        if constexpr (integer_state<V>) {
            const double top = Membrane<V>::high;
            const double units = std::ceil(largest * charge_per_unit / top - 1e-9);
            units_per_code_ = static_cast<Charge>(std::fmin(std::fmax(units, 1.0), 0x1p30 / top));
            scale_ = static_cast<double>(units_per_code_) / charge_per_unit;
        } else {
            const double top = static_cast<double>(decode(value_traits<V>::highest()));
            scale_ = bits_v<V> >= 16 || largest == 0.0 ? 1.0 : largest / top;
            units_per_code_ = static_cast<Charge>(scale_ * charge_per_unit);
        }
    }
    [[nodiscard]] V quantized(double weight) const noexcept {
        if constexpr (integer_state<V>) {
            const double code = std::nearbyint(weight / scale_);
            return from_code<V>(Membrane<V>::saturate(static_cast<std::int32_t>(
                std::fmin(std::fmax(code, Membrane<V>::low), Membrane<V>::high))));
        } else {
            return encode<V>(static_cast<compute_t<V>>(weight / scale_));
        }
    }

    static constexpr unsigned longest = 65535;  ///< delay, in ticks
    std::size_t sources_ = 0, targets_ = 0, synapses_ = 0;
    double scale_ = 1.0, charge_per_unit_ = 1.0, quantum_ = 0.0, most_ = 0.0;
    Charge units_per_code_{};
    double common_ = 0.0;  // the one weight, where all are the same
    Charge common_charge_{};
    bool uniform_ = true;
    std::vector<Part> parts_;
};

}  // namespace nibble
