// The trained models at INT8: the text that FP32 makes, and how far their logits move; and what keys and
// values in 8 and 4 bits cost.
#include <nibble/io/tokenizer_file.hpp>
#include <nibble/layer/loss.hpp>
#include <nibble/model/generate.hpp>
#include <nibble/model/open.hpp>

#include <doctest/doctest.h>

#include "support/data.hpp"
#include "support/temporary.hpp"

#include <cmath>

using namespace nibble;

namespace {

using Int8 = Grouped<Int8Value, 32>;

/// Greedy tokens after `prompt`.
template <class Model>
std::vector<std::int32_t> greedy(Host& on, const Model& model, std::vector<std::int32_t> prompt,
                                 std::size_t tokens) {
    Session session(model, KvSequence<>::of<float>(model.kv_config()));
    std::vector<std::int32_t> made;
    generate(on, session, prompt, {.tokens = tokens},
             [&](std::int32_t id) { return made.push_back(id), true; });
    return made;
}

/// Mean loss of windows of 64 of the validation text with keys and values in F.
template <Format F>
double loss(Host& on, const Gpt2<Int8>& model, std::span<const std::int32_t> text) {
    auto sequence = KvSequence<>::of<F>(model.kv_config());
    double sum = 0;
    std::size_t windows = 0;
    for (std::size_t first = 0; first + 64 < text.size(); first += 64, ++windows) {
        sequence.clear();
        const KvPart<> part{&sequence, 64};
        const auto logits = model.logits(
            on, model.hidden(on, text.subspan(first, 64), std::span<const KvPart<>>(&part, 1)));
        const std::vector<std::int32_t> target(text.begin() + std::ptrdiff_t(first) + 1,
                                               text.begin() + std::ptrdiff_t(first) + 65);
        sum += static_cast<double>(softmax_cross_entropy(on, logits.view(), target).loss);
    }
    return sum / static_cast<double>(windows);
}

}  // namespace

TEST_CASE("stories at INT8: the first hundred tokens are those of FP32") {
    Host on(1);
    const std::string path = test::data_file("stories260K-hf/golden.json").string();
    const Json golden = parse_json(test::read_file(path), path);
    const auto expected = golden["greedy_ids"].get<std::vector<std::int32_t>>();
    const auto file = ModelFile::open(test::data_file("stories260K.bin").string());
    const auto made = greedy(on, file.load<Llama<Int8>>(on), {1}, 100);
    CHECK(made == std::vector<std::int32_t>(expected.begin() + 1, expected.begin() + 101));
}

TEST_CASE("the character-GPT at INT8, and its keys and values in 8 and 4 bits") {
    Host on(1);
    const std::string folder = test::data_file("chargpt-shakespeare").string();
    const auto model = ModelFile::open(folder).load<Gpt2<Int8>>(on);
    const Tokenizer words = read_tokenizer(folder);
    const Json golden =
        parse_json(test::read_file(folder + "/golden.json"), folder + "/golden.json");
    // The record goes on from the last 64 characters each time.
    auto said = words.encode(golden["greedy_prompt"].get<std::string>());
    for (int i = 0; i < 96; ++i) {
        const auto last =
            std::span<const std::int32_t>(said).last(std::min<std::size_t>(said.size(), 64));
        const auto logits = model.forward(on, Tokens{last, last.size()});
        said.push_back(Sampler().next({logits.view().row(last.size() - 1), logits.cols()}));
    }
    CHECK(words.decode(said) ==
          golden["greedy_prompt"].get<std::string>() + golden["greedy_96"].get<std::string>());

    const std::string text = test::read_file(test::data_file("tinyshakespeare.txt").string());
    const auto ids = words.encode(text.substr(text.size() / 10 * 9, 64 * 200 + 1));
    const double exact = loss<float>(on, model, ids);
    const double eight = loss<PerRow<Int8Value>>(on, model, ids) - exact;
    const double four = loss<PerRow<Int4Value, half, Offset::stored>>(on, model, ids) - exact;
    MESSAGE("loss " << exact << ", keys and values in INT8 " << eight << ", in INT4 " << four);
    CHECK(eight < 0.001);
    CHECK(four < 0.008);
}
