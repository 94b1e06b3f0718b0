// SPDX-License-Identifier: BSL-1.0
// Saving what post-training quantization made of a model: each parameter in the format that the policy
// gave it. The file is an ordinary checkpoint (checkpoint.hpp): load<Model<float>> reads any of them,
// load<Model<P>> reads it bit for bit where P's formats are those of the file.
#pragma once

#include <nibble/model/save.hpp>
#include <nibble/ptq/quantize.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// n numbers as stored values of `kind`, which all represent exactly.
[[nodiscard]] inline std::vector<std::byte> stored_values(ValueKind kind, View<const float> x) {
    std::vector<std::byte> bytes(x.rows * x.cols * static_cast<std::size_t>(bits_of(kind)) / 8);
    dispatch_value(kind, [&]<class V>(V) {
        if constexpr (bits_v<V> >= 8) {
            std::size_t at = 0;
            for (std::size_t r = 0; r < x.rows; ++r)
                for (std::size_t k = 0; k < x.cols; ++k, at += sizeof(V)) {
                    const V v = encode<V>(static_cast<compute_t<V>>(x(r, k)));
                    std::memcpy(bytes.data() + at, &v, sizeof(V));
                    if constexpr (sizeof(V) > 1 && std::endian::native == std::endian::big)
                        std::reverse(bytes.data() + at, bytes.data() + at + sizeof(V));
                }
        }
    });
    return bytes;
}

/// Adds a matrix in its run-time format.
inline void add_parameter(SafetensorsWriter& file, const std::string& name,
                          const ptq::Quantized& q) {
    const ValueKind kind = q.spec.value;
    const auto row_bytes = static_cast<std::size_t>(code_bytes(kind, q.cols()));
    const auto bits = static_cast<unsigned>(file_bits_of(kind));
    std::vector<std::byte> codes;
    if (bits >= 8) codes = stored_values(kind, q.codes.view());
    else {
        codes.resize(q.rows() * row_bytes);
        dispatch_value(kind, [&]<class V>(V) {
            if constexpr (PackedValue<V>)
                for (std::size_t r = 0; r < q.rows(); ++r)
                    for (std::size_t k = 0; k < q.cols(); ++k)
                        pack_code(codes.data() + r * row_bytes, k, bits,
                                  value_traits<V>::to_bits(encode<V>(q.codes(r, k))));
        });
    }
    file.add_owned(name, dtype_of(kind), {q.rows(), bits < 8 ? row_bytes : q.cols()},
                   std::move(codes));
    file.set("nibble.tensor." + name,
             to_string(q.spec) + " " + std::to_string(q.rows()) + "x" + std::to_string(q.cols()));
    const auto add_plane = [&](const char* suffix, const Tensor<float>& plane) {
        const bool one = q.spec.granularity == Granularity::tensor;
        const View<const float> whole = plane.view();
        const View<const float> part =
            one ? View<const float>{whole.data, 1, 1, whole.stride} : whole;
        file.add_owned(
            name + suffix, dtype_of(q.spec.scale),
            one ? std::vector<std::uint64_t>{1} : std::vector<std::uint64_t>{q.rows(), q.runs()},
            stored_values(q.spec.scale, part));
    };
    add_plane(".scales", q.scales);
    if (!q.offsets.empty()) add_plane(".offsets", q.offsets);
}

/// Writes `model`, whose parameters ptq::quantize has changed to `outcome`, with `notes` as further
/// metadata. When it fails, the old file stays as it was.
template <class M>
void save_quantized(const M& model, const ptq::Outcome& outcome, const std::string& path,
                    const Metadata& notes = {}) {
    SafetensorsWriter file(path);
    describe(file, model, notes);
    for_each_parameter(
        [&](const std::string& name, const auto& parameter) {
            if (parameter.empty()) return;
            const auto quantized = outcome.tensors.find(name);
            if (quantized != outcome.tensors.end())
                return add_parameter(file, name, quantized->second);
            ValueKind kind = ValueKind::fp32;
            for (const ptq::TensorOutcome& one : outcome.all)
                if (one.name == name) kind = one.spec.value;
            if (kind == ValueKind::fp32) return add_parameter(file, name, parameter);
            using T = std::remove_cvref_t<decltype(parameter)>;
            View<const float> x;
            std::vector<std::uint64_t> shape;
            if constexpr (is_matrix<T>) x = parameter.codes().view();
            else x = parameter.view();
            for (std::size_t i = 0; i < parameter.shape().rank(); ++i)
                shape.push_back(parameter.shape()[i]);
            file.add_owned(name, dtype_of(kind), std::move(shape), stored_values(kind, x));
        },
        model);
    file.commit();
}

}  // namespace nibble
