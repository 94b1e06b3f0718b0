// The source of dither: its bits are fixed for ever (files and resumed runs depend on them),
// uniform, and a function of (seed, step, stream, index) alone.
#include <doctest/doctest.h>

#include <nibble/value/rounding.hpp>

#include <cmath>
#include <vector>

using namespace nibble;

namespace {

/// Pearson's statistic in standard deviations from its mean; 2^16 draws into 256 cells.
template <class Draw>
double chi_square_z(Draw draw) {
    constexpr int cells = 256, draws = 1 << 16;
    std::vector<int> seen(cells, 0);
    for (std::uint64_t i = 0; i < draws; ++i) ++seen[draw(i) & 0xFFu];
    const double expected = double(draws) / cells;
    double sum = 0;
    for (const int n : seen) sum += (n - expected) * (n - expected) / expected;
    return (sum - (cells - 1)) / std::sqrt(2.0 * (cells - 1));
}

}  // namespace

TEST_CASE("known answers") {
    constexpr Dither d(1, 2, 3);
    static_assert(Dither(1, 2, 3)(0) == d(0));
    CHECK(splitmix64(0) == 0xE220A8397B1DCDAFu);  // the reference generator's first output
    CHECK(d.first() == 0xFDE362B3u);
    CHECK(d.second() == 0xD0734750u);
    CHECK(d(0) == 0x6CF8D031u);
    CHECK(d(1) == 0x7D62CB2Fu);
    CHECK(d(0xFFFFFFFFu) == 0x5648A198u);
    CHECK(d(std::uint64_t{1} << 32) == 0xEE3996B6u);
    Random random(0);
    CHECK(random.bits() == 0xE220A8397B1DCDAFu);
    CHECK(random.bits() == 0x6E789E6AA1B965F4u);
}

TEST_CASE("uniform in every byte, along the index, the step and the stream") {
    // |z| < 6 fails a uniform source about once in a million looks (the statistic's tail is a
    // little heavier than normal). A source whose cells are off by 8 % has z near 18.
    for (int shift = 0; shift < 32; shift += 8) {
        CAPTURE(shift);
        const Dither d(42, 7);
        CHECK(std::abs(chi_square_z([&](std::uint64_t i) { return d(i) >> shift; })) < 6);
        CHECK(std::abs(chi_square_z([&](std::uint64_t i) { return d(i << 6) >> shift; })) < 6);
        CHECK(std::abs(chi_square_z([&](std::uint64_t i) { return d(i << 32) >> shift; })) < 6);
        CHECK(std::abs(chi_square_z([&](std::uint64_t i) { return Dither(1, i)(5) >> shift; })) <
              6);
        CHECK(std::abs(chi_square_z([&](std::uint64_t i) { return Dither(1, 2, i)(5) >> shift; })) <
              6);
        CHECK(std::abs(chi_square_z([&](std::uint64_t i) { return Dither(i, 0)(5) >> shift; })) <
              6);
    }
}

TEST_CASE("neighbours, steps and high index words are uncorrelated") {
    // The correlation of 65,536 pairs has a standard deviation of 1/256: 5.5 of them is a false
    // alarm once in 25 million; a correlation of 0.05 is found with certainty.
    const auto centred = [](std::uint32_t bits) { return bits * 0x1p-32 - 0.5; };
    const auto correlation = [&](auto a, auto b) {
        double sum = 0;
        for (std::uint64_t i = 0; i < 65536; ++i) sum += centred(a(i)) * centred(b(i));
        return sum / 65536 * 12;
    };
    const Dither d(3, 4), next(3, 5), other(3, 4, 1);
    const auto here = [&](std::uint64_t i) { return d(i); };
    CHECK(std::abs(correlation(here, [&](std::uint64_t i) { return d(i + 1); })) < 5.5 / 256);
    CHECK(std::abs(correlation(here, [&](std::uint64_t i) { return d(i + 64); })) < 5.5 / 256);
    CHECK(std::abs(correlation(here, next)) < 5.5 / 256);
    CHECK(std::abs(correlation(here, other)) < 5.5 / 256);
    const auto high = [&](std::uint64_t i) { return d(i + (std::uint64_t{1} << 32)); };
    CHECK(std::abs(correlation(here, high)) < 5.5 / 256);
}

TEST_CASE("the bits of an index do not depend on what was asked before") {
    const Dither d(9, 1);
    std::vector<std::uint32_t> forwards, backwards(1000);
    for (std::uint64_t i = 0; i < 1000; ++i) forwards.push_back(d(i));
    for (std::uint64_t i = 1000; i-- > 0;) backwards[i] = Dither(9, 1)(i);
    CHECK(forwards == backwards);
    CHECK(d(5) != d((std::uint64_t{1} << 32) + 5));  // all 64 bits of the index count
    CHECK(d(5) != d((std::uint64_t{1} << 63) + 5));
}

TEST_CASE("uniform numbers are in [0, 1) and below(n) is in range") {
    Random random(17);
    double low = 1, high = 0, mean = 0;
    for (int i = 0; i < 100000; ++i) {
        const double u = random.uniform();
        low = u < low ? u : low;
        high = u > high ? u : high;
        mean += u / 100000;
        CHECK_MESSAGE(random.below(7) < 7, "below");
    }
    CHECK(low >= 0);
    CHECK(high < 1);
    CHECK(std::abs(mean - 0.5) < 5 * std::sqrt(1.0 / 12 / 100000));
}
