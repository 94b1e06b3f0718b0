// Train a small network whose weights are INT4 all along: no FP32 copy of them, and moments of 8
// bits.
//
//     train_int4                                                    drawn digits
//     train_int4 --train mnist-train-images-idx3-ubyte.gz --test mnist-t10k-images-idx3-ubyte.gz
#include <nibble/model/load.hpp>
#include <nibble/nibble.hpp>

#include "support/dataset.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>

using namespace nibble;

/// The share of a data set that `net` recognises.
template <class Net>
double accuracy(Host& on, const Net& net, const Dataset& data) {
    int hits = 0;
    for (auto& batch : data.batches(256)) {
        const auto logits = net.forward(on, batch.input);
        for (std::size_t r = 0; r < logits.rows(); ++r) {
            const auto row = logits.row(r).units();
            hits += argmax(row) == batch.target[r];
        }
    }
    return double(hits) / double(data.size());
}

int main(int argc, char** argv) try {
    CLI::App app{"Trains a digit classifier in INT4, without a copy of its weights in FP32."};
    std::string train_file, test_file, path = "digits-int4.safetensors";
    int epochs = 6;
    std::uint64_t seed = 1;
    app.add_option("--train", train_file, "images to train on (IDX or CSV); drawn digits without");
    app.add_option("--test", test_file, "images to test with");
    app.add_option("--model", path, "where the network is saved")->capture_default_str();
    app.add_option("--epochs", epochs, "passes over the images")
        ->capture_default_str()
        ->check(CLI::Range(1, 1000));
    app.add_option("--seed", seed, "of weights, order and drawn digits")->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    const Dataset images =
        train_file.empty() ? Dataset::digits(6000, seed, 16) : Dataset::open(train_file);
    const Dataset test =
        test_file.empty() ? Dataset::digits(2000, seed + 1000, 16) : Dataset::open(test_file);

    // quote: train
    using P = Grouped<Int4Value, 32>;
    Host on;
    Mlp<P> net({.in = images.pixels(), .hidden = 256, .out = 10}, Seed{seed});
    AdamW<Mlp, P, Grouped<Int8Value, 256>> adam(net, {.rate = 1e-3f});  // 8-bit moments
    Trainer train(on, net, adam, cross_entropy);
    for (int epoch = 1; epoch <= epochs; ++epoch)
        for (auto& batch : images.batches(64, seed + std::uint64_t(epoch))) {
            const float loss = train.step(batch);
            if (train.steps() % 100 == 0) std::printf("%5d %.3f\n", train.steps(), double(loss));
        }
    save(net, path);
    // end quote

    const double share = accuracy(on, load<Mlp<P>>(path), test);
    std::printf("accuracy %.2f%%; weights %zu bytes, optimizer %zu bytes (FP32: %zu and %zu)\n",
                100 * share, parameter_bytes(net), adam.bytes(), 4 * parameter_count(net),
                8 * parameter_count(net));
    return share > 0.5 ? 0 : 1;
} catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
}
