// A trained Llama in each of its forms gives the recorded logits and text.
#include <nibble/io/tokenizer_bin.hpp>
#include <nibble/model/generate.hpp>
#include <nibble/model/open.hpp>
#include <nibble/model/save_gguf.hpp>

#include <doctest/doctest.h>

#include "support/data.hpp"
#include "support/temporary.hpp"

#include <cmath>

using namespace nibble;

namespace {

Json golden() {
    const std::string path = test::data_file("stories260K-hf/golden.json").string();
    return parse_json(test::read_file(path), path);
}

/// The greatest difference from recorded logits, over the largest of them.
double relative_difference(View<const float> logits, std::size_t row, const Json& recorded) {
    double worst = 0, largest = 0;
    for (std::size_t i = 0; i < logits.cols; ++i) {
        const double r = recorded[i].get<double>();
        worst = std::max(worst, std::fabs(static_cast<double>(logits(row, i)) - r));
        largest = std::max(largest, std::fabs(r));
    }
    return worst / largest;
}

void check_golden(const Llama<float>& model) {
    Host on;
    const Json recorded = golden();
    const auto expected = recorded["greedy_ids"].get<std::vector<std::int32_t>>();
    Session session(model);
    std::vector<std::int32_t> ids{1};
    generate(on, session, std::vector<std::int32_t>{1}, {.tokens = 199},
             [&](std::int32_t id) { return ids.push_back(id), true; });
    CHECK(ids == expected);

    const auto logits = model.forward(on, Tokens{expected, expected.size()});
    CHECK(relative_difference(logits.view(), 0, recorded["logits_after_bos"]) < 1e-4);
    CHECK(relative_difference(logits.view(), 64, recorded["logits_at_64"]) < 1e-4);
    // A prompt through the caches gives what the whole forward pass gives.
    session.reset();
    const auto fed = session.feed(on, expected);
    CHECK(relative_difference(fed.view(), 0, recorded["logits_after_bos"]) < 1e-4);
    CHECK(relative_difference(fed.view(), 64, recorded["logits_at_64"]) < 1e-4);
}

}  // namespace

TEST_CASE(
    "published safetensors, llama2.c's form, a checkpoint of our own and GGUF agree with the "
    "record") {
    Host on;
    const auto published = ModelFile::open(test::data_file("stories260K-hf").string());
    CHECK(published.kind() == ModelKind::llama);
    CHECK_FALSE(published.llama().interleaved);
    LoadReport report;
    const auto model = published.load<Llama<float>>(on, &report);
    CHECK(report.tensors == 47);
    check_golden(model);
    const auto bin = ModelFile::open(test::data_file("stories260K.bin").string());
    CHECK(bin.llama().interleaved);
    const auto neighbours = bin.load<Llama<float>>(on);
    check_golden(neighbours);
    test::Temporary folder;
    save(model, folder / "ours.safetensors");
    check_golden(ModelFile::open(folder / "ours.safetensors").load<Llama<float>>(on));
    for (const Llama<float>* from : {&model, &neighbours}) {
        save_gguf(on, *from, folder / "ours.gguf", GgufType::F32, [](GgufWriter&) {});
        check_golden(ModelFile::open(folder / "ours.gguf").load<Llama<float>>(on));
    }
}
