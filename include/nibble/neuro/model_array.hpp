// SPDX-License-Identifier: BSL-1.0
// ModelArray: any number of neurons of one model (model.hpp), whose states are stored as V's.
//
//     ModelArray<Izhikevich> cells(1000, {.a = 0.02, .d = 8.0, .current = 10.0}, 0.1);   // dt in ms
//     for (...) cells.step(on, input);
//
// V is a type that computes in float: float, half, bfloat16, the 8-bit floats, Int8Value, Int4Value.
// Types of less than 32 bits are rounded stochastically unless told otherwise: a step of 0.1 ms often
// changes a state by less than one of their codes. Types of 8 bits and less get a scale for each state
// from the model's extents; Int8Value serves well, Int4Value is there to try. (LifArray computes in
// integers throughout.)
//
// Memory: `states` V's a neuron, one bit for spikes, and bit_width(R) bits for a refractory period of
// R steps. Results are the same for any number of threads and on every instruction set.
#pragma once

#include <nibble/kernel/executor.hpp>
#include <nibble/neuro/countdown.hpp>
#include <nibble/neuro/membrane.hpp>
#include <nibble/neuro/model.hpp>
#include <nibble/neuro/port_sums.hpp>
#include <nibble/store/buffer.hpp>
#include <nibble/store/error.hpp>
#include <nibble/store/tensor.hpp>
#include <nibble/value/clip_limits.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <string>

namespace nibble::inline NIBBLE_ARCH {

template <NeuronModel M, NeuralValue V = float, class A = Isa>
    requires std::same_as<compute_t<V>, float>
class ModelArray {
public:
    using Model = M;
    using Value = V;
    static constexpr std::size_t states = M::states, ports = M::ports;
    /// Whether states have a scale beside their codes.
    static constexpr bool scaled = bits_v<V> <= 8;

    ModelArray() = default;
    /// n neurons at rest, stepped by dt ms. `rounding` and `seed` are of storing V's.
    /// Error: a time step or a refractory period out of range.
    ModelArray(std::size_t n, const M& model, double dt,
               StateRounding rounding = StateRounding::automatic, std::uint64_t seed = 0)
        : model_(model), dt_(dt), seed_(seed) {
        if (!(dt > 0.0) || !std::isfinite(dt))
            fail("ModelArray: a step is " + std::to_string(dt) + " ms, expected more than 0");
        const double period = model.refractory / dt;
        if (!(period >= 0.0 && period < 0x1p31))
            fail("ModelArray: the refractory period is " + std::to_string(model.refractory) +
                 " ms, expected 0 or more");
        period_ = static_cast<unsigned>(std::lround(period));
        planes_ = Countdown::bits(period_);
        stochastic_ = rounding == StateRounding::automatic ? bits_v<V> < 32
                                                           : rounding == StateRounding::stochastic;
        step_ = model.step(dt);
        state_ = Tensor<V>(Shape{states, n});
        for (std::size_t k = 0; k < states; ++k) {
            const double top = static_cast<double>(decode(value_traits<V>::highest()));
            scale_[k] = scaled ? static_cast<float>(model.extent(k) / top) : 1.0f;
            per_scale_[k] = 1.0f / scale_[k];
            if (!(scale_[k] > 0.0f) || !std::isfinite(per_scale_[k]))
                fail("ModelArray: the extent of state " + std::to_string(k) + " is " +
                     std::to_string(model.extent(k)) + ", expected more than 0");
        }
        words_ = Buffer<std::uint64_t>((2 + planes_) * word_stride());
    }

    [[nodiscard]] std::size_t size() const noexcept { return state_.cols(); }
    [[nodiscard]] const M& model() const noexcept { return model_; }
    [[nodiscard]] double dt() const noexcept { return dt_; }
    /// Codes of state k of all neurons: real = code * scale(k), a deviation from rest.
    [[nodiscard]] ValueSpan<const V> state(std::size_t k) const noexcept { return state_.row(k); }
    [[nodiscard]] ValueSpan<V> state(std::size_t k) noexcept { return state_.row(k); }
    [[nodiscard]] double scale(std::size_t k) const noexcept {
        return static_cast<double>(scale_[k]);
    }
    /// State k of neuron i in the model's units, relative to rest.
    [[nodiscard]] double get(std::size_t k, std::size_t i) const noexcept {
        return static_cast<double>(decode(state(k)[i]) * scale_[k]);
    }
    void set(std::size_t k, std::size_t i, double x) noexcept {
        state(k).set(i, encode<V>(static_cast<float>(x) * per_scale_[k]));
    }
    /// The last step's spikes: bit i % 64 of word i / 64.
    [[nodiscard]] std::span<const std::uint64_t> spikes() const noexcept {
        return {words_.data(), blocks()};
    }
    /// States that were cut to the range of V so far.
    [[nodiscard]] std::size_t saturated() const noexcept { return saturated_; }
    [[nodiscard]] std::uint64_t steps() const noexcept { return steps_; }
    /// Steps of the refractory period.
    [[nodiscard]] unsigned refractory_steps() const noexcept { return period_; }
    /// Bytes of the state as allocated.
    [[nodiscard]] std::size_t bytes() const noexcept { return state_.bytes() + words_.size() * 8; }

    /// One step with what has arrived at the ports, which is zero afterwards; returns how many fired.
    std::size_t step(const BasicHost<A>& on, PortSums& arrived) {
        NIBBLE_EXPECT(arrived.ports() == ports);
        switch (arrived.kind()) {
            case SumKind::int16: return advance<std::int16_t>(on, arrived);
            case SumKind::int32: return advance<std::int32_t>(on, arrived);
            case SumKind::real: break;
        }
        return advance<float>(on, arrived);
    }
    /// One step with input in real units: padded(size()) numbers for each port, zero afterwards.
    std::size_t step(const BasicHost<A>& on, std::span<float> input) {
        if (input.size() != ports * padded(size()))
            fail("ModelArray: input has " + std::to_string(input.size()) + " numbers, expected " +
                 std::to_string(ports) + " ports of " + std::to_string(padded(size())));
        Inputs<float> in;
        for (std::size_t p = 0; p < ports; ++p) in.sums[p] = input.data() + p * padded(size());
        return advance(on, in);
    }

private:
    template <class Sum>
    struct Inputs {
        Sum* sums[ports] = {};
        float unit[ports] = {};
        float* extra[ports] = {};
        bool any_extra = false;
        Inputs() noexcept { std::fill_n(unit, ports, 1.0f); }
    };
    [[nodiscard]] std::size_t blocks() const noexcept { return padded(size()) / 64; }
    // Words from one row of words_ to the next: whole registers.
    [[nodiscard]] std::size_t word_stride() const noexcept { return (blocks() + 7) / 8 * 8; }
    [[nodiscard]] unit_t<V>* row(std::size_t k) noexcept {
        return state_.data() + k * (state_.stride() / values_per_unit<V>);
    }

    template <class Sum>
    std::size_t advance(const BasicHost<A>& on, PortSums& arrived) {
        Inputs<Sum> in;
        for (std::size_t p = 0; p < ports; ++p) {
            in.sums[p] = arrived.template sums<Sum>(p).data();
            in.unit[p] = static_cast<float>(arrived.unit(p));
            in.extra[p] = arrived.extra_or_null(p);
            in.any_extra = in.any_extra || in.extra[p] != nullptr;
        }
        return advance(on, in);
    }
    template <class Sum>
    std::size_t advance(const BasicHost<A>& on, const Inputs<Sum>& in) {
        const std::uint64_t step = steps_++;
        if constexpr (!std::is_same_v<V, float>)
            if (stochastic_)
                return sweep(on, in,
                             [&](std::size_t k) { return StochasticFrom{Dither(seed_, step, k)}; });
        return sweep(on, in, [](std::size_t) { return ToNearest{}; });
    }
    template <class Sum, class Rounding>
    std::size_t sweep(const BasicHost<A>& on, const Inputs<Sum>& in, Rounding&& rounding) {
        std::array<decltype(rounding(0)), states> modes{};
        for (std::size_t k = 0; k < states; ++k) modes[k] = rounding(k);
        Tally total, saturated;
        // Some 16,000 neurons are a thread's worth of work.
        on.parallel_for(blocks(), 256, [&](std::size_t first, std::size_t end) {
            std::size_t cut = 0;
            const std::size_t n = word_stride();
            if (planes_ != 0)
                Countdown::tick_rows(words_.data() + 2 * n, planes_, n, words_.data() + n, first,
                                     end);
            total.add(run(first, end, in, modes, cut));
            saturated.add(cut);
        });
        saturated_ += saturated.count();
        return total.count();
    }

    template <class Sum, class Modes>
    std::size_t run(std::size_t first, std::size_t end, const Inputs<Sum>& inputs,
                    const Modes& modes, std::size_t& cut) {
        // Copies that no store can change, so that they stay in registers.
        const Inputs<Sum> in = inputs;
        const typename M::Step step = step_;
        const std::size_t n = word_stride();
        std::uint64_t* const words = words_.data();
        unit_t<V>* rows[states];
        for (std::size_t k = 0; k < states; ++k) rows[k] = row(k);
        std::size_t total = 0, clipped = 0;
        // Up and down in turns: what a step leaves in the near cache is what the next begins with.
        const bool down = (steps_ & 1u) != 0;
        for (std::size_t n_done = 0; n_done < end - first; ++n_done) {
            const std::size_t b = down ? end - 1 - n_done : first + n_done;
            const std::size_t rest = size() - b * 64;
            const std::uint64_t there =
                rest < 64 ? (std::uint64_t{1} << rest) - 1 : ~std::uint64_t{0};
            const std::uint64_t open = there & ~words[n + b];
            std::uint64_t fired = 0;
            if (std::is_same_v<Sum, std::int32_t> || in.any_extra) {
                alignas(64) float real[ports][64];
                Inputs<float> converted;
                for (std::size_t p = 0; p < ports; ++p) {
                    take_real(in, p, b * 64, real[p]);
                    converted.sums[p] = real[p];
                }
                fired = block(step, b * 64, 0, open, rows, converted, modes, clipped);
            } else if constexpr (!std::is_same_v<Sum, std::int32_t>) {
                fired = block(step, b * 64, b * 64, open, rows, in, modes, clipped);
            }
            words[b] = fired;
            if (fired == 0) continue;
            total += static_cast<std::size_t>(std::popcount(fired));
            for (unsigned k = 0; k < planes_; ++k)
                if ((period_ >> k & 1u) != 0) words[(2 + k) * n + b] |= fired;
        }
        if (end == blocks() && size() % 64 != 0)  // what lies behind the last neuron stays zero
            for (std::size_t k = 0; k < states; ++k)
                for (std::size_t i = size(); i < padded(size()); ++i)
                    ValueSpan<V>(rows[k], padded(size())).set(i, V{});
        cut += clipped;
        return total;
    }
    // The sums and the extra input of 64 neurons in real units; both are zero afterwards.
    template <class Sum>
    static void take_real(const Inputs<Sum>& in, std::size_t p, std::size_t first, float* to) {
        using B = Batch<float, A>;
        for (std::size_t i = 0; i < 64; i += B::lanes) {
            B extra(0.0f);
            if (in.extra[p] != nullptr) {
                extra = B::load(in.extra[p] + first + i);
                B(0.0f).store(in.extra[p] + first + i);
            }
            fused(load_sums<A>(in.sums[p] + first + i), B(in.unit[p]), extra).store(to + i);
        }
        std::memset(in.sums[p] + first, 0, 64 * sizeof(Sum));
    }
    // 64 neurons from `first`; their sums lie from `at` on.
    template <class Sum, class Modes>
    NIBBLE_INLINE std::uint64_t block(const typename M::Step& step, std::size_t first,
                                      std::size_t at, std::uint64_t open,
                                      unit_t<V>* const (&rows)[states], const Inputs<Sum>& in,
                                      const Modes& modes, std::size_t& clipped) const noexcept {
        using B = Batch<float, A>;
        std::uint64_t fired = 0;
        unit_t<V>* row_at[states];
        Sum* sums_at[ports];
        for (std::size_t k = 0; k < states; ++k) row_at[k] = rows[k] + first / values_per_unit<V>;
        for (std::size_t p = 0; p < ports; ++p) sums_at[p] = in.sums[p] + at;
#if defined(__GNUC__)
#pragma GCC unroll 4
#endif
        for (std::size_t i = 0; i < 64; i += B::lanes) {
            B x[states];
            Arrived<B> arrived[ports];
            for (std::size_t p = 0; p < ports; ++p) {
                Sum* const sums = sums_at[p] + i;
                arrived[p] = {load_sums<A>(sums), B(in.unit[p])};
                std::memset(sums, 0, B::lanes * sizeof(Sum));  // not fill_n: one store
            }
            for (std::size_t k = 0; k < states; ++k) {
                x[k] = decode_lanes<V, A>(row_at[k], i);
                if constexpr (scaled) x[k] = rounded(x[k] * B(scale_[k]));
            }
            const B held = x[0];
            auto fires = step(x, static_cast<const Arrived<B>*>(arrived));
            const auto free = mask_of_bits<A>(open >> i);
            x[0] = select(free, x[0], held);
            fires = fires & free;
            B after[states];
            for (std::size_t k = 0; k < states; ++k) after[k] = x[k];
            step.reset(after);
            for (std::size_t k = 0; k < states; ++k) {
                x[k] = select(fires, after[k], x[k]);
                if constexpr (scaled) x[k] = rounded(x[k] * B(per_scale_[k]));
                if constexpr (!std::is_same_v<V, float>)
                    clipped += static_cast<std::size_t>(std::popcount(mask_bits<A>(
                        (x[k] >= B(clip_limits<V>.high)) | (x[k] <= B(clip_limits<V>.low)))));
                encode_lanes<V, A>(row_at[k], i, x[k], modes[k], first);
            }
            fired |= mask_bits<A>(fires) << i;
        }
        return fired;
    }

    M model_{};
    double dt_ = 0.1;
    typename M::Step step_{};
    Tensor<V> state_;
    float scale_[states] = {}, per_scale_[states] = {};
    Buffer<std::uint64_t> words_;  // rows: spikes, blocked, counter planes
    std::uint64_t seed_ = 0, steps_ = 0;
    std::size_t saturated_ = 0;
    unsigned period_ = 0, planes_ = 0;
    bool stochastic_ = false;
};

}  // namespace nibble
