// Fuzzing of the GGUF reader: any bytes are refused with an Error or read, decoded and written again;
// nothing crashes, hangs, or takes memory that the file does not pay for.
//
//     CXX=clang++ cmake -S . -B build/fuzz -D NIBBLE_BUILD_FUZZERS=ON
//     cmake --build build/fuzz --target fuzz_gguf
//     mkdir -p work && build/fuzz/tests/fuzz/fuzz_gguf work tests/fuzz/corpus/gguf
//         -dict=tests/fuzz/gguf.dict -max_total_time=60
#include <nibble/io/gguf_writer.hpp>
#include <nibble/kernel/executor.hpp>

#include <cstdlib>
#include <vector>

using namespace nibble;

namespace {

template <class F>
void try_matrix(Host& on, const GgufFile& file, const GgufTensor& t) {
    if (t.rank != 2) return;
    Matrix<F> m(static_cast<std::size_t>(t.extents[0]), static_cast<std::size_t>(t.extents[1]));
    if (!read_blocks(on, file, t, m)) return;
    // Blocks that went into a matrix come out as they were.
    const auto blocks = blocks_of(m);
    const auto bytes = file.bytes(t);
    if (!std::equal(blocks.begin(), blocks.end(), bytes.begin(), bytes.end())) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto bytes = std::as_bytes(std::span(data, size));
    try {
        const auto file = GgufFile::from_bytes(bytes, "input");
        Host on(1);
        std::size_t characters = 0;
        for (const GgufValue& v : file.values()) {
            if (file.value(v.key) != &v) std::abort();
            if (v.element == GgufKind::string)
                GgufFile::for_each_string(v, [&](std::string_view s) { characters += s.size(); });
            try {
                characters += file.integer(v.key, 0, ~std::uint64_t{0}) & 1;
            } catch (const Error&) {
            }
        }
        if (characters > 2 * size) std::abort();
        for (const GgufTensor& t : file.tensors()) {
            if (file.find(t.name) != &t || t.bytes() > size) std::abort();
            if (t.size() == 0 || t.size() > 4096) continue;
            Tensor<float> x(Shape{static_cast<std::size_t>(t.size() / t.cols()),
                                  static_cast<std::size_t>(t.cols())});
            if (x.bytes() > 1024 * size + 4096) continue;  // narrow rows are padded to 64
            if (!info_of(t.type).read) continue;
            read_floats(on, file, t, x.view());
            try_matrix<Grouped<Int4Value, 32>>(on, file, t);
            try_matrix<Grouped<Int8Value, 32>>(on, file, t);
            try_matrix<Grouped<fp4_e2m1, 32, E8M0>>(on, file, t);
            const GgufType to[] = {GgufType::Q4_0, GgufType::Q4_K, GgufType::Q6_K, GgufType::MXFP4};
            try {
                (void)quantize_blocks(on, "t", to[size % 4], x.view().row_block(0, 1));
            } catch (const Error&) {
            }
        }
        if (file.has_checksum()) file.verify();
    } catch (const Error&) {
    }
    return 0;
}
