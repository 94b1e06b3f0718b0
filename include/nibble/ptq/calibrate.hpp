// SPDX-License-Identifier: BSL-1.0
// What a model's weights are used for, gathered while a text runs through it.
//
// For a weight in a product: the mean of x x^T over its inputs (H, the Hessian of its output's square
// error) and how large each input channel is. For an embedding's table: how often each row is looked
// up, and how a change of the looked-up row would move the loss (G, the mean of g g^T over the gradients
// g of the rows). A table that is also the output layer has both parts, and rounding its row v costs
//
//     (w - q)^T (f_v G + c_v H) (w - q),    f_v the share of token v,  c_v the mean of p_v (1 - p_v)
//
// the Fisher information of the loss in the manner of K-FAC (Martens, Grosse 2015): the two parts are
// then in the same unit.
#pragma once

#include <nibble/ptq/evaluate.hpp>
#include <nibble/ptq/observe.hpp>

#include <algorithm>
#include <map>

namespace nibble::inline NIBBLE_ARCH {
namespace ptq {

/// What was seen of one weight.
struct InputStatistics {
    Tensor<float> hessian;          ///< H [in, in]; empty for a weight that is in no product
    std::vector<double> mean_size;  ///< mean of |x| for each channel
    std::vector<float> largest;     ///< largest |x| for each channel
    std::size_t rows = 0;           ///< inputs seen
    Observer sizes;                 ///< of all inputs, before anything was scaled or rotated

    Tensor<float> lookup;           ///< G [in, in]; empty for what is no table
    std::vector<double> frequency;  ///< f: share of each row among the lookups
    std::vector<double> spread;     ///< c: mean of p (1 - p) of each row's token
};

/// By the weight's name; a weight that nothing used is not there.
using Statistics = std::map<std::string, InputStatistics>;

/// m / n, element by element.
inline void divide(Tensor<float>& m, double n) {
    for (std::size_t r = 0; r < m.rows(); ++r)
        for (std::size_t k = 0; k < m.cols(); ++k)
            m(r, k) = static_cast<float>(static_cast<double>(m(r, k)) / n);
}

/// Puts back a network's callbacks when it goes.
class Restored {
public:
    explicit Restored(Watched& on) : on_(on), seen_(on.seen), scattered_(on.scattered) {}
    Restored(const Restored&) = delete;
    Restored& operator=(const Restored&) = delete;
    ~Restored() {
        on_.seen = std::move(seen_);
        on_.scattered = std::move(scattered_);
    }
    /// The callback that was there before.
    [[nodiscard]] const auto& seen() const noexcept { return seen_; }

private:
    Watched& on_;
    decltype(Watched::seen) seen_;
    decltype(Watched::scattered) scattered_;
};

/// Runs `text` through the network and keeps a record of the products of the weights that `wanted`
/// names; all without it. `order`, when there is one, gets the names of all weights in products, in the
/// order of their use.
[[nodiscard]] inline Statistics gather(Network& net, const Windows& text,
                                       const std::function<bool(const std::string&)>& wanted = {},
                                       std::vector<std::string>* order = nullptr) {
    if (text.count() == 0) fail("ptq: the calibration text has no window");
    Statistics all;
    Host& on = *net.on;
    const Restored before(*net.on);
    net.on->seen = [&](const void* weight, View<const float> x) {
        if (before.seen()) x = before.seen()(weight, x);
        const Parameter* p = net.of_weight(weight);
        if (p == nullptr) return x;
        if (order != nullptr && std::find(order->begin(), order->end(), p->name) == order->end())
            order->push_back(p->name);
        if (wanted && !wanted(p->name)) return x;
        InputStatistics& s = all[p->name];
        if (s.rows == 0) {
            s.hessian = Tensor<float>(Shape{x.cols, x.cols});
            s.mean_size.resize(x.cols);
            s.largest.resize(x.cols);
        }
        matmul_gradient(on, x, x, s.hessian.view());
        for (std::size_t r = 0; r < x.rows; ++r)
            for (std::size_t k = 0; k < x.cols; ++k) {
                const float size = std::fabs(x(r, k));
                s.mean_size[k] += static_cast<double>(size);
                s.largest[k] = size > s.largest[k] ? size : s.largest[k];
            }
        s.sizes.see(x);
        s.rows += x.rows;
        return x;
    };
    const std::size_t some = windows_at_once(text.length);
    for (std::size_t w = 0; w < text.count(); w += some)
        static_cast<void>(net.forward(text.sequences().part(w, some)));
    for (auto& [name, s] : all) {
        const double n = static_cast<double>(s.rows);
        divide(s.hessian, n);
        for (double& m : s.mean_size) m /= n;
    }
    return all;
}

/// Adds what is known of the tables that `wanted` names: needs the model's way back, does nothing
/// without.
inline void gather_tables(Network& net, const Windows& text,
                          const std::function<bool(const std::string&)>& wanted, Statistics& all) {
    if (!net.backward) return;
    Host& on = *net.on;
    const Restored before(*net.on);
    double tokens = 0;
    std::vector<double> spread;
    std::map<std::string, std::vector<double>> looked;
    net.on->scattered = [&](const float* gradient, std::span<const std::int32_t> ids,
                            View<const float> dy) {
        for (const Parameter& p : net.parameters) {
            if (p.gradient.data != gradient || !wanted(p.name)) continue;
            InputStatistics& s = all[p.name];
            if (s.lookup.empty()) s.lookup = Tensor<float>(Shape{dy.cols, dy.cols});
            // Whole gradients for each token, not shares of a mean: the sum of g g^T of a batch.
            matmul_gradient(on, dy, dy, s.lookup.view());
            s.frequency.resize(p.value.rows);
            for (const std::int32_t id : ids) s.frequency[static_cast<std::size_t>(id)] += 1;
        }
    };
    const std::size_t some = windows_at_once(2 * text.length);
    for (std::size_t w = 0; w < text.count(); w += some)
        net.backward(text.sequences().part(w, some), [&](const Tensor<float>& logits) {
            Tensor<float> slope = logits;
            log_softmax(on, slope);
            spread.resize(slope.cols());
            for (std::size_t r = 0; r < slope.rows(); ++r) {
                for (std::size_t i = 0; i < slope.cols(); ++i) {
                    const float p = std::exp(slope(r, i));
                    spread[i] += static_cast<double>(p * (1 - p));
                    slope(r, i) = p;
                }
                slope(r, static_cast<std::size_t>(text.targets[w * text.length + r])) -= 1;
            }
            tokens += static_cast<double>(slope.rows());
            return slope;
        });
    for (auto& [name, s] : all) {
        if (s.lookup.empty()) continue;
        divide(s.lookup, tokens);
        for (double& f : s.frequency) f /= tokens;
        s.spread = spread;
        for (double& c : s.spread) c /= tokens;
    }
}

}  // namespace ptq
}  // namespace nibble
