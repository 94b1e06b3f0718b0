// A brain and its oracle with the same random areas, synapses and inputs, and every rule in use.
#pragma once

#include <nibble/neuro/brain.hpp>

#include "support/brain_oracle.hpp"

namespace test {

using namespace nibble;

/// Both forms of one random brain.
struct Twins {
    Brain<float> brain;
    BrainOracle oracle;
    Random dice;
    std::uint32_t n = 0;

    explicit Twins(std::uint64_t seed, UpdateMode mode = UpdateMode::candidates,
                   std::vector<std::uint32_t> sizes = {70, 130, 5, 0, 64})
        : brain(BrainOptions{.update = mode}), dice(seed) {
        oracle.every_step = mode == UpdateMode::every_step;
        using enum NeuronParameter;
        for (std::size_t a = 0; a < sizes.size(); ++a) {
            AreaProperties p{.id = "area" + std::to_string(a)};
            p.dimensions = {sizes[a], 1, 1};
            p.psp_uniform_distribution = below(2) == 0;
            p.mp_driven_psp = below(4) == 0;
            p.charge_accumulation = below(3) != 0;
            p.refractory = static_cast<std::uint16_t>(below(4));
            p.threshold = 3.0 + below(20);
            p.leak = 0.1 * below(8);
            p.consecutive_fire_limit = static_cast<std::uint16_t>(below(4));
            p.snooze = static_cast<std::uint16_t>(below(5));
            brain.add(p);
            oracle.areas.push_back({p.psp_uniform_distribution, p.mp_driven_psp});
            for (std::uint32_t i = 0; i < sizes[a]; ++i) {
                OracleNeuron x;
                x.area = a;
                x.threshold = static_cast<float>(p.threshold);
                x.leak = static_cast<float>(p.leak);
                x.accumulates = p.charge_accumulation;
                x.refractory = p.refractory;
                x.fire_limit = p.consecutive_fire_limit;
                x.snooze = p.snooze;
                const std::uint32_t number = n++;
                const auto put = [&](NeuronParameter which, double value) {
                    brain.set(std::span(&number, 1), which, std::span(&value, 1));
                };
                // Odd areas have neurons of their own.
                if (a % 2 == 1 && below(2) == 0) {
                    put(threshold, 2.0 + below(9));
                    x.threshold = static_cast<float>(brain.get(number, threshold));
                    put(excitability, 0.25 * below(5));
                    x.excitability = static_cast<float>(brain.get(number, excitability));
                    put(threshold_limit, 40.0);
                    x.limit = 40.0f;
                    put(refractory, 300);
                    x.refractory = 300;
                    put(consecutive_fire_limit, 2);
                    x.fire_limit = 2;
                    put(charge_accumulation, a == 1 ? 0 : 1);
                    x.accumulates = a != 1;
                }
                oracle.neurons.push_back(x);
            }
        }
    }
    std::uint32_t below(std::uint32_t k) {
        return static_cast<std::uint32_t>(dice.bits() >> 33) % k;
    }
    std::uint32_t any() { return below(n); }
    void wire(std::size_t count, std::uint32_t delays) {
        std::vector<BrainSynapse> all;
        for (std::size_t k = 0; k < count; ++k)
            all.push_back({any(), any(), static_cast<std::uint8_t>(below(5)),
                           static_cast<std::uint8_t>(below(12)), below(4) == 0,
                           static_cast<std::uint8_t>(1 + below(delays))});
        brain.add(all);
        oracle.synapses = all;
    }
    std::vector<std::pair<std::uint32_t, float>> input(std::size_t count) {
        std::vector<std::pair<std::uint32_t, float>> all;
        for (std::size_t k = 0; k < count; ++k)
            all.emplace_back(any(), static_cast<float>(below(200)) / 8.0f);
        return all;
    }
    /// One burst of both; false when they differ in anything.
    bool step(const BasicHost<Isa>& on, std::size_t inputs) {
        const auto in = input(inputs);
        for (const auto& [i, x] : in) brain.inject(i, static_cast<double>(x));
        const BurstResult r = brain.burst(on);
        const std::vector<std::uint32_t> expected = oracle.step(in);
        std::vector<std::uint32_t> fired;
        for (std::size_t a = 0; a < brain.areas(); ++a)
            brain.for_fired(a, [&](const FiredNeuron& f) { fired.push_back(f.neuron); });
        bool same = fired == expected && r.events == oracle.events &&
                    r.candidates == oracle.candidates && r.fired == expected.size();
        for (std::uint32_t i = 0; i < n; ++i) {
            same = same && brain.potential(i) == static_cast<double>(oracle.neurons[i].v);
            same = same && brain.timer(i).countdown == oracle.neurons[i].countdown &&
                   brain.timer(i).count == oracle.neurons[i].count;
        }
        return same;
    }
};

}  // namespace test
