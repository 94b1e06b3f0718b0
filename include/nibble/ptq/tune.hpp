// SPDX-License-Identifier: BSL-1.0
// Tuning after rounding: the codes stay, and the few numbers that are not codes (scales, offsets,
// gains, biases) are moved by gradient until the quantized model predicts what the exact one did.
//
//     minimise  KL(exact model || quantized model)  over the calibration text
//     d loss / d scale = sum over the run of  dW * code,    d loss / d offset = sum of dW
//
// (Chen et al. 2024, EfficientQAT, its end-to-end phase.) The scales make up less than a percent of a
// model, so a few hundred steps of Adam on some thousand tokens are enough, and nothing is learnt from
// the text itself: its words only say where to compare.
#pragma once

#include <nibble/ptq/evaluate.hpp>
#include <nibble/ptq/quantized.hpp>

#include <algorithm>
#include <map>

namespace nibble::inline NIBBLE_ARCH {
namespace ptq {

/// How tune works.
struct TuneOptions {
    int steps = 200;            ///< updates
    std::size_t batch = 8;      ///< sequences an update
    float scale_rate = 2e-3f;   ///< step of a scale, as a share of its size
    float vector_rate = 5e-4f;  ///< step of gains and biases, absolute
    std::uint64_t seed = 1;     ///< of the order of sequences
};

/// The quantized tensors of a model, by parameter.
using QuantizedTensors = std::map<std::string, Quantized>;

/// Adam for a run of plain numbers.
class SmallAdam {
public:
    explicit SmallAdam(std::size_t n) : m_(n), v_(n) {}
    /// The direction for element i given its gradient, at update t = 1, 2, ...
    [[nodiscard]] float step(std::size_t i, float g, int t) {
        m_[i] = 0.9f * m_[i] + 0.1f * g;
        v_[i] = 0.99f * v_[i] + 0.01f * g * g;
        const float m = m_[i] / (1 - std::pow(0.9f, static_cast<float>(t)));
        const float v = v_[i] / (1 - std::pow(0.99f, static_cast<float>(t)));
        return v > 0 ? m / (std::sqrt(v) + 1e-12f) : 0.0f;
    }

private:
    std::vector<float> m_, v_;
};

/// A network's numbers at one time, to be put in the place of those it has now and taken out again.
class Snapshot {
public:
    explicit Snapshot(const Network& net) {
        for (const Parameter& p : net.parameters) {
            Tensor<float> copy(Shape{p.value.rows, p.value.cols});
            for (std::size_t r = 0; r < p.value.rows; ++r)
                std::copy_n(p.value.row(r), p.value.cols, copy.view().row(r));
            values_.push_back(std::move(copy));
        }
    }
    /// Exchanges the numbers kept with those of the network.
    void exchange(Network& net) {
        for (std::size_t i = 0; i < values_.size(); ++i) {
            const View<float> now = net.parameters[i].value;
            for (std::size_t r = 0; r < now.rows; ++r)
                std::swap_ranges(now.row(r), now.row(r) + now.cols, values_[i].view().row(r));
        }
    }

private:
    std::vector<Tensor<float>> values_;
};

/// Moves scales and offsets of `tensors`, and every vector of the network that is not among them,
/// towards what the model predicted when `exact` was taken. The network's matrices hold the quantized
/// numbers on return. Scales are rounded to their stored type at every step. `report(done, steps, kl)`
/// is called after each.
inline void tune(Network& net, const Windows& text, Snapshot& exact, QuantizedTensors& tensors,
                 const TuneOptions& options = {},
                 const std::function<void(int, int, double)>& report = {}) {
    if (!net.backward) fail("ptq: tuning needs a model with a way back");
    Host& on = *net.on;
    struct Moving {
        Parameter* parameter;
        Quantized* q;                   // null: a vector
        Tensor<float> scales, offsets;  // exact, before they are rounded
        SmallAdam scale_adam, offset_adam;
    };
    std::vector<Moving> moving;
    for (Parameter& p : net.parameters) {
        const auto found = tensors.find(p.name);
        if (found != tensors.end()) {
            Quantized& q = found->second;
            if (q.spec.granularity == Granularity::tensor || q.spec.scale == ValueKind::e8m0)
                continue;
            moving.push_back({&p, &q, q.scales, q.offsets, SmallAdam(q.scales.size()),
                              SmallAdam(q.offsets.size())});
        } else if (!p.matrix) {
            moving.push_back({&p, nullptr, {}, {}, SmallAdam(p.value.cols), SmallAdam(0)});
        }
    }
    const std::size_t count = text.count();
    if (count == 0 || options.batch == 0)
        fail("ptq: tuning needs a text and a batch of some of it");
    Random random(options.seed);
    std::vector<std::int32_t> ids;
    for (int t = 1; t <= options.steps; ++t) {
        ids.clear();
        for (std::size_t i = 0; i < options.batch; ++i) {
            const std::size_t chosen = random.below(static_cast<std::uint32_t>(count));
            const auto from =
                text.inputs.begin() + static_cast<std::ptrdiff_t>(chosen * text.length);
            ids.insert(ids.end(), from, from + static_cast<std::ptrdiff_t>(text.length));
        }
        exact.exchange(net);
        Tensor<float> target = net.forward({ids, text.length});
        exact.exchange(net);
        log_softmax(on, target);
        double kl = 0;
        net.backward({ids, text.length}, [&](const Tensor<float>& logits) {
            Tensor<float> slope = logits;
            log_softmax(on, slope);
            const float share = 1.0f / static_cast<float>(slope.rows());
            for (std::size_t r = 0; r < slope.rows(); ++r)
                for (std::size_t i = 0; i < slope.cols(); ++i) {
                    const float mine = slope(r, i), likely = std::exp(target(r, i));
                    kl += static_cast<double>(likely * (target(r, i) - mine) * share);
                    slope(r, i) = (std::exp(mine) - likely) * share;
                }
            return slope;
        });
        // A short start, then a cosine down to a tenth.
        const float phase = static_cast<float>(t) / static_cast<float>(options.steps);
        const float warm = t < 10 ? static_cast<float>(t) / 10 : 1.0f;
        const float rate = warm * (0.55f + 0.45f * std::cos(3.14159265f * phase));
        for (Moving& m : moving) {
            const View<float> dw = m.parameter->gradient;
            if (m.q == nullptr) {
                float* w = m.parameter->value.data;
                for (std::size_t i = 0; i < m.parameter->value.cols; ++i)
                    w[i] -= rate * options.vector_rate * m.scale_adam.step(i, dw.data[i], t);
                continue;
            }
            Quantized& q = *m.q;
            for (std::size_t r = 0; r < q.rows(); ++r)
                for (std::size_t i = 0; i < q.runs(); ++i) {
                    const float* g = dw.row(r) + i * q.run;
                    const float* code = q.codes.view().row(r) + i * q.run;
                    float ds = 0, d0 = 0;
                    for (std::size_t k = 0; k < q.run; ++k) {
                        ds += g[k] * code[k];
                        d0 += g[k];
                    }
                    const std::size_t at = r * q.runs() + i;
                    const float size = std::fabs(m.scales(r, i));
                    m.scales(r, i) -=
                        rate * options.scale_rate * size * m.scale_adam.step(at, ds, t);
                    q.scales(r, i) = stored_scale_of(q.spec.scale, m.scales(r, i));
                    if (q.offsets.empty()) continue;
                    m.offsets(r, i) -=
                        rate * options.scale_rate * size * m.offset_adam.step(at, d0, t);
                    q.offsets(r, i) = stored_offset_of(q.spec.scale, m.offsets(r, i));
                }
            q.write(m.parameter->value);
        }
        if (report) report(t, options.steps, kl);
    }
}

}  // namespace ptq
}  // namespace nibble
