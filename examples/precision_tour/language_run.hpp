// One run of the character model, for any precision: the template that language_*.cpp instantiate.
#pragma once

#include "language.hpp"

#include <nibble/layer/loss.hpp>
#include <nibble/model/generate.hpp>
#include <nibble/model/gpt2.hpp>
#include <nibble/optim/adamw.hpp>
#include <nibble/train/trainer.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <vector>

namespace tour {

inline double seconds_since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Sequences and the character that follows each of their characters.
struct Batch {
    nibble::Tokens input;
    std::span<const std::int32_t> target;
};

/// Windows cut from a text, copied side by side.
class Windows {
public:
    explicit Windows(std::size_t context) : context_(context) {}
    void clear() {
        input_.clear();
        target_.clear();
    }
    void add(std::span<const std::int32_t> text, std::size_t first) {
        const auto window = text.subspan(first, context_ + 1);
        input_.insert(input_.end(), window.begin(), window.end() - 1);
        target_.insert(target_.end(), window.begin() + 1, window.end());
    }
    [[nodiscard]] Batch batch() const { return {{input_, context_}, target_}; }

private:
    std::size_t context_;
    std::vector<std::int32_t> input_, target_;
};

inline nibble::Gpt2Config config_of(const Lesson& lesson) {
    const Settings& s = lesson.settings;
    return {lesson.corpus.facts().vocabulary, s.context, s.layers, s.heads, s.channels};
}

/// Mean loss and share of characters predicted first, over evenly spaced validation windows.
template <class Net>
void judge(nibble::Host& on, const Net& net, const Lesson& lesson, double& loss, double& accuracy) {
    const Settings& s = lesson.settings;
    const auto text = lesson.corpus.validation();
    const std::size_t last = text.size() - s.context - 1;
    Windows windows(s.context);
    double total = 0;
    std::size_t hits = 0, seen = 0;
    for (std::size_t w = 0; w < s.validation_windows;) {
        windows.clear();
        for (std::size_t b = 0; b < 16 && w < s.validation_windows; ++b, ++w)
            windows.add(text, last * w / std::max<std::size_t>(s.validation_windows - 1, 1));
        const Batch batch = windows.batch();
        const auto logits = net.forward(on, batch.input);
        const auto found = nibble::softmax_cross_entropy(on, logits.view(), batch.target, {});
        total += found.loss * static_cast<double>(found.counted);
        hits += found.correct;
        seen += found.counted;
    }
    loss = total / static_cast<double>(seen);
    accuracy = static_cast<double>(hits) / static_cast<double>(seen);
}

/// Rounds every matrix to the format that the same matrix has in a Gpt2<P>.
template <class P>
WeightError weight_error(const Lesson& lesson, const Matrices& matrices) {
    nibble::Host on(1);
    const nibble::Gpt2<P> net(config_of(lesson));
    WeightError out;
    out.share.assign(WeightError::bins, 0.0);
    double signal = 0, noise = 0;
    std::size_t count = 0, exact = 0, at = 0;
    nibble::for_each_parameter(
        [&](const std::string&, const auto& parameter) {
            using T = std::remove_cvref_t<decltype(parameter)>;
            if constexpr (nibble::is_matrix<T>) {
                const nibble::Tensor<float>& w = matrices.at(at++);
                T stored(w.rows(), w.cols());
                out.clipped += nibble::quantize(on, w.view(), stored).saturated;
                auto back = nibble::Tensor<float>(w.shape());
                nibble::dequantize(on, stored, back.view());
                double power = 0;
                for (std::size_t r = 0; r < w.rows(); ++r)
                    for (std::size_t c = 0; c < w.cols(); ++c)
                        power += double{w(r, c)} * double{w(r, c)};
                const double rms = std::sqrt(power / static_cast<double>(w.size()));
                for (std::size_t r = 0; r < w.rows(); ++r)
                    for (std::size_t c = 0; c < w.cols(); ++c) {
                        const double e = std::fabs(double{w(r, c)} - double{back(r, c)});
                        noise += e * e;
                        ++count;
                        if (!(e > 0)) {
                            ++exact;
                            continue;
                        }
                        out.largest = std::max(out.largest, e / rms);
                        const double place = (std::log10(e / rms) - WeightError::low) /
                                             (WeightError::high - WeightError::low) *
                                             double{WeightError::bins};
                        const double bin = std::fmin(std::fmax(place, 0), WeightError::bins - 1);
                        out.share[static_cast<std::size_t>(bin)] += 1;
                    }
                signal += power;
            }
        },
        net);
    for (double& share : out.share) share /= static_cast<double>(count);
    out.exact = static_cast<double>(exact) / static_cast<double>(count);
    out.sqnr_db = noise > 0 ? 10 * std::log10(signal / noise) : 0;
    return out;
}

/// Goes on writing after the beginning of a line of the validation text; sets `speed` to characters a
/// second. The text returned starts with that beginning.
template <class Net>
std::string write_text(nibble::Host& on, const Net& net, const Lesson& lesson, double& speed) {
    const auto text = lesson.corpus.validation();
    const auto letter = [&](std::size_t i) { return lesson.corpus.character(text[i]); };
    const auto opens = [&](std::size_t i) {  // a line that is long enough to be one
        if (letter(i) != '\n' || letter(i + 1) <= ' ') return false;
        for (std::size_t k = 1; k < 30; ++k)
            if (letter(i + k) == '\n') return false;
        return true;
    };
    std::size_t first = 0;
    while (first + 30 < text.size() && !opens(first)) ++first;
    const auto prompt = text.subspan(first + 1, 12);
    nibble::Session<Net> session(net);
    std::string out;
    for (const std::int32_t token : prompt) out += lesson.corpus.character(token);
    const auto start = std::chrono::steady_clock::now();
    const std::size_t made = nibble::generate(
        on, session, prompt,
        {.tokens = lesson.settings.generated, .temperature = 0.6f, .seed = lesson.settings.seed},
        [&](std::int32_t token) {
            out += lesson.corpus.character(token);
            return true;
        });
    speed = static_cast<double>(made) / std::max(seconds_since(start), 1e-9);
    return out;
}

/// The decay of AdamW's first moment at a share of the run. Stochastic rounding adds noise in
/// proportion to the summed size of the steps, so weights of four bits want steps that are smoothed
/// more once the first lessons are learnt; wider ones keep the usual 0.9.
template <class P>
[[nodiscard]] float first_moment_decay(double share) {
    using nibble::bits_v, nibble::value_of, nibble::weight_t, nibble::mlp_t;
    if constexpr (bits_v<value_of<weight_t<mlp_t<P>>>> > 4) return 0.9f;
    else return static_cast<float>(0.9 + 0.08 * std::clamp((share - 0.1) / 0.3, 0.0, 1.0));
}

/// Trains a Gpt2<P> whose weights are stored as P says and nowhere else: the optimizer rounds every
/// step stochastically into them, and keeps its moments in the format Moments. The network is too
/// small to share out, so each precision has a thread to itself. `keep` sees the trained network.
template <class P, class Moments, class Keep>
LanguageResult learn(const Course& course, const Lesson& lesson, std::size_t row, Keep&& keep) {
    const Settings& s = lesson.settings;
    const auto begin = std::chrono::steady_clock::now();
    lesson.progress.begin(row, s.steps);
    LanguageResult result;
    result.name = course.name;
    result.label = course.label;
    result.storage = course.storage;
    result.moments = course.moments;
    result.update = course.update;

    nibble::Host on(1);
    nibble::Gpt2<P> net(config_of(lesson), nibble::Seed{s.seed});
    nibble::BasicAdamW<nibble::Gpt2<P>, Moments> optimizer(net, {.seed = s.seed});
    const nibble::WarmupCosine schedule{static_cast<float>(s.rate), s.steps / 20 + 1, s.steps};
    nibble::Trainer trainer(on, net, optimizer, nibble::cross_entropy, {.clip_norm = 1.0f});
    double ignored = 0;
    judge(on, net, lesson, result.initial_loss, ignored);

    nibble::Random batches(s.seed ^ 0xD1CE);
    const auto text = lesson.corpus.train();
    Windows windows(s.context);
    double busy = 0, trend = 0;
    for (std::size_t step = 0; step < s.steps; ++step) {
        windows.clear();
        for (std::size_t b = 0; b < s.batch; ++b)
            windows.add(text, batches.below(text.size() - s.context - 1));
        const auto start = std::chrono::steady_clock::now();
        optimizer.options.beta1 =
            first_moment_decay<P>(static_cast<double>(step) / static_cast<double>(s.steps));
        const double loss = double{trainer.step(windows.batch(), schedule)};
        busy += seconds_since(start);
        result.losses.push_back(loss);
        trend = step == 0 ? loss : trend + (loss - trend) * 0.05;
        result.train_tokens_per_second =
            static_cast<double>((step + 1) * s.batch * s.context) / busy;
        lesson.progress.update(row, step + 1,
                               tour::text("loss %.3f  %s chars/s", trend,
                                          rate_text(result.train_tokens_per_second).c_str()));
    }

    judge(on, net, lesson, result.validation_loss, result.accuracy);
    result.sample = write_text(on, net, lesson, result.generate_tokens_per_second);
    result.parameters = nibble::parameter_count(net);
    result.weight_bytes = nibble::parameter_bytes(net);
    result.optimizer_bytes = optimizer.bytes();
    result.seconds = seconds_since(begin);
    keep(net);
    lesson.progress.end(
        row, tour::text("loss %.3f  %s chars/s  accuracy %.1f %%", result.validation_loss,
                        rate_text(result.train_tokens_per_second).c_str(), 100 * result.accuracy));
    return result;
}

template <class P, class Moments>
LanguageResult learn(const Course& course, const Lesson& lesson, std::size_t row) {
    return learn<P, Moments>(course, lesson, row, [](const auto&) {});
}

/// How most precisions store a step.
inline constexpr const char* without_master = "stochastic rounding, no master copy";
inline constexpr const char* without_master_smoothed =
    "stochastic rounding, no master copy, first-moment decay rising to 0.98";

}  // namespace tour
