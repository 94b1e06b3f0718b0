// SPDX-License-Identifier: BSL-1.0
// Which token comes next: from logits to one id, by rules that are applied in this order:
//
//     repetition   logits of the last tokens are divided by the penalty, or multiplied when below 0
//                  (Keskar et al. 2019)
//     temperature  logits / temperature; 0: the likeliest, and nothing of what follows
//     min-p        only tokens at least min_p times as likely as the likeliest (Nguyen et al. 2024)
//     top-k        only the k likeliest (Fan et al. 2018)
//     top-p        only the likeliest that together reach p (Holtzman et al. 2020)
#pragma once

#include <nibble/store/error.hpp>
#include <nibble/value/rounding.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace nibble::inline NIBBLE_ARCH {

/// How the next token is chosen.
struct Sampling {
    std::size_t tokens = 128;  ///< how many to make
    float temperature = 0.0f;  ///< 0: always the likeliest (greedy)
    std::size_t top_k = 0;     ///< only the k likeliest; 0: all
    float top_p = 1.0f;        ///< only the likeliest that together reach this probability
    float min_p = 0.0f;        ///< only those at least this share as likely as the likeliest
    float repetition = 1.0f;   ///< above 1: what was there lately becomes less likely
    std::size_t recent = 64;   ///< tokens that "lately" covers
    std::uint64_t seed = 0;    ///< equal seeds give equal text
};

/// The rules as given; fails for numbers that are none.
[[nodiscard]] inline const Sampling& checked(const Sampling& how) {
    const auto expect = [](bool good, const char* what, float met, const char* expected) {
        if (!good)
            fail(std::string("Sampling: ") + what + " is " + std::to_string(met) + ", expected " +
                 expected);
    };
    expect(how.temperature >= 0 && how.temperature < 1e6f, "temperature", how.temperature,
           "0 or more");
    expect(how.top_p > 0 && how.top_p <= 1, "top_p", how.top_p, "above 0 and up to 1");
    expect(how.min_p >= 0 && how.min_p <= 1, "min_p", how.min_p, "0 to 1");
    expect(how.repetition > 0 && how.repetition < 1e6f, "repetition", how.repetition, "above 0");
    return how;
}

/// Draws tokens; one for each text. After the first token it asks for no memory.
class Sampler {
public:
    explicit Sampler(const Sampling& how = {}) : how_(checked(how)), random_(how.seed) {
        if (how.repetition != 1.0f) seen_.reserve(std::min<std::size_t>(how.recent, 1 << 16));
    }

    /// The next token's id. `history` is the text so far, of which the last tokens count. NaN is never
    /// drawn while there are numbers; equal logits keep the order of the vocabulary. Fails when there
    /// are no logits.
    [[nodiscard]] std::int32_t next(std::span<const float> logits,
                                    std::span<const std::int32_t> history = {}) {
        if (logits.empty()) fail("sample: there are no logits");
        const bool changed = how_.repetition != 1.0f && !history.empty();
        if (!(how_.temperature > 0) && !changed) return likeliest(logits);
        logits_.assign(logits.begin(), logits.end());
        if (changed) penalize(history);
        if (!(how_.temperature > 0)) return likeliest(logits_);
        return draw();
    }

private:
    struct Candidate {
        float logit;
        std::int32_t id;
        /// Likelier first.
        static bool before(const Candidate& a, const Candidate& b) noexcept {
            return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
        }
        static bool after(const Candidate& a, const Candidate& b) noexcept { return before(b, a); }
    };
    // NaN has no order, and sorting needs one.
    static float number(float x) noexcept {
        return x == x ? x : -std::numeric_limits<float>::infinity();
    }
    static std::int32_t likeliest(std::span<const float> logits) noexcept {
        std::size_t best = 0;
        for (std::size_t i = 1; i < logits.size(); ++i)
            if (number(logits[i]) > number(logits[best])) best = i;
        return static_cast<std::int32_t>(best);
    }
    void penalize(std::span<const std::int32_t> history) {
        seen_.assign(
            history.end() - static_cast<std::ptrdiff_t>(std::min(how_.recent, history.size())),
            history.end());
        std::sort(seen_.begin(), seen_.end());
        seen_.erase(std::unique(seen_.begin(), seen_.end()), seen_.end());
        for (const std::int32_t id : seen_) {
            if (id < 0 || static_cast<std::size_t>(id) >= logits_.size()) continue;
            float& x = logits_[static_cast<std::size_t>(id)];
            x = x > 0 ? x / how_.repetition : x * how_.repetition;
        }
    }
    [[nodiscard]] std::int32_t draw() {
        const float top = number(logits_[static_cast<std::size_t>(likeliest(logits_))]);
        const float least = how_.min_p > 0 ? top + how_.temperature * std::log(how_.min_p)
                                           : -std::numeric_limits<float>::infinity();
        candidates_.clear();
        for (std::size_t i = 0; i < logits_.size(); ++i)
            if (const float x = number(logits_[i]); x >= least)
                candidates_.push_back({x, static_cast<std::int32_t>(i)});
        if (how_.top_k != 0 && how_.top_k < candidates_.size()) {
            const auto end = candidates_.begin() + static_cast<std::ptrdiff_t>(how_.top_k);
            std::nth_element(candidates_.begin(), end - 1, candidates_.end(), Candidate::before);
            candidates_.erase(end, candidates_.end());
            std::sort(candidates_.begin(), candidates_.end(), Candidate::before);
        }
        const auto share = [&](const Candidate& c) {
            if (!(top > -std::numeric_limits<float>::infinity())) return 1.0;  // all alike
            return std::exp((static_cast<double>(c.logit) - static_cast<double>(top)) /
                            static_cast<double>(how_.temperature));
        };
        double total = 0;
        for (const Candidate& c : candidates_) total += share(c);
        if (how_.top_p < 1.0f) total = keep_top(total, share);
        double at = random_.uniform() * total;
        for (const Candidate& c : candidates_) {
            at -= share(c);
            if (at < 0) return c.id;
        }
        // Rounding may leave a little: it is that of the last with a share.
        for (std::size_t i = candidates_.size(); i-- > 0;)
            if (share(candidates_[i]) > 0) return candidates_[i].id;
        return candidates_[0].id;
    }
    /// Leaves the likeliest that together reach top_p of `total`, likeliest first; gives their sum.
    template <class Share>
    double keep_top(double total, const Share& share) {
        const double enough = static_cast<double>(how_.top_p) * total;
        double kept = 0;
        kept_.clear();
        std::make_heap(candidates_.begin(), candidates_.end(), Candidate::after);
        while (!candidates_.empty() && (kept_.empty() || kept < enough)) {
            std::pop_heap(candidates_.begin(), candidates_.end(), Candidate::after);
            kept_.push_back(candidates_.back());
            candidates_.pop_back();
            kept += share(kept_.back());
        }
        std::swap(candidates_, kept_);
        return kept;
    }

    Sampling how_;
    Random random_;
    std::vector<float> logits_;
    std::vector<std::int32_t> seen_;
    std::vector<Candidate> candidates_, kept_;
};

}  // namespace nibble
