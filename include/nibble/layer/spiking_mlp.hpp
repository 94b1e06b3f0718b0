// SPDX-License-Identifier: BSL-1.0
// SpikingMlp: a classifier whose hidden units are spiking neurons.
//
//     z = LIF(fc(x))          spikes of the hidden neurons over time
//     y = proj(mean_t z_t)    what leaky outputs without a threshold hold on average
//
// An output neuron that never fires and keeps `readout` of its potential from step to step has, on
// average over the steps, proj of the spikes weighted by how long they stay: so the sum over time is
// taken first, and one product an example is left.
#pragma once

#include <nibble/layer/lif.hpp>
#include <nibble/layer/linear.hpp>

#include <string>
#include <vector>

namespace nibble::inline NIBBLE_ARCH {

/// The sizes of a SpikingMlp, and its neurons.
struct SpikingMlpConfig {
    std::size_t in = 0;
    std::size_t hidden = 0;
    std::size_t out = 0;
    LifConfig neuron{};
    float readout = 0.9f;  ///< what an output keeps from step to step, in [0, 1]

    /// What a file keeps.
    template <class F, class... C>
    static void fields(F&& f, C&... c) {
        f("in", c.in...);
        f("hidden", c.hidden...);
        f("out", c.out...);
        f("readout", c.readout...);
        LifConfig::fields(
            [&](const std::string& field, auto&... x) { f(("neuron." + field).c_str(), x...); },
            c.neuron...);
    }
    [[nodiscard]] double weights() const {
        const auto h = static_cast<double>(hidden), o = static_cast<double>(out);
        return h * (static_cast<double>(in) + o) + h + o;
    }
};

/// Features in [0, 1] as one spike each: at step (1 - x) (steps - 1), rounded; x [n, features] to
/// [n, steps, features]. Numbers outside are cut.
[[nodiscard]] inline Tensor<float> latency_spikes(const Tensor<float>& x, std::size_t steps) {
    if (steps == 0) fail("latency_spikes: 0 steps, expected at least 1");
    Tensor<float> spikes(Shape{x.rows(), steps, x.cols()});
    for (std::size_t r = 0; r < x.rows(); ++r)
        for (std::size_t c = 0; c < x.cols(); ++c) {
            const float early = std::fmin(std::fmax(1.0f - x(r, c), 0.0f), 1.0f);
            const auto t = static_cast<std::size_t>(early * static_cast<float>(steps - 1) + 0.5f);
            spikes(r * steps + t, c) = 1.0f;
        }
    return spikes;
}

/// [batch, steps, in], or [batch, in] as a current that stays for neuron.steps, to [batch, out]. S is
/// the type of the neurons' potentials.
template <LayerPrecision P, NeuralValue S = float, class On = Host>
struct SpikingMlp {
    using Memory = typename On::Memory;
    using Activations = Tensor<float, Memory>;
    template <class Q>
    using rebind = SpikingMlp<Q, S, On>;
    static constexpr const char* name = "spiking_mlp";

    Linear<P, On> fc;
    LifLayer<P, S, On> neurons;
    Linear<P, On> proj;
    SpikingMlpConfig config;

    /// What backward needs.
    struct Saved {
        typename Linear<P, On>::Saved fc;
        typename LifLayer<P, S, On>::Saved neurons;
        typename Linear<P, On>::Saved proj;
    };

    SpikingMlp() = default;
    /// All zeros. Errors as Linear's and LifLayer's; a readout out of its range.
    explicit SpikingMlp(const SpikingMlpConfig& c)
        : fc({.in = c.in, .out = c.hidden}),
          neurons(c.neuron),
          proj({.in = c.hidden, .out = c.out}),
          config(c) {
        if (!(c.readout >= 0.0f && c.readout <= 1.0f))
            fail("SpikingMlp: readout is " + std::to_string(c.readout) + ", expected 0 to 1");
    }
    /// Each Linear from its own draw.
    SpikingMlp(const SpikingMlpConfig& c, Seed seed) : SpikingMlp(c) {
        fc = Linear<P, On>({.in = c.in, .out = c.hidden}, seed.part(0));
        proj = Linear<P, On>({.in = c.hidden, .out = c.out}, seed.part(1));
    }

    template <class F, class... L>
    static void parameters(F&& f, L&... l) {
        f("fc", l.fc...);
        f("neurons", l.neurons...);
        f("proj", l.proj...);
    }

    [[nodiscard]] Activations forward(On& on, Activations x, Saved* saved = nullptr) const {
        auto current = fc.forward(on, std::move(x), saved ? &saved->fc : nullptr);
        const auto spikes =
            neurons.forward(on, std::move(current), saved ? &saved->neurons : nullptr);
        return proj.forward(on, mean_over_time(on, spikes), saved ? &saved->proj : nullptr);
    }

    [[nodiscard]] Activations backward(On& on, const Saved& saved, Activations dy,
                                       rebind<float>& gradient) const {
        const auto dmean = proj.backward(on, saved.proj, std::move(dy), gradient.proj);
        const Sequences s(saved.neurons.u.shape());
        Activations dspikes(saved.neurons.u.shape());
        const std::vector<float> share = shares(s.steps);
        each_unit(on, s.batch, dmean.cols(), [&](std::size_t b, UnitRange<A> u) {
            const B d = u.load(dmean.data() + b * dmean.stride());
            for (std::size_t t = 0; t < s.steps; ++t)
                u.store(B(share[t]) * d, dspikes.data() + (b * s.steps + t) * dspikes.stride());
        });
        auto dcurrent = neurons.backward(on, saved.neurons, std::move(dspikes), gradient.neurons);
        return fc.backward(on, saved.fc, std::move(dcurrent), gradient.fc);
    }

    /// The mean number of spikes a hidden neuron fires for an example.
    [[nodiscard]] double activity(On& on, Activations x) const {
        const auto spikes = neurons.forward(on, fc.forward(on, std::move(x)));
        double n = 0.0;
        for (std::size_t r = 0; r < spikes.rows(); ++r)
            for (std::size_t c = 0; c < spikes.cols(); ++c) n += static_cast<double>(spikes(r, c));
        const Sequences s(spikes.shape());
        return n / static_cast<double>(s.batch * spikes.cols());
    }

private:
    using A = typename On::InstructionSet;
    using B = nibble::Batch<float, A>;

    // The share that a spike at step t has in the mean over the steps of a leaky sum, times the steps
    // that a lasting spike train needs to fill it.
    [[nodiscard]] std::vector<float> shares(std::size_t steps) const {
        std::vector<float> share(steps);
        float stays = 0.0f;
        for (std::size_t t = steps; t-- > 0;) {
            stays = stays * config.readout + 1.0f;
            share[t] = stays / static_cast<float>(steps);
        }
        return share;
    }
    [[nodiscard]] Activations mean_over_time(On& on, const Activations& spikes) const {
        const Sequences s(spikes.shape());
        Activations mean(Shape{s.batch, spikes.cols()});
        const std::vector<float> share = shares(s.steps);
        each_unit(on, s.batch, mean.cols(), [&](std::size_t b, UnitRange<A> u) {
            B sum(0.0f);
            for (std::size_t t = 0; t < s.steps; ++t)
                sum = fma(B(share[t]), u.load(spikes.data() + (b * s.steps + t) * spikes.stride()),
                          sum);
            u.store(sum, mean.data() + b * mean.stride());
        });
        return mean;
    }
};

}  // namespace nibble
