// SPDX-License-Identifier: BSL-1.0
// Post-training quantization of a whole model: a policy says which parameter gets which format, a
// method how it is rounded, a text what matters.
//
//     ptq::Watched on;
//     auto model = load<Gpt2<float, ptq::Watched>>(path);
//     auto net = linked_network(on, model);            // model/links.hpp
//     auto text = ptq::windows_of(ids, model.config.context);
//     auto done = ptq::quantize(net, text, {.policy = ptq::parse_policy("*.weight int4-g128", "")});
//     save_quantized(model, done.tensors, out);        // model/save_quantized.hpp
//
// Afterwards the network's weights are the quantized numbers as floats, so it can be evaluated as it is.
#pragma once

#include <nibble/kernel/error_report.hpp>
#include <nibble/ptq/policy.hpp>
#include <nibble/ptq/rotate.hpp>
#include <nibble/ptq/tune.hpp>

#include <optional>

namespace nibble::inline NIBBLE_ARCH {
namespace ptq {

/// Called as work goes on: what is being done, how many steps of how many are done.
using Progress = std::function<void(const std::string& what, std::size_t done, std::size_t total)>;

/// What to do to a model.
struct Recipe {
    Policy policy = {};
    Method method = Method::gptq;
    GptqOptions gptq = {};
    bool sequential = true;  ///< gptq: each block sees what the rounded blocks before it give
    bool smooth = false;     ///< SmoothQuant first: for formats that round activations too
    float strength = 0.5f;   ///< of smooth
    bool rotate = false;     ///< Hadamard rotations first, of all that the model lets rotate
    TuneOptions tune = {.steps = 0};  ///< afterwards; no steps: none
};

/// What became of one parameter.
struct TensorOutcome {
    std::string name;
    QuantizationSpec spec;
    std::size_t rows = 0, cols = 0;
    std::size_t bytes = 0;  ///< in a file
    ErrorReport error;      ///< of its numbers; of the codes before tuning
    double output_sqnr_db =
        0;  ///< of its product's outputs over the calibration text; 0: not known
};

/// What became of a model.
struct Outcome {
    QuantizedTensors tensors;
    std::vector<TensorOutcome> all;  ///< every parameter, in the model's order
};

/// The errors of a quantized matrix against the numbers it was made from.
[[nodiscard]] inline ErrorReport error_of(View<const float> w, const Quantized& q) {
    ErrorReport report;
    double squared = 0, signal = 0;
    const Grid grid(q.spec);
    for (std::size_t r = 0; r < w.rows; ++r)
        for (std::size_t k = 0; k < w.cols; ++k) {
            const double x = static_cast<double>(w(r, k));
            const double e = x - static_cast<double>(q(r, k));
            squared += e * e;
            signal += x * x;
            report.max_error = std::max(report.max_error, std::fabs(e));
            const double half = 0.5005 * static_cast<double>(std::fabs(q.scale(r, k / q.run)));
            const bool end = q.codes(r, k) == grid.low() || q.codes(r, k) == grid.high();
            report.clipped += end && std::fabs(e) > half ? 1u : 0u;
        }
    report.count = w.rows * w.cols;
    const double n = static_cast<double>(report.count == 0 ? 1 : report.count);
    report.mse = squared / n;
    report.bin_width = std::sqrt(report.mse) / 4;
    report.sqnr_db = squared > 0  ? 10 * std::log10(signal / squared)
                     : signal > 0 ? std::numeric_limits<double>::infinity()
                                  : 0.0;
    report.bits_per_weight = 8.0 * static_cast<double>(stored_bytes(q.spec, w.rows, w.cols)) / n;
    constexpr double middle = ErrorReport::bins / 2;
    for (std::size_t r = 0; r < w.rows; ++r)
        for (std::size_t k = 0; k < w.cols; ++k) {
            const double e = static_cast<double>(w(r, k) - q(r, k));
            const double at =
                report.bin_width > 0 ? std::clamp(e / report.bin_width, -middle, middle) : 0;
            ++report.histogram[static_cast<std::size_t>(at + middle + 0.5)];
        }
    return report;
}

/// A parameter's numbers rounded in place to a plain format (fp32, bf16, fp16, fp8 without a scale).
inline void round_plain(View<float> w, ValueKind kind) {
    if (kind == ValueKind::fp32 || kind == ValueKind::fp64) return;
    dispatch_value(kind, [&]<class V>(V) {
        for (std::size_t r = 0; r < w.rows; ++r)
            for (std::size_t k = 0; k < w.cols; ++k)
                w(r, k) = static_cast<float>(decode(encode<V>(static_cast<compute_t<V>>(w(r, k)))));
    });
}

/// The weights that are quantized together, because none of them feeds another's inputs much: all of a
/// numbered block ("h.3."), or one by itself.
[[nodiscard]] inline std::string stage_of(const std::string& name) {
    for (std::size_t at = name.find('.'); at != std::string::npos; at = name.find('.', at + 1)) {
        std::size_t end = at + 1;
        while (end < name.size() && name[end] >= '0' && name[end] <= '9') ++end;
        if (end > at + 1 && end < name.size() && name[end] == '.') return name.substr(0, end + 1);
    }
    return name;
}

/// Quantizes the network in place. `text` may be without windows for the methods that need none
/// (nearest, search, hqq without smoothing); others fail then. Fails on numbers that are not finite.
[[nodiscard]] inline Outcome quantize(Network& net, const Windows& text, const Recipe& recipe,
                                      const Progress& progress = {}) {
    const auto say = [&](const std::string& what, std::size_t done, std::size_t total) {
        if (progress) progress(what, done, total);
    };
    const auto spec_of = [&](const std::string& name) { return recipe.policy(name); };
    const auto scaled = [&](const std::string& name) {
        return spec_of(name).granularity != Granularity::none;
    };
    Host& on = *net.on;
    for (const Parameter& p : net.parameters) expect_finite(p.value, p.name);
    const bool needs_text = recipe.method == Method::gptq || recipe.method == Method::awq ||
                            recipe.smooth || recipe.tune.steps > 0;
    if (needs_text && text.count() == 0)
        fail("ptq: " + std::string(name_of(recipe.method)) +
             (recipe.tune.steps > 0 ? " with tuning" : "") +
             " needs a text to calibrate with, and there is none");
    std::optional<Snapshot> exact;
    if (recipe.tune.steps > 0) exact.emplace(net);

    Statistics seen;
    std::vector<std::string> order;
    // Blocks that are seen one after the other need no record of all at once.
    const bool again = recipe.method == Method::gptq && recipe.sequential;
    const bool changes = recipe.rotate || recipe.smooth || recipe.method == Method::awq;
    if (text.count() != 0) {
        say("calibrate", 0, 1);
        seen = gather(
            net, text,
            [&](const std::string& name) {
                return (scaled(name) || recipe.smooth) && (changes || !again);
            },
            &order);
        if (recipe.method == Method::gptq || recipe.method == Method::awq)
            gather_tables(net, text, scaled, seen);
        say("calibrate", 1, 1);
    }
    if (recipe.rotate) {
        rotate_residual(net, seen);
        rotate_heads(net, seen);
    }
    if (recipe.smooth) smooth(net, seen, recipe.strength);
    if (recipe.method == Method::awq)
        scale_by_activations(net, spec_of, seen, [&](std::size_t done, std::size_t total) {
            say("scale channels", done, total);
        });
    const std::size_t used = order.size();
    // What no product uses comes last.
    for (const Parameter& p : net.parameters)
        if (std::find(order.begin(), order.end(), p.name) == order.end()) order.push_back(p.name);

    Outcome outcome;
    std::map<std::string, TensorOutcome> found;
    std::string stage;
    for (std::size_t i = 0; i < order.size(); ++i) {
        Parameter& p = net.at(order[i]);
        TensorOutcome& out = found[p.name];
        out = {p.name, spec_of(p.name), p.value.rows, p.value.cols, 0, {}, 0};
        if (out.spec.granularity == Granularity::none || !p.matrix) {
            if (out.spec.granularity != Granularity::none) out.spec = {};
            round_plain(p.value, out.spec.value);
            out.bytes = stored_bytes(out.spec, out.rows, out.cols);
            continue;
        }
        if (again && i < used && stage_of(p.name) != stage) {
            stage = stage_of(p.name);
            for (auto& [name, s] : seen) s.hessian = {};
            Statistics now = gather(net, text, [&](const std::string& name) {
                return scaled(name) && stage_of(name) == stage;
            });
            for (auto& [name, s] : now) seen[name].hessian = std::move(s.hessian);
        }
        const auto known = seen.find(p.name);
        const InputStatistics* s =
            known == seen.end() || (known->second.hessian.empty() && known->second.lookup.empty())
                ? nullptr
                : &known->second;
        Tensor<float> before(Shape{p.value.rows, p.value.cols}), e(before.shape());
        for (std::size_t r = 0; r < p.value.rows; ++r)
            std::copy_n(p.value.row(r), p.value.cols, before.view().row(r));
        Quantized q = quantize_weight(on, before.view(), s, out.spec, recipe.method, recipe.gptq);
        q.write(p.value);
        out.spec = q.spec;
        out.bytes = stored_bytes(q.spec, out.rows, out.cols);
        out.error = error_of(before.view(), q);
        if (s != nullptr && !s->hessian.empty()) {
            for (std::size_t r = 0; r < e.rows(); ++r)
                for (std::size_t k = 0; k < e.cols(); ++k) e(r, k) = before(r, k) - p.value(r, k);
            const double lost = output_error(on, e.view(), s->hessian);
            const double whole = output_error(on, before.view(), s->hessian);
            if (lost > 0 && whole > 0) out.output_sqnr_db = 10 * std::log10(whole / lost);
        }
        outcome.tensors.emplace(p.name, std::move(q));
        say("quantize " + p.name, i + 1, order.size());
    }
    if (recipe.tune.steps > 0)
        tune(net, text, *exact, outcome.tensors, recipe.tune, [&](int done, int total, double) {
            say("tune", static_cast<std::size_t>(done), static_cast<std::size_t>(total));
        });
    for (const Parameter& p : net.parameters) {
        // Tuning has moved gains and biases off the numbers that a plain format holds.
        if (found[p.name].spec.granularity == Granularity::none)
            round_plain(p.value, found[p.name].spec.value);
        outcome.all.push_back(found[p.name]);
    }
    return outcome;
}

}  // namespace ptq
}  // namespace nibble
