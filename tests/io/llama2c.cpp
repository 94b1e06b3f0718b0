// llama2.c's model files: all versions, every field of the head wrong, cuts and flips, written and read.
#include <nibble/io/llama2c_writer.hpp>

#include <doctest/doctest.h>

#include "support/temporary.hpp"

using namespace nibble;
using test::contains;
using test::message_of;

namespace {

std::string number(std::int64_t x, unsigned bytes = 4) {
    std::string s;
    for (unsigned i = 0; i < bytes; ++i)
        s += static_cast<char>(static_cast<unsigned char>(static_cast<std::uint64_t>(x) >> 8 * i));
    return s;
}
std::string numbers(std::initializer_list<std::int64_t> list) {
    std::string s;
    for (const std::int64_t x : list) s += number(x);
    return s;
}
Llama2cFile parse(std::string_view file) {
    return Llama2cFile::from_bytes(std::as_bytes(std::span(file.data(), file.size())), "f");
}
void refused(std::string_view file, std::string_view because) {
    const std::string message = message_of([&] { (void)parse(file); });
    INFO(message);
    CHECK(contains(message, because));
    CHECK(contains(message, "\"f\""));
}

/// dim 8, hidden 4, 2 layers, 2 heads, 1 key head, 3 tokens, context 5.
constexpr std::size_t norms = 5 * 8, layer = 2 * 64 + 2 * 32 + 3 * 32, embedding = 24;
const std::string sizes = numbers({8, 4, 2, 2, 1, 3, 5});
std::string plain() { return sizes + std::string(4 * (norms + 2 * layer + embedding + 20), '\1'); }
std::string marked(int version, bool shared) {
    std::string s = numbers({0x616B3432, version}) + sizes + (shared ? '\1' : '\0');
    if (version == 2) s += number(8);
    s.resize(256, '\0');
    const std::size_t weights = 2 * layer + (shared ? 1 : 2) * embedding;
    return s + std::string(4 * norms + (version == 2 ? weights + weights / 2 : 4 * weights), '\2');
}

}  // namespace

TEST_CASE("versions 0, 1 and 2") {
    const std::string v0 = plain(), v1 = marked(1, true), v2 = marked(2, false);
    CHECK(parse(v0).tensors().size() == 20);
    CHECK(parse(v0).header().tied);
    CHECK(parse(v1).tensors().size() == 20);
    const Llama2cFile file = parse(v2);
    CHECK(file.tensors().size() == 21);
    CHECK(file.header().group == 8);
    float row[8];
    const Llama2cTensor* t = file.find("lm_head.weight");
    REQUIRE(t != nullptr);
    file.read_row(*t, 2, row);
    CHECK(row[7] == 2 * std::bit_cast<float>(0x02020202u));
    CHECK(file.find("model.layers.1.self_attn.k_proj.weight")->rows == 4);
    std::string own = plain() + std::string(4 * embedding, '\1');
    CHECK_THROWS_AS((void)parse(own), Error);
    own.replace(20, 4, number(-3));
    CHECK_FALSE(parse(own).header().tied);
}

TEST_CASE("heads that are refused") {
    refused("", "takes 4 bytes, 0 are left");
    refused(numbers({0x616B3432, 3}), "version 3, expected 1 or 2");
    const auto with = [](std::size_t at, std::int64_t x) {
        std::string s = plain();
        return s.replace(at, 4, number(x));
    };
    refused(with(0, 0), "dim at offset 0 is 0, expected 1 to 16777216");
    refused(with(0, -8), "dim at offset 0 is -8");
    refused(with(4, 1 << 25), "hidden_dim at offset 4 is 33554432, expected 1 to 16777216");
    refused(with(8, 5000), "n_layers at offset 8 is 5000, expected 1 to 4096");
    refused(with(12, 0), "n_heads at offset 12 is 0");
    refused(with(16, -1), "n_kv_heads at offset 16 is -1");
    refused(with(20, 0), "vocab_size is 0");
    refused(with(20, INT32_MIN), "vocab_size is -2147483648");
    refused(with(24, 0), "seq_len at offset 24 is 0");
    refused(with(12, 3), "do not divide into even heads");
    refused(with(12, 8), "do not divide into even heads");
    refused(with(16, 3), "do not divide into even heads");
    refused(with(8, 3), "bytes, a model of the sizes in its header takes");
    refused(numbers({1 << 24, 1 << 24, 4096, 1, 1, 1 << 24, 1 << 24}), "2^60 bytes or more");
    refused(plain() + "x", "a model of the sizes in its header takes");
    std::string s = marked(1, true);
    s[36] = 2;
    refused(s, "the shared classifier flag is 2");
    s = marked(1, true);
    s[255] = 1;
    refused(s, "padding is not zero");
    s = marked(2, true);
    refused(s.replace(37, 4, number(0)), "group size at offset 37 is 0");
    refused(s.replace(37, 4, number(7)), "group size at offset 37 is 7, which does not divide");
}

TEST_CASE("cut anywhere and flipped anywhere in the head") {
    for (const std::string& good : {plain(), marked(1, false), marked(2, true)}) {
        for (std::size_t n = 0; n < good.size(); n += n < 300 ? 1 : 97)
            CHECK_THROWS_AS((void)parse(std::string_view(good).substr(0, n)), Error);
        for (std::size_t bit = 0; bit < 8 * 260; ++bit) {
            std::string bad = good;
            bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
            try {
                const Llama2cFile file = parse(bad);
                float row[64];
                for (const Llama2cTensor& t : file.tensors())
                    if (t.cols <= 64) file.read_row(t, t.rows - 1, row);
            } catch (const Error&) {
            }
        }
    }
}

TEST_CASE("a version 2 model written again as version 0 has the same numbers") {
    test::Temporary folder;
    const std::string bytes = marked(2, false);
    const Llama2cFile from = parse(bytes);
    write_llama2c(
        folder / "m.bin", from.header(),
        [&](const std::string& name, std::size_t rows, std::size_t cols, std::span<float> out) {
            const Llama2cTensor* t = from.find(name);
            REQUIRE(t != nullptr);
            REQUIRE(t->rows == rows);
            for (std::size_t r = 0; r < rows; ++r) from.read_row(*t, r, out.data() + r * cols);
        });
    const Llama2cFile to = Llama2cFile::open(folder / "m.bin");
    CHECK(to.header().version == 0);
    CHECK(to.header().vocabulary == 3);
    CHECK_FALSE(to.header().tied);
    REQUIRE(to.tensors().size() == from.tensors().size());
    for (const Llama2cTensor& t : to.tensors()) {
        std::vector<float> a(t.cols), b(t.cols);
        for (std::size_t r = 0; r < t.rows; ++r) {
            to.read_row(t, r, a.data());
            from.read_row(*from.find(t.name), r, b.data());
            CHECK(a == b);
        }
    }
    Llama2cHeader none;
    CHECK(contains(message_of([&] {
                       write_llama2c(
                           folder / "n.bin", none,
                           [](const std::string&, std::size_t, std::size_t, std::span<float>) {});
                   }),
                   "are no model of this format"));
}
