// The list of values: names, widths and run-time kinds agree with the types.
#include <doctest/doctest.h>

#include "support/values.hpp"

#include <set>
#include <string>

using namespace nibble;

TEST_CASE_TEMPLATE("a kind leads back to its type", V, float, double, half, bfloat16, fp8_e4m3,
                   fp8_e5m2, fp4_e2m1, Nf4, E8M0, Int8Value, Int4Value, Int3Value, Int2Value,
                   Ternary) {
    static_assert(NeuralValue<V>);
    static_assert(PackedValue<V> == (bits_v<V> < 8));
    CHECK(name_of(kind_of<V>) == value_traits<V>::name);
    CHECK(nibble::bits_of(kind_of<V>) == bits_v<V>);
    CHECK(dispatch_value(kind_of<V>, []<class T>(T) { return std::is_same_v<T, V>; }));
}

TEST_CASE("names differ and numbers are the ones in files") {
    std::set<std::string> names;
    for (int k = 0; k <= 13; ++k) names.emplace(name_of(static_cast<ValueKind>(k)));
    CHECK(names.size() == 14);
    CHECK(static_cast<int>(kind_of<half>) == 1);
    CHECK(static_cast<int>(kind_of<Nf4>) == 6);
    CHECK(static_cast<int>(kind_of<Int4Value>) == 9);
    CHECK(static_cast<int>(kind_of<Int3Value>) == 13);
    CHECK(file_bits_of(kind_of<Int3Value>) == 3);
    CHECK(FloatValues::size == 12);
}

TEST_CASE("fixed point is a value too") {
    static_assert(NeuralValue<Fixed8<4>> && NeuralValue<Fixed16<8>>);
    CHECK(value_traits<Fixed8<4>>::name == "fixed8");
    CHECK(value_traits<Fixed16<8>>::name == "fixed16");
}
