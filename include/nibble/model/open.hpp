// SPDX-License-Identifier: BSL-1.0
// A language model from any of the forms in which they are published:
//
//     folder            config.json with model.safetensors, or with its index and parts
//     *.safetensors     that save() wrote, or anyone's with config.json beside it
//     *.index.json      of parts, with config.json beside it
//     "GGUF..."         all in one
//     anything else     llama2.c's form (.bin)
//
//     const auto file = ModelFile::open(path);
//     if (file.kind() == ModelKind::llama) auto model = file.load<Llama<W4A8>>(on);
#pragma once

#include <nibble/io/llama2c.hpp>
#include <nibble/model/load_gguf.hpp>

#include <filesystem>
#include <variant>

namespace nibble::inline NIBBLE_ARCH {

/// The configuration in the head of llama2.c's files.
[[nodiscard]] inline LlamaConfig llama_config(const Llama2cFile& file) {
    const Llama2cHeader& h = file.header();
    return {.vocabulary = h.vocabulary,
            .context = h.context,
            .layers = h.layers,
            .heads = h.heads,
            .kv_heads = h.kv_heads,
            .channels = h.channels,
            .hidden = h.hidden,
            .interleaved = true,
            .tied = h.tied};
}

/// Copies every parameter of a Llama from such a file, whose sizes the model must have.
template <class On, class M>
LoadReport load_into(On& on, M& model, const Llama2cFile& file) {
    LoadReport report;
    for_each_parameter(
        [&](const std::string& name, auto& p) {
            if (p.empty()) return;
            const Llama2cTensor* t = file.find(name);
            if (t == nullptr || t->rows != p.rows() || t->cols != p.cols())
                fail("load " + file.name() + ": no tensor " + name + " of " + to_string(p.shape()));
            Tensor<float> x(p.shape());
            on.parallel_for(x.rows(), 16, [&](std::size_t first, std::size_t end) {
                for (std::size_t r = first; r < end; ++r)
                    file.read_row(*t, r, x.row(r).units().data());
            });
            report.not_finite += count_not_finite(on, x);
            if constexpr (is_tensor<std::remove_cvref_t<decltype(p)>>) p = std::move(x);
            else report.clipped += quantize(on, x.view(), p);
            ++report.tensors;
        },
        model);
    return report;
}

/// How a published safetensors file names and lays out a model's parameters.
[[nodiscard]] inline LoadOptions published_layout(ModelKind kind, const SafetensorsFile& file,
                                                  bool tied) {
    LoadOptions o;
    if (kind == ModelKind::gpt2) {
        if (file.find("transformer.wte.weight") != nullptr)
            o.name = [](const std::string& n) { return "transformer." + n; };
        o.transposed = [](const std::string& n) {
            return n.find(".c_") != n.npos && n.ends_with(".weight");
        };
        o.ignored = [](const std::string& n) {
            return n.ends_with(".attn.bias") || n.ends_with(".attn.masked_bias") ||
                   n == "lm_head.weight";
        };
    } else if (tied) {
        o.ignored = [](const std::string& n) {
            return n.ends_with(".rotary_emb.inv_freq") || n == "lm_head.weight";
        };
    } else {
        o.ignored = [](const std::string& n) { return n.ends_with(".rotary_emb.inv_freq"); };
    }
    return o;
}

/// A file that holds a language model, opened and checked; its weights are not read yet.
class ModelFile {
public:
    /// Fails, naming the file, for what is no model or one that the library does not have.
    [[nodiscard]] static ModelFile open(const std::string& path) {
        namespace fs = std::filesystem;
        ModelFile m;
        m.path_ = path;
        fs::path weights = path;
        std::error_code ignored;
        if (fs::is_directory(weights, ignored)) {
            weights = fs::path(path) / "model.safetensors";
            if (!fs::exists(weights, ignored))
                weights = fs::path(path) / "model.safetensors.index.json";
        }
        const std::string name = weights.string();
        if (name.ends_with(".safetensors") || name.ends_with(".json")) {
            m.open_safetensors(name, (weights.parent_path() / "config.json").string());
            return m;
        }
        const auto file = MappedFile::open(name);
        const auto begins = [&](std::string_view text) {
            return file.bytes().size() >= text.size() &&
                   std::memcmp(file.bytes().data(), text.data(), text.size()) == 0;
        };
        if (begins("GGUF")) {
            auto& gguf = m.file_.emplace<GgufFile>(GgufFile::open(name));
            m.kind_ = model_kind(gguf);
            if (m.kind_ == ModelKind::gpt2) m.gpt2_ = gpt2_config(gguf);
            else m.llama_ = llama_config(gguf);
        } else {
            m.kind_ = ModelKind::llama;
            m.llama_ = llama_config(m.file_.emplace<Llama2cFile>(Llama2cFile::open(name)));
        }
        m.expect_weights();
        return m;
    }

    [[nodiscard]] const std::string& path() const noexcept { return path_; }
    [[nodiscard]] ModelKind kind() const noexcept { return kind_; }
    [[nodiscard]] const Gpt2Config& gpt2() const noexcept { return gpt2_; }
    [[nodiscard]] const LlamaConfig& llama() const noexcept { return llama_; }

    /// The model as an M, a Gpt2 or Llama of any precision. Fails when the file holds the other kind, and
    /// for tensors that are missing, too many or of the wrong shape.
    template <class M, class On>
    [[nodiscard]] M load(On& on, LoadReport* report = nullptr) const {
        constexpr bool is_gpt2 = requires(M& m) { m.wte; };
        if (is_gpt2 != (kind_ == ModelKind::gpt2))
            fail("\"" + path_ + "\": a " + name_of(kind_) + ", expected a " + M::name);
        M model([&]() -> const auto& {
            if constexpr (is_gpt2) return gpt2_;
            else return llama_;
        }());
        LoadReport met;
        if (const auto* gguf = std::get_if<GgufFile>(&file_)) met = load_into(on, model, *gguf);
        else if (const auto* tensors = std::get_if<SafetensorsFile>(&file_))
            met = load_into(on, model, *tensors, layout_);
        else if constexpr (!is_gpt2) met = load_into(on, model, std::get<Llama2cFile>(file_));
        if (report != nullptr) *report = met;
        return model;
    }

private:
    void open_safetensors(const std::string& name, const std::string& config_path) {
        const auto& file = file_.emplace<SafetensorsFile>(SafetensorsFile::open(name));
        if (const std::string* model = file.metadata("nibble.model")) {
            if (*model != "gpt2" && *model != "llama") refuse_model(file.name(), *model);
            kind_ = *model == "gpt2" ? ModelKind::gpt2 : ModelKind::llama;
            if (kind_ == ModelKind::gpt2) gpt2_ = config_from<Gpt2Config>(file);
            else llama_ = config_from<LlamaConfig>(file);
            return;
        }
        const auto text = MappedFile::open(config_path);
        const Json config = parse_json(
            {reinterpret_cast<const char*>(text.bytes().data()), text.bytes().size()}, config_path);
        kind_ = model_kind(config, config_path);
        if (kind_ == ModelKind::gpt2) gpt2_ = gpt2_config(config, config_path);
        else llama_ = llama_config(config, config_path);
        layout_ = published_layout(kind_, file, llama_.tied);
        expect_weights();
    }
    /// Fails when the sizes need more weights than the file holds: before memory is taken for them.
    void expect_weights() const {
        double held = 0;
        const auto count = [&](const auto& file) {
            if constexpr (requires { file.tensors()[0].size(); })
                for (const auto& t : file.tensors()) held += static_cast<double>(t.size());
            else
                for (const auto& t : file.tensors())
                    held += static_cast<double>(t.rows) * static_cast<double>(t.cols);
        };
        std::visit(count, file_);
        const double needed = kind_ == ModelKind::gpt2 ? gpt2_.weights() : llama_.weights();
        if (needed > held)
            fail("\"" + path_ + "\": its configuration needs at least " +
                 std::to_string(static_cast<std::uint64_t>(needed)) + " weights, the file holds " +
                 std::to_string(static_cast<std::uint64_t>(held)));
    }

    std::string path_;
    ModelKind kind_ = ModelKind::llama;
    Gpt2Config gpt2_;
    LlamaConfig llama_;
    LoadOptions layout_;
    std::variant<SafetensorsFile, GgufFile, Llama2cFile> file_;
};

}  // namespace nibble
