// What the laws need to know about a value type beyond its traits: all its codes, its finite
// numbers in order, and an oracle for nearest rounding that shares nothing with the library's
// encoders. It compares in double against the midpoints of the sorted numbers, which double holds
// exactly.
#pragma once

#include <nibble/value/list.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace test {

template <class V>
constexpr std::uint64_t bits_of(V v) {
    if constexpr (nibble::bits_v<V> < 8) return nibble::value_traits<V>::to_bits(v);
    else if constexpr (sizeof(V) == 1) return std::bit_cast<std::uint8_t>(v);
    else if constexpr (sizeof(V) == 2) return std::bit_cast<std::uint16_t>(v);
    else if constexpr (sizeof(V) == 4) return std::bit_cast<std::uint32_t>(v);
    else return std::bit_cast<std::uint64_t>(v);
}

/// The value of a code; V of at most 16 bits.
template <class V>
constexpr V value_of_code(std::uint32_t code) {
    if constexpr (nibble::bits_v<V> < 8)
        return nibble::value_traits<V>::from_bits(static_cast<std::uint8_t>(code));
    else if constexpr (sizeof(V) == 1) return std::bit_cast<V>(static_cast<std::uint8_t>(code));
    else return std::bit_cast<V>(static_cast<std::uint16_t>(code));
}

template <class V>
double number(V v) {
    return static_cast<double>(nibble::decode(v));
}

/// Codes that an encoder never makes: signalling NaNs and the fourth code of a ternary value.
template <class V>
bool canonical(V v) {
    if constexpr (std::is_same_v<V, nibble::Ternary>) return v.code != -2;
    if constexpr (std::is_same_v<V, nibble::Int3Value>) return v.code >= -4 && v.code <= 3;
    if constexpr (std::is_same_v<V, nibble::half>)
        return !std::isnan(number(v)) || (v.bits() & 0x200u) != 0;
    if constexpr (std::is_same_v<V, nibble::bfloat16>)
        return !std::isnan(number(v)) || (v.bits() & 0x40u) != 0;
    if constexpr (std::is_same_v<V, nibble::fp8_e5m2>)
        return !std::isnan(number(v)) || (v.bits() & 0x2u) != 0;
    return true;
}

template <class V>
struct Entry {
    double x;
    V value;
    bool even() const { return (bits_of(value) & 1u) == 0; }
};

/// All finite canonical numbers of V in ascending order; of the two zeros, the positive one.
template <class V>
const std::vector<Entry<V>>& numbers() {
    static const std::vector<Entry<V>> sorted = [] {
        std::vector<Entry<V>> all;
        for (std::uint32_t c = 0; c < (1u << nibble::bits_v<V>); ++c) {
            const V v = value_of_code<V>(c);
            const double x = number(v);
            if (!std::isfinite(x) || !canonical(v) || (x == 0 && std::signbit(x))) continue;
            all.push_back({x, v});
        }
        std::sort(all.begin(), all.end(),
                  [](const Entry<V>& a, const Entry<V>& b) { return a.x < b.x; });
        return all;
    }();
    return sorted;
}

template <class V>
inline constexpr bool has_infinity =
    std::is_same_v<V, nibble::half> || std::is_same_v<V, nibble::bfloat16> ||
    std::is_same_v<V, nibble::fp8_e5m2>;
template <class V>
inline constexpr bool has_nan =
    has_infinity<V> || std::is_same_v<V, nibble::fp8_e4m3> || std::is_same_v<V, nibble::E8M0>;

/// Half the distance between the last two numbers, at either end: where rounding leaves the range.
template <class V>
double slack_above() {
    const auto& n = numbers<V>();
    return (n[n.size() - 1].x - n[n.size() - 2].x) / 2;
}
template <class V>
double slack_below() {
    const auto& n = numbers<V>();
    return (n[1].x - n[0].x) / 2;
}

/// The number that x must become. Infinity counts as one step above the highest number.
template <class V>
double nearest(double x) {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    const auto& n = numbers<V>();
    if (std::isnan(x)) return has_nan<V> ? x : 0.0;
    if (x >= n.back().x) {
        const double tie = n.back().x + slack_above<V>();
        return has_infinity<V> && (x > tie || (x == tie && !n.back().even())) ? infinity
                                                                              : n.back().x;
    }
    if (x <= n.front().x) {
        const double tie = n.front().x - slack_below<V>();
        return has_infinity<V> && (x < tie || (x == tie && !n.front().even())) ? -infinity
                                                                               : n.front().x;
    }
    const auto above = std::upper_bound(n.begin(), n.end(), x,
                                        [](double v, const Entry<V>& e) { return v < e.x; });
    const auto below = above - 1;
    const double middle = (below->x + above->x) / 2;
    if (x < middle || (x == middle && below->even())) return below->x;
    return above->x;
}

/// Numbers of the compute type at x (rounded to it) and one step to either side.
template <class V>
std::vector<nibble::compute_t<V>> around(double x) {
    using C = nibble::compute_t<V>;
    if constexpr (std::is_floating_point_v<C>) {
        const C c = static_cast<C>(x), inf = std::numeric_limits<C>::infinity();
        return {std::nextafter(c, -inf), c, std::nextafter(c, inf)};
    } else {
        const std::int64_t raw = C(x).raw;
        return {C::from_raw(raw - 1), C::from_raw(raw), C::from_raw(raw + 1)};
    }
}

/// Every type of at most 16 bits that obeys the laws; the last is a scale, without the zero law.
#define NIBBLE_TEST_SMALL_VALUES                                                                 \
    nibble::half, nibble::bfloat16, nibble::fp8_e4m3, nibble::fp8_e5m2, nibble::fp4_e2m1,        \
        nibble::Nf4, nibble::Int8Value, nibble::Int4Value, nibble::Int3Value, nibble::Int2Value, \
        nibble::Ternary, nibble::Fixed8<4>, nibble::Fixed8<0>, nibble::Fixed16<8>,               \
        nibble::Fixed16<15>

/// A standard normal number; and Student's t with three degrees of freedom, whose tails are heavy.
inline double normal(nibble::Random& random) {
    const double u = 1.0 - random.uniform(), v = random.uniform();
    return std::sqrt(-2.0 * std::log(u)) * std::cos(6.283185307179586 * v);
}
inline double student(nibble::Random& random) {
    double squares = 0;
    const double x = normal(random);
    for (int i = 0; i < 3; ++i) {
        const double y = normal(random);
        squares += y * y;
    }
    return x / std::sqrt(squares / 3);
}

}  // namespace test
