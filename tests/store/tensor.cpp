// Shapes, views and owning tensors.
#include <doctest/doctest.h>

#include <nibble/store/buffer.hpp>
#include <nibble/store/error.hpp>
#include <nibble/store/tensor.hpp>

#include "support/values.hpp"

#include <limits>
#include <new>
#include <string>
#include <type_traits>

using namespace nibble;

TEST_CASE("shape: rows, columns, size, text") {
    const Shape none, line{5}, four{2, 3, 4, 5};
    CHECK(none.size() == 0);
    CHECK(none.rank() == 0);
    CHECK(line.rows() == 1);
    CHECK(line.cols() == 5);
    CHECK(four.rows() == 24);
    CHECK(four.size() == 120);
    CHECK(four[2] == 4);
    CHECK(four.with_cols(7) == Shape{2, 3, 4, 7});
    CHECK(none.with_cols(3) == Shape{3});
    CHECK(Shape{2, 3} != Shape{3, 2});
    CHECK(Shape{2, 0}.size() == 0);
    CHECK(to_string(four) == "[2, 3, 4, 5]");
    CHECK(to_string(none) == "[]");
    CHECK(padded(0) == 0);
    CHECK(padded(1) == 64);
    CHECK(padded(64) == 64);
    CHECK(padded(65) == 128);
}

TEST_CASE("view: rows and blocks are windows on the same elements") {
    Tensor<float> t({4, 5});
    for (std::size_t r = 0; r < 4; ++r)
        for (std::size_t c = 0; c < 5; ++c) t(r, c) = static_cast<float>(10 * r + c);
    const View<float> v = t;
    CHECK(v.row_block(1, 2)(1, 3) == 23.0f);
    CHECK(v.col_block(2, 2)(3, 1) == 33.0f);
    CHECK(v.row_block(2, 2).col_block(1, 4)(0, 0) == 21.0f);
    // Whose padding it is: a block of columns ends where its neighbour begins.
    CHECK(v.wide());
    CHECK(v.row_block(1, 2).wide());
    CHECK(v.col_block(0, v.cols).wide());
    CHECK_FALSE(v.col_block(0, v.cols - 1).wide());
    CHECK_FALSE(v.col_block(1, v.cols - 1).wide());
    CHECK_FALSE(View<const float>(v.col_block(0, 1)).wide());
    v(2, 2) = -1.0f;
    CHECK(t(2, 2) == -1.0f);
    const View<const float> read = v;
    CHECK(read.row(2)[2] == -1.0f);
    // Columns of no rows: a constant expression, because there no null pointer may be moved.
    constexpr View<const float> none{nullptr, 0, 8, 64, true};
    static_assert(none.col_block(4, 4).rows == 0 && none.col_block(4, 4).cols == 4);
}

TEST_CASE_TEMPLATE("a tensor is aligned, padded and zero", V, float, double,
                   NIBBLE_TEST_SMALL_VALUES) {
    for (const std::size_t cols : {1u, 63u, 64u, 65u, 200u}) {
        Tensor<V> t({3, cols});
        CHECK(reinterpret_cast<std::uintptr_t>(t.data()) % 64 == 0);
        CHECK(t.stride() == padded(cols));
        CHECK(t.bytes() == 3 * padded(cols) * static_cast<std::size_t>(bits_v<V>) / 8);
        CHECK(t.units().size() * sizeof(unit_t<V>) == t.bytes());
        const auto* bytes = reinterpret_cast<const unsigned char*>(t.data());
        std::size_t set = 0;
        for (std::size_t i = 0; i < t.bytes(); ++i) set += bytes[i];
        CHECK(set == 0);
        for (std::size_t r = 0; r < 3; ++r) CHECK(t.row(r).size() == cols);
    }
}

TEST_CASE("copies are deep, moves leave nothing behind") {
    Tensor<Int4Value> a({2, 70});
    a.row(1).set(69, Int4Value(-3));
    Tensor<Int4Value> b = a;
    b.row(1).set(69, Int4Value(5));
    CHECK(a.row(1)[69].code == -3);
    Tensor<Int4Value> c = std::move(b);
    CHECK(c.row(1)[69].code == 5);
    CHECK(b.empty());  // NOLINT(bugprone-use-after-move): the state after a move is promised
    CHECK(b.data() == nullptr);
    b = c;
    CHECK(b.row(1)[69].code == 5);
    const auto& itself = b;
    b = itself;
    CHECK(b.row(1)[69].code == 5);
    a = std::move(c);
    CHECK(a.row(1)[69].code == 5);
    a.clear();
    CHECK(a.row(1)[69].code == 0);
    Tensor<float> empty, also = empty;
    CHECK(also.empty());
    CHECK(Tensor<float>({0, 5}).data() == nullptr);
    CHECK(Tensor<float>({5, 0}).bytes() == 0);
}

TEST_CASE("reshape keeps the rows") {
    Tensor<float> t({2, 3, 5});
    t(4, 2) = 9.0f;
    t.reshape({6, 5});
    CHECK(t.shape() == Shape{6, 5});
    CHECK(t(4, 2) == 9.0f);
}

#if defined(__cpp_exceptions)
TEST_CASE("a size beyond the address space is bad_alloc, not a small block") {
    constexpr std::size_t top = std::numeric_limits<std::size_t>::max();
    CHECK_THROWS_AS(Tensor<float>({top / 8, 4}), std::bad_alloc);
    CHECK_THROWS_AS(Tensor<float>({top / 2 + 1, 64}), std::bad_alloc);  // rows * stride wraps to 0
    CHECK_THROWS_AS(Tensor<float>({std::size_t{1} << (sizeof(std::size_t) * 4),
                                   std::size_t{1} << (sizeof(std::size_t) * 4)}),
                    std::bad_alloc);
    CHECK_THROWS_AS(Tensor<float>({1, top}), std::bad_alloc);            // padding wraps to 0
    CHECK_THROWS_AS(Tensor<double>({top / 4, 64}), std::bad_alloc);      // bytes wrap
    CHECK_THROWS_AS(Tensor<float>({2, top / 2, 2, 2}), std::bad_alloc);  // the rows themselves wrap
    CHECK_THROWS_AS(static_cast<void>(HostMemory::allocate(top)), std::bad_alloc);
    CHECK_THROWS_AS(static_cast<void>(HostMemory::allocate(top - 100)), std::bad_alloc);
}

TEST_CASE("out of memory says how much was asked for") {
    // Just below what is refused without asking the system.
    constexpr std::size_t much =
        std::numeric_limits<std::size_t>::max() / 2 - 4 * HostMemory::huge_page;
    static_assert(std::is_base_of_v<std::bad_alloc, OutOfMemory>);
    for (int attempt = 0; attempt < 2; ++attempt) {
        try {
            static_cast<void>(HostMemory::allocate(much));
            FAIL("half of the address space was there");
        } catch (const OutOfMemory& e) {
            CHECK(e.bytes() == much);
            CHECK(std::string(e.what()) ==
                  "nibble: out of memory: " + std::to_string(much) + " bytes asked for");
        }
    }
    CHECK_THROWS_AS(Tensor<float>({much / 8 / 64, 64}), OutOfMemory);
    CHECK_THROWS_AS(Buffer<double>(much / 8), OutOfMemory);
    CHECK(std::string(OutOfMemory(0).what()) == "nibble: out of memory: 0 bytes asked for");
    CHECK(std::string(OutOfMemory(~std::size_t{0}).what()).size() < 64);
}

TEST_CASE("errors name what was met and what was expected") {
    CHECK_THROWS_WITH_AS(expect_equal(96, 128, "Linear", "columns of the input"),
                         "nibble: Linear: columns of the input is 96, expected 128", Error);
    CHECK_NOTHROW(expect_equal(3, 3, "", ""));
}
#endif
