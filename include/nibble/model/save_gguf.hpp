// SPDX-License-Identifier: BSL-1.0
// Saving a GPT-2 or Llama as a GGUF file that other programs read: names, metadata, rotary order and
// block types are theirs.
#pragma once

#include <nibble/io/gguf_writer.hpp>
#include <nibble/model/load_gguf.hpp>

#include <deque>

namespace nibble::inline NIBBLE_ARCH {

/// The type that a tensor of `rank` extents and rows of `cols` takes where `type` is wanted: vectors stay
/// F32, rows that are no whole blocks become Q8_0 or, at worst, F16.
[[nodiscard]] constexpr GgufType fitting_type(GgufType type, std::size_t rank,
                                              std::uint64_t cols) noexcept {
    if (rank < 2) return GgufType::F32;
    if (cols % info_of(type).block == 0) return type;
    return cols % 32 == 0 ? GgufType::Q8_0 : GgufType::F16;
}

/// What a model says of itself in a GGUF file.
inline void set_config(GgufWriter& file, const Gpt2Config& c) {
    const auto set = [&](const char* key, std::size_t x) {
        file.set(std::string("gpt2.") + key, static_cast<std::uint32_t>(x));
    };
    file.set("general.architecture", "gpt2");
    set("context_length", c.context);
    set("embedding_length", c.channels);
    set("block_count", c.layers);
    set("feed_forward_length", 4 * c.channels);
    set("attention.head_count", c.heads);
    file.set("gpt2.attention.layer_norm_epsilon", 1e-5f);
}
inline void set_config(GgufWriter& file, const LlamaConfig& c) {
    const auto set = [&](const char* key, std::size_t x) {
        file.set(std::string("llama.") + key, static_cast<std::uint32_t>(x));
    };
    const std::size_t head = c.attention().size_of_head();
    file.set("general.architecture", "llama");
    set("context_length", c.context);
    set("embedding_length", c.channels);
    set("block_count", c.layers);
    set("feed_forward_length", c.hidden);
    set("attention.head_count", c.heads);
    set("attention.head_count_kv", c.kv_heads != 0 ? c.kv_heads : c.heads);
    set("rope.dimension_count", head);
    set("vocab_size", c.vocabulary);
    if (c.head_size != 0) {
        set("attention.key_length", c.head_size);
        set("attention.value_length", c.head_size);
    }
    if (c.window != 0) set("attention.sliding_window", c.window);
    file.set("llama.attention.layer_norm_rms_epsilon", c.epsilon);
    file.set("llama.rope.freq_base", static_cast<float>(c.rotary_base));
    if (c.scaling.kind == RotaryScalingKind::linear) {
        file.set("llama.rope.scaling.type", "linear");
        file.set("llama.rope.scaling.factor", static_cast<float>(c.scaling.factor));
    }
}

/// Rows of heads of `head` rows each, from halves that pair (k, k + head / 2) to neighbours, `bytes` a row.
[[nodiscard]] inline std::vector<std::byte> rows_interleaved(std::span<const std::byte> rows,
                                                             std::size_t bytes, std::size_t head) {
    std::vector<std::byte> out(rows.size());
    for (std::size_t r = 0; r < rows.size() / bytes; ++r) {
        const std::size_t k = r % head, from = r - k + k % 2 * (head / 2) + k / 2;
        std::copy_n(rows.begin() + static_cast<std::ptrdiff_t>(from * bytes), bytes,
                    out.begin() + static_cast<std::ptrdiff_t>(r * bytes));
    }
    return out;
}

/// A parameter as a type and its blocks. Without a wanted type a matrix keeps its codes and scales where
/// a block type has them (same_blocks), and is F32 otherwise: an exact product of code and scale.
struct GgufParameter {
    GgufType type = GgufType::F32;
    std::vector<std::byte> blocks;
};
template <class On, class V, class Memory>
[[nodiscard]] GgufParameter gguf_parameter(On& on, const std::string& name,
                                           const Tensor<V, Memory>& t, std::optional<GgufType>) {
    Tensor<float> x(t.shape());
    for (std::size_t r = 0; r < t.rows(); ++r)
        for (std::size_t k = 0; k < t.cols(); ++k)
            x(r, k) = static_cast<float>(decode(t.row(r)[k]));
    const View<const float> view = x.view();
    return {GgufType::F32, quantize_blocks(on, name, GgufType::F32, view)};
}
template <class On, class F, class Memory>
[[nodiscard]] GgufParameter gguf_parameter(On& on, const std::string& name,
                                           const Matrix<F, Memory>& m,
                                           std::optional<GgufType> wanted) {
    constexpr auto same = same_blocks<F>();
    if constexpr (same && format_traits<F>::scaled)
        if (!wanted || *wanted == *same)
            if (auto blocks = blocks_of(m); !blocks.empty()) return {*same, std::move(blocks)};
    constexpr GgufType plain = same && !format_traits<F>::scaled ? *same : GgufType::F32;
    const GgufType type = fitting_type(wanted.value_or(plain), 2, m.cols());
    Tensor<float> x(m.shape());
    dequantize(on, m, x.view());
    const View<const float> view = x.view();
    return {type, quantize_blocks(on, name, type, view)};
}

/// Writes `model` to `path`, its matrices as `type` (or as they are: see GgufParameter), with what
/// more(GgufWriter&) sets besides: a tokenizer, a name. When it fails, the old file stays.
template <class On, class M, class More>
void save_gguf(On& on, const M& model, const std::string& path, std::optional<GgufType> type,
               More&& more) {
    constexpr bool is_gpt2 = requires { model.wte; };
    GgufWriter file(path);
    set_config(file, model.config);
    if (type) {
        // GGUF's numbers for what most of a file's tensors are.
        const std::pair<GgufType, std::uint32_t> kinds[] = {
            {GgufType::F32, 0},   {GgufType::F16, 1},   {GgufType::Q4_0, 2},
            {GgufType::Q8_0, 7},  {GgufType::Q4_K, 14}, {GgufType::Q6_K, 18},
            {GgufType::BF16, 32}, {GgufType::MXFP4, 38}};
        for (const auto& [t, number] : kinds)
            if (type == t) file.set("general.file_type", number);
    }
    more(file);
    std::deque<std::vector<std::byte>> kept;
    for_each_parameter(
        [&](const std::string& name, const auto& p) {
            if (p.empty()) return;
            const std::string theirs = gguf_name(name);
            const bool positions = theirs == "position_embd.weight";
            GgufParameter g = gguf_parameter(on, theirs, p, positions ? GgufType::F32 : type);
            std::vector<std::uint64_t> shape;
            for (std::size_t i = 0; i < p.shape().rank(); ++i) shape.push_back(p.shape()[i]);
            if constexpr (!is_gpt2)
                if (!model.config.interleaved &&
                    (name.find("q_proj.") != name.npos || name.find("k_proj.") != name.npos))
                    g.blocks = rows_interleaved(g.blocks, g.blocks.size() / shape[0],
                                                model.config.attention().size_of_head());
            kept.push_back(std::move(g.blocks));
            file.add(theirs, g.type, shape, kept.back());
        },
        model);
    if constexpr (!is_gpt2)
        if (model.config.scaling.kind == RotaryScalingKind::llama3) {
            // How much each pair is slowed down.
            const std::size_t pairs = model.config.attention().size_of_head() / 2;
            Tensor<float> factors(Shape{1, pairs});
            for (std::size_t i = 0; i < pairs; ++i) {
                const double f = std::pow(model.config.rotary_base,
                                          -static_cast<double>(i) / static_cast<double>(pairs));
                factors(0, i) = static_cast<float>(f / rotary_scaled(f, model.config.scaling));
            }
            const View<const float> view = factors.view();
            kept.push_back(quantize_blocks(on, "rope_freqs.weight", GgufType::F32, view));
            file.add("rope_freqs.weight", GgufType::F32, {pairs}, kept.back());
        }
    file.commit();
}

}  // namespace nibble
