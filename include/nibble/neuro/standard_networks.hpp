// SPDX-License-Identifier: BSL-1.0
// The networks by which simulators are compared, with a step of 0.1 ms.
//
//     coba_network     4,000 neurons with conductances, 2 % connected    (Vogels and Abbott 2005;
//     cuba_network     4,000 neurons with currents, 2 % connected         Brette et al. 2007)
//     brunel_network   10,000 neurons with delta synapses, 10 % connected, 1.5 ms   (Brunel 2000)
//
// One area each: the first four fifths of the neurons excite, the rest inhibit. Weights are stored as V's,
// states as S's.
#pragma once

#include <nibble/neuro/burst.hpp>
#include <nibble/neuro/models.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// Numbers drawn for neuron i: uniform in [0, 1), and with a normal distribution.
struct StartNumbers {
    std::uint64_t seed = 1;
    [[nodiscard]] double uniform(std::size_t i, std::uint64_t stream) const noexcept {
        return (static_cast<double>(splitmix64(splitmix64(seed * 8 + stream) + i) >> 11) + 0.5) *
               0x1p-53;
    }
    [[nodiscard]] double normal(std::size_t i, std::uint64_t stream) const noexcept {
        return std::sqrt(-2.0 * std::log(uniform(i, stream))) *
               std::cos(6.283185307179586 * uniform(i, stream + 1));
    }
};

/// Connects all neurons of area 0: the first four fifths with one weight, to one port, the rest with
/// the other.
template <NeuralValue V, class A>
void connect_pairs(SpikingNetwork<V, A>& net, double probability, const double (&weight)[2],
                   const std::size_t (&port)[2], unsigned delay, std::uint64_t seed) {
    const std::size_t n = net.neurons(), middle = n - n / 5;
    for (std::size_t from = 0; from < 2; ++from)
        net.connect(0, 0,
                    RandomSynapses{.weight = weight[from],
                                   .seed = splitmix64(seed) + from,
                                   .probability = probability,
                                   .delay = delay,
                                   .first_source = from == 0 ? 0 : middle,
                                   .end_source = from == 0 ? middle : n},
                    port[from]);
}

/// Excitatory synapses of 6 nS (5 ms), inhibitory ones of 67 nS (10 ms); self-sustained.
template <NeuralValue V = float, NeuralValue S = float, class A = Isa>
[[nodiscard]] SpikingNetwork<V, A> coba_network(std::size_t neurons = 4000,
                                                std::uint64_t seed = 1) {
    SpikingNetwork<V, A> net;
    const StartNumbers draw{seed};
    net.template add<S>(CobaLif{}, ModelArea{.neurons = neurons, .seed = seed});
    auto& cells = net.template model<CobaLif, S>(0);
    for (std::size_t i = 0; i < neurons; ++i) {
        cells.set(0, i, std::fmin(5.0 * draw.normal(i, 0) - 5.0, 9.0));
        cells.set(1, i, std::fmax(15.0 * draw.normal(i, 2) + 40.0, 0.0));
        cells.set(2, i, std::fmax(120.0 * draw.normal(i, 4) + 200.0, 0.0));
    }
    connect_pairs(net, 0.02, {6.0, 67.0}, {0, 1}, 1, seed);
    return net;
}

/// Excitatory synapses of 1.62 mV (5 ms), inhibitory ones of -9 mV (10 ms), rest above threshold.
template <NeuralValue V = float, NeuralValue S = float, class A = Isa>
[[nodiscard]] SpikingNetwork<V, A> cuba_network(std::size_t neurons = 4000,
                                                std::uint64_t seed = 1) {
    SpikingNetwork<V, A> net;
    const StartNumbers draw{seed};
    net.template add<S>(CubaLif{}, ModelArea{.neurons = neurons, .seed = seed});
    auto& cells = net.template model<CubaLif, S>(0);
    for (std::size_t i = 0; i < neurons; ++i) cells.set(0, i, -11.0 + 10.0 * draw.uniform(i, 0));
    connect_pairs(net, 0.02, {1.62, -9.0}, {0, 1}, 1, seed);
    return net;
}

/// What drives a Brunel network: a constant current, or Poisson events of the same mean.
enum class BrunelDrive : std::uint8_t { constant, poisson };

/// Synapses of 0.1 mV and -0.5 mV, a drive of twice the threshold, delays of 1.5 ms.
template <NeuralValue V = float, NeuralValue S = float, class A = Isa>
[[nodiscard]] SpikingNetwork<V, A> brunel_network(std::size_t neurons = 10'000,
                                                  BrunelDrive drive = BrunelDrive::constant,
                                                  std::uint64_t seed = 1) {
    SpikingNetwork<V, A> net;
    const StartNumbers draw{seed};
    const bool poisson = drive == BrunelDrive::poisson;
    ModelArea area{.neurons = neurons, .seed = seed};
    // 20 kHz of 0.1 mV: 2 events a step.
    if (poisson) area.drive = {.rate = 2.0, .weight = 0.1, .seed = splitmix64(seed)};
    net.template add<S>(Lif{.current = poisson ? 0.0 : 40.0}, area);
    auto& cells = net.template model<Lif, S>(0);
    for (std::size_t i = 0; i < neurons; ++i) cells.set(0, i, 20.0 * draw.uniform(i, 0));
    connect_pairs(net, 0.1, {0.1, -0.5}, {0, 0}, 15, seed);
    return net;
}

}  // namespace nibble
