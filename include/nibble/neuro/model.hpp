// SPDX-License-Identifier: BSL-1.0
// What a neuron model is: one small struct, written once and run for every precision.
//
//     struct Decaying {
//         double tau = 20.0;                                   // ms
//         static constexpr std::size_t states = 1, ports = 1;  // numbers a neuron keeps; inputs
//         double refractory = 2.0;                             // ms
//         double extent(std::size_t) const { return 10.0; }    // how large a state gets
//
//         struct Step {                                        // what a step needs, made once
//             float keep;
//             template <class B> NIBBLE_INLINE auto operator()(B* x, const Arrived<B>* in) const {
//                 x[0] = in[0].onto(x[0] * B(keep));
//                 return x[0] >= B(10.0f);                     // which lanes fire
//             }
//             template <class B> NIBBLE_INLINE void reset(B* x) const { x[0] = B(0.0f); }
//         };
//         Step step(double dt) const { return {float(std::exp(-dt / tau))}; }
//     };
//
// A model says what one register of neurons does; ModelArray (model_array.hpp) adds what all models
// share: storage, refractory periods, spikes, threads. There is no branch: every lane computes, masks
// choose. States are deviations from rest, so that zero, the code 0, is a neuron at rest.
#pragma once

#include <nibble/kernel/fused.hpp>

#include <concepts>

namespace nibble::inline NIBBLE_ARCH {

/// What synapses and drives brought to one port of a register of neurons: a sum of `unit`s.
template <class B>
struct Arrived {
    B sum, unit;

    /// x and what arrived, rounded once.
    [[nodiscard]] NIBBLE_INLINE B onto(B x) const noexcept { return fused(sum, unit, x); }
};

/// A neuron model, as above. `states` and `ports` are numbers; `refractory` is a time in ms in which
/// state 0 holds its value after a spike, the others go on; `extent(k)` is the size of state k that
/// narrow types must be able to hold; `step(dt)` makes the constants of a step of dt ms. Products
/// that reach a sum should be `fused` (kernel/fused.hpp), or instruction sets may differ in a bit.
template <class M>
concept NeuronModel =
    std::copyable<M> && requires(const M& m, double dt, typename M::Step step, Batch<float>* x,
                                 const Arrived<Batch<float>>* in) {
        requires M::states >= 1 && M::ports >= 1;
        { m.refractory } -> std::convertible_to<double>;
        { m.extent(std::size_t{}) } -> std::convertible_to<double>;
        { m.step(dt) } -> std::same_as<typename M::Step>;
        { step(x, in) } -> std::convertible_to<Mask<Isa>>;
        step.reset(x);
    };

}  // namespace nibble
