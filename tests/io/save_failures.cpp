// Saving under bad luck: killed at any moment, a full device, a file that may not grow. The old file stays
// whole, or the new one is. (A thousand kills: tests/long/kills.cpp.)
#include <nibble/io/gguf_writer.hpp>
#include <nibble/io/npz.hpp>
#include <nibble/io/safetensors.hpp>
#include <nibble/io/safetensors_writer.hpp>

#include <doctest/doctest.h>

#include "support/kills.hpp"
#include "support/temporary.hpp"

#if defined(__unix__)
#include <sys/resource.h>

#include <csignal>

using namespace nibble;
using test::contains;
using test::message_of;

TEST_CASE("killed while saving: the old file or the new one, never a part") {
    test::expect_whole_after_kills(20);
}

TEST_CASE("a file that may not grow: the error names it, the old one stays") {
    test::Temporary folder;
    test::write_file(folder / "a", "old");
    rlimit old{};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &old) == 0);
    const auto before = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit small{100000, old.rlim_max};
    const std::vector<std::byte> data(400000);
    std::vector<std::string> messages;
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
    messages.push_back(message_of([&] {
        SafetensorsWriter w(folder / "a");
        w.add("t", DType::U8, {data.size()}, data);
        w.commit();
    }));
    messages.push_back(message_of([&] {
        GgufWriter w(folder / "a");
        w.set("general.architecture", "x");
        w.add("t", GgufType::I8, {data.size()}, data);
        w.commit();
    }));
    messages.push_back(message_of([&] {
        const std::uint64_t shape[] = {data.size()};
        ZipWriter w(folder / "a");
        add_npy(w, "t", DType::U8, shape, data);
        w.commit();
    }));
    ::setrlimit(RLIMIT_FSIZE, &old);
    std::signal(SIGXFSZ, before);
    for (const std::string& m : messages) {
        INFO(m);
        CHECK(contains(m, "cannot write"));
        CHECK(contains(m, "File too large"));
    }
    CHECK(test::read_file(folder / "a") == "old");
    CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
}

TEST_CASE("a full device") {
    if (!std::filesystem::exists("/dev/full")) return;
    const std::vector<std::byte> data(100);
    const auto full = [](auto&& save) {
        const std::string m = message_of(save);
        INFO(m);
        CHECK(contains(m, "cannot write \"/dev/full\": No space left on device"));
    };
    full([&] {
        SafetensorsWriter w("/dev/full");
        w.add("t", DType::U8, {100}, data);
        w.commit();
    });
    full([&] {
        GgufWriter w("/dev/full");
        w.set("general.architecture", "x");
        w.commit();
    });
    full([&] {
        const std::uint64_t shape[] = {100};
        write_npy("/dev/full", DType::U8, shape, data);
    });
}
#endif
