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
#include <filesystem>
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

TEST_CASE("a Llama with biases goes to GGUF and back") {
    test::Temporary folder;
    write_llama(folder / "a.bin");
    REQUIRE(convert("a.bin", "plain.safetensors", "--model", folder).status == 0);
    auto config = nlohmann::json::parse(test::read_file(folder / "config.json"));
    config["attention_bias"] = config["mlp_bias"] = true;
    const std::string one = folder / "one";
    std::filesystem::create_directory(one);
    test::write_file(one + "/config.json", config.dump());
    const auto plain = SafetensorsFile::open(folder / "plain.safetensors");
    SafetensorsWriter with_biases(one + "/model.safetensors");
    float x = 0;
    for (const FileTensor& t : plain.tensors()) {
        const std::string name(t.name);
        const auto bytes = plain.bytes(t);
        with_biases.add_owned(name, t.dtype, {t.shape.begin(), t.shape.end()},
                              {bytes.begin(), bytes.end()});
        const std::size_t end = name.find("_proj.weight");
        if (end == name.npos) continue;
        std::vector<float> bias(static_cast<std::size_t>(t.shape[0]));
        for (float& b : bias) b = x += 1;
        const auto of_bias = std::as_bytes(std::span<const float>(bias));
        with_biases.add_owned(name.substr(0, end) + "_proj.bias", DType::F32, {bias.size()},
                              {of_bias.begin(), of_bias.end()});
    }
    with_biases.commit();
    for (const auto& [from, to] : {std::pair{"one", "b.gguf"}, {"b.gguf", "two.safetensors"}}) {
        const auto outcome = convert(from, to, "--model", folder);
        INFO(outcome.error);
        REQUIRE(outcome.status == 0);
    }
    config = nlohmann::json::parse(test::read_file(folder / "config.json"));
    CHECK(config["attention_bias"] == true);
    CHECK(config["mlp_bias"] == true);
    const auto first = SafetensorsFile::open(one + "/model.safetensors");
    const auto last = SafetensorsFile::open(folder / "two.safetensors");
    CHECK(first.tensors().size() == last.tensors().size());
    for (const FileTensor& t : first.tensors()) {
        CAPTURE(t.name);
        const auto a = first.bytes(t), b = last.bytes(last.at(t.name));
        CHECK(std::equal(a.begin(), a.end(), b.begin(), b.end()));
    }
}

TEST_CASE("integers and doubles stay what they are, or are refused") {
    test::Temporary folder;
    const std::int64_t whole[] = {16777217, -9007199254740993};
    const double wide[] = {1e300, 0.1};
    const std::uint64_t two[] = {2}, large[] = {16777217, 1}, small[] = {5, 1};
    {
        ZipWriter zip(folder / "a.npz");
        add_npy(zip, "i", DType::I64, two, std::as_bytes(std::span(whole)));
        add_npy(zip, "d", DType::F64, two, std::as_bytes(std::span(wide)));
        zip.commit();
    }
    for (const auto& [from, to] : {std::pair{"a.npz", "b.safetensors"},
                                   {"b.safetensors", "c.npz"},
                                   {"c.npz", "d.gguf"},
                                   {"d.gguf", "e.safetensors"}}) {
        const auto outcome = convert(from, to, "", folder);
        INFO(outcome.error);
        REQUIRE(outcome.status == 0);
    }
    for (const char* name : {"b.safetensors", "e.safetensors"}) {
        const auto file = SafetensorsFile::open(folder / name);
        CHECK(file.at("i").dtype == DType::I64);
        CHECK(file.at("d").dtype == DType::F64);
        CHECK(std::memcmp(file.bytes(file.at("i")).data(), whole, sizeof whole) == 0);
        CHECK(std::memcmp(file.bytes(file.at("d")).data(), wide, sizeof wide) == 0);
    }
    // The other order of extents and of bytes.
    std::string head = "{'descr': '>i4', 'fortran_order': True, 'shape': (2, 3), }";
    head += std::string(128 - 10 - head.size() - 1, ' ') + "\n";
    std::string turned = std::string("\x93NUMPY\x01\x00", 8) + char(118) + '\0' + head;
    for (const char c : {'\1', '\4', '\2', '\5', '\3', '\6'})
        turned += std::string("\x01\0\0", 3) + c;
    test::write_file(folder / "t.npy", turned);
    REQUIRE(convert("t.npy", "t.safetensors", "", folder).status == 0);
    const auto t = SafetensorsFile::open(folder / "t.safetensors");
    CHECK(t.at("array").dtype == DType::I32);
    for (std::size_t i = 0; i < 6; ++i) {
        const auto from = t.bytes(t.at("array")).subspan(4 * i, 4);
        CHECK(load_little<std::uint32_t>(from.data()) == 0x1000001u + i);
    }
    // GGUF has no unsigned integers: as floats where that is exact.
    write_npy(folder / "large.npy", DType::U64, two, std::as_bytes(std::span(large)));
    write_npy(folder / "small.npy", DType::U64, two, std::as_bytes(std::span(small)));
    const auto refused = convert("large.npy", "u.gguf", "", folder);
    CHECK(refused.status == 1);
    CHECK(contains(refused.error, "U64"));
    CHECK(convert("large.npy", "u.gguf", "--type f32", folder).status == 0);
    CHECK(convert("small.npy", "u.gguf", "", folder).status == 0);
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
