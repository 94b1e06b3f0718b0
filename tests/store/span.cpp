// Packed runs: writing one element changes no other, and the bytes are where the layout says.
#include <doctest/doctest.h>

#include <nibble/store/array.hpp>

#include "support/values.hpp"

#include <string>

using namespace nibble;

template <class S>
concept settable = requires(S s) { s.set(0, Int4Value{}); };

TEST_CASE_TEMPLATE("neighbours: set changes one element and no other", V, float, double,
                   NIBBLE_TEST_SMALL_VALUES) {
    constexpr std::size_t n = 21;
    constexpr std::uint32_t codes = 1u << (bits_v<V> < 8 ? bits_v<V> : 8);
    Random random(1);
    const auto any = [&]() -> V {
        if constexpr (bits_v < V >> 16) return static_cast<V>(random.uniform());
        else
            return test::value_of_code<V>(static_cast<std::uint32_t>(random.bits()) %
                                          (1u << bits_v<V>));
    };
    ValueArray<V, n> array;
    for (std::size_t i = 0; i < n; ++i) CHECK(test::bits_of(array[i]) == 0);
    for (std::size_t i = 0; i < n; ++i) array.set(i, any());
    int wrong = 0;
    for (std::size_t i = 0; i < n; ++i)
        for (std::uint32_t c = 0; c < codes; ++c) {
            const auto before = array;
            V v = any();
            if constexpr (bits_v<V> <= 8) v = test::value_of_code<V>(c);
            array.set(i, v);
            for (std::size_t k = 0; k < n; ++k)
                wrong += test::bits_of(array[k]) != test::bits_of(k == i ? v : before[k]) ? 1 : 0;
        }
    CHECK(wrong == 0);
}

TEST_CASE("element i sits at bits [i*b, i*b+b), lowest first") {
    ValueArray<Int4Value, 5> nibbles;
    nibbles.set(0, Int4Value(1));
    nibbles.set(1, Int4Value(-1));
    nibbles.set(4, Int4Value(-8));
    CHECK(nibbles.storage.size() == 3);
    CHECK(nibbles.storage[0] == 0xF1);
    CHECK(nibbles.storage[1] == 0x00);
    CHECK(nibbles.storage[2] == 0x08);
    ValueArray<Int2Value, 6> pairs;
    pairs.set(1, Int2Value(1));
    pairs.set(3, Int2Value(-2));
    pairs.set(5, Int2Value(-1));
    CHECK(pairs.storage[0] == 0b10000100);
    CHECK(pairs.storage[1] == 0b00001100);
    static_assert(sizeof(ValueArray<Int4Value, 1024>) == 512);
    static_assert(sizeof(ValueArray<Ternary, 1024>) == 256);
    static_assert(sizeof(ValueArray<half, 3>) == 6);
}

TEST_CASE("spans: const, sub-runs, units") {
    ValueArray<Int4Value, 16> array;
    const ValueSpan<Int4Value> all = array.span();
    all.set(8, Int4Value(3));
    const auto second = all.subspan(8, 8);
    CHECK(second[0].code == 3);
    second.set(1, Int4Value(-5));
    CHECK(array[9].code == -5);
    const ValueSpan<const Int4Value> read = all;
    CHECK(read[9].code == -5);
    CHECK(read.units().size() == 8);
    CHECK(read.subspan(2, 3).units().size() == 2);
    CHECK(read.subspan(16, 0).empty());
    CHECK(ValueSpan<half>{}.empty());
    CHECK(units_for<Int2Value>(0) == 0);
    CHECK(units_for<Int2Value>(5) == 2);
    static_assert(settable<ValueSpan<Int4Value>> && !settable<ValueSpan<const Int4Value>>);
}

constexpr int sum_at_compile_time() {
    ValueArray<Int4Value, 7> a;
    for (std::size_t i = 0; i < a.size(); ++i) a.set(i, Int4Value(static_cast<int>(i) - 3));
    a.set(2, Int4Value(7));
    int sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += a[i].code;
    return sum;
}
static_assert(sum_at_compile_time() == 8);
