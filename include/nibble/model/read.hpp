// SPDX-License-Identifier: BSL-1.0
// From a file's tensors to a model's parameters: what fits, and the copying of one.
#pragma once

#include <nibble/kernel/executor.hpp>
#include <nibble/kernel/quantize.hpp>
#include <nibble/layer/layer.hpp>
#include <nibble/model/checkpoint.hpp>

#include <cmath>
#include <optional>
#include <vector>

namespace nibble::inline NIBBLE_ARCH {

/// The text that describes a quantized tensor; nullptr for a plain one.
[[nodiscard]] inline const std::string* description_of(const SafetensorsFile& file,
                                                       const std::string& name) {
    return file.metadata("nibble.tensor." + name);
}

/// The logical shape of a tensor of the file; empty when there is none of that name, or one without
/// elements.
[[nodiscard]] inline std::vector<std::uint64_t> file_shape(const SafetensorsFile& file,
                                                           const std::string& name,
                                                           bool transposed) {
    const FileTensor* t = file.find(name);
    if (t == nullptr) return {};
    std::vector<std::uint64_t> shape = t->shape;
    if (const std::string* text = description_of(file, name)) {
        const StoredMatrix m = stored_matrix(file, name, *text);
        shape = {m.rows, m.cols};
    }
    if (t->size() == 0) return {};  // such a shape may hold any number and no bytes
    if (transposed && shape.size() == 2) std::swap(shape[0], shape[1]);
    return shape;
}

/// True when numbers of that shape fill the parameter. A matrix takes any rank from 2 up whose
/// first extent is its rows (convolution weights).
template <class V, class Memory>
[[nodiscard]] bool shape_fits(const Tensor<V, Memory>& t, std::span<const std::uint64_t> shape) {
    if (shape.size() != t.shape().rank()) return false;
    for (std::size_t i = 0; i < shape.size(); ++i)
        if (shape[i] != t.shape()[i]) return false;
    return true;
}
template <class F, class Memory>
[[nodiscard]] bool shape_fits(const Matrix<F, Memory>& m, std::span<const std::uint64_t> shape) {
    if (shape.size() < 2 || shape[0] != m.rows()) return false;
    std::uint64_t cols = 1;
    for (const std::uint64_t extent : shape.subspan(1))
        if (!checked_multiply(cols, extent, cols)) return false;
    return cols == m.cols();
}

/// Gives a parameter the shape of a file's tensor; none when the shape is empty.
template <class V, class Memory>
void take_shape(Tensor<V, Memory>& t, const std::vector<std::uint64_t>& s) {
    const auto n = [&](std::size_t i) { return static_cast<std::size_t>(s[i]); };
    switch (s.size()) {
        case 1: t = Tensor<V, Memory>(Shape{n(0)}); break;
        case 2: t = Tensor<V, Memory>(Shape{n(0), n(1)}); break;
        case 3: t = Tensor<V, Memory>(Shape{n(0), n(1), n(2)}); break;
        case 4: t = Tensor<V, Memory>(Shape{n(0), n(1), n(2), n(3)}); break;
        default: break;
    }
}
template <class F, class Memory>
void take_shape(Matrix<F, Memory>& m, const std::vector<std::uint64_t>& s) {
    if (s.size() < 2) return;
    std::size_t cols = 1;
    for (std::size_t i = 1; i < s.size(); ++i) cols *= static_cast<std::size_t>(s[i]);
    m = Matrix<F, Memory>(static_cast<std::size_t>(s[0]), cols);
}

/// Fails with the names in each list, when there are any.
inline void raise_mismatches(const std::string& file, const std::vector<std::string>& missing,
                             const std::vector<std::string>& extra,
                             const std::vector<std::string>& shapes,
                             const std::vector<std::string>& types) {
    std::string text;
    const auto list = [&](const std::vector<std::string>& names, const char* what) {
        if (names.empty()) return;
        text += (text.empty() ? " " : "; ") + std::to_string(names.size()) + what;
        for (std::size_t i = 0; i < names.size() && i < 8; ++i)
            text += (i == 0 ? "" : ", ") + names[i].substr(0, 200);
        if (names.size() > 8) text += " and " + std::to_string(names.size() - 8) + " more";
    };
    list(missing, " parameters missing from the file: ");
    list(extra, " tensors that the model does not have: ");
    list(shapes, " of the wrong shape: ");
    list(types, " of a type that is no floating-point number: ");
    if (!text.empty()) fail("load " + file + ":" + text);
}

/// Collects what keeps a file from filling a model, one list for each kind, and raises them.
class Mismatches {
public:
    explicit Mismatches(const SafetensorsFile& file) : file_(file) {}

    template <class Parameter>
    void check(const std::string& name, const Parameter& parameter, bool transposed) {
        const FileTensor* t = file_.find(name);
        if (t == nullptr) return missing_.push_back(name);
        used_.push_back(name);
        if (const std::string* text = description_of(file_, name)) {
            expect_canonical(stored_matrix(file_, name, *text),
                             file_.name() + ": tensor " + in_quotes(name));
            used_.push_back(name + ".scales");
            used_.push_back(name + ".offsets");
        } else if (!is_float(t->dtype)) {
            types_.push_back(name + " is " + std::string(name_of(t->dtype)));
        }
        const std::vector<std::uint64_t> shape = file_shape(file_, name, transposed);
        if (!shape_fits(parameter, shape))
            shapes_.push_back(name + " is " + to_string(shape) + (transposed ? " transposed" : "") +
                              ", the model's is " + to_string(parameter.shape()));
    }

    /// Fails when anything was found, or when the file has tensors that no parameter took.
    void raise(bool (*ignored)(const std::string&)) {
        std::sort(used_.begin(), used_.end());
        std::vector<std::string> extra;
        for (const FileTensor& t : file_.tensors())
            if (!std::binary_search(used_.begin(), used_.end(), t.name) &&
                !(ignored != nullptr && ignored(t.name)))
                extra.push_back(t.name);
        raise_mismatches(file_.name(), missing_, extra, shapes_, types_);
    }

private:
    const SafetensorsFile& file_;
    std::vector<std::string> missing_, used_, shapes_, types_;
};

/// The numbers of a tensor of the file as `rows` rows, the shape already checked.
template <class On>
[[nodiscard]] Tensor<float> read_floats(On& on, const SafetensorsFile& file, const FileTensor& t,
                                        Shape shape, bool transposed) {
    const Shape stored = transposed ? Shape{shape.cols(), shape.rows()} : shape;
    auto x = Tensor<float>(stored);
    if (const std::string* text = description_of(file, t.name)) {
        const StoredMatrix m = stored_matrix(file, t.name, *text);
        on.parallel_for(x.rows(), 16, [&](std::size_t first, std::size_t end) {
            std::vector<float> work;
            for (std::size_t r = first; r < end; ++r)
                decode_row(m, r, x.row(r).units().data(), work);
        });
    } else {
        const std::byte* bytes = file.bytes(t).data();
        const std::size_t row_bytes = x.cols() * (bits_of(t.dtype) / 8);
        on.parallel_for(x.rows(), 16, [&](std::size_t first, std::size_t end) {
            for (std::size_t r = first; r < end; ++r)
                static_cast<void>(
                    to_floats(t.dtype, bytes + r * row_bytes, x.cols(), x.row(r).units().data()));
        });
    }
    if (!transposed) return x;
    auto y = Tensor<float>(shape);
    on.parallel_for(y.rows(), 16, [&](std::size_t first, std::size_t end) {
        for (std::size_t k = 0; k < y.cols(); ++k)
            for (std::size_t r = first; r < end; ++r) y(r, k) = x(k, r);
    });
    return y;
}

/// Infinities and NaN in x.
template <class On>
[[nodiscard]] std::size_t count_not_finite(const On& on, View<const float> x) {
    Tally found;
    on.parallel_for(x.rows, 1 + 65536 / (x.cols + 1), [&](std::size_t first, std::size_t end) {
        for (std::size_t r = first; r < end; ++r) {
            std::uint32_t n = 0;  // the compiler counts in whole registers
            for (std::size_t k = 0; k < x.cols; ++k) {
                const auto bits = std::bit_cast<std::uint32_t>(x.data[r * x.stride + k]);
                n += (bits & 0x7F800000u) == 0x7F800000u ? 1u : 0u;
            }
            if (n != 0) found.add(n);
        }
    });
    return found.count();
}
template <class On>
[[nodiscard]] std::size_t count_not_finite(const On& on, const Tensor<float>& x) {
    return count_not_finite(on, x.view());
}

/// A tensor's floats where they lie in the file, as rows; nothing when the bytes there are no floats of
/// this machine.
[[nodiscard]] inline std::optional<View<const float>> floats_in_place(const SafetensorsFile& file,
                                                                      const FileTensor& t,
                                                                      Shape shape) {
    const std::byte* bytes = file.bytes(t).data();
    if (t.dtype != DType::F32 || std::endian::native != std::endian::little ||
        reinterpret_cast<std::uintptr_t>(bytes) % alignof(float) != 0)
        return {};
    return View<const float>{reinterpret_cast<const float*>(bytes), shape.rows(), shape.cols(),
                             shape.cols(), false};
}

/// Fills a tensor from the file's.
template <class On, class V, class Memory, class Report>
void read_parameter(On& on, const SafetensorsFile& file, const std::string& name, bool transposed,
                    Tensor<V, Memory>& to, Report& report) {
    const FileTensor& t = file.at(name);
    const auto x = read_floats(on, file, t, to.shape(), transposed);
    report.not_finite += count_not_finite(on, x);
    const bool same = t.dtype == dtype_of(kind_of<V>) && !transposed;
    for (std::size_t r = 0; r < to.rows(); ++r) {
        V* row = to.row(r).units().data();
        if (same) {
            copy_values(file.bytes(t).data() + r * to.cols() * sizeof(V), to.cols(), row);
            continue;
        }
        for (std::size_t c = 0; c < to.cols(); ++c)
            row[c] = encode<V>(static_cast<compute_t<V>>(x(r, c)), ToNearest{}, report.clipped);
    }
}

/// Fills a matrix from the file's tensor or planes.
template <class On, class F, class Memory, class Report>
void read_parameter(On& on, const SafetensorsFile& file, const std::string& name, bool transposed,
                    Matrix<F, Memory>& to, Report& report) {
    using V = typename Matrix<F, Memory>::V;
    const FileTensor& t = file.at(name);
    const std::string* text = description_of(file, name);
    constexpr QuantizationSpec spec = spec_of<F>();
    const auto copy_codes = [&](std::span<const std::byte> codes, std::size_t row_bytes) {
        for (std::size_t r = 0; r < to.rows(); ++r)
            copy_values(codes.data() + r * row_bytes, row_bytes / sizeof(unit_t<V>),
                        to.codes().row(r).units().data());
    };
    if (text != nullptr && !transposed) {
        const StoredMatrix m = stored_matrix(file, name, *text);
        // The codes of int3 are codes of int4 too.
        const bool three = m.spec.value == ValueKind::int3 &&
                           (spec.value == ValueKind::int3 || spec.value == ValueKind::int4);
        if ((m.spec.value == spec.value || three) && m.scaled() == format_traits<F>::scaled &&
            (!m.scaled() || (m.spec.scale == spec.scale && m.spec.symmetric == spec.symmetric &&
                             m.run == to.run() && m.scale_stride == to.scale_stride()))) {
            if constexpr (spec.value == ValueKind::int3 || spec.value == ValueKind::int4)
                for (std::size_t r = 0; three && r < to.rows(); ++r)
                    for (std::size_t k = 0; k < to.cols(); ++k)
                        to.codes().row(r).set(
                            k, V(int3_number(packed_code(m.codes.data() + r * m.row_bytes, k, 3))));
            if (!three) copy_codes(m.codes, m.row_bytes);
            copy_values(m.scales.data(), to.scales().size(), to.scales().data());
            copy_values(m.offsets.data(), to.offsets().size(), to.offsets().data());
            return;
        }
    }
    Tensor<float> x;
    std::optional<View<const float>> view;
    if (text == nullptr && !transposed) view = floats_in_place(file, t, to.shape());
    if (!view) {
        x = read_floats(on, file, t, to.shape(), transposed);
        view = std::as_const(x).view();
    }
    report.not_finite += count_not_finite(on, *view);
    if (is_plain(spec) && text == nullptr && !transposed && t.dtype == dtype_of(spec.value))
        copy_codes(file.bytes(t), to.cols() * sizeof(V));
    else report.clipped += quantize(on, *view, to);
}

}  // namespace nibble
