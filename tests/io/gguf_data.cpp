// Real GGUF files by other writers.
#include <nibble/io/gguf.hpp>

#include <doctest/doctest.h>

#include "support/data.hpp"
#include "support/temporary.hpp"

#include <cstdlib>

using namespace nibble;

namespace {

/// Unpacks a file of the data folder; false when there is no gzip.
bool unpack(const char* name, const std::string& to) {
    const std::string packed = test::data_file(name).string();
    return std::system(("gzip -dc '" + packed + "' > '" + to + "'").c_str()) == 0;
}

}  // namespace

TEST_CASE("the vocabularies of GPT-2 and Llama") {
    test::Temporary folder;
    if (!unpack("ggml-vocab-gpt-2.gguf.gz", folder / "gpt2") ||
        !unpack("ggml-vocab-llama-spm.gguf.gz", folder / "llama")) {
        MESSAGE("skipped: gzip is not there");
        return;
    }
    const GgufFile gpt2 = GgufFile::open(folder / "gpt2");
    CHECK(gpt2.version() == 3);
    CHECK(gpt2.tensors().empty());
    CHECK(gpt2.text("tokenizer.ggml.model") == "gpt2");
    CHECK(gpt2.strings("tokenizer.ggml.tokens").size() == 50257);
    CHECK(gpt2.strings("tokenizer.ggml.merges")[0] == "\xC4\xA0 t");
    CHECK(gpt2.integer("gpt2.context_length", 1, 65536) == 1024);
    const GgufFile llama = GgufFile::open(folder / "llama");
    CHECK(llama.array<float>("tokenizer.ggml.scores").size() == 32000);
    CHECK(llama.array<std::int32_t>("tokenizer.ggml.token_type")[1] == 3);
    CHECK(llama.strings("tokenizer.ggml.tokens")[3] == "<0x00>");
    CHECK(llama.boolean("tokenizer.ggml.add_bos_token"));
    CHECK(llama.number("llama.attention.layer_norm_rms_epsilon") > 0);
}
