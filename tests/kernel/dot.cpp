#include <nibble/kernel/dot.hpp>

#include <doctest/doctest.h>

#include "support/isa.hpp"

#include <cstring>
#include <vector>

using namespace nibble;

namespace {

/// Four bytes as a lane holds them.
std::int32_t lane(int a, int b, int c, int d) {
    const std::uint8_t bytes[4] = {std::uint8_t(a), std::uint8_t(b), std::uint8_t(c),
                                   std::uint8_t(d)};
    std::int32_t word;
    std::memcpy(&word, bytes, 4);
    return word;
}

/// Words of random bytes below `limit` (weights) or in [-127, 127] (limit 0).
std::vector<std::int32_t> words(std::size_t n, int limit, std::uint64_t seed) {
    Random random(seed);
    std::vector<std::int32_t> result(n);
    for (auto& w : result) {
        int byte[4];
        for (int& b : byte)
            b = limit > 0 ? int(random.below(std::uint64_t(limit))) : int(random.below(255)) - 127;
        w = lane(byte[0], byte[1], byte[2], byte[3]);
    }
    return result;
}

std::int64_t exact(std::int32_t w, std::int32_t x) {
    std::uint8_t a[4];
    std::int8_t b[4];
    std::memcpy(a, &w, 4);
    std::memcpy(b, &x, 4);
    std::int64_t sum = 0;
    for (int i = 0; i < 4; ++i) sum += std::int64_t(a[i]) * b[i];
    return sum;
}

template <bool Narrow, class A>
std::size_t wrong_products(const std::vector<std::int32_t>& w, const std::vector<std::int32_t>& x) {
    using B = Batch<std::int32_t, A>;
    std::size_t wrong = 0;
    std::int32_t out[B::lanes];
    for (std::size_t i = 0; i + B::lanes <= w.size(); i += B::lanes) {
        dot4<Narrow>(B(7), B::load(w.data() + i), B::load(x.data() + i)).store(out);
        for (std::size_t l = 0; l < B::lanes; ++l)
            wrong += out[l] == 7 + exact(w[i + l], x[i + l]) ? 0 : 1;
    }
    return wrong;
}

}  // namespace

TEST_CASE("byte dot products are exact on every instruction set") {
    // Each pair of a weight and an activation in each place of a lane, beside the extremes.
    std::vector<std::int32_t> w, x;
    for (int a = 0; a < 256; ++a)
        for (int b = -127; b <= 127; ++b)
            for (const int other : {0, 127, -127}) {
                w.push_back(lane(a, 255, 255, 255));
                x.push_back(lane(b, other, other, other));
                w.push_back(lane(255, a, 255, 255));
                x.push_back(lane(other, b, other, other));
                w.push_back(lane(255, 255, a, 255));
                x.push_back(lane(other, other, b, other));
                w.push_back(lane(255, 255, 255, a));
                x.push_back(lane(other, other, other, b));
            }
    auto narrow = w;
    for (auto& word : narrow) word &= 0x0F0F0F0F;
    test::each_instruction_set([&]<class A>() {
        CAPTURE(A::name);
        CHECK(wrong_products<false, A>(w, x) == 0);
        CHECK(wrong_products<true, A>(narrow, x) == 0);
    });
}

TEST_CASE("sums of pairs are exact up to their limit") {
    constexpr std::size_t lanes = 16;
    for (const int kind : {0, 1, 2}) {
        const auto w = kind == 0 ? words(lanes * pairs_steps, 16, 1)
                                 : std::vector<std::int32_t>(lanes * pairs_steps, 0x0F0F0F0F);
        const int top = kind == 1 ? 127 : -127;
        const auto x =
            kind == 0 ? words(lanes * pairs_steps, 0, 2)
                      : std::vector<std::int32_t>(lanes * pairs_steps, lane(top, top, top, top));
        test::each_instruction_set([&]<class A>() {
            using B = Batch<std::int32_t, A>;
            for (std::size_t steps = 0; steps <= pairs_steps; ++steps)
                for (std::size_t at = 0; at < lanes; at += B::lanes) {
                    B pairs(0);
                    std::int64_t sum[B::lanes];
                    for (auto& s : sum) s = -9;
                    for (std::size_t s = 0; s < steps; ++s) {
                        const std::size_t i = s * lanes + at;
                        pairs = dot4_pairs(pairs, B::load(w.data() + i), B::load(x.data() + i));
                        for (std::size_t l = 0; l < B::lanes; ++l)
                            sum[l] += exact(w[i + l], x[i + l]);
                    }
                    std::int32_t out[B::lanes];
                    add_pairs(B(-9), pairs).store(out);
                    for (std::size_t l = 0; l < B::lanes; ++l) REQUIRE(out[l] == sum[l]);
                }
        });
    }
}

TEST_CASE("bfloat16 dot products") {
    Random random(3);
    std::vector<bfloat16> w(32), x(32);
    for (int round = 0; round < 100; ++round) {
        for (auto& v : w) v = encode<bfloat16>(static_cast<float>(random.uniform() - 0.5));
        for (auto& v : x) v = encode<bfloat16>(static_cast<float>(random.uniform() * 8 - 4));
        test::each_instruction_set([&]<class A>() {
            using B = Batch<std::uint32_t, A>;
            std::uint32_t a[B::lanes], b[B::lanes];
            std::memcpy(a, w.data(), sizeof(a));
            std::memcpy(b, x.data(), sizeof(b));
            float out[B::lanes];
            dot2(Batch<float, A>(0.25f), B::load(a), B::load(b)).store(out);
            for (std::size_t l = 0; l < B::lanes; ++l) {
                const double p = double(decode(w[2 * l])) * double(decode(x[2 * l]));
                const double q = double(decode(w[2 * l + 1])) * double(decode(x[2 * l + 1]));
                const double size = 0.25 + std::abs(p) + std::abs(q);
                REQUIRE(std::abs(double(out[l]) - (0.25 + p + q)) <= 0x1p-22 * size);
            }
        });
    }
}
