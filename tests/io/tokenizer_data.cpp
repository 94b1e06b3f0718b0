// Published vocabularies against the ids that others get.
#include <nibble/io/tokenizer_file.hpp>

#include <doctest/doctest.h>

#include "support/data.hpp"
#include "support/temporary.hpp"

#include <cstdlib>

using namespace nibble;

namespace {

const test::Temporary folder;

/// The file unpacked, in a folder of its own; empty when there is no gzip.
std::string unpacked(const char* name, const std::string& as) {
    const std::string path = folder / as;
    const std::string command =
        "gzip -dc '" + test::data_file(name).string() + "' > '" + path + "'";
    return std::system(command.c_str()) == 0 ? path : std::string();
}

/// Every string of NAME.inp gives the ids of NAME.out, and comes back.
void check_golden(const Tokenizer& t, const std::string& name) {
    const std::string separator = "\n__ggml_vocab_test__\n";
    const std::string in = test::read_file(test::data_file(name + ".inp").string());
    const std::string out = test::read_file(test::data_file(name + ".out").string());
    std::size_t line = 0, count = 0;
    for (std::size_t at = 0; at < in.size(); ++count) {
        const std::size_t end = std::min(in.find(separator, at), in.size());
        const std::string text = in.substr(at, end - at);
        at = end + separator.size();
        const std::size_t line_end = out.find('\n', line);
        std::string ids;
        const auto found = t.encode(text, {.ends = false});
        for (const std::int32_t id : found) ids += " " + std::to_string(id);
        CAPTURE(text);
        CHECK(ids == out.substr(line, line_end - line));
        CHECK(t.decode(found) == text);
        line = line_end + 1;
    }
    CHECK(count == 46);
}

}  // namespace

TEST_CASE("GPT-2's vocabulary, from its own two files and from GGUF") {
    const std::string names = unpacked("gpt2-encoder.json.gz", "encoder.json");
    if (names.empty()) {
        MESSAGE("skipped: gzip is not there");
        return;
    }
    const std::string merges = unpacked("gpt2-vocab.bpe.gz", "vocab.bpe");
    const Tokenizer two = read_tokenizer(names);
    CHECK(two.size() == 50257);
    check_golden(two, "ggml-vocab-gpt-2.gguf");
    const Tokenizer gguf = read_tokenizer(unpacked("ggml-vocab-gpt-2.gguf.gz", "gpt2.gguf"));
    check_golden(gguf, "ggml-vocab-gpt-2.gguf");
    CHECK(gguf.encode("<|endoftext|>", {.control = true}) == std::vector<std::int32_t>{50256});
    const std::string text = test::read_file(test::data_file("tinyshakespeare.txt").string());
    const auto ids = two.encode(text);
    CHECK(ids == gguf.encode(text));
    CHECK(ids.size() == 338025);  // as nanoGPT's preparation of this text counts with tiktoken
    CHECK(two.decode(ids) == text);
}

TEST_CASE("Llama's vocabulary from GGUF") {
    const std::string path = unpacked("ggml-vocab-llama-spm.gguf.gz", "llama.gguf");
    if (path.empty()) {
        MESSAGE("skipped: gzip is not there");
        return;
    }
    const Tokenizer t = read_tokenizer(path);
    CHECK(t.size() == 32000);
    check_golden(t, "ggml-vocab-llama-spm.gguf");
    CHECK(t.encode("Hello")[0] == 1);
    CHECK(t.encode("</s>", {.ends = false, .control = true}) == std::vector<std::int32_t>{2});
}

TEST_CASE("llama2.c's 512 tokens read and write the recorded story") {
    const Tokenizer t = read_tokenizer(test::data_file("tok512.bin").string());
    CHECK(t.size() == 512);
    const std::string path = test::data_file("stories260K-hf/golden.json").string();
    const Json golden = parse_json(test::read_file(path), path);
    std::string text = golden["greedy_text"].get<std::string>();
    for (std::size_t at = 0; (at = text.find("<0x0A>", at)) != text.npos;)
        text.replace(at, 6, "\n");
    const auto ids = golden["greedy_ids"].get<std::vector<std::int32_t>>();
    CHECK(t.decode(ids) == text);
    const auto found = t.encode(text);
    // The model may write a word in other tokens than the merges would; the start is the same.
    CHECK(std::vector<std::int32_t>(found.begin(), found.begin() + 40) ==
          std::vector<std::int32_t>(ids.begin(), ids.begin() + 40));
    CHECK(t.decode(found) == text);
}

TEST_CASE("the 65 characters of the character-GPT") {
    const Tokenizer t = read_tokenizer(test::data_file("chargpt-shakespeare").string());
    CHECK(t.size() == 65);
    const std::string text = "?\n\nGREMIO:\nGood morrow";
    CHECK(t.decode(t.encode(text)) == text);
}
