// SPDX-License-Identifier: BSL-1.0
// Leaky integrate-and-fire neurons as a layer, trained through time with surrogate gradients
// (Neftci, Mostafa and Zenke 2019):
//
//     u_t = leak v_{t-1} + x_t       s_t = 1 where u_t >= threshold, else 0
//     v_t = u_t - threshold s_t      (reset by subtraction; to zero: v_t = u_t (1 - s_t))
//
// v_t is stored as an S: float, or half, Int8Value, Int4Value ... at code * scale, rounded to nearest.
// backward goes back through all steps. The slope of the step is that of a smooth one around the
// threshold; rounding passes gradients straight through, but for states that were cut to S's range;
// the reset passes none of its own.
//
//     fast_sigmoid   1 / (1 + slope |u - threshold|)^2          (Zenke and Ganguli 2018)
//     arctan         1 / (1 + (pi/2 slope (u - threshold))^2)   (Fang et al. 2021)
#pragma once

#include <nibble/layer/recurrent.hpp>

#include <cmath>

namespace nibble::inline NIBBLE_ARCH {

/// What stands for the derivative of the threshold.
enum class Surrogate : std::uint8_t { fast_sigmoid, arctan };

/// What the neurons of a LifLayer have in common.
struct LifConfig {
    std::size_t steps = 0;  ///< for inputs without a time: so many steps of the same current
    float leak = 0.9f;      ///< what the potential keeps from step to step, in [0, 1]
    float threshold = 1.0f;
    bool subtract = true;  ///< reset by subtraction, else to zero
    Surrogate surrogate = Surrogate::fast_sigmoid;
    float slope = 5.0f;
    float range = 2.0f;  ///< states narrower than 16 bits hold +- range * threshold

    /// What a file keeps.
    template <class F, class... C>
    static void fields(F&& f, C&... c) {
        f("steps", c.steps...);
        f("leak", c.leak...);
        f("threshold", c.threshold...);
        f("subtract", c.subtract...);
        f("surrogate", c.surrogate...);
        f("slope", c.slope...);
        f("range", c.range...);
    }
};

/// [batch, steps, n] (or [batch, n] and config.steps) to spikes [batch, steps, n].
template <LayerPrecision P, NeuralValue S = float, class On = Host>
struct LifLayer {
    using Memory = typename On::Memory;
    using Activations = Tensor<float, Memory>;
    template <class Q>
    using rebind = LifLayer<Q, S, On>;

    LifConfig config;

    /// What backward needs: u.
    struct Saved {
        Tensor<kept_t<P>, Memory> u;
        Shape x;
    };

    LifLayer() = default;
    /// Error: a leak, threshold, surrogate, slope or range out of its range.
    explicit LifLayer(const LifConfig& c) : config(c) {
        const auto expect = [](bool right, const char* what, float met, const char* expected) {
            if (!right)
                fail(std::string("LifLayer: ") + what + " is " + std::to_string(met) +
                     ", expected " + expected);
        };
        expect(c.leak >= 0.0f && c.leak <= 1.0f, "leak", c.leak, "0 to 1");
        expect(c.threshold > 0.0f && std::isfinite(c.threshold), "threshold", c.threshold,
               "more than 0");
        expect(c.surrogate <= Surrogate::arctan, "surrogate", static_cast<float>(c.surrogate),
               "fast_sigmoid or arctan");
        expect(c.slope > 0.0f && std::isfinite(c.slope), "slope", c.slope, "more than 0");
        expect(c.range >= 1.0f && std::isfinite(c.range), "range", c.range, "1 or more");
    }

    template <class F, class... L>
    static void parameters(F&&, L&...) {}

    [[nodiscard]] Activations forward(On& on, Activations x, Saved* saved = nullptr) const {
        const Sequences s = sequences(x.shape());
        const std::size_t n = x.cols();
        const bool constant = x.rows() == s.batch && s.steps != 1;
        using A = typename On::InstructionSet;
        using B = Batch<float, A>;
        Activations y(Shape{s.batch, s.steps, n});
        Activations u = saved == nullptr ? Activations() : Activations(y.shape());
        const B leak(config.leak), threshold(config.threshold);
        each_unit(on, s.batch, n, [&](std::size_t b, UnitRange<A> range) {
            B v(0.0f);
            for (std::size_t t = 0; t < s.steps; ++t) {
                const std::size_t row = b * s.steps + t;
                const B in = range.load(x.data() + (constant ? b : row) * x.stride());
                const B now = fma(leak, v, in);
                const auto fires = now >= threshold;
                range.store(select(fires, B(1.0f), B(0.0f)), y.data() + row * y.stride());
                if (saved != nullptr) range.store(now, u.data() + row * u.stride());
                v = stored<A>(after_reset(now, fires));
            }
        });
        if (saved != nullptr) {
            saved->x = x.shape();
            saved->u = keep<P>(on, std::move(u));
        }
        return y;
    }

    /// d spikes to d x; a constant current gets the sum over the steps.
    [[nodiscard]] Activations backward(On& on, const Saved& saved, Activations dy,
                                       rebind<float>&) const {
        expect_gradient("LifLayer", dy.shape(), saved.u.shape());
        const Sequences s(dy.shape());
        const auto& u = widened(on, saved.u);
        using A = typename On::InstructionSet;
        using B = Batch<float, A>;
        const bool constant = saved.x.rows() == s.batch && s.steps != 1;
        Activations dx(saved.x);
        const B leak(config.leak), threshold(config.threshold), limit(state_limit());
        each_unit(on, s.batch, dy.cols(), [&](std::size_t b, UnitRange<A> range) {
            B dv(0.0f), sum(0.0f);
            for (std::size_t t = s.steps; t-- > 0;) {
                const std::size_t row = b * s.steps + t;
                const B now = range.load(u.data() + row * u.stride());
                const auto fires = now >= threshold;
                const B kept = after_reset(now, fires);
                // Through the state: not where it was cut, nor where a spike put it to zero.
                B through = select(abs(kept) <= limit, dv, B(0.0f));
                if (!config.subtract) through = select(fires, B(0.0f), through);
                const B d = fma(range.load(dy.data() + row * dy.stride()),
                                slope_at(now - threshold), through);
                if (constant) sum = sum + d;
                else range.store(d, dx.data() + row * dx.stride());
                dv = d * leak;
            }
            if (constant) range.store(sum, dx.data() + b * dx.stride());
        });
        return dx;
    }

    /// Real value of a state's code 1.
    [[nodiscard]] float state_scale() const noexcept {
        if constexpr (narrow)
            return config.range * config.threshold /
                   static_cast<float>(decode(value_traits<S>::highest()));
        else return 1.0f;
    }

private:
    static constexpr bool narrow = bits_v<S> < 16;

    [[nodiscard]] float state_limit() const noexcept {
        const double top = static_cast<double>(decode(value_traits<S>::highest()));
        return static_cast<float>(top * static_cast<double>(state_scale()));
    }
    [[nodiscard]] Sequences sequences(const Shape& x) const {
        if (x.rank() >= 3) return Sequences(x);
        if (config.steps == 0)
            fail("LifLayer: input " + to_string(x) +
                 " has no time, expected [batch, steps, features] or a configuration with steps");
        return Sequences(Shape{x.rows(), config.steps, x.cols()});
    }
    template <class B, class M>
    [[nodiscard]] NIBBLE_INLINE B after_reset(B u, M fires) const noexcept {
        return select(fires, config.subtract ? u - B(config.threshold) : B(0.0f), u);
    }
    // v as it is stored: an S and back.
    template <class A>
    [[nodiscard]] NIBBLE_INLINE Batch<float, A> stored(Batch<float, A> v) const noexcept {
        using B = Batch<float, A>;
        if constexpr (std::is_same_v<S, float>) {
            return v;
        } else {
            unit_t<S> codes[B::lanes];
            encode_lanes<S, A>(codes, 0, v * B(1.0f / state_scale()));
            return decode_lanes<S, A>(codes, 0) * B(state_scale());
        }
    }
    template <class B>
    [[nodiscard]] NIBBLE_INLINE B slope_at(B x) const noexcept {
        const B one(1.0f);
        if (config.surrogate == Surrogate::fast_sigmoid) {
            const B wide = fma(abs(x), B(config.slope), one);
            return one / (wide * wide);
        }
        const B wide = x * B(1.5707963f * config.slope);
        return one / fma(wide, wide, one);
    }
};

}  // namespace nibble
