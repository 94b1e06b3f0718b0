// Models as GGUF files: rotary order, codes kept, metadata, damage.
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
