// What the tests of neurons share: a reference in double that shares nothing with the library, seeded
// input, and the open-loop protocol by which precisions are compared.
#pragma once

#include <nibble/neuro/compare.hpp>
#include <nibble/neuro/lif.hpp>
#include <nibble/value/list.hpp>

#include <cmath>
#include <vector>

namespace test {

/// One neuron, brute force: v <- leak v + current, fire at the threshold, reset, refractory hold.
struct PlainNeuron {
    nibble::LifParameters p;
    double v = 0.0;
    unsigned left = 0;

    bool step(double current) {
        if (left > 0) {
            --left;
            return false;
        }
        v = p.leak * v + current;
        if (v < p.threshold) return false;
        v = p.reset;
        left = p.refractory;
        return true;
    }
};

/// Populations with the spread of parameters of the comparison: thresholds 10 to 50, leaks that lose
/// 0.02 to 0.2 a step, refractory periods 0 to 3.
inline std::vector<nibble::LifParameters> protocol_parameters(std::size_t populations) {
    nibble::Random random(7);
    std::vector<nibble::LifParameters> p;
    for (std::size_t k = 0; k < populations; ++k)
        p.push_back({.leak = 1.0 - (0.02 + 0.18 * random.uniform()),
                     .threshold = 10.0 + 40.0 * random.uniform(),
                     .reset = 0.0,
                     .refractory = static_cast<unsigned>(random.below(4))});
    return p;
}

/// Poisson excitation and inhibition of neuron i of population k at step t, in real units: mean
/// current 0.6 to 1.8 times what holds the neuron at its threshold.
inline double protocol_current(const nibble::LifParameters& p, std::size_t k, std::size_t i,
                               std::size_t t) {
    const auto poisson = [&](double rate, std::uint64_t stream) {
        const nibble::Dither dice(k * 131 + stream, t, i);
        double u = static_cast<double>(dice(0)) * 0x1p-32, term = std::exp(-rate), n = 0.0;
        while (u >= term && n < 40.0) {
            u -= term;
            n += 1.0;
            term *= rate / n;
        }
        return n;
    };
    const nibble::Dither place(k, 0, 99);
    const double hold = p.threshold * (1.0 - p.leak);
    const double mean = hold * (0.6 + 1.2 * static_cast<double>(place(i)) * 0x1p-32);
    const double size = 0.04 * p.threshold;  // of one event
    return size * (poisson((mean + 0.5 * hold) / size, 1) - poisson(0.5 * hold / size, 2));
}

/// Runs the open-loop protocol with neurons that store V, or in plain double when V is void.
template <class V>
nibble::SpikeRecording run_protocol(std::size_t populations, std::size_t each, std::size_t steps) {
    const auto parameters = protocol_parameters(populations);
    nibble::SpikeRecording recording(populations * each, steps);
    std::vector<std::vector<PlainNeuron>> plain;
    std::vector<nibble::LifArray<std::conditional_t<std::is_void_v<V>, float, V>>> arrays;
    for (std::size_t k = 0; k < populations; ++k) {
        plain.emplace_back(each, PlainNeuron{parameters[k]});
        arrays.emplace_back(each, parameters[k], nibble::StateScale{.seed = k});
    }
    std::vector<float> current(each);
    for (std::size_t t = 0; t < steps; ++t) {
        recording.begin_step();
        for (std::size_t k = 0; k < populations; ++k) {
            for (std::size_t i = 0; i < each; ++i)
                current[i] = static_cast<float>(protocol_current(parameters[k], k, i, t));
            if constexpr (std::is_void_v<V>) {
                for (std::size_t i = 0; i < each; ++i)
                    if (plain[k][i].step(static_cast<double>(current[i])))
                        recording.add(k * each + i);
            } else {
                arrays[k].step(current, [&](std::size_t i) { recording.add(k * each + i); });
            }
        }
    }
    return recording;
}

}  // namespace test
