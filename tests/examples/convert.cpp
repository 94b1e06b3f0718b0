// convert as its user meets it: tensors from format to format, and a small Llama there and back.
// NIBBLE_CONVERT is the program's path.
#include <nibble/io/gguf_tensor.hpp>
#include <nibble/io/llama2c_writer.hpp>
#include <nibble/io/npz.hpp>
#include <nibble/io/safetensors.hpp>
#include <nibble/io/safetensors_writer.hpp>
#include <nibble/kernel/executor.hpp>

#include <doctest/doctest.h>

#include "support/program.hpp"

#include <cmath>
#include <utility>

using namespace nibble;
using test::contains;

namespace {

test::Outcome convert(const std::string& from, const std::string& to, const std::string& options,
                      const test::Temporary& folder) {
    return test::run(
        NIBBLE_CONVERT,
        "--quiet " + options + " \"" + (folder / from) + "\" \"" + (folder / to) + "\"", folder);
}

/// A Llama of 2 layers with reproducible weights, in llama2.c's form.
void write_llama(const std::string& path) {
    Llama2cHeader h;
    h.channels = 64;
    h.hidden = 96;
    h.layers = 2;
    h.heads = 4;
    h.kv_heads = 2;
    h.vocabulary = 40;
    h.context = 16;
    float x = 0;
    write_llama2c(path, h, [&](const std::string&, std::size_t, std::size_t, std::span<float> out) {
        for (float& v : out) v = std::sin(x += 1.0f) / 8;
    });
}

}  // namespace

TEST_CASE("tensors go through every format without a change") {
    test::Temporary folder;
    float x[96];
    for (std::size_t i = 0; i < 96; ++i) x[i] = std::sin(static_cast<float>(i));
    SafetensorsWriter tensors(folder / "a.safetensors");
    tensors.set("note", "hello");
    tensors.add("m", DType::F32, {3, 32}, std::as_bytes(std::span(x)));
    tensors.add("v", DType::F16, {4}, std::as_bytes(std::span(x).first(2)));
    tensors.commit();
    for (const auto& [from, to] :
         {std::pair{"a.safetensors", "b.gguf"}, {"b.gguf", "c.npz"}, {"c.npz", "d.safetensors"}}) {
        const auto outcome = convert(from, to, "", folder);
        INFO(outcome.error);
        REQUIRE(outcome.status == 0);
    }
    const auto first = SafetensorsFile::open(folder / "a.safetensors");
    const auto last = SafetensorsFile::open(folder / "d.safetensors");
    for (const FileTensor& t : first.tensors()) {
        const auto a = first.bytes(t), b = last.bytes(last.at(t.name));
        CHECK(last.at(t.name).dtype == t.dtype);
        CHECK(std::equal(a.begin(), a.end(), b.begin(), b.end()));
    }
    CHECK(GgufFile::open(folder / "b.gguf").text("source.note") == "hello");
    REQUIRE(convert("d.safetensors", "q.gguf", "--type q8_0", folder).status == 0);
    const GgufFile q = GgufFile::open(folder / "q.gguf");
    q.verify();
    CHECK(q.at("m").type == GgufType::Q8_0);
    CHECK(q.at("v").type == GgufType::F32);
    REQUIRE(convert("q.gguf", "back.npz", "--type f16", folder).status == 0);
    const NpzFile back = NpzFile::open(folder / "back.npz");
    std::vector<float> y(96);
    back.read_floats(*back.find("m"), y);
    for (std::size_t i = 0; i < 96; ++i) CHECK(std::fabs(x[i] - y[i]) < 0.006f);
}

TEST_CASE("a Llama from llama2.c's form to GGUF, to the published one, and back") {
    test::Temporary folder;
    write_llama(folder / "a.bin");
    for (const auto& [from, to] : {std::pair{"a.bin", "b.gguf"},
                                   {"b.gguf", "model.safetensors"},
                                   {"model.safetensors", "c.gguf"},
                                   {"c.gguf", "d.bin"}}) {
        const auto outcome = convert(from, to, "--model", folder);
        INFO(outcome.error);
        REQUIRE(outcome.status == 0);
    }
    CHECK(test::read_file(folder / "d.bin") == test::read_file(folder / "a.bin"));
    const auto config = nlohmann::json::parse(test::read_file(folder / "config.json"));
    CHECK(config["num_key_value_heads"] == 2);
    // Rotary pairs are neighbours here and halves there.
    const GgufFile gguf = GgufFile::open(folder / "b.gguf");
    const auto tensors = SafetensorsFile::open(folder / "model.safetensors");
    const std::byte* neighbours = gguf.bytes(gguf.at("blk.1.attn_q.weight")).data();
    const std::byte* halves =
        tensors.bytes(tensors.at("model.layers.1.self_attn.q_proj.weight")).data();
    const auto same = [&](std::size_t row, std::size_t published) {
        return std::memcmp(neighbours + row * 256, halves + published * 256, 256) == 0;
    };
    CHECK(same(0, 0));
    CHECK(same(1, 8));
    CHECK(same(2, 1));
    CHECK(same(33, 40));
    REQUIRE(convert("a.bin", "q.gguf", "--model --type q4_0", folder).status == 0);
    const GgufFile q = GgufFile::open(folder / "q.gguf");
    CHECK(q.at("blk.0.ffn_down.weight").type == GgufType::Q4_0);
    CHECK(q.integer("llama.attention.head_count_kv", 1, 4) == 2);
    CHECK(q.integer("general.file_type", 0, 99) == 2);
}

TEST_CASE("exit codes") {
    test::Temporary folder;
    write_llama(folder / "a.bin");
    CHECK(convert("a.bin", "b.txt", "", folder).status == 2);
    CHECK(convert("a.bin", "b.gguf", "--type q9", folder).status == 2);
    CHECK(convert("a.bin", "b.npz", "--type q4_0", folder).status == 2);
    CHECK(convert("a.bin", "b.npz", "--model", folder).status == 2);
    auto outcome = convert("none.gguf", "b.npz", "", folder);
    CHECK(outcome.status == 1);
    CHECK(contains(outcome.error, "none.gguf\": No such file"));
    // What fails leaves the old file.
    test::write_file(folder / "b.npz", "old");
    std::string cut = test::read_file(folder / "a.bin");
    test::write_file(folder / "cut.bin", cut.substr(0, cut.size() - 4));
    CHECK(convert("cut.bin", "b.npz", "", folder).status == 1);
    CHECK(test::read_file(folder / "b.npz") == "old");
    CHECK(test::run(NIBBLE_CONVERT, "--help", folder).status == 0);
}
