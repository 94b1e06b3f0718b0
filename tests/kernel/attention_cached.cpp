// Attention over a cache in every kind of format against a plain double reference over the numbers
// that the cache stands for: one query, a few, a prompt; rings and windows; threads; NaN.
#include "cached_reference.hpp"

#include <algorithm>
#include <limits>
#include <vector>

using namespace nibble;
using namespace cached;

namespace {

template <class F>
void check_format() {
    const Host on(1);
    check<F>(on, {8, 2, 64, 300, 300, 1});
    check<F>(on, {4, 4, 16, 70, 66, 1, 61});
    check<F>(on, {6, 3, 24, 40, 131, 1});        // a ring, its seam within a block
    check<F>(on, {2, 1, 80, 200, 733, 1, 150});  // a ring of several blocks
    check<F>(on, {7, 1, 40, 128, 256, 1});       // 4 + 2 + 1 rows, the seam between blocks
    check<F>(on, {1, 1, 128, 2000, 1234, 1});    // one head, many runs
    check<F>(on, {8, 2, 32, 190, 170, 5});       // a few queries
    check<F>(on, {3, 3, 48, 100, 333, 8, 20});
    check<F>(on, {4, 1, 64, 300, 290, 70});  // a prompt: several tiles
    check<F>(on, {2, 2, 17, 150, 150, 150, 33});
    check<F>(on, {2, 1, 256, 90, 80, 40});
    for (const std::size_t size : {1u, 2u, 7u, 8u, 9u, 15u, 31u, 33u, 100u})
        check<F>(on, {2, 1, size, 70, 67, 1});
}

}  // namespace

TEST_CASE("attention over a cache of floats") {
    check_format<float>();
    check_format<half>();
    check_format<bfloat16>();
    check_format<Grouped<fp4_e2m1, 32, E8M0>>();
}
TEST_CASE("attention over a cache of integers") {
    check_format<PerRow<Int8Value>>();
    check_format<Grouped<Int8Value, 32>>();
    check_format<Grouped<Int4Value, 32>>();
    check_format<Grouped<Int4Value, 64, half, Offset::stored>>();
}

TEST_CASE("a cache stores what quantize would, a scale for each group of a head") {
    KvStore<Grouped<Int4Value, 32>> cache({70, 2, 64});
    const Tensor<float> x = noise(Shape{1, 128}, 1), y = noise(Shape{1, 128}, 2);
    cache.write(67, x.data(), y.data());
    Matrix<PerRow<Int4Value>> rows(4, 32);
    float key[64], value[64];
    for (const Tensor<float>* from : {&x, &y}) {
        for (std::size_t g = 0; g < 4; ++g) store_row(rows, g, from->data() + g * 32);
        bool same = true;
        for (std::size_t h = 0; h < 2; ++h) {
            cache.read(67, h, key, value);
            for (std::size_t d = 0; d < 64; ++d)
                same = same && (from == &x ? key : value)[d] == rows(h * 2 + d / 32, d % 32);
        }
        CHECK(same);
    }
    CHECK(kv_group(64, 32) == 32);
    CHECK(kv_group(80, 32) == 16);
    CHECK(kv_group(96, 64) == 48);
    CHECK(kv_group(40, 32) == 40);  // no multiple of 16 divides it
    CHECK(cache.bytes() < 2 * 2 * 64 * (64 * 2 / 2 + 4 * 2 + 1));
}

TEST_CASE("attention over a cache does not depend on threads") {
    const auto same_for = [](auto format, const Case& c) {
        using F = typename decltype(format)::type;
        const auto cache = filled<F, Isa>(c);
        const Tensor<float> q = noise(Shape{c.queries, c.heads * c.head_size}, 3);
        Tensor<float> out[3] = {q, q, q};
        for (int threads = 1; threads <= 3; ++threads)
            attention_cached(Host(threads), shape_of(c), q, cache, out[threads - 1]);
        CHECK(test::same_bits(out[0], out[1]));
        CHECK(test::same_bits(out[0], out[2]));
    };
    const auto with = [&]<class F>(std::type_identity<F> format) {
        same_for(format, {8, 2, 64, 3000, 3000, 1});
        same_for(format, {2, 1, 40, 3000, 2900, 4});
        same_for(format, {6, 3, 33, 300, 300, 90});
    };
    with(std::type_identity<half>{});
    with(std::type_identity<Grouped<Int8Value, 32>>{});
    with(std::type_identity<Grouped<Int4Value, 32>>{});
}

TEST_CASE("positions that a query does not see never touch it, be they NaN") {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    for (const Case& c : {Case{2, 1, 16, 200, 150, 40}, Case{4, 1, 8, 100, 330, 7, 30},
                          Case{1, 1, 24, 64, 60, 9}}) {
        const Tensor<float> q = noise(Shape{c.queries, c.heads * c.head_size}, 3);
        const auto run = [&](auto format) {
            using F = typename decltype(format)::type;
            for (std::size_t back = 0; back < 40; back += 3) {
                auto cache = filled<F, Isa>(c);
                Tensor<float> clean(q.shape()), out(q.shape());
                attention_cached(Host(1), shape_of(c), q, cache, clean);
                const std::size_t bad = c.length - 1 - back;
                const std::vector<float> row(c.kv_heads * c.head_size, nan);
                cache.write(bad % c.capacity, row.data(), row.data());
                attention_cached(Host(1), shape_of(c), q, cache, out);
                bool right = true;
                for (std::size_t i = 0; i < c.queries; ++i) {
                    const std::size_t at = c.length - c.queries + i;
                    const bool sees = bad <= at && (c.window == 0 || bad + c.window > at);
                    for (std::size_t k = 0; k < q.cols(); ++k)
                        right = right && (sees ? std::isnan(out(i, k)) : out(i, k) == clean(i, k));
                }
                CAPTURE(back);
                CHECK(right);
            }
        };
        run(std::type_identity<float>{});
        run(std::type_identity<bfloat16>{});
    }
}

TEST_CASE("queries that are no numbers give none") {
    const Case c{2, 1, 16, 40, 40, 1};
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
        const auto run = [&](auto format) {
            const auto cache = filled<typename decltype(format)::type, Isa>(c);
            Tensor<float> q = noise(Shape{1, 32}, 3), out(q.shape());
            q(0, 5) = bad;
            attention_cached(Host(1), shape_of(c), q, cache, out);
            bool first = true, second = true;
            for (std::size_t d = 0; d < 16; ++d) {
                first = first && std::isnan(out(0, d));
                second = second && std::isfinite(out(0, 16 + d));
            }
            CHECK(first);
            CHECK(second);
        };
        run(std::type_identity<float>{});
        run(std::type_identity<PerRow<Int8Value>>{});
    }
    // Zeros see everything alike.
    const auto cache = filled<PerRow<Int8Value>, Isa>(c);
    Tensor<float> q(Shape{1, 32}), out(q.shape());
    attention_cached(Host(1), shape_of(c), q, cache, out);
    std::vector<double> size;
    const auto right = reference(c, cache, q, size);
    CHECK(std::fabs(static_cast<double>(out(0, 3)) - right[3]) < 5e-4 * size[3]);
}

TEST_CASE("attention over a cache names what does not fit") {
    const Host on(1);
    const KvStore<half> cache({10, 2, 16});
    Tensor<float> q(Shape{1, 64}), out(Shape{1, 64}), narrow(Shape{1, 48});
    CHECK_THROWS_WITH_AS(attention_cached(on, {.heads = 3, .length = 1}, q, cache, out),
                         doctest::Contains("3 heads are not a multiple of 2 key heads"), Error);
    CHECK_THROWS_WITH_AS(attention_cached(on, {.heads = 4, .length = 0}, q, cache, out),
                         doctest::Contains("1 queries at the end of 0 positions"), Error);
    CHECK_THROWS_WITH_AS(attention_cached(on, {.heads = 4, .length = 3}, narrow, cache, out),
                         doctest::Contains("q is [1, 48], expected [1, 64]"), Error);
}
