// SPDX-License-Identifier: BSL-1.0
// What forward keeps for backward, and how activations follow the precision.
//
// activation_t<P>       a product's input                  what Saved holds
//     float             as it is                           float, moved, not copied
//     half, bfloat16    rounded to that type               that type: half the memory
//     Int8Value         quantized inside the product       float
//
// Rounding happens in inference too, so that keeping something never changes a result.
#pragma once

#include <nibble/kernel/codec.hpp>
#include <nibble/layer/layer.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// The type in which a layer of precision P keeps an activation.
template <LayerPrecision P>
using kept_t = std::conditional_t<std::is_same_v<activation_t<P>, half> ||
                                      std::is_same_v<activation_t<P>, bfloat16>,
                                  activation_t<P>, float>;

/// x in V, row by row.
template <NeuralValue V, class On, class Memory>
[[nodiscard]] Tensor<V, Memory> narrowed(On& on, const Tensor<float, Memory>& x) {
    auto small = Tensor<V, Memory>::uninitialized(x.shape());
    using B = Batch<float, typename On::InstructionSet>;
    on.parallel_for(x.rows(), 16384 / (x.cols() + 1) + 1, [&](std::size_t first, std::size_t end) {
        for (std::size_t i = first * x.stride(); i < end * x.stride(); i += B::lanes)
            encode_lanes<V>(small.data(), i, B::load(x.data() + i), ToNearest{});
    });
    return small;
}

/// The numbers of `from` in float; to has the same shape.
template <class On, NeuralValue V, class Memory>
void widen(On& on, const Tensor<V, Memory>& from, Tensor<float, Memory>& to) {
    using A = typename On::InstructionSet;
    on.parallel_for(from.rows(), 16384 / (from.cols() + 1) + 1,
                    [&](std::size_t first, std::size_t end) {
                        for (std::size_t i = first * from.stride(); i < end * from.stride();
                             i += Batch<float, A>::lanes)
                            decode_lanes<V, A>(from.data(), i).store(to.data() + i);
                    });
}

/// Rounds x to what a layer of precision P computes with.
template <LayerPrecision P, class On, class Memory>
void round_activation(On& on, Tensor<float, Memory>& x) {
    if constexpr (!std::is_same_v<kept_t<P>, float>) widen(on, narrowed<kept_t<P>>(on, x), x);
}

/// x as Saved holds it. x must be rounded already, so this loses nothing.
template <LayerPrecision P, class On, class Memory>
[[nodiscard]] Tensor<kept_t<P>, Memory> keep(On& on, Tensor<float, Memory>&& x) {
    if constexpr (std::is_same_v<kept_t<P>, float>) return std::move(x);
    else return narrowed<kept_t<P>>(on, x);
}

/// A kept activation in float again: itself, or a widened copy.
template <class On, class Memory>
[[nodiscard]] const Tensor<float, Memory>& widened(On&, const Tensor<float, Memory>& kept) {
    return kept;
}
template <class On, NeuralValue V, class Memory>
[[nodiscard]] Tensor<float, Memory> widened(On& on, const Tensor<V, Memory>& kept) {
    auto x = Tensor<float, Memory>::uninitialized(kept.shape());
    widen(on, kept, x);
    return x;
}

/// Fails unless x is not empty and has `features` columns.
inline void expect_features(const char* layer, const Shape& x, std::size_t features) {
    if (x.size() == 0 || x.cols() != features)
        fail(std::string(layer) + ": input " + to_string(x) +
             (x.size() == 0 ? " is empty" : " has " + std::to_string(x.cols()) + " features") +
             ", expected " + std::to_string(features) + " features");
}

/// Fails unless a gradient that comes back has the shape of what forward gave.
inline void expect_gradient(const char* layer, const Shape& got, const Shape& expected) {
    if (got != expected)
        fail(std::string(layer) + ": gradient of the output has shape " + to_string(got) +
             ", expected " + to_string(expected));
}

}  // namespace nibble
