// SPDX-License-Identifier: BSL-1.0
// AdamW (Loshchilov and Hutter 2019) with weights, moments and master copy each at its own format.
//
//     m  = beta1 m + (1 - beta1) g            r' = sqrt(beta2 r^2 + (1 - beta2) g^2)
//     w -= rate (m / (1 - beta1^t) / (r' / sqrt(1 - beta2^t) + epsilon) + decay w)
//
// The second moment is kept as its root r, so that 8 bits (or 4) cover its range; a root that rounds
// to code 0 reads as half a code, never as 0, or the step would explode. The step is computed in
// float before anything is rounded; low-precision stores round stochastically by (seed, step,
// element), so the mean update is exact and the result does not depend on threads.
//
// Without a master copy the model's own weights are the only ones. With one, the master (float or
// bfloat16) takes the update and the model's weights are its nearest quantization: straight-through
// training, since forward and backward used the quantized weights.
#pragma once

#include <nibble/kernel/simd.hpp>
#include <nibble/optim/update.hpp>

#include <cmath>

namespace nibble::inline NIBBLE_ARCH {

struct AdamWOptions {
    float rate = 1e-3f;
    float beta1 = 0.9f;
    float beta2 = 0.99f;
    float epsilon = 1e-8f;
    float decay = 0.1f;      ///< on matrices; biases and norms (one-dimensional) are not decayed
    std::uint64_t seed = 0;  ///< of the stochastic rounding
    bool stochastic = true;  ///< false: round stores to nearest, which loses small updates
};

/// No separate copy of the weights.
struct NoMaster {};

template <class Net, class Master>
struct MasterOf {
    using type = rebind_t<Net, Master>;
};
template <class Net>
struct MasterOf<Net, NoMaster> {
    using type = NoMaster;
};

/// Half of the smallest positive code of V: what a stored zero root stands for.
template <NeuralValue V>
[[nodiscard]] constexpr float half_step() noexcept {
    if constexpr (std::is_same_v<V, float>) return 0.0f;
    else if constexpr (requires { V{}.code; }) return 0.5f;
    else return 0.5f * decode(V::from_bits(1));
}

/// The optimizer of a Net whose moments have format Moments.
template <class Net, Format Moments = float, class Master = NoMaster>
class BasicAdamW {
public:
    using Moment = rebind_t<Net, Moments>;
    static constexpr bool has_master = !std::is_same_v<Master, NoMaster>;

    /// The master copy, when there is one, starts from the weights that `net` holds.
    explicit BasicAdamW(const Net& net, AdamWOptions chosen = {})
        : options(chosen), first_(zeros_like<Moment>(net)), root_(zeros_like<Moment>(net)) {
        if constexpr (has_master) {
            master_ = zeros_like<rebind_t<Net, Master>>(net);
            for_each_parameter(
                [](const std::string&, auto& to, const auto& from) { copy_parameter(to, from); },
                master_, net);
        }
    }
    /// With a master copy taken from `exact`, the weights before they were quantized.
    template <class Exact>
        requires(!std::is_same_v<Master, NoMaster>)
    BasicAdamW(const Net& net, const Exact& exact, AdamWOptions chosen) : BasicAdamW(net, chosen) {
        for_each_parameter(
            [](const std::string&, auto& to, const auto& from) { copy_parameter(to, from); },
            master_, exact);
    }

    AdamWOptions options;  ///< may change between steps; a schedule sets options.rate

    /// One update of `net` by `gradient` times `scale` (1 / loss scale, or the clip factor).
    template <class On, class Gradient>
    void step(On& on, Net& net, const Gradient& gradient, float scale = 1.0f) {
        ++steps_;
        std::uint64_t stream = 0;
        if constexpr (has_master) {
            for_each_parameter(
                [&](const std::string&, auto& exact, const auto& g, auto& m, auto& r, auto& w) {
                    update(on, stream += 4, scale, exact, g, m, r);
                    requantize(on, exact, w);
                },
                master_, gradient, first_, root_, net);
        } else {
            for_each_parameter([&](const std::string&, auto& w, const auto& g, auto& m,
                                   auto& r) { update(on, stream += 4, scale, w, g, m, r); },
                               net, gradient, first_, root_);
        }
    }

    [[nodiscard]] std::uint64_t steps() const noexcept { return steps_; }
    void set_steps(std::uint64_t steps) noexcept { steps_ = steps; }
    /// Bytes of moments and master copy, as allocated.
    [[nodiscard]] std::size_t bytes() const {
        std::size_t n = parameter_bytes(first_) + parameter_bytes(root_);
        if constexpr (has_master) n += parameter_bytes(master_);
        return n;
    }
    [[nodiscard]] Moment& first_moment() noexcept { return first_; }
    [[nodiscard]] Moment& second_moment_root() noexcept { return root_; }
    [[nodiscard]] auto& master() noexcept
        requires has_master
    {
        return master_;
    }

private:
    template <bool Exact>
    auto rounding(std::uint64_t stream) const {
        // Exact stores ignore the mode; nearest keeps them free of random bits.
        if constexpr (Exact) return ToNearest{};
        else return StochasticFrom{Dither(options.seed, steps_, stream)};
    }

    template <class On, class W, class G, class M>
    void update(On& on, std::uint64_t stream, float scale, W& w, const G& g, M& m, M& r) const {
        if (options.stochastic)
            update_with(on, scale, w, g, m, r,
                        std::make_tuple(rounding<stored_exactly<W>>(stream),
                                        rounding<stored_exactly<M>>(stream + 1),
                                        rounding<stored_exactly<M>>(stream + 2)));
        else update_with(on, scale, w, g, m, r, all_to_nearest<3>());
    }

    template <class A, class W, class G, class M, class Roundings>
    void update_with(BasicHost<A>& on, float scale, W& w, const G& g, M& m, M& r,
                     const Roundings& roundings) const {
        using B = Batch<float, A>;
        const double t = static_cast<double>(steps_);
        const float first_share =
            static_cast<float>(1.0 / (1.0 - std::pow(double(options.beta1), t)));
        const float root_share =
            static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(double(options.beta2), t)));
        const B beta1(options.beta1), rest1(1.0f - options.beta1), beta2(options.beta2),
            rest2(1.0f - options.beta2), epsilon(options.epsilon), rate(options.rate),
            decay(is_tensor<W> ? 0.0f : options.decay), factor(scale), share1(first_share),
            share2(root_share);
        update_rows(
            on, g, roundings,
            [&](std::size_t row, std::size_t n, const float* gradient, float* weight, float* first,
                float* root) {
                raise_zeros(r, row, n, root);
                for (std::size_t k = 0; k < n; k += B::lanes) {
                    const B grad = B::load(gradient + k) * factor;
                    const B mean = fma(beta1, B::load(first + k), rest1 * grad);
                    const B old = B::load(root + k);
                    const B spread = sqrt(fma(beta2 * old, old, rest2 * grad * grad));
                    const B x = B::load(weight + k);
                    const B step = fma(decay, x, mean * share1 / fma(spread, share2, epsilon));
                    mean.store(first + k);
                    spread.store(root + k);
                    fnma(rate, step, x).store(weight + k);
                }
            },
            w, m, r);
    }

    /// A stored root of 0 stands for half a code (see above); where a scale is 0 nothing was stored.
    template <class M>
    static void raise_zeros(const M& r, std::size_t row, std::size_t n, float* root) {
        if constexpr (is_matrix<M>) {
            if constexpr (M::Traits::scaled) {
                const std::size_t run = r.run();
                for (std::size_t k = 0; k < n; k += run) {
                    const float least = half_step<typename M::V>() * std::fabs(r.scale(row, k));
                    for (std::size_t j = k; j < k + run && j < n; ++j)
                        root[j] = root[j] < least ? least : root[j];
                }
            } else {
                constexpr float least = half_step<typename M::V>();
                for (std::size_t j = 0; j < n; ++j) root[j] = root[j] < least ? least : root[j];
            }
        }
    }

    template <class To, class From>
    static void copy_parameter(To& to, const From& from) {
        if constexpr (is_tensor<From>) {
            to = from;
        } else {
            // Not row by row: a format may have one scale for the whole matrix.
            Host on(1);
            auto values = Tensor<float>::uninitialized({from.rows(), from.cols()});
            dequantize(on, from, values.view());
            store_matrix(on, std::as_const(values).view(), to, ToNearest{});
        }
    }

    template <class On, class Exact, class W>
    static void requantize(On& on, const Exact& exact, W& w) {
        if constexpr (is_tensor<W>) {
            w = exact;
        } else if constexpr (is_matrix<Exact>) {
            auto values = Tensor<float>::uninitialized({exact.rows(), exact.cols()});
            dequantize(on, exact, values.view());
            store_matrix(on, std::as_const(values).view(), w, ToNearest{});
        }
    }

    Moment first_;
    Moment root_;
    [[no_unique_address]] typename MasterOf<Net, Master>::type master_;
    std::uint64_t steps_ = 0;
};

/// AdamW<Model, P, Moments> for a model template: AdamW<Mlp, Grouped<Int4Value, 32>, float>.
template <template <class...> class Model, class P, Format Moments = float, class Master = NoMaster>
using AdamW = BasicAdamW<Model<P>, Moments, Master>;

}  // namespace nibble
