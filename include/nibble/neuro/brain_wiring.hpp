// SPDX-License-Identifier: BSL-1.0
// The synapses of a brain, live: to add, remove, ask and change between bursts.
//
// A change rebuilds the projections that it touches (one pass over each), so changes come in batches.
#pragma once

#include <nibble/neuro/brain_net.hpp>
#include <nibble/neuro/brain_synapses.hpp>

#include <tuple>

namespace nibble::inline NIBBLE_ARCH {

/// A brain's neurons and what connects them.
template <NeuralValue V, class A = Isa>
class BrainWiring : public BrainNet<V, A> {
    using Net = BrainNet<V, A>;

public:
    using Net::add;
    using Net::place;
    using typename Net::Area;
    using Projections = std::vector<BrainProjection<A>>;

    BrainWiring() = default;
    explicit BrainWiring(const BrainOptions& options) : Net(options) {}

    [[nodiscard]] const Projections& projections() const noexcept { return projections_; }
    [[nodiscard]] std::uint64_t synapses() const noexcept {
        std::uint64_t n = 0;
        for (const auto& p : projections_) n += p.synapses();
        return n;
    }

    /// How spikes of an area count: the psp of all its synapses, whether it is divided by their number,
    /// whether the potential at firing takes its place.
    void set_psp(std::size_t area, std::uint8_t psp) {
        areas_.at(area).properties.psp = psp;
        for (auto& p : projections_)
            if (p.source_area == area) p.fill_psp(psp);
        stale_ = true;
    }
    void set_psp_uniform_distribution(std::size_t area, bool on) {
        areas_.at(area).properties.psp_uniform_distribution = on;
        stale_ = true;
    }
    void set_mp_driven_psp(std::size_t area, bool on) {
        areas_.at(area).properties.mp_driven_psp = on;
        stale_ = true;
    }

    /// Adds synapses. Error: a neuron that is not there, a delay of 0.
    void add(std::span<const BrainSynapse> synapses) {
        std::map<std::tuple<std::uint32_t, std::uint32_t, std::uint8_t>, std::vector<LocalSynapse>>
            groups;
        for (const BrainSynapse& s : synapses) {
            const NeuronPlace from = place(s.source), to = place(s.target);
            if (s.delay == 0) fail("Brain: a synapse's delay is 0, expected 1 to 255 bursts");
            groups[{from.area, to.area, s.delay}].push_back(
                {from.i, to.i, s.weight, s.psp, s.inhibitory});
        }
        for (const auto& [key, list] : groups) {
            const auto& [from, to, delay] = key;
            append(from, to, delay, list);
        }
    }
    void add(const BrainSynapse& synapse) { add(std::span(&synapse, 1)); }
    /// Adds an area's n synapses to another without a list: edge(e) gives a LocalSynapse, twice.
    template <class Edge>
    void connect(std::size_t from, std::size_t to, std::size_t n, Edge&& edge,
                 std::uint8_t delay = 1) {
        BrainProjection<A>& p =
            projection(static_cast<std::uint32_t>(from), static_cast<std::uint32_t>(to), delay);
        if (p.synapses() == 0) {
            p.build(n, edge);
        } else {
            const std::vector<LocalSynapse> old = p.list();
            p.build(old.size() + n,
                    [&](std::size_t e) { return e < old.size() ? old[e] : edge(e - old.size()); });
        }
        stale_ = true;
    }
    /// Removes the synapses from one neuron to another; returns how many.
    std::size_t remove(std::uint32_t source, std::uint32_t target) {
        return remove_between(std::span(&source, 1), std::span(&target, 1));
    }
    /// Removes all synapses that leave these neurons.
    std::size_t remove_from(std::span<const std::uint32_t> sources) {
        const Chosen from = chosen(sources);
        return remove_where([&](const BrainProjection<A>& p) { return from.has(p.source_area); },
                            [&](const BrainProjection<A>& p, const LocalSynapse& s) {
                                return from.has(p.source_area, s.source);
                            });
    }
    /// Removes all synapses from any of these neurons to any of those.
    std::size_t remove_between(std::span<const std::uint32_t> sources,
                               std::span<const std::uint32_t> targets) {
        const Chosen from = chosen(sources), to = chosen(targets);
        return remove_where(
            [&](const BrainProjection<A>& p) {
                return from.has(p.source_area) && to.has(p.target_area);
            },
            [&](const BrainProjection<A>& p, const LocalSynapse& s) {
                return from.has(p.source_area, s.source) && to.has(p.target_area, s.target);
            });
    }
    /// Removes the synapses whose weight is 0.
    std::size_t prune() {
        return remove_where(
            [](const BrainProjection<A>&) { return true; },
            [](const BrainProjection<A>&, const LocalSynapse& s) { return s.weight == 0; });
    }
    /// Removes neurons: they lose their synapses, take no input and never fire again. Their numbers
    /// are not given to others.
    void remove_neurons(std::span<const std::uint32_t> neurons) {
        const Chosen gone = chosen(neurons);
        remove_where(
            [&](const BrainProjection<A>& p) {
                return gone.has(p.source_area) || gone.has(p.target_area);
            },
            [&](const BrainProjection<A>& p, const LocalSynapse& s) {
                return gone.has(p.source_area, s.source) || gone.has(p.target_area, s.target);
            });
        for (const std::uint32_t n : neurons) {
            const NeuronPlace at = place(n);
            Area& a = areas_[at.area];
            if (a.removed.empty()) a.removed.assign(a.blocks(), 0);
            a.removed[at.i / lif_block] |= std::uint64_t{1} << at.i % lif_block;
        }
    }

    /// Gives the synapses from one neuron to another a weight; returns how many there are.
    std::size_t set_weight(std::uint32_t source, std::uint32_t target, std::uint8_t weight) {
        const NeuronPlace from = place(source), to = place(target);
        std::size_t n = 0;
        for (auto& p : projections_) {
            if (p.source_area != from.area || p.target_area != to.area) continue;
            std::vector<std::size_t> found;
            p.for_row(from.i, [&](std::size_t k, std::uint32_t t) {
                if (t == to.i) found.push_back(k);
            });
            for (const std::size_t k : found) p.set_weight(k, weight);
            n += found.size();
        }
        stale_ = stale_ || n != 0;
        return n;
    }

    /// The synapses that leave a neuron, by target area, then by target.
    [[nodiscard]] std::vector<BrainSynapse> outgoing(std::uint32_t neuron) const {
        const NeuronPlace from = place(neuron);
        std::vector<BrainSynapse> all;
        for (const auto& p : projections_)
            if (p.source_area == from.area)
                p.for_row(from.i, [&](std::size_t k, std::uint32_t t) {
                    all.push_back(numbered(p, p.synapse(from.i, k, t)));
                });
        return all;
    }
    /// The synapses that reach a neuron, by source.
    [[nodiscard]] std::vector<BrainSynapse> incoming(std::uint32_t neuron) const {
        const NeuronPlace to = place(neuron);
        std::vector<BrainSynapse> all;
        for (const auto& p : projections_)
            if (p.target_area == to.area)
                for (std::uint32_t s = 0; s < p.sources(); ++s)
                    p.for_row(s, [&](std::size_t k, std::uint32_t t) {
                        if (t == to.i) all.push_back(numbered(p, p.synapse(s, k, t)));
                    });
        return all;
    }
    /// Calls f(BrainSynapse) for all synapses, by target area, source area, delay and source.
    template <class F>
    void for_synapses(F&& f) const {
        for (const auto& p : projections_)
            for (std::uint32_t s = 0; s < p.sources(); ++s)
                p.for_row(
                    s, [&](std::size_t k, std::uint32_t t) { f(numbered(p, p.synapse(s, k, t))); });
    }
    [[nodiscard]] std::size_t synapse_bytes() const noexcept {
        std::size_t n = 0;
        for (const auto& p : projections_) n += p.bytes();
        return n;
    }

protected:
    using Net::areas_;
    using Net::stale_;

    /// The projection of a key, made when it is not there; they are sorted by target, source, delay.
    BrainProjection<A>& projection(std::uint32_t from, std::uint32_t to, std::uint8_t delay) {
        const auto key = [](const BrainProjection<A>& p) {
            return std::tuple(p.target_area, p.source_area, p.delay);
        };
        auto at = projections_.begin();
        while (at != projections_.end() && key(*at) < std::tuple(to, from, delay)) ++at;
        if (at == projections_.end() || key(*at) != std::tuple(to, from, delay)) {
            const auto size = [&](std::uint32_t k) {
                const Area& a = areas_.at(k);
                return std::size_t{this->is_memory(a) ? a.room : a.neurons};
            };
            at = projections_.insert(at, BrainProjection<A>(from, to, delay, size(from), size(to)));
            stale_ = true;
        }
        return *at;
    }
    void append(std::uint32_t from, std::uint32_t to, std::uint8_t delay,
                const std::vector<LocalSynapse>& list) {
        connect(
            from, to, list.size(), [&](std::size_t e) { return list[e]; }, delay);
    }

    Projections projections_;

private:
    // Neurons of a list, as bits by area.
    struct Chosen {
        std::vector<std::vector<bool>> areas;
        [[nodiscard]] bool has(std::uint32_t area) const { return !areas[area].empty(); }
        [[nodiscard]] bool has(std::uint32_t area, std::uint32_t i) const {
            return !areas[area].empty() && areas[area][i];
        }
    };
    [[nodiscard]] Chosen chosen(std::span<const std::uint32_t> neurons) const {
        Chosen c;
        c.areas.resize(areas_.size());
        for (const std::uint32_t n : neurons) {
            const NeuronPlace at = place(n);
            c.areas[at.area].resize(areas_[at.area].room);
            c.areas[at.area][at.i] = true;
        }
        return c;
    }
    template <class Touches, class Leaves>
    std::size_t remove_where(Touches&& touches, Leaves&& leaves) {
        std::size_t n = 0;
        for (auto& p : projections_) {
            if (!touches(p)) continue;
            std::vector<LocalSynapse> list = p.list();
            const std::size_t gone =
                std::erase_if(list, [&](const LocalSynapse& s) { return leaves(p, s); });
            if (gone == 0) continue;
            n += gone;
            p.build(list.size(), [&](std::size_t e) { return list[e]; });
            stale_ = true;
        }
        return n;
    }
    [[nodiscard]] BrainSynapse numbered(const BrainProjection<A>& p, const LocalSynapse& s) const {
        return {this->number({p.source_area, s.source}),
                this->number({p.target_area, s.target}),
                s.weight,
                s.psp,
                s.inhibitory,
                p.delay};
    }
};

}  // namespace nibble
