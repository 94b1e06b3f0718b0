// Tokenizers against definitions that are slower and simpler, and against files that lie.
#include <nibble/io/stop_text.hpp>
#include <nibble/io/text_stream.hpp>
#include <nibble/io/tokenizer_bin.hpp>
#include <nibble/io/tokenizer_json.hpp>

#include <doctest/doctest.h>

#include "support/temporary.hpp"

#include <random>

using namespace nibble;

namespace {

/// Merges as the definition says: the best pair anywhere, again and again.
template <class Rank>
std::vector<std::string> merged(std::vector<std::string> parts, const Rank& rank) {
    for (;;) {
        std::size_t best = 0;
        double lowest = 1e9;
        for (std::size_t i = 0; i + 1 < parts.size(); ++i)
            if (const double r = rank(parts[i], parts[i + 1]); r < lowest) lowest = r, best = i;
        if (lowest == 1e9) return parts;
        parts[best] += parts[best + 1];
        parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    }
}

/// All bytes, and merges of random tokens.
Vocabulary random_vocabulary(std::mt19937& random, bool scored) {
    Vocabulary v;
    v.bytes = !scored;
    for (const char c : std::string("abc ")) v.tokens.emplace_back(1, c);
    for (int b = 0; b < 256; ++b)
        if (!scored && std::string("abc ").find(static_cast<char>(b)) == std::string::npos)
            v.tokens.emplace_back(1, static_cast<char>(b));
    while (v.tokens.size() < (scored ? 4u : 256u) + 30) {
        const auto pick = [&] {
            const std::size_t i = random() % (scored ? v.tokens.size() : v.tokens.size() - 252);
            return v.tokens[i < 4 ? i : i + (scored ? 0 : 252)];
        };
        const std::string left = pick(), right = pick();
        if (std::find(v.tokens.begin(), v.tokens.end(), left + right) != v.tokens.end()) continue;
        v.tokens.push_back(left + right);
        v.merges.emplace_back(left, right);
    }
    v.kinds.assign(v.tokens.size(), TokenKind::normal);
    if (scored) {
        v.merges.clear();
        for (std::size_t i = 0; i < v.tokens.size(); ++i)
            v.scores.push_back(-static_cast<float>(random() % 20));
    }
    return v;
}

std::vector<std::string> texts_of(const Tokenizer& t, const std::vector<std::int32_t>& ids) {
    std::vector<std::string> texts;
    for (const std::int32_t id : ids) texts.push_back(t.text_of(id));
    return texts;
}

std::vector<std::string> pieces(std::string_view text, TextCut cut) {
    std::vector<std::string> all;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = piece_end(text, at, cut);
        REQUIRE(end > at);
        all.emplace_back(text.substr(at, end - at));
        at = end;
    }
    return all;
}

using Texts = std::vector<std::string>;

/// A vocabulary of bytes <0x00> to <0xFF> after <unk>, <s> and </s>, then more tokens.
std::string tokenizer_bin(const std::vector<std::pair<std::string, float>>& more) {
    std::string file;
    const auto number = [&](std::uint32_t x) {
        for (int i = 0; i < 4; ++i) file.push_back(static_cast<char>(x >> 8 * i));
    };
    const auto token = [&](const std::string& text, float score) {
        number(std::bit_cast<std::uint32_t>(score));
        number(static_cast<std::uint32_t>(text.size()));
        file += text;
    };
    number(16);
    for (const char* name : {"<unk>", "\n<s>\n", "\n</s>\n"}) token(name, 0);
    for (int b = 0; b < 256; ++b) {
        char name[8];
        std::snprintf(name, sizeof name, "<0x%02X>", static_cast<unsigned>(b));
        token(name, 0);
    }
    for (const auto& [text, score] : more) token(text, score);
    return file;
}
Tokenizer from_bin(const std::string& file) {
    return tokenizer_from_bin(std::as_bytes(std::span(file.data(), file.size())), "tok.bin");
}

const std::string small_json =
    R"({"added_tokens": [{"id": 6, "content": "<|end|>", "special": true},
    {"id": 7, "content": "<tool>", "special": false, "rstrip": true}],
    "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "add_prefix_space": false},
    "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<|end|>"}},
        {"Sequence": {"id": "A"}}]},
    "model": {"type": "BPE", "unk_token": "?", "vocab": {"a": 0, "b": 1, "ab": 2, "▁": 3, "▁ab": 4,
        "?": 5}, "merges": ["a b", ["▁", "ab"]]}})";

}  // namespace

TEST_CASE("UTF-8 is read strictly and written back") {
    std::string text;
    for (char32_t c = 0; c < 0x110000; ++c) {
        if (c >= 0xD800 && c < 0xE000) continue;
        text.clear();
        append_utf8(text, c);
        const CodePoint back = code_point(text, 0);
        if (back.code != c || back.size != text.size() || !back.valid) FAIL("code point ", int(c));
    }
    const auto size = [](std::string_view s) {
        const CodePoint c = code_point(s, 0);
        return c.valid ? 0u : c.size + (c.cut ? 10u : 0u);
    };
    CHECK(size("\x80") == 1);
    CHECK(size("\xC0\x80") == 1);          // overlong
    CHECK(size("\xE0\x9F\xBF") == 1);      // overlong
    CHECK(size("\xED\xA0\x80") == 1);      // a surrogate
    CHECK(size("\xF4\x90\x80\x80") == 1);  // beyond U+10FFFF
    CHECK(size("\xF5\x80\x80\x80") == 1);
    CHECK(size("\xE2\x96"
               "a") == 2);
    CHECK(size("\xE2\x96") == 12);  // cut off
    CHECK(size("\xF0\x9F\xA6") == 13);
}

TEST_CASE("letters, numbers and white space are Unicode's") {
    for (const char32_t c : {U'a', U'Z', U'é', U'ß', U'Я', U'あ', U'漢', U'ក', U'ª', U'\U0001D400'})
        CHECK(class_of(c) == CharClass::letter);
    for (const char32_t c : {U'0', U'½', U'٣', U'Ⅷ', U'①', U'\U0001D7D8'})
        CHECK(class_of(c) == CharClass::number);
    for (const char32_t c : {U' ', U'\t', U'\n', U'\u0085', U'\u00A0', U'\u2003', U'\u3000'})
        CHECK(class_of(c) == CharClass::space);
    for (const char32_t c : {U'!', U'_', U'€', U'🦙', U'\u0301', U'\u200B', U'\0', U'\U0010FFFF'})
        CHECK(class_of(c) == CharClass::other);
}

TEST_CASE("text is cut as the patterns say") {
    using enum TextCut;
    CHECK(pieces("I'll can't 'sound", gpt2) == Texts{"I", "'ll", " can", "'t", " '", "sound"});
    CHECK(pieces("y'ALL'S", gpt2) == Texts{"y", "'", "ALL", "'", "S"});
    CHECK(pieces("a  b   ", gpt2) == Texts{"a", " ", " b", "   "});
    CHECK(pieces("a\n\n b", gpt2) == Texts{"a", "\n\n", " b"});
    CHECK(pieces("a \n", gpt2) == Texts{"a", " \n"});
    CHECK(pieces("x=12345½!? é", gpt2) == Texts{"x", "=", "12345½", "!?", " é"});
    CHECK(pieces("\xFF\xC3 a", gpt2) == Texts{"\xFF\xC3", " a"});
    CHECK(pieces("y'ALL'S", llama3) == Texts{"y", "'ALL", "'S"});
    CHECK(pieces("12345 (x)\n\ny", llama3) == Texts{"123", "45", " (", "x", ")\n\n", "y"});
    CHECK(pieces("a \n \n b", llama3) == Texts{"a", " \n \n", " b"});
    CHECK(pieces("\tx   y", llama3) == Texts{"\tx", "  ", " y"});
    CHECK(pieces("  one  two ", words) == Texts{"  one", "  two", " "});
}

TEST_CASE("merging gives what the definition gives, by rank and by score") {
    std::mt19937 random(5);
    for (int round = 0; round < 200; ++round) {
        const bool scored = round % 2 == 1;
        const Vocabulary v = random_vocabulary(random, scored);
        const Tokenizer t(v);
        std::string text;
        for (std::size_t n = random() % 40; n != 0; --n) text.push_back("abc "[random() % 4]);
        std::vector<std::string> parts;
        for (const char c : text) parts.emplace_back(1, c);
        const auto rank = [&](const std::string& a, const std::string& b) {
            if (scored) {
                const auto at = std::find(v.tokens.begin(), v.tokens.end(), a + b);
                return at == v.tokens.end()
                           ? 1e9
                           : -static_cast<double>(
                                 v.scores[static_cast<std::size_t>(at - v.tokens.begin())]);
            }
            const auto at = std::find(v.merges.begin(), v.merges.end(), std::pair{a, b});
            return at == v.merges.end() ? 1e9 : static_cast<double>(at - v.merges.begin());
        };
        CAPTURE(text);
        CHECK(texts_of(t, t.encode(text)) == merged(parts, rank));
    }
}

TEST_CASE("any bytes come back from a vocabulary of bytes") {
    std::mt19937 random(6);
    const Tokenizer t(random_vocabulary(random, false));
    for (int round = 0; round < 50; ++round) {
        std::string text;
        for (std::size_t n = random() % 300; n != 0; --n)
            text.push_back(static_cast<char>(random() % (round % 2 == 0 ? 256 : 128)));
        CHECK(t.decode(t.encode(text)) == text);
    }
}

TEST_CASE("one long word does not take the square of its length") {
    std::mt19937 random(7);
    for (const bool scored : {false, true}) {
        const Tokenizer t(random_vocabulary(random, scored));
        std::string text;
        for (int i = 0; i < 1'000'000; ++i) text.push_back("abc"[random() % 3]);
        CHECK(t.decode(t.encode(text)) == text);
    }
}

TEST_CASE("llama2.c's form: a space in front, characters without a token as bytes") {
    const Tokenizer t = from_bin(tokenizer_bin(
        {{" ", 0}, {"h", 0}, {"i", 0}, {" h", -2}, {"hi", -1}, {" hi", -3}, {"é", 0}}));
    CHECK(t.size() == 259 + 7);
    CHECK(texts_of(t, t.encode("hi hi")) == Texts{"\n<s>\n", " hi", " hi"});
    CHECK(t.encode("", {}) == std::vector<std::int32_t>{1});
    CHECK(t.encode("", {.ends = false}).empty());
    CHECK(texts_of(t, t.encode("éê\xFF", {.ends = false})) ==
          Texts{" ", "é", "\xC3", "\xAA", "\xFF"});
    // The text of a byte's name is no byte, and that of a control token no control token.
    CHECK(t.decode(t.encode("<0x41>\n<s>\n")) == "<0x41>\n<s>\n");
    CHECK(t.encode("\n<s>\n", {.ends = false, .control = true}) == std::vector<std::int32_t>{1});
    CHECK(t.decode(t.encode("  hi  é ")) == "  hi  é ");
    CHECK(t.decode(std::vector<std::int32_t>{1, 264, 2}) == "hi");
    CHECK(t.decode(std::vector<std::int32_t>{1, 264, 2}, true) == "\n<s>\nhi\n</s>\n");
}

TEST_CASE("a damaged tokenizer.bin is refused, wherever it is cut") {
    const std::string good = tokenizer_bin({{"hi", -1}});
    const auto refused = [](const std::string& file) {
        return test::message_of([&] { (void)from_bin(file); });
    };
    CHECK(refused(good).empty());
    std::size_t accepted = 0;  // after a whole token, from the third on
    for (std::size_t n = 0; n < good.size(); ++n) accepted += refused(good.substr(0, n)).empty();
    CHECK(accepted == 257);
    std::string bad = good;
    bad[8] = 17;
    CHECK(test::contains(
        refused(bad), "tok.bin: token 0 at offset 8 has 17 bytes, the longest is said to have 16"));
    bad[11] = static_cast<char>(0x80);
    CHECK(test::contains(refused(bad), "token 0 at offset 8 has -2147483631 bytes"));
    CHECK(test::contains(refused(tokenizer_bin({{"x", std::nanf("")}})),
                         "the score of token 259 is not a number"));
}

TEST_CASE("tokenizer.json: merges by rank, added tokens, what is put around a text") {
    const Tokenizer t = tokenizer_from_json(small_json, "t.json");
    CHECK(texts_of(t, t.encode("ab ab")) == Texts{"<|end|>", "ab", " ab"});
    CHECK(t.bos() == 6);
    CHECK(t.encode("abx", {.ends = false}) == std::vector<std::int32_t>{2, 5});
    CHECK(t.encode("a<tool>  b", {.ends = false}) == std::vector<std::int32_t>{0, 7, 1});
    CHECK(t.encode("<|end|>", {.ends = false}).size() == 7);
    CHECK(t.encode("<|end|>", {.ends = false, .control = true}) == std::vector<std::int32_t>{6});
    CHECK(t.find("<|end|>") == 6);
    CHECK(t.find("nothing") == -1);
    CHECK(t.encode("a▁b", {.ends = false}) == t.encode("a b", {.ends = false}));
}

TEST_CASE("a tokenizer.json that asks for what is not known, or lies, is refused by name") {
    const auto refused = [](const std::string& from, const std::string& to) {
        std::string text = small_json;
        const std::size_t at = text.find(from);
        REQUIRE(at != text.npos);
        text.replace(at, from.size(), to);
        return test::message_of([&] { (void)tokenizer_from_json(text, "t.json"); });
    };
    const auto says = [&](const std::string& from, const std::string& to, const char* what) {
        const std::string message = refused(from, to);
        CAPTURE(message);
        CHECK(test::contains(message, what));
        CHECK(test::contains(message, "t.json"));
    };
    says(R"("BPE")", R"("Unigram")", "a tokenizer of type \"Unigram\", only \"BPE\" is known");
    says("Metaspace", "Digits", "pre_tokenizer \"Digits\" is not known");
    says(R"("unk_token")", R"("continuing_subword_prefix": "@", "unk_token")", "is set");
    says(R"("a": 0)", R"("a": 4000000000)", "the id of \"a\" is 4000000000, expected a whole");
    says(R"("a": 0)", R"("a": -1)", "the id of \"a\" is -1");
    says(R"("a": 0)", R"("a": 1)", "id 1 is both");
    says(R"("a": 0)", R"("a": 0, "a": 8)", "key \"a\" twice");
    says(R"("a b")", R"("a  b")", "merge 0 is \"a  b\", expected two tokens");
    says(R"("a b")", R"("b a")", "there is no token \"ba\"");
    says(R"("a b")", "7", "merge 0 is no pair");
    says(R"("id": 7)", R"("id": 123456789)", "\"id\" is 123456789");
    says(R"({"id": "<|end|>"})", R"({"id": "<s>"})", "no token \"<s>\"");
    says(R"("vocab": {)", R"("vocab": 3, "other": {)", "is no object");
    const Json split = Json::parse(R"({"pattern": {"Regex": "."}})");
    CHECK(test::contains(test::message_of([&] { (void)cut_of_pattern(split, "t.json"); }),
                         "splits by the pattern"));
}

TEST_CASE("GPT-2's two files, and a list of characters") {
    std::string names = "{";
    for (int b = 0; b < 256; ++b) {
        std::string letter;
        for (char32_t c = 0; c < 0x144; ++c) {
            std::string bytes;
            letter.clear();
            append_utf8(letter, c);
            if (byte_letters.read(letter, bytes) && bytes[0] == static_cast<char>(b)) break;
        }
        names += Json(letter).dump() + ": " + std::to_string(b) + ", ";
    }
    const Tokenizer t = tokenizer_from_bpe(names + R"("Ġa": 256, "<|endoftext|>": 257})",
                                           "#version: 0.2\nĠ a\r\n", "enc.json");
    CHECK(t.encode("a a") == std::vector<std::int32_t>{97, 256});
    CHECK(t.eos() == 257);
    CHECK(t.decode(std::vector<std::int32_t>{256, 257}) == " a");
    CHECK(t.text_of(0) == std::string(1, '\0'));
    CHECK(test::contains(
        test::message_of([&] { (void)tokenizer_from_bpe(R"({"a": 0})", "", "enc.json"); }),
        "enc.json: no token for the byte 0"));
    const Tokenizer c = tokenizer_from_characters(R"({"a": 1, "é": 0})", "vocab.json");
    CHECK(c.encode("éa") == std::vector<std::int32_t>{0, 1});
    CHECK(test::contains(test::message_of([&] { (void)c.encode("b"); }),
                         "the vocabulary has no token for \"b\""));
    CHECK(test::contains(
        test::message_of([&] { (void)tokenizer_from_characters(R"({"ab": 0})", "v"); }),
        "\"ab\" is no single character"));
    CHECK(test::contains(test::message_of([&] { (void)c.text_of(2); }), "token 2 of 2"));
}

TEST_CASE("a stream shows whole characters only, and all of them") {
    const Tokenizer t = from_bin(tokenizer_bin({{" ", 0}}));
    const std::string text = "a é 漢 🦙!";
    TextStream stream(t);
    std::string seen;
    for (const std::int32_t id : t.encode(text)) {
        const std::string_view now = stream.push(id);
        for (std::size_t at = 0; at < now.size();) {
            const CodePoint c = code_point(now, at);
            REQUIRE(c.valid);
            at += c.size;
        }
        seen += now;
        CHECK(stream.waiting() < 4);
    }
    CHECK(seen == text);
    CHECK(stream.finish().empty());
    // Bytes that lead nowhere, and an end within a character.
    const auto shown_of = [&](std::string_view bytes) {
        TextStream s(t, true);
        std::string all;
        for (const char c : bytes) all += s.push(3 + static_cast<unsigned char>(c));
        return all + std::string(s.finish());
    };
    CHECK(shown_of("\xFF"
                   "a\xE2\x96") ==
          "\xEF\xBF\xBD"
          "a\xEF\xBF\xBD");
    CHECK(shown_of("\xE2"
                   "a") ==
          "\xEF\xBF\xBD"
          "a");
    TextStream first(t), later(t, true);
    CHECK(first.push(259).empty());
    CHECK(later.push(259) == " ");
}

TEST_CASE("text stops before a string, however it is cut into pieces") {
    const std::string text = "one two end, twice";
    for (std::size_t step = 1; step < 8; ++step) {
        StopText stop({"END", " end", "", "two endless"});
        std::string seen;
        for (std::size_t at = 0; at < text.size() && !stop.stopped(); at += step)
            seen += stop.push(std::string_view(text).substr(at, step));
        CHECK(stop.stopped());
        CHECK(seen + std::string(stop.finish()) == "one two");
        CHECK(stop.push("more").empty());
    }
    StopText none({"xyz"});
    std::string seen(none.push("axy"));
    CHECK(seen == "a");
    seen += none.push("b x");
    CHECK(seen == "axyb ");
    CHECK(std::string(none.finish()) == "x");
    CHECK(std::string(StopText().push("all")) == "all");
}
