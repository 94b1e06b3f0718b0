// Several texts at once, keys and values in pages, and what a text may not depend on.
#include "support/allocations.hpp"

#include <nibble/model/generate.hpp>
#include <nibble/model/llama.hpp>

#include <doctest/doctest.h>

#include <cstring>

using namespace nibble;

namespace {

constexpr LlamaConfig small{.vocabulary = 130,
                            .context = 400,
                            .layers = 2,
                            .heads = 4,
                            .kv_heads = 2,
                            .channels = 64,
                            .hidden = 96};
using Model = Llama<Grouped<Int4Value, 32>>;

const Model& model() {
    static const Model made(small, Seed{7});
    return made;
}

std::vector<std::int32_t> prompt(std::size_t n, std::size_t seed) {
    std::vector<std::int32_t> ids(n);
    for (std::size_t i = 0; i < n; ++i)
        ids[i] = static_cast<std::int32_t>((i * i * 7 + seed * 31 + i) % 130);
    return ids;
}

Sampling rules(std::size_t i) {
    return {.tokens = 12 + i, .temperature = 0.9f, .top_p = 0.95f, .repetition = 1.1f, .seed = i};
}

/// The texts that go on from prompts of different lengths, made together, or each alone.
template <Format Cache>
std::vector<std::vector<std::int32_t>> texts(int threads, std::size_t count, bool together,
                                             std::shared_ptr<KvPages<>> pages = nullptr) {
    Host on(threads);
    std::vector<std::vector<std::int32_t>> prompts, made(count);
    std::vector<Session<Model>> sessions;
    for (std::size_t i = 0; i < count; ++i) {
        prompts.push_back(prompt(1 + i * 83 % 300, i));
        sessions.emplace_back(model(), KvSequence<>::of<Cache>(model().kv_config(), pages));
    }
    std::vector<Generation<Session<Model>>> all;
    for (std::size_t i = 0; i < count; ++i) all.push_back({&sessions[i], prompts[i], rules(i)});
    const auto run = [&](std::size_t first, std::size_t n) {
        generate_all(on, model(), std::span(all).subspan(first, n),
                     [&](std::size_t i, std::int32_t id) {
                         made[first + i].push_back(id);
                         return true;
                     });
    };
    if (together) run(0, count);
    else
        for (std::size_t i = 0; i < count; ++i) run(i, 1);
    for (std::size_t i = 0; i < count; ++i) CHECK(made[i].size() == 12 + i);
    return made;
}

bool same_bits(const Tensor<float>& a, const Tensor<float>& b) {
    return a.bytes() == b.bytes() && std::memcmp(a.data(), b.data(), a.bytes()) == 0;
}

std::shared_ptr<KvPages<>> pool(std::size_t pages) {
    return std::make_shared<KvPages<>>(
        pages, KvStore<PerRow<Int8Value>>::page_bytes(model().kv_config().shape()));
}

}  // namespace

TEST_CASE("texts depend neither on threads, nor on the texts beside them, nor on pages") {
    const auto alone = texts<PerRow<Int8Value>>(1, 11, false);
    CHECK(texts<PerRow<Int8Value>>(2, 11, true) == alone);
    CHECK(texts<PerRow<Int8Value>>(3, 11, true, pool(2 * 11 * 6)) == alone);
    const auto three = texts<PerRow<Int8Value>>(2, 3, true);
    CHECK(three == std::vector(alone.begin(), alone.begin() + 3));
}

TEST_CASE("logits are the same bits with any number of sequences in the pass") {
    Host on(2);
    const auto first = [&](std::size_t others) {
        std::vector<KvSequence<>> sequences;
        std::vector<KvPart<>> parts;
        std::vector<std::int32_t> ids;
        for (std::size_t i = 0; i <= others; ++i)
            sequences.push_back(KvSequence<>::of<PerRow<Int8Value>>(model().kv_config()));
        for (std::size_t i = 0; i <= others; ++i) {
            const auto part = prompt(i == 0 ? 1 : i * 5 % 17 + 1, i);
            ids.insert(ids.end(), part.begin(), part.end());
            parts.push_back({&sequences[i], part.size()});
        }
        if (ids.size() < many_rows) ids.resize(many_rows);
        const auto logits =
            model().logits(on, model().hidden(on, ids, std::span<const KvPart<>>(parts)));
        const float* row = std::as_const(logits).view().row(0);
        return std::vector<float>(row, row + logits.cols());
    };
    const auto alone = first(0);
    for (const std::size_t others : {1u, 2u, 5u, 20u}) {
        const auto with = first(others);
        CHECK(std::memcmp(alone.data(), with.data(), alone.size() * sizeof(float)) == 0);
    }
}

TEST_CASE("sessions that begin alike share pages, and go their own ways") {
    Host on(1);
    const auto pages = pool(40);
    const auto config = model().kv_config();
    const auto open = [&] {
        return Session(model(), KvSequence<>::of<PerRow<Int8Value>>(config, pages));
    };
    const auto text = prompt(200, 3);
    auto first = open();
    const auto expected = first.feed_last(on, text);
    CHECK(pages->used() == 2 * 4);  // two layers, 200 positions in blocks of 64
    CHECK(first.bytes() == 8 * pages->page_bytes());
    const auto continued = first.feed(on, 5);

    auto other = text;
    other[150] = 1;  // the same up to here: two whole pages and a part of the third
    auto second = open();
    CHECK(second.reuse(first, other) == 150);
    CHECK(pages->used() == 8);
    CHECK(second.position() == 150);
    static_cast<void>(second.feed_last(on, std::span(other).subspan(150)));
    CHECK(pages->used() == 8 + 2 * 2);
    // What the second wrote is not in the first, and what they share is as if it had been computed.
    first.rewind(200);
    CHECK(same_bits(first.feed(on, 5), continued));
    auto third = open();
    CHECK(third.reuse(first, text) == 199);  // the last token is fed again: its logits are wanted
    const auto again = third.feed_last(on, std::span(text).subspan(199));
    CHECK(again.cols() == expected.cols());
    third.reset();
    second.reset();
    first.reset();
    CHECK(pages->used() == 0);
}

TEST_CASE("a pool that is used up says so before anything changes") {
    Host on(1);
    const auto pages = pool(2 * 2);
    Session session(model(), KvSequence<>::of<PerRow<Int8Value>>(model().kv_config(), pages));
    static_cast<void>(session.feed_last(on, prompt(100, 1)));
    CHECK_THROWS_WITH_AS(
        static_cast<void>(session.feed_last(on, prompt(60, 1))),
        doctest::Contains("2 pages of keys and values are needed, 0 of 4 are free"), Error);
    CHECK(session.position() == 100);
    static_cast<void>(session.feed_last(on, prompt(28, 1)));
    CHECK_THROWS_AS(static_cast<void>(KvSequence<>::of<float>(model().kv_config(), pages)), Error);
}

TEST_CASE("a token asks the system for no memory after the first few") {
    Host on(2);
    Session session(model(), KvSequence<>::of<PerRow<Int8Value>>(model().kv_config()));
    std::size_t before = 0, after = 0, n = 0;
    generate(on, session, prompt(20, 1),
             {.tokens = 200, .temperature = 0.8f, .top_k = 40, .top_p = 0.9f, .repetition = 1.2f},
             [&](std::int32_t) {
                 if (++n == 10) before = support::allocations();
                 after = support::allocations();
                 return true;
             });
    CHECK(n == 200);
    CHECK(after == before);
}

TEST_CASE("a session goes back, and says what does not fit") {
    Host on(1);
    Session session(model());
    const auto text = prompt(30, 2);
    const auto logits = session.feed(on, text);
    CHECK(logits.rows() == 30);
    session.rewind(29);
    CHECK(session.tokens().size() == 29);
    CHECK(session.reuse(session, prompt(30, 2)) == 29);
    CHECK_THROWS_WITH_AS(static_cast<void>(session.feed(on, prompt(400, 1))),
                         doctest::Contains("400 tokens for a context of 400 that holds 29"), Error);
    std::vector<Generation<Session<Model>>> one{{&session, {}, {}}};
    const auto ignore = [](std::size_t, std::int32_t) { return true; };
    CHECK_THROWS_AS(generate_all(on, model(), std::span(one), ignore), Error);
}

TEST_CASE("a full context starts again from the last half of the whole conversation") {
    Host on(1);
    auto config = small;
    config.context = 32;
    const Model tiny(config, Seed{7});
    Session<Model> session(tiny);
    std::vector<std::int32_t> all = prompt(28, 1);
    static_cast<void>(session.feed_last(on, all));
    const std::vector<std::int32_t> more{5, 9};
    all.insert(all.end(), more.begin(), more.end());
    std::vector<std::size_t> positions;
    CHECK(generate(on, session, more, {.tokens = 5}, [&](std::int32_t id) {
              positions.push_back(session.position());
              all.push_back(id);
              return true;
          }) == 5);
    CHECK(positions == std::vector<std::size_t>{30, 31, 32, 16, 17});
    // The last token made is not read; those before it are the session's.
    const std::vector<std::int32_t> last(all.end() - 18, all.end() - 1);
    CHECK(std::ranges::equal(session.tokens(), last));
    CHECK(session.tokens()[0] == prompt(28, 1)[17]);
}

TEST_CASE("tokens of earlier calls are repeated no more than those of this one") {
    Host on(1);
    const auto first = prompt(12, 3);
    const std::vector<std::int32_t> second{4};
    const Sampling how{.tokens = 30, .temperature = 0, .repetition = 1.6f};
    std::vector<std::int32_t> parts, whole;
    Session<Model> session(model()), other(model());
    static_cast<void>(session.feed_last(on, first));
    static_cast<void>(generate(on, session, second, how, [&](std::int32_t id) {
        parts.push_back(id);
        return true;
    }));
    static_cast<void>(other.feed_last(on, first));
    std::vector<Generation<Session<Model>>> one{{&other, second, how}};
    generate_all(on, model(), std::span(one), [&](std::size_t, std::int32_t id) {
        whole.push_back(id);
        return true;
    });
    CHECK(parts == whole);
}

TEST_CASE("a sliding window needs no more memory than itself, and sees as much") {
    auto config = small;
    config.window = 50;
    const Model windowed(config, Seed{3});
    CHECK(windowed.kv_config().cache.capacity == 128);
    Host on(1);
    const auto text = prompt(300, 4);
    const auto whole = windowed.forward(on, Tokens{text, 300});
    Session session(windowed);
    const auto fed = session.feed(on, text);
    double worst = 0;
    for (std::size_t r = 0; r < 300; ++r)
        for (std::size_t c = 0; c < 130; ++c)
            worst = std::max(worst, std::fabs(static_cast<double>(fed(r, c) - whole(r, c))));
    CHECK(worst < 1e-4);
    CHECK_THROWS_WITH_AS(session.rewind(10), doctest::Contains("the window has moved on"), Error);
}
