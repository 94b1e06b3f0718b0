// SPDX-License-Identifier: BSL-1.0
// Stochastic gradient descent with momentum (Polyak 1964; Nesterov's form as an option).
//
//     v = momentum v + g + decay w         w -= rate v      (nesterov: w -= rate (g + momentum v))
//
// The velocity has its own format; low-precision stores round stochastically, as in adamw.hpp.
#pragma once

#include <nibble/kernel/simd.hpp>
#include <nibble/optim/update.hpp>

namespace nibble::inline NIBBLE_ARCH {

struct SgdOptions {
    float rate = 1e-2f;
    float momentum = 0.9f;
    float decay = 0.0f;  ///< on matrices only
    bool nesterov = false;
    std::uint64_t seed = 0;
    bool stochastic = true;  ///< false: round stores to nearest, which loses small updates
};

/// The optimizer of a Net whose velocity has format Velocity.
template <class Net, Format Velocity = float>
class BasicSgd {
public:
    explicit BasicSgd(const Net& net, SgdOptions chosen = {})
        : options(chosen), velocity_(zeros_like<rebind_t<Net, Velocity>>(net)) {}

    SgdOptions options;  ///< may change between steps

    /// One update of `net` by `gradient` times `scale`.
    template <class On, class Gradient>
    void step(On& on, Net& net, const Gradient& gradient, float scale = 1.0f) {
        ++steps_;
        std::uint64_t stream = 0;
        for_each_parameter(
            [&](const std::string&, auto& w, const auto& g, auto& v) {
                stream += 2;
                const auto rounding = [&](auto exact, std::uint64_t offset) {
                    if constexpr (exact) return ToNearest{};
                    else return StochasticFrom{Dither(options.seed, steps_, stream + offset)};
                };
                using W = std::remove_reference_t<decltype(w)>;
                using M = std::remove_reference_t<decltype(v)>;
                if (options.stochastic)
                    update(on, scale, w, g, v,
                           std::make_tuple(rounding(std::bool_constant<stored_exactly<W>>{}, 0),
                                           rounding(std::bool_constant<stored_exactly<M>>{}, 1)));
                else update(on, scale, w, g, v, all_to_nearest<2>());
            },
            net, gradient, velocity_);
    }

    [[nodiscard]] std::uint64_t steps() const noexcept { return steps_; }
    /// Bytes of the velocity, as allocated.
    [[nodiscard]] std::size_t bytes() const { return parameter_bytes(velocity_); }
    [[nodiscard]] auto& velocity() noexcept { return velocity_; }

private:
    template <class A, class W, class G, class M, class Roundings>
    void update(BasicHost<A>& on, float scale, W& w, const G& g, M& v,
                const Roundings& roundings) const {
        using B = Batch<float, A>;
        const B momentum(options.momentum), rate(options.rate), factor(scale),
            decay(is_tensor<W> ? 0.0f : options.decay);
        update_rows(
            on, g, roundings,
            [&](std::size_t, std::size_t n, const float* gradient, float* weight, float* velocity) {
                for (std::size_t k = 0; k < n; k += B::lanes) {
                    const B x = B::load(weight + k);
                    const B grad = fma(decay, x, B::load(gradient + k) * factor);
                    const B speed = fma(momentum, B::load(velocity + k), grad);
                    speed.store(velocity + k);
                    const B step = options.nesterov ? fma(momentum, speed, grad) : speed;
                    fnma(rate, step, x).store(weight + k);
                }
            },
            w, v);
    }

    rebind_t<Net, Velocity> velocity_;
    std::uint64_t steps_ = 0;
};

/// Sgd<Model, P, Velocity> for a model template.
template <template <class...> class Model, class P, Format Velocity = float>
using Sgd = BasicSgd<Model<P>, Velocity>;

}  // namespace nibble
