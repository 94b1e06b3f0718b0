// FEAGI's byte container: what is written is read, and nothing else is.
#include <nibble/neuro/byte_container.hpp>

#include <doctest/doctest.h>

#include <vector>

using namespace nibble;
using Bytes = std::vector<unsigned char>;

namespace {

VoxelFrame frame() {
    return {{cortical_id("cAREA000"), {{1, 2, 3, 0.5f}, {4, 5, 6, -7.25f}}},
            {cortical_id("cAREA001"), {}},
            {cortical_id("ocor0001"), {{0xFFFFFFFFu, 0, 7, 1e-40f}}}};
}
Bytes message() {
    ByteContainer c;
    c.counter = 0xABCD;
    c.agent = {1, 2, 3, 4, 5, 6, 7, 8};
    c.structures = {write_voxels(frame()), write_json_text("{\"a\":1}")};
    return write_container(c);
}
/// What a reader says; empty when it reads.
std::string refusal(const Bytes& bytes) {
    try {
        const ByteContainer c = read_container(bytes, "message");
        for (std::size_t i = 0; i < c.structures.size(); ++i)
            if (c.type(i) == voxel_structure) (void)read_voxels(c.structures[i], "message");
            else (void)read_json_text(c.structures[i]);
    } catch (const Error& e) {
        return e.what();
    }
    return "";
}
bool says(const std::string& text, const char* part) {
    INFO(text);
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a message is read as it was written") {
    const ByteContainer c = read_container(message());
    CHECK(c.counter == 0xABCD);
    CHECK(c.agent[7] == 8);
    REQUIRE(c.structures.size() == 2);
    CHECK(c.type(0) == 11);
    CHECK(c.type(1) == 1);
    CHECK(read_voxels(c.structures[0]) == frame());
    CHECK(read_json_text(c.structures[1]) == "{\"a\":1}");
    CHECK(write_container(c) == message());
    CHECK(write_container({}) == Bytes{4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
    CHECK(read_container(write_container({})).structures.empty());
    CHECK(read_voxels(write_voxels({})).empty());
}

TEST_CASE("a message cut anywhere, or longer by a byte, is refused") {
    const Bytes whole = message();
    CHECK(refusal(whole).empty());
    std::size_t taken = 0;
    for (std::size_t n = 0; n < whole.size(); ++n)
        taken +=
            refusal(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n))).empty()
                ? 1u
                : 0u;
    CHECK(taken == 0);
    Bytes longer = whole;
    longer.push_back(0);
    CHECK(says(refusal(longer), "its structures end at"));
}

TEST_CASE("every number that can be wrong") {
    const auto with = [](std::size_t at, Bytes bytes) {
        Bytes m = message();
        std::copy(bytes.begin(), bytes.end(), m.begin() + static_cast<std::ptrdiff_t>(at));
        return refusal(m);
    };
    CHECK(says(with(0, {3}), "version 3, expected 4"));
    CHECK(says(with(3, {255}), "255 structures end at"));
    CHECK(says(with(3, {1}), "structure 0 is of type 9"));
    CHECK(says(with(12, {0xFF, 0xFF, 0xFF, 0xFF}), "structure 0 has 4294967295 bytes"));
    CHECK(says(with(12, {1, 0, 0, 0}), "structure 0 has 1 bytes, a header has 2"));
    const std::size_t s = 20;  // the first structure
    CHECK(says(with(s, {7}), "structure 0 is of type 7"));
    CHECK(says(with(s + 1, {2}), "not a structure of type 11 and version 1"));
    CHECK(says(with(s + 2, {0xFF, 0xFF}), "headers of 65535 areas"));
    CHECK(says(with(s + 2, {2}), "area 0 has 32 bytes from 52, expected a multiple of 16 from 36"));
    CHECK(says(with(s + 4, {'x'}), "area 0 has an id that begins with byte 120"));
    CHECK(says(with(s + 4 + 16 + 7, {'0'}), "area 1 has an id that an area before it has"));
    CHECK(says(with(s + 12, {0, 0, 0, 0}), "area 0 has 32 bytes from 0"));
    CHECK(says(with(s + 16, {31}), "area 0 has 31 bytes"));
    CHECK(says(with(s + 16, {0xF0, 0xFF, 0xFF, 0xFF}), "area 0 has 4294967280 bytes"));
    CHECK(
        says(with(s + 16, {16}), "area 1 has 0 bytes from 84, expected a multiple of 16 from 68"));
    CHECK(says(with(s + 52 + 24, {0, 0, 0xC0, 0x7F}), "potential of voxel 0 is not finite"));
    CHECK(says(with(s + 52 + 28, {0, 0, 0x80, 0xFF}), "potential of voxel 1 is not finite"));

    ByteContainer many;
    many.structures.resize(256, write_json_text("{}"));
    CHECK_THROWS_AS((void)write_container(many), Error);
    many.structures = {{11}};
    CHECK_THROWS_AS((void)write_container(many), Error);
    CHECK_THROWS_AS((void)read_json_text(write_voxels({})), Error);
}
