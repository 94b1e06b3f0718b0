// SPDX-License-Identifier: BSL-1.0
// Mixed precision under a byte budget: how much each matrix hurts at each format, measured, and the
// choice that hurts least in all.
//
// The sensitivity of a matrix to a format is the divergence of the model's predictions when that
// matrix alone is rounded to it. Divergences add up nearly (each is quadratic in its error), so the
// choice is a multiple-choice knapsack, solved along the lower convex hull of each matrix: every step
// buys the byte that saves most, which is optimal but for the last one that does not fit.
#pragma once

#include <nibble/ptq/quantize.hpp>

namespace nibble::inline NIBBLE_ARCH {
namespace ptq {

/// A matrix in one of the formats it may take.
struct Choice {
    QuantizationSpec spec;
    std::size_t bytes = 0;
    double kl = 0;  ///< divergence with this matrix alone rounded, nats a token
};

/// A matrix in all of them.
struct Sensitivity {
    std::string name;
    std::vector<Choice> choices;
};

/// Formats that allocation chooses from unless told otherwise.
[[nodiscard]] inline std::vector<QuantizationSpec> stock_choices() {
    std::vector<QuantizationSpec> specs;
    for (const char* text :
         {"int2-g64", "int3-g128", "int3-g32", "int4-g128", "int4-g32", "int8-row"})
        specs.push_back(parse_spec(text).spec);
    return specs;
}

/// Measures every matrix that `chosen` names at every format, over `text`; rounding is by GPTQ when
/// `seen` knows the matrix, by search otherwise. The network is as before afterwards.
[[nodiscard]] inline std::vector<Sensitivity> measure_sensitivity(
    Network& net, const Windows& text, const Statistics& seen,
    const std::vector<QuantizationSpec>& formats,
    const std::function<bool(const std::string&)>& chosen, const Progress& progress = {}) {
    Host& on = *net.on;
    const Reference exact = reference_of(on, text, net.forward);
    std::vector<Sensitivity> all;
    std::size_t wanted = 0;
    for (const Parameter& p : net.parameters) wanted += p.matrix && chosen(p.name) ? 1u : 0u;
    for (Parameter& p : net.parameters) {
        if (!p.matrix || !chosen(p.name)) continue;
        Tensor<float> before(Shape{p.value.rows, p.value.cols});
        for (std::size_t r = 0; r < p.value.rows; ++r)
            std::copy_n(p.value.row(r), p.value.cols, before.view().row(r));
        const auto known = seen.find(p.name);
        Sensitivity one{p.name, {}};
        for (const QuantizationSpec& spec : formats) {
            const Quantized q =
                quantize_weight(on, before.view(), known == seen.end() ? nullptr : &known->second,
                                spec, known == seen.end() ? Method::search : Method::gptq);
            q.write(p.value);
            const Evaluation e = evaluate(on, text, net.forward, &exact);
            one.choices.push_back({q.spec, stored_bytes(q.spec, q.rows(), q.cols()), e.kl});
            for (std::size_t r = 0; r < p.value.rows; ++r)
                std::copy_n(before.view().row(r), p.value.cols, p.value.row(r));
        }
        all.push_back(std::move(one));
        if (progress) progress("measure " + p.name, all.size(), wanted);
    }
    return all;
}

/// The corners of the lower convex hull of (bytes, kl), ascending in bytes, descending in kl.
[[nodiscard]] inline std::vector<Choice> hull_of(std::vector<Choice> choices) {
    std::sort(choices.begin(), choices.end(), [](const Choice& a, const Choice& b) {
        return a.bytes != b.bytes ? a.bytes < b.bytes : a.kl < b.kl;
    });
    std::vector<Choice> hull;
    const auto slope = [](const Choice& a, const Choice& b) {
        return (a.kl - b.kl) / static_cast<double>(b.bytes - a.bytes);
    };
    for (const Choice& c : choices) {
        if (!hull.empty() && (c.bytes == hull.back().bytes || c.kl >= hull.back().kl)) continue;
        while (hull.size() >= 2 &&
               slope(hull[hull.size() - 2], hull.back()) <= slope(hull.back(), c))
            hull.pop_back();
        hull.push_back(c);
    }
    return hull;
}

/// A rule for each matrix, so that all together take at most `budget` bytes. Fails when even the
/// smallest formats take more.
[[nodiscard]] inline Policy allocate(const std::vector<Sensitivity>& all, std::size_t budget) {
    struct Place {
        std::vector<Choice> hull;
        std::size_t at = 0;
        bool full = false;  ///< its next step no longer fits
    };
    std::vector<Place> places;
    std::size_t bytes = 0;
    for (const Sensitivity& s : all) {
        if (s.choices.empty()) fail("ptq: no format to choose from for " + s.name);
        places.push_back({hull_of(s.choices)});
        bytes += places.back().hull.front().bytes;
    }
    if (bytes > budget)
        fail("ptq: a budget of " + std::to_string(budget) +
             " bytes for the matrices, which take at least " + std::to_string(bytes));
    while (true) {
        Place* best = nullptr;
        double gain = -1;
        for (Place& p : places) {
            if (p.full || p.at + 1 == p.hull.size()) continue;
            const Choice &now = p.hull[p.at], &next = p.hull[p.at + 1];
            const double rate = (now.kl - next.kl) / static_cast<double>(next.bytes - now.bytes);
            if (rate > gain) {
                gain = rate;
                best = &p;
            }
        }
        if (best == nullptr) break;
        const std::size_t more = best->hull[best->at + 1].bytes - best->hull[best->at].bytes;
        if (bytes + more > budget) {
            best->full = true;
            continue;
        }
        bytes += more;
        ++best->at;
    }
    Policy policy;
    for (std::size_t i = 0; i < all.size(); ++i)
        policy.rules.push_back({all[i].name, places[i].hull[places[i].at].spec});
    return policy;
}

/// Bytes that a text asks for: "3.5bpw" (bits for each of `parameters` numbers), "120KB", "1.5MB",
/// "2GB" (powers of 1000) or a number of bytes. Fails for anything else.
[[nodiscard]] inline std::size_t parse_budget(const std::string& text, std::size_t parameters) {
    std::size_t end = 0, dots = 0;
    while (end < text.size() && ((text[end] >= '0' && text[end] <= '9') || text[end] == '.'))
        dots += text[end++] == '.' ? 1u : 0u;
    const std::string unit = text.substr(end);
    const double each = unit == "bpw"  ? static_cast<double>(parameters) / 8
                        : unit == "KB" ? 1e3
                        : unit == "MB" ? 1e6
                        : unit == "GB" ? 1e9
                        : unit.empty() ? 1.0
                                       : 0.0;
    double number = 0, place = 1;
    bool fraction = false;
    for (const char c : text.substr(0, end)) {
        if (c == '.') fraction = true;
        else if (fraction) number += (place /= 10) * (c - '0');
        else number = number * 10 + (c - '0');
    }
    const double bytes = number * each;
    if (end == 0 || dots > 1 || text[0] == '.' || each == 0 || !(bytes >= 1) || bytes > 1e18)
        fail("ptq: a budget of \"" + text +
             "\", expected bits a weight (3.5bpw), KB, MB, GB or bytes");
    return static_cast<std::size_t>(bytes);
}

}  // namespace ptq
}  // namespace nibble
