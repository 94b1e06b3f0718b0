// SPDX-License-Identifier: BSL-1.0
// A matrix in any format: up to three planes.
//
//     real(r, k) = code(r, k) * scale(i) + offset(i),   i = r * scale_stride + k / run
//
// Per tensor is scale_stride 0 and run = cols; per row is scale_stride 1; per group is
// scale_stride = cols / run. Both are numbers of the matrix, not of its type, so a kernel's inner
// loop is the same for every granularity. Codes are padded to 64 a row with zeros; scales and
// offsets are flat, one after the other.
#pragma once

#include <nibble/quant/format.hpp>
#include <nibble/store/error.hpp>
#include <nibble/store/tensor.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// The group a layer uses when its width is not a multiple of the format's: the largest multiple of
/// 8 that divides cols and is at most `group`; a whole row when there is none.
[[nodiscard]] constexpr std::size_t fitted_group(std::size_t cols, std::size_t group) noexcept {
    for (std::size_t g = group < cols ? group / 8 * 8 : cols / 8 * 8; g >= 8; g -= 8)
        if (cols % g == 0) return g;
    return cols;
}

/// Fails unless a matrix of `cols` columns can be cut into groups as the spec says.
inline void expect_group_divides(const QuantizationSpec& spec, std::size_t cols) {
    if (spec.granularity == Granularity::group &&
        (spec.group == 0 || spec.group % 8 != 0 || cols % spec.group != 0))
        fail("quantize to " + to_string(spec) + ": groups of " + std::to_string(spec.group) +
             " do not divide " + std::to_string(cols) +
             " columns; a group is a multiple of 8 that divides the row");
}

/// rows x cols numbers in format F. A new matrix is all zeros.
template <Format F, class Memory = HostMemory>
class Matrix {
public:
    using Traits = format_traits<F>;
    using V = typename Traits::Value;
    using S = typename Traits::Scale;

    Matrix() = default;
    /// When F's group does not divide cols, the group is fitted (see fitted_group and run()).
    Matrix(std::size_t rows, std::size_t cols) : codes_(Shape{rows, cols}) {
        if constexpr (Traits::scaled) {
            run_ = Traits::granularity == Granularity::group ? fitted_group(cols, Traits::group)
                                                             : cols;
            const std::size_t n = Traits::granularity == Granularity::tensor ? 1 : rows * runs();
            scales_ = Tensor<S, Memory>(Shape{n});
            if constexpr (Traits::has_offset) offsets_ = Tensor<S, Memory>(Shape{n});
        }
    }

    [[nodiscard]] std::size_t rows() const noexcept { return codes_.rows(); }
    [[nodiscard]] std::size_t cols() const noexcept { return codes_.cols(); }
    [[nodiscard]] std::size_t size() const noexcept { return codes_.size(); }
    [[nodiscard]] bool empty() const noexcept { return codes_.empty(); }
    [[nodiscard]] Shape shape() const noexcept { return codes_.shape(); }
    /// Elements that share a scale; cols without scales.
    [[nodiscard]] std::size_t run() const noexcept { return Traits::scaled ? run_ : cols(); }
    /// Scales that a row has (a per-tensor scale counts as each row's one).
    [[nodiscard]] std::size_t runs() const noexcept {
        return Traits::granularity == Granularity::group && run_ != 0 ? cols() / run_ : 1;
    }
    [[nodiscard]] std::size_t scale_stride() const noexcept {
        return Traits::granularity == Granularity::tensor ? 0 : runs();
    }
    /// Bytes of all planes as allocated, padding included.
    [[nodiscard]] std::size_t bytes() const noexcept {
        return codes_.bytes() + scales_.bytes() + offsets_.bytes();
    }

    [[nodiscard]] Tensor<V, Memory>& codes() noexcept { return codes_; }
    [[nodiscard]] const Tensor<V, Memory>& codes() const noexcept { return codes_; }
    [[nodiscard]] Tensor<S, Memory>& scales() noexcept { return scales_; }
    [[nodiscard]] const Tensor<S, Memory>& scales() const noexcept { return scales_; }
    [[nodiscard]] Tensor<S, Memory>& offsets() noexcept { return offsets_; }
    [[nodiscard]] const Tensor<S, Memory>& offsets() const noexcept { return offsets_; }

    /// Scale of the run that element (r, k) lies in; 1 without scales.
    [[nodiscard]] float scale(std::size_t r, std::size_t k) const noexcept {
        if constexpr (!Traits::scaled) return 1.0f;
        else return decode(scales_.data()[r * scale_stride() + k / run_]);
    }
    /// Offset of the run that element (r, k) lies in; 0 for a symmetric format.
    [[nodiscard]] float offset(std::size_t r, std::size_t k) const noexcept {
        if constexpr (!Traits::has_offset) return 0.0f;
        else return decode(offsets_.data()[r * scale_stride() + k / run_]);
    }
    /// The number at (r, k). For tests and reports; kernels decode runs.
    [[nodiscard]] float operator()(std::size_t r, std::size_t k) const noexcept {
        return static_cast<float>(decode(codes_.row(r)[k])) * scale(r, k) + offset(r, k);
    }

    /// The run-time description, with the group that is really used.
    [[nodiscard]] QuantizationSpec spec() const noexcept {
        QuantizationSpec s = spec_of<F>();
        if (s.granularity == Granularity::group) s.group = static_cast<std::uint32_t>(run_);
        return s;
    }

private:
    Tensor<V, Memory> codes_;
    Tensor<S, Memory> scales_;
    Tensor<S, Memory> offsets_;
    std::size_t run_ = 0;
};

}  // namespace nibble
