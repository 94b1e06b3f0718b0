// Train spiking neurons with surrogate gradients, in FP32 and with INT4 weights and INT8 potentials.
//
//     spiking_training                                            Yin-Yang, made from a seed
//     spiking_training --train optdigits.tra.csv --test optdigits.tes.csv
//
// Yin-Yang (Kriener et al. 2022): points of a disc in three classes, each coordinate and its mirror
// image told by when one spike comes. Images: every pixel is a current that stays for all steps.
#include <nibble/layer/loss.hpp>
#include <nibble/layer/spiking_mlp.hpp>
#include <nibble/nibble.hpp>

#include "support/dataset.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <functional>
#include <utility>

using namespace nibble;

/// Batches of one pass over the data; `seed` 0: in order.
using Pass = std::function<void(std::uint64_t seed, const std::function<void(const ::Batch&)>&)>;

/// n points of the disc: four times and a spike that starts the clock.
Pass yin_yang(std::size_t n, std::uint64_t seed, std::size_t steps) {
    Random random(seed);
    std::vector<float> points;
    std::vector<std::int32_t> classes;
    while (classes.size() < n) {
        const double x = random.uniform(), y = random.uniform();
        if (std::hypot(x - 0.5, y - 0.5) > 0.5) continue;
        const double right = std::hypot(x - 0.75, y - 0.5), left = std::hypot(x - 0.25, y - 0.5);
        const bool dot = right < 0.1 || left < 0.1;
        const bool yin = (left > 0.1 && left <= 0.25) || (y > 0.5 && right > 0.25);
        const std::int32_t is = dot ? 2 : yin ? 0 : 1;
        if (is != static_cast<std::int32_t>(classes.size() % 3)) continue;  // as many of each
        for (const double feature : {x, y, 1.0 - x, 1.0 - y, 1.0})
            points.push_back(static_cast<float>(feature));
        classes.push_back(is);
    }
    return [=](std::uint64_t order_seed, const std::function<void(const ::Batch&)>& f) {
        std::vector<std::size_t> order(n);
        for (std::size_t i = 0; i < n; ++i) order[i] = i;
        Random shuffle(order_seed);
        for (std::size_t i = n; order_seed != 0 && i > 1; --i)
            std::swap(order[i - 1], order[shuffle.below(i)]);
        for (std::size_t first = 0; first < n; first += 100) {
            const std::size_t rows = std::min<std::size_t>(100, n - first);
            Tensor<float> x({rows, 5});
            ::Batch batch;
            for (std::size_t r = 0; r < rows; ++r) {
                for (std::size_t c = 0; c < 5; ++c) x(r, c) = points[order[first + r] * 5 + c];
                batch.target.push_back(classes[order[first + r]]);
            }
            batch.input = latency_spikes(x, steps);
            f(batch);
        }
    };
}

Pass images(const Dataset& data) {
    return [data](std::uint64_t seed, const std::function<void(const ::Batch&)>& f) {
        for (auto& batch : data.batches(50, seed)) f(batch);
    };
}

struct Task {
    Pass train, test;
    SpikingMlpConfig net;
    float rate;
};

// quote: train
template <LayerPrecision P, NeuralValue S>
double train(const char* name, const Task& task, int epochs, std::uint64_t seed) {
    using Net = SpikingMlp<P, S>;
    Host on;
    Net net(task.net, Seed{seed});
    // Straight-through: a master copy in float, forward and backward with what it rounds to.
    BasicAdamW<Net, float, float> adam(net, {.rate = task.rate, .decay = 0.0f});
    Trainer trainer(on, net, adam, cross_entropy);
    for (int epoch = 0; epoch < epochs; ++epoch) {
        const double done = double(epoch) / epochs;
        adam.options.rate = task.rate * float(0.52 + 0.5 * std::cos(3.14159 * done));
        task.train(seed + std::uint64_t(epoch) + 1,
                   [&](const ::Batch& batch) { trainer.step(batch); });
    }
    // end quote
    std::size_t hits = 0, all = 0;
    double spikes = 0.0;
    task.test(0, [&](const ::Batch& batch) {
        const auto logits = net.forward(on, batch.input);
        for (std::size_t r = 0; r < logits.rows(); ++r)
            hits += argmax(logits.row(r).units()) == batch.target[r] ? 1u : 0u;
        all += batch.target.size();
        spikes += net.activity(on, batch.input) * double(batch.target.size());
    });
    const double share = 100.0 * double(hits) / double(all);
    std::printf("%-28s %6.2f %%   %5.2f spikes a neuron and example, %zu bytes of weights\n", name,
                share, spikes / double(all), parameter_bytes(net));
    std::fflush(stdout);
    return share;
}

int main(int argc, char** argv) try {
    CLI::App app{"Trains a spiking classifier through time, in FP32 and at low precision."};
    std::string train_file, test_file;
    int epochs = 20;
    std::uint64_t seed = 4;
    double at_least = 95.0;
    app.add_option("--train", train_file, "images to train on (IDX or CSV); Yin-Yang without");
    app.add_option("--test", test_file, "images to test with")->needs("--train");
    app.add_option("--epochs", epochs, "passes over the data")
        ->capture_default_str()
        ->check(CLI::Range(1, 1000));
    app.add_option("--seed", seed, "of weights, order and points")->capture_default_str();
    app.add_option("--at-least", at_least, "per cent below which the program fails")
        ->capture_default_str();
    CLI11_PARSE(app, argc, argv);

    Task task;
    if (train_file.empty()) {
        constexpr std::size_t steps = 30;
        task = {yin_yang(5000, seed, steps),
                yin_yang(2000, seed + 1000, steps),
                {.in = 5, .hidden = 120, .out = 3, .neuron = {.leak = 0.95f}, .readout = 0.95f},
                0.015f};
    } else {
        if (test_file.empty()) fail("--train without --test");
        const Dataset data = Dataset::open(train_file);
        task = {images(data),
                images(Dataset::open(test_file)),
                {.in = data.pixels(), .hidden = 128, .out = 10, .neuron = {.steps = 10}},
                0.004f};
    }
    const double full = train<float, float>("FP32", task, epochs, seed);
    const double small =
        train<Grouped<Int4Value, 32>, Int8Value>("INT4 weights, INT8 state", task, epochs, seed);
    std::printf("difference %.2f points\n", full - small);
    return full >= at_least && small >= at_least - 1.0 ? 0 : 1;
} catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
}
