// Each format against a formula written from its specification, not from the library: fields pulled
// apart and recombined in double. And where the CPU converts binary16 itself, against the CPU.
#include <doctest/doctest.h>

#include "support/values.hpp"

#include <cstring>

#if defined(__F16C__)
#include <immintrin.h>
#endif

using namespace nibble;

namespace {

/// (-1)^s 2^(e-bias) (1 + m/2^M), or (-1)^s 2^(1-bias) m/2^M when e is 0.
double ieee_number(std::uint32_t code, int exponent_bits, int mantissa_bits) {
    const auto m = static_cast<double>(code & ((1u << mantissa_bits) - 1));
    const int e = static_cast<int>(code >> mantissa_bits) & ((1 << exponent_bits) - 1);
    const double sign = (code >> (exponent_bits + mantissa_bits)) & 1u ? -1.0 : 1.0;
    const int bias = (1 << (exponent_bits - 1)) - 1;
    const double unit = std::ldexp(m, -mantissa_bits);
    return sign * (e == 0 ? std::ldexp(unit, 1 - bias) : std::ldexp(1 + unit, e - bias));
}

template <class V>
int decode_errors(int e, int m, bool ieee_specials, bool nan_only) {
    int wrong = 0;
    for (std::uint32_t c = 0; c < (1u << (1 + e + m)); ++c) {
        const float got = decode(test::value_of_code<V>(c));
        const std::uint32_t exponent = (c >> m) & ((1u << e) - 1);
        const std::uint32_t mantissa = c & ((1u << m) - 1);
        const bool negative = (c >> (e + m)) != 0;
        wrong += std::signbit(got) != negative ? 1 : 0;
        if (ieee_specials && exponent == (1u << e) - 1) {
            wrong += mantissa == 0 ? !std::isinf(got) : !std::isnan(got);
        } else if (nan_only && exponent == (1u << e) - 1 && mantissa == (1u << m) - 1) {
            wrong += !std::isnan(got);
        } else {
            wrong += static_cast<double>(got) != ieee_number(c, e, m) ? 1 : 0;
        }
    }
    return wrong;
}

}  // namespace

TEST_CASE("every code of every small float is the number its specification says") {
    CHECK(decode_errors<half>(5, 10, true, false) == 0);
    CHECK(decode_errors<bfloat16>(8, 7, true, false) == 0);
    CHECK(decode_errors<fp8_e5m2>(5, 2, true, false) == 0);
    CHECK(decode_errors<fp8_e4m3>(4, 3, false, true) == 0);
    CHECK(decode_errors<fp4_e2m1>(2, 1, false, false) == 0);
}

TEST_CASE("the landmarks of each format") {
    CHECK(decode(value_traits<half>::highest()) == 65504.0f);
    CHECK(decode(value_traits<bfloat16>::highest()) == 0x1.FEp127f);
    CHECK(decode(value_traits<fp8_e4m3>::highest()) == 448.0f);
    CHECK(decode(value_traits<fp8_e5m2>::highest()) == 57344.0f);
    CHECK(decode(value_traits<fp4_e2m1>::highest()) == 6.0f);
    CHECK(decode(half::from_bits(1)) == 0x1p-24f);
    CHECK(decode(fp8_e4m3::from_bits(1)) == 0x1p-9f);
    CHECK(decode(fp8_e5m2::from_bits(1)) == 0x1p-16f);
    CHECK(fp8_e4m3(1.0f).bits() == 0x38);
    CHECK(half(1.0f).bits() == 0x3C00);
    CHECK(bfloat16(-2.0f).bits() == 0xC000);
    const float fp4[16] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6, -0.0f, -0.5f, -1, -1.5f, -2, -3, -4, -6};
    for (std::uint8_t c = 0; c < 16; ++c) CHECK(decode(fp4_e2m1::from_bits(c)) == fp4[c]);
    CHECK(encode<fp8_e4m3>(-std::numeric_limits<float>::quiet_NaN()).bits() == 0xFF);
    CHECK(encode<fp4_e2m1>(std::numeric_limits<float>::quiet_NaN()).bits() == 0);
}

TEST_CASE("small floats compare as the numbers they are") {
    CHECK(half(0.0f) == half(-0.0f));
    CHECK(half(1.5f) != half(-1.5f));
    const half nan(std::numeric_limits<float>::quiet_NaN());
    CHECK_FALSE(nan == nan);
    CHECK(static_cast<float>(half(0.1f)) == decode(half(0.1f)));
}

TEST_CASE("E8M0 is 2^(code - 127), and code 255 is NaN") {
    for (int c = 0; c < 255; ++c)
        CHECK(static_cast<double>(decode(E8M0{static_cast<std::uint8_t>(c)})) ==
              std::ldexp(1.0, c - 127));
    CHECK(std::isnan(decode(E8M0{255})));
}

TEST_CASE("NF4 holds the sixteen quantiles in a rotated order") {
    // QLoRA's table is symmetric only in its ends; the first eight entries are the negative half.
    CHECK(decode(Nf4{0}) == 0.0f);
    CHECK(decode(Nf4{8}) == 1.0f);
    CHECK(decode(Nf4{9}) == -1.0f);
    for (int i = 0; i + 1 < 16; ++i) CHECK(Nf4::ascending[i] < Nf4::ascending[i + 1]);
    // The middle of the quantile range that appendix E averages: q(0.9677083) / q at the ends.
    for (std::uint8_t c = 1; c < 8; ++c) CHECK(decode(Nf4{c}) < decode(Nf4{std::uint8_t(c + 1)}));
    for (std::uint8_t c = 9; c < 15; ++c) CHECK(decode(Nf4{c}) < decode(Nf4{std::uint8_t(c + 1)}));
}

#if defined(__F16C__)
TEST_CASE("half agrees with the CPU's own conversions") {
    int wrong = 0;
    for (std::uint32_t c = 0; c < 65536; ++c) {
        const float cpu = _cvtsh_ss(static_cast<unsigned short>(c));
        const float own = decode(half::from_bits(static_cast<std::uint16_t>(c)));
        wrong += std::memcmp(&cpu, &own, sizeof cpu) != 0 ? 1 : 0;
    }
    CHECK(wrong == 0);
    wrong = 0;
    // A stride that is odd visits all low and all high bit patterns; NaN payloads too.
    for (std::uint64_t w = 0; w < (std::uint64_t{1} << 32); w += 1021) {
        const float x = std::bit_cast<float>(static_cast<std::uint32_t>(w));
        const __m128i cpu = _mm_cvtps_ph(_mm_set_ss(x), _MM_FROUND_TO_NEAREST_INT);
        wrong += _mm_extract_epi16(cpu, 0) != half(x).bits() ? 1 : 0;
    }
    CHECK(wrong == 0);
}
#endif
