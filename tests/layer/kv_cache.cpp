// Decoding with a cache gives what the whole sequence gives.
#include "check.hpp"

#include <nibble/layer/split_attention.hpp>

#include <vector>

using namespace nibble;
using namespace check;

namespace {

Tensor<float> rows_of(const Tensor<float>& x, std::size_t first, std::size_t n) {
    Tensor<float> part(Shape{n, x.cols()});
    for (std::size_t r = 0; r < n; ++r)
        for (std::size_t c = 0; c < x.cols(); ++c) part(r, c) = x(first + r, c);
    return part;
}

/// The output for x, fed to the layer in the given pieces.
template <class L>
Mat decode_in_pieces(const L& layer, const Tensor<float>& x, std::vector<std::size_t> pieces,
                     std::size_t capacity, int threads = 1, bool sliding = false) {
    Host on(threads);
    auto cache = sliding ? layer.cache(capacity, true) : layer.cache(capacity);
    Mat all(0, x.cols());
    std::size_t at = 0;
    for (const std::size_t n : pieces) {
        const Mat y = to_mat(layer.forward(on, rows_of(x, at, n), cache));
        all.a.insert(all.a.end(), y.a.begin(), y.a.end());
        at += n;
        all.rows += n;
        CHECK(cache.length() == at);
        CHECK(cache.held() == std::min(at, capacity));
    }
    return all;
}

template <template <LayerPrecision, class> class Layer, class Cache>
void follows_full(AttentionConfig c, double allowed) {
    using P = Mixed<float, float, Cache>;
    const Layer<P, Host> layer(c, Seed{5});
    const auto x = normal(Shape{13, c.channels}, 6);
    Host on(1);
    const Mat full = to_mat(layer.forward(on, x));
    const Mat one = decode_in_pieces(layer, x, std::vector<std::size_t>(13, 1), 13);
    CHECK(distance(one, full) <= allowed);
    // The pieces matter no more than the order of a sum does, the threads not at all.
    const Mat three = decode_in_pieces(layer, x, {5, 1, 7}, 13);
    CHECK(distance(three, one) <= allowed);
    CHECK(decode_in_pieces(layer, x, {5, 1, 7}, 16, 2).a == three.a);
    CHECK(decode_in_pieces(layer, x, {5, 1, 7}, 16, 3).a == three.a);
}

}  // namespace

TEST_CASE("A float cache decodes what the whole sequence gives") {
    follows_full<Attention, float>({.channels = 32, .heads = 4}, 1e-5);
    follows_full<Attention, float>(
        {.channels = 32, .heads = 4, .kv_heads = 2, .rotary_base = 1000.0f}, 1e-5);
    follows_full<SplitAttention, float>(
        {.channels = 42, .heads = 6, .kv_heads = 3, .bias = false, .rotary_base = 0.0f}, 1e-5);
    follows_full<SplitAttention, float>({.channels = 32,
                                         .heads = 2,
                                         .window = 4,
                                         .rotary_base = 1000.0f,
                                         .rotary_interleaved = true},
                                        1e-5);
}
TEST_CASE("A 16-bit cache is close") {
    follows_full<Attention, half>({.channels = 64, .heads = 4}, 4e-3);
    follows_full<SplitAttention, bfloat16>({.channels = 64, .heads = 4}, 3e-2);
}
TEST_CASE("An 8-bit cache is close") {
    follows_full<Attention, Grouped<Int8Value, 32>>({.channels = 64, .heads = 2}, 5e-2);
    follows_full<SplitAttention, PerRow<Int8Value>>({.channels = 64, .heads = 2, .kv_heads = 1},
                                                    5e-2);
    follows_full<SplitAttention, PerRow<fp8_e4m3>>({.channels = 64, .heads = 2}, 2e-1);
}
TEST_CASE("A 4-bit cache still resembles it") {
    follows_full<Attention, Grouped<Int4Value, 32>>({.channels = 64, .heads = 2}, 5e-1);
}

TEST_CASE("A full ring forgets the oldest position, as a window does") {
    AttentionConfig c{.channels = 32, .heads = 2, .rotary_base = 1000.0f};
    const Attention<float> layer(c, Seed{5});
    c.window = 6;
    Attention<float> windowed(c);
    windowed.c_attn = layer.c_attn;
    windowed.c_proj = layer.c_proj;
    const auto x = normal(Shape{20, 32}, 6);
    Host on(1);
    const Mat expected = to_mat(windowed.forward(on, x));
    CHECK(distance(decode_in_pieces(layer, x, {3, 11, 6}, 6, 1, true), expected) < 1e-5);
    // A window in a ring that is larger, equal, or wraps.
    CHECK(distance(decode_in_pieces(windowed, x, {3, 11, 6}, 20), expected) < 1e-5);
    CHECK(distance(decode_in_pieces(windowed, x, {20}, 7), expected) < 1e-5);
    CHECK(distance(decode_in_pieces(windowed, x, {20}, 6), expected) < 1e-5);
}

TEST_CASE("A position beyond the capacity is an error that says so, and changes nothing") {
    const Attention<float> layer({.channels = 32, .heads = 2}, Seed{5});
    Host on(1);
    auto cache = layer.cache(6);
    static_cast<void>(layer.forward(on, normal(Shape{4, 32}, 1), cache));
    CHECK_THROWS_WITH_AS(
        static_cast<void>(layer.forward(on, normal(Shape{3, 32}, 2), cache)),
        doctest::Contains("positions up to 7 in a cache of capacity 6, expected a larger capacity"),
        Error);
    CHECK(cache.length() == 4);
    CHECK_FALSE(cache.sliding());
    // A window that does not fit would be cut short in a ring.
    Attention<float> windowed({.channels = 32, .heads = 2, .window = 7}, Seed{5});
    CHECK_FALSE(windowed.cache(6).sliding());
    CHECK(windowed.cache(7).sliding());
}

TEST_CASE("A draft that is refused is forgotten") {
    const Attention<half> layer({.channels = 32, .heads = 2, .rotary_base = 100.0f}, Seed{5});
    Host on(1);
    auto cache = layer.cache(40), plain = layer.cache(40);
    const auto x = normal(Shape{9, 32}, 6);
    static_cast<void>(layer.forward(on, rows_of(x, 0, 5), cache));
    static_cast<void>(layer.forward(on, normal(Shape{4, 32}, 7), cache));  // the draft
    cache.truncate(5);
    static_cast<void>(layer.forward(on, rows_of(x, 0, 5), plain));
    CHECK(same_bits(layer.forward(on, rows_of(x, 5, 4), cache),
                    layer.forward(on, rows_of(x, 5, 4), plain)));
}

TEST_CASE("A cache starts over after clear, and measures its bytes") {
    using P = Mixed<float, float, Grouped<Int8Value, 32>>;
    const Attention<P> layer({.channels = 64, .heads = 2}, Seed{5});
    Host on(1);
    auto cache = layer.cache(10);
    CHECK(cache.bytes() >= 2 * (10 * 64 + 10 * 2 * 2));
    const auto x = normal(Shape{4, 64}, 6);
    const auto first = layer.forward(on, x, cache);
    cache.clear();
    CHECK(cache.length() == 0);
    CHECK(same_bits(first, layer.forward(on, x, cache)));
    const Attention<float> exact({.channels = 64, .heads = 2});
    CHECK(3 * cache.bytes() < exact.cache(10).bytes());
}
