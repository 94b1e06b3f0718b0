// inspect as its user meets it: every format, JSON, exit codes. NIBBLE_INSPECT is the program's path.
#include <nibble/io/gguf_writer.hpp>
#include <nibble/io/llama2c_writer.hpp>
#include <nibble/io/npz.hpp>
#include <nibble/io/safetensors_writer.hpp>

#include <doctest/doctest.h>

#include "support/program.hpp"

#include <limits>

using namespace nibble;
using test::contains;

namespace {

test::Outcome inspect(const std::string& arguments, const test::Temporary& folder) {
    return test::run(NIBBLE_INSPECT, arguments, folder);
}
const float numbers[4] = {1, 2, 3, -4};
const auto bytes = std::as_bytes(std::span(numbers));

}  // namespace

TEST_CASE("each format is told apart and listed") {
    test::Temporary folder;
    SafetensorsWriter tensors(folder / "a.safetensors");
    tensors.set("note", "hello");
    tensors.add("w", DType::F32, {2, 2}, bytes);
    tensors.commit();
    GgufWriter gguf(folder / "b.gguf");
    gguf.set("general.architecture", "test");
    gguf.set("count", std::uint32_t{7});
    gguf.add("w", GgufType::F32, {2, 2}, bytes);
    gguf.commit();
    const std::uint64_t shape[] = {2, 2};
    write_npy(folder / "c.npy", DType::F32, shape, bytes);
    Llama2cHeader h;
    h.channels = 4;
    h.hidden = h.layers = h.kv_heads = h.vocabulary = h.context = 1;
    h.heads = 2;
    write_llama2c(folder / "d.bin", h,
                  [](const std::string&, std::size_t, std::size_t, std::span<float>) {});
    const struct {
        const char *file, *format, *checksum, *entry;
    } cases[] = {{"a.safetensors", "safetensors", "xxh64", "note"},
                 {"b.gguf", "GGUF version 3", "xxh64", "general.architecture"},
                 {"c.npy", "npy", "none", "array"},
                 {"d.bin", "llama2.c version 0", "none", "n_kv_heads"}};
    for (const auto& c : cases) {
        INFO(c.file);
        const auto text = inspect("--values \"" + (folder / c.file) + "\"", folder);
        CHECK(text.status == 0);
        CHECK(contains(text.out, c.format));
        CHECK(contains(text.out, c.entry));
        CHECK(contains(text.out, std::string("checksum ") + c.checksum));
        const auto json = inspect("--json --values \"" + (folder / c.file) + "\"", folder);
        CHECK(json.status == 0);
        const auto j = nlohmann::json::parse(json.out);
        CHECK(j["format"] == c.format);
        CHECK(j["checksum"] == c.checksum);
        const auto& first = j["tensors"][0];
        CHECK(first["type"] == "F32");
        if (c.file[0] != 'd') {
            CHECK(first["shape"] == nlohmann::json{2, 2});
            CHECK(first["min"] == -4);
            CHECK(first["mean"] == 0.5);
        }
    }
}

TEST_CASE("the size of a model in parts is that of its parts") {
    test::Temporary folder;
    for (const char* name : {"1", "2"}) {
        SafetensorsWriter part(folder / (std::string(name) + ".safetensors"));
        part.add(name, DType::F32, {2, 2}, bytes);
        part.commit();
    }
    test::write_file(folder / "m.safetensors.index.json",
                     R"({"weight_map": {"1": "1.safetensors", "2": "2.safetensors"}})");
    const auto both = test::read_file(folder / "1.safetensors").size() +
                      test::read_file(folder / "2.safetensors").size();
    const auto shown = inspect("--json \"" + (folder / "m.safetensors.index.json") + "\"", folder);
    REQUIRE(shown.status == 0);
    CHECK(nlohmann::json::parse(shown.out)["bytes"] == both);
    const auto one = inspect("--json \"" + (folder / "1.safetensors") + "\"", folder);
    CHECK(nlohmann::json::parse(one.out)["bytes"] ==
          test::read_file(folder / "1.safetensors").size());
}

TEST_CASE("exit codes: damaged, no file, wrong usage, not finite") {
    test::Temporary folder;
    SafetensorsWriter tensors(folder / "a.safetensors");
    tensors.add("w", DType::F32, {2, 2}, bytes);
    tensors.commit();
    std::string damaged = test::read_file(folder / "a.safetensors");
    damaged.back() = static_cast<char>(damaged.back() ^ 1);
    test::write_file(folder / "a.safetensors", damaged);
    auto outcome = inspect("\"" + (folder / "a.safetensors") + "\"", folder);
    CHECK(outcome.status == 1);
    CHECK(contains(outcome.error, "damaged: its checksum is"));
    CHECK(inspect("--no-verify \"" + (folder / "a.safetensors") + "\"", folder).status == 0);
    outcome = inspect("\"" + (folder / "none.gguf") + "\"", folder);
    CHECK(outcome.status == 1);
    CHECK(contains(outcome.error, "none.gguf\": No such file"));
    test::write_file(folder / "text", "just a text");
    CHECK(contains(inspect("\"" + (folder / "text") + "\"", folder).error, "none of safetensors"));
#if defined(__linux__)
    // An output that takes nothing.
    CHECK(WEXITSTATUS(std::system(("\"" NIBBLE_INSPECT "\" --no-verify \"" +
                                   (folder / "a.safetensors") + "\" > /dev/full 2> /dev/null")
                                      .c_str())) == 1);
#endif
    CHECK(inspect("--nonsense", folder).status == 2);
    CHECK(inspect("", folder).status == 2);
    const auto help = inspect("--help", folder);
    CHECK(help.status == 0);
    CHECK(contains(help.out, "Exit codes"));
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const std::uint64_t one[] = {1};
    write_npy(folder / "n.npy", DType::F32, one, std::as_bytes(std::span(&nan, 1)));
    CHECK(inspect("\"" + (folder / "n.npy") + "\"", folder).status == 0);
    outcome = inspect("--values \"" + (folder / "n.npy") + "\"", folder);
    CHECK(outcome.status == 3);
    CHECK(contains(outcome.out, "1 NOT FINITE"));
}
