// Configurations from config.json and from GGUF metadata: what is read, and what is refused by name.
#include <nibble/io/gguf_writer.hpp>
#include <nibble/model/load_gguf.hpp>

#include <doctest/doctest.h>

#include "support/temporary.hpp"

using namespace nibble;

namespace {

const char* const llama_json = R"({"model_type": "mistral", "hidden_size": 64, "vocab_size": 512,
    "intermediate_size": 172, "num_hidden_layers": 5, "num_attention_heads": 8,
    "num_key_value_heads": 4, "sliding_window": 100, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
    "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
        "high_freq_factor": 4.0, "original_max_position_embeddings": 8192},
    "hidden_act": "silu", "tie_word_embeddings": true, "max_position_embeddings": 512})";
const char* const gpt2_json = R"({"model_type": "gpt2", "activation_function": "gelu_new",
    "n_layer": 4, "n_head": 4, "n_embd": 128, "n_positions": 64, "vocab_size": 65,
    "layer_norm_epsilon": 1e-05})";

/// The message for a file with `from` replaced by `to`.
std::string refused(std::string text, const std::string& from, const std::string& to) {
    const std::size_t at = text.find(from);
    REQUIRE(at != text.npos);
    text.replace(at, from.size(), to);
    return test::message_of([&] {
        const Json config = parse_json(text, "config.json");
        if (model_kind(config, "config.json") == ModelKind::gpt2)
            (void)gpt2_config(config, "config.json");
        else (void)llama_config(config, "config.json");
    });
}

}  // namespace

TEST_CASE("config.json of a Mistral and of a GPT-2") {
    const Json llama = parse_json(llama_json, "config.json");
    CHECK(model_kind(llama, "c") == ModelKind::llama);
    const LlamaConfig c = llama_config(llama, "c");
    CHECK(c.channels == 64);
    CHECK(c.kv_heads == 4);
    CHECK(c.window == 100);
    CHECK(c.tied);
    CHECK_FALSE(c.interleaved);
    CHECK(c.epsilon == 1e-5f);
    CHECK(c.scaling.kind == RotaryScalingKind::llama3);
    CHECK(c.scaling.factor == 8);
    const Gpt2Config g = gpt2_config(parse_json(gpt2_json, "c"), "c");
    CHECK(g.context == 64);
    CHECK(g.channels == 128);
}

TEST_CASE("what the library does not have is refused by name, and numbers that cannot be") {
    const auto says = [](const std::string& message, const char* what) {
        CAPTURE(message);
        CHECK(test::contains(message, what));
        CHECK(test::contains(message, "config.json"));
    };
    says(refused(llama_json, "\"mistral\"", "\"qwen2\""),
         "a model of architecture \"qwen2\", known are gpt2, llama and mistral");
    says(refused(llama_json, "\"silu\"", "\"gelu\""), "\"hidden_act\" is \"gelu\"");
    says(refused(llama_json, "\"llama3\"", "\"yarn\""), "scaled by \"yarn\"");
    says(refused(llama_json, "\"factor\": 8.0", "\"factor\": -8.0"), "\"factor\" is -8.0");
    says(refused(llama_json, "\"factor\": 8.0,", ""), "no \"factor\"");
    says(refused(llama_json, "\"vocab_size\": 512", "\"vocab_size\": 1e3"), "\"vocab_size\"");
    says(refused(llama_json, "\"num_hidden_layers\": 5", "\"num_hidden_layers\": 5000000"),
         "\"num_hidden_layers\" is 5000000, expected a whole number from 1 to 4096");
    says(refused(llama_json, "\"hidden_size\": 64,", ""), "no \"hidden_size\"");
    says(refused(llama_json, "\"tie_word_embeddings\": true", "\"tie_word_embeddings\": 1"),
         "\"tie_word_embeddings\" is 1");
    says(refused(gpt2_json, "gelu_new", "relu"), "\"activation_function\" is \"relu\"");
    says(refused(gpt2_json, "1e-05", "1e-06"), "\"layer_norm_epsilon\"");
    says(refused(gpt2_json, "\"n_head\": 4", "\"n_inner\": 100"), "\"n_inner\" is 100");
}

TEST_CASE("GGUF metadata of a Llama, with the factors that stand for llama3 scaling") {
    test::Temporary folder;
    const auto config = [&](const char* architecture, float factor) {
        GgufWriter file(folder / "m.gguf");
        file.set("general.architecture", architecture);
        for (const auto& [key, value] : {std::pair{"context_length", 1000u},
                                         {"block_count", 2u},
                                         {"embedding_length", 64u},
                                         {"feed_forward_length", 96u},
                                         {"attention.head_count", 4u},
                                         {"attention.head_count_kv", 2u},
                                         {"rope.dimension_count", 16u}})
            file.set(std::string("llama.") + key, value);
        file.set("llama.attention.layer_norm_rms_epsilon", 1e-6f);
        file.set("llama.rope.freq_base", 500000.0f);
        Host on(1);
        const Tensor<float> table(Shape{10, 64});
        const auto rows = quantize_blocks(on, "t", GgufType::F32, table.view());
        file.add("token_embd.weight", GgufType::F32, {10, 64}, rows);
        Tensor<float> factors(Shape{1, 8});
        const RotaryScaling llama3{.kind = RotaryScalingKind::llama3, .factor = 8};
        for (std::size_t i = 0; i < 8; ++i) {
            const double f = std::pow(500000.0, -static_cast<double>(i) / 8);
            factors(0, i) =
                static_cast<float>(f / rotary_scaled(f, llama3)) * (i == 0 ? factor : 1);
        }
        const auto numbers = quantize_blocks(on, "f", GgufType::F32, factors.view());
        file.add("rope_freqs.weight", GgufType::F32, {8}, numbers);
        file.commit();
        const auto read = GgufFile::open(folder / "m.gguf");
        static_cast<void>(model_kind(read));
        return llama_config(read);
    };
    const LlamaConfig c = config("llama", 1);
    CHECK(c.vocabulary == 10);
    CHECK(c.interleaved);
    CHECK(c.tied);
    CHECK(c.rotary_base == 500000);
    CHECK(c.scaling.kind == RotaryScalingKind::llama3);
    CHECK(c.scaling.factor == 8);
    CHECK(test::contains(test::message_of([&] { (void)config("llama", 1.5f); }),
                         "\"rope_freqs.weight\" slows pair 0 down by 1.5"));
    CHECK(test::contains(test::message_of([&] { (void)config("falcon", 1); }),
                         "a model of architecture \"falcon\""));
}
