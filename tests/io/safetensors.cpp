// Every rule of the format as a hostile file, and files that survive a round trip.
#include <nibble/io/safetensors.hpp>
#include <nibble/io/safetensors_writer.hpp>

#include <doctest/doctest.h>

#include "support/temporary.hpp"

#include <cmath>
#include <vector>

using namespace nibble;
using test::contains;
using test::message_of;

namespace {

std::string with_length(std::string_view json, std::string_view data,
                        std::uint64_t length = ~std::uint64_t{0}) {
    if (length == ~std::uint64_t{0}) length = json.size();
    std::string file;
    for (int i = 0; i < 8; ++i) file += static_cast<char>(length >> (8 * i));
    return file + std::string(json) + std::string(data);
}

SafetensorsFile parse(std::string_view file, const SafetensorsOptions& options = {}) {
    return SafetensorsFile::from_bytes(std::as_bytes(std::span(file.data(), file.size())), "f",
                                       options);
}

void refused(std::string_view file, std::string_view because) {
    const std::string message = message_of([&] { (void)parse(file); });
    INFO(message);
    CHECK(contains(message, because));
    CHECK(contains(message, "\"f\""));
}

/// A header with one tensor "t" of the given fields, and `data`.
void refused_tensor(const std::string& fields, std::string_view data, std::string_view because) {
    refused(with_length("{\"t\":{" + fields + "}}", data), because);
}

std::string tensor(const std::string& dtype, const std::string& shape, const std::string& offsets) {
    return "\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets;
}

}  // namespace

TEST_CASE("rule 1: the header lies in the file and under the cap") {
    refused("", "header length at offset 0 takes 8 bytes, 0 are left");
    refused("1234567", "takes 8 bytes, 7 are left");
    refused(with_length("{}", "", 3), "header at offset 8 takes 3 bytes, 2 are left");
    refused(with_length("{}", "", 100'000'001), "header length is 100000001, at most 100000000");
    refused(with_length("{}", "", ~std::uint64_t{7}), "header length is");
    refused(with_length("", ""), "does not begin with '{'");
}

TEST_CASE("rule 2: one JSON object in UTF-8 and nothing else") {
    refused(with_length(" {}", ""), "does not begin with '{'");
    refused(with_length("[]", ""), "does not begin with '{'");
    refused(with_length("{", ""), "not valid JSON");
    refused(with_length("{}x", ""), "not valid JSON");
    refused(with_length(std::string_view("{}\0", 3), ""), "zero byte");
    refused(with_length("{\"\xFF\":1}", ""), "not valid JSON");
    refused(with_length("{\"t\":[1]}", ""), "tensor \"t\": unexpected array");
    refused(with_length("{\"t\":1}", ""), "tensor \"t\": unexpected number 1");
    refused(with_length("{\"t\":\"x\"}", ""), "unexpected string \"x\"");
    refused(with_length("{\"t\":null}", ""), "unexpected null");
    refused_tensor("\"dtype\":{}", "", "unexpected object");
    refused_tensor("\"dtype\":\"U8\",\"shape\":[[1]]", "", "unexpected array");
    refused_tensor("\"dtype\":\"U8\",\"shape\":{\"a\":[[[[[[", "", "unexpected object");
    CHECK(parse(with_length("{}   \n", "")).tensors().empty());
}

TEST_CASE("rule 3: no name twice, no unknown dtype or field, nothing missing") {
    const std::string t = "{" + tensor("U8", "[0]", "[0,0]") + "}";
    refused(with_length("{\"t\":" + t + ",\"t\":" + t + "}", ""), "tensor \"t\" twice");
    refused(with_length("{\"t\":" + t + ",\"\\u0074\":" + t + "}", ""), "tensor \"t\" twice");
    refused_tensor(tensor("F33", "[0]", "[0,0]"), "", "tensor \"t\": unknown dtype \"F33\"");
    refused_tensor(tensor("f32", "[0]", "[0,0]"), "", "unknown dtype \"f32\"");
    refused_tensor(tensor("U8", "[0]", "[0,0]") + ",\"dtype\":\"U8\"", "", "\"dtype\" twice");
    refused_tensor(tensor("U8", "[0]", "[0,0]") + ",\"x\":1", "", "unknown field \"x\"");
    refused_tensor("\"dtype\":\"U8\",\"shape\":[0]", "", "no \"data_offsets\"");
    refused_tensor("\"dtype\":\"U8\",\"data_offsets\":[0,0]", "", "no \"shape\"");
    refused_tensor("\"shape\":[0],\"data_offsets\":[0,0]", "", "no \"dtype\"");
    refused_tensor("", "", "no \"dtype\"");
    refused_tensor("\"dtype\":\"U8\",\"shape\":\"x\"", "", "unexpected string");
    refused_tensor(tensor("U8", "[0]", "[0]"), "", "data_offsets has 1 numbers, expected 2");
    refused_tensor(tensor("U8", "[0]", "[0,0,0]"), "", "data_offsets has 3 numbers, expected 2");
}

TEST_CASE("rule 4: numbers are plain and below 2^63") {
    for (const char* number : {"-1", "-0", "1.0", "1e0", "true", "\"1\"", "null"})
        refused_tensor(tensor("U8", "[" + std::string(number) + "]", "[0,1]"), "x", "unexpected");
    refused_tensor(tensor("U8", "[0]", "[0,9223372036854775808]"), "",
                   "data_offsets holds 9223372036854775808, expected less than 2^63");
    refused_tensor(tensor("U8", "[18446744073709551616]", "[0,1]"), "x", "unexpected number");
    refused_tensor(tensor("U8", "[01]", "[0,1]"), "x", "not valid JSON");
}

TEST_CASE("rule 5: products that wrap are no empty tensors") {
    refused_tensor(tensor("U8", "[4294967296,4294967296]", "[0,0]"), "", "more than 2^64 elements");
    refused_tensor(tensor("F64", "[2305843009213693952]", "[0,0]"), "", "more than 2^64 bits");
    refused_tensor(tensor("U8", "[0,4294967296,4294967296]", "[0,0]"), "", "2^64 elements");
    refused_tensor(tensor("F4", "[3]", "[0,1]"), "x", "no whole number of bytes");
    refused_tensor(tensor("F6_E2M3", "[2]", "[0,1]"), "x", "no whole number of bytes");
    CHECK(parse(with_length("{\"t\":{" + tensor("F6_E3M2", "[4]", "[0,3]") + "}}", "xyz"))
              .at("t")
              .bytes() == 3);
}

TEST_CASE("rule 6: offsets agree with shape and dtype") {
    refused_tensor(tensor("U8", "[1]", "[1,0]"), "", "data_offsets end at 0, before 1");
    refused_tensor(tensor("F32", "[2]", "[0,4]"), "wxyz", "span 4 bytes, shape [2] of F32 takes 8");
    refused_tensor(tensor("U8", "[]", "[0,0]"), "", "span 0 bytes, shape [] of U8 takes 1");
    const std::string scalar = with_length("{\"t\":{" + tensor("U8", "[]", "[0,1]") + "}}", "x");
    CHECK(parse(scalar).at("t").size() == 1);
}

TEST_CASE("rule 7: no holes, no overlap, no bytes left over or missing") {
    const auto two = [](const char* a, const char* b, std::string_view data) {
        return with_length(
            "{\"a\":{" + tensor("U8", "[2]", a) + "},\"b\":{" + tensor("U8", "[2]", b) + "}}",
            data);
    };
    CHECK(parse(two("[2,4]", "[0,2]", "wxyz")).tensors()[0].name == "b");
    refused(two("[0,2]", "[3,5]", "vwxyz"),
            "tensor \"b\": data_offsets begin at 3, the tensor "
            "before ends at 2");
    refused(two("[0,2]", "[1,3]", "xyz"), "begin at 1, the tensor before ends at 2");
    refused(two("[0,2]", "[0,2]", "xy"), "begin at 0, the tensor before ends at 2");
    refused(two("[1,3]", "[3,5]", "vwxyz"), "begin at 1, the tensor before ends at 0");
    refused(two("[0,2]", "[2,4]", "xyz"), "data_offsets end at 4, the data has 3 bytes");
    refused(two("[0,2]", "[2,4]", "vwxyz"), "1 bytes after the last tensor");
    refused(with_length("{}", "x"), "1 bytes after the last tensor");
}

TEST_CASE("rule 8: trailing bytes only when asked for") {
    const std::string file = with_length("{\"t\":{" + tensor("U8", "[1]", "[0,1]") + "}}", "xyz");
    SafetensorsOptions lenient;
    lenient.allow_trailing_bytes = true;
    CHECK(parse(file, lenient).tensors().size() == 1);
}

TEST_CASE("metadata: text to text, no key twice") {
    refused(with_length(R"({"__metadata__":{"a":1}})", ""), "__metadata__: unexpected number 1");
    refused(with_length(R"({"__metadata__":{"a":{}}})", ""), "__metadata__: unexpected object");
    refused(with_length(R"({"__metadata__":[]})", ""), "unexpected array");
    refused(with_length(R"({"__metadata__":{"a":"1","a":"2"}})", ""), "key \"a\" twice");
    refused(with_length(R"({"__metadata__":{},"__metadata__":{}})", ""), "\"__metadata__\" twice");
    const std::string good = with_length(R"({"__metadata__":{"a":"b","shape":"[1]"}})", "");
    const SafetensorsFile file = parse(good);
    CHECK(*file.metadata("a") == "b");
    CHECK(file.metadata("b") == nullptr);
}

TEST_CASE("names are found among many, and errors do not repeat long ones in full") {
    std::string json = "{\"" + std::string(10'000, 'n') + "\":{" + tensor("U8", "[1]", "[0,2]");
    const std::string message = message_of([&] { (void)parse(with_length(json + "}}", "xy")); });
    CHECK(message.size() < 300);
    json = "{";
    std::string data;
    for (int i = 0; i < 500; ++i) {
        json += (i == 0 ? "\"t" : ",\"t") + std::to_string(i) + "\":{" +
                tensor("U8", "[1]", "[" + std::to_string(i) + "," + std::to_string(i + 1) + "]") +
                "}";
        data += static_cast<char>(i);
    }
    const std::string text = with_length(json + "}", data);
    const SafetensorsFile file = parse(text);
    for (int i = 0; i < 500; ++i)
        CHECK(file.bytes(file.at("t" + std::to_string(i)))[0] == static_cast<std::byte>(i & 255));
    CHECK(file.find("t500") == nullptr);
    CHECK(contains(message_of([&] { (void)file.at("u"); }), "no tensor \"u\""));
}

TEST_CASE("every dtype to float, from unaligned bytes") {
    struct Case {
        DType type;
        std::string bytes;
        std::vector<float> expected;
    };
    const auto raw = [](auto... x) {
        std::string text;
        ((text += std::string(reinterpret_cast<const char*>(&x), sizeof(x))), ...);
        return text;
    };
    const std::vector<Case> cases = {
        {DType::F32, raw(1.5f, -2.0f), {1.5f, -2.0f}},
        {DType::F64, raw(1.5, 1e300), {1.5f, INFINITY}},
        {DType::F16, raw(std::uint16_t{0x3C00}, std::uint16_t{0xC000}), {1.0f, -2.0f}},
        {DType::BF16, raw(std::uint16_t{0x3F80}, std::uint16_t{0xC000}), {1.0f, -2.0f}},
        {DType::F8_E4M3, "\x38\xFE", {1.0f, -448.0f}},
        {DType::F8_E5M2, "\x3C\xFB", {1.0f, -57344.0f}},
        {DType::F8_E8M0, "\x7F\x80", {1.0f, 2.0f}},
        {DType::F8_E4M3FNUZ, "\x40\x7F\x01\xFF", {1.0f, 240.0f, 0x1p-10f, -240.0f}},
        {DType::F8_E5M2FNUZ, "\x40\x7F\x01\x84", {1.0f, 57344.0f, 0x1p-17f, -0x1p-15f}},
        {DType::F4, "\x72\x9F\x01", {1.0f, 6.0f, -6.0f, -0.5f, 0.5f}},
        // 6 bits each, lowest first: 0x08 0x1F 0x21 0x3F and, with three bits of exponent, the same.
        {DType::F6_E2M3, "\xC8\x17\xFE", {1.0f, 7.5f, -0.125f, -7.5f}},
        {DType::F6_E3M2, "\xCC\x17\xFE", {1.0f, 28.0f, -0.0625f, -28.0f}},
        {DType::BOOL, std::string("\0\1", 2), {0.0f, 1.0f}},
        {DType::U8, "\xFF", {255.0f}},
        {DType::I8, "\xFF", {-1.0f}},
        {DType::U16, "\xFF\xFF", {65535.0f}},
        {DType::I16, "\xFE\xFF", {-2.0f}},
        {DType::U32, raw(std::uint32_t{0x80000000u}), {2147483648.0f}},
        {DType::I32, raw(std::int32_t{-7}), {-7.0f}},
        {DType::U64, raw(std::uint64_t{1} << 63), {0x1p63f}},
        {DType::I64, raw(std::int64_t{-9}), {-9.0f}},
    };
    for (const Case& c : cases) {
        const std::string shifted = "?" + c.bytes;
        std::vector<float> out(c.expected.size());
        REQUIRE((out.size() * bits_of(c.type) + 7) / 8 == c.bytes.size());
        REQUIRE(to_floats(c.type, reinterpret_cast<const std::byte*>(shifted.data()) + 1,
                          out.size(), out.data()));
        INFO(name_of(c.type));
        CHECK(out == c.expected);
    }
    float out = 0;
    CHECK_FALSE(to_floats(DType::C64, nullptr, 0, &out));
    CHECK(std::isnan(fnuz_to_float<4, 3>(0x80)));
    for (std::size_t i = 0; i < dtype_count; ++i)
        CHECK(*dtype_named(dtype_table[i].name) == static_cast<DType>(i));
}

TEST_CASE("what is written reads back, sorted, aligned, checked") {
    test::Temporary folder;
    const float floats[6] = {1, 2, 3, 4, 5, 6};
    const double scalar = 0.5;
    const std::string codes = "abcdefgh";
    SafetensorsWriter writer(folder / "w");
    writer.set("note", "quote \" and \xC3\xA9");
    writer.add("z", DType::U8, {3}, std::as_bytes(std::span(codes).first(3)));
    writer.add("b", DType::F32, {2, 3}, std::as_bytes(std::span(floats)));
    writer.add("a", DType::F32, {0, 4}, {});
    writer.add("s", DType::F64, {}, std::as_bytes(std::span(&scalar, 1)));
    writer.add_rows("rows", DType::U8, {2, 2}, codes.data(), 2, 2, 4);
    writer.commit();

    const SafetensorsFile file = SafetensorsFile::open(folder / "w");
    file.verify();
    std::string order;
    for (const FileTensor& t : file.tensors()) order += t.name + " ";
    CHECK(order == "s a b rows z ");
    CHECK(*file.metadata("note") == "quote \" and \xC3\xA9");
    const auto rows = file.bytes(file.at("rows"));
    CHECK(std::string(reinterpret_cast<const char*>(rows.data()), 4) == "abef");
    const std::string text = test::read_file(folder / "w");
    CHECK(static_cast<unsigned char>(text[0]) % 8 == 0);
    CHECK(std::memcmp(file.bytes(file.at("b")).data(), floats, sizeof(floats)) == 0);

    CHECK(contains(message_of([&] { writer.add("q", DType::F32, {2}, {}); }),
                   "has 0 bytes, shape [2] of F32 takes 64 bits"));
    CHECK(contains(message_of([&] { writer.add("__metadata__", DType::U8, {0}, {}); }),
                   "cannot be called"));
    writer.add("z", DType::U8, {0}, {});
    CHECK(contains(message_of([&] { writer.commit(); }), "tensor \"z\" twice"));
    CHECK(test::read_file(folder / "w") == text);
}

TEST_CASE("a checkpoint cut or flipped anywhere is refused") {
    test::Temporary folder;
    const float floats[3] = {1, 2, 3};
    SafetensorsWriter writer(folder / "w");
    writer.set("nibble.model", "m");
    writer.add("b", DType::F32, {3}, std::as_bytes(std::span(floats)));
    writer.commit();
    const std::string good = test::read_file(folder / "w");
    parse(good).verify();
    for (std::size_t n = 0; n < good.size(); ++n)
        CHECK_THROWS_AS((void)parse(std::string_view(good).substr(0, n)), Error);
    for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
        std::string bad = good;
        bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
        // verify() also fails when the flip hit the name of the checksum's entry.
        CHECK_THROWS_AS(parse(bad).verify(), Error);
    }
}
