// Choose a precision: one network, trained once in FP32, then loaded at several precisions.
//
//     digits_precision                                     drawn digits, a few seconds
//     digits_precision --train optdigits.tra.csv --test optdigits.tes.csv
//     digits_precision --train mnist-train-images-idx3-ubyte --test mnist-t10k-images-idx3-ubyte
#include <nibble/model/load.hpp>
#include <nibble/nibble.hpp>

#include "support/dataset.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <vector>

using namespace nibble;

/// Which output is the largest in each row.
std::vector<int> classes(const Tensor<float>& logits) {
    std::vector<int> found;
    for (std::size_t r = 0; r < logits.rows(); ++r) {
        const auto row = logits.row(r).units();
        found.push_back(argmax(row));
    }
    return found;
}

struct Result {
    double accuracy;
    std::size_t bytes;
};

// quote: precision
template <Precision P>
Result measure(const std::string& path, const Dataset& test) {
    const auto net = load<Mlp<P>>(path);  // converts to P while reading
    Host on;                              // threads
    int hits = 0;
    for (auto& batch : test.batches(256)) {
        const auto found = classes(net.forward(on, batch.input));
        for (std::size_t i = 0; i < found.size(); ++i) hits += found[i] == batch.target[i];
    }
    return {double(hits) / double(test.size()), parameter_bytes(net)};
}
// end quote

void train(const Dataset& data, std::size_t hidden, int epochs, std::uint64_t seed,
           const std::string& path) {
    Host on;
    Mlp<float> net({.in = data.pixels(), .hidden = hidden, .out = std::size_t(data.classes())},
                   Seed{seed});
    AdamW<Mlp, float> adam(net, {.rate = 2e-3f, .decay = 0.01f});
    Trainer trainer(on, net, adam, cross_entropy);
    for (int epoch = 1; epoch <= epochs; ++epoch) {
        double sum = 0;
        int count = 0;
        for (auto& batch : data.batches(64, seed + std::uint64_t(epoch))) {
            sum += double(trainer.step(batch));
            ++count;
        }
        std::printf("epoch %d of %d: loss %.4f\n", epoch, epochs, sum / count);
    }
    save(net, path);
}

int main(int argc, char** argv) try {
    CLI::App app{"Trains a digit classifier in FP32 and runs it at several precisions."};
    std::string train_file, test_file, path = "digits.safetensors";
    std::size_t hidden = 64;
    int epochs = 6;
    std::uint64_t seed = 1;
    app.add_option("--train", train_file, "images to train on (IDX or CSV); drawn digits without");
    app.add_option("--test", test_file, "images to test with");
    app.add_option("--model", path, "where the trained network is kept")->capture_default_str();
    app.add_option("--hidden", hidden, "hidden units")
        ->capture_default_str()
        ->check(CLI::Range(8, 65536));
    app.add_option("--epochs", epochs, "passes over the images")
        ->capture_default_str()
        ->check(CLI::Range(1, 1000));
    app.add_option("--seed", seed, "of weights, order and drawn digits")->capture_default_str();
    CLI11_PARSE(app, argc, argv);

    const Dataset images =
        train_file.empty() ? Dataset::digits(6000, seed, 16) : Dataset::open(train_file);
    const Dataset test =
        test_file.empty() ? Dataset::digits(2000, seed + 1000, 16) : Dataset::open(test_file);
    if (images.pixels() != test.pixels()) fail("training and test images differ in size");
    train(images, hidden, epochs, seed, path);

    std::printf("\n%-22s %10s %9s\n", "precision", "bytes", "accuracy");
    const auto show = [&](const char* name, Result r) {
        std::printf("%-22s %10zu %8.2f%%\n", name, r.bytes, 100 * r.accuracy);
        return r.accuracy;
    };
    const double exact = show("fp32", measure<float>(path, test));
    show("bf16", measure<bfloat16>(path, test));
    show("int8, per row", measure<PerRow<Int8Value>>(path, test));
    const double int4 = show("int4, groups of 32", measure<Grouped<Int4Value, 32>>(path, test));
    show("int8 and int8 inputs", measure<W8A8>(path, test));
    show("int2, groups of 32", measure<Grouped<Int2Value, 32>>(path, test));
    return int4 >= 0.85 * exact ? 0 : 1;
} catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
}
