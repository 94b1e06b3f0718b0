// SPDX-License-Identifier: BSL-1.0
// SpikingNetwork: areas of LIF neurons, projections between them, and the burst that moves them on.
//
// One tick:
//     1. deliver     last tick's spikes add their weights to the charges of their targets
//     2. drive       constant and Poisson input is added
//     3. integrate   every neuron makes a step and may fire; its charge is zero afterwards
// so a spike takes one tick to its targets. Charges are added in a fixed order (projections as they
// were connected, sources ascending, then the drive), and each is added by one thread: the spikes do
// not depend on the number of threads. A tick allocates nothing.
#pragma once

#include <nibble/neuro/drive.hpp>
#include <nibble/neuro/lif_array.hpp>
#include <nibble/neuro/recording.hpp>
#include <nibble/neuro/synapse.hpp>

#include <vector>

namespace nibble::inline NIBBLE_ARCH {

/// A population of neurons that share parameters, drive and scale.
struct Area {
    std::size_t neurons = 0;
    LifParameters neuron{};
    StateScale state{};
    Drive drive{};
    /// Potentials start uniform in [0, start * threshold), by state.seed: apart, so that neurons of
    /// equal input do not fire together.
    double start = 0.0;
};

/// A network whose potentials and weights are V's: float, half, Int8Value, Int4Value, Fixed16<F>, ...
template <NeuralValue V, class A = Isa>
class SpikingNetwork {
public:
    using Charge = charge_t<V>;

    /// Adds an area; returns its number, counted from 0. Errors as LifArray's and DriveSource's.
    std::size_t add(const Area& area) {
        Population p;
        p.neurons = LifArray<V, std::dynamic_extent, A>(area.neurons, area.neuron, area.state);
        p.drive = DriveSource<V, A>(area.neurons, area.drive, p.neurons.charge_per_unit());
        p.charge.assign(padded(area.neurons), Charge{});
        p.fired.reserve(area.neurons);
        p.first = neurons();
        if (!(area.start >= 0.0 && area.start <= 1.0))
            fail("Area: start is " + std::to_string(area.start) + ", expected 0 to 1");
        const Dither place(area.state.seed, 0, 3);
        const double most = area.start * area.neuron.threshold / p.neurons.scale();
        for (std::size_t i = 0; i < area.neurons; ++i)
            p.neurons.potential().set(i, start_code(place(i) * 0x1p-32 * most));
        populations_.push_back(std::move(p));
        return populations_.size() - 1;
    }
    /// Connects two areas by a random rule or a list of synapses; returns the projection's number.
    /// Errors as Projection's, and an area that is not there.
    std::size_t connect(std::size_t from, std::size_t to, const RandomSynapses& rule) {
        return link(from, to, rule);
    }
    std::size_t connect(std::size_t from, std::size_t to, std::span<const Synapse> synapses) {
        return link(from, to, synapses);
    }

    [[nodiscard]] std::size_t areas() const noexcept { return populations_.size(); }
    [[nodiscard]] const LifArray<V, std::dynamic_extent, A>& area(std::size_t i) const {
        return populations_.at(i).neurons;
    }
    /// The number of an area's first neuron, counted over all areas.
    [[nodiscard]] std::size_t first_neuron(std::size_t i) const { return populations_.at(i).first; }
    [[nodiscard]] const Projection<V, A>& projection(std::size_t i) const {
        return links_.at(i).projection;
    }
    [[nodiscard]] std::size_t projections() const noexcept { return links_.size(); }
    [[nodiscard]] std::size_t neurons() const noexcept {
        std::size_t n = 0;
        for (const Population& p : populations_) n += p.neurons.size();
        return n;
    }
    [[nodiscard]] std::size_t synapses() const noexcept {
        std::size_t n = 0;
        for (const Link& l : links_) n += l.projection.synapses();
        return n;
    }
    /// Ticks so far.
    [[nodiscard]] std::uint64_t ticks() const noexcept { return ticks_; }
    /// Synaptic events delivered so far.
    [[nodiscard]] std::uint64_t events() const noexcept { return events_; }
    /// Potentials that were cut to the range of V so far.
    [[nodiscard]] std::size_t saturated() const noexcept {
        std::size_t n = 0;
        for (const Population& p : populations_) n += p.neurons.saturated();
        return n;
    }
    /// Bytes of neuron state as allocated: potentials, spike bits, refractory counters. Charges,
    /// which live for one tick and have the same size at every 8-bit and 4-bit type, are not state.
    [[nodiscard]] std::size_t state_bytes() const noexcept {
        std::size_t n = 0;
        for (const Population& p : populations_) n += p.neurons.bytes();
        return n;
    }
    [[nodiscard]] double bytes_per_neuron() const noexcept {
        return neurons() == 0 ? 0.0
                              : static_cast<double>(state_bytes()) / static_cast<double>(neurons());
    }
    /// Bytes of all projections as allocated.
    [[nodiscard]] std::size_t synapse_bytes() const noexcept {
        std::size_t n = 0;
        for (const Link& l : links_) n += l.projection.bytes();
        return n;
    }
    /// Bytes of everything: state, synapses, charges, drives and spike lists.
    [[nodiscard]] std::size_t bytes() const noexcept {
        std::size_t n = state_bytes() + synapse_bytes();
        for (const Population& p : populations_)
            n += p.charge.capacity() * sizeof(Charge) + p.fired.capacity() * 4 + p.drive.bytes();
        return n;
    }

    /// Adds a finite current (real units) to neuron i of an area before the next tick.
    void inject(std::size_t area, std::size_t i, double current) {
        Population& p = populations_.at(area);
        expect_neuron(p, i);
        if (!std::isfinite(current))
            fail("SpikingNetwork: a current is " + std::to_string(current));
        add_charge(p.charge[i], to_charge<V>(current * p.neurons.charge_per_unit()));
    }

    /// One tick; returns how many neurons fired.
    std::size_t tick(const BasicHost<A>& on) {
        for (const Link& l : links_) {
            const Population& from = populations_[l.from];
            l.projection.deliver(on, from.fired, populations_[l.to].charge);
            for (const std::uint32_t s : from.fired) events_ += l.projection.fan_out(s);
        }
        std::size_t total = 0;
        for (Population& p : populations_) {
            on.parallel_for(p.neurons.size(), 4096, [&](std::size_t first, std::size_t last) {
                p.drive.add(ticks_, first, last, p.charge);
            });
            total += p.neurons.consume(on, p.charge);
        }
        for (Population& p : populations_) {
            p.fired.clear();
            for_each_spike(p.neurons.spikes(), [&](std::size_t i) {
                p.fired.push_back(static_cast<std::uint32_t>(i));
            });
        }
        ++ticks_;
        return total;
    }
    /// One tick, recorded. The recording counts neurons over all areas.
    std::size_t tick(const BasicHost<A>& on, SpikeRecording& recording) {
        const std::size_t n = tick(on);
        recording.begin_step();
        for (const Population& p : populations_)
            recording.add(p.neurons.spikes(), p.first, p.neurons.size());
        return n;
    }
    /// `steps` ticks, recorded.
    [[nodiscard]] SpikeRecording run(const BasicHost<A>& on, std::size_t steps) {
        SpikeRecording recording(neurons(), steps);
        for (std::size_t t = 0; t < steps; ++t) tick(on, recording);
        return recording;
    }

private:
    struct Population {
        LifArray<V, std::dynamic_extent, A> neurons;
        DriveSource<V, A> drive;
        std::vector<Charge> charge;
        std::vector<std::uint32_t> fired;  // last tick's spikes, ascending
        std::size_t first = 0;
    };
    struct Link {
        std::size_t from = 0, to = 0;
        Projection<V, A> projection;
    };

    template <class Rule>
    std::size_t link(std::size_t from, std::size_t to, const Rule& rule) {
        if (from >= areas() || to >= areas())
            fail("SpikingNetwork: connecting area " + std::to_string(from) + " to " +
                 std::to_string(to) + " of " + std::to_string(areas()) + " areas");
        const auto& target = populations_[to].neurons;
        links_.push_back({from, to,
                          Projection<V, A>(populations_[from].neurons.size(), target.size(), rule,
                                           target.charge_per_unit())});
        return links_.size() - 1;
    }
    static void expect_neuron(const Population& p, std::size_t i) {
        if (i >= p.neurons.size())
            fail("SpikingNetwork: neuron " + std::to_string(i) + " of an area of " +
                 std::to_string(p.neurons.size()));
    }
    [[nodiscard]] static V start_code(double x) noexcept {
        if constexpr (integer_state<V>)
            return from_code<V>(Membrane<V>::saturate(static_cast<std::int32_t>(x)));
        else return encode<V>(static_cast<compute_t<V>>(x));
    }

    std::vector<Population> populations_;
    std::vector<Link> links_;
    std::uint64_t ticks_ = 0;
    std::uint64_t events_ = 0;
};

}  // namespace nibble
