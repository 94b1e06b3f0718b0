// A guitar amplifier in twenty recurrent units: trained in a second, then run sample by sample as a
// plug-in would, with its sizes known to the compiler.
//
// The amplifier to learn is made up: a tube-like curve, driven harder while the signal is loud. A
// recurrent net sees its input and output only. The trained layers are copied into a fixed::Chain, whose
// forward neither allocates nor throws, and a buffer of sound is processed to see how much of a core it
// takes.
#include <nibble/fixed/chain.hpp>
#include <nibble/fixed/linear.hpp>
#include <nibble/fixed/lstm.hpp>
#include <nibble/fixed/parameters.hpp>
#include <nibble/layer/linear.hpp>
#include <nibble/layer/loss.hpp>
#include <nibble/layer/lstm.hpp>
#include <nibble/layer/sequential.hpp>
#include <nibble/optim/adamw.hpp>
#include <nibble/train/trainer.hpp>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <vector>

using namespace nibble;

namespace {

constexpr float sample_rate = 48000.0f;

/// The amplifier that is to be learnt.
struct Tube {
    float loudness = 0.0f;
    float operator()(float x) {
        loudness += 0.05f * (std::fabs(x) - loudness);
        return std::tanh((2.0f + 6.0f * loudness) * x + 0.1f) - 0.1f;
    }
};

/// A plucked string: a few harmonics that die away, from a random time on.
float pluck(float t, float pitch) {
    const float w = 6.2831853f * pitch * t;
    return std::exp(-6.0f * t) *
           (0.6f * std::sin(w) + 0.3f * std::sin(2 * w) + 0.2f * std::sin(3 * w));
}

/// Pieces of dry and amplified sound, each `steps` samples long.
struct Pieces {
    Tensor<float> input, target;
};
Pieces pieces(Random& random, std::size_t count, std::size_t steps) {
    Pieces p{Tensor<float>(Shape{count, steps, 1}), Tensor<float>(Shape{count, steps, 1})};
    for (std::size_t b = 0; b < count; ++b) {
        Tube tube;
        const float pitch = 80.0f * std::exp2(3.0f * static_cast<float>(random.uniform()));
        for (std::size_t t = 0; t < steps; ++t) {
            const float x = pluck(static_cast<float>(t) / sample_rate, pitch);
            p.input(b * steps + t, 0) = x;
            p.target(b * steps + t, 0) = tube(x);
        }
    }
    return p;
}

// quote: net
// The form that is trained, and the one that plays. Both have the same parameters.
using Trained = Sequential<Lstm<float>, Linear<float>>;
using Amp = fixed::Chain<fixed::Lstm<float, 1, 20>, fixed::Linear<float, 20, 1>>;

void process(Amp& amp, std::span<float> buffer) {
    for (float& sample : buffer) sample = amp.forward(sample)[0];
}
// end quote

}  // namespace

int main() {
    // quote: train
    Host on(1);
    Trained net(Lstm<float>({.in = 1, .hidden = 20}, Seed{1}),
                Linear<float>({.in = 20, .out = 1}, Seed{2}));
    BasicAdamW<Trained> adam(net, {.rate = 1e-2f, .decay = 0.0f});
    Trainer train(on, net, adam, mean_square, {.clip_norm = 1.0f});
    Random random(7);
    for (int step = 1; step <= 150; ++step) {
        const auto loss = train.step(pieces(random, 8, 128));
        if (step % 50 == 0) std::printf("step %3d  mean square error %.5f\n", step, double(loss));
    }

    static Amp amp;  // all there is: weights and state, no heap
    if (!fixed::copy_parameters(net, amp)) return 1;
    // end quote

    // Against the amplifier itself, on a note it has not heard.
    Tube tube;
    double error = 0, power = 0;
    std::vector<float> buffer(48000);
    for (std::size_t t = 0; t < buffer.size(); ++t)
        buffer[t] = pluck(static_cast<float>(t % 12000) / sample_rate, 146.8f);
    std::vector<float> wanted(buffer.size());
    for (std::size_t t = 0; t < buffer.size(); ++t) wanted[t] = tube(buffer[t]);

    const auto start = std::chrono::steady_clock::now();
    process(amp, buffer);
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    for (std::size_t t = 0; t < buffer.size(); ++t) {
        error += std::pow(double{buffer[t]} - double{wanted[t]}, 2.0);
        power += std::pow(double{wanted[t]}, 2.0);
    }
    std::printf("error %.1f dB below the signal\n", 10 * std::log10(power / error));
    std::printf("a second of sound in %.2f ms: %.0f times real time, %.0f ns a sample, %zu bytes\n",
                1e3 * seconds, 1.0 / seconds, 1e9 * seconds / 48000.0, sizeof(amp));
    return error < 0.1 * power ? 0 : 1;
}
