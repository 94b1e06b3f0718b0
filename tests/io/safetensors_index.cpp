// Models cut into several safetensors files, opened by their index.
#include <nibble/io/safetensors.hpp>
#include <nibble/io/safetensors_writer.hpp>

#include <doctest/doctest.h>

#include "support/temporary.hpp"

using namespace nibble;
using test::contains;
using test::message_of;

namespace {

struct Folder {
    test::Temporary folder;
    std::string index = folder / "model.safetensors.index.json";

    void shard(const std::string& file, const std::string& tensor, float value,
               const std::string& note = "pt") {
        const float x[2] = {value, value};
        SafetensorsWriter writer(folder / file);
        writer.set("format", note);
        writer.add(tensor, DType::F32, {2}, std::as_bytes(std::span(x)));
        writer.commit();
    }
    Folder() {
        shard("model-00001-of-00002.safetensors", "b", 1);
        shard("model-00002-of-00002.safetensors", "a", 2);
    }
    SafetensorsFile open(const std::string& json) const {
        test::write_file(index, json);
        return SafetensorsFile::open(index);
    }
    void refused(const std::string& json, std::string_view because) const {
        const std::string message = message_of([&] { (void)open(json); });
        INFO(message);
        CHECK(contains(message, because));
        CHECK(contains(message, "index.json"));
    }
};

const std::string both =
    R"("a":"model-00002-of-00002.safetensors","b":"model-00001-of-00002.safetensors")";

}  // namespace

TEST_CASE("two files read like one") {
    Folder f;
    const auto file =
        f.open(R"({"metadata":{"total_size":16,"x":null},"weight_map":{)" + both + "}}");
    CHECK(file.tensors().size() == 2);
    float x[2];
    REQUIRE(to_floats(DType::F32, file.bytes(file.at("a")).data(), 2, x));
    CHECK(x[0] == 2);
    REQUIRE(to_floats(DType::F32, file.bytes(file.at("b")).data(), 2, x));
    CHECK(x[1] == 1);
    CHECK(*file.metadata("format") == "pt");
    CHECK(file.has_checksum());
    file.verify();
    // A flipped bit of a weight in the second file.
    const std::string path = f.folder / "model-00002-of-00002.safetensors";
    std::string bytes = test::read_file(path);
    bytes.back() = static_cast<char>(bytes.back() ^ 1);
    test::write_file(path, bytes);
    const auto bad = f.open(R"({"weight_map":{)" + both + "}}");
    CHECK(contains(message_of([&] { bad.verify(); }), "00002-of-00002.safetensors\": damaged"));
}

TEST_CASE("an index is believed in nothing") {
    Folder f;
    const auto map = [](const std::string& entries) {
        return R"({"weight_map":{)" + entries + "}}";
    };
    f.refused("{}", "no \"weight_map\"");
    f.refused("[]", "does not begin with '{'");
    f.refused(R"({"weight_map":[]})", "unexpected array");
    f.refused(R"({"weight_map":{},"other":1})", "unknown key \"other\"");
    f.refused(R"({"weight_map":{},"weight_map":{}})", "\"weight_map\" twice");
    f.refused(R"({"weight_map":{"a":1}})", "tensor \"a\": unexpected number");
    f.refused(map(both + R"(,"a":"model-00001-of-00002.safetensors")"), "tensor \"a\" twice");
    for (const char* name :
         {"../model.safetensors", "/etc/x.safetensors", "a\\\\b.safetensors", "..", "",
          "c:x.safetensors", "a\\u0000.safetensors", "model.safetensors.index.json"})
        f.refused(map(R"("a":")" + std::string(name) + "\""), "is no plain name");
    f.refused(
        map(R"("a":"model-00001-of-00002.safetensors")"),
        "tensor \"b\" is in the file \"model-00001-of-00002.safetensors\", the index does not "
        "list it");
    f.refused(map(R"("b":"model-00002-of-00002.safetensors")"), "tensor \"a\" is in the file");
    f.refused(map(both + R"(,"c":"model-00002-of-00002.safetensors")"), "no tensor \"c\"");
    CHECK(contains(message_of([&] { (void)f.open(map(R"("a":"gone.safetensors")")); }),
                   "gone.safetensors\": No such file"));
    f.shard("model-00002-of-00002.safetensors", "a", 2, "other");
    f.refused(map(both), "metadata \"format\" is \"pt\" in one file and \"other\" in another");
}
