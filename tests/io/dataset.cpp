// The data set reader that the examples share.
#include "../../examples/support/dataset.hpp"

#include <doctest/doctest.h>

#include "support/temporary.hpp"

#include <vector>

using test::contains;
using test::message_of;

namespace {

std::string big_endian(std::initializer_list<unsigned> numbers) {
    std::string text;
    for (const unsigned x : numbers)
        for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(x >> shift & 255);
    return text;
}

}  // namespace

TEST_CASE("IDX images with the labels beside them") {
    test::Temporary folder;
    test::write_file(folder / "t-images-idx3-ubyte",
                     big_endian({0x803, 2, 1, 2}) + std::string("\xFF\0\x33\x66", 4));
    test::write_file(folder / "t-labels-idx1-ubyte", big_endian({0x801, 2}) + "\x07\x02");
    const auto data = Dataset::open(folder / "t-images-idx3-ubyte");
    REQUIRE(data.size() == 2);
    CHECK(data.classes() == 8);
    std::vector<int> labels;
    for (auto& [image, label] : data) labels.push_back(label * (image(0, 0) == 1.0f ? 1 : -1));
    CHECK(labels == std::vector<int>{7, -2});
    CHECK(contains(message_of([&] { (void)Dataset::open(folder / "t-labels-idx1-ubyte"); }),
                   "expected numbers"));
    test::write_file(folder / "t-labels-idx1-ubyte", big_endian({0x801, 3}) + "\x07\x02\x01");
    CHECK(contains(message_of([&] { (void)Dataset::open(folder / "t-images-idx3-ubyte"); }),
                   "not an IDX file of 2 labels"));
    test::write_file(folder / "t-images-idx3-ubyte", big_endian({0x803, 0xFFFFFFFF, 4096, 4096}));
    CHECK(contains(message_of([&] { (void)Dataset::open(folder / "t-images-idx3-ubyte"); }),
                   "pixels at offset 16 takes"));
}

TEST_CASE("lines of numbers, the label last") {
    test::Temporary folder;
    test::write_file(folder / "a", "0,16,8,4,1\r\n16,0,0,0,3\n\n");
    const auto data = Dataset::open(folder / "a");
    REQUIRE(data.size() == 2);
    CHECK(data.width() == 2);
    for (auto& batch : data.batches(5)) {
        CHECK(batch.target == std::vector<std::int32_t>{1, 3});
        CHECK(batch.input(0, 1) == 1.0f);
        CHECK(batch.input(0, 2) == 0.5f);
    }
    for (const char* bad : {"1,2\n1\n", "1,x\n", "1,256\n", "-1,2\n", "1;2\n"}) {
        test::write_file(folder / "a", bad);
        CHECK(contains(message_of([&] { (void)Dataset::open(folder / "a"); }), "line"));
    }
    test::write_file(folder / "a", "");
    CHECK(contains(message_of([&] { (void)Dataset::open(folder / "a"); }), "no images"));
}

TEST_CASE("drawn digits: reproducible, saved and read back, each once in a shuffled pass") {
    test::Temporary folder;
    const auto data = Dataset::digits(50, 7, 12);
    data.save(folder / "d");
    const auto again = Dataset::open(folder / "d");
    REQUIRE(again.size() == 50);
    auto other = again.begin();
    for (auto& [image, label] : data) {
        CHECK(label == (*other).label);
        CHECK(
            std::equal(image.units().begin(), image.units().end(), (*other).image.units().begin()));
        ++other;
    }
    std::vector<int> counts(10), shuffled(10);
    for (auto& example : data) ++counts[static_cast<std::size_t>(example.label)];
    std::size_t batches = 0;
    for (auto& batch : data.batches(16, 3)) {
        ++batches;
        for (const auto label : batch.target) ++shuffled[static_cast<std::size_t>(label)];
    }
    CHECK(batches == 4);
    CHECK(data.batches(16).size() == 4);
    CHECK(counts == shuffled);
}

TEST_CASE("a gzipped file without zlib says what to do") {
    test::Temporary folder;
    test::write_file(folder / "a.gz", "\x1F\x8B\x08");
    CHECK_FALSE(message_of([&] { (void)Dataset::open(folder / "a.gz"); }).empty());
}
