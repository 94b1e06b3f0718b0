// From one format of weights to another: safetensors, GGUF, .npz, llama2.c's .bin. See docs/files.md.
//
//     convert model.safetensors weights.npz                       tensors as they are, by their names
//     convert weights.npz half.safetensors --type f16
//     convert --model stories260K.bin stories.gguf --type q8_0    a language model: names, rotary order,
//     convert --model gpt2-folder gpt2.gguf --type q4_k           metadata and tokenizer are translated
//     convert --model stories.gguf hf-folder/model.safetensors    with config.json beside it
//
// Exit codes: 0 done; 1 refused, damaged or not written; 2 wrong usage.
#include "support/tensor_file.hpp"

#include <nibble/io/llama2c_writer.hpp>
#include <nibble/io/safetensors_writer.hpp>
#include <nibble/io/tokenizer_file.hpp>
#include <nibble/io/tokenizer_gguf_writer.hpp>
#include <nibble/model/open.hpp>
#include <nibble/model/save_gguf.hpp>

#include <CLI/CLI.hpp>

#include <chrono>
#include <cstdio>
#include <deque>

using namespace nibble;

namespace {

struct Options {
    std::string in, out, type, tokenizer;
    bool model = false, quiet = false;
    int threads = 0;
    [[nodiscard]] bool to(const char* end) const { return out.ends_with(end); }
};

/// After the first second, five times a second.
void progress(const Options& o, std::size_t done, std::size_t all, const std::string& name) {
    using Clock = std::chrono::steady_clock;
    static Clock::time_point next = Clock::now() + std::chrono::seconds(1);
    static bool said = false;
    if (said && done == all) std::fprintf(stderr, "\r%76s\r", "");
    if (o.quiet || done == all || Clock::now() < next) return;
    next = Clock::now() + std::chrono::milliseconds(200);
    said = true;
    std::fprintf(stderr, "\r%4zu / %zu  %-60.60s", done, all, name.c_str());
}

/// A type of plain numbers by its GGUF name, for formats that have no blocks.
DType plain_type(GgufType t) {
    switch (t) {
        case GgufType::F32: return DType::F32;
        case GgufType::F16: return DType::F16;
        case GgufType::BF16: return DType::BF16;
        default:
            fail("type " + std::string(name_of(t)) +
                 " is written to GGUF files only; others take f32, f16, bf16");
    }
}
/// The GGUF type of elements that are stored alike in both; nothing for the others.
std::optional<GgufType> same_in_gguf(const std::string& type) {
    const auto t = gguf_type_named(type);
    if (t && !is_quantized(*t)) return t;
    return {};
}

/// A matrix that nibble's checkpoint holds in blocks that GGUF has too.
template <class F>
std::vector<std::byte> own_blocks(const StoredMatrix& m) {
    if (m.spec != spec_of<F>() || m.run != 32 || m.cols % 32 != 0) return {};
    Matrix<F> q(m.rows, m.cols);
    using V = typename Matrix<F>::V;
    for (std::size_t r = 0; r < m.rows; ++r)
        copy_values(m.codes.data() + r * m.row_bytes, m.row_bytes / sizeof(unit_t<V>),
                    q.codes().row(r).units().data());
    copy_values(m.scales.data(), q.scales().size(), q.scales().data());
    return blocks_of(q);
}

/// Tensor i in the type that is wanted, or as it is.
GgufParameter for_gguf(Host& on, const TensorFile& file, std::size_t i,
                       std::optional<GgufType> wanted) {
    const TensorEntry& e = file.tensors()[i];
    if (const GgufFile* f = file.gguf(); f && (!wanted || !info_of(f->tensors()[i].type).read)) {
        const auto bytes = f->bytes(f->tensors()[i]);
        return {f->tensors()[i].type, {bytes.begin(), bytes.end()}};
    }
    if (!wanted && !e.description.empty()) {
        const auto m = stored_matrix(*file.safetensors(), e.name, e.description);
        if (auto b = own_blocks<Grouped<Int4Value, 32>>(m); !b.empty())
            return {GgufType::Q4_0, std::move(b)};
        if (auto b = own_blocks<Grouped<Int8Value, 32>>(m); !b.empty())
            return {GgufType::Q8_0, std::move(b)};
    }
    if (const auto same = same_in_gguf(e.type); same && !wanted)
        if (auto b = file.elements(i)) return {*same, std::move(*b)};
    std::vector<float> x;
    if (!file.read(i, x)) fail("tensor " + in_quotes(e.name) + ": " + e.type + " has no numbers");
    // Of the types that GGUF lacks only these have integers that a float rounds.
    if (!wanted && (e.type == "U32" || e.type == "U64"))
        for (const float v : x)
            if (v >= 0x1p24f)
                fail("tensor " + in_quotes(e.name) + ": " + e.type +
                     ", which GGUF does not know, with integers above 2^24, which F32 rounds: "
                     "--type f32 accepts that");
    const std::uint64_t cols = e.shape.empty() ? 1 : e.shape.back();
    const GgufType plain = same_in_gguf(e.type).value_or(GgufType::F32);
    const GgufType kept = is_written(plain) ? plain : GgufType::F32;
    const GgufType type = fitting_type(wanted.value_or(kept), wanted ? e.shape.size() : 2, cols);
    const auto c = static_cast<std::size_t>(cols == 0 ? 1 : cols);
    return {type, quantize_blocks(on, e.name, type,
                                  View<const float>{x.data(), x.size() / c, c, c, false})};
}

/// Scales and offsets of nibble's checkpoints go with their codes.
bool is_part(const TensorFile& file, const std::string& name) {
    const auto* f = file.safetensors();
    if (f == nullptr) return false;
    for (const std::string_view end : {".scales", ".offsets"})
        if (name.ends_with(end) &&
            f->metadata("nibble.tensor." + name.substr(0, name.size() - end.size())) != nullptr)
            return true;
    return false;
}

void convert_tensors(Host& on, const Options& o, std::optional<GgufType> type) {
    const TensorFile file(o.in);
    static_cast<void>(file.verify());
    const std::size_t all = file.tensors().size();
    std::deque<std::vector<std::byte>> kept;
    if (o.to(".gguf")) {
        GgufWriter out(o.out);
        out.set("general.architecture", "tensors");
        if (const GgufFile* f = file.gguf()) {
            for (const GgufValue& v : f->values()) out.set(v);
        } else {
            for (const auto& [key, text] : file.metadata())
                if (!key.starts_with("nibble.")) out.set("source." + key, text);
        }
        for (std::size_t i = 0; i < all; ++i) {
            const TensorEntry& e = file.tensors()[i];
            progress(o, i + 1, all, e.name);
            if (is_part(file, e.name)) continue;
            GgufParameter p = for_gguf(on, file, i, type);
            kept.push_back(std::move(p.blocks));
            out.add(e.name, p.type, e.shape, kept.back());
        }
        out.commit();
        return;
    }
    std::optional<SafetensorsWriter> tensors;
    std::optional<ZipWriter> arrays;
    if (o.to(".safetensors")) tensors.emplace(o.out);
    else arrays.emplace(o.out);
    if (tensors && file.gguf() == nullptr)
        for (const auto& [key, text] : file.metadata())
            if (!key.starts_with("nibble.")) tensors->set(key, text);
    std::vector<float> x;
    for (std::size_t i = 0; i < all; ++i) {
        const TensorEntry& e = file.tensors()[i];
        progress(o, i + 1, all, e.name);
        if (is_part(file, e.name)) continue;
        DType t = type ? plain_type(*type) : dtype_named(e.type).value_or(DType::F32);
        std::vector<std::byte>& bytes = kept.emplace_back();
        if (auto own = type ? std::nullopt : file.elements(i)) {
            bytes = std::move(*own);
        } else {
            if (!file.read(i, x))
                fail("tensor " + in_quotes(e.name) + ": " + e.type + " is not decoded");
            // Blocks and codes with scales become floats.
            if (t != DType::F16 && t != DType::BF16) t = DType::F32;
            const GgufType g = t == DType::F16    ? GgufType::F16
                               : t == DType::BF16 ? GgufType::BF16
                                                  : GgufType::F32;
            bytes = quantize_blocks(on, e.name, g,
                                    View<const float>{x.data(), 1, x.size(), x.size(), false});
        }
        if (tensors) {
            tensors->add(e.name, t, e.shape, bytes);
        } else {
            add_npy(*arrays, e.name, t, e.shape, bytes);
            bytes = {};
        }
    }
    if (tensors) tensors->commit();
    else arrays->commit();
}

/// config.json as published models have it.
nlohmann::ordered_json config_of(const LlamaConfig& c) {
    nlohmann::ordered_json j;
    j["architectures"] = {c.window != 0 ? "MistralForCausalLM" : "LlamaForCausalLM"};
    j["model_type"] = c.window != 0 ? "mistral" : "llama";
    j["vocab_size"] = c.vocabulary;
    j["max_position_embeddings"] = c.context;
    j["num_hidden_layers"] = c.layers;
    j["num_attention_heads"] = c.heads;
    j["num_key_value_heads"] = c.kv_heads != 0 ? c.kv_heads : c.heads;
    j["hidden_size"] = c.channels;
    j["intermediate_size"] = c.hidden;
    if (c.head_size != 0) j["head_dim"] = c.head_size;
    if (c.attention_bias) j["attention_bias"] = true;
    if (c.mlp_bias) j["mlp_bias"] = true;
    if (c.window != 0) j["sliding_window"] = c.window;
    j["rms_norm_eps"] = c.epsilon;
    j["rope_theta"] = c.rotary_base;
    if (c.scaling.kind == RotaryScalingKind::linear)
        j["rope_scaling"] = {{"rope_type", "linear"}, {"factor", c.scaling.factor}};
    if (c.scaling.kind == RotaryScalingKind::llama3)
        fail("rotary scaling by Llama 3's rule is written to GGUF files only");
    j["hidden_act"] = "silu";
    j["tie_word_embeddings"] = c.tied;
    return j;
}
nlohmann::ordered_json config_of(const Gpt2Config& c) {
    nlohmann::ordered_json j;
    j["architectures"] = {"GPT2LMHeadModel"};
    j["model_type"] = "gpt2";
    j["vocab_size"] = c.vocabulary;
    j["n_positions"] = c.context;
    j["n_ctx"] = c.context;
    j["n_embd"] = c.channels;
    j["n_layer"] = c.layers;
    j["n_head"] = c.heads;
    j["activation_function"] = "gelu_new";
    j["layer_norm_epsilon"] = 1e-5;
    return j;
}

/// The parameter as floats in the published layout: halves as rotary pairs, GPT-2's matrices turned.
template <class M, class P>
std::vector<float> published(const M& model, const std::string& name, const P& p,
                             std::vector<std::uint64_t>& shape) {
    constexpr bool is_gpt2 = requires { model.wte; };
    // The numbers of a vector move as rows do.
    const bool vector = p.shape().rank() == 1;
    const std::size_t rows = vector ? p.shape().cols() : p.shape().rows();
    const std::size_t cols = vector ? 1 : p.shape().cols();
    std::vector<float> x(rows * cols);
    const auto at = [&](std::size_t r, std::size_t k) {
        if constexpr (requires { p.scale(r, k); }) return p(r, k);
        else return vector ? p.row(k)[r] : p.row(r)[k];
    };
    std::size_t head = 0;
    if constexpr (!is_gpt2)
        if (model.config.interleaved &&
            (name.find("q_proj.") != name.npos || name.find("k_proj.") != name.npos))
            head = model.config.attention().size_of_head();
    const bool turned = is_gpt2 && name.find(".c_") != name.npos && name.ends_with(".weight");
    for (std::size_t r = 0; r < rows; ++r) {
        // Row r of the published order is row `from` of neighbours.
        const std::size_t h = head == 0 ? 0 : r % head;
        const std::size_t from =
            head == 0 ? r : r - h + 2 * (h % (head / 2)) + (h >= head / 2 ? 1 : 0);
        for (std::size_t k = 0; k < cols; ++k)
            x[turned ? k * rows + r : r * cols + k] = at(from, k);
    }
    shape.clear();
    for (std::size_t i = 0; i < p.shape().rank(); ++i) shape.push_back(p.shape()[i]);
    if (turned) std::swap(shape[0], shape[1]);
    return x;
}

template <class M>
void convert_model(Host& on, const Options& o, const ModelFile& file,
                   std::optional<GgufType> type) {
    const M model = file.load<M>(on);
    if (o.to(".gguf")) {
        save_gguf(on, model, o.out, type, [&](GgufWriter& out) {
            namespace fs = std::filesystem;
            out.set("general.name", fs::path(o.in).stem().string());
            const std::size_t tokens = model.config.vocabulary;
            if (!o.tokenizer.empty()) {
                set_tokenizer(out, read_tokenizer(o.tokenizer, tokens).vocabulary());
            } else if (o.in.ends_with(".gguf")) {
                const GgufFile in = GgufFile::open(o.in);
                for (const GgufValue& v : in.values())
                    if (v.key.starts_with("tokenizer.")) out.set(v);
            } else if (const auto found = find_tokenizer(o.in, tokens)) {
                set_tokenizer(out, read_tokenizer(*found, tokens).vocabulary());
            } else if (!o.quiet) {
                std::fprintf(stderr, "no tokenizer: give one with --tokenizer\n");
            }
        });
        return;
    }
    std::size_t done = 0, all = 0;
    for_each_parameter([&](const std::string&, const auto& p) { all += p.empty() ? 0u : 1u; },
                       model);
    std::vector<std::uint64_t> shape;
    if (o.to(".bin")) {
        if constexpr (requires { model.config.interleaved; }) {
            const LlamaConfig& c = model.config;
            Llama2cHeader h;
            const auto small = [](std::size_t x) { return static_cast<std::uint32_t>(x); };
            h.channels = small(c.channels);
            h.hidden = small(c.hidden);
            h.layers = small(c.layers);
            h.heads = small(c.heads);
            h.kv_heads = small(c.kv_heads != 0 ? c.kv_heads : c.heads);
            h.vocabulary = small(c.vocabulary);
            h.context = small(c.context);
            h.tied = c.tied;
            if (c.window != 0 || c.head_size != 0 || c.attention_bias || c.mlp_bias ||
                c.scaling.kind != RotaryScalingKind::none || c.rotary_base != 10000.0)
                fail("llama2.c's form has no sliding window, head size, biases or rotary settings");
            write_llama2c(o.out, h,
                          [&](const std::string& wanted, std::size_t rows, std::size_t cols,
                              std::span<float> out) {
                              progress(o, ++done, all, wanted);
                              for_each_parameter(
                                  [&](const std::string& name, const auto& p) {
                                      if (name != wanted) return;
                                      std::vector<float> x = published(model, name, p, shape);
                                      if (x.size() != rows * cols)
                                          fail("tensor " + name + " has another shape");
                                      const auto bytes = std::as_bytes(std::span<const float>(x));
                                      const bool rotary = name.find("q_proj.") != name.npos ||
                                                          name.find("k_proj.") != name.npos;
                                      // Always from halves, which published() gives, to neighbours.
                                      const auto turned =
                                          rotary
                                              ? rows_interleaved(bytes, 4 * cols,
                                                                 c.attention().size_of_head())
                                              : std::vector<std::byte>(bytes.begin(), bytes.end());
                                      std::memcpy(out.data(), turned.data(), turned.size());
                                  },
                                  model);
                          });
            return;
        }
        fail("llama2.c's form is for Llama models, not for GPT-2");
    }
    const DType t = plain_type(type.value_or(GgufType::F32));
    SafetensorsWriter out(o.out);
    out.set("format", "pt");
    std::deque<std::vector<std::byte>> kept;
    for_each_parameter(
        [&](const std::string& name, const auto& p) {
            if (p.empty()) return;
            progress(o, ++done, all, name);
            const std::vector<float> x = published(model, name, p, shape);
            kept.push_back(
                quantize_blocks(on, name, type.value_or(GgufType::F32),
                                View<const float>{x.data(), 1, x.size(), x.size(), false}));
            out.add(name, t, shape, kept.back());
        },
        model);
    out.commit();
    AtomicFile config((std::filesystem::path(o.out).parent_path() / "config.json").string());
    config.write(config_of(model.config).dump(2) + "\n");
    config.commit();
}

int run(int argc, char** argv) {
    CLI::App app{
        "From one format of weights to another; formats by the ends of the names:\n"
        ".safetensors (also .index.json or a folder), .gguf, .npz (read: .npy), .bin (llama2.c).\n"
        "Exit codes: 0 done, 1 refused, damaged or not written, 2 wrong usage."};
    Options o;
    app.add_option("IN", o.in, "the file to read")->required();
    app.add_option("OUT", o.out, "the file to write")->required();
    app.add_option(
        "--type", o.type,
        "f32, f16, bf16; for GGUF also q4_0, q8_0, q4_k, q6_k, mxfp4 (default: as it is; "
        "with --model f32)");
    app.add_flag(
        "--model", o.model,
        "IN is a language model: its names, layout, metadata and tokenizer are translated");
    app.add_option("--tokenizer", o.tokenizer, "the tokenizer to put into a GGUF file");
    app.add_option("--threads", o.threads, "threads (default: one for each core)");
    app.add_flag("--quiet", o.quiet, "print no progress");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        return app.exit(e) == 0 ? 0 : 2;
    }
    const auto wrong = [](const std::string& what) {
        std::fprintf(stderr, "convert: %s\n", what.c_str());
        return 2;
    };
    const auto type = gguf_type_named(o.type);
    if (!o.type.empty() && (!type || !is_written(*type)))
        return wrong("--type " + o.type +
                     ": expected f32, f16, bf16, q4_0, q8_0, q4_k, q6_k or mxfp4");
    const bool bin = o.to(".bin");
    if (!bin && !o.to(".gguf") && !o.to(".safetensors") && !o.to(".npz"))
        return wrong("OUT \"" + o.out +
                     "\": its name must end in .safetensors, .gguf, .npz or .bin");
    if (type && is_quantized(*type) && !o.to(".gguf"))
        return wrong("--type " + o.type + " is written to GGUF files only");
    if (bin && type && *type != GgufType::F32) return wrong("llama2.c's form holds f32 only");
    if (o.model && o.to(".npz")) return wrong("--model writes .gguf, .safetensors and .bin");
    Host on(o.threads);
    if (!o.model && !bin) {
        convert_tensors(on, o, type);
    } else {
        const ModelFile file = ModelFile::open(o.in);
        if (file.kind() == ModelKind::gpt2) convert_model<Gpt2<float>>(on, o, file, type);
        else convert_model<Llama<float>>(on, o, file, type);
    }
    if (!o.quiet) {
        const auto bytes = std::filesystem::file_size(o.out);
        std::fprintf(stderr, "%s: %.1f MB\n", o.out.c_str(), static_cast<double>(bytes) / 1e6);
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "convert: %s\n", e.what());
        return 1;
    }
}
