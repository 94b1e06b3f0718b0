// SPDX-License-Identifier: BSL-1.0
// Conv1d over sequences, causal and dilated (van den Oord et al. 2016):
//
//     y[t] = b + sum over taps j < kernel of W_j x[t - (kernel - 1 - j) dilation]
//
// What comes before a sequence is zero. Each step's window of taps is gathered into a row and meets
// the weights in one matrix product.
#pragma once

#include <nibble/kernel/transform.hpp>
#include <nibble/layer/product.hpp>
#include <nibble/layer/seed.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// The sizes of a Conv1d.
struct Conv1dConfig {
    std::size_t in = 1;        ///< channels of x
    std::size_t out = 1;       ///< channels of y
    std::size_t kernel = 3;    ///< taps
    std::size_t dilation = 1;  ///< samples from one tap to the next
    bool bias = true;
};

/// [batch, steps, in] to [batch, steps, out]; [steps, in] is one sequence.
template <LayerPrecision P, class On = Host>
struct Conv1d {
    using Memory = typename On::Memory;
    using Activations = Tensor<float, Memory>;
    template <class Q>
    using rebind = Conv1d<Q, On>;

    /// out rows of kernel * in: tap 0 (the oldest sample's) first. PyTorch's weight[o][i][j] is column
    /// j * in + i of row o.
    Matrix<weight_t<P>, Memory> weight;
    Tensor<float, Memory> bias;  ///< out numbers, or empty
    Conv1dConfig config;

    /// What backward needs.
    struct Saved {
        Tensor<kept_t<P>, Memory> x;
    };

    Conv1d() = default;
    /// All zeros. Fails without channels, taps or dilation.
    explicit Conv1d(Conv1dConfig c) : weight(c.out, c.kernel * c.in), config(c) {
        if (c.in == 0 || c.out == 0 || c.kernel == 0 || c.dilation == 0)
            fail("Conv1d: " + std::to_string(c.in) + " to " + std::to_string(c.out) +
                 " channels, kernel " + std::to_string(c.kernel) + ", dilation " +
                 std::to_string(c.dilation) + ", expected all above 0");
        if (c.bias) bias = Activations(Shape{c.out});
    }
    /// Weights and bias from Kaiming's uniform draw.
    Conv1d(Conv1dConfig c, Seed seed) : Conv1d(c) {
        On on;
        Random random(seed.value);
        draw_uniform(on, random, kaiming_bound(on, c.kernel * c.in), weight);
        draw_uniform(on, random, kaiming_bound(on, c.kernel * c.in), bias.view());
    }

    template <class F, class... L>
    static void parameters(F&& f, L&... l) {
        f("weight", l.weight...);
        f("bias", l.bias...);
    }

    [[nodiscard]] Activations forward(On& on, Activations x, Saved* saved = nullptr) const {
        expect_features("Conv1d", x.shape(), config.in);
        round_activation<P>(on, x);
        auto y = Activations::uninitialized(x.shape().with_cols(config.out));
        product<P>(on, weight, windows(on, x), y);
        if (!bias.empty()) add_row(on, bias, y.view());
        if (saved != nullptr) saved->x = keep<P>(on, std::move(x));
        return y;
    }

    [[nodiscard]] Activations backward(On& on, const Saved& saved, Activations dy,
                                       rebind<float>& gradient) const {
        expect_gradient("Conv1d", dy.shape(), saved.x.shape().with_cols(config.out));
        const auto& x = widened(on, saved.x);
        auto window = windows(on, x);
        matmul_gradient(on, dy.view(), window.view(), gradient.weight.codes().view());
        if (!bias.empty()) column_sums(on, dy.view(), gradient.bias.view());
        matmul_transposed(on, weight, View<const float>(dy.view()), window.view());
        Activations dx(x.shape());
        each_tap(on, x.shape(), [&](std::size_t row, std::size_t from, std::size_t j) {
            const float* d = window.data() + row * window.stride() + j * config.in;
            float* to = dx.data() + from * dx.stride();
            for (std::size_t i = 0; i < config.in; ++i) to[i] += d[i];
        });
        return dx;
    }

private:
    // Calls f(row, row of x that its tap j meets, j), a sequence by one thread.
    template <class F>
    void each_tap(On& on, const Shape& x, F&& f) const {
        const std::size_t batch = x.rank() >= 3 ? x.rows() / x[x.rank() - 2] : 1;
        const std::size_t steps = x.rows() / batch;
        on.parallel_for(batch, 1, [&](std::size_t begin, std::size_t end) {
            for (std::size_t row = begin * steps; row < end * steps; ++row)
                for (std::size_t j = 0; j < config.kernel; ++j) {
                    const std::size_t back = (config.kernel - 1 - j) * config.dilation;
                    if (back <= row % steps) f(row, row - back, j);
                }
        });
    }
    [[nodiscard]] Activations windows(On& on, const Activations& x) const {
        Activations all(Shape{x.rows(), config.kernel * config.in});
        each_tap(on, x.shape(), [&](std::size_t row, std::size_t from, std::size_t j) {
            float* to = all.data() + row * all.stride() + j * config.in;
            for (std::size_t i = 0; i < config.in; ++i) to[i] = x.data()[from * x.stride() + i];
        });
        return all;
    }
};

}  // namespace nibble
