// Blocks of GGUF tensors against the description of the format, element by element in double.
#include <nibble/io/gguf_tensor.hpp>

#include <nibble/kernel/executor.hpp>

#include <doctest/doctest.h>

#include "support/gguf_text.hpp"
#include "support/temporary.hpp"

#include <cmath>
#include <vector>

using namespace nibble;
using test::contains;
using test::message_of;

namespace {

/// A block as the description has it: fields by their offset, element i by its own formula.
struct Block {
    const std::uint8_t* b;

    unsigned u(std::size_t i) const { return b[i]; }
    int s(std::size_t i) const { return static_cast<std::int8_t>(b[i]); }
    double h(std::size_t i) const {
        const unsigned x = u(i) | u(i + 1) << 8, e = x >> 10 & 31, m = x & 1023;
        const double v =
            e == 0 ? std::ldexp(m, -24) : std::ldexp(1024.0 + m, static_cast<int>(e) - 25);
        return x >> 15 ? -v : v;
    }
    unsigned nibble(std::size_t qs, unsigned i) const {
        return i < 16 ? u(qs + i) & 15 : u(qs + i - 16) >> 4;
    }
    unsigned fifth(std::size_t qh, unsigned i) const { return (u(qh + i / 8) >> i % 8 & 1) * 16; }
    double scale6(std::size_t sc, unsigned j, bool minimum) const {
        if (j < 4) return u(sc + j + (minimum ? 4 : 0)) & 63;
        if (minimum) return (u(sc + j + 4) >> 4) | (u(sc + j) >> 6) << 4;
        return (u(sc + j + 4) & 15) | (u(sc + j - 4) >> 6) << 4;
    }

    double operator()(GgufType t, unsigned i) const {
        const double T[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                              1,    13,   25,  38,  53,  69,  89,  113};
        const double V[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
        const unsigned j = i / 32, n = i / 128, g = i % 128 / 32, l = i % 32;
        switch (t) {
            case GgufType::Q4_0: return (static_cast<int>(nibble(2, i)) - 8) * h(0);
            case GgufType::Q4_1: return nibble(4, i) * h(0) + h(2);
            case GgufType::Q5_0: return (static_cast<int>(nibble(6, i) + fifth(2, i)) - 16) * h(0);
            case GgufType::Q5_1: return (nibble(8, i) + fifth(4, i)) * h(0) + h(2);
            case GgufType::Q8_0: return s(2 + i) * h(0);
            case GgufType::Q8_1: return s(4 + i) * h(0);
            case GgufType::Q4_K:
            case GgufType::Q5_K: {
                const bool five = t == GgufType::Q5_K;
                const unsigned q = u((five ? 48 : 16) + 32 * (j / 2) + l);
                const unsigned high = five ? (u(16 + l) >> j & 1) * 16 : 0;
                return h(0) * scale6(4, j, false) * ((j % 2 ? q >> 4 : q & 15) + high) -
                       h(2) * scale6(4, j, true);
            }
            case GgufType::Q6_K: {
                const unsigned low = u(64 * n + 32 * (g & 1) + l) >> 4 * (g >> 1) & 15;
                const unsigned high = u(128 + 32 * n + l) >> 2 * g & 3;
                return h(208) * s(192 + i / 16) * (static_cast<int>(low | high << 4) - 32);
            }
            case GgufType::Q2_K: {
                const unsigned q = u(16 + 32 * n + l) >> 2 * g & 3, sc = u(i / 16);
                return h(80) * (sc & 15) * q - h(82) * (sc >> 4);
            }
            case GgufType::Q3_K: {
                const unsigned k = i / 16;
                const unsigned scale = (u(96 + (k & 7)) >> 4 * (k >> 3) & 15) |
                                       (u(104 + (k & 3)) >> 2 * (k >> 2) & 3) << 4;
                int q = static_cast<int>(u(32 + 32 * n + l) >> 2 * g & 3);
                if ((u(l) >> (4 * n + g) & 1) == 0) q -= 4;
                return h(108) * (static_cast<int>(scale) - 32) * q;
            }
            case GgufType::IQ4_NL: return h(0) * T[nibble(2, i)];
            case GgufType::IQ4_XS: {
                const unsigned sh = u(2) | u(3) << 8;
                const int scale =
                    static_cast<int>((u(4 + j / 2) >> 4 * (j & 1) & 15) | (sh >> 2 * j & 3) << 4) -
                    32;
                return h(0) * scale * T[nibble(8 + 16 * j, l)];
            }
            case GgufType::MXFP4: return std::ldexp(V[nibble(1, i)], static_cast<int>(u(0)) - 128);
            default: return NAN;
        }
    }
};

/// Reproducible bytes (splitmix64).
std::uint8_t next_byte(std::uint64_t& state) {
    std::uint64_t x = state += 0x9E3779B97F4A7C15u;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    return static_cast<std::uint8_t>((x ^ x >> 27) >> 40);
}

/// Where the halves of a block are.
std::vector<std::size_t> halves_of(GgufType t) {
    switch (t) {
        case GgufType::Q4_1:
        case GgufType::Q5_1:
        case GgufType::Q8_1:
        case GgufType::Q4_K:
        case GgufType::Q5_K: return {0, 2};
        case GgufType::Q6_K: return {208};
        case GgufType::Q2_K: return {80, 82};
        case GgufType::Q3_K: return {108};
        case GgufType::MXFP4: return {};
        default: return {0};
    }
}

const GgufType block_types[] = {GgufType::Q4_0,   GgufType::Q4_1, GgufType::Q5_0, GgufType::Q5_1,
                                GgufType::Q8_0,   GgufType::Q8_1, GgufType::Q2_K, GgufType::Q3_K,
                                GgufType::Q4_K,   GgufType::Q5_K, GgufType::Q6_K, GgufType::IQ4_NL,
                                GgufType::IQ4_XS, GgufType::MXFP4};

std::vector<std::uint8_t> random_blocks(GgufType t, std::size_t count, std::uint64_t seed) {
    const GgufTypeInfo& info = info_of(t);
    std::vector<std::uint8_t> bytes(count * info.bytes);
    for (std::uint8_t& b : bytes) b = next_byte(seed);
    for (std::size_t k = 0; k < count; ++k)
        for (const std::size_t at : halves_of(t))  // finite halves of every size and sign
            if ((bytes[k * info.bytes + at + 1] & 0x7C) == 0x7C)
                bytes[k * info.bytes + at + 1] &= 0xBF;
    return bytes;
}

}  // namespace

TEST_CASE("every block type decodes to the number nearest to the description's") {
    for (const GgufType t : block_types) {
        INFO(name_of(t));
        const GgufTypeInfo& info = info_of(t);
        const std::size_t blocks = 512;
        const auto bytes = random_blocks(t, blocks, static_cast<std::uint64_t>(t) + 1);
        std::vector<float> out(blocks * info.block);
        REQUIRE(
            to_floats(t, reinterpret_cast<const std::byte*>(bytes.data()), out.size(), out.data()));
        std::size_t wrong = 0;
        for (std::size_t i = 0; i < out.size(); ++i) {
            const Block block{bytes.data() + i / info.block * info.bytes};
            const double exact = block(t, static_cast<unsigned>(i % info.block));
            wrong += out[i] == static_cast<float>(exact) ? 0u : 1u;
        }
        CHECK(wrong == 0);
    }
}

TEST_CASE("the other types: working types, plain numbers, and those that are not decoded") {
    std::string q8k(292, '\0');
    const float d = 0.1f;
    std::memcpy(q8k.data(), &d, 4);
    q8k[4 + 255] = -128;
    std::vector<float> out(256);
    CHECK(
        to_floats(GgufType::Q8_K, reinterpret_cast<const std::byte*>(q8k.data()), 256, out.data()));
    CHECK(out[255] == -128 * d);
    CHECK(out[0] == 0);
    const std::string ints("\xFF\xFF\x01\x00", 4);
    const auto* from = reinterpret_cast<const std::byte*>(ints.data());
    CHECK(to_floats(GgufType::I16, from, 2, out.data()));
    CHECK(out[0] == -1);
    CHECK(out[1] == 1);
    CHECK(to_floats(GgufType::I32, from, 1, out.data()));
    CHECK(out[0] == 131071);
    std::size_t refused = 0;
    for (const GgufTypeInfo& info : gguf_types) {
        CHECK(gguf_type_named(info.name) == info.type);
        CHECK(to_floats(info.type, nullptr, 0, out.data()) == info.read);
        refused += info.read ? 0u : 1u;
    }
    CHECK(refused == 9);
    CHECK(gguf_type_named("q4_k") == GgufType::Q4_K);
    CHECK_FALSE(gguf_type_named("q4"));
}

TEST_CASE("codes and scales go over into a matrix without a change") {
    Host on;
    const auto check = [&]<class F>(F, GgufType t) {
        const std::size_t rows = 3, cols = 96;
        auto bytes = random_blocks(t, rows * cols / 32, 7);
        if (t == GgufType::MXFP4)
            for (std::size_t i = 0; i < bytes.size(); i += 17) bytes[i] &= 0x7F;  // not 255: NaN
        test::GgufText text;
        text.tensor("t", {cols, rows}, static_cast<std::uint32_t>(t), 0);
        text.data.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        const std::string good = text.file();
        const GgufFile file = test::parse_gguf(good);
        const GgufTensor& tensor = file.at("t");
        Matrix<F> m(rows, cols);
        REQUIRE(read_blocks(on, file, tensor, m));
        Tensor<float> x(Shape{rows, cols});
        read_floats(on, file, tensor, x.view());
        std::size_t wrong = 0;
        for (std::size_t r = 0; r < rows; ++r)
            for (std::size_t k = 0; k < cols; ++k) wrong += m(r, k) == x(r, k) ? 0u : 1u;
        CHECK(wrong == 0);
        Matrix<F> other(rows, cols + 32);
        CHECK_FALSE(read_blocks(on, file, tensor, other));
        Matrix<PerRow<Int8Value>> no(rows, cols);
        CHECK_FALSE(read_blocks(on, file, tensor, no));
        Tensor<float> narrow(Shape{rows, cols - 32});
        CHECK(contains(message_of([&] { read_floats(on, file, tensor, narrow.view()); }),
                       "tensor \"t\" is [3, 96], read into [3, 64]"));
    };
    check(Grouped<Int4Value, 32>{}, GgufType::Q4_0);
    check(Grouped<Int8Value, 32>{}, GgufType::Q8_0);
    check(Grouped<fp4_e2m1, 32, E8M0>{}, GgufType::MXFP4);
    test::GgufText text;
    text.tensor("t", {256}, 16, 0).tensor("h", {2, 2}, 1, 96);
    text.data.resize(96);
    text.data += std::string("\0\x3C\0\xC0\0\x38\xFF\x7B", 8);
    const std::string good = text.file();
    const GgufFile file = test::parse_gguf(good);
    Tensor<float> row(Shape{1, 256});
    CHECK(contains(message_of([&] { read_floats(on, file, file.at("t"), row.view()); }),
                   "tensor \"t\" is of type IQ2_XXS, which is not decoded"));
    Matrix<half> h(2, 2);
    REQUIRE(read_blocks(on, file, file.at("h"), h));
    CHECK(h(0, 1) == -2);
    CHECK(h(1, 1) == 65504);
}
