// SPDX-License-Identifier: BSL-1.0
// What is done to a product's outputs while they are still in registers: bias, activation, residual,
// rounding to int8. A product takes one functor as its last argument:
//
//     matmul(on, w, x, y);                                                    // nothing
//     matmul(on, w, x, y, AddBias{bias});
//     matmul(on, w, x, y, then(AddBias{bias}, Apply{[](auto v) { return gelu(v); }}, AddRows{r}));
//     matmul(on, w, x, y, then(AddBias{bias}, Requantize{codes, 1 / scale})); // y is a shape only
//
// It is called as f(v, m, n) with v the finished sums of outputs n, n + 1, ... of row m, one register
// of them, n a multiple of the register's lanes, and gives the register that is stored. Lanes beyond
// the row hold anything and are not stored. Any functor of that form will do. Each output is met once,
// by the thread that computed it.
#pragma once

#include <nibble/kernel/codec.hpp>
#include <nibble/store/view.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// No epilogue: the sums themselves.
struct AsIs {
    template <class B>
    [[nodiscard]] NIBBLE_INLINE B operator()(B v, std::size_t, std::size_t) const noexcept {
        return v;
    }
};

/// A functor that products can end with on instruction set A.
template <class E, class A>
concept EpilogueOn = requires(const E& e, Batch<float, A> v, std::size_t i) {
    { e(v, i, i) } -> std::same_as<Batch<float, A>>;
};

/// Columns n .. n + lanes of row m; zeros or the row's own padding beyond it.
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> load_outputs(View<const float> x, std::size_t m,
                                                         std::size_t n) noexcept {
    using B = Batch<float, A>;
    const float* p = x.data + m * x.stride + n;
    return n + B::lanes <= x.cols ? B::load(p) : B::load_first(p, n < x.cols ? x.cols - n : 0);
}

/// v + bias[n]; bias is one row of as many columns as there are outputs.
struct AddBias {
    View<const float> bias;

    template <class A>
    [[nodiscard]] NIBBLE_INLINE Batch<float, A> operator()(Batch<float, A> v, std::size_t,
                                                           std::size_t n) const noexcept {
        return v + load_outputs<A>(bias, 0, n);
    }
};

/// v + rows[m, n]: a residual; rows has the shape of y and may be y itself.
struct AddRows {
    View<const float> rows;

    template <class A>
    [[nodiscard]] NIBBLE_INLINE Batch<float, A> operator()(Batch<float, A> v, std::size_t m,
                                                           std::size_t n) const noexcept {
        return v + load_outputs<A>(rows, m, n);
    }
};

/// f(v): an activation or any other function of one register.
template <class F>
struct Apply {
    F function;

    template <class B>
    [[nodiscard]] NIBBLE_INLINE B operator()(B v, std::size_t, std::size_t) const {
        return function(v);
    }
};
template <class F>
Apply(F) -> Apply<F>;

/// codes[m, n] = v * factor rounded to nearest within [-127, 127], NaN as 0; y is not written and needs
/// no memory. factor is 1 / the scale of the next layer's input.
struct Requantize {
    static constexpr bool stores = true;
    View<Int8Value> codes;
    float factor;

    template <class B>
    [[nodiscard]] NIBBLE_INLINE B operator()(B v, std::size_t, std::size_t) const noexcept {
        return v;
    }
    template <class A>
    NIBBLE_INLINE void store(Batch<float, A> v, std::size_t m, std::size_t n,
                             std::size_t count) const noexcept {
        using B = Batch<float, A>;
        const B scaled = v * B(factor), low(-127.0f);
        const B q = select(scaled < low, low, scaled);  // not max, which would hide a NaN
        Int8Value* to = codes.data + m * codes.stride + n;
        if (count >= B::lanes) {
            encode_lanes<Int8Value, A>(to, 0, q);
        } else {
            Int8Value part[B::lanes];
            encode_lanes<Int8Value, A>(part, 0, q);
            for (std::size_t i = 0; i < count; ++i) to[i] = part[i];
        }
    }
};

/// True when an epilogue keeps the outputs itself, as its last step.
template <class E>
inline constexpr bool stores_outputs = requires { requires E::stores; };

/// One epilogue after another.
template <class First, class Second>
    requires(!stores_outputs<First>)
struct Then {
    static constexpr bool stores = stores_outputs<Second>;
    First first;
    Second second;

    template <class B>
    [[nodiscard]] NIBBLE_INLINE B operator()(B v, std::size_t m, std::size_t n) const {
        return second(first(v, m, n), m, n);
    }
    template <class B>
    NIBBLE_INLINE void store(B v, std::size_t m, std::size_t n, std::size_t count) const
        requires(stores)
    {
        second.store(v, m, n, count);
    }
};

/// The steps from left to right.
template <class First>
[[nodiscard]] constexpr First then(First first) {
    return first;
}
template <class First, class... Rest>
[[nodiscard]] constexpr auto then(First first, Rest... rest) {
    using Second = decltype(then(rest...));
    return Then<First, Second>{first, then(rest...)};
}

/// How a kernel ends: outputs n .. n + lanes of row m go through the epilogue to their place. The
/// register may reach beyond the row (y.cols); nothing is written there.
template <class A, class E>
NIBBLE_INLINE void finish(const E& epilogue, Batch<float, A> sum, View<float> y, std::size_t m,
                          std::size_t n) {
    using B = Batch<float, A>;
    const B v = epilogue(sum, m, n);
    const std::size_t count = y.cols - n;
    if constexpr (stores_outputs<E>) {
        epilogue.store(v, m, n, count);
    } else {
        float* to = y.data + m * y.stride + n;
        if (count >= B::lanes) v.store(to);
        else v.store_first(to, count);
    }
}

}  // namespace nibble
