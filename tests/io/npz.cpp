// NumPy files: every rule of the head and of the ZIP directory, compressed members, files written.
#include <nibble/io/npz.hpp>

#include <doctest/doctest.h>

#include "support/temporary.hpp"

#include <cstring>

using namespace nibble;
using test::contains;
using test::message_of;

namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}
NpzFile parse(std::string_view file) { return NpzFile::from_bytes(bytes_of(file), "f"); }

std::string npy(std::string_view dict, std::string_view data, char major = 1) {
    std::string s = "\x93NUMPY";
    s += major;
    s += '\0';
    for (int i = 0; i < (major == 1 ? 2 : 4); ++i)
        s += static_cast<char>(static_cast<unsigned char>(dict.size() >> 8 * i));
    return s + std::string(dict) + std::string(data);
}
std::string dict(const std::string& descr, const std::string& shape, bool fortran = false) {
    return "{'descr': '" + descr + "', 'fortran_order': " + (fortran ? "True" : "False") +
           ", 'shape': " + shape + ", }\n";
}
void refused(std::string_view file, std::string_view because) {
    const std::string message = message_of([&] { (void)parse(file); });
    INFO(message);
    CHECK(contains(message, because));
    CHECK(contains(message, "\"f\""));
}
std::vector<float> floats(std::string_view file, std::size_t n) {
    const NpzFile f = parse(file);
    std::vector<float> out(n);
    f.read_floats(f.arrays()[0], out);
    return out;
}
/// 12 bytes: 1.5f, -2.0f, 3.0f.
const std::string three("\0\0\xC0\x3F\0\0\0\xC0\0\0\x40\x40", 12);

/// Sets a little-endian number in a file.
std::string with(std::string file, std::size_t at, std::uint64_t x, unsigned bytes) {
    for (unsigned i = 0; i < bytes; ++i)
        file[at + i] = static_cast<char>(static_cast<unsigned char>(x >> 8 * i));
    return file;
}

/// Written by NumPy: savez_compressed(a=zeros((40, 50), '<f4')), b=arange(6, dtype='<i2')).
std::string compressed_by_numpy() {
    std::string s;
    const char* hex =
        "504b0304140000000800000021009e6a01276a000000c01f000005001400612e6e707901001000c0"
        "1f0000000000006a00000000000000edc8210e83301840e1ce728adffd9054209859d038c8ccc414"
        "694609820069c9ccb25370e1952b4cbfcfbd77748ff6febc98b7f9e8e0e32be84db41e2bb5a2e31a"
        "f6e0967e0d833f7fe3e6e8d38f93db7ceabc2aad5ccbc2ca57fe9419000000000000000000000060"
        "7e504b030414000000080000002100d6d515f9500000008c00000005001400622e6e707901001000"
        "8c0000000000000050000000000000009bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9369"
        "a4aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a663a9a3a0ab50a"
        "14002e06064606260666061606560600504b01021403140000000800000021009e6a01276a000000"
        "c01f0000050000000000000000000000800100000000612e6e7079504b0102140314000000080000"
        "002100d6d515f9500000008c0000000500000000000000000000008001a1000000622e6e7079504b"
        "0506000000000200020066000000280100000000";
    for (; *hex != '\0'; hex += 2) {
        const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
        s += static_cast<char>(static_cast<unsigned char>(digit(hex[0]) * 16 + digit(hex[1])));
    }
    return s;
}

}  // namespace

TEST_CASE("types, orders and versions of .npy") {
    CHECK(floats(npy(dict("<f4", "(3,)"), three), 3) == std::vector<float>{1.5f, -2, 3});
    CHECK(floats(npy(dict("=f4", "(1,3)"), three, 2), 3)[2] == 3);
    CHECK(floats(npy("{\"shape\":(3,),'descr':'<f4','fortran_order':False}", three, 3), 3)[0] ==
          1.5f);
    CHECK(floats(npy(dict(">f4", "(1,)"), std::string("\x3F\xC0\0\0", 4)), 1)[0] == 1.5f);
    CHECK(floats(npy(dict("<f2", "()"), std::string("\0\xC0", 2)), 1)[0] == -2);
    CHECK(floats(npy(dict("|V2", "(1,)"), "\x80\xBF"), 1)[0] == -1);
    CHECK(floats(npy(dict("|b1", "(2,)"), std::string("\1\0", 2)), 2) == std::vector<float>{1, 0});
    CHECK(floats(npy(dict("|i1", "(2,)"), "\xFF\x7F"), 2) == std::vector<float>{-1, 127});
    CHECK(floats(npy(dict(">i2", "(2,)"), std::string("\xFF\xFE\x01\x00", 4)), 2) ==
          std::vector<float>{-2, 256});
    CHECK(floats(npy(dict("<f8", "(1,)"), std::string("\0\0\0\0\0\0\xF8\x3F", 8)), 1)[0] == 1.5f);
    // Columns one after the other: [[1, 2, 3], [4, 5, 6]].
    CHECK(floats(npy(dict("|u1", "(2, 3)", true), "\1\4\2\5\3\6"), 6) ==
          std::vector<float>{1, 2, 3, 4, 5, 6});
    CHECK(floats(npy(dict("|u1", "(2, 1, 2)", true), "\1\3\2\4"), 4) ==
          std::vector<float>{1, 2, 3, 4});
    CHECK(floats(npy(dict("<f4", "(0, 4)"), ""), 0).empty());
    CHECK(contains(message_of([] { (void)floats(npy(dict("<c8", "(1,)"), "12345678"), 1); }),
                   "complex"));
    CHECK(contains(message_of([] { (void)floats(npy(dict("|u1", "(1,)"), "1"), 2); }),
                   "is [1], read into 2 numbers"));
}

TEST_CASE("heads of .npy that are refused") {
    refused("", "magic at offset 0 takes 6 bytes, 0 are left");
    refused("\x93NUMPX12", "at offset 0: no .npy file");
    refused(std::string("\x93NUMPY\4\0\0\0", 10), "version 4.0, 1.0 to 3.0 are read");
    refused(std::string("\x93NUMPY\2\0\xFF\xFF\xFF\xFF", 12), "at most 65535");
    refused(std::string("\x93NUMPY\1\0\xFF\0", 10), "header at offset 10 takes 255 bytes, 0 are");
    refused(npy(dict("|O", "(1,)"), "x"), "an array of objects: a pickle, which is never read");
    refused(npy(dict("<U8", "(1,)"), "x"), "elements of type \"<U8\", which is not read");
    refused(npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': ()}", "1234"),
            "records");
    refused(npy(dict("<f4", "(4,)"), three), "takes 16 bytes, after the head there are 12");
    refused(npy(dict("<f4", "(2,)"), three), "takes 8 bytes, after the head there are 12");
    refused(npy(dict("<f4", "(-1,)"), three), "expected an extent");
    refused(npy(dict("<f4", "(3)"), three), "without its comma");
    refused(npy(dict("<f4", "(3 3)"), three), "expected ',' or ')'");
    refused(npy(dict("<f4", "(576460752303423488,)"), three), "an extent of 2^59 or more");
    refused(npy(dict("<f4", "(4294967296, 4294967296)"), ""), "has more than 2^64 bytes");
    refused(npy(dict("<f4", "(0, 4294967296, 4294967296)"), ""), "has more than 2^64 bytes");
    refused(npy("{'descr': '<f4', 'shape': (3,)}", three), "no key \"fortran_order\"");
    refused(npy("{'descr': '<f4', 'descr': '<f4'}", three), "key \"descr\" twice");
    refused(npy("{'descr': '<f4', 'x': 1}", three), "unknown key \"x\"");
    refused(npy("{'fortran_order': Maybe}", three), "neither True nor False");
    refused(npy(dict("<f4", "(3,)") + "x", three), "something after the header's dict");
    refused(npy("('descr')", three), "expected '{'");
    refused(npy("{'descr", three), "a text without an end");
}

TEST_CASE("what is written reads back, at aligned offsets") {
    test::Temporary folder;
    const std::uint64_t shape[] = {1, 3}, one[] = {3};
    write_npy(folder / "a.npy", DType::F32, shape, bytes_of(three));
    const std::string text = test::read_file(folder / "a.npy");
    CHECK(text.size() == 128 + 12);
    CHECK(NpzFile::open(folder / "a.npy").arrays()[0].header.shape ==
          std::vector<std::uint64_t>{1, 3});
    ZipWriter writer(folder / "b.npz");
    add_npy(writer, "first", DType::F32, one, bytes_of(three));
    add_npy(writer, "layer.0/w", DType::BF16, shape, bytes_of(three.substr(0, 6)));
    add_npy(writer, "empty", DType::I64, {}, bytes_of("12345678"));
    writer.commit();
    const NpzFile file = NpzFile::open(folder / "b.npz");
    file.verify();
    CHECK(file.arrays().size() == 3);
    CHECK(file.find("layer.0/w")->header.dtype == DType::BF16);
    CHECK(file.find("none") == nullptr);
    std::vector<std::byte> unused;
    const auto data = file.bytes(*file.find("first"), unused);
    CHECK(std::memcmp(data.data(), three.data(), 12) == 0);
    CHECK(reinterpret_cast<std::uintptr_t>(data.data()) % 64 == 0);
    CHECK(unused.empty());
    CHECK_THROWS_AS((void)npy_head(DType::F4, one), Error);

    // Damage: every cut is refused, every flip is refused or shows in verify() or changes no content.
    const std::string good = test::read_file(folder / "b.npz");
    for (std::size_t n = 0; n < good.size(); ++n)
        CHECK_THROWS_AS((void)parse(std::string_view(good).substr(0, n)), Error);
    std::size_t whole = 0;
    for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
        std::string bad = good;
        bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
        try {
            const NpzFile f = parse(bad);
            f.verify();
            ++whole;
            for (const NpyArray& a : f.arrays()) {
                const NpyArray* original = file.find(a.name);
                REQUIRE(original != nullptr);
                CHECK(a.header.shape == original->header.shape);
            }
        } catch (const Error&) {
        }
    }
    CHECK(whole > 0);  // dates and padding
}

TEST_CASE("a file of NumPy's with compressed members") {
    const std::string good = compressed_by_numpy();
    const NpzFile file = parse(good);
    file.verify();
    REQUIRE(file.arrays().size() == 2);
    CHECK(file.find("a")->header.shape == std::vector<std::uint64_t>{40, 50});
    std::vector<float> a(2000, 1.0f), b(6);
    file.read_floats(*file.find("a"), a);
    CHECK(a == std::vector<float>(2000));
    file.read_floats(*file.find("b"), b);
    CHECK(b == std::vector<float>{0, 1, 2, 3, 4, 5});
    for (std::size_t n = 0; n < good.size(); ++n)
        CHECK_THROWS_AS((void)parse(std::string_view(good).substr(0, n)), Error);
    for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
        std::string bad = good;
        bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
        try {
            const NpzFile f = parse(bad);
            f.verify();
            std::vector<std::byte> unpacked;
            for (const NpyArray& x : f.arrays()) CHECK(f.bytes(x, unpacked).size() < 10000);
        } catch (const Error&) {
        }
    }
}

TEST_CASE("ZIP directories that are refused") {
    test::Temporary folder;
    {
        const std::uint64_t one[] = {3};
        ZipWriter writer(folder / "z");
        add_npy(writer, "a", DType::F32, one, bytes_of(three));
        add_npy(writer, "b", DType::F32, one, bytes_of(three));
        writer.commit();
    }
    const std::string good = test::read_file(folder / "z");
    const std::size_t entry = good.find("PK\1\2"), second = good.find("PK\1\2", entry + 1);
    const std::size_t end64 = good.find("PK\6\6"), end = good.find("PK\5\6");
    refused(with(good, entry + 8, 1, 2), "member \"a.npy\" is encrypted");
    refused(with(good, entry + 10, 12, 2), "method 12, 0 (stored) and 8 (deflated) are read");
    refused(with(good, entry + 46, 'b', 1), "member \"b.npy\" has another name at its head");
    refused(with(good, second + 46 + 5 + 20, 0, 8), "another name at its head");
    refused(with(good, entry + 46 + 5 + 20, ~std::uint64_t{0}, 8),
            "no head at 18446744073709551615");
    refused(with(good, entry + 46 + 5 + 12, ~std::uint64_t{0}, 8), "leave the");
    refused(with(good, entry + 46 + 5 + 4, 7, 8), "is stored, 140 bytes as 7");
    refused(with(good, entry + 46 + 5 + 2, 60, 2), "an extra field that leaves its entry");
    refused(with(good, entry + 46 + 5 + 2, 8, 2), "no ZIP64 size");
    refused(with(good, entry + 28, 65535, 2), "an entry that leaves the directory");
    refused(with(good, end64 + 32, ~std::uint64_t{0}, 8), "18446744073709551615 members");
    refused(with(good, end64 + 48, ~std::uint64_t{0}, 8), "the directory is at");
    refused(with(good, end64 + 40, ~std::uint64_t{0}, 8), "the directory is at");
    refused(with(good, end + 4, 1, 2), "one of several disks");
    refused(with(good, end, 0, 4), "no end of a ZIP directory");
    std::string other = good;
    for (std::size_t at = 0; (at = other.find("a.npy", at)) != other.npos; ++at)
        other[at + 2] = 'x';
    refused(other, "member \"a.xpy\" is no .npy");
    std::string twice = good;
    for (std::size_t at = 0; (at = twice.find("b.npy", at)) != twice.npos; ++at) twice[at] = 'a';
    refused(twice, "member \"a.npy\" twice");
    std::string damaged = good;
    damaged[good.find(three) + 2] ^= 1;
    CHECK(contains(message_of([&] { parse(damaged).verify(); }), "damaged: its CRC-32 is"));
    // A member that claims more than deflate can make of its bytes.
    refused(with(with(good, entry + 10, 8, 2), entry + 46 + 5 + 4, std::uint64_t{1} << 40, 8),
            "1099511627776 bytes cannot be in 140");
}
