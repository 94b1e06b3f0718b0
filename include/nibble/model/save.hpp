// SPDX-License-Identifier: BSL-1.0
// Saving a model: its parameters in their own formats, as a safetensors file (see checkpoint.hpp).
#pragma once

#include <nibble/io/safetensors_writer.hpp>
#include <nibble/layer/layer.hpp>
#include <nibble/model/checkpoint.hpp>

#include <vector>

namespace nibble::inline NIBBLE_ARCH {

/// A configuration's field as text: whole numbers, floats that read back exactly, 0 and 1.
template <class T>
[[nodiscard]] std::string field_text(const T& value) {
    if constexpr (std::is_enum_v<T>) {
        return std::to_string(static_cast<std::underlying_type_t<T>>(value));
    } else if constexpr (std::is_floating_point_v<T>) {
        char text[64];
        return {text, std::to_chars(text, text + sizeof(text), value).ptr};
    } else {
        return std::to_string(value);
    }
}

/// Adds a tensor of plain values, without the padding of its rows.
template <class V, class Memory>
void add_parameter(SafetensorsWriter& file, const std::string& name, const Tensor<V, Memory>& t) {
    static_assert(bits_v<V> >= 8, "packed values are saved as a Matrix");
    std::vector<std::uint64_t> shape;
    for (std::size_t i = 0; i < t.shape().rank(); ++i) shape.push_back(t.shape()[i]);
    file.add_rows(name, dtype_of(kind_of<V>), std::move(shape), t.data(), t.rows(),
                  t.cols() * sizeof(V), t.stride() * sizeof(V));
}

/// Adds a matrix: codes, scales, offsets, and the text that describes them.
template <class F, class Memory>
void add_parameter(SafetensorsWriter& file, const std::string& name, const Matrix<F, Memory>& m) {
    using V = typename Matrix<F, Memory>::V;
    using S = typename Matrix<F, Memory>::S;
    constexpr QuantizationSpec spec = spec_of<F>();
    const auto row_bytes = static_cast<std::size_t>(code_bytes(kind_of<V>, m.cols()));
    if constexpr (file_bits_of(kind_of<V>) != bits_v<V>) {
        std::vector<std::byte> codes(m.rows() * row_bytes);
        for (std::size_t r = 0; r < m.rows(); ++r)
            for (std::size_t k = 0; k < m.cols(); ++k)
                pack_code(codes.data() + r * row_bytes, k, file_bits_of(kind_of<V>),
                          value_traits<V>::to_bits(m.codes().row(r)[k]));
        file.add_owned(name, DType::U8, {m.rows(), row_bytes}, std::move(codes));
    } else {
        file.add_rows(name, dtype_of(kind_of<V>), {m.rows(), bits_v<V> < 8 ? row_bytes : m.cols()},
                      m.codes().data(), m.rows(), row_bytes,
                      m.codes().stride() / values_per_unit<V> * sizeof(unit_t<V>));
    }
    if (is_plain(spec)) return;
    file.set("nibble.tensor." + name,
             to_string(spec) + " " + std::to_string(m.rows()) + "x" + std::to_string(m.cols()));
    const auto add_scales = [&](const char* suffix, const Tensor<S, Memory>& plane) {
        std::vector<std::uint64_t> shape{1};
        if (spec.granularity != Granularity::tensor) shape = {m.rows(), m.runs()};
        file.add_rows(name + suffix, dtype_of(kind_of<S>), std::move(shape), plane.data(), 1,
                      plane.size() * sizeof(S), 0);
    };
    if constexpr (format_traits<F>::scaled) {
        add_scales(".scales", m.scales());
        if constexpr (format_traits<F>::has_offset) add_scales(".offsets", m.offsets());
    }
}

/// The metadata of a checkpoint: `notes`, then format, library, the model's name and its sizes.
template <class M>
void describe(SafetensorsWriter& file, const M& model, const Metadata& notes) {
    for (const auto& [key, text] : notes) file.set(key, text);
    file.set("nibble.format", std::to_string(checkpoint_format));
    file.set("nibble.version", NIBBLE_VERSION);
    if constexpr (requires { std::string(M::name); }) file.set("nibble.model", M::name);
    if constexpr (Configured<M>)
        std::remove_cvref_t<decltype(model.config)>::fields(
            [&](const char* field, const auto& value) {
                file.set(std::string("nibble.config.") + field, field_text(value));
            },
            model.config);
}

/// Writes every parameter of `model` to `path`, with `notes` as further metadata. Loading into the
/// same formats gives the same bits. When it fails, the old file stays as it was.
template <class M>
void save(const M& model, const std::string& path, const Metadata& notes = {}) {
    SafetensorsWriter file(path);
    describe(file, model, notes);
    // Parameters without elements (a bias that is turned off) are not there.
    for_each_parameter(
        [&](const std::string& name, const auto& parameter) {
            if (!parameter.empty()) add_parameter(file, name, parameter);
        },
        model);
    file.commit();
}

}  // namespace nibble
