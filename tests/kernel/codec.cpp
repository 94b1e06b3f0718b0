// The register codec against the scalar one: every code of every value type decodes to the same bits,
// and a dense set of floats (every code's number, every tie and its neighbours, specials, random
// bits) encodes to the same bytes, rounded to nearest and stochastically.
#include <nibble/kernel/codec.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <string>
#include <vector>

using namespace nibble;

namespace {

std::uint32_t bits(float x) { return std::bit_cast<std::uint32_t>(x); }

/// All numbers of V's codes, each code's bit pattern in a packed run of `count` elements.
template <class V>
std::vector<unit_t<V>> every_code() {
    constexpr std::size_t count = std::size_t{1} << (bits_v<V> > 16 ? 16 : bits_v<V>);
    constexpr std::size_t repeat = count < 64 ? 64 / count : 1;
    std::vector<unit_t<V>> units(units_for<V>(count * repeat) + 64);
    const ValueSpan<V> run(units.data(), count * repeat);
    for (std::size_t i = 0; i < count * repeat; ++i) {
        // Rotated, so that each code meets each lane of small types.
        const std::size_t code = (i + i / count * 3) % count;
        if constexpr (std::is_same_v<V, float>)
            run.set(i,
                    std::bit_cast<float>(static_cast<std::uint32_t>(code << 16 | (code & 0xFFFF))));
        else if constexpr (bits_v<V> < 8)
            run.set(i, value_traits<V>::from_bits(static_cast<std::uint8_t>(code)));
        else if constexpr (is_integer_value<V>) run.set(i, V(static_cast<int>(code) - 128));
        else run.set(i, V::from_bits(static_cast<typename V::Bits>(code)));
    }
    return units;
}

template <class V>
std::vector<float> interesting() {
    std::vector<float> list{0.0f,    -0.0f,   INFINITY, -INFINITY, 1e-45f, -1e-45f,  1e38f,
                            -1e38f,  3.4e38f, 0.5f,     -0.5f,     1.5f,   2.5f,     1e-10f,
                            -1e-10f, 127.5f,  -128.5f,  1e9f,      -3e9f,  65519.9f, 65520.0f};
    for (const std::uint32_t nan :
         {0x7FC00000u, 0xFFC00000u, 0x7F800001u, 0xFF812345u, 0x7FFFFFFFu})
        list.push_back(std::bit_cast<float>(nan));
    std::vector<float> numbers;
    const auto codes = every_code<V>();
    const std::size_t count =
        std::min<std::size_t>((codes.size() - 64) * values_per_unit<V>, 65536);
    const ValueSpan<const V> run(codes.data(), count);
    for (std::size_t i = 0; i < count; ++i) {
        const float x = decode(run[i]);
        if (std::isfinite(x)) numbers.push_back(x);
    }
    std::sort(numbers.begin(), numbers.end());
    for (std::size_t i = 0; i + 1 < numbers.size(); ++i) {
        const float middle = static_cast<float>(
            (static_cast<double>(numbers[i]) + static_cast<double>(numbers[i + 1])) / 2);
        for (const float x : {numbers[i], middle})
            for (const float y : {std::nextafter(x, -INFINITY), x, std::nextafter(x, INFINITY)})
                list.push_back(y);
    }
    const float top = numbers.back(), step = numbers.back() - numbers[numbers.size() - 2];
    for (const float beyond : {top + step / 4, top + step / 2, top + step, top * 2})
        for (const float x : {beyond, -beyond, std::nextafter(beyond, 0.0f)}) list.push_back(x);
    Random random(3);
    for (int i = 0; i < 20000; ++i) {
        list.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(random.bits())));
        list.push_back(
            std::ldexp(static_cast<float>(random.uniform()), -static_cast<int>(random.below(60))));
        list.push_back(static_cast<float>((random.uniform() * 2.5 - 1.25)) * std::fabs(top));
    }
    list.resize((list.size() + 63) / 64 * 64);
    return list;
}

template <class V, class A>
void decode_agrees() {
    constexpr std::size_t lanes = Batch<float, A>::lanes;
    const auto units = every_code<V>();
    const std::size_t n = (units.size() - 64) * values_per_unit<V>;
    const ValueSpan<const V> run(units.data(), n);
    for (std::size_t i = 0; i < n; i += lanes) {
        float out[lanes];
        decode_lanes<V, A>(units.data(), i).store(out);
        for (std::size_t j = 0; j < lanes; ++j)
            if (bits(out[j]) != bits(decode(run[i + j]))) {
                INFO("element ", i + j, " gives ", out[j], ", expected ", decode(run[i + j]));
                REQUIRE(bits(out[j]) == bits(decode(run[i + j])));
            }
    }
}

template <class V, class A, class Rounding>
void encode_agrees(Rounding rounding, std::uint64_t base) {
    constexpr std::size_t lanes = Batch<float, A>::lanes;
    static const std::vector<float> list = interesting<V>();
    std::vector<unit_t<V>> units(units_for<V>(list.size()) + 64), expected = units;
    const ValueSpan<V> run(expected.data(), list.size());
    for (std::size_t i = 0; i < list.size(); i += lanes)
        encode_lanes<V, A>(units.data(), i, Batch<float, A>::load(&list[i]), rounding, base);
    for (std::size_t i = 0; i < list.size(); ++i)
        run.set(i, encode<V>(list[i], rounding_at(rounding, base + i)));
    const ValueSpan<const V> got(units.data(), list.size());
    for (std::size_t i = 0; i < list.size(); ++i) {
        const float a = decode(got[i]), b = decode(run[i]);
        if (bits(a) != bits(b)) {
            INFO("element ", i, ": ", list[i], " (", bits(list[i]), ") gives ", a, ", expected ",
                 b);
            REQUIRE(bits(a) == bits(b));
        }
    }
    // Bytes too: the canonical code, and nothing written beyond the run.
    REQUIRE(std::memcmp(units.data(), expected.data(), units.size() * sizeof(unit_t<V>)) == 0);
}

template <class V>
void codec_agrees() {
    INFO(std::string(value_traits<V>::name));
    const StochasticFrom first{Dither(1, 2, 3)}, second{Dither(77, 0)};
    [&]<class... A>(TypeList<A...>) {
        (
            [&] {
                INFO(std::string(A::name));
                decode_agrees<V, A>();
                encode_agrees<V, A>(ToNearest{}, 0);
                encode_agrees<V, A>(first, 0);
                // The counter passes 2^32 in the middle of a register.
                encode_agrees<V, A>(second, (std::uint64_t{5} << 32) - 1029);
            }(),
            ...);
    }(TypeList<isa::Scalar, Isa>{});
}

}  // namespace

TEST_CASE("the register codec equals the scalar one") {
    []<class... V>(TypeList<V...>) { (codec_agrees<V>(), ...); }(FloatValues{});
}

TEST_CASE_TEMPLATE("dither in registers equals Dither", A, isa::Scalar, Isa) {
    const Dither dither(5, 6, 7);
    for (const std::uint64_t index : {std::uint64_t{0}, std::uint64_t{123456789},
                                      (std::uint64_t{1} << 32) - 3, ~std::uint64_t{0} - 100}) {
        std::uint32_t lane[64];
        dither_lanes<A>(dither, index).store(lane);
        for (std::size_t j = 0; j < Batch<float, A>::lanes; ++j)
            CHECK(lane[j] == dither(index + j));
    }
}
