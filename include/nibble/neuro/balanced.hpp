// SPDX-License-Identifier: BSL-1.0
// A ready-made recurrent network: excitation and inhibition in balance, sparse random connections.
//
// The architecture of Brunel 2000 (J. Comput. Neurosci. 8:183): every neuron has a fixed number of
// random inputs from an excitatory and an inhibitory population and an external drive.
#pragma once

#include <nibble/neuro/burst.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// The network as a user of it thinks of it. The same seed gives the same connections, drive and
/// starting potentials at every precision.
struct BalancedNetwork {
    std::size_t neurons = 4000;
    double inhibitory = 0.2;     ///< share of inhibitory neurons
    std::size_t inputs = 80;     ///< recurrent synapses onto a neuron; `inhibitory` of them inhibit
    double weight = 0.01;        ///< of an excitatory synapse, in thresholds
    double inhibition = 5.0;     ///< an inhibitory synapse is this much stronger
    double weight_spread = 0.5;  ///< weights are uniform within +- this share
    LifParameters neuron{.leak = 0.95, .threshold = 1.0, .reset = 0.0, .refractory = 2};
    Drive drive{.current = 0.1, .spread = 0.5, .rate = 0.1, .weight = 0.05};
    std::uint64_t seed = 1;
};

/// Builds the network with potentials and weights of type V. Area 0 excites, area 1 inhibits.
template <NeuralValue V, class A = Isa>
[[nodiscard]] SpikingNetwork<V, A> build_network(const BalancedNetwork& n) {
    if (n.neurons == 0 || !(n.inhibitory >= 0.0 && n.inhibitory <= 1.0))
        fail("BalancedNetwork: " + std::to_string(n.neurons) + " neurons of which " +
             std::to_string(n.inhibitory) + " inhibit, expected some and a share from 0 to 1");
    const auto share = [&](std::size_t of) {
        return static_cast<std::size_t>(static_cast<double>(of) * n.inhibitory + 0.5);
    };
    const std::size_t count[2] = {n.neurons - share(n.neurons), share(n.neurons)};
    const std::size_t inputs[2] = {n.inputs - share(n.inputs), share(n.inputs)};
    const double weight[2] = {n.weight * n.neuron.threshold,
                              -n.weight * n.inhibition * n.neuron.threshold};
    SpikingNetwork<V, A> network;
    std::uint64_t seed = splitmix64(n.seed);
    for (std::size_t a = 0; a < 2; ++a) {
        Area area{.neurons = count[a], .neuron = n.neuron, .drive = n.drive, .start = 1.0};
        area.state.seed = seed++;
        area.drive.seed = seed++;
        network.add(area);
    }
    for (std::size_t from = 0; from < 2; ++from)
        for (std::size_t to = 0; to < 2; ++to, ++seed)
            if (inputs[from] != 0 && count[from] != 0 && count[to] != 0)
                network.connect(from, to,
                                RandomSynapses{.per_target = inputs[from],
                                               .weight = weight[from],
                                               .spread = n.weight_spread,
                                               .seed = seed});
    return network;
}

/// Builds the network at V and runs it from the start: what its neurons fired in each step.
template <NeuralValue V, class A = Isa>
[[nodiscard]] SpikeRecording simulate(const BasicHost<A>& on, const BalancedNetwork& network,
                                      std::size_t steps) {
    return build_network<V, A>(network).run(on, steps);
}

}  // namespace nibble
