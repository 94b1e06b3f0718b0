// Tokenizing 1 MB of ordinary text, and decoding it again, in bytes of text a second on one thread. The
// text is words drawn by Zipf's law, and the vocabulary the 2,000 merges that are most frequent in it.
// "once" is a text of 2 KB, where few words have been met before.
#include <nibble/io/tokenizer.hpp>
#include <nibble/value/rounding.hpp>

#include <benchmark/benchmark.h>

#include <cmath>
#include <map>

namespace {

using namespace nibble;

struct Text {
    std::vector<std::string> words;  // the most frequent first
    std::string all;

    Text() {
        Random random(1);
        const auto letter = [&] {
            return static_cast<char>('a' + random.below(5) * random.below(6));
        };
        for (int i = 0; i < 20000; ++i) {
            std::string word = " ";
            for (std::size_t n = 1 + random.below(4) + random.below(6); n != 0; --n)
                word.push_back(letter());
            words.push_back(word);
        }
        while (all.size() < 1'000'000) {
            // The rank of a word drawn by Zipf's law is near e to a uniform number.
            const double rank = std::exp(random.uniform() * std::log(20000.0)) - 1;
            all += words[static_cast<std::size_t>(rank)];
            if (random.below(9) == 0) all += random.below(3) == 0 ? ".\n" : ",";
        }
    }
};
const Text& text() {
    static const Text made;
    return made;
}

/// The vocabulary that byte-pair training gives for the words.
Vocabulary trained(bool scored) {
    Vocabulary v;
    for (int b = 0; b < 256; ++b) v.tokens.emplace_back(1, static_cast<char>(b));
    std::vector<std::vector<std::string>> words;
    for (std::size_t i = 0; i < 2000; ++i) {
        words.emplace_back();
        for (const char c : text().words[i]) words.back().emplace_back(1, c);
    }
    for (int n = 0; n < 2000; ++n) {
        std::map<std::pair<std::string, std::string>, double> counts;
        for (std::size_t w = 0; w < words.size(); ++w)
            for (std::size_t i = 0; i + 1 < words[w].size(); ++i)
                counts[{words[w][i], words[w][i + 1]}] += 1.0 / static_cast<double>(w + 1);
        if (counts.empty()) break;
        const auto best =
            std::max_element(counts.begin(), counts.end(),
                             [](const auto& a, const auto& b) { return a.second < b.second; });
        const auto [left, right] = best->first;
        v.merges.emplace_back(left, right);
        v.tokens.push_back(left + right);
        for (auto& word : words)
            for (std::size_t i = 0; i + 1 < word.size(); ++i)
                if (word[i] == left && word[i + 1] == right) {
                    word[i] += right;
                    word.erase(word.begin() + static_cast<std::ptrdiff_t>(i) + 1);
                }
    }
    v.kinds.assign(v.tokens.size(), TokenKind::normal);
    v.bytes = !scored;
    if (!scored) v.cut = TextCut::gpt2;
    for (std::size_t i = 0; scored && i < v.tokens.size(); ++i)
        v.scores.push_back(-static_cast<float>(i));
    if (scored) v.merges.clear();
    return v;
}
const Tokenizer& tokenizer(bool scored) {
    static const Tokenizer ranks(trained(false)), scores(trained(true));
    return scored ? scores : ranks;
}

void encode(benchmark::State& state, bool scored, std::size_t bytes) {
    const Tokenizer& t = tokenizer(scored);
    const std::string_view part = std::string_view(text().all).substr(0, bytes);
    for (auto _ : state) benchmark::DoNotOptimize(t.encode(part).data());
    state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) *
                            static_cast<std::int64_t>(part.size()));
}
BENCHMARK_CAPTURE(encode, ranks, false, 1'000'000);
BENCHMARK_CAPTURE(encode, ranks_once, false, 2'000);
BENCHMARK_CAPTURE(encode, scores, true, 1'000'000);
BENCHMARK_CAPTURE(encode, scores_once, true, 2'000);

void decode(benchmark::State& state) {
    const Tokenizer& t = tokenizer(false);
    const auto ids = t.encode(text().all);
    for (auto _ : state) benchmark::DoNotOptimize(t.decode(ids).data());
    state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) *
                            static_cast<std::int64_t>(text().all.size()));
}
BENCHMARK(decode);

}  // namespace
