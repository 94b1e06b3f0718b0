// SPDX-License-Identifier: BSL-1.0
// The structure of a brain, live: areas, numbered neurons, synapses; to build, ask and change between
// bursts. Brain<V> (brain.hpp) adds the bursts.
#pragma once

#include <nibble/neuro/brain_setup.hpp>
#include <nibble/neuro/brain_synapses.hpp>

#include <map>
#include <tuple>

namespace nibble::inline NIBBLE_ARCH {

/// Numbers of memory neurons begin here; all others are below.
inline constexpr std::uint32_t first_memory_neuron = 50'000'000;

/// A neuron by its area.
struct NeuronPlace {
    std::uint32_t area = 0, i = 0;
    friend bool operator==(const NeuronPlace&, const NeuronPlace&) = default;
};

/// Areas and what connects them. Neurons are numbered as brain_types.hpp says.
template <NeuralValue V, class A = Isa>
class BrainNet {
public:
    using Area = BrainArea<V, A>;
    using Projections = std::vector<BrainProjection<A>>;

    BrainNet() = default;
    explicit BrainNet(const BrainOptions& options) : options_(options) {
        if (!(options.range >= 0.0) || !std::isfinite(options.range))
            fail("Brain: range is " + std::to_string(options.range) + ", expected more than 0");
    }

    /// Adds an area at rest; returns its number, counted from 0. Error: a parameter out of its range,
    /// sizes beyond 50,000,000 neurons in all.
    std::size_t add(const AreaProperties& p) {
        const bool memory = p.kind == AreaKind::memory;
        const std::uint64_t n = p.neurons();
        if (neurons() + n > first_memory_neuron)
            fail("Brain: area '" + p.id + "' of " + std::to_string(n) + " neurons after " +
                 std::to_string(neurons()) + ", expected at most " +
                 std::to_string(first_memory_neuron) + " in all");
        Area a;
        const auto count = static_cast<std::uint32_t>(n);
        set_up(a, p, memory ? first_memory_neuron : static_cast<std::uint32_t>(neurons()), count,
               memory ? options_.memory_room : count, options_);
        areas_.push_back(std::move(a));
        stale_ = true;
        return areas_.size() - 1;
    }

    [[nodiscard]] const BrainOptions& options() const noexcept { return options_; }
    [[nodiscard]] std::size_t areas() const noexcept { return areas_.size(); }
    [[nodiscard]] const Area& area(std::size_t i) const { return areas_.at(i); }
    [[nodiscard]] const Projections& projections() const noexcept { return projections_; }
    /// Neurons that were added with areas; memory neurons are not among them.
    [[nodiscard]] std::uint64_t neurons() const noexcept {
        std::uint64_t n = 0;
        for (const Area& a : areas_) n += is_memory(a) ? 0 : a.neurons;
        return n;
    }
    [[nodiscard]] std::uint64_t synapses() const noexcept {
        std::uint64_t n = 0;
        for (const auto& p : projections_) n += p.synapses();
        return n;
    }

    /// The place of a numbered neuron. Error: there is none.
    [[nodiscard]] NeuronPlace place(std::uint32_t neuron) const {
        NeuronPlace at;
        if (find(neuron, at)) return at;
        fail("Brain: neuron " + std::to_string(neuron) + " of " + std::to_string(neurons()));
    }
    [[nodiscard]] std::uint32_t number(NeuronPlace at) const {
        const Area& a = areas_.at(at.area);
        return is_memory(a) ? memory_number(at) : a.first + at.i;
    }

    /// The real potential of a neuron, and its timer.
    [[nodiscard]] double potential(std::uint32_t neuron) const {
        const NeuronPlace at = place(neuron);
        return areas_[at.area].real_potential(at.i);
    }
    [[nodiscard]] Timers::Timer timer(std::uint32_t neuron) const {
        const NeuronPlace at = place(neuron);
        return areas_[at.area].timers.get(at.i);
    }

    /// Changes a parameter of all neurons of an area, or of a list. Error: a value out of its range.
    void set(std::size_t area, NeuronParameter p, double x) {
        Area& a = areas_.at(area);
        expect_parameter(a.properties.id, p, x);
        fill_parameter(a, p, x);
        derive(a, options_);
    }
    void set(std::span<const std::uint32_t> neurons, NeuronParameter p, std::span<const double> x) {
        expect_equal(x.size(), neurons.size(), "Brain: set", "number of values");
        std::vector<bool> changed(areas_.size(), false);
        for (std::size_t k = 0; k < neurons.size(); ++k) {
            const NeuronPlace at = place(neurons[k]);
            expect_parameter(areas_[at.area].properties.id, p, x[k]);
            put_parameter(areas_[at.area], p, at.i, x[k]);
            changed[at.area] = true;
        }
        if (p == NeuronParameter::potential) return;
        for (std::size_t a = 0; a < areas_.size(); ++a)
            if (changed[a]) derive(areas_[a], options_);
    }
    [[nodiscard]] double get(std::uint32_t neuron, NeuronParameter p) const {
        const NeuronPlace at = place(neuron);
        return parameter(areas_[at.area], p, at.i);
    }
    /// A threshold that grows from voxel to voxel: base + x * gradient[0] + y * ... + z * ...
    void set_threshold(std::size_t area, double base, const std::array<double, 3>& gradient) {
        AreaProperties p = areas_.at(area).properties;
        p.threshold = base;
        p.threshold_gradient = gradient;
        for (std::uint32_t i = 0; i < areas_[area].neurons; ++i) {
            const double x = p.threshold_at(p.voxel(i));
            expect_parameter(p.id, NeuronParameter::threshold, x);
            put_parameter(areas_[area], NeuronParameter::threshold, i, x);
        }
        areas_[area].properties = p;
        derive(areas_[area], options_);
    }
    /// The numbers that neurons of an area draw their chances with, instead of their own.
    void set_chance_keys(std::size_t area, std::vector<std::uint32_t> keys) {
        expect_equal(keys.size(), areas_.at(area).neurons, "Brain: set_chance_keys",
                     "number of keys");
        areas_[area].keys = std::move(keys);
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
    /// Removes the synapses that leave(source place, target place) says; returns how many.
    template <class Leave>
    std::size_t remove_if(Leave&& leave) {
        std::size_t n = 0;
        for (auto& p : projections_) {
            std::vector<LocalSynapse> list = p.list();
            const std::size_t before = list.size();
            std::erase_if(list, [&](const LocalSynapse& s) {
                return leave(NeuronPlace{p.source_area, s.source},
                             NeuronPlace{p.target_area, s.target}, s);
            });
            if (list.size() == before) continue;
            n += before - list.size();
            p.build(list.size(), [&](std::size_t e) { return list[e]; });
            stale_ = true;
        }
        return n;
    }

protected:
    [[nodiscard]] static bool is_memory(const Area& a) noexcept {
        return a.properties.kind == AreaKind::memory;
    }
    [[nodiscard]] std::uint32_t memory_number(NeuronPlace at) const {
        return memory_numbers_.at(at.area).at(at.i);
    }
    [[nodiscard]] bool find(std::uint32_t neuron, NeuronPlace& at) const {
        if (neuron >= first_memory_neuron) {
            const std::size_t m = neuron - first_memory_neuron;
            if (m >= memory_places_.size()) return false;
            at = memory_places_[m];
            return true;
        }
        for (std::size_t k = areas_.size(); k-- > 0;) {
            const Area& a = areas_[k];
            if (is_memory(a) || neuron < a.first || neuron - a.first >= a.neurons) continue;
            at = {static_cast<std::uint32_t>(k), neuron - a.first};
            return true;
        }
        return false;
    }
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
                return std::size_t{is_memory(a) ? a.room : a.neurons};
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

    BrainOptions options_;
    std::vector<Area> areas_;
    Projections projections_;
    std::vector<NeuronPlace> memory_places_;
    std::map<std::uint32_t, std::vector<std::uint32_t>> memory_numbers_;  // by area, by neuron
    bool stale_ = true;
};

}  // namespace nibble
