// Fuzzing of the readers of .npy, .npz and of the inflater: any bytes are refused with an Error or read.
//
//     CXX=clang++ cmake -S . -B build/fuzz -D NIBBLE_BUILD_FUZZERS=ON
//     cmake --build build/fuzz --target fuzz_npz
//     mkdir -p work && build/fuzz/tests/fuzz/fuzz_npz work tests/fuzz/corpus/npz
//         -dict=tests/fuzz/npz.dict -max_total_time=60
#include <nibble/io/npz.hpp>

#include <cstdlib>
#include <vector>

using namespace nibble;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto bytes = std::as_bytes(std::span(data, size));
    try {
        // Without a directory and a CRC before it, so that mutations reach the inflater.
        std::size_t made = 0;
        (void)inflate(bytes, "input", [&](std::span<const std::byte> piece) {
            made += piece.size();
            return made < 1u << 20;
        });
    } catch (const Error&) {
    }
    try {
        const auto file = NpzFile::from_bytes(bytes, "input");
        for (const NpyArray& a : file.arrays()) {
            if (file.find(a.name) != &a) std::abort();
            // What deflate can make of the bytes there are.
            if (a.header.data > 1032 * size + 1032) std::abort();
            try {
                std::vector<float> x(static_cast<std::size_t>(a.header.size()));
                file.read_floats(a, x);
            } catch (const Error&) {
            }
        }
        file.verify();
    } catch (const Error&) {
    }
    return 0;
}
