// SPDX-License-Identifier: BSL-1.0
// Starting weights: seeded draws into matrices of any format.
//
// Numbers are drawn row by row in double, as if the matrix were float, and then quantized, so a model
// starts from the same weights at every precision, up to rounding. Normal numbers come in pairs by
// Box and Muller (1958), u1 in (0, 1]: the cosine one first; an odd count drops the last.
#pragma once

#include <nibble/kernel/executor.hpp>
#include <nibble/kernel/quantize.hpp>
#include <nibble/value/rounding.hpp>

#include <cmath>

namespace nibble::inline NIBBLE_ARCH {

/// What makes a layer's starting weights reproducible.
struct Seed {
    std::uint64_t value = 0;

    /// The seed of the layer's n-th part.
    [[nodiscard]] constexpr Seed part(std::uint64_t n) const noexcept {
        return {splitmix64(splitmix64(value) ^ n)};
    }
};

/// Fills x with normal numbers of mean 0.
template <class A>
void draw_normal(BasicHost<A>&, Random& random, double deviation, View<float> x) {
    double next = 0.0;
    bool have_next = false;
    for (std::size_t r = 0; r < x.rows; ++r)
        for (std::size_t c = 0; c < x.cols; ++c) {
            if (have_next) {
                x(r, c) = static_cast<float>(deviation * next);
                have_next = false;
                continue;
            }
            const double u1 = static_cast<double>((random.bits() >> 11) + 1) * 0x1p-53;
            const double angle = 6.283185307179586476925 * random.uniform();
            const double radius = std::sqrt(-2.0 * std::log(u1));
            x(r, c) = static_cast<float>(deviation * (radius * std::cos(angle)));
            next = radius * std::sin(angle);
            have_next = true;
        }
}

/// Fills x with uniform numbers in [-bound, bound).
template <class A>
void draw_uniform(BasicHost<A>&, Random& random, double bound, View<float> x) {
    for (std::size_t r = 0; r < x.rows; ++r)
        for (std::size_t c = 0; c < x.cols; ++c)
            x(r, c) = static_cast<float>(bound * (2.0 * random.uniform() - 1.0));
}

/// Calls draw(View<float>) for a float matrix of w's shape and stores the result in w's format.
template <class On, class F, class Draw>
void draw_into(On& on, Matrix<F, typename On::Memory>& w, Draw&& draw) {
    if constexpr (std::is_same_v<F, float>) {
        draw(w.codes().view());
    } else {
        Tensor<float, typename On::Memory> drawn(w.shape());
        draw(drawn.view());
        quantize(on, drawn.view(), w);
    }
}

/// The same for a matrix of any format.
template <class A, class F>
void draw_normal(BasicHost<A>& on, Random& random, double deviation, Matrix<F>& w) {
    draw_into(on, w, [&](View<float> x) { draw_normal(on, random, deviation, x); });
}

/// The same for a matrix of any format.
template <class A, class F>
void draw_uniform(BasicHost<A>& on, Random& random, double bound, Matrix<F>& w) {
    draw_into(on, w, [&](View<float> x) { draw_uniform(on, random, bound, x); });
}

/// The bound of Kaiming's uniform draw for a layer with `inputs` inputs: sqrt(6 / ((1 + a^2) inputs))
/// with a = sqrt(5), which is 1 / sqrt(inputs) (He et al. 2015; the usual default for Linear and
/// Conv2d and their biases).
template <class A>
[[nodiscard]] double kaiming_bound(const BasicHost<A>&, std::size_t inputs) {
    return inputs == 0 ? 0.0 : 1.0 / std::sqrt(static_cast<double>(inputs));
}

}  // namespace nibble
