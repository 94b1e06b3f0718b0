// Weights as GGUF and NumPy files: blocks from numbers, typed metadata, codes without a change.
// Explained in docs/files.md.
#include <nibble/io/gguf_writer.hpp>
#include <nibble/io/npz.hpp>
#include <nibble/kernel/executor.hpp>
#include <nibble/kernel/quantize.hpp>
#include <nibble/value/rounding.hpp>

#include <cstdio>
#include <filesystem>

using namespace nibble;

int main() {
    const std::string folder = std::filesystem::temp_directory_path().string();
    Host on;
    Tensor<float> w({256, 512});
    Random random(1);
    for (std::size_t r = 0; r < w.rows(); ++r)
        for (std::size_t k = 0; k < w.cols(); ++k)
            w(r, k) = static_cast<float>(random.uniform() - 0.5);

    // quote: write
    GgufWriter out(folder + "/weights.gguf");
    out.set("general.architecture", "example");
    out.set("example.layers", std::uint32_t{1});
    const auto q4_k = quantize_blocks(on, "dense", GgufType::Q4_K, w.view());  // from numbers
    out.add("dense", GgufType::Q4_K, {256, 512}, q4_k);
    const auto int4 = quantize<Grouped<Int4Value, 32>>(on, w.view());
    const auto q4_0 = blocks_of(int4);  // the codes and scales of a matrix, as they are
    out.add("codes", GgufType::Q4_0, {256, 512}, q4_0);
    out.commit();  // whole or not at all, with a checksum
    // end quote

    // quote: read
    const GgufFile file = GgufFile::open(folder + "/weights.gguf");  // mapped and checked
    file.verify();  // every byte, where it has a checksum
    std::printf("%s, %u layers\n", std::string(file.text("general.architecture")).c_str(),
                static_cast<unsigned>(file.integer("example.layers", 1, 100)));
    for (const GgufTensor& t : file.tensors())
        std::printf("%s %s %s\n", std::string(t.name).c_str(), std::string(name_of(t.type)).c_str(),
                    to_string(t.shape()).c_str());
    Tensor<float> back({256, 512});
    read_floats(on, file, file.at("dense"), back.view());
    Matrix<Grouped<Int4Value, 32>> codes(256, 512);
    if (!read_blocks(on, file, file.at("codes"), codes))  // false where the formats differ:
        std::printf("decode and quantize instead\n");     // then read_floats and quantize
    // end quote
    std::printf("dense(3, 5) was %.4f, is %.4f; codes(3, 5) %s\n", static_cast<double>(w(3, 5)),
                static_cast<double>(back(3, 5)), codes(3, 5) == int4(3, 5) ? "kept" : "changed");

    // quote: numpy
    ZipWriter arrays(folder + "/weights.npz");
    const std::uint64_t shape[] = {2, 3};
    const float numbers[6] = {1, 2, 3, 4, 5, 6};
    add_npy(arrays, "a", DType::F32, shape, std::as_bytes(std::span(numbers)));
    arrays.commit();
    const NpzFile npz = NpzFile::open(folder + "/weights.npz");
    float a[6];
    npz.read_floats(*npz.find("a"), a);
    // end quote
    std::printf("a[1][2] is %.0f\n", static_cast<double>(a[5]));
    std::filesystem::remove(folder + "/weights.gguf");
    std::filesystem::remove(folder + "/weights.npz");
    return codes(3, 5) == int4(3, 5) && a[5] == 6 ? 0 : 1;
}
