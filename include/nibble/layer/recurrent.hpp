// SPDX-License-Identifier: BSL-1.0
// What Lstm and Gru share: their sizes and parameters, sequences, and passes over the units of a step.
#pragma once

#include <nibble/kernel/math.hpp>
#include <nibble/kernel/transform.hpp>
#include <nibble/layer/product.hpp>
#include <nibble/layer/seed.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// The sizes of a recurrent layer.
struct RecurrentConfig {
    std::size_t in = 0;      ///< features of x
    std::size_t hidden = 0;  ///< units, and features of y
};

/// Parameters as PyTorch has them for one layer, without its suffix "_l0": rows of gate after gate.
template <std::size_t Gates, LayerPrecision P, class On>
struct RecurrentWeights {
    using Memory = typename On::Memory;
    Matrix<weight_t<P>, Memory> weight_ih;  ///< Gates * hidden rows of in columns
    Matrix<weight_t<P>, Memory> weight_hh;  ///< Gates * hidden rows of hidden columns
    Tensor<float, Memory> bias_ih;          ///< Gates * hidden
    Tensor<float, Memory> bias_hh;          ///< Gates * hidden

    RecurrentWeights() = default;
    /// All zeros.
    explicit RecurrentWeights(RecurrentConfig c)
        : weight_ih(Gates * c.hidden, c.in),
          weight_hh(Gates * c.hidden, c.hidden),
          bias_ih(Shape{Gates * c.hidden}),
          bias_hh(Shape{Gates * c.hidden}) {}
    /// Uniform in +-1 / sqrt(hidden).
    RecurrentWeights(RecurrentConfig c, Seed seed) : RecurrentWeights(c) {
        On on;
        Random random(seed.value);
        const double bound = kaiming_bound(on, c.hidden);
        draw_uniform(on, random, bound, weight_ih);
        draw_uniform(on, random, bound, weight_hh);
        draw_uniform(on, random, bound, bias_ih.view());
        draw_uniform(on, random, bound, bias_hh.view());
    }

    template <class F, class... L>
    static void parameters(F&& f, L&... l) {
        f("weight_ih", l.weight_ih...);
        f("weight_hh", l.weight_hh...);
        f("bias_ih", l.bias_ih...);
        f("bias_hh", l.bias_hh...);
    }
    [[nodiscard]] std::size_t in() const noexcept { return weight_ih.cols(); }
    [[nodiscard]] std::size_t hidden() const noexcept { return weight_hh.cols(); }
};

/// batch sequences of `steps` samples each: [batch, steps, features], or [steps, features] for one.
struct Sequences {
    std::size_t batch, steps;

    explicit Sequences(const Shape& x)
        : batch(x.rank() >= 3 ? x.rows() / x[x.rank() - 2] : 1), steps(x.rows() / batch) {}
    /// The rows of all sequences' step t, as a view of x's rows.
    template <class E>
    [[nodiscard]] View<E> at(View<E> x, std::size_t t) const noexcept {
        return {x.data + t * x.stride, batch, x.cols, steps * x.stride, x.whole};
    }
};

/// y = x w^T by the kernel that P asks for, on rows that lie anywhere.
template <LayerPrecision P, class On, class F, class Memory>
void product_rows(On& on, const Matrix<F, Memory>& w, View<const float> x, View<float> y) {
    if constexpr (std::is_same_v<activation_t<P>, Int8Value> && is_integer_value<value_of<F>>)
        matmul_int8(on, w, x, y);
    else matmul(on, w, x, y);
}

/// A register's worth of a row's numbers from i on, the last one partly filled.
template <class A>
struct UnitRange {
    using B = Batch<float, A>;
    std::size_t first, count;
    [[nodiscard]] B load(const float* row) const noexcept {
        return count == B::lanes ? B::load(row + first) : B::load_first(row + first, count);
    }
    void store(B x, float* row) const noexcept {
        if (count == B::lanes) x.store(row + first);
        else x.store_first(row + first, count);
    }
};

/// Calls f(row, units) for every row of a step and each register's worth of its units, by threads.
template <class A, class F>
void each_unit(const BasicHost<A>& on, std::size_t rows, std::size_t units, F&& f) {
    constexpr std::size_t lanes = Batch<float, A>::lanes;
    on.parallel_for(rows, 2048 / (units + 1) + 1, [&](std::size_t begin, std::size_t end) {
        for (std::size_t r = begin; r < end; ++r)
            for (std::size_t u = 0; u < units; u += lanes)
                f(r, UnitRange<A>{u, units - u < lanes ? units - u : lanes});
    });
}

/// Row r * steps + t of the result is row r * steps + t - 1 of y, zeros for t = 0: the states that
/// steps began with.
template <class Memory>
[[nodiscard]] Tensor<float, Memory> states_before(const Tensor<float, Memory>& y,
                                                  const Sequences& s) {
    Tensor<float, Memory> before(Shape{y.rows(), y.cols()});
    for (std::size_t b = 0; b < s.batch; ++b)
        for (std::size_t t = 1; t < s.steps; ++t) {
            const std::size_t row = b * s.steps + t;
            for (std::size_t i = 0; i < y.cols(); ++i)
                before.data()[row * y.stride() + i] = y.data()[(row - 1) * y.stride() + i];
        }
    return before;
}

}  // namespace nibble
