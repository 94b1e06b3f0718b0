// Real files by other writers.
#include <nibble/io/safetensors.hpp>

#include <doctest/doctest.h>

#include "support/data.hpp"
#include "support/temporary.hpp"

#include <cmath>
#include <cstdlib>
#include <vector>

using namespace nibble;

namespace {

/// Every float tensor has only finite numbers; gives the number of elements.
std::uint64_t read_all(const SafetensorsFile& file) {
    std::uint64_t n = 0;
    for (const FileTensor& t : file.tensors()) {
        std::vector<float> x(t.size());
        REQUIRE(to_floats(t.dtype, file.bytes(t).data(), x.size(), x.data()));
        std::size_t finite = 0;
        for (const float v : x) finite += std::isfinite(v) ? 1u : 0u;
        CHECK(finite == x.size());
        n += t.size();
    }
    return n;
}

}  // namespace

TEST_CASE("a GPT-2 checkpoint in both layouts") {
    const auto ours = SafetensorsFile::open(
        test::data_file("chargpt-shakespeare/init-seed1337.safetensors").string());
    CHECK(read_all(ours) == 809'856);
    CHECK(ours.at("h.0.attn.c_attn.weight").shape == std::vector<std::uint64_t>{384, 128});
    const auto trained =
        SafetensorsFile::open(test::data_file("chargpt-shakespeare/model.safetensors").string());
    CHECK(read_all(trained) >= 809'856);
    CHECK(trained.at("transformer.h.0.attn.c_attn.weight").shape ==
          std::vector<std::uint64_t>{128, 384});
}

TEST_CASE("a Llama checkpoint") {
    const auto file =
        SafetensorsFile::open(test::data_file("stories260K-hf/model.safetensors").string());
    CHECK(read_all(file) > 250'000);
    CHECK(file.at("model.layers.4.mlp.up_proj.weight").shape ==
          std::vector<std::uint64_t>{172, 64});
}

TEST_CASE("a convolution net with scalars and 64-bit integers") {
    const std::string packed = test::data_file("burn-mnist-cnn.safetensors.gz").string();
    test::Temporary folder;
    if (std::system(("gzip -dc '" + packed + "' > '" + (folder / "burn") + "'").c_str()) != 0) {
        MESSAGE("skipped: gzip is not there");
        return;
    }
    const auto file = SafetensorsFile::open(folder / "burn");
    CHECK(read_all(file) > 300'000);
    bool scalar = false;
    for (const FileTensor& t : file.tensors())
        scalar = scalar || (t.shape.empty() && t.dtype == DType::I64);
    CHECK(scalar);
}
