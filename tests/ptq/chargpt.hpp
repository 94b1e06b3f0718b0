// The trained character-GPT and its text, for the tests of what quantizing costs. Needs
// chargpt-shakespeare/ and tinyshakespeare.txt.
#pragma once

#include <nibble/model/gpt2.hpp>
#include <nibble/model/links.hpp>
#include <nibble/model/load.hpp>
#include <nibble/model/save_quantized.hpp>

#include <doctest/doctest.h>

#include "support/data.hpp"
#include "support/temporary.hpp"

namespace test {

using namespace nibble;

using Model = Gpt2<float, ptq::Watched>;

/// The model, nine tenths of the text to calibrate with, the rest to judge by.
struct Bench {
    ptq::Watched on;
    Model model{{.vocabulary = 65, .context = 64, .layers = 4, .heads = 4, .channels = 128}};
    ptq::Windows calibration, validation;
    ptq::Reference exact;
    ptq::Evaluation before;

    Bench() {
        LoadOptions options;
        options.name = [](const std::string& n) { return "transformer." + n; };
        options.transposed = [](const std::string& n) {
            return n.find(".c_") != n.npos && n.ends_with("weight");
        };
        load_into(on, model, data_file("chargpt-shakespeare/model.safetensors").string(), options);
        const std::string text = read_file(data_file("tinyshakespeare.txt").string());
        std::int32_t number[256] = {}, next = 0;
        bool seen[256] = {};
        for (const char c : text) seen[static_cast<unsigned char>(c)] = true;
        for (int c = 0; c < 256; ++c)
            if (seen[c]) number[c] = next++;
        REQUIRE(next == 65);
        std::vector<std::int32_t> ids;
        for (const char c : text) ids.push_back(number[static_cast<unsigned char>(c)]);
        const std::span<const std::int32_t> all = ids;
        const std::size_t split = ids.size() * 9 / 10;
        calibration = ptq::windows_of(all.first(split), 64, 100, 128);
        // Every sixth of the 1,742 windows: 18,600 tokens, some 0.002 from the loss over all of them.
        validation = ptq::windows_of(all.subspan(split), 64, 6);
        auto net = ptq::network_of(on, model);
        exact = ptq::reference_of(on, validation, net.forward);
        before = ptq::evaluate(on, validation, net.forward, &exact);
        CHECK(before.loss == doctest::Approx(1.745).epsilon(0.02));
        CHECK(before.accuracy == doctest::Approx(0.48).epsilon(0.03));
    }
    /// The loss above the exact model's.
    double loss_above(const char* policy, ptq::Recipe recipe, double* kept = nullptr) {
        Model copy = model;
        auto net = linked_network(on, copy);
        recipe.policy = ptq::parse_policy(policy, "policy");
        const auto outcome = ptq::quantize(net, calibration, recipe);
        const auto after = ptq::evaluate(on, validation, net.forward, &exact);
        MESSAGE(std::string(name_of(recipe.method))
                << ", " << to_string(recipe.policy("h.0.mlp.c_fc.weight"))
                << std::string(recipe.tune.steps != 0 ? ", tuned" : "") << ": loss "
                << after.loss - before.loss << " above, top-1 kept "
                << 100 * after.accuracy / before.accuracy << " %, KL " << after.kl);
        if (kept != nullptr) *kept = after.accuracy / before.accuracy;
        return after.loss - before.loss;
    }
};

}  // namespace test
