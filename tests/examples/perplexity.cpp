// examples/perplexity measures what it says.
#include <nibble/io/json.hpp>

#include <doctest/doctest.h>

#include "support/temporary.hpp"
#include "support/tiny_llama.hpp"

#include <cmath>
#include <cstdlib>

namespace {

const test::Temporary folder;

nibble::Json measure(const std::string& arguments) {
    test::write_file(folder / "tiny.bin", test::tiny_llama());
    test::write_file(folder / "tok259.bin", test::tiny_tokenizer());
    test::write_file(folder / "text", "some words that no model knows, and some more of them\n");
    const std::string command = std::string(NIBBLE_PERPLEXITY) + " '" + (folder / "tiny.bin") +
                                "' '" + (folder / "text") + "' --json --threads 1 " + arguments +
                                " > '" + (folder / "out") + "'";
    REQUIRE(std::system(command.c_str()) == 0);
    return nibble::parse_json(test::read_file(folder / "out"), "output");
}

}  // namespace

TEST_CASE("the loss of made-up weights, and what INT8 changes") {
    const auto exact = measure("");
    CHECK(exact["tokens"] == 55);  // a beginning and a space before 54 bytes; the first has no loss
    CHECK(exact["perplexity"].get<double>() ==
          doctest::Approx(std::exp(exact["nats"].get<double>())));
    CHECK(exact["nats"].get<double>() > 3);
    const auto small = measure("--precision int8 --kv int8 --against fp32");
    CHECK(small["against_nats"].get<double>() == doctest::Approx(exact["nats"].get<double>()));
    CHECK(small["kl"].get<double>() > 0);
    CHECK(small["kl"].get<double>() < 0.01);
    CHECK(measure("--limit 10")["tokens"] == 10);
    CHECK(measure("--precision fp32 --against fp32")["kl"].get<double>() < 1e-12);
}

TEST_CASE("wrong usage, and files that are refused") {
    const auto code = [&](const std::string& arguments) {
        return std::system((std::string(NIBBLE_PERPLEXITY) + " " + arguments + " > '" +
                            (folder / "out") + "' 2>&1")
                               .c_str());
    };
    CHECK(code("--help") == 0);
    CHECK(code("") != 0);
    CHECK(code("'" + (folder / "tiny.bin") + "' '" + (folder / "nothing") + "'") != 0);
    const std::string files = "'" + (folder / "tiny.bin") + "' '" + (folder / "text") + "'";
    for (const char* option : {"--limit", "--context"}) {
        CHECK(code(files + " " + option + " -1") != 0);
        CHECK(test::contains(test::read_file(folder / "out"), option));
    }
#if defined(__linux__)
    // An output that takes nothing.
    for (const char* form : {" --json", ""})
        CHECK(std::system((std::string(NIBBLE_PERPLEXITY) + " " + files + " --limit 3" + form +
                           " > /dev/full 2> /dev/null")
                              .c_str()) != 0);
#endif
}
