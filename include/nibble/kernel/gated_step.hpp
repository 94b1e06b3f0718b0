// SPDX-License-Identifier: BSL-1.0
// The second half of a step of a gated recurrent layer: from the sums of its gates, in a GateOrder, to
// the new state. fixed/lstm.hpp and fixed/gru.hpp do the same with sizes known to the compiler, without
// a detour through memory.
#pragma once

#include <nibble/kernel/gates.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// An instruction set with registers of half the width; A itself where there is none.
template <class A>
using half_width_t =
    std::conditional_t<is_avx512<A>, isa::Avx2, std::conditional_t<is_avx2<A>, isa::Sse2, A>>;

/// Whether registers of A can be taken apart into halves.
template <class A>
inline constexpr bool has_half_width = !std::is_same_v<half_width_t<A>, A>;

/// The order of `gates` gates of `units` units in registers of A.
template <class A>
[[nodiscard]] constexpr GateOrder gate_order(std::size_t gates, std::size_t units) noexcept {
    return {gates, units, Batch<float, A>::lanes, has_half_width<A>};
}

/// A number for each lane of the registers that hold Gates gates of Width lanes: `other` for gate
/// Tanh, `number` for the rest.
template <std::size_t Gates, std::size_t Tanh, std::size_t Width>
struct PartLanes {
    alignas(64) float lane[16 * Gates];
    constexpr PartLanes(float number, float other) noexcept : lane{} {
        for (std::size_t i = 0; i < 16 * Gates; ++i) lane[i] = i / Width == Tanh ? other : number;
    }
};
template <std::size_t Gates, std::size_t Tanh, std::size_t Width>
inline constexpr PartLanes<Gates, Tanh, Width> part_scales{sigmoid_gate, tanh_gate};
template <std::size_t Gates, std::size_t Tanh, std::size_t Width>
inline constexpr PartLanes<Gates, Tanh, Width> part_limits{-40.0f / sigmoid_gate,
                                                           -40.0f / tanh_gate};

/// The scales of register t of a block of Width lanes: sigmoid's but for gate Tanh.
template <std::size_t Gates, std::size_t Tanh, std::size_t Width, class A>
[[nodiscard]] NIBBLE_INLINE GateScale<A> part_scale(std::size_t t) noexcept {
    return GateScale<A>(part_scales<Gates, Tanh, Width>.lane + t * Batch<float, A>::lanes,
                        part_limits<Gates, Tanh, Width>.lane + t * Batch<float, A>::lanes);
}

/// The numbers of a GateOrder, worked out once.
template <class A>
struct GatePlan {
    GateOrder order;
    std::size_t whole = 0;
    bool half = false, quarter = false;
    std::size_t width = 0;  ///< floats in all gates' registers

    GatePlan() = default;
    GatePlan(std::size_t gates, std::size_t units) noexcept
        : order(gate_order<A>(gates, units)),
          whole(order.whole()),
          half(order.half() != 0),
          quarter(order.quarter() != 0),
          width(order.size()) {}
};

/// One narrow block of an LSTM: Narrow is the instruction set of its width, gate its first register.
template <class Narrow, class A>
NIBBLE_INLINE void lstm_part(const float* gate, float* c, float* h) noexcept {
    using N = Batch<float, Narrow>;
    using B = Batch<float, A>;
    constexpr std::size_t width = N::lanes, registers = 4 * width / B::lanes;
    alignas(64) float power[registers * B::lanes];
    for (std::size_t t = 0; t < registers; ++t)
        gate_power(B::load(gate + t * B::lanes), part_scale<4, 2, width, A>(t))
            .store(power + t * B::lanes);
    const auto state = lstm_cell(N::load(power), N::load(power + width), N::load(power + 2 * width),
                                 N::load(power + 3 * width), N::load(c));
    state.c.store(c);
    state.h.store(h);
}

/// c and h of an LSTM, padded to whole blocks, after a step with these sums of gates.
template <class A>
void lstm_update(const GatePlan<A>& plan, const float* gate, float* c, float* h) noexcept {
    using B = Batch<float, A>;
    constexpr std::size_t lanes = B::lanes;
    const GateScale<A> by_sigmoid(sigmoid_gate), by_tanh(tanh_gate);
    for (std::size_t b = 0; b < plan.whole; ++b, gate += 4 * lanes, c += lanes, h += lanes) {
        const auto state = lstm_cell(gate_power(B::load(gate), by_sigmoid),
                                     gate_power(B::load(gate + lanes), by_sigmoid),
                                     gate_power(B::load(gate + 2 * lanes), by_tanh),
                                     gate_power(B::load(gate + 3 * lanes), by_sigmoid), B::load(c));
        state.c.store(c);
        state.h.store(h);
    }
    if constexpr (has_half_width<A>) {
        using Half = half_width_t<A>;
        if (plan.half) {
            lstm_part<Half, A>(gate, c, h);
            gate += 2 * lanes;
            c += lanes / 2;
            h += lanes / 2;
        }
        if constexpr (has_half_width<Half>)
            if (plan.quarter) lstm_part<half_width_t<Half>, A>(gate, c, h);
    }
}

/// One narrow block of a GRU. Halves: r and z in one register, n in the next. Quarters: all in one.
template <class Narrow, class A>
NIBBLE_INLINE void gru_part(const float* input, const float* state, float* h) noexcept {
    using N = Batch<float, Narrow>;
    using B = Batch<float, A>;
    constexpr std::size_t width = N::lanes;
    alignas(64) float power[B::lanes];
    gate_power(B::load(input) + B::load(state), GateScale<A>(sigmoid_gate)).store(power);
    gru_cell(N::load(power), N::load(power + width), N::load(input + 2 * width),
             N::load(state + 2 * width), N::load(h))
        .store(h);
}

/// h of a GRU, padded to whole blocks, after a step with these sums: the input's and the state's.
template <class A>
void gru_update(const GatePlan<A>& plan, const float* input, const float* state,
                float* h) noexcept {
    using B = Batch<float, A>;
    constexpr std::size_t lanes = B::lanes;
    const GateScale<A> by_sigmoid(sigmoid_gate);
    for (std::size_t b = 0; b < plan.whole; ++b, h += lanes) {
        const auto sum = [&](std::size_t g) { return B::load(input + g) + B::load(state + g); };
        gru_cell(gate_power(sum(0), by_sigmoid), gate_power(sum(lanes), by_sigmoid),
                 B::load(input + 2 * lanes), B::load(state + 2 * lanes), B::load(h))
            .store(h);
        input += 3 * lanes;
        state += 3 * lanes;
    }
    if constexpr (has_half_width<A>) {
        using Half = half_width_t<A>;
        if (plan.half) {
            gru_part<Half, A>(input, state, h);
            input += 2 * lanes;
            state += 2 * lanes;
            h += lanes / 2;
        }
        if constexpr (has_half_width<Half>)
            if (plan.quarter) gru_part<half_width_t<Half>, A>(input, state, h);
    }
}

}  // namespace nibble
