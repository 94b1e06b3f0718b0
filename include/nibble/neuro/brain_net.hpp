// SPDX-License-Identifier: BSL-1.0
// The neurons of a brain, live: areas, numbers, parameters; to build, ask and change between bursts.
// BrainWiring (brain_wiring.hpp) adds the synapses and Brain (brain.hpp) the bursts.
#pragma once

#include <nibble/neuro/brain_setup.hpp>

#include <map>

namespace nibble::inline NIBBLE_ARCH {

/// A neuron by its area.
struct NeuronPlace {
    std::uint32_t area = 0, i = 0;
    friend bool operator==(const NeuronPlace&, const NeuronPlace&) = default;
};

/// Areas of neurons. Neurons are numbered as brain_types.hpp says.
template <NeuralValue V, class A = Isa>
class BrainNet {
public:
    using Area = BrainArea<V, A>;

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
        if (!memory) numbered_.push_back(static_cast<std::uint32_t>(areas_.size() - 1));
        stale_ = true;
        return areas_.size() - 1;
    }

    [[nodiscard]] const BrainOptions& options() const noexcept { return options_; }
    [[nodiscard]] std::size_t areas() const noexcept { return areas_.size(); }
    [[nodiscard]] const Area& area(std::size_t i) const { return areas_.at(i); }
    /// Neurons that were added with areas; memory neurons are not among them.
    [[nodiscard]] std::uint64_t neurons() const noexcept {
        std::uint64_t n = 0;
        for (const Area& a : areas_) n += is_memory(a) ? 0 : a.neurons;
        return n;
    }

    /// Bytes of the state of all neurons as allocated: potentials, timers and words of bits. The sums
    /// of a burst, which are shared, and parameters of neurons that differ are not state.
    [[nodiscard]] std::size_t state_bytes() const noexcept {
        std::size_t n = 0;
        for (const Area& a : areas_) n += a.state_bytes();
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
        a.stale = stale_areas_ = true;
    }
    void set(std::span<const std::uint32_t> neurons, NeuronParameter p, std::span<const double> x) {
        expect_equal(x.size(), neurons.size(), "Brain: set", "number of values");
        for (std::size_t k = 0; k < neurons.size(); ++k) {
            const NeuronPlace at = place(neurons[k]);
            expect_parameter(areas_[at.area].properties.id, p, x[k]);
            put_parameter(areas_[at.area], p, at.i, x[k]);
            if (p != NeuronParameter::potential) areas_[at.area].stale = stale_areas_ = true;
        }
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
        areas_[area].stale = stale_areas_ = true;
    }
    /// The numbers that neurons of an area draw their chances with, instead of their own.
    void set_chance_keys(std::size_t area, std::vector<std::uint32_t> keys) {
        expect_equal(keys.size(), areas_.at(area).neurons, "Brain: set_chance_keys",
                     "number of keys");
        areas_[area].keys = std::move(keys);
    }

protected:
    /// Recomputes what follows from parameters that changed.
    void derive_stale() {
        for (Area& a : areas_)
            if (a.stale) derive(a, options_);
        stale_areas_ = false;
    }
    [[nodiscard]] static bool is_memory(const Area& a) noexcept {
        return a.properties.kind == AreaKind::memory;
    }
    [[nodiscard]] std::uint32_t memory_number(NeuronPlace at) const {
        return memory_numbers_.at(at.area).at(at.i);
    }
    /// Numbers the next neuron of a memory area.
    void number_next(std::uint32_t area) {
        Area& a = areas_[area];
        memory_numbers_[area].push_back(first_memory_neuron +
                                        static_cast<std::uint32_t>(memory_places_.size()));
        memory_places_.push_back({area, a.neurons++});
    }
    [[nodiscard]] bool find(std::uint32_t neuron, NeuronPlace& at) const {
        if (neuron >= first_memory_neuron) {
            const std::size_t m = neuron - first_memory_neuron;
            if (m >= memory_places_.size()) return false;
            at = memory_places_[m];
            return true;
        }
        // Of areas that begin at one number only the last can have neurons.
        const auto next =
            std::upper_bound(numbered_.begin(), numbered_.end(), neuron,
                             [&](std::uint32_t x, std::uint32_t k) { return x < areas_[k].first; });
        if (next == numbered_.begin()) return false;
        at = {*(next - 1), neuron - areas_[*(next - 1)].first};
        return at.i < areas_[at.area].neurons;
    }
    BrainOptions options_;
    std::vector<Area> areas_;
    std::vector<std::uint32_t>
        numbered_;  // all areas but memory ones, in the order of their numbers
    std::vector<NeuronPlace> memory_places_;
    std::map<std::uint32_t, std::vector<std::uint32_t>> memory_numbers_;  // by area, by neuron
    bool stale_ = true;                                                   // structure changed
    bool stale_areas_ = false;                                            // parameters changed
};

}  // namespace nibble
