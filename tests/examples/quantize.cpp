// The quantizer as its user meets it: a small llama2.c file in, checkpoints and reports out, and every
// exit code. NIBBLE_QUANTIZE is the program's path.
#include <nibble/io/safetensors.hpp>
#include <nibble/value/rounding.hpp>

#include <doctest/doctest.h>

#include "support/temporary.hpp"

#include <cstdlib>
#include <cstring>

#if !defined(_WIN32)
#include <sys/wait.h>
#endif

using namespace nibble;
using test::contains;

namespace {

/// One layer of 32 channels over 26 letters, with random weights; letters to quantize by.
struct Folder : test::Temporary {
    Folder() {
        const std::int32_t head[7] = {32, 64, 1, 2, 1, 26, 16};
        std::string bytes(reinterpret_cast<const char*>(head), sizeof head);
        Random random(11);
        const std::size_t numbers =
            26 * 32 + 32 + 32 * 32 + 2 * 16 * 32 + 32 * 32 + 32 + 3 * 32 * 64 + 32 + 2 * 16 * 8;
        for (std::size_t i = 0; i < numbers; ++i) {
            const float x = float(random.uniform() + random.uniform() - 1) * 0.4f;
            bytes.append(reinterpret_cast<const char*>(&x), 4);
        }
        test::write_file(*this / "m.bin", bytes);
        std::string names = "{";
        for (int c = 0; c < 26; ++c)
            names += (c == 0 ? "\"" : ", \"") + std::string(1, char('a' + c)) +
                     "\": " + std::to_string(c);
        test::write_file(*this / "vocab.json", names + "}");
        std::string text;
        for (int i = 0; i < 4000; ++i) text += char('a' + random.below(random.below(26) + 1));
        test::write_file(*this / "text.txt", text);
        test::write_file(*this / "policy.txt", "*.mlp.* int3-g32\n*q_proj.weight bf16\n");
        test::write_file(*this / "bad.txt", "* int5\n");
    }
    int run(const std::string& arguments) const {
        const std::string command = "cd \"" + path().string() + "\" && \"" NIBBLE_QUANTIZE "\" " +
                                    arguments + " > out.txt 2> error.txt";
        const int status = std::system(command.c_str());
#if defined(_WIN32)
        return status;
#else
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
#endif
    }
    std::string read(const char* name) const { return test::read_file(*this / name); }
};

}  // namespace

TEST_CASE("a model in, a checkpoint and three reports out") {
    const Folder folder;
    REQUIRE(folder.run("m.bin q.safetensors --calibrate text.txt --policy policy.txt --windows 20 "
                       "--judge 10 --tune 3 --report r.html --report r.json --report r.txt") == 0);
    const auto file = SafetensorsFile::open(folder / "q.safetensors");
    file.verify();
    CHECK(*file.metadata("nibble.model") == "llama");
    CHECK(*file.metadata("nibble.ptq") == "gptq");
    CHECK(*file.metadata("nibble.tensor.model.layers.0.mlp.up_proj.weight") == "int3-g32 64x32");
    CHECK(*file.metadata("nibble.tensor.model.embed_tokens.weight") == "int4-g32 26x32");
    CHECK(file.at("model.layers.0.self_attn.q_proj.weight").dtype == DType::BF16);
    CHECK(contains(folder.read("r.html"), "Memory by format"));
    CHECK(contains(folder.read("r.json"), "\"top1\""));
    CHECK(contains(folder.read("r.txt"), "worst first"));
    CHECK(contains(folder.read("out.txt"), "top-1 kept"));
    CHECK(contains(folder.read("error.txt"), "quantize model.layers.0.mlp.down_proj.weight"));

    // What it wrote is a model it reads; without a text only what needs none.
    CHECK(folder.run("q.safetensors again.safetensors --method hqq --format int8 --quiet") == 0);
    CHECK(folder.read("out.txt").empty());
    CHECK(folder.read("error.txt").empty());
}

TEST_CASE("a budget is kept, whichever method") {
    const Folder folder;
    for (const char* method : {"gptq --rotate", "awq", "nearest --smooth"}) {
        CAPTURE(method);
        REQUIRE(folder.run(std::string("m.bin b.safetensors --calibrate text.txt --windows 12 "
                                       "--judge 6 --budget 5bpw --method ") +
                           method) == 0);
        std::uint64_t bytes = 0;
        const auto file = SafetensorsFile::open(folder / "b.safetensors");
        for (const FileTensor& t : file.tensors()) bytes += t.bytes();
        CHECK(double(bytes) <= 5.0 / 8 * 11616);
        CHECK(double(bytes) > 4.0 / 8 * 11616);
    }
}

TEST_CASE("every failure has its exit code and says what it was") {
    const Folder folder;
    const auto says = [&](int code, const std::string& arguments, const char* message) {
        CAPTURE(arguments);
        CHECK(folder.run(arguments) == code);
        CHECK_MESSAGE(contains(folder.read("error.txt"), message), folder.read("error.txt"));
    };
    says(2, "", "required");
    says(2, "m.bin out.safetensors --windows none", "--windows");
    CHECK(folder.run("--help") == 0);
    says(1, "none.bin out.safetensors", "none.bin");
    says(1, "vocab.json out.safetensors", "vocab.json");
    says(1, "m.bin out.safetensors", "gptq needs a text to calibrate with");
    says(2, "none.bin out.safetensors --method magic --calibrate text.txt", "no method \"magic\"");
    says(2, "none.bin out.safetensors --format int5", "\"int5\": unknown");
    says(1, "m.bin out.safetensors --calibrate text.txt --policy bad.txt", "bad.txt\", line 1");
    says(1, "m.bin out.safetensors --calibrate text.txt --budget 1bpw", "budget of");
    says(2, "none.bin out.safetensors --calibrate text.txt --budget much",
         "expected bits a weight");
    says(1, "m.bin out.safetensors --method nearest --budget 4bpw", "needs --calibrate");
    says(1, "m.bin out.safetensors --calibrate vocab.json", "no token");
    says(1, "m.bin no/out.safetensors --method nearest", "no/out.safetensors");
    says(1, "m.bin out.safetensors --method nearest --report no/r.txt", "no/r.txt");
    says(2, "m.bin out.safetensors --method nearest --format int8-none", "without scales");
    test::write_file(folder / "few.txt", "abcdefg");
    says(1, "m.bin out.safetensors --calibrate few.txt", "few.txt\": ");
    CHECK_FALSE(std::filesystem::exists(folder.path() / "out.safetensors"));
    test::write_file(folder / "unused.txt", "*.nothing int8\n*.mlp.* int8\n");
    says(0, "m.bin q.safetensors --method nearest --quiet --policy unused.txt",
         "no parameter is named by \"*.nothing\"");
    CHECK_FALSE(contains(folder.read("error.txt"), "*.mlp.*"));
#if defined(__linux__)
    // A report that is not taken.
    const std::string full = "cd \"" + folder.path().string() +
                             "\" && \"" NIBBLE_QUANTIZE
                             "\" m.bin q.safetensors --method nearest > /dev/full 2> error.txt";
    CHECK(WEXITSTATUS(std::system(full.c_str())) == 1);
#endif
}

TEST_CASE("the tokenizer is found under any of the usual names") {
    const Folder folder;
    const std::string run =
        "m.bin q.safetensors --calibrate text.txt --method nearest --windows 2 --judge 2 --quiet";
    std::filesystem::rename(folder / "vocab.json", folder / "encoder.json");
    CHECK(folder.run(run) == 0);
    // llama2.c's form, by its size: a score, a length and the text of each token.
    std::filesystem::remove(folder / "encoder.json");
    CHECK(folder.run(run) == 1);
    std::string tokens("\1\0\0\0", 4);
    for (int c = 0; c < 26; ++c)
        tokens += std::string("\0\0\0\0\1\0\0\0", 8) + char(c < 3 ? '0' + c : 'a' + c);
    test::write_file(folder / "tok26.bin", tokens);
    CHECK_MESSAGE(folder.run(run) == 0, folder.read("error.txt"));
}
