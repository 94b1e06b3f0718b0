// Fuzzing of the tokenizers' readers and of what they make: any bytes are refused with an Error or become
// a tokenizer; then any text becomes tokens that are all in the vocabulary, and a vocabulary of bytes
// gives it back. The input is a file, and after the last "\n===\n" in it a text.
//
//     CXX=clang++ cmake -S . -B build/fuzz -D NIBBLE_BUILD_FUZZERS=ON
//     cmake --build build/fuzz --target fuzz_tokenizer
//     mkdir -p work && build/fuzz/tests/fuzz/fuzz_tokenizer work tests/fuzz/corpus/tokenizer
//         -dict=tests/fuzz/tokenizer.dict -max_total_time=60
#include <nibble/io/gguf.hpp>
#include <nibble/io/text_stream.hpp>
#include <nibble/io/tokenizer_bin.hpp>
#include <nibble/io/tokenizer_gguf.hpp>
#include <nibble/io/tokenizer_json.hpp>

#include <cstdlib>

using namespace nibble;

namespace {

void use(const Tokenizer& t, std::string_view text) {
    for (const bool control : {false, true}) {
        std::vector<std::int32_t> ids;
        try {
            ids = t.encode(text, {.ends = control, .control = control});
        } catch (const Error&) {
            continue;  // no token for a character
        }
        TextStream stream(t, false, control);
        std::string shown;
        for (const std::int32_t id : ids) {
            if (id < 0 || static_cast<std::size_t>(id) >= t.size()) std::abort();
            shown += stream.push(id);
        }
        shown += stream.finish();
        for (std::size_t at = 0; at < shown.size();) {
            const CodePoint c = code_point(shown, at);
            if (!c.valid) std::abort();
            at += c.size;
        }
        const Vocabulary& v = t.vocabulary();
        if (!control && v.bytes && v.unknown < 0 && v.whole.empty() &&
            v.prefix == TextPrefix::none && t.decode(ids) != text)
            std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const std::size_t cut = input.rfind("\n===\n");
    const std::string_view file = input.substr(0, cut);
    const std::string_view text = cut == input.npos ? std::string_view() : input.substr(cut + 5);
    const auto tried = [&](auto&& make) {
        try {
            use(make(), text);
        } catch (const Error&) {
        }
    };
    if (file.starts_with("GGUF")) {
        tried([&] {
            return tokenizer_from_gguf(
                GgufFile::from_bytes(std::as_bytes(std::span(file.data(), file.size())), "input"));
        });
    } else if (file.starts_with('{')) {
        tried([&] { return tokenizer_from_json(file, "input"); });
        tried([&] { return tokenizer_from_characters(file, "input"); });
        const std::size_t line = std::min(file.find('\n'), file.size());
        tried([&] { return tokenizer_from_bpe(file.substr(0, line), file.substr(line), "input"); });
    } else {
        tried([&] {
            return tokenizer_from_bin(std::as_bytes(std::span(file.data(), file.size())), "input");
        });
    }
    return 0;
}
