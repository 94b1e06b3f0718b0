// SPDX-License-Identifier: BSL-1.0
// Dropout (Srivastava et al. 2014), inverted: kept elements are multiplied by 1 / (1 - rate), so
// inference does nothing at all.
//
// The mask of element i is Dither(seed, step, stream)(i): it depends on no thread, and backward
// computes it again instead of keeping it.
#pragma once

#include <nibble/kernel/executor.hpp>
#include <nibble/layer/keep.hpp>
#include <nibble/value/rounding.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// How much is dropped, and from which random numbers.
struct DropoutConfig {
    float rate = 0.1f;  ///< probability of zero, in [0, 1)
    std::uint64_t seed = 0;
    std::uint64_t stream = 0;  ///< different for each Dropout of a model
};

/// Zeros elements while training (that is, when forward is given a Saved). Any shape.
template <LayerPrecision P = float, class On = Host>
struct Dropout {
    using Memory = typename On::Memory;
    using Activations = Tensor<float, Memory>;
    template <class Q>
    using rebind = Dropout<Q, On>;

    DropoutConfig config;
    std::uint64_t step = 0;  ///< set by begin_step(model, step) before each training step

    /// What backward needs.
    struct Saved {
        Shape shape;
        std::uint64_t step = 0;
    };

    Dropout() = default;
    explicit Dropout(DropoutConfig c) : config(c) {
        if (!(c.rate >= 0.0f && c.rate < 1.0f))
            fail("Dropout: rate is " + std::to_string(c.rate) + ", expected 0 to 1 exclusive");
    }

    template <class F, class... L>
    static void parameters(F&&, L&...) {}

    [[nodiscard]] Activations forward(On& on, Activations x, Saved* saved = nullptr) const {
        if (saved == nullptr) return x;
        saved->shape = x.shape();
        saved->step = step;
        apply(on, step, x.view());
        return x;
    }

    [[nodiscard]] Activations backward(On& on, const Saved& saved, Activations dy,
                                       rebind<float>&) const {
        expect_gradient("Dropout", dy.shape(), saved.shape);
        apply(on, saved.step, dy.view());
        return dy;
    }

private:
    void apply(On& on, std::uint64_t at, View<float> x) const {
        const Dither dither(config.seed, at, config.stream);
        const auto dropped = static_cast<std::uint64_t>(static_cast<double>(config.rate) * 0x1p32);
        const float scale = 1.0f / (1.0f - config.rate);
        on.parallel_for(x.rows, 1, [&](std::size_t first, std::size_t end) {
            for (std::size_t r = first; r < end; ++r) {
                float* row = x.row(r);
                for (std::size_t c = 0; c < x.cols; ++c)
                    row[c] = dither(r * x.cols + c) < dropped ? 0.0f : row[c] * scale;
            }
        });
    }
};

}  // namespace nibble
