// SPDX-License-Identifier: BSL-1.0
// What a network asks of a population of neurons, and the two kinds that there are: LIF neurons whose
// state is any value type (LifArray), and neurons of a model (ModelArray).
#pragma once

#include <nibble/neuro/drive.hpp>
#include <nibble/neuro/lif_array.hpp>
#include <nibble/neuro/model_array.hpp>
#include <nibble/neuro/synapse.hpp>

#include <cmath>
#include <vector>

namespace nibble::inline NIBBLE_ARCH {

/// An address for each type: which population one is, without run-time type information.
template <class T>
inline constexpr char population_kind = 0;

/// Neurons that receive spikes through weights of type V.
template <NeuralValue V, class A = Isa>
class Population {
public:
    virtual ~Population() = default;
    /// &population_kind<the type itself>
    [[nodiscard]] virtual const void* kind() const noexcept = 0;
    [[nodiscard]] virtual std::size_t size() const noexcept = 0;
    [[nodiscard]] virtual std::size_t ports() const noexcept = 0;
    /// The last step's spikes: bit i % 64 of word i / 64.
    [[nodiscard]] virtual std::span<const std::uint64_t> spikes() const noexcept = 0;
    [[nodiscard]] virtual std::size_t saturated() const noexcept = 0;
    /// Bytes of state, and of sums and drives beside it.
    [[nodiscard]] virtual std::size_t state_bytes() const noexcept = 0;
    [[nodiscard]] virtual std::size_t other_bytes() const noexcept = 0;
    /// Charge that a weight of 1 (real) brings, for Projection.
    [[nodiscard]] virtual double charge_per_unit() const noexcept = 0;
    /// Told of all that arrives, port by port, whenever that has changed.
    virtual void expect(const std::vector<std::vector<WeightRange>>& in) = 0;
    /// How what arrives is summed.
    [[nodiscard]] virtual const char* sums() const noexcept = 0;

    /// Adds x (real units) to what arrives at a port of neuron i.
    virtual void inject(std::size_t port, std::size_t i, double x) = 0;
    /// Adds what the spikes of a projection's sources bring; returns the number of synaptic events.
    virtual std::size_t deliver(const BasicHost<A>& on, const Projection<V, A>& from,
                                std::size_t part, std::size_t port,
                                std::span<const std::uint32_t> spikes) = 0;
    /// Adds tick `tick`'s drive and steps; returns how many fired.
    virtual std::size_t step(const BasicHost<A>& on, std::uint64_t tick) = 0;
};

template <NeuralValue V, class A = Isa>
class LifPopulation final : public Population<V, A> {
public:
    using Charge = charge_t<V>;
    LifArray<V, std::dynamic_extent, A> neurons;

    LifPopulation(std::size_t n, const LifParameters& p, const StateScale& state,
                  const Drive& drive)
        : neurons(n, p, state), drive_(n, drive, neurons.charge_per_unit()), charge_(padded(n)) {}

    const void* kind() const noexcept override { return &population_kind<LifPopulation>; }
    std::size_t size() const noexcept override { return neurons.size(); }
    std::size_t ports() const noexcept override { return 1; }
    std::span<const std::uint64_t> spikes() const noexcept override { return neurons.spikes(); }
    std::size_t saturated() const noexcept override { return neurons.saturated(); }
    std::size_t state_bytes() const noexcept override { return neurons.bytes(); }
    std::size_t other_bytes() const noexcept override {
        return charge_.size() * sizeof(Charge) + drive_.bytes();
    }
    double charge_per_unit() const noexcept override { return neurons.charge_per_unit(); }
    void expect(const std::vector<std::vector<WeightRange>>&) override {}
    const char* sums() const noexcept override { return integer_state<V> ? "int32" : "real"; }
    void inject(std::size_t, std::size_t i, double x) override {
        add_charge(charge_[i], to_charge<V>(x * neurons.charge_per_unit()));
    }
    std::size_t deliver(const BasicHost<A>& on, const Projection<V, A>& from, std::size_t part,
                        std::size_t, std::span<const std::uint32_t> spikes) override {
        return from.deliver(on, part, spikes, std::span<Charge>(charge_.data(), charge_.size()));
    }
    std::size_t step(const BasicHost<A>& on, std::uint64_t tick) override {
        const std::span<Charge> charge(charge_.data(), charge_.size());
        if (!drive_.silent())
            on.parallel_for(size(), 4096, [&](std::size_t first, std::size_t last) {
                drive_.add(tick, first, last, charge);
            });
        return neurons.consume(on, charge);
    }

private:
    DriveSource<V, A> drive_;
    Buffer<Charge> charge_;
};

template <NeuronModel M, NeuralValue S, NeuralValue V, class A = Isa>
class ModelPopulation final : public Population<V, A> {
public:
    ModelArray<M, S, A> neurons;

    ModelPopulation(ModelArray<M, S, A> array, const Drive& drive)
        : neurons(std::move(array)),
          drive_(neurons.size(), drive, 1.0),
          arrived_(neurons.size(), M::ports) {}

    const void* kind() const noexcept override { return &population_kind<ModelPopulation>; }
    std::size_t size() const noexcept override { return neurons.size(); }
    std::size_t ports() const noexcept override { return M::ports; }
    std::span<const std::uint64_t> spikes() const noexcept override { return neurons.spikes(); }
    std::size_t saturated() const noexcept override { return neurons.saturated(); }
    std::size_t state_bytes() const noexcept override { return neurons.bytes(); }
    std::size_t other_bytes() const noexcept override { return arrived_.bytes() + drive_.bytes(); }
    double charge_per_unit() const noexcept override {
        // Weights of integer types are whole multiples of a small unit.
        return integer_state<V> ? 0x1p20 : 1.0;
    }
    void expect(const std::vector<std::vector<WeightRange>>& in) override { arrived_.choose(in); }
    const char* sums() const noexcept override {
        return arrived_.kind() == SumKind::int16   ? "int16"
               : arrived_.kind() == SumKind::int32 ? "int32"
                                                   : "real";
    }
    void inject(std::size_t port, std::size_t i, double x) override {
        arrived_.extra(port)[i] += static_cast<float>(x);
    }
    std::size_t deliver(const BasicHost<A>& on, const Projection<V, A>& from, std::size_t part,
                        std::size_t port, std::span<const std::uint32_t> spikes) override {
        const double unit = arrived_.unit(port);
        switch (arrived_.kind()) {
            case SumKind::int16: return to<std::int16_t>(on, from, part, port, spikes, unit);
            case SumKind::int32: return to<std::int32_t>(on, from, part, port, spikes, unit);
            case SumKind::real: break;
        }
        return to<float>(on, from, part, port, spikes, unit);
    }
    std::size_t step(const BasicHost<A>& on, std::uint64_t tick) override {
        if (!drive_.silent()) {
            const std::span<float> extra = arrived_.extra(0);
            on.parallel_for(size(), 4096, [&](std::size_t first, std::size_t last) {
                drive_.add(tick, first, last, extra);
            });
        }
        return neurons.step(on, arrived_);
    }

private:
    template <class Sum>
    std::size_t to(const BasicHost<A>& on, const Projection<V, A>& from, std::size_t part,
                   std::size_t port, std::span<const std::uint32_t> spikes, double unit) {
        return from.deliver_in(on, part, spikes, arrived_.template sums<Sum>(port), unit);
    }

    DriveSource<float, A> drive_;
    PortSums arrived_;
};

}  // namespace nibble
