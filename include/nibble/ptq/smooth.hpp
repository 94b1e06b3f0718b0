// SPDX-License-Identifier: BSL-1.0
// Changes of a model that leave its function as it was and make it easier to round: channels scaled
// where one part hands over to the next (AWQ, Lin et al. 2023; SmoothQuant, Xiao et al. 2022).
//
//     y = W f(x),  f(x) = D f'(x)   =>   y = (W D) f'(x),   D diagonal
//
// AWQ:         s = (mean |x|)^a, a searched for each link by the output error after rounding
// SmoothQuant: s = (largest |x|)^a / (largest |w| of the column)^(1 - a)
#pragma once

#include <nibble/ptq/method.hpp>

namespace nibble::inline NIBBLE_ARCH {
namespace ptq {

/// Channel j of a link s[j] times smaller at its sources and larger at its users; `all` follows.
inline void scale_link(Network& net, const Link& link, std::span<const float> s, Statistics& all) {
    for (const std::string& name : link.sources) {
        Parameter& p = net.at(name);
        for (std::size_t j = 0; j < link.channels; ++j)
            if (!p.matrix) p.value(0, link.first + j) /= s[j];
            else
                for (std::size_t k = 0; k < p.value.cols; ++k) p.value(link.first + j, k) /= s[j];
    }
    for (const std::string& name : link.users) {
        Parameter& p = net.at(name);
        for (std::size_t r = 0; r < p.value.rows; ++r)
            for (std::size_t k = 0; k < p.value.cols; ++k) p.value(r, k) *= s[link.channel(k)];
        const auto found = all.find(name);
        if (found == all.end() || found->second.hessian.empty()) continue;
        InputStatistics& seen = found->second;
        for (std::size_t i = 0; i < p.value.cols; ++i) {
            const float by = s[link.channel(i)];
            seen.mean_size[i] /= static_cast<double>(by);
            seen.largest[i] /= by;
            for (std::size_t j = 0; j < p.value.cols; ++j)
                seen.hessian(i, j) /= by * s[link.channel(j)];
        }
    }
}

/// The mean of e H e^T over the rows of e = w - q, times their number: the output's square error.
[[nodiscard]] inline double output_error(Host& on, View<const float> e, const Tensor<float>& h) {
    Tensor<float> eh(Shape{e.rows, e.cols});
    matmul(on, h.view(), e, eh.view());
    double sum = 0;
    for (std::size_t r = 0; r < e.rows; ++r)
        for (std::size_t k = 0; k < e.cols; ++k)
            sum += static_cast<double>(e(r, k)) * static_cast<double>(eh(r, k));
    return sum;
}

/// For each link of which a user is rounded to a format of `spec_of`: the exponent with the least
/// output error, applied to the network. Gives how many links were changed.
inline std::size_t scale_by_activations(
    Network& net, const std::function<QuantizationSpec(const std::string&)>& spec_of,
    Statistics& all, const std::function<void(std::size_t, std::size_t)>& progress = {}) {
    std::size_t changed = 0, done = 0;
    Host& on = *net.on;
    for (const Link& link : net.links) {
        std::vector<double> size(link.channels);
        bool known = true;
        for (const std::string& name : link.users) {
            known = known && all.contains(name) && !all.at(name).hessian.empty() &&
                    spec_of(name).granularity != Granularity::none;
            if (!known) break;
            const auto& mean = all.at(name).mean_size;
            for (std::size_t k = 0; k < mean.size(); ++k) size[link.channel(k)] += mean[k];
        }
        if (known) {
            const auto [low, high] = std::minmax_element(size.begin(), size.end());
            for (double& x : size) x = std::max(x, 1e-4 * *high);
            const double middle = std::sqrt(std::max(*low, 1e-4 * *high) * *high);
            std::vector<float> best, s(link.channels, 1.0f);
            double least = std::numeric_limits<double>::infinity();
            for (int step = 0; middle > 0 && step < 16; ++step) {
                const double exponent = step / 16.0;
                for (std::size_t j = 0; j < link.channels; ++j)
                    s[j] = static_cast<float>(std::pow(size[j] / middle, exponent));
                double error = 0;
                for (const std::string& name : link.users) {
                    const View<float> w = net.at(name).value;
                    Tensor<float> scaled(Shape{w.rows, w.cols}), e(Shape{w.rows, w.cols});
                    std::vector<float> weights = column_weights(&all.at(name));
                    for (std::size_t k = 0; k < w.cols; ++k) {
                        const float by = s[link.channel(k)];
                        weights[k] /= by * by;
                        for (std::size_t r = 0; r < w.rows; ++r) scaled(r, k) = w(r, k) * by;
                    }
                    Quantized q(spec_of(name), w.rows, w.cols);
                    find_scales(on, scaled.view(), weights.data(), q);
                    round_codes(on, scaled.view(), q);
                    for (std::size_t r = 0; r < w.rows; ++r)
                        for (std::size_t k = 0; k < w.cols; ++k)
                            e(r, k) = w(r, k) - q(r, k) / s[link.channel(k)];
                    error += output_error(on, e.view(), all.at(name).hessian);
                }
                if (error < least) {
                    least = error;
                    best = s;
                }
            }
            if (!best.empty() &&
                std::any_of(best.begin(), best.end(), [](float x) { return x != 1.0f; })) {
                scale_link(net, link, best, all);
                ++changed;
            }
        }
        if (progress) progress(++done, net.links.size());
    }
    return changed;
}

/// Moves outliers of the activations into the weights, for formats that round both. `strength` is the
/// paper's alpha, in [0, 1].
inline void smooth(Network& net, Statistics& all, float strength = 0.5f) {
    if (!(strength >= 0 && strength <= 1))
        fail("ptq: a smoothing strength of " + std::to_string(strength) + ", expected 0 to 1");
    for (const Link& link : net.links) {
        std::vector<float> x(link.channels), w(link.channels), s(link.channels, 1.0f);
        bool known = true;
        for (const std::string& name : link.users) {
            const auto found = all.find(name);
            known = known && found != all.end() && !found->second.hessian.empty();
            if (!known) break;
            const View<float> m = net.at(name).value;
            for (std::size_t k = 0; k < m.cols; ++k) {
                const std::size_t j = link.channel(k);
                x[j] = std::max(x[j], found->second.largest[k]);
                for (std::size_t r = 0; r < m.rows; ++r) w[j] = std::max(w[j], std::fabs(m(r, k)));
            }
        }
        if (!known) continue;
        for (std::size_t j = 0; j < link.channels; ++j)
            if (x[j] > 0 && w[j] > 0)
                s[j] = std::clamp(std::pow(x[j], strength) / std::pow(w[j], 1 - strength), 1e-3f,
                                  1e3f);
        scale_link(net, link, s, all);
    }
}

}  // namespace ptq
}  // namespace nibble
