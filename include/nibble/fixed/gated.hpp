// SPDX-License-Identifier: BSL-1.0
// What Lstm and Gru of fixed sizes share: how their gates lie in registers, and what is done for each.
#pragma once

#include <nibble/fixed/weights.hpp>

namespace nibble::inline NIBBLE_ARCH {

namespace fixed {

/// Registers that are summed together: the gates are dealt evenly to as few tiles as will do.
template <std::size_t Registers, Form How, class A>
struct GateTiles {
    // Byte products without an instruction of their own need registers for parts.
    static constexpr std::size_t limit =
        How == Form::words && !has_byte_dot<A> ? column_tile<A> / 2 : column_tile<A>;
    static constexpr std::size_t count = (Registers + limit - 1) / limit;
    static constexpr std::size_t most = (Registers + count - 1) / count;
    static constexpr std::size_t first(std::size_t tile) noexcept { return tile * most; }
    static constexpr std::size_t size(std::size_t tile) noexcept {
        const std::size_t left = first(tile) < Registers ? Registers - first(tile) : 0;
        return left < most ? left : most;
    }
};

/// The blocks of an order that are narrower than a register, 0 of half and 1 of a quarter of one: the
/// instruction set of their width, the first register of their gates, their first unit.
template <GateOrder Order, class A, std::size_t Quarter>
struct GatePart {
    static constexpr bool there = (Quarter == 0 ? Order.half() : Order.quarter()) != 0;
    using Narrow = std::conditional_t<Quarter == 0, half_width_t<A>, half_width_t<half_width_t<A>>>;
    static constexpr std::size_t before = Quarter == 0 ? 0 : Order.half();
    static constexpr std::size_t first =
        Order.whole() * Order.gates + before * ((Order.gates + 1) / 2);
    static constexpr std::size_t unit = Order.whole() * Order.lanes + before * (Order.lanes / 2);
    static constexpr std::size_t width = Batch<float, Narrow>::lanes;
    static constexpr std::size_t registers = (Order.gates * width + Order.lanes - 1) / Order.lanes;
};

}  // namespace fixed

}  // namespace nibble
