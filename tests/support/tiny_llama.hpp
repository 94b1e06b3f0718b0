// A small Llama with made-up weights as bytes of llama2.c's form, and a vocabulary for it: for tests of
// what reads such files, without a line of the model itself.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>

namespace test {

inline void put_word(std::string& file, std::uint32_t x) {
    for (int i = 0; i < 4; ++i) file.push_back(static_cast<char>(x >> 8 * i));
}
inline void put_float(std::string& file, float x) {
    std::uint32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    put_word(file, bits);
}

/// The seven numbers that begin such a file.
struct TinySizes {
    std::int32_t dim = 16, hidden = 24, layers = 2, heads = 4, kv_heads = 2, vocabulary = 259,
                 context = 32;
};

/// A model of version 0; weights follow a sine and norms are 1.
inline std::string tiny_llama(const TinySizes& s = {}) {
    std::string file;
    for (const std::int32_t x :
         {s.dim, s.hidden, s.layers, s.heads, s.kv_heads, s.vocabulary, s.context})
        put_word(file, static_cast<std::uint32_t>(x));
    double at = 0;
    const auto weights = [&](std::int64_t n) {
        for (; n > 0; --n) put_float(file, static_cast<float>(0.5 * std::sin(at += 1.7)));
    };
    const auto ones = [&](std::int64_t n) {
        for (; n > 0; --n) put_float(file, 1.0f);
    };
    const std::int64_t d = s.dim, kv = d / s.heads * s.kv_heads, l = s.layers;
    const std::int64_t v = std::abs(std::int64_t{s.vocabulary});
    weights(v * d);
    ones(l * d);
    weights(l * (d * d + 2 * kv * d + d * d));
    ones(l * d);
    weights(3 * l * s.hidden * d);
    ones(d);
    weights(std::int64_t{s.context} * (d / s.heads));
    if (s.vocabulary < 0) weights(v * d);
    return file;
}

/// <unk>, <s>, </s> and the 256 bytes.
inline std::string tiny_tokenizer() {
    std::string file;
    put_word(file, 16);
    const auto token = [&](const std::string& text) {
        put_float(file, 0);
        put_word(file, static_cast<std::uint32_t>(text.size()));
        file += text;
    };
    for (const char* name : {"<unk>", "\n<s>\n", "\n</s>\n"}) token(name);
    for (unsigned b = 0; b < 256; ++b) {
        char name[8];
        std::snprintf(name, sizeof name, "<0x%02X>", b);
        token(name);
    }
    return file;
}

}  // namespace test
