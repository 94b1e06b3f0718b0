// Mapped files, cursors, atomic writes: what is there, what is not, and what stays when writing
// fails.
#include <nibble/io/atomic_file.hpp>
#include <nibble/io/checksum.hpp>

#include <doctest/doctest.h>

#include "support/temporary.hpp"

#include <algorithm>

using namespace nibble;
using test::contains;
using test::message_of;

namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}

std::size_t files_in(const std::filesystem::path& folder) {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

}  // namespace

TEST_CASE("a mapped file is its bytes, and moves") {
    test::Temporary folder;
    test::write_file(folder / "a", "hello");
    MappedFile a = MappedFile::open(folder / "a");
    const MappedFile b = std::move(a);
    REQUIRE(b.bytes().size() == 5);
    CHECK(std::ranges::equal(b.bytes(), bytes_of("hello")));
    CHECK(a.bytes().empty());
    test::write_file(folder / "empty", "");
    CHECK(MappedFile::open(folder / "empty").bytes().empty());
}

TEST_CASE("what cannot be read is an error that names it and the cause") {
    test::Temporary folder;
    CHECK(contains(message_of([&] { (void)MappedFile::open(folder / "none"); }),
                   "none\": No such file or directory"));
    CHECK(contains(message_of([&] { (void)MappedFile::open(folder.path().string()); }),
                   "Is a directory"));
    CHECK(contains(message_of([&] { (void)MappedFile::open("/dev/null"); }), "not a regular file"));
    test::write_file(folder / "locked", "x");
    std::filesystem::permissions(folder / "locked", std::filesystem::perms::none);
    if (!std::ifstream(folder / "locked"))  // the superuser reads everything
        CHECK(contains(message_of([&] { (void)MappedFile::open(folder / "locked"); }),
                       "Permission denied"));
}

TEST_CASE("a cursor stops at the end, whatever is asked") {
    const std::string text("\x01\x02\x03\x04\x05", 5);
    Cursor cursor(bytes_of(text), "f");
    CHECK(cursor.integer<std::uint32_t>("x") == 0x04030201u);
    CHECK(cursor.left() == 1);
    CHECK(contains(message_of([&] { (void)cursor.take(~std::uint64_t{0}, "names"); }),
                   "f: names at offset 4 takes 18446744073709551615 bytes, 1 are left"));
    CHECK(contains(message_of([&] { (void)cursor.integer<std::uint16_t>("y"); }), "takes 2 bytes"));
    CHECK(cursor.integer<std::uint8_t>("y") == 5);
}

TEST_CASE("checked arithmetic") {
    std::uint64_t x = 0;
    CHECK(checked_add(~std::uint64_t{0} - 1, 1, x));
    CHECK_FALSE(checked_add(~std::uint64_t{0}, 1, x));
    CHECK(checked_multiply(0, ~std::uint64_t{0}, x));
    CHECK(checked_multiply(1u << 31, 1u << 31, x));
    CHECK_FALSE(checked_multiply(std::uint64_t{1} << 32, std::uint64_t{1} << 32, x));
}

TEST_CASE("an atomic file appears whole, replaces, and leaves nothing behind") {
    test::Temporary folder;
    const std::string big(300'000, 'b');
    {
        AtomicFile file(folder / "out");
        file.write("a");
        file.write(big);
        file.write("c");
        CHECK_FALSE(std::filesystem::exists(folder / "out"));
        file.commit();
    }
    CHECK(test::read_file(folder / "out") == "a" + big + "c");
    {
        AtomicFile file(folder / "out");
        file.write("never seen");
    }
    CHECK(test::read_file(folder / "out").size() == big.size() + 2);
    CHECK(files_in(folder.path()) == 1);

    std::filesystem::permissions(folder / "out", std::filesystem::perms(0640));
    std::filesystem::create_symlink(folder / "out", folder / "link");
    AtomicFile file(folder / "link");
    file.write("new");
    file.commit();
    CHECK(test::read_file(folder / "out") == "new");
    CHECK(std::filesystem::is_symlink(folder / "link"));
    CHECK(std::filesystem::status(folder / "out").permissions() == std::filesystem::perms(0640));
}

TEST_CASE("a failed write names file and cause") {
    test::Temporary folder;
    CHECK(contains(message_of([&] { AtomicFile file(folder / "no/where"); }),
                   "no/where\": No such file or directory"));
    CHECK(contains(message_of([&] { AtomicFile file(folder.path().string()); }), "Is a directory"));
    if (std::filesystem::exists("/dev/full")) {
        CHECK(contains(message_of([&] {
                           AtomicFile file("/dev/full");
                           file.write("x");
                           file.commit();
                       }),
                       "cannot write \"/dev/full\": No space left on device"));
        CHECK(std::filesystem::is_character_file("/dev/full"));
    }
}

TEST_CASE("XXH64 gives the published values, in any pieces") {
    const auto hash = [](std::string_view text) {
        Xxh64 h;
        h.update(text);
        return h.digest();
    };
    CHECK(hash("") == 0xEF46DB3751D8E999u);
    CHECK(hash("a") == 0xD24EC4F1A98C6E5Bu);
    CHECK(hash("abc") == 0x44BC2CF5AD770999u);
    CHECK(hash("Nobody inspects the spammish repetition") == 0xFBCEA83C8A378BF1u);
    std::string text;
    for (int i = 0; i < 100; ++i) text += static_cast<char>('a' + i % 26);
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
        Xxh64 h;
        h.update(std::string_view(text).substr(0, cut));
        h.update(std::string_view(text).substr(cut));
        CHECK(h.digest() == hash(text));
    }
    CHECK(checksum_text(0x0123456789ABCDEFu) == "xxh64:0123456789abcdef");
}
