// Attention and SplitAttention over whole sequences.
#include "check.hpp"

#include <nibble/layer/split_attention.hpp>

#include <vector>

using namespace nibble;
using namespace check;

namespace {

reference::Heads heads_of(const AttentionConfig& c, const Shape& x) {
    return {.batch = x.rank() == 3 ? x[0] : 1,
            .time = x[x.rank() - 2],
            .heads = c.heads,
            .key_heads = c.key_heads(),
            .size = c.size_of_head(),
            .causal = c.causal,
            .window = c.window,
            .rotary_base = double{c.rotary_base},
            .interleaved = c.rotary_interleaved};
}

Mat attend(Mat q, Mat k, const Mat& v, const reference::Heads& h) {
    return reference::attention(reference::rotary(std::move(q), h),
                                reference::rotary(std::move(k), h), v, h);
}

constexpr Tolerance close{.forward = 1e-5, .backward = 5e-4};

template <class P>
void fused(AttentionConfig c, Shape shape) {
    const auto h = heads_of(c, shape);
    check_layer(
        Attention<P>(c, Seed{3}), normal(shape, 8),
        [h](const std::vector<Mat>& p, const Mat& x) {
            const std::size_t n = h.heads * h.size, m = h.key_heads * h.size;
            const Mat qkv = reference::linear(x, p[0], p[1]);
            const Mat y = attend(reference::columns(qkv, 0, n), reference::columns(qkv, n, m),
                                 reference::columns(qkv, n + m, m), h);
            return reference::linear(y, p[2], p[3]);
        },
        close);
}

template <class P>
void split(AttentionConfig c, Shape shape) {
    const auto h = heads_of(c, shape);
    check_layer(
        SplitAttention<P>(c, Seed{3}), normal(shape, 8),
        [h](const std::vector<Mat>& p, const Mat& x) {
            const Mat y = attend(reference::linear(x, p[0], p[1]), reference::linear(x, p[2], p[3]),
                                 reference::linear(x, p[4], p[5]), h);
            return reference::linear(y, p[6], p[7]);
        },
        close);
}

}  // namespace

TEST_CASE("Attention as in GPT-2: fused, causal, with bias") {
    fused<float>({.channels = 32, .heads = 4}, Shape{2, 9, 32});
    fused<float>({.channels = 66, .heads = 3}, Shape{3, 5, 66});
    fused<float>({.channels = 64, .heads = 1}, Shape{17, 64});
    fused<float>({.channels = 24, .heads = 2}, Shape{2, 1, 24});
}
TEST_CASE("Attention with every option") {
    fused<float>({.channels = 32, .heads = 4, .causal = false}, Shape{2, 7, 32});
    fused<float>({.channels = 32, .heads = 4, .kv_heads = 2, .rotary_base = 10000.0f},
                 Shape{2, 7, 32});
    fused<float>({.channels = 36, .heads = 6, .kv_heads = 1, .bias = false, .window = 3},
                 Shape{2, 8, 36});
    fused<float>({.channels = 30,
                  .heads = 2,
                  .head_size = 10,
                  .rotary_base = 100.0f,
                  .rotary_interleaved = true},
                 Shape{1, 6, 30});
}
TEST_CASE("Attention in half, int8 and int4") {
    fused<half>({.channels = 64, .heads = 2}, Shape{2, 6, 64});
    fused<PerRow<Int8Value>>({.channels = 64, .heads = 2}, Shape{2, 6, 64});
    fused<Grouped<Int4Value, 32>>({.channels = 64, .heads = 2}, Shape{2, 6, 64});
}
TEST_CASE("SplitAttention as in Llama: grouped queries, rotary, no bias") {
    split<float>(
        {.channels = 32, .heads = 4, .kv_heads = 2, .bias = false, .rotary_base = 10000.0f},
        Shape{2, 9, 32});
    split<float>({.channels = 20,
                  .heads = 4,
                  .kv_heads = 1,
                  .head_size = 6,
                  .window = 4,
                  .rotary_base = 500.0f},
                 Shape{11, 20});
    split<PerRow<Int8Value>>({.channels = 64, .heads = 4, .bias = false}, Shape{2, 6, 64});
    split<Grouped<Int4Value, 32>>({.channels = 64, .heads = 4, .kv_heads = 2}, Shape{1, 6, 64});
}

TEST_CASE_TEMPLATE("16-bit and 8-bit activations follow the float ones", A, half, bfloat16,
                   Int8Value) {
    using P = Mixed<PerRow<Int8Value>, A>;
    Host on(1);
    const AttentionConfig c{.channels = 64, .heads = 4, .rotary_base = 1000.0f};
    const auto x = normal(Shape{2, 6, 64}, 30);
    const auto follow = [&](const auto& layer, const auto& exact) {
        follows(on, x, layer, exact, 0.1);
    };
    follow(Attention<P>(c, Seed{7}), Attention<PerRow<Int8Value>>(c));
    follow(SplitAttention<P>(c, Seed{7}), SplitAttention<PerRow<Int8Value>>(c));
}

TEST_CASE("Attention names its parameters and keeps its configuration") {
    const Attention<float> gpt({.channels = 12, .heads = 3});
    std::vector<std::string> names;
    static_cast<void>(parameters_of(gpt, &names));
    CHECK(names ==
          std::vector<std::string>{"c_attn.weight", "c_attn.bias", "c_proj.weight", "c_proj.bias"});
    CHECK(gpt.c_attn.weight.rows() == 36);
    const SplitAttention<float> llama({.channels = 12, .heads = 3, .kv_heads = 1, .bias = false});
    names.clear();
    static_cast<void>(parameters_of(llama, &names));
    CHECK(names[0] == "q_proj.weight");
    CHECK(names[2] == "k_proj.weight");
    CHECK(names[4] == "v_proj.weight");
    CHECK(names[6] == "o_proj.weight");
    CHECK(llama.k_proj.weight.rows() == 4);
    CHECK(zeros_like<SplitAttention<half>>(llama).config.kv_heads == 1);
}
