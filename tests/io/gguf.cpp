// Every rule of the reader of GGUF as a hostile file; typed access; a file flipped and cut anywhere.
#include <nibble/io/gguf.hpp>

#include <doctest/doctest.h>

#include "support/gguf_text.hpp"
#include "support/temporary.hpp"

using namespace nibble;
using test::contains;
using test::GgufText;
using test::message_of;
using test::parse_gguf;
using test::text;
using test::u32;
using test::u64;

namespace {

void refused(std::string_view file, std::string_view because) {
    const std::string message = message_of([&] { (void)parse_gguf(file); });
    INFO(message);
    CHECK(contains(message, because));
    CHECK(contains(message, "\"f\""));
}
void refused(const GgufText& file, std::string_view because) { refused(file.file(), because); }

std::string header(std::uint64_t tensors, std::uint64_t pairs) {
    return "GGUF" + u32(3) + u64(tensors) + u64(pairs);
}

}  // namespace

TEST_CASE("magic, version, byte order") {
    refused("", "magic at offset 0 takes 4 bytes, 0 are left");
    refused("GGML" + u32(3) + u64(0) + u64(0), "does not begin with \"GGUF\"");
    refused("GGUF" + u32(1) + u64(0) + u64(0), "at offset 4: version is 1, 2 and 3 are read");
    refused("GGUF" + u32(4) + u64(0) + u64(0), "version is 4");
    refused("GGUF" + u32(0) + u64(0) + u64(0), "version is 0");
    refused("GGUF" + u32(0x03000000) + u64(0) + u64(0), "big-endian");
    refused("GGUF" + u32(3) + u64(0), "key-value count at offset 16 takes 8 bytes, 0 are left");
    CHECK(parse_gguf(header(0, 0)).version() == 3);
    CHECK(parse_gguf("GGUF" + u32(2) + u64(0) + u64(0)).version() == 2);
}

TEST_CASE("counts and lengths are compared with the file before anything is made") {
    const std::string all(8, '\xFF');
    refused(header(1, 0), "tensor count is 1, the 0 bytes that are left hold 0 at most");
    refused("GGUF" + u32(3) + all + u64(0),
            "at offset 8: tensor count is 18446744073709551615, at most 65536 are read");
    refused("GGUF" + u32(3) + u64(0) + all, "at offset 16: key-value count is 1844674407370955161");
    refused(header(65537, 0), "tensor count is 65537, at most 65536");
    refused(header(0, 2) + std::string(27, 'x'), "key-value count is 2, the 27 bytes");
    refused(header(0, 1) + all + std::string(20, 'x'), "length of a key is 18446744073709551615");
    refused(header(0, 1) + u64(100) + std::string(20, 'x'), "length of a key is 100, the 20 bytes");
    refused(header(0, 1) + u64(65536) + std::string(70000, 'x'), "at most 65535");
    GgufText string;
    string.pair("a", 8, u64((16u << 20) + 1) + "x");
    refused(string, "length of a string is 16777217, at most 16777216");
    GgufText array;
    array.pair("a", 9, u32(8) + u64(1u << 24) + u64(0));
    refused(array, "key \"a\": array length is 16777216, the 8 bytes that are left hold 1 at most");
    array = {};
    array.pair("a", 9, u32(0) + u64((1u << 24) + 1) + "x");
    refused(array, "array length is 16777217, at most 16777216");
    array = {};
    array.pair("a", 9, u32(12) + all + "x");
    refused(array, "array length is 18446744073709551615");
    refused(header(1, 0) + text("t") + u32(1) + u64(1) + std::string(4, '\0'),
            "tensor offset at offset");
}

TEST_CASE("numbers are checked before they are types, bools are 0 or 1") {
    GgufText f;
    f.pair("a", 13, u32(0));
    refused(f, "at offset 33: key \"a\": type is 13, expected less than 13");
    f = {};
    f.pair("a", 9, u32(77) + u64(0));
    refused(f, "element type is 77");
    f = {};
    f.pair("a", 9, u32(9) + u64(0));
    refused(f, "an array of arrays");
    f = {};
    f.pair("a", 7, "\2");
    refused(f, "at offset 37: key \"a\": a bool is 2, expected 0 or 1");
    f = {};
    f.pair("a", 9, u32(7) + u64(3) + std::string("\0\1\xFF", 3));
    refused(f, "at offset 51: key \"a\": a bool is 255");
    for (const std::uint32_t type : {4u, 5u, 31u, 33u, 36u, 38u, 40u, 42u, 43u, 0xFFFFFFFFu}) {
        f = {};
        f.tensor("t", {32}, type, 0);
        f.data.resize(128);
        refused(f, "tensor \"t\": type " + std::to_string(type));
    }
}

TEST_CASE("names: once, not empty, no zero byte, UTF-8, no longer than the format allows") {
    const std::string one("\1", 1);
    GgufText f;
    f.pair("a", 0, one).pair("b", 0, one).pair("a", 0, one);
    refused(f, "key \"a\" twice");
    f = {};
    f.tensor("t", {0}, 0, 0).tensor("u", {0}, 0, 0).tensor("t", {0}, 0, 0);
    refused(f, "tensor \"t\" twice");
    f = {};
    f.pair("", 0, one + "x");
    refused(f, "an empty key");
    f = {};
    f.pair(std::string_view("a\0b", 3), 0, one);
    refused(f, "at offset 33: a zero byte in a key");
    f = {};
    f.pair("a\xC0\x80", 0, one);
    refused(f, "at offset 33: a key that is not valid UTF-8");
    f = {};
    f.tensor("\xED\xA0\x80", {0}, 0, 0);
    refused(f, "a tensor name that is not valid UTF-8");
    f = {};
    f.tensor("", {0}, 0, 0);
    f.data = "x";
    refused(f, "an empty tensor name");
    f = {};
    f.tensor(std::string(65, 'n'), {0}, 0, 0);
    refused(f, "length of a tensor name is 65, at most 64");
    f = {};
    f.pair("a", 8, text("x\xFFy"));
    refused(f, "at offset 46: key \"a\": a string that is not valid UTF-8");
    f = {};
    f.pair("a", 9, u32(8) + u64(2) + text("fine") + text("\xF4\x90\x80\x80"));
    refused(f, "key \"a\": a string that is not valid UTF-8");
}

TEST_CASE("alignment") {
    GgufText f;
    for (const std::uint32_t bad : {0u, 1u, 4u, 24u, 33u, 1u << 21, 1u << 31, 0xFFFFFFFFu}) {
        f = {};
        f.pair("general.alignment", 4, u32(bad));
        refused(f, "general.alignment is " + std::to_string(bad) +
                       ", expected a power of two from 8 to 1048576");
    }
    f = {};
    f.pair("general.alignment", 10, u64(32));
    refused(f, "general.alignment is of type u64, expected u32");
    f = {};
    f.alignment = 64;
    f.pair("general.alignment", 4, u32(64)).tensor("t", {1}, 24, 64);
    f.data = std::string(64, '\0') + "x";
    const std::string good = f.file();
    const GgufFile file = parse_gguf(good);
    CHECK(file.alignment() == 64);
    CHECK(file.bytes(file.at("t"))[0] == std::byte{'x'});
    f = {};
    f.alignment = 64;
    f.pair("general.alignment", 4, u32(64)).tensor("t", {1}, 24, 32);
    f.data.resize(100);
    refused(f, "offset is 32, expected a multiple of 64");
}

TEST_CASE("shapes: products that wrap, blocks that do not divide, too many dimensions") {
    const auto one = [](const std::vector<std::uint64_t>& dims, std::uint32_t type,
                        std::string_view because) {
        GgufText f;
        f.tensor("t", dims, type, 0);
        f.data.resize(512);
        refused(f, because);
    };
    one({1, 1, 1, 1, 1}, 0, "tensor \"t\": 5 dimensions, at most 4");
    one({std::uint64_t{1} << 32, std::uint64_t{1} << 32}, 0, "2^62 elements or more");
    one({0, std::uint64_t{1} << 62}, 0, "2^62 elements or more");
    one({~std::uint64_t{0}}, 0, "2^62 elements or more");
    one({std::uint64_t{1} << 61}, 28, "takes 2^62 bytes or more");
    one({16}, 2, "rows of 16 elements, Q4_0 has blocks of 32");
    one({32, 8}, 12, "rows of 32 elements, Q4_K has blocks of 256");
    one({}, 2, "rows of 1 elements");
    GgufText f;
    f.tensor("scalar", {}, 0, 0).tensor("empty", {32, 0}, 2, 32).tensor("m", {3, 2}, 24, 32);
    f.data.resize(38);
    const std::string good = f.file();
    const GgufFile file = parse_gguf(good);
    CHECK(file.at("scalar").size() == 1);
    CHECK(file.at("empty").bytes() == 0);
    CHECK(file.at("m").extents[0] == 2);
    CHECK(file.at("m").cols() == 3);
    CHECK(file.tensors()[2].name == "m");
    CHECK(contains(message_of([&] { (void)file.at("q"); }), "no tensor \"q\""));
}

TEST_CASE("tensors lie in the file and apart") {
    GgufText f;
    f.tensor("t", {8}, 0, 0);
    f.data.resize(31);
    refused(
        f, "tensor \"t\": its bytes are 0 to 32 of the data, which begins at offset 64 and has 31");
    f = {};
    f.tensor("t", {8}, 0, std::uint64_t{1} << 62);
    refused(f, "expected a multiple of 32 below 2^62");
    f = {};
    f.tensor("t", {8}, 0, (std::uint64_t{1} << 62) - 32);
    f.data.resize(32);
    refused(f, "its bytes are 4611686018427387872 to 4611686018427387904");
    f = {};
    f.tensor("t", {8}, 0, 7);
    f.data.resize(64);
    refused(f, "offset is 7, expected a multiple of 32");
    f = {};
    f.tensor("a", {16}, 0, 32).tensor("b", {16}, 0, 0);
    f.data.resize(128);
    refused(f, "the tensor at 32 of the data begins within the one from 0 to 64");
    f = {};
    f.tensor("a", {16}, 0, 64).tensor("b", {16}, 0, 0);
    f.data.resize(128);
    const std::string good = f.file();
    CHECK(parse_gguf(good).tensors().size() == 2);
    // The data may be missing altogether, not only be short.
    f = {};
    f.tensor("t", {8}, 0, 0);
    std::string cut = f.file();
    cut.resize(cut.size() - 5);
    refused(cut, "and has 0");
}

TEST_CASE("typed access: every kind of value, and errors that name key, place and types") {
    GgufText f;
    f.pair("u8", 0, "\xFF").pair("i8", 1, "\xFE").pair("u16", 2, "\xFE\xFF");
    f.pair("i16", 3, "\xFE\xFF").pair("u32", 4, u32(0xFFFFFFFE)).pair("i32", 5, u32(7));
    f.pair("f32", 6, u32(0x3FC00000)).pair("bool", 7, "\1").pair("text", 8, text("h\xC3\xA9"));
    f.pair("u64", 10, u64(std::uint64_t{1} << 40)).pair("i64", 11, u64(~std::uint64_t{8}));
    f.pair("f64", 12, u64(0x3FF8000000000000u));
    f.pair("strings", 9, u32(8) + u64(3) + text("a") + text("") + text("ccc"));
    f.pair("i32s", 9, u32(5) + u64(2) + u32(1) + u32(0xFFFFFFFF));
    f.pair("f32s", 9, u32(6) + u64(1) + u32(0xBF800000))
        .pair("bools", 9, u32(7) + u64(2) + std::string("\1\0", 2));
    f.pair("none", 9, u32(12) + u64(0)).pair("f64s", 9, u32(12) + u64(1) + u64(0));
    f.pair("u8s", 9, u32(0) + u64(2) + "\x80\x7F").pair("i64s", 9, u32(11) + u64(1) + u64(5));
    const std::string good = f.file();
    const GgufFile file = parse_gguf(good);
    CHECK(file.values().size() == 20);
    CHECK(file.integer("u8", 0, 255) == 255);
    CHECK(file.integer("u16", 0, 65535) == 65534);
    CHECK(file.integer("u32", 0, 0xFFFFFFFF) == 0xFFFFFFFE);
    CHECK(file.integer("i32", 0, 10) == 7);
    CHECK(file.integer("u64", 0, ~std::uint64_t{0}) == std::uint64_t{1} << 40);
    CHECK(file.integer("absent", 0, 9, 4) == 4);
    CHECK(file.number("f32") == 1.5);
    CHECK(file.number("f64") == 1.5);
    CHECK(file.number("absent", 0.25) == 0.25);
    CHECK(file.boolean("bool"));
    CHECK(file.boolean("absent", true));
    CHECK(file.text("text") == "h\xC3\xA9");
    CHECK(file.text("absent", "x") == "x");
    CHECK(file.strings("strings") == std::vector<std::string_view>{"a", "", "ccc"});
    CHECK(file.array<std::int32_t>("i32s") == std::vector<std::int32_t>{1, -1});
    CHECK(file.array<float>("f32s") == std::vector<float>{-1.0f});
    CHECK(file.array<bool>("bools") == std::vector<bool>{true, false});
    CHECK(file.array<double>("none").empty());
    CHECK(file.array<std::uint8_t>("u8s") == std::vector<std::uint8_t>{128, 127});
    CHECK(file.array<std::int64_t>("i64s") == std::vector<std::int64_t>{5});

    const auto fails = [](auto&& f2, std::string_view because) {
        const std::string message = message_of(f2);
        INFO(message);
        CHECK(contains(message, because));
    };
    fails([&] { (void)file.integer("i8", 0, 9); }, "key \"i8\" is -2, expected 0 to 9");
    fails([&] { (void)file.integer("i64", 0, 9); }, "key \"i64\" is -9, expected 0 to 9");
    fails([&] { (void)file.integer("u64", 1, 9); }, "is 1099511627776, expected 1 to 9");
    fails([&] { (void)file.integer("f32", 0, 9); }, "is of type f32, expected an integer");
    fails([&] { (void)file.integer("bool", 0, 9); }, "is of type bool, expected an integer");
    fails([&] { (void)file.integer("gone", 0, 9); }, "no key \"gone\"");
    fails([&] { (void)file.text("u8"); }, "is of type u8, expected a string");
    fails([&] { (void)file.text("strings"); }, "is of type array of string, expected a string");
    fails([&] { (void)file.strings("text"); }, "is of type string, expected array of string");
    fails([&] { (void)file.strings("i32s"); }, "is of type array of i32, expected array of string");
    fails([&] { (void)file.array<std::uint32_t>("i32s"); }, "expected array of u32");
    fails([&] { (void)file.number("i32"); }, "expected a floating-point number");
    fails([&] { (void)file.boolean("u8"); }, "is of type u8, expected a bool");
}

TEST_CASE("many names are found, and long ones are not repeated in full") {
    GgufText f;
    for (int i = 0; i < 3000; ++i) {
        f.pair("k" + std::to_string(i), 4, u32(static_cast<unsigned>(i)));
        f.tensor("t" + std::to_string(i), {1}, 24, static_cast<std::uint64_t>(i) * 32);
    }
    f.data.resize(3000 * 32);
    const std::string good = f.file();
    const GgufFile file = parse_gguf(good);
    for (int i = 0; i < 3000; i += 7) {
        CHECK(file.integer("k" + std::to_string(i), 0, 3000) == static_cast<std::uint64_t>(i));
        CHECK(file.at("t" + std::to_string(i)).begin == static_cast<std::uint64_t>(i) * 32);
    }
    CHECK(file.find("t3000") == nullptr);
    f = {};
    const std::string name(60000, 'n');
    f.pair(name, 0, "x").pair(name, 0, "x");
    CHECK(message_of([&] { (void)parse_gguf(f.file()); }).size() < 300);
}

TEST_CASE("a file cut or flipped anywhere is refused or read, and never more than is there") {
    GgufText f;
    f.pair("general.architecture", 8, text("llama")).pair("b", 7, "\1");
    f.pair("s", 9, u32(8) + u64(2) + text("a") + text("bc"));
    f.tensor("x", {32, 2}, 2, 0).tensor("y", {3}, 0, 64);
    f.data.resize(76);
    const std::string good = f.file();
    std::size_t read = 0;
    const auto look = [&](const std::string& bytes) {
        try {
            const GgufFile file = parse_gguf(bytes);
            ++read;
            std::size_t sum = 0;
            for (const GgufTensor& t : file.tensors())
                for (const std::byte b : file.bytes(t)) sum += std::to_integer<std::size_t>(b);
            for (const GgufValue& v : file.values())
                if (v.element == GgufKind::string)
                    GgufFile::for_each_string(v, [&](std::string_view s) { sum += s.size(); });
            CHECK(sum < 1000000);
        } catch (const Error&) {
        }
    };
    for (std::size_t n = 0; n < good.size(); ++n) look(good.substr(0, n));
    CHECK(read == 0);
    for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
        std::string bad = good;
        bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
        look(bad);
    }
    CHECK(read > 0);
}
