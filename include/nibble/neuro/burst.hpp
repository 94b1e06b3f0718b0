// SPDX-License-Identifier: BSL-1.0
// SpikingNetwork: areas of neurons, projections between them, and the burst that moves them on.
//
// One tick:
//     1. deliver     spikes of `delay` ticks ago add their weights to the sums of their targets
//     2. drive       constant and Poisson input is added
//     3. integrate   every neuron makes a step and may fire; its sums are zero afterwards
// so a spike takes at least one tick to its targets. What waits for its delay are lists of spikes, a
// ring of them for each area. Charges are added in a fixed order (projections as they were connected,
// sources ascending, then the drive), and each is added by one thread: the spikes do not depend on the
// number of threads. A tick allocates nothing once the first is done.
#pragma once

#include <nibble/neuro/population.hpp>
#include <nibble/neuro/recording.hpp>

#include <memory>
#include <vector>

namespace nibble::inline NIBBLE_ARCH {

/// A population of LIF neurons that share parameters, drive and scale.
struct Area {
    std::size_t neurons = 0;
    LifParameters neuron{};
    StateScale state{};
    Drive drive{};
    /// Potentials start uniform in [0, start * threshold), by state.seed: apart, so that neurons of
    /// equal input do not fire together.
    double start = 0.0;
};

/// What a population of a neuron model needs beside the model.
struct ModelArea {
    std::size_t neurons = 0;
    double dt = 0.1;  ///< ms a tick
    Drive drive{};    ///< arrives at port 0
    StateRounding rounding = StateRounding::automatic;
    std::uint64_t seed = 0;  ///< of stochastic rounding
};

/// A network whose weights are V's: float, half, Int8Value, Int4Value, Fixed16<F>, ... LIF areas store
/// their potentials as V's too; areas of a model choose.
template <NeuralValue V, class A = Isa>
class SpikingNetwork {
public:
    using Lif = LifArray<V, std::dynamic_extent, A>;

    /// Adds an area; returns its number, counted from 0. Errors as LifArray's and DriveSource's.
    std::size_t add(const Area& area) {
        if (!(area.start >= 0.0 && area.start <= 1.0))
            fail("Area: start is " + std::to_string(area.start) + ", expected 0 to 1");
        auto p = std::make_unique<LifPopulation<V, A>>(area.neurons, area.neuron, area.state,
                                                       area.drive);
        const Dither place(area.state.seed, 0, 3);
        const double most = area.start * area.neuron.threshold / p->neurons.scale();
        for (std::size_t i = 0; i < area.neurons; ++i)
            p->neurons.potential().set(i, start_code(place(i) * 0x1p-32 * most));
        return append(std::move(p));
    }
    /// Adds an area of a neuron model whose states are stored as S's. Weights into it are in the
    /// units of the model's ports. Errors as ModelArray's.
    template <NeuralValue S = float, NeuronModel M>
    std::size_t add(const M& model, const ModelArea& area) {
        return append(std::make_unique<ModelPopulation<M, S, V, A>>(
            ModelArray<M, S, A>(area.neurons, model, area.dt, area.rounding, area.seed),
            area.drive));
    }
    /// Connects two areas by a random rule or a list of synapses, which arrive at a port of the target;
    /// returns the projection's number. Errors as Projection's, and an area or port that is not there.
    std::size_t connect(std::size_t from, std::size_t to, const RandomSynapses& rule,
                        std::size_t port = 0) {
        return link(from, to, rule, port);
    }
    std::size_t connect(std::size_t from, std::size_t to, std::span<const Synapse> synapses,
                        std::size_t port = 0) {
        return link(from, to, synapses, port);
    }

    /// The neurons of a LIF area. Error: an area of a model.
    [[nodiscard]] const Lif& area(std::size_t i) const {
        return as<LifPopulation<V, A>>(i).neurons;
    }
    /// The neurons of an area of model M with states S, to read and to set. Error: another area.
    template <NeuronModel M, NeuralValue S = float>
    [[nodiscard]] ModelArray<M, S, A>& model(std::size_t i) {
        return const_cast<ModelPopulation<M, S, V, A>&>(as<ModelPopulation<M, S, V, A>>(i)).neurons;
    }
    /// The spikes of an area's last step: neuron i is bit i % 64 of word i / 64.
    [[nodiscard]] std::span<const std::uint64_t> spikes(std::size_t i) const {
        return at(i).neurons->spikes();
    }
    /// How an area sums what arrives: "int16", "int32" or "real".
    [[nodiscard]] const char* sums(std::size_t i) const { return at(i).neurons->sums(); }
    [[nodiscard]] std::size_t areas() const noexcept { return places_.size(); }
    /// The number of an area's first neuron, counted over all areas.
    [[nodiscard]] std::size_t first_neuron(std::size_t i) const { return at(i).first; }
    [[nodiscard]] std::size_t area_size(std::size_t i) const { return at(i).neurons->size(); }
    [[nodiscard]] const Projection<V, A>& projection(std::size_t i) const {
        return links_.at(i).projection;
    }
    [[nodiscard]] std::size_t projections() const noexcept { return links_.size(); }
    [[nodiscard]] std::size_t neurons() const noexcept {
        std::size_t n = 0;
        for (const Place& p : places_) n += p.neurons->size();
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
        for (const Place& p : places_) n += p.neurons->saturated();
        return n;
    }
    /// Bytes of neuron state as allocated: potentials, spike bits, refractory counters. Charges,
    /// which live for one tick and have the same size at every 8-bit and 4-bit type, are not state.
    [[nodiscard]] std::size_t state_bytes() const noexcept {
        std::size_t n = 0;
        for (const Place& p : places_) n += p.neurons->state_bytes();
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
        for (const Place& p : places_) {
            n += p.neurons->other_bytes();
            for (const auto& list : p.sent) n += list.capacity() * 4;
        }
        return n;
    }

    /// Adds a finite input (real units) to a port of neuron i of an area before the next tick.
    void inject(std::size_t area, std::size_t i, double input, std::size_t port = 0) {
        const auto& p = *at(area).neurons;
        if (i >= p.size() || port >= p.ports())
            fail("SpikingNetwork: port " + std::to_string(port) + " of neuron " +
                 std::to_string(i) + " of an area of " + std::to_string(p.size()) + " with " +
                 std::to_string(p.ports()) + " ports");
        if (!std::isfinite(input)) fail("SpikingNetwork: a current is " + std::to_string(input));
        at(area).neurons->inject(port, i, input);
    }

    /// One tick; returns how many neurons fired.
    std::size_t tick(const BasicHost<A>& on) {
        if (changed_) prepare();
        for (const Link& l : links_)
            for (std::size_t part = 0; part < l.projection.parts(); ++part) {
                const std::span<const std::uint32_t> spikes =
                    places_[l.from].sent_before(l.projection.delay(part));
                if (!spikes.empty())
                    events_ +=
                        places_[l.to].neurons->deliver(on, l.projection, part, l.port, spikes);
            }
        std::size_t total = 0;
        for (Place& p : places_) total += p.neurons->step(on, ticks_);
        for (Place& p : places_) {
            std::vector<std::uint32_t>& sent = p.sent[p.now];
            p.now = p.now + 1 == p.sent.size() ? 0 : p.now + 1;
            sent.clear();
            for_each_spike(p.neurons->spikes(),
                           [&](std::size_t i) { sent.push_back(static_cast<std::uint32_t>(i)); });
        }
        ++ticks_;
        return total;
    }
    /// One tick, recorded. The recording counts neurons over all areas.
    std::size_t tick(const BasicHost<A>& on, SpikeRecording& recording) {
        const std::size_t n = tick(on);
        recording.begin_step();
        for (const Place& p : places_)
            recording.add(p.neurons->spikes(), p.first, p.neurons->size());
        return n;
    }
    /// `steps` ticks, recorded.
    [[nodiscard]] SpikeRecording run(const BasicHost<A>& on, std::size_t steps) {
        SpikeRecording recording(neurons(), steps);
        for (std::size_t t = 0; t < steps; ++t) tick(on, recording);
        return recording;
    }

private:
    struct Place {
        std::unique_ptr<Population<V, A>> neurons;
        std::size_t first = 0;
        std::vector<std::vector<std::uint32_t>> sent;  // a ring: the spikes of each tick
        std::size_t now = 0;                           // where this tick's will be

        [[nodiscard]] std::span<const std::uint32_t> sent_before(unsigned delay) const noexcept {
            return sent[now >= delay ? now - delay : now + sent.size() - delay];
        }
    };
    struct Link {
        std::size_t from = 0, to = 0, port = 0;
        Projection<V, A> projection;
    };

    std::size_t append(std::unique_ptr<Population<V, A>> population) {
        places_.push_back({std::move(population), neurons(), {}, 0});
        changed_ = true;
        return places_.size() - 1;
    }
    template <class Rule>
    std::size_t link(std::size_t from, std::size_t to, const Rule& rule, std::size_t port) {
        if (from >= areas() || to >= areas())
            fail("SpikingNetwork: connecting area " + std::to_string(from) + " to " +
                 std::to_string(to) + " of " + std::to_string(areas()) + " areas");
        const auto& target = *places_[to].neurons;
        if (port >= target.ports())
            fail("SpikingNetwork: connecting to port " + std::to_string(port) + " of area " +
                 std::to_string(to) + ", which has " + std::to_string(target.ports()));
        links_.push_back({from, to, port,
                          Projection<V, A>(places_[from].neurons->size(), target.size(), rule,
                                           target.charge_per_unit())});
        changed_ = true;
        return links_.size() - 1;
    }
    // Rings as long as the longest delay, with the spikes that they hold, and the kinds of sums.
    void prepare() {
        for (std::size_t i = 0; i < places_.size(); ++i) {
            Place& p = places_[i];
            std::size_t depth = 1;
            std::vector<std::vector<WeightRange>> in(p.neurons->ports());
            for (const Link& l : links_) {
                if (l.from == i && l.projection.longest_delay() > depth)
                    depth = l.projection.longest_delay();
                if (l.to == i) in[l.port].push_back(l.projection.range());
            }
            p.neurons->expect(in);
            if (depth <= p.sent.size()) continue;
            std::vector<std::vector<std::uint32_t>> ring(depth);
            for (auto& list : ring) list.reserve(p.neurons->size());
            for (std::size_t t = 1; t <= p.sent.size(); ++t) {
                const auto held = p.sent_before(static_cast<unsigned>(t));
                ring[depth - t].assign(held.begin(), held.end());
            }
            p.sent = std::move(ring);
            p.now = 0;
        }
        changed_ = false;
    }
    [[nodiscard]] const Place& at(std::size_t i) const {
        if (i >= areas())
            fail("SpikingNetwork: area " + std::to_string(i) + " of " + std::to_string(areas()));
        return places_[i];
    }
    template <class P>
    [[nodiscard]] const P& as(std::size_t i) const {
        const Population<V, A>& p = *at(i).neurons;
        if (p.kind() != &population_kind<P>)
            fail("SpikingNetwork: area " + std::to_string(i) + " holds neurons of another kind");
        return static_cast<const P&>(p);
    }
    [[nodiscard]] static V start_code(double x) noexcept {
        if constexpr (integer_state<V>)
            return from_code<V>(Membrane<V>::saturate(static_cast<std::int32_t>(x)));
        else return encode<V>(static_cast<compute_t<V>>(x));
    }

    std::vector<Place> places_;
    std::vector<Link> links_;
    std::uint64_t ticks_ = 0;
    std::uint64_t events_ = 0;
    bool changed_ = true;
};

}  // namespace nibble
