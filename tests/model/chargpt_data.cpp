// The reference run: the same weights, batches and schedule as a recorded training elsewhere must give
// the same losses. Needs chargpt-shakespeare/ and tinyshakespeare.txt in NIBBLE_DATA_DIR.
#include <doctest/doctest.h>

#include <nibble/io/file.hpp>
#include <nibble/io/safetensors.hpp>
#include <nibble/model/gpt2.hpp>
#include <nibble/nibble.hpp>

#include <nlohmann/json.hpp>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

using namespace nibble;

namespace {

constexpr Gpt2Config reference{
    .vocabulary = 65, .context = 64, .layers = 4, .heads = 4, .channels = 128};
constexpr std::size_t batch_size = 8, length = 64;

std::string data_file(const std::string& name) {
    return std::string(std::getenv("NIBBLE_DATA_DIR")) + "/" + name;
}

/// The text as numbers of its sorted characters: nine tenths to train on, the rest to validate.
struct Corpus {
    std::vector<std::int32_t> train, validation;

    Corpus() {
        std::ifstream file(data_file("tinyshakespeare.txt"), std::ios::binary);
        const std::string text((std::istreambuf_iterator<char>(file)), {});
        REQUIRE(text.size() == 1115394);
        std::int32_t number[256] = {}, next = 0;
        bool seen[256] = {};
        for (const char c : text) seen[static_cast<unsigned char>(c)] = true;
        for (int c = 0; c < 256; ++c)
            if (seen[c]) number[c] = next++;
        REQUIRE(next == 65);
        const std::size_t split = text.size() * 9 / 10;
        for (std::size_t i = 0; i < text.size(); ++i)
            (i < split ? train : validation).push_back(number[static_cast<unsigned char>(text[i])]);
    }
};

struct TokenBatch {
    std::vector<std::int32_t> ids, target;
    Tokens input;

    template <class Offsets>
    TokenBatch(const std::vector<std::int32_t>& text, const Offsets& offsets) {
        for (const std::size_t at : offsets)
            for (std::size_t i = 0; i < length; ++i) {
                ids.push_back(text[at + i]);
                target.push_back(text[at + i + 1]);
            }
        input = {ids, length};
    }
    TokenBatch(const TokenBatch&) = delete;
};

struct Validation {
    double loss = 0, accuracy = 0;
};

/// Mean loss and top-1 accuracy over all non-overlapping windows.
template <class Net>
Validation validate(Host& on, const Net& net, const std::vector<std::int32_t>& text) {
    const std::size_t windows = (text.size() - 1) / length;
    Validation v;
    for (std::size_t first = 0; first < windows; first += 64) {
        std::vector<std::size_t> offsets;
        for (std::size_t w = first; w < windows && w < first + 64; ++w)
            offsets.push_back(w * length);
        const TokenBatch batch(text, offsets);
        const auto logits = net.forward(on, batch.input);
        const auto found = softmax_cross_entropy(on, logits.view(), batch.target);
        v.loss += found.loss * static_cast<double>(found.counted);
        v.accuracy += static_cast<double>(found.correct);
    }
    v.loss /= static_cast<double>(windows * length);
    v.accuracy /= static_cast<double>(windows * length);
    return v;
}

nlohmann::json read_json(const std::string& name) {
    std::ifstream file(data_file("chargpt-shakespeare/" + name));
    return nlohmann::json::parse(file);
}

Gpt2<float> starting_net() {
    Gpt2<float> net(reference);
    const auto file =
        SafetensorsFile::open(data_file("chargpt-shakespeare/init-seed1337.safetensors"));
    for_each_parameter(
        [&](const std::string& name, auto& p) {
            if (name.find("bias") != std::string::npos || name.find("ln_") != std::string::npos)
                return;
            if constexpr (!is_tensor<std::remove_reference_t<decltype(p)>>) {
                const auto bytes = file.bytes(file.at(name));
                REQUIRE(bytes.size() == p.size() * sizeof(float));
                for (std::size_t r = 0; r < p.rows(); ++r)
                    std::memcpy(p.codes().view().row(r),
                                bytes.data() + r * p.cols() * sizeof(float),
                                p.cols() * sizeof(float));
            }
        },
        net);
    return net;
}

}  // namespace

TEST_CASE("a seeded start gives the recorded starting weights") {
    const auto recorded = starting_net();
    const Gpt2<float> drawn(reference, Seed{1337});
    CHECK(parameter_count(drawn) == 809856);
    for_each_parameter(
        [](const std::string& name, const auto& a, const auto& b) {
            if constexpr (!is_tensor<std::remove_cvref_t<decltype(a)>>) {
                CAPTURE(name);
                double worst = 0;
                for (std::size_t r = 0; r < a.rows(); ++r)
                    for (std::size_t k = 0; k < a.cols(); ++k)
                        worst = std::fmax(worst, std::fabs(static_cast<double>(a(r, k) - b(r, k))));
                CHECK(worst < 1e-8);
            }
        },
        recorded, drawn);
}

TEST_CASE("FP32 follows the reference run of 2,000 steps at every recorded step") {
#if defined(NIBBLE_TEST_SHORT)
    constexpr std::size_t steps = 60;
#else
    constexpr std::size_t steps = 2000;
#endif
    const Corpus text;
    const auto curves = read_json("reference-curves.json");
    const auto& run = [&]() -> const nlohmann::json& {
        for (const auto& r : curves["runs"])
            if (r["scheme"] == "fp32" && r["steps"] == 2000) return r;
        throw std::runtime_error("no FP32 run of 2,000 steps is recorded");
    }();
    // One thread: the losses do not depend on it, and tests run side by side.
    Host on(1);
    auto net = starting_net();
    BasicAdamW<Gpt2<float>> adam(net,
                                 {.beta1 = 0.9f, .beta2 = 0.99f, .epsilon = 1e-8f, .decay = 0.1f});
    Trainer trainer(on, net, adam, cross_entropy, {.clip_norm = 1.0f});
    const WarmupCosine schedule{.rate = 1e-3f, .warmup = 100, .steps = 2000, .final_share = 0.1f};
    Random random(1337 ^ 0xD1CE);
    std::size_t record = 0;
    for (std::size_t step = 0; step <= steps; ++step) {
        if (record < run["log"].size() && run["log"][record]["step"] == step) {
            const auto v = validate(on, net, text.validation);
            const double expected = run["log"][record]["val_loss"];
            MESSAGE("step " << step << ": validation loss " << v.loss << " (recorded " << expected
                            << "), top-1 " << v.accuracy);
            CHECK(std::fabs(v.loss - expected) < 0.02);
            ++record;
        }
        if (step == steps) break;
        std::size_t offsets[batch_size];
        for (std::size_t& at : offsets) at = random.below(text.train.size() - 65);
        const TokenBatch batch(text.train, offsets);
        const double loss = static_cast<double>(trainer.step(batch, schedule));
        if (step < 20) {
            const double expected = run["train_first20"][step];
            CHECK(std::fabs(loss - expected) < (step < 3 ? 1e-4 : 2e-3));
        }
    }
    CHECK(record != 0);
    if (steps == 2000) CHECK(record == run["log"].size());
}
