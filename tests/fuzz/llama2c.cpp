// Fuzzing of the reader of llama2.c's models: any bytes are refused with an Error or read.
//
//     CXX=clang++ cmake -S . -B build/fuzz -D NIBBLE_BUILD_FUZZERS=ON
//     cmake --build build/fuzz --target fuzz_llama2c
//     mkdir -p work && build/fuzz/tests/fuzz/fuzz_llama2c work tests/fuzz/corpus/llama2c
//         -max_total_time=60
#include <nibble/io/llama2c.hpp>

#include <cstdlib>
#include <vector>

using namespace nibble;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto bytes = std::as_bytes(std::span(data, size));
    try {
        const auto file = Llama2cFile::from_bytes(bytes, "input");
        for (const Llama2cTensor& t : file.tensors()) {
            if (t.rows * t.cols > size) std::abort();
            std::vector<float> row(t.cols);
            for (std::size_t r = 0; r < t.rows; ++r) file.read_row(t, r, row.data());
        }
    } catch (const Error&) {
    }
    return 0;
}
