// SPDX-License-Identifier: BSL-1.0
// A matrix in a format that is known at run time: what every method produces. The codes are kept as
// the numbers they decode to, so methods and reports need no format in their types; store() and
// to_matrix<F>() make the planes of it.
//
//     real(r, k) = code(r, k) * scale(r, k / run) + offset(r, k / run)
#pragma once

#include <nibble/ptq/grid.hpp>
#include <nibble/quant/matrix.hpp>

namespace nibble::inline NIBBLE_ARCH {
namespace ptq {

/// Codes, scales and offsets of a matrix; all as floats, each exactly representable in its format.
struct Quantized {
    QuantizationSpec spec;  ///< with the group that is used; as wanted where that is a whole row
    std::size_t run = 0;    ///< elements that share a scale
    Tensor<float> codes;    ///< [rows, cols]
    Tensor<float> scales;   ///< [rows, runs]; one for all, repeated, under a per-tensor format
    Tensor<float> offsets;  ///< the same shape; empty for a symmetric format

    Quantized() = default;
    /// All zeros. A group that does not divide the row is fitted, as Matrix does.
    Quantized(const QuantizationSpec& wanted, std::size_t rows, std::size_t cols)
        : spec(wanted), run(cols), codes(Shape{rows, cols}) {
        if (spec.granularity == Granularity::group) {
            run = fitted_group(cols, spec.group);
            // A row that no group divides is one run, whose width need not be a group that a spec
            // may name: a reader fits the wanted one again.
            if (run % 8 == 0) spec.group = static_cast<std::uint32_t>(run);
        }
        scales = Tensor<float>(Shape{rows, run == 0 ? 1 : cols / run});
        if (!spec.symmetric) offsets = Tensor<float>(scales.shape());
    }

    [[nodiscard]] std::size_t rows() const noexcept { return codes.rows(); }
    [[nodiscard]] std::size_t cols() const noexcept { return codes.cols(); }
    [[nodiscard]] std::size_t runs() const noexcept { return scales.cols(); }
    [[nodiscard]] float scale(std::size_t r, std::size_t i) const noexcept { return scales(r, i); }
    [[nodiscard]] float offset(std::size_t r, std::size_t i) const noexcept {
        return offsets.empty() ? 0.0f : offsets(r, i);
    }
    /// The number at (r, k).
    [[nodiscard]] float operator()(std::size_t r, std::size_t k) const noexcept {
        return codes(r, k) * scale(r, k / run) + offset(r, k / run);
    }
    /// All numbers.
    void write(View<float> w) const {
        for (std::size_t r = 0; r < rows(); ++r)
            for (std::size_t i = 0; i < runs(); ++i) {
                const float s = scale(r, i), o = offset(r, i);
                const float* code = codes.view().row(r) + i * run;
                float* to = w.row(r) + i * run;
                for (std::size_t k = 0; k < run; ++k) to[k] = code[k] * s + o;
            }
    }
};

/// Bytes of `rows` x `cols` numbers in a file: codes, scales and offsets, without the padding of rows
/// in memory.
[[nodiscard]] inline std::size_t stored_bytes(const QuantizationSpec& spec, std::size_t rows,
                                              std::size_t cols) {
    const auto bits = static_cast<std::size_t>(file_bits_of(spec.value));
    const std::size_t codes = rows * ((cols * bits + 7) / 8);
    if (spec.granularity == Granularity::none || cols == 0) return codes;
    const std::size_t runs =
        spec.granularity == Granularity::group ? cols / fitted_group(cols, spec.group) : 1;
    const std::size_t scales = spec.granularity == Granularity::tensor ? 1 : rows * runs;
    const auto each = static_cast<std::size_t>(bits_of(spec.scale)) / 8;
    return codes + scales * each * (spec.symmetric ? 1 : 2);
}

/// The planes of `q` in format F; fails when F is not the format q has.
template <Format F>
[[nodiscard]] Matrix<F> to_matrix(const Quantized& q) {
    Matrix<F> m(q.rows(), q.cols());
    if constexpr (format_traits<F>::scaled) {
        using S = typename Matrix<F>::S;
        QuantizationSpec same = q.spec;
        if (same.granularity == Granularity::group) same.group = static_cast<std::uint32_t>(q.run);
        if (m.spec() == same) {
            for (std::size_t r = 0; r < q.rows(); ++r)
                for (std::size_t k = 0; k < q.cols(); ++k)
                    m.codes().row(r).set(k, encode<value_of<F>>(q.codes(r, k)));
            const std::size_t n = m.scales().size();
            for (std::size_t i = 0; i < n; ++i) {
                m.scales().data()[i] = encode<S>(q.scales(i / q.runs(), i % q.runs()));
                if constexpr (format_traits<F>::has_offset)
                    m.offsets().data()[i] = encode<S>(q.offsets(i / q.runs(), i % q.runs()));
            }
            return m;
        }
    }
    fail("ptq: a matrix quantized to " + to_string(q.spec) + " is wanted as " +
         to_string(m.spec()));
}

}  // namespace ptq
}  // namespace nibble
