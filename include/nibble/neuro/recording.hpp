// SPDX-License-Identifier: BSL-1.0
// Which neurons fired in which step: one bit for each, in a ring of steps.
#pragma once

#include <nibble/store/error.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace nibble::inline NIBBLE_ARCH {

/// The spikes of `neurons` neurons in the last `capacity` steps. All memory is taken at once:
/// capacity * neurons / 8 bytes. When full, a new step takes the place of the oldest.
class SpikeRecording {
public:
    SpikeRecording() = default;
    SpikeRecording(std::size_t neurons, std::size_t capacity)
        : neurons_(neurons), capacity_(capacity), words_(words_per_step() * capacity) {}

    [[nodiscard]] std::size_t neurons() const noexcept { return neurons_; }
    /// Steps that are held: at most the capacity.
    [[nodiscard]] std::size_t steps() const noexcept {
        return begun_ < capacity_ ? begun_ : capacity_;
    }
    /// Steps ever recorded.
    [[nodiscard]] std::size_t begun() const noexcept { return begun_; }
    [[nodiscard]] std::size_t bytes() const noexcept { return words_.capacity() * 8; }

    /// Starts the next step, without spikes.
    void begin_step() {
        if (capacity_ == 0) fail("SpikeRecording: capacity is 0 steps");
        ++begun_;
        for (std::uint64_t& w : row(begun_ - 1)) w = 0;
    }
    /// Adds spikes to the step begun last: bit i of `words` is neuron `first` + i; n neurons.
    void add(std::span<const std::uint64_t> words, std::size_t first, std::size_t n) {
        if (begun_ == 0 || first + n > neurons_ || words.size() * 64 < n)
            fail("SpikeRecording: neurons " + std::to_string(first) + " to " +
                 std::to_string(first + n) + " of " + std::to_string(neurons_));
        const std::span<std::uint64_t> to = row(begun_ - 1);
        const std::size_t shift = first % 64;
        for (std::size_t w = 0; w * 64 < n; ++w) {
            const std::uint64_t bits = words[w];
            to[first / 64 + w] |= bits << shift;
            // Bits beyond n are zero, so what reaches past the last word is nothing.
            if (shift != 0 && (bits >> (64 - shift)) != 0)
                to[first / 64 + w + 1] |= bits >> (64 - shift);
        }
    }
    /// Adds one spike to the step begun last.
    void add(std::size_t neuron) {
        if (begun_ == 0 || neuron >= neurons_)
            fail("SpikeRecording: neuron " + std::to_string(neuron) + " of " +
                 std::to_string(neurons_));
        row(begun_ - 1)[neuron / 64] |= std::uint64_t{1} << (neuron % 64);
    }

    /// The spike words of held step t; 0 is the oldest.
    [[nodiscard]] std::span<const std::uint64_t> step(std::size_t t) const noexcept {
        NIBBLE_EXPECT(t < steps());
        return row(begun_ - steps() + t);
    }
    [[nodiscard]] bool fired(std::size_t t, std::size_t neuron) const noexcept {
        return (step(t)[neuron / 64] >> (neuron % 64) & 1u) != 0;
    }
    /// Calls f(step, neuron) for every spike held, by step, then by neuron.
    template <class F>
    void for_each(F&& f) const {
        for (std::size_t t = 0; t < steps(); ++t) {
            const std::span<const std::uint64_t> words = step(t);
            for (std::size_t w = 0; w < words.size(); ++w)
                for (std::uint64_t left = words[w]; left != 0; left &= left - 1)
                    f(t, w * 64 + static_cast<std::size_t>(std::countr_zero(left)));
        }
    }
    /// Spikes held.
    [[nodiscard]] std::size_t spikes() const noexcept {
        std::size_t n = 0;
        for (std::size_t t = 0; t < steps(); ++t)
            for (const std::uint64_t w : step(t)) n += static_cast<std::size_t>(std::popcount(w));
        return n;
    }
    /// Spikes of each neuron.
    [[nodiscard]] std::vector<std::uint32_t> counts() const {
        std::vector<std::uint32_t> n(neurons_);
        for_each([&](std::size_t, std::size_t neuron) { ++n[neuron]; });
        return n;
    }
    /// The neurons from `first` on, n of them, as a recording of their own (of an area, say).
    [[nodiscard]] SpikeRecording part(std::size_t first, std::size_t n) const {
        if (first > neurons_ || n > neurons_ - first)
            fail("SpikeRecording: part of neurons " + std::to_string(first) + " to " +
                 std::to_string(first) + " + " + std::to_string(n) + " of " +
                 std::to_string(neurons_));
        SpikeRecording r(n, steps());
        for (std::size_t t = 0; t < steps(); ++t) {
            r.begin_step();
            const std::span<const std::uint64_t> from = step(t);
            const std::span<std::uint64_t> to = r.row(t);
            const std::size_t shift = first % 64;
            for (std::size_t w = 0; w < to.size(); ++w) {
                const std::size_t at = first / 64 + w;
                to[w] = from[at] >> shift;
                if (shift != 0 && at + 1 < from.size()) to[w] |= from[at + 1] << (64 - shift);
            }
            if (n % 64 != 0) to[n / 64] &= (std::uint64_t{1} << (n % 64)) - 1;
        }
        return r;
    }
    /// The steps in which each neuron fired, ascending.
    [[nodiscard]] std::vector<std::vector<std::uint32_t>> trains() const {
        std::vector<std::vector<std::uint32_t>> trains(neurons_);
        for_each([&](std::size_t t, std::size_t neuron) {
            trains[neuron].push_back(static_cast<std::uint32_t>(t));
        });
        return trains;
    }

private:
    [[nodiscard]] std::size_t words_per_step() const noexcept { return (neurons_ + 63) / 64; }
    [[nodiscard]] std::span<std::uint64_t> row(std::size_t begun) noexcept {
        return {words_.data() + begun % capacity_ * words_per_step(), words_per_step()};
    }
    [[nodiscard]] std::span<const std::uint64_t> row(std::size_t begun) const noexcept {
        return {words_.data() + begun % capacity_ * words_per_step(), words_per_step()};
    }

    std::size_t neurons_ = 0;
    std::size_t capacity_ = 0;
    std::size_t begun_ = 0;
    std::vector<std::uint64_t> words_;
};

}  // namespace nibble
