// All 2^32 floats to every small float, nearest: a sweep in ascending order of magnitude beside a
// pointer into the sorted numbers, which moves on at each midpoint. The oracle never looks at the
// encoder's bits. About a minute on one core.
#include <doctest/doctest.h>

#include "support/values.hpp"

#include <vector>

using namespace nibble;

TEST_CASE_TEMPLATE("every float", V, half, bfloat16, fp8_e4m3, fp8_e5m2, fp4_e2m1) {
    // The magnitudes of V in ascending order with the float from which on each is the nearest.
    struct Step {
        std::uint32_t from;  // bits of the first positive float that rounds to this code
        std::uint32_t code;
    };
    std::vector<Step> steps;
    const auto& n = test::numbers<V>();
    for (std::size_t i = 0; i < n.size(); ++i) {
        if (n[i].x < 0) continue;
        const auto code = static_cast<std::uint32_t>(test::bits_of(n[i].value));
        if (n[i].x == 0) {
            steps.push_back({0, code});
            continue;
        }
        const double middle = (n[i - 1].x + n[i].x) / 2;
        auto from = std::bit_cast<std::uint32_t>(static_cast<float>(middle));
        while (static_cast<double>(std::bit_cast<float>(from)) < middle) ++from;
        while (static_cast<double>(std::bit_cast<float>(from - 1)) >= middle) --from;
        const bool tie = static_cast<double>(std::bit_cast<float>(from)) == middle;
        steps.push_back({tie && !n[i].even() ? from + 1 : from, code});
    }
    if (test::has_infinity<V>) {
        const double limit = n.back().x + test::slack_above<V>();
        steps.push_back(
            {std::bit_cast<std::uint32_t>(static_cast<float>(limit)), steps.back().code + 1});
    }
    REQUIRE(steps.size() > 7);

    constexpr std::uint32_t sign_bit = 1u << (bits_v<V> - 1);
    std::size_t at = 0;
    std::uint64_t wrong = 0;
    for (std::uint32_t word = 0; word <= 0x7F800000u; ++word) {
        while (at + 1 < steps.size() && word >= steps[at + 1].from) ++at;
        const std::uint32_t code = steps[at].code;
        wrong += test::bits_of(encode<V>(std::bit_cast<float>(word))) != code ? 1 : 0;
        wrong +=
            test::bits_of(encode<V>(std::bit_cast<float>(word | 0x80000000u))) != (code | sign_bit)
                ? 1
                : 0;
    }
    CHECK(wrong == 0);
    for (std::uint32_t word = 0x7F800001u; word <= 0x7FFFFFFFu; ++word)
        for (const std::uint32_t sign : {0u, 0x80000000u}) {
            const float x = decode(encode<V>(std::bit_cast<float>(word | sign)));
            wrong += (test::has_nan<V> ? std::isnan(x) : x == 0.0f) ? 0 : 1;
        }
    CHECK(wrong == 0);
}
