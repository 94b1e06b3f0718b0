// examples/generate makes text from a file, as text and as JSON, and says what it refuses.
#include <nibble/io/json.hpp>

#include <doctest/doctest.h>

#include "support/temporary.hpp"
#include "support/tiny_llama.hpp"

#include <cstdlib>

#if defined(__unix__)
#include <sys/wait.h>
#endif

namespace {

const test::Temporary folder;

std::string model() {
    const std::string path = folder / "tiny.bin";
    test::write_file(path, test::tiny_llama());
    test::write_file(folder / "tok259.bin", test::tiny_tokenizer());
    return path;
}

/// Runs the program; the exit code, and what it wrote to its output.
int run(const std::string& arguments, std::string* out = nullptr) {
    const std::string command = std::string(NIBBLE_GENERATE) + " " + arguments +
                                " --threads 1 > '" + (folder / "out") + "' 2> '" +
                                (folder / "errors") + "'";
    const int code = std::system(command.c_str());
    if (out != nullptr) *out = test::read_file(folder / "out");
#if defined(__unix__)
    return WEXITSTATUS(code);
#else
    return code;
#endif
}

nibble::Json json(const std::string& arguments) {
    std::string out;
    REQUIRE(run(arguments + " --json", &out) == 0);
    return nibble::parse_json(out, "output");
}

}  // namespace

TEST_CASE("text as JSON: as many tokens as asked for, the same for the same seed") {
    const std::string path = model();
    const auto a = json(path + " --prompt 'ab c' --tokens 9 --ignore-end");
    CHECK(a["ids"].size() == 9);
    CHECK(a["prompt_tokens"] == 6);  // the beginning, a space, four bytes
    CHECK(a["weights"].get<int>() > 5000);
    const auto drawn = json(path + " --tokens 9 --ignore-end --temperature 1 --seed 4");
    CHECK(drawn["ids"] == json(path + " --tokens 9 --ignore-end --temperature 1 --seed 4")["ids"]);
    CHECK(drawn["ids"] != json(path + " --tokens 9 --ignore-end --temperature 1 --seed 5")["ids"]);
    std::string plain;
    CHECK(run(path + " --prompt 'ab c' --tokens 9 --ignore-end", &plain) == 0);
    CHECK(plain == "ab c" + a["text"].get<std::string>());
}

TEST_CASE("every precision of weights, keys and values") {
    const std::string path = model();
    double before = 1e9;
    for (const char* precision : {"fp32", "bf16", "int8", "int4"}) {
        const auto r = json(path + " --tokens 3 --ignore-end --precision " + precision);
        CHECK(r["ids"].size() == 3);
        CHECK(r["weight_bytes"].get<double>() < before);
        before = r["weight_bytes"].get<double>();
    }
    for (const char* kv : {"fp16", "bf16", "fp8", "int8", "int4"})
        CHECK(json(path + " --tokens 3 --ignore-end --kv " + kv)["ids"].size() == 3);
}

TEST_CASE("exit codes tell wrong usage from a file that is refused") {
    const std::string path = model();
    CHECK(run("--help") == 0);
    CHECK(run("") == 2);
    CHECK(run(path + " --precision int9") == 2);
    CHECK(run(folder / "nothing") == 1);
    CHECK(test::contains(test::read_file(folder / "errors"), "nothing"));
    CHECK(run(path + " --temperature -1") == 1);
    for (const char* option : {"--tokens", "--top-k", "--seed"})
        CHECK(run(path + " " + option + " -1") == 2);
    // Before the model is even looked for.
    CHECK(run((folder / "nothing") + " --temperature -1") == 1);
    CHECK_FALSE(test::contains(test::read_file(folder / "errors"), "nothing"));
    CHECK(run(path + " --tokens 1 --prompt " + std::string(200, 'a')) == 0);
    CHECK(test::contains(test::read_file(folder / "errors"), "only its last part is read"));
#if defined(__linux__)
    // An output that takes nothing.
    CHECK(WEXITSTATUS(std::system((std::string(NIBBLE_GENERATE) + " " + path +
                                   " --tokens 1 --json > /dev/full 2> /dev/null")
                                      .c_str())) == 1);
#endif
    test::write_file(folder / "cut.bin", test::tiny_llama().substr(0, 2000));
    CHECK(run(folder / "cut.bin") == 1);
    CHECK(test::contains(test::read_file(folder / "errors"), "bytes, "));
}
