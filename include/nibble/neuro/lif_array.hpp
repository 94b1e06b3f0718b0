// SPDX-License-Identifier: BSL-1.0
// LIF neurons of any number, on the heap, in blocks of 64 and on several threads.
//
//     LifArray<Int8Value> cortex(1'000'000, {.leak = 0.95, .threshold = 1.0, .reset = 0.0},
//                                {.scale = 1.0 / 127});
//     cortex.step(on, currents, [](std::size_t i) { ... });
//
// Memory: the potentials, one bit a neuron for the last step's spikes, and bit_width(R) bits a neuron
// where there is a refractory period of R steps.
#pragma once

#include <nibble/kernel/executor.hpp>
#include <nibble/neuro/lif_block.hpp>
#include <nibble/neuro/lif_fixed.hpp>
#include <nibble/store/error.hpp>
#include <nibble/store/tensor.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

namespace nibble::inline NIBBLE_ARCH {

/// Any number of neurons with one set of parameters (see membrane.hpp). Results do not depend on
/// threads. `step` takes a Host first, or runs on the calling thread, and then the input:
///
///     ValueSpan<const V>              codes, with the scale of the potentials
///     std::span<const charge_t<V>>    what synapses added up: exact for integer types
///     std::span<const float>          real units
///
/// and last, if wanted, what to call for each neuron that fires (ascending, on the calling thread).
template <NeuralValue V, class A, unsigned LongestRefractory>
class LifArray<V, std::dynamic_extent, A, LongestRefractory> {
public:
    using Value = V;
    using Charge = charge_t<V>;

    LifArray() = default;
    /// n neurons with potential zero. Error: a parameter out of its range, or a scale at which the
    /// threshold is beyond the highest code.
    explicit LifArray(std::size_t n, const LifParameters& parameters = {},
                      const StateScale& scale = {})
        : parameters_(parameters), scale_(scale) {
        check();
        membrane_ = Membrane<V>(parameters, scale);
        potential_ = Tensor<V>(Shape{n});
        spikes_.assign(blocks(), 0);
        planes_ = Countdown::bits(parameters.refractory);
        countdown_.assign(blocks() * planes_, 0);
    }

    [[nodiscard]] std::size_t size() const noexcept { return potential_.size(); }
    [[nodiscard]] const LifParameters& parameters() const noexcept { return parameters_; }
    /// real = code * scale().
    [[nodiscard]] double scale() const noexcept { return state_scale<V>(parameters_, scale_); }
    /// Charge that a current of 1 (real) brings.
    [[nodiscard]] double charge_per_unit() const noexcept {
        if constexpr (integer_state<V>) return static_cast<double>(1 << charge_bits<V>) / scale();
        else return 1.0;
    }

    /// The potentials, as codes.
    [[nodiscard]] ValueSpan<V> potential() noexcept { return potential_.row(0); }
    [[nodiscard]] ValueSpan<const V> potential() const noexcept { return potential_.row(0); }
    /// The last step's spikes: bit i % 64 of word i / 64.
    [[nodiscard]] std::span<const std::uint64_t> spikes() const noexcept { return spikes_; }
    /// Potentials that were cut to the range of V so far.
    [[nodiscard]] std::size_t saturated() const noexcept { return saturated_; }
    /// Steps so far: the counter of stochastic rounding.
    [[nodiscard]] std::uint64_t steps() const noexcept { return steps_; }
    /// Bytes of the state as allocated: potentials, spike words, countdowns.
    [[nodiscard]] std::size_t bytes() const noexcept {
        return potential_.bytes() + (spikes_.capacity() + countdown_.capacity()) * 8;
    }

    /// One step; returns how many neurons fired. `input` and `on_spike` as above.
    template <class Input>
    std::size_t step(const BasicHost<A>& on, const Input& input) {
        if constexpr (std::is_convertible_v<const Input&, ValueSpan<const V>>)
            return advance(on, Codes{input});
        else if constexpr (std::is_convertible_v<const Input&, std::span<const Charge>>)
            return advance(on, Charges{input});
        else return advance(on, Reals{input, static_cast<float>(charge_per_unit())});
    }
    template <class Input, class OnSpike>
    std::size_t step(const BasicHost<A>& on, const Input& input, OnSpike&& on_spike) {
        const std::size_t n = step(on, input);
        for_each_spike(spikes_, on_spike);
        return n;
    }
    template <class Input>
        requires(!std::same_as<Input, BasicHost<A>>)
    std::size_t step(const Input& input) {
        return step(BasicHost<A>(1), input);
    }
    template <class Input, class OnSpike>
        requires(!std::same_as<Input, BasicHost<A>>)
    std::size_t step(const Input& input, OnSpike&& on_spike) {
        return step(BasicHost<A>(1), input, on_spike);
    }
    /// A step from charges that are zero afterwards, ready for the next step's sums. The span covers
    /// padded(size()) charges.
    std::size_t consume(const BasicHost<A>& on, std::span<Charge> charge) {
        NIBBLE_EXPECT(charge.size() == padded(size()));
        return advance(on, Consumed{charge});
    }

private:
    // Where the input of a block comes from: full blocks in place, others through a buffer.
    static constexpr std::size_t units = lif_block / values_per_unit<V>;
    struct Buffer {
        alignas(64) Charge charge[lif_block];
        alignas(64) unit_t<V> codes[units];
    };
    struct Charges {
        std::span<const Charge> values;
        [[nodiscard]] std::size_t size() const noexcept { return values.size(); }
        NIBBLE_INLINE const Charge* block(std::size_t first, std::size_t n, Buffer& buffer) const {
            if (n == lif_block) return values.data() + first;
            for (std::size_t i = 0; i < n; ++i) buffer.charge[i] = values[first + i];
            return buffer.charge;
        }
    };
    struct Reals {
        std::span<const float> values;
        float factor;
        [[nodiscard]] std::size_t size() const noexcept { return values.size(); }
        NIBBLE_INLINE const Charge* block(std::size_t first, std::size_t n, Buffer& buffer) const {
            float part[lif_block];
            const float* x = values.data() + first;
            if (n != lif_block) {
                for (std::size_t i = 0; i < lif_block; ++i) part[i] = i < n ? x[i] : 0.0f;
                x = part;
            }
            if constexpr (!integer_state<V>) {
                for (std::size_t i = 0; i < lif_block; ++i)
                    buffer.charge[i] = static_cast<Charge>(x[i]);
            } else {
                // Rounded to nearest; cut below where int32 ends; NaN is no charge.
                using B = Batch<float, A>;
                for (std::size_t i = 0; i < lif_block; i += B::lanes) {
                    const B c = B::load(x + i) * B(factor);
                    const B number = select(c == c, c, B(0.0f));
                    to_int_nearest(min(max(number, B(-0x1p30f)), B(0x1p30f)))
                        .store(buffer.charge + i);
                }
            }
            return buffer.charge;
        }
    };
    struct Codes {
        ValueSpan<const V> values;
        [[nodiscard]] std::size_t size() const noexcept { return values.size(); }
        NIBBLE_INLINE CodeBlock<V> block(std::size_t first, std::size_t n, Buffer& buffer) const {
            if (n == lif_block) return {values.units().data() + first / values_per_unit<V>};
            const ValueSpan<V> to(buffer.codes, lif_block);
            for (std::size_t i = 0; i < n; ++i) to.set(i, values[first + i]);
            return {buffer.codes};
        }
    };
    struct Consumed {
        std::span<Charge> values;
        [[nodiscard]] std::size_t size() const noexcept { return values.size(); }
        NIBBLE_INLINE const Charge* block(std::size_t first, std::size_t, Buffer&) const {
            return values.data() + first;
        }
        NIBBLE_INLINE void finish(std::size_t first) const {
            for (std::size_t i = 0; i < lif_block; ++i) values[first + i] = Charge{};
        }
    };

    [[nodiscard]] std::size_t blocks() const noexcept {
        return (potential_.size() + lif_block - 1) / lif_block;
    }

    template <class Input>
    std::size_t advance(const BasicHost<A>& on, const Input& input) {
        if (input.size() != size() && input.size() != padded(size()))
            fail("LifArray: input has " + std::to_string(input.size()) + " elements, expected " +
                 std::to_string(size()));
        const std::uint64_t step = steps_++;
        return is_stochastic<V>(scale_.rounding)
                   ? sweep(on, StochasticFrom{Dither(scale_.seed, step)}, input)
                   : sweep(on, ToNearest{}, input);
    }
    template <class Rounding, class Input>
    std::size_t sweep(const BasicHost<A>& on, Rounding rounding, const Input& input) {
        Tally saturated, total;
        // A few thousand neurons are a thread's worth of work.
        on.parallel_for(blocks(), 64, [&](std::size_t begin, std::size_t end) {
            std::size_t cut = 0, fired = 0, b = begin;
            if (planes_ == 0)
                fired += sweep_full(b, std::min(end, size() / 64), rounding, input, cut);
            for (; b < end; ++b) fired += block(b, rounding, input, cut);
            saturated.add(cut);
            total.add(fired);
        });
        saturated_ += saturated.count();
        return total.count();
    }
    // Whole blocks without refractory periods; b becomes the first one left.
    template <class Rounding, class Input>
    std::size_t sweep_full(std::size_t& b, std::size_t end, Rounding rounding, const Input& input,
                           std::size_t& cut) {
        // Copies that no store can change, so that they stay in registers.
        const Membrane<V> membrane = membrane_;
        const Input in = input;
        unit_t<V>* const rows = potential_.data();
        std::uint64_t* const spikes = spikes_.data();
        std::size_t total = 0, clipped = 0;
        Buffer buffer;
        for (; b < end; ++b) {
            const std::size_t first = b * lif_block;
            const auto charge = in.block(first, lif_block, buffer);
            const std::uint64_t fired =
                step_block<V, A>(membrane, rows + b * units, charge, rounding, first, clipped);
            if constexpr (requires { in.finish(first); }) in.finish(first);
            spikes[b] = fired;
            total += static_cast<std::size_t>(std::popcount(fired));
        }
        cut += clipped;
        return total;
    }
    template <class Rounding, class Input>
    NIBBLE_INLINE std::size_t block(std::size_t b, Rounding rounding, const Input& input,
                                    std::size_t& cut) {
        const std::size_t first = b * lif_block;
        const std::size_t n = size() - first < lif_block ? size() - first : lif_block;
        Buffer buffer;
        if (n < lif_block) buffer = Buffer{};
        unit_t<V>* row = potential_.data() + b * units;
        const auto charge = input.block(first, n, buffer);
        std::uint64_t fired = 0;
        std::uint64_t* planes = countdown_.data() + b * planes_;
        const std::uint64_t blocked = planes_ == 0 ? 0 : Countdown::tick(planes, planes_);
        if (blocked == 0) {
            fired = step_block<V, A>(membrane_, row, charge, rounding, first, cut);
        } else {
            fired = held_block(row, charge, rounding, first, blocked, cut);
        }
        if constexpr (requires { input.finish(first); }) input.finish(first);
        Countdown::start(planes, planes_, fired, parameters_.refractory);
        spikes_[b] = fired;
        return static_cast<std::size_t>(std::popcount(fired));
    }
    // As step_block, but the neurons in `blocked` keep their potential and do not fire.
    template <class Rounding, class Input>
    NIBBLE_INLINE std::uint64_t held_block(unit_t<V>* row, Input input, Rounding rounding,
                                           std::size_t first, std::uint64_t blocked,
                                           std::size_t& cut) {
        unit_t<V> before[units];
        for (std::size_t u = 0; u < units; ++u) before[u] = row[u];
        Buffer open;
        if constexpr (std::is_same_v<Input, CodeBlock<V>>) {
            for (std::size_t u = 0; u < units; ++u) open.codes[u] = input.units[u];
            for_each_bit(blocked,
                         [&](std::size_t i) { ValueSpan<V>(open.codes, lif_block).set(i, V{}); });
            input.units = open.codes;
        } else {
            for (std::size_t i = 0; i < lif_block; ++i) open.charge[i] = input[i];
            for_each_bit(blocked, [&](std::size_t i) { open.charge[i] = Charge{}; });
            input = open.charge;
        }
        const std::uint64_t fired = step_block<V, A>(membrane_, row, input, rounding, first, cut);
        const ValueSpan<V> now(row, lif_block);
        const ValueSpan<const V> then(before, lif_block);
        for_each_bit(blocked, [&](std::size_t i) { now.set(i, then[i]); });
        return fired & ~blocked;
    }

    void check() const {
        const auto number = [](double x) { return std::to_string(x); };
        const LifParameters& p = parameters_;
        if (!(p.leak >= 0.0 && p.leak <= 1.0))
            fail("LifArray: leak is " + number(p.leak) + ", expected a factor from 0 to 1");
        if (!(p.threshold > 0.0) || !std::isfinite(p.threshold))
            fail("LifArray: threshold is " + number(p.threshold) + ", expected more than 0");
        if (!(p.reset < p.threshold) || !std::isfinite(p.reset))
            fail("LifArray: reset is " + number(p.reset) + ", expected less than the threshold " +
                 number(p.threshold));
        if (!(scale_.scale >= 0.0) || !std::isfinite(scale_.scale))
            fail("LifArray: scale is " + number(scale_.scale) + ", expected more than 0");
        if (!Membrane<V>::fits(p, scale_))
            fail("LifArray: threshold " + number(p.threshold) + " is code " +
                 number(p.threshold / scale()) + " at scale " + number(scale()) +
                 ", beyond the highest code of " + std::string(value_traits<V>::name));
    }

    LifParameters parameters_;
    StateScale scale_;
    Membrane<V> membrane_;
    Tensor<V> potential_;
    std::vector<std::uint64_t> spikes_;
    std::vector<std::uint64_t> countdown_;
    std::size_t saturated_ = 0;
    std::uint64_t steps_ = 0;
    unsigned planes_ = 0;
};

}  // namespace nibble
