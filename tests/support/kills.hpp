// A program that saves a file again and again, killed at many moments.
#pragma once

#include "support/temporary.hpp"

#include <nibble/io/gguf_writer.hpp>
#include <nibble/io/safetensors.hpp>
#include <nibble/io/safetensors_writer.hpp>

#include <doctest/doctest.h>

#if defined(__unix__)
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <ctime>

namespace test {

/// A file of 3 MB whose bytes are all `value`.
inline void save_both(const Temporary& folder, int value) {
    using namespace nibble;
    const std::vector<std::byte> data(3000000, static_cast<std::byte>(value));
    SafetensorsWriter s(folder / "m.safetensors");
    s.add("t", DType::U8, {data.size()}, data);
    s.commit();
    GgufWriter g(folder / "m.gguf");
    g.set("general.architecture", "x");
    g.add("t", GgufType::I8, {data.size()}, data);
    g.commit();
}

/// After each kill both files are there, whole by their checksum.
inline void expect_whole_after_kills(int count) {
    using namespace nibble;
    Temporary folder;
    save_both(folder, 0);
    for (int n = 0; n < count; ++n) {
        const pid_t child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            try {
                for (int value = 1;; ++value) save_both(folder, value & 255);
            } catch (...) {
                ::_exit(1);
            }
        }
        // From before the first byte to several files later.
        const timespec pause{0, 1000000L * (n * 37 % 60) + 100000L};
        ::nanosleep(&pause, nullptr);
        ::kill(child, SIGKILL);
        int status = 0;
        REQUIRE(::waitpid(child, &status, 0) == child);
        REQUIRE(WIFSIGNALED(status));
        SafetensorsFile::open(folder / "m.safetensors").verify();
        GgufFile::open(folder / "m.gguf").verify();
    }
    // A killed program leaves its temporary; a next save does not trip over it.
    save_both(folder, 7);
    const GgufFile last = GgufFile::open(folder / "m.gguf");
    last.verify();
    CHECK(last.bytes(last.at("t"))[0] == std::byte{7});
}

}  // namespace test
#endif
