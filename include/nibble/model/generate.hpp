// SPDX-License-Identifier: BSL-1.0
// Text from a language model, a token at a time: sessions with their keys and values, and loops that
// stream, for one text or for several at once in one forward pass.
//
// A prompt is read in blocks that are counted from its own beginning. Products of one row, of a few and of
// many have kernels of their own with sums in other orders; a pass for several texts is padded to many rows,
// where every row is summed by itself. So a text depends neither on threads nor on the texts beside it.
#pragma once

#include <nibble/model/kv_sequence.hpp>
#include <nibble/model/sampling.hpp>
#include <nibble/store/tensor.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// Tokens of a prompt that go through the model together.
inline constexpr std::size_t prompt_block = 256;

/// Rows from which on all products are tiled, whatever the format and the instruction set.
inline constexpr std::size_t many_rows = 9;

/// Copies rows of equal width.
inline void copy_rows(View<const float> from, View<float> to) noexcept {
    for (std::size_t r = 0; r < from.rows; ++r)
        std::memcpy(to.row(r), from.row(r), from.cols * sizeof(float));
}

/// One conversation with a model: the tokens it has read and their keys and values. The model is held by
/// reference. Model is a Gpt2 or a Llama, or has their config.context, kv_config, hidden and logits.
template <class Model, class On = Host>
class Session {
public:
    /// Keys and values in the format that the model's precision names.
    explicit Session(const Model& model)
        : Session(model,
                  KvSequence<On>::template of<typename Model::CacheFormat>(model.kv_config())) {}
    /// Keys and values as the sequence has them.
    Session(const Model& model, KvSequence<On> sequence)
        : model_(&model), sequence_(std::move(sequence)) {
        // Later pushes ask for nothing. A context that nobody fills need not be paid for.
        tokens_.reserve(std::min<std::size_t>(context(), 1 << 16));
    }

    /// Reads tokens; the logits [tokens, vocabulary] of what follows each. Fails when they are more
    /// than room().
    [[nodiscard]] Tensor<float> feed(On& on, std::span<const std::int32_t> tokens) {
        expect_room(tokens.size());
        Tensor<float> all;
        for (std::size_t at = 0; at < tokens.size();) {
            const std::size_t n = std::min(tokens.size() - at, prompt_block);
            auto logits = model_->logits(on, read(on, tokens.subspan(at, n)));
            if (n == tokens.size()) return logits;
            if (at == 0) all = Tensor<float>(Shape{tokens.size(), logits.cols()});
            copy_rows(logits.view(), all.view().row_block(at, n));
            at += n;
        }
        return all;
    }
    [[nodiscard]] Tensor<float> feed(On& on, std::int32_t token) {
        return feed(on, std::span<const std::int32_t>(&token, 1));
    }
    /// Reads tokens; the logits [1, vocabulary] of what follows the last.
    [[nodiscard]] Tensor<float> feed_last(On& on, std::span<const std::int32_t> tokens) {
        expect_room(tokens.size());
        if (tokens.empty()) fail("Session: no tokens, expected at least one");
        for (;; tokens = tokens.subspan(prompt_block)) {
            const std::size_t n = std::min(tokens.size(), prompt_block);
            const auto x = read(on, tokens.first(n));
            if (n < tokens.size()) continue;
            Tensor<float> last(Shape{1, x.cols()});
            copy_rows(x.view().row_block(n - 1, 1), last.view());
            return model_->logits(on, std::move(last));
        }
    }

    /// Forgets everything read; storage stays, pages go back.
    void reset() {
        sequence_.clear();
        tokens_.clear();
    }
    /// Forgets what was read after the first `position` tokens. Fails in a sliding cache that has
    /// forgotten their keys and values.
    void rewind(std::size_t position) {
        if (position >= this->position()) return;
        if (sequence_.sliding() && this->position() > sequence_.capacity())
            fail("Session: back to position " + std::to_string(position) + " of " +
                 std::to_string(this->position()) + ", but the window has moved on");
        sequence_.truncate(position);
        tokens_.resize(position);
    }
    /// Starts again with what `other` has read and `prompt` begins with, and returns how many tokens
    /// that are: they need not be fed. At least the last token of the prompt is left to be fed. Sessions
    /// over one pool share the pages. (With *this as `other`: keeps that part.)
    std::size_t reuse(const Session& other, std::span<const std::int32_t> prompt) {
        std::size_t n = 0;
        const std::size_t most = prompt.empty() ? 0 : prompt.size() - 1;
        while (n < most && n < other.tokens_.size() && prompt[n] == other.tokens_[n]) ++n;
        if (other.sequence_.sliding() && other.position() > other.sequence_.capacity()) n = 0;
        if (&other == this) {
            if (n == 0) reset();
            else rewind(n);
            return n;
        }
        reset();
        if (n == 0) return 0;
        sequence_.take_prefix(other.sequence_, n);
        tokens_.assign(prompt.begin(), prompt.begin() + static_cast<std::ptrdiff_t>(n));
        return n;
    }

    /// Tokens read since the start or the last reset.
    [[nodiscard]] std::size_t position() const noexcept { return tokens_.size(); }
    [[nodiscard]] std::span<const std::int32_t> tokens() const noexcept { return tokens_; }
    [[nodiscard]] std::size_t context() const noexcept { return model_->config.context; }
    [[nodiscard]] std::size_t room() const noexcept { return context() - position(); }
    /// Bytes of keys and values.
    [[nodiscard]] std::size_t bytes() const { return sequence_.bytes(); }
    [[nodiscard]] const Model& model() const noexcept { return *model_; }
    [[nodiscard]] KvSequence<On>& sequence() noexcept { return sequence_; }

    /// Notes tokens that the model has read through sequence(), as generate_all does.
    void note(std::span<const std::int32_t> tokens) {
        tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
    }

private:
    void expect_room(std::size_t n) const {
        if (n > room())
            fail("Session: " + std::to_string(n) + " tokens for a context of " +
                 std::to_string(context()) + " that holds " + std::to_string(position()) +
                 "; reset() and feed the last part again");
    }
    Tensor<float> read(On& on, std::span<const std::int32_t> tokens) {
        const KvPart<On> part{&sequence_, tokens.size()};
        auto x = model_->hidden(on, tokens, std::span<const KvPart<On>>(&part, 1));
        note(tokens);
        return x;
    }

    const Model* model_;
    KvSequence<On> sequence_;
    std::vector<std::int32_t> tokens_;
};

/// One text of several: what it goes on from, by which rules, and where its tokens go.
template <class AnySession>
struct Generation {
    AnySession* session = nullptr;
    std::span<const std::int32_t> prompt;  ///< to be read first, after what the session has read
    Sampling how;
    std::size_t made = 0;  ///< tokens so far
};

/// Makes texts in one forward pass for each round: every text that is still being made takes part with
/// its next token, or with the next block of its prompt. Calls on_token(index, token), which ends a text
/// by returning false; a text also ends with `how.tokens` or when its context is full. Each text is the
/// same, bit for bit, whichever others are made with it.
template <class On, class Model, class OnToken>
void generate_all(On& on, const Model& model, std::span<Generation<Session<Model, On>>> texts,
                  OnToken&& on_token) {
    struct Text {
        Sampler sampler;
        std::span<const std::int32_t> left;  // of the prompt
        std::int32_t token = 0;
        bool reading = true, done = false;
    };
    std::vector<Text> states;
    for (const auto& t : texts) {
        if (t.prompt.empty()) fail("generate: the prompt is empty, expected at least one token");
        if (t.prompt.size() > t.session->room())
            fail("generate: a prompt of " + std::to_string(t.prompt.size()) +
                 " tokens, the session has room for " + std::to_string(t.session->room()));
        states.push_back({Sampler(t.how), t.prompt, 0, true, t.how.tokens == 0});
    }
    std::vector<std::int32_t> ids;
    std::vector<KvPart<On>> parts;
    ids.reserve(texts.size() * prompt_block + many_rows);
    parts.reserve(texts.size());
    for (;;) {
        ids.clear();
        parts.clear();
        std::size_t ready = 0;
        for (std::size_t i = 0; i < texts.size(); ++i) {
            Text& s = states[i];
            if (s.done) continue;
            const std::size_t n = s.reading ? std::min(s.left.size(), prompt_block) : 1;
            if (s.reading)
                ids.insert(ids.end(), s.left.begin(),
                           s.left.begin() + static_cast<std::ptrdiff_t>(n));
            else ids.push_back(s.token);
            parts.push_back({&texts[i].session->sequence(), n});
            ready += !s.reading || n == s.left.size() ? 1u : 0u;
        }
        if (parts.empty()) return;
        if (ids.size() < many_rows) ids.resize(many_rows);
        const auto x = model.hidden(on, ids, std::span<const KvPart<On>>(parts));
        Tensor<float> last(Shape{std::max(ready, many_rows), x.cols()});
        std::size_t row = 0, part = 0, out = 0;
        for (std::size_t i = 0; i < texts.size(); ++i) {
            Text& s = states[i];
            if (s.done) continue;
            const std::size_t n = parts[part++].rows;
            texts[i].session->note(std::span(ids).subspan(row, n));
            row += n;
            if (s.reading) {
                s.left = s.left.subspan(n);
                if (!s.left.empty()) continue;
                s.reading = false;
            }
            copy_rows(x.view().row_block(row - 1, 1), last.view().row_block(out++, 1));
        }
        if (ready == 0) continue;
        const auto logits = model.logits(on, std::move(last));
        out = 0;
        for (std::size_t i = 0; i < texts.size(); ++i) {
            Text& s = states[i];
            if (s.done || s.reading) continue;
            auto& t = texts[i];
            s.token = s.sampler.next({std::as_const(logits).view().row(out++), logits.cols()},
                                     t.session->tokens());
            ++t.made;
            s.done = !on_token(i, s.token) || t.made == t.how.tokens || t.session->room() == 0;
        }
    }
}

/// Reads `prompt`, after what the session has read, then makes tokens and hands each to on_token(token);
/// stops early when that returns false. When the context is full the session starts again from the last
/// half of all it has read, so text may be longer than the context. Returns how many tokens were made.
template <class On, class Model, class OnToken>
std::size_t generate(On& on, Session<Model, On>& session, std::span<const std::int32_t> prompt,
                     const Sampling& how, OnToken&& on_token) {
    if (prompt.empty()) fail("generate: the prompt is empty, expected at least one token");
    if (how.tokens == 0) return 0;
    // The whole conversation: what a full context starts again from, and what is not to be repeated.
    std::vector<std::int32_t> text;
    text.reserve(session.position() + prompt.size() + std::min<std::size_t>(how.tokens, 1 << 16));
    text.assign(session.tokens().begin(), session.tokens().end());
    text.insert(text.end(), prompt.begin(), prompt.end());
    const auto read = [&](std::size_t fresh) {
        if (fresh > session.room()) {
            session.reset();
            fresh = std::min(text.size(), std::max<std::size_t>(session.context() / 2, 1));
        }
        return session.feed_last(
            on, std::span<const std::int32_t>(text.data() + text.size() - fresh, fresh));
    };
    Tensor<float> logits = read(prompt.size());
    Sampler sampler(how);
    std::size_t made = 0;
    while (made < how.tokens) {
        const std::int32_t token =
            sampler.next({std::as_const(logits).view().row(0), logits.cols()}, text);
        ++made;
        if (!on_token(token) || made == how.tokens) break;
        text.push_back(token);
        logits = read(1);
    }
    return made;
}

}  // namespace nibble
