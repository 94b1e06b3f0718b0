// SPDX-License-Identifier: BSL-1.0
// The arithmetic of gated recurrent units (LSTM: Hochreiter and Schmidhuber 1997 with the forget gate
// of Gers et al. 2000; GRU: Cho et al. 2014) on registers, made short for one sample at a time.
//
// Both functions of a gate come from one exponential: with E = 2^(s x),
//
//     sigmoid(x) = 1 / (1 + E)            s = -log2 e
//     tanh(x)    = (1 - E) / (1 + E)      s = -2 log2 e
//
// so all gates of a cell take the same ten instructions, and the quotients of a cell share a
// denominator: two divisions a cell in place of five (LSTM) or three (GRU). s x is held within
// +-40 (sigmoid within 1e-12 of its limit, tanh at it), so that a product of three 1 + E is finite.
//
// Errors against exact arithmetic on the same arguments: sigmoid and tanh 2e-7, the new h of an LSTM
// 4e-7 and of a GRU 8e-7, the new c of an LSTM 4e-7 (1 + |c|). NaN stays NaN.
#pragma once

#include <nibble/kernel/simd.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// What the exponential of a gate multiplies its argument with.
inline constexpr float sigmoid_gate = -0x1.715476p0f;  // -log2 e
inline constexpr float tanh_gate = -0x1.715476p1f;     // -2 log2 e

/// What gate_power needs to know of the gates in a register.
template <class A>
struct GateScale {
    Batch<float, A> scale, most;  ///< s, and 40 / |s|

    /// The same for all lanes.
    explicit NIBBLE_INLINE GateScale(float s) noexcept : scale(s), most(40.0f / (s < 0 ? -s : s)) {}
    /// Each lane's own, from memory.
    NIBBLE_INLINE GateScale(const float* s, const float* m) noexcept
        : scale(Batch<float, A>::load(s)), most(Batch<float, A>::load(m)) {}
};

/// 2^(s x), s x held within +-40. The argument is reduced to a whole number in the exponent and r in
/// [-1/2, 1/2]; 2^r = 1 + r q(r), q of degree 4, interpolated at Chebyshev nodes (relative error
/// 2.1e-7). Two limits, ten instructions; the polynomial by pairs, 16 cycles deep with a 4-cycle fma.
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> gate_power(Batch<float, A> x,
                                                       const GateScale<A>& by) noexcept {
    using F = Batch<float, A>;
    // In this order a NaN stays.
    x = min(by.most, max(-by.most, x));
    const F magic(0x1.8p23f);
    const F t = fma(x, by.scale, magic);
    const F r = fma(x, by.scale, magic - t);
    const F square = r * r;
    F q = fma(F(0x1.5ec866p-10f), square, fma(F(0x1.3cbf6p-7f), r, F(0x1.c6afeep-5f)));
    q = fma(q, square, fma(F(0x1.ebfa4cp-3f), r, F(0x1.62e43p-1f)));
    const F p = fma(q, r, F(1.0f));
    return bit_cast_to<float>(bit_cast_to<std::int32_t>(p) + (bit_cast_to<std::int32_t>(t) << 23));
}

/// tanh x = x P(x^2) / Q(x^2), P and Q of degree 4, fitted on |x| <= 8.29, where it is held: shorter than
/// tanh of kernel/math.hpp (13 instructions, one of them a division). Off by at most 4 units in the last
/// place and never beyond 1; NaN stays NaN, and so does the sign of zero.
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> short_tanh(Batch<float, A> x) noexcept {
    using F = Batch<float, A>;
    x = min(F(0x1.092f1ap3f), max(F(-0x1.092f1ap3f), x));
    const F t = x * x;
    F p = fma(F(0x1.cbce18p-27f), t, F(0x1.5a301cp-16f));
    F q = fma(F(0x1.a230f4p-21f), t, F(0x1.58cfc2p-12f));
    p = fma(p, t, F(0x1.ca686ep-9f));
    q = fma(q, t, F(0x1.a81596p-6f));
    p = fma(p, t, F(0x1.121378p-3f));
    q = fma(q, t, F(0x1.de5f0ap-2f));
    return fma(p, t, F(1.0f)) * x / fma(q, t, F(1.0f));
}

/// h and c of units that have just been updated.
template <class A>
struct LstmState {
    Batch<float, A> h, c;
};

/// c' = sigmoid(f) c + sigmoid(i) tanh(g) and h' = sigmoid(o) tanh(c'), from the gates' powers:
/// i, f, o by gate_power(., sigmoid_gate), g by gate_power(., tanh_gate).
template <class A>
[[nodiscard]] NIBBLE_INLINE LstmState<A> lstm_cell(Batch<float, A> i, Batch<float, A> f,
                                                   Batch<float, A> g, Batch<float, A> o,
                                                   Batch<float, A> c) noexcept {
    using F = Batch<float, A>;
    const F one(1.0f);
    const F keep = one + f, input = (one + i) * (one + g);
    c = fma(c, input, fnma(g, keep, keep)) / (keep * input);
    const F e = gate_power(c, GateScale<A>(tanh_gate));
    return {(one - e) / fma(o, one + e, one + e), c};
}

/// h' = (1 - sigmoid(z)) n + sigmoid(z) h with n = tanh(a + sigmoid(r) b): r and z are gate powers
/// (sigmoid_gate), a the input's and b the state's share of the candidate.
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> gru_cell(Batch<float, A> r, Batch<float, A> z,
                                                     Batch<float, A> a, Batch<float, A> b,
                                                     Batch<float, A> h) noexcept {
    using F = Batch<float, A>;
    const F one(1.0f);
    const F n = gate_power(a + b / (one + r), GateScale<A>(tanh_gate));
    return fma(h, one + n, fnma(n, z, z)) / ((one + z) * (one + n));
}

/// How the gates of `units` units lie in registers of `lanes` floats.
///
/// Units are dealt to blocks as wide as a register; each gate of a block is a register, so a cell
/// update needs no shuffle. What is left goes to a block of half a register, one of a quarter, or
/// both, whose gates share registers one after the other (they are taken apart through memory): an
/// LSTM of 20 units on 16 lanes is 4 + 1 registers without an idle lane. Blocks of fewer than four
/// lanes are not made; without `partial` neither are partial ones.
struct GateOrder {
    std::size_t gates = 0, units = 0, lanes = 0;
    bool partial = true;

    [[nodiscard]] constexpr bool allows(std::size_t width) const noexcept {
        return partial && width >= 4;
    }
    /// Blocks as wide as a register.
    [[nodiscard]] constexpr std::size_t whole() const noexcept {
        const std::size_t rest = units % lanes;
        const std::size_t reach = (allows(lanes / 2) ? lanes / 2 : 0) + quarter_width();
        return units / lanes + (rest > reach ? 1 : 0);
    }
    /// 1 when there is a block of half a register.
    [[nodiscard]] constexpr std::size_t half() const noexcept {
        return rest() > quarter_width() ? 1 : 0;
    }
    /// 1 when there is a block of a quarter of one.
    [[nodiscard]] constexpr std::size_t quarter() const noexcept {
        return rest() > half() * (lanes / 2) ? 1 : 0;
    }
    /// Registers that hold all gates.
    [[nodiscard]] constexpr std::size_t registers() const noexcept {
        return whole() * gates + half() * ((gates + 1) / 2) + quarter() * ((gates + 3) / 4);
    }
    /// Floats in them.
    [[nodiscard]] constexpr std::size_t size() const noexcept { return registers() * lanes; }
    /// The lane of a gate of a unit; row = gate * units + unit.
    [[nodiscard]] constexpr std::size_t lane(std::size_t row) const noexcept {
        const std::size_t gate = row / units, unit = row % units;
        const std::size_t block = unit / lanes;
        if (block < whole()) return (block * gates + gate) * lanes + unit % lanes;
        std::size_t first = whole() * gates * lanes, at = unit - whole() * lanes;
        if (half() != 0) {
            if (at < lanes / 2) return first + gate * (lanes / 2) + at;
            first += (gates + 1) / 2 * lanes;
            at -= lanes / 2;
        }
        return first + gate * (lanes / 4) + at;
    }

private:
    [[nodiscard]] constexpr std::size_t rest() const noexcept {
        return units > whole() * lanes ? units - whole() * lanes : 0;
    }
    [[nodiscard]] constexpr std::size_t quarter_width() const noexcept {
        return allows(lanes / 4) ? lanes / 4 : 0;
    }
};

}  // namespace nibble
