// SPDX-License-Identifier: BSL-1.0
// How good a language model is on a text: mean loss in nats, next-token accuracy, and the divergence of
// its predictions from a reference model's.
//
//     KL = mean over positions of  sum_v p(v) (log p(v) - log q(v)),   p the reference, q the model
#pragma once

#include <nibble/kernel/loss.hpp>
#include <nibble/ptq/network.hpp>

#include <cmath>

namespace nibble::inline NIBBLE_ARCH {
namespace ptq {

/// What evaluate found.
struct Evaluation {
    double loss = 0;      ///< mean cross entropy, nats a token
    double accuracy = 0;  ///< share of positions whose largest logit is the next token
    double kl = 0;        ///< mean divergence from the reference, nats; 0 without one
    std::size_t tokens = 0;

    [[nodiscard]] double perplexity() const { return std::exp(loss); }
};

/// A text as windows: `length` ids go in, the ids one further are what should come out.
struct Windows {
    std::vector<std::int32_t> inputs, targets;
    std::size_t length = 0;

    [[nodiscard]] std::size_t count() const noexcept {
        return length == 0 ? 0 : inputs.size() / length;
    }
    /// The first n, or as many as there are.
    [[nodiscard]] Windows first(std::size_t n) const {
        Windows some = *this;
        if (n < count()) {
            some.inputs.resize(n * length);
            some.targets.resize(n * length);
        }
        return some;
    }
    [[nodiscard]] Sequences sequences() const noexcept { return {inputs, length}; }
};

/// Every `step`-th of the non-overlapping windows of a text, at most `most`. Fails when the text does
/// not fill one.
[[nodiscard]] inline Windows windows_of(std::span<const std::int32_t> text, std::size_t length,
                                        std::size_t step = 1,
                                        std::size_t most = static_cast<std::size_t>(-1)) {
    Windows w;
    w.length = length;
    if (length == 0 || step == 0 || text.size() < length + 1)
        fail("ptq: a text of " + std::to_string(text.size()) +
             " tokens does not fill a window of " + std::to_string(length) +
             " and the token after it");
    for (std::size_t at = 0; at + length < text.size() && w.count() < most; at += step * length) {
        w.inputs.insert(w.inputs.end(), text.begin() + static_cast<std::ptrdiff_t>(at),
                        text.begin() + static_cast<std::ptrdiff_t>(at + length));
        w.targets.insert(w.targets.end(), text.begin() + static_cast<std::ptrdiff_t>(at + 1),
                         text.begin() + static_cast<std::ptrdiff_t>(at + length + 1));
    }
    return w;
}

/// Windows of that length that go through a model at once: enough rows for every thread, few enough
/// for their logits.
[[nodiscard]] constexpr std::size_t windows_at_once(std::size_t length) noexcept {
    return length == 0 || length > 1024 ? 1 : 1024 / length;
}

/// n logits as log-probabilities, in place.
inline void log_softmax(float* x, std::size_t n) noexcept {
    float top = x[0];
    for (std::size_t i = 1; i < n; ++i) top = x[i] > top ? x[i] : top;
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) sum += std::exp(static_cast<double>(x[i] - top));
    const float log_sum = top + static_cast<float>(std::log(sum));
    for (std::size_t i = 0; i < n; ++i) x[i] -= log_sum;
}

/// Every row of logits as log-probabilities.
inline void log_softmax(Host& on, Tensor<float>& logits) {
    on.parallel_for(logits.rows(), 1 + 4096 / (logits.cols() + 1),
                    [&](std::size_t first, std::size_t end) {
                        for (std::size_t r = first; r < end; ++r)
                            log_softmax(logits.view().row(r), logits.cols());
                    });
}

/// A model's log-probabilities of all windows, kept to compare others with.
struct Reference {
    std::vector<Tensor<float>> batches;  ///< [rows, classes], windows_at_once(length) windows each
};

/// Any model's: `forward` takes Sequences and gives logits.
template <class Forward>
[[nodiscard]] Reference reference_of(Host& on, const Windows& text, Forward&& forward) {
    Reference reference;
    const std::size_t some = windows_at_once(text.length);
    for (std::size_t w = 0; w < text.count(); w += some) {
        Tensor<float> logits = forward(text.sequences().part(w, some));
        log_softmax(on, logits);
        reference.batches.push_back(std::move(logits));
    }
    return reference;
}

/// Loss, accuracy and, with a reference made of the same windows, divergence.
template <class Forward>
[[nodiscard]] Evaluation evaluate(Host& on, const Windows& text, Forward&& forward,
                                  const Reference* reference = nullptr) {
    Evaluation all;
    std::vector<double> row_kl;
    const std::size_t some = windows_at_once(text.length);
    for (std::size_t w = 0, batch = 0; w < text.count(); w += some, ++batch) {
        const Sequences part = text.sequences().part(w, some);
        Tensor<float> logits = forward(part);
        const std::span<const std::int32_t> targets =
            std::span(text.targets).subspan(w * text.length, part.ids.size());
        const auto found = softmax_cross_entropy(on, logits.view(), targets);
        all.loss += found.loss * static_cast<double>(found.counted);
        all.accuracy += static_cast<double>(found.correct);
        all.tokens += found.counted;
        if (reference == nullptr) continue;
        if (batch >= reference->batches.size() ||
            reference->batches[batch].rows() != logits.rows() ||
            reference->batches[batch].cols() != logits.cols())
            fail("ptq: the reference was made of other windows or another vocabulary");
        log_softmax(on, logits);
        row_kl.assign(logits.rows(), 0.0);
        const Tensor<float>& p = reference->batches[batch];
        on.parallel_for(
            logits.rows(), 1 + 4096 / (logits.cols() + 1), [&](std::size_t first, std::size_t end) {
                for (std::size_t r = first; r < end; ++r)
                    for (std::size_t i = 0; i < logits.cols(); ++i)
                        row_kl[r] +=
                            static_cast<double>(std::exp(p(r, i)) * (p(r, i) - logits(r, i)));
            });
        for (const double kl : row_kl) all.kl += kl;
    }
    const double n = all.tokens == 0 ? 1 : static_cast<double>(all.tokens);
    all.loss /= n;
    all.accuracy /= n;
    all.kl /= n;
    return all;
}

}  // namespace ptq
}  // namespace nibble
