// Models as GGUF files: rotary order, codes kept, metadata, damage.
#include <nibble/model/generate.hpp>
#include <nibble/model/gpt2.hpp>
#include <nibble/model/llama.hpp>
#include <nibble/model/save_gguf.hpp>

#include <doctest/doctest.h>

#include "support/temporary.hpp"

#include <cmath>

using namespace nibble;

namespace {

/// Reproducible weights in every parameter.
template <class M>
void fill(Host& on, M& model) {
    float x = 0;
    for_each_parameter(
        [&](const std::string&, auto& p) {
            Tensor<float> w(p.shape());
            for (std::size_t r = 0; r < w.rows(); ++r)
                for (float& v : w.row(r).units()) v = std::sin(x += 1.0f);
            if constexpr (requires { p.codes(); }) {
                (void)quantize(on, w.view(), p);
            } else {
                for (std::size_t r = 0; r < w.rows(); ++r)
                    for (std::size_t k = 0; k < w.cols(); ++k) p.row(r).set(k, w(r, k));
            }
        },
        model);
}
const auto nothing = [](GgufWriter&) {};

}  // namespace

TEST_CASE("a quantized Llama keeps its codes; pairs of halves become neighbours") {
    Host on(1);
    test::Temporary folder;
    using M = Llama<Grouped<Int4Value, 32>>;
    LlamaConfig config{.vocabulary = 40,
                       .context = 16,
                       .layers = 1,
                       .heads = 4,
                       .kv_heads = 2,
                       .channels = 64,
                       .hidden = 96,
                       .rotary_base = 5000.0};
    config.scaling = {.kind = RotaryScalingKind::linear, .factor = 2.0};
    M model(config);
    fill(on, model);
    save_gguf(on, model, folder / "m.gguf", {}, nothing);
    const GgufFile file = GgufFile::open(folder / "m.gguf");
    const LlamaConfig read = llama_config(file);
    CHECK(read.kv_heads == 2);
    CHECK(read.rotary_base == 5000.0);
    CHECK(read.scaling.factor == 2.0);
    CHECK(read.interleaved);
    M back(read);
    CHECK(load_into(on, back, file).tensors == 12);
    const auto& q = model.blocks[0].self_attn.q_proj.weight;
    const auto& p = back.blocks[0].self_attn.q_proj.weight;
    for (std::size_t k = 0; k < 64; ++k) {
        CHECK(p(0, k) == q(0, k));
        CHECK(p(1, k) == q(8, k));
        CHECK(p(18, k) == q(17, k));
    }
    CHECK(back.embed_tokens.weight(39, 63) == model.embed_tokens.weight(39, 63));
    // What has neighbours already is written as it is.
    save_gguf(on, back, folder / "again.gguf", {}, nothing);
    CHECK(test::read_file(folder / "again.gguf") == test::read_file(folder / "m.gguf"));

    std::string bytes = test::read_file(folder / "m.gguf");
    bytes[bytes.size() - 40] = static_cast<char>(bytes[bytes.size() - 40] ^ 4);
    test::write_file(folder / "m.gguf", bytes);
    CHECK(test::contains(
        test::message_of([&] { (void)load_into(on, back, GgufFile::open(folder / "m.gguf")); }),
        "damaged: its checksum is"));
}

TEST_CASE("a Llama with biases comes back with them, queries and keys as neighbours") {
    Host on(1);
    test::Temporary folder;
    using M = Llama<float>;
    M model(LlamaConfig{.vocabulary = 10,
                        .context = 8,
                        .layers = 2,
                        .heads = 2,
                        .kv_heads = 1,
                        .channels = 16,
                        .hidden = 24,
                        .attention_bias = true,
                        .mlp_bias = true});
    fill(on, model);
    save_gguf(on, model, folder / "m.gguf", {}, nothing);
    const GgufFile file = GgufFile::open(folder / "m.gguf");
    M back(llama_config(file));
    CHECK(back.config.attention_bias);
    CHECK(back.config.mlp_bias);
    (void)load_into(on, back, file);
    const auto &q = model.blocks[1].self_attn.q_proj.bias,
               &p = back.blocks[1].self_attn.q_proj.bias;
    for (std::size_t i = 0; i < 16; ++i)
        CHECK(p.row(0)[i] == q.row(0)[i / 8 * 8 + i % 2 * 4 + i % 8 / 2]);
    const auto &up = model.blocks[1].mlp.up_proj.bias, &up_back = back.blocks[1].mlp.up_proj.bias;
    CHECK(up_back.row(0)[23] == up.row(0)[23]);
    const std::vector<std::int32_t> ids{3, 1, 4, 1, 5};
    Session a(model), b(back);
    const auto before = a.feed(on, ids), after = b.feed(on, ids);
    for (std::size_t i = 0; i < 10; ++i)
        CHECK(after(4, i) == doctest::Approx(double(before(4, i))).epsilon(1e-4));
}

TEST_CASE("positions are scaled by a factor without a type, under its key or the older one") {
    Host on(1);
    test::Temporary folder;
    const Llama<float> model(LlamaConfig{
        .vocabulary = 10, .context = 8, .layers = 1, .heads = 2, .channels = 16, .hidden = 24});
    const auto scaling_with = [&](auto&& set) {
        save_gguf(on, model, folder / "m.gguf", {}, set);
        return llama_config(GgufFile::open(folder / "m.gguf")).scaling;
    };
    for (const char* key : {"llama.rope.scaling.factor", "llama.rope.scale_linear"}) {
        CAPTURE(key);
        const auto four = scaling_with([&](GgufWriter& f) { f.set(key, 4.0f); });
        CHECK(four.kind == RotaryScalingKind::linear);
        CHECK(four.factor == 4.0);
        const auto one = scaling_with([&](GgufWriter& f) { f.set(key, 1.0f); });
        CHECK(one.kind == RotaryScalingKind::none);
        const auto off = scaling_with([&](GgufWriter& f) {
            f.set(key, 4.0f);
            f.set("llama.rope.scaling.type", "none");
        });
        CHECK(off.kind == RotaryScalingKind::none);
        CHECK(test::contains(test::message_of([&] {
                                 (void)scaling_with([&](GgufWriter& f) { f.set(key, -2.0f); });
                             }),
                             std::string("key \"") + key + "\" is -2.000000, expected above 0"));
    }
    const auto both = scaling_with([](GgufWriter& f) {
        f.set("llama.rope.scaling.factor", 8.0f);
        f.set("llama.rope.scale_linear", 2.0f);
    });
    CHECK(both.factor == 8.0);
}

TEST_CASE("a GPT-2 in floats comes back bit for bit, or in the type that is asked for") {
    Host on(1);
    test::Temporary folder;
    using M = Gpt2<float>;
    Gpt2Config config;
    config.vocabulary = 30;
    config.context = 8;
    config.layers = 1;
    config.heads = 2;
    config.channels = 32;
    M model(config);
    fill(on, model);
    save_gguf(on, model, folder / "m.gguf", {}, nothing);
    const GgufFile file = GgufFile::open(folder / "m.gguf");
    M back(gpt2_config(file));
    (void)load_into(on, back, file);
    CHECK(back.wte.weight(29, 31) == model.wte.weight(29, 31));
    CHECK(back.h[0].mlp.c_fc.weight(100, 7) == model.h[0].mlp.c_fc.weight(100, 7));
    save_gguf(on, model, folder / "q.gguf", GgufType::Q4_K, nothing);
    const GgufFile q = GgufFile::open(folder / "q.gguf");
    CHECK(q.at("blk.0.attn_qkv.weight").type == GgufType::Q8_0);  // rows of 32 are no block of 256
    CHECK(q.at("position_embd.weight").type == GgufType::F32);
    CHECK(q.at("blk.0.attn_qkv.bias").type == GgufType::F32);
}
