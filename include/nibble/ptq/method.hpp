// SPDX-License-Identifier: BSL-1.0
// One weight, one method: nearest, GPTQ or HQQ, with what calibration knows of the weight. (AWQ and
// SmoothQuant change the model first, see smooth.hpp, and round afterwards.)
#pragma once

#include <nibble/ptq/calibrate.hpp>
#include <nibble/ptq/gptq.hpp>
#include <nibble/ptq/hqq.hpp>

namespace nibble::inline NIBBLE_ARCH {
namespace ptq {

/// How weights are rounded.
enum class Method : std::uint8_t {
    nearest,  ///< scales by the largest magnitude, codes to nearest
    search,   ///< scales by the smallest square error
    hqq,      ///< scales by half-quadratic splitting: robust to outliers, no data
    awq,      ///< channels scaled by their activations, scales by the error those see
    gptq,     ///< rounding errors carried on along the Hessian
};
inline constexpr std::string_view method_names[] = {"nearest", "search", "hqq", "awq", "gptq"};

/// "gptq"
[[nodiscard]] constexpr std::string_view name_of(Method m) noexcept {
    return method_names[static_cast<std::size_t>(m)];
}
/// The method of that name; fails listing them all.
[[nodiscard]] inline Method method_named(std::string_view name) {
    std::string known;
    for (std::size_t i = 0; i < std::size(method_names); ++i) {
        if (method_names[i] == name) return static_cast<Method>(i);
        known += (i == 0 ? "" : ", ") + std::string(method_names[i]);
    }
    fail("ptq: no method \"" + std::string(name) + "\"; there are " + known);
}

/// Rows of w with equal weights of the two parts of a table's curvature go through GPTQ together:
/// ratios c_v / f_v rounded to powers of two from 1/4 to 4.
[[nodiscard]] inline Quantized gptq_table(Host& on, View<const float> w, const InputStatistics& s,
                                          const QuantizationSpec& spec,
                                          const GptqOptions& options) {
    Quantized q(spec, w.rows, w.cols);
    std::map<int, std::vector<std::size_t>> rows;
    const bool head = !s.hessian.empty();
    for (std::size_t v = 0; v < w.rows; ++v) {
        const double f = s.frequency[v], c = head ? s.spread[v] : 0.0;
        const double ratio = f > 0 ? c / f : 4.0;
        rows[head ? static_cast<int>(std::lround(2 * std::log2(std::clamp(ratio, 0.25, 4.0)))) : 0]
            .push_back(v);
    }
    for (const auto& [power, some] : rows) {
        const float ratio = head ? static_cast<float>(std::exp2(0.5 * power)) : 0.0f;
        Tensor<float> h = s.lookup, part(Shape{some.size(), w.cols});
        for (std::size_t i = 0; head && i < h.rows(); ++i)
            for (std::size_t j = 0; j < h.cols(); ++j) h(i, j) += ratio * s.hessian(i, j);
        for (std::size_t i = 0; i < some.size(); ++i)
            std::copy_n(w.row(some[i]), w.cols, part.view().row(i));
        const Quantized one = gptq(on, part.view(), h.view(), spec, options);
        for (std::size_t i = 0; i < some.size(); ++i) {
            std::copy_n(one.codes.view().row(i), w.cols, q.codes.view().row(some[i]));
            std::copy_n(one.scales.view().row(i), q.runs(), q.scales.view().row(some[i]));
            if (!q.offsets.empty())
                std::copy_n(one.offsets.view().row(i), q.runs(), q.offsets.view().row(some[i]));
        }
    }
    return q;
}

/// The diagonal of what errors in a weight's columns cost; empty when nothing is known.
[[nodiscard]] inline std::vector<float> column_weights(const InputStatistics* s) {
    std::vector<float> weights;
    if (s == nullptr) return weights;
    for (const Tensor<float>* m : {&s->hessian, &s->lookup}) {
        if (m->empty()) continue;
        weights.resize(m->rows());
        for (std::size_t i = 0; i < m->rows(); ++i) weights[i] += (*m)(i, i);
    }
    double sum = 0;
    for (const float x : weights) sum += static_cast<double>(x);
    const auto least = static_cast<float>(1e-3 * sum / static_cast<double>(weights.size() + 1));
    for (float& x : weights) x = sum > 0 ? x + least : 1.0f;
    return weights;
}

/// w [rows, cols] in the format. `s` may be null: a method that needs it then rounds without. A
/// per-tensor format and GPTQ do not go together: it rounds to nearest.
[[nodiscard]] inline Quantized quantize_weight(Host& on, View<const float> w,
                                               const InputStatistics* s,
                                               const QuantizationSpec& spec, Method method,
                                               const GptqOptions& options = {}) {
    if (method == Method::gptq && s != nullptr && spec.granularity != Granularity::tensor) {
        if (!s->lookup.empty()) return gptq_table(on, w, *s, spec, options);
        return gptq(on, w, s->hessian.view(), spec, options);
    }
    Quantized q(spec, w.rows, w.cols);
    if (method == Method::nearest) {
        cover_ranges(on, w, q);
    } else if (method == Method::hqq) {
        half_quadratic(on, w, q);
    } else {
        const auto weights = method == Method::search ? std::vector<float>{} : column_weights(s);
        find_scales(on, w, weights.empty() ? nullptr : weights.data(), q);
    }
    round_codes(on, w, q);
    return q;
}

}  // namespace ptq
}  // namespace nibble
