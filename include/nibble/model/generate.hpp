// SPDX-License-Identifier: BSL-1.0
// Text from a language model, a token at a time: a session with its key and value caches, sampling,
// and a loop that streams.
#pragma once

#include <nibble/layer/loss.hpp>
#include <nibble/store/error.hpp>
#include <nibble/store/tensor.hpp>
#include <nibble/value/rounding.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace nibble::inline NIBBLE_ARCH {

/// One conversation with a model: what it has read so far, as keys and values. The model is held by
/// reference. Model has `config.context`, `make_cache()` and `forward(on, ids, cache)`.
template <class Model, class On = Host>
class Session {
public:
    explicit Session(const Model& model) : model_(&model), cache_(model.make_cache()) {}

    /// Reads tokens; the logits [tokens, vocabulary] of what follows each. Fails when they are more
    /// than room().
    [[nodiscard]] Tensor<float> feed(On& on, std::span<const std::int32_t> tokens) {
        if (tokens.size() > room())
            fail("Session: " + std::to_string(tokens.size()) + " tokens for a context of " +
                 std::to_string(context()) + " that holds " + std::to_string(position_) +
                 "; reset() and feed the last part again");
        auto logits = model_->forward(on, tokens, cache_);
        position_ += tokens.size();
        return logits;
    }
    [[nodiscard]] Tensor<float> feed(On& on, std::int32_t token) {
        return feed(on, std::span<const std::int32_t>(&token, 1));
    }
    /// Forgets everything read; the storage stays.
    void reset() {
        for (auto& layer : cache_) layer.clear();
        position_ = 0;
    }
    /// Tokens read since the start or the last reset.
    [[nodiscard]] std::size_t position() const noexcept { return position_; }
    [[nodiscard]] std::size_t context() const noexcept { return model_->config.context; }
    [[nodiscard]] std::size_t room() const noexcept { return context() - position_; }
    /// Bytes of the key and value caches.
    [[nodiscard]] std::size_t bytes() const {
        std::size_t n = 0;
        for (const auto& layer : cache_) n += layer.bytes();
        return n;
    }

private:
    const Model* model_;
    decltype(std::declval<const Model&>().make_cache()) cache_;
    std::size_t position_ = 0;
};

/// How the next token is chosen.
struct Sampling {
    std::size_t tokens = 128;  ///< how many to make
    float temperature = 0.0f;  ///< 0: always the likeliest (greedy)
    std::size_t top_k = 0;     ///< only the k likeliest; 0: all
    float top_p = 1.0f;        ///< only the likeliest that together reach this probability
    std::uint64_t seed = 0;    ///< equal seeds give equal text
};

/// A token drawn from logits as `how` says; `random` is a Random or has its uniform(). NaN is never
/// drawn while there are numbers.
template <class Generator>
[[nodiscard]] std::int32_t sample(std::span<const float> logits, const Sampling& how,
                                  Generator& random) {
    if (logits.empty()) fail("sample: there are no logits");
    // NaN has no order, and sorting needs one.
    const auto number = [&](std::size_t i) {
        return logits[i] == logits[i] ? logits[i] : -std::numeric_limits<float>::infinity();
    };
    std::vector<std::int32_t> order(logits.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int32_t>(i);
    const auto before = [&](std::int32_t a, std::int32_t b) {
        const float x = number(static_cast<std::size_t>(a)),
                    y = number(static_cast<std::size_t>(b));
        // Ties keep the order of the vocabulary, so equal logits give equal text everywhere.
        return x != y ? x > y : a < b;
    };
    if (!(how.temperature > 0)) return *std::min_element(order.begin(), order.end(), before);
    std::sort(order.begin(), order.end(), before);
    if (how.top_k != 0 && how.top_k < order.size()) order.resize(how.top_k);
    const double top = static_cast<double>(number(static_cast<std::size_t>(order[0])));
    double total = 0;
    Tensor<double> shares(Shape{order.size()});
    double* const share = shares.data();
    for (std::size_t i = 0; i < order.size(); ++i) {
        const double x = static_cast<double>(number(static_cast<std::size_t>(order[i])));
        total += share[i] = std::exp((x - top) / static_cast<double>(how.temperature));
    }
    double kept = 0;
    std::size_t count = 0;
    while (count < order.size() && (count == 0 || kept < static_cast<double>(how.top_p) * total))
        kept += share[count++];
    double at = random.uniform() * kept;
    for (std::size_t i = 0; i + 1 < count; ++i) {
        if (at < share[i]) return order[i];
        at -= share[i];
    }
    return order[count - 1];
}

/// Reads `prompt`, then makes tokens and hands each to on_token(token); stops early when that returns
/// false. When the context is full the session starts again from its last half, so text may be longer
/// than the context. Returns how many tokens were made.
template <class On, class Model, class OnToken>
std::size_t generate(On& on, Session<Model, On>& session, std::span<const std::int32_t> prompt,
                     const Sampling& how, OnToken&& on_token) {
    if (prompt.empty()) fail("generate: the prompt is empty, expected at least one token");
    // What the session cannot take goes; it starts again from the last half of a context.
    std::vector<std::int32_t> text(prompt.begin(), prompt.end());
    const auto read = [&](std::size_t fresh) {
        if (fresh > session.room()) {
            session.reset();
            fresh = std::min(text.size(), std::max<std::size_t>(session.context() / 2, 1));
        }
        return session.feed(
            on, std::span<const std::int32_t>(text.data() + text.size() - fresh, fresh));
    };
    Tensor<float> logits = read(text.size());
    Random random(how.seed);
    std::size_t made = 0;
    while (made < how.tokens) {
        const std::int32_t token = sample(
            {std::as_const(logits).view().row(logits.rows() - 1), logits.cols()}, how, random);
        ++made;
        if (!on_token(token) || made == how.tokens) break;
        text.push_back(token);
        logits = read(1);
    }
    return made;
}

}  // namespace nibble
