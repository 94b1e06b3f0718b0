// A trained GPT-2 in the layout of other libraries, loaded at several precisions.
#include <nibble/model/gpt2.hpp>
#include <nibble/model/load.hpp>

#include <doctest/doctest.h>

#include "support/data.hpp"
#include "support/temporary.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

using namespace nibble;

namespace {

const Gpt2Config sizes{.vocabulary = 65, .context = 64, .layers = 4, .heads = 4, .channels = 128};

/// Names with a prefix, and matrices as [in, out].
LoadOptions published() {
    LoadOptions options;
    options.name = [](const std::string& n) { return "transformer." + n; };
    options.transposed = [](const std::string& n) {
        return n.find(".c_") != n.npos && n.ends_with("weight");
    };
    return options;
}

template <class P>
double greatest_difference(const Gpt2<P>& gpt, const Json& golden, const Json& vocabulary) {
    Host on;
    std::vector<std::int32_t> ids;
    for (const char c : golden["first_window_text"].get<std::string>())
        ids.push_back(vocabulary[std::string(1, c)].get<std::int32_t>());
    const auto logits = gpt.forward(on, Tokens{ids, ids.size()});
    double worst = 0;
    for (const auto& [key, row] : {std::pair{"logits_pos0", 0u}, {"logits_pos63", 63u}})
        for (std::size_t i = 0; i < 65; ++i)
            worst = std::max(worst, std::fabs(double(logits(row, i)) - double(golden[key][i])));
    return worst;
}

}  // namespace

TEST_CASE("a published checkpoint gives its golden logits, and keeps them through a save") {
    const auto json = [](const char* name) {
        const std::string path = test::data_file(name).string();
        return parse_json(test::read_file(path), path);
    };
    const Json golden = json("chargpt-shakespeare/golden.json");
    const Json vocabulary = json("chargpt-shakespeare/vocab.json");
    const auto file =
        SafetensorsFile::open(test::data_file("chargpt-shakespeare/model.safetensors").string());
    Host on;
    Gpt2<float> exact(sizes);
    CHECK(load_into(on, exact, file, published()).tensors == 52);
    CHECK(greatest_difference(exact, golden, vocabulary) < 1e-3);

    // The recorded text, which goes on from the last 64 characters each time.
    std::string said = golden["greedy_prompt"].get<std::string>();
    for (int i = 0; i < 96; ++i) {
        std::vector<std::int32_t> ids;
        for (const char c : said.substr(said.size() - std::min<std::size_t>(said.size(), 64)))
            ids.push_back(vocabulary[std::string(1, c)].get<std::int32_t>());
        const auto logits = exact.forward(on, Tokens{ids, ids.size()});
        const float* row = logits.view().row(ids.size() - 1);
        for (const auto& [name, id] : vocabulary.items())
            if (id == std::max_element(row, row + 65) - row) said += name;
    }
    CHECK(said ==
          golden["greedy_prompt"].get<std::string>() + golden["greedy_96"].get<std::string>());

    test::Temporary folder;
    save(exact, folder / "ours");
    const auto again = load<Gpt2<float>>(folder / "ours");
    CHECK(again.config.heads == 4);
    CHECK(greatest_difference(again, golden, vocabulary) < 1e-3);
    CHECK(greatest_difference(load<Gpt2<PerRow<Int8Value>>>(folder / "ours"), golden, vocabulary) <
          1.0);

    // The file is of another layout than the model: that must not go unnoticed.
    LoadOptions wrong = published();
    wrong.transposed = nullptr;
    CHECK(
        test::contains(test::message_of([&] { load_into(on, exact, file, wrong); }),
                       "of the wrong shape: transformer.h.0.attn.c_attn.weight is [128, 384], the "
                       "model's is [384, 128]"));
}

TEST_CASE("the same names and layout need no options") {
    Host on;
    Gpt2<bfloat16> gpt(sizes);
    const auto report = load_into(
        on, gpt, test::data_file("chargpt-shakespeare/init-seed1337.safetensors").string());
    CHECK(report.tensors == 52);
    CHECK(report.not_finite == 0);
}
