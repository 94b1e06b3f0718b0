// Delays, forms of storage and sums: against brute force.
#include <nibble/neuro/standard_networks.hpp>

#include <doctest/doctest.h>
#include <support/neurons.hpp>

#include <algorithm>
#include <vector>

using namespace nibble;

namespace {

template <class V, class Sum>
std::vector<Sum> delivered(const Projection<V>& p, double unit, int threads) {
    std::vector<std::uint32_t> spikes;
    for (std::uint32_t s = 0; s < p.sources(); s += 2) spikes.push_back(s);
    std::vector<Sum> sums(padded(p.targets()));
    for (std::size_t i = 0; i < p.parts(); ++i)
        p.deliver_in(BasicHost<>(threads), i, spikes, std::span<Sum>(sums), unit);
    return sums;
}

template <class V, class Sum>
void same_in_both_forms(const RandomSynapses& rule, double unit, std::size_t sources,
                        std::size_t targets) {
    const Projection<V> list(sources, targets, rule, 1.0, SynapseForm::list);
    const Projection<V> bits(sources, targets, rule, 1.0, SynapseForm::bits);
    REQUIRE(list.form(0) == SynapseForm::list);
    REQUIRE(bits.form(0) == SynapseForm::bits);
    CHECK(list.synapses() == bits.synapses());
    for (std::size_t s = 0; s < sources; s += 7) CHECK(list.fan_out(s) == bits.fan_out(s));
    const auto expected = delivered<V, Sum>(list, unit, 1);
    CHECK(std::ranges::any_of(expected, [](Sum x) { return x != 0; }));
    CHECK(delivered<V, Sum>(bits, unit, 1) == expected);
    CHECK(delivered<V, Sum>(bits, unit, 3) == expected);
}

}  // namespace

TEST_CASE("rows of bits deliver what lists deliver") {
    // 600 rows: several rounds of counters. Powers of two, so that floats are exact in any order.
    const RandomSynapses rule{.weight = -0.25, .probability = 0.3};
    same_in_both_forms<float, std::int16_t>(rule, 0.25, 1200, 1300);
    same_in_both_forms<float, std::int32_t>(rule, 0.25, 100, 300);
    same_in_both_forms<float, float>(rule, 1.0, 700, 20'000);
    // Pairs that the rule makes twice count twice.
    same_in_both_forms<Int8Value, std::int16_t>({.per_target = 80, .weight = 2.0}, 2.0, 300, 777);
}

TEST_CASE("the form follows from density and weights") {
    const auto form = [](const RandomSynapses& rule) {
        return Projection<float>(1000, 1000, rule, 1.0).form(0);
    };
    CHECK(form({.probability = 0.02}) == SynapseForm::list);
    CHECK(form({.probability = 0.1}) == SynapseForm::bits);
    CHECK(form({.spread = 0.5, .probability = 0.1}) == SynapseForm::list);
    const Projection<float> p(1000, 1000, RandomSynapses{.probability = 0.1}, 1.0);
    CHECK(p.density() == doctest::Approx(0.1).epsilon(0.01));
    CHECK(p.bytes_per_synapse() < 1.45);  // 1 / (8 * density), and a row's count
    std::size_t n = 0;
    p.for_each([&](const Synapse& s) {
        ++n;
        REQUIRE(s.weight == doctest::Approx(0.1));
    });
    CHECK(n == p.synapses());
}

TEST_CASE("a probability connects that share of pairs, none of them twice") {
    std::vector<char> seen(300 * 500);
    std::size_t n = 0, again = 0;
    RandomPairs({.seed = 4, .probability = 0.2}, 300, 500)([&](const Synapse& s) {
        ++n;
        again += static_cast<std::size_t>(std::exchange(seen[s.source * 500 + s.target], 1));
    });
    CHECK(again == 0);
    CHECK(static_cast<double>(n) == doctest::Approx(30'000.0).epsilon(0.02));
    n = 0;
    RandomPairs({.probability = 1.0}, 30, 50)([&](const Synapse&) { ++n; });
    CHECK(n == 1500);
    CHECK_THROWS_AS(RandomPairs({.probability = 1.5}, 3, 3), Error);
    CHECK_THROWS_AS(RandomPairs({.per_source = 1, .probability = 0.5}, 3, 3), Error);
}

TEST_CASE("delays: the network equals brute force that keeps every charge for its tick") {
    constexpr std::size_t n = 130, m = 70, steps = 300, longest = 23;
    // Sums of powers of two are exact in any order.
    std::vector<Synapse> forth, back;
    Random random(3);
    for (int k = 0; k < 3000; ++k) {
        forth.push_back({static_cast<std::uint32_t>(random.below(n)),
                         static_cast<std::uint32_t>(random.below(m)),
                         0.25 * static_cast<double>(1 + random.below(4)),
                         1 + static_cast<std::uint32_t>(random.below(longest))});
        back.push_back({static_cast<std::uint32_t>(random.below(m)),
                        static_cast<std::uint32_t>(random.below(n)), -0.5, 9});
    }
    const Lif cell{.tau = 2.0, .threshold = 8.0, .reset_to = 0.0, .refractory = 0.4};
    SpikingNetwork<float> net;
    net.add(cell, {.neurons = n, .drive = {.current = 0.6, .spread = 0.5}});
    net.add(cell, {.neurons = m});
    net.connect(0, 1, forth);
    net.connect(1, 0, back);
    CHECK(net.projection(0).parts() == longest);
    CHECK(net.projection(1).parts() == 1);

    ModelArray<Lif> a(n, cell, 0.1), b(m, cell, 0.1);
    const DriveSource<float> drive(n, {.current = 0.6, .spread = 0.5}, 1.0);
    std::vector<std::vector<float>> at_a(steps + longest + 1, std::vector<float>(padded(n))),
        at_b(steps + longest + 1, std::vector<float>(padded(m)));
    std::size_t fired = 0, second = 0;
    for (std::size_t t = 0; t < steps; ++t) {
        drive.add(t, 0, n, at_a[t]);
        const std::size_t before = fired;
        fired += a.step(Host(1), at_a[t]);
        const std::size_t in_b = b.step(Host(1), at_b[t]);
        fired += in_b;
        second += in_b;
        const auto send = [&](const ModelArray<Lif>& from, const std::vector<Synapse>& list,
                              auto& to) {
            for (const Synapse& s : list)
                if ((from.spikes()[s.source / 64] >> (s.source % 64) & 1u) != 0)
                    to[t + s.delay][s.target] += static_cast<float>(s.weight);
        };
        send(a, forth, at_b);
        send(b, back, at_a);
        REQUIRE(net.tick(Host(2)) == fired - before);
        REQUIRE(std::ranges::equal(net.spikes(0), a.spikes()));
        REQUIRE(std::ranges::equal(net.spikes(1), b.spikes()));
    }
    CHECK(fired > 500);
    CHECK(second > 100);
}

TEST_CASE("a delay of a rule is in its range, and out of range is refused") {
    std::size_t count[8] = {};
    Projection<float>(200, 200, RandomSynapses{.per_source = 50, .delay = 3, .delay_spread = 4},
                      1.0)
        .for_each([&](const Synapse& s) { ++count[s.delay]; });
    CHECK(count[0] + count[1] + count[2] == 0);
    for (std::size_t d = 3; d < 8; ++d)
        CHECK(static_cast<double>(count[d]) == doctest::Approx(2000.0).epsilon(0.1));
    const Synapse now[] = {{0, 0, 1.0, 0}};
    CHECK_THROWS_WITH_AS((Projection<float>(1, 1, now, 1.0)),
                         "nibble: Projection: synapse from 0 to 0 with a delay of 0 ticks, "
                         "expected 1 to 65535",
                         Error);
}

TEST_CASE("LIF areas and areas of models in one network, ports, and what is wrong with them") {
    SpikingNetwork<Int8Value> net;
    net.add({.neurons = 10, .neuron = {.leak = 0.9}, .drive = {.current = 0.3}});
    net.add(CubaLif{.rest = -60.0}, {.neurons = 20});
    net.connect(0, 1, RandomSynapses{.per_source = 20, .weight = 30.0, .delay = 4}, 0);
    net.connect(0, 1, RandomSynapses{.per_source = 2, .weight = -3.0, .spread = 0.5}, 1);
    std::size_t first = 0, second = 0;
    for (int t = 0; t < 100; ++t) {
        net.tick(Host(1));
        first += static_cast<std::size_t>(std::popcount(net.spikes(0)[0]));
        second += static_cast<std::size_t>(std::popcount(net.spikes(1)[0]));
    }
    CHECK(first > 100);
    CHECK(second > 20);
    CHECK(std::string(net.sums(0)) == "int32");
    CHECK(std::string(net.sums(1)) == "int16");
    CHECK(net.area(0).size() == 10);
    CHECK(net.model<CubaLif>(1).size() == 20);
    CHECK_THROWS_AS((void)net.area(1), Error);
    CHECK_THROWS_AS((void)net.model<CobaLif>(1), Error);
    CHECK_THROWS_AS(net.connect(0, 1, RandomSynapses{.per_source = 1}, 2), Error);
    CHECK_THROWS_AS(net.connect(0, 0, RandomSynapses{.per_source = 1}, 1), Error);
    CHECK_THROWS_AS(net.inject(1, 0, 1.0, 2), Error);
    CHECK_THROWS_AS((void)net.spikes(2), Error);
}

TEST_CASE("a longer delay, connected while spikes are under way, loses none of them") {
    SpikingNetwork<float> net;
    net.add({.neurons = 1});
    net.add(Lif{}, {.neurons = 1});
    const Synapse four[] = {{0, 0, 25.0, 4}}, nine[] = {{0, 0, 1.0, 9}};
    net.connect(0, 1, four);
    net.inject(0, 0, 2.0);
    std::vector<std::size_t> fired;
    for (int t = 0; t < 8; ++t) {
        if (t == 2) net.connect(0, 1, nine);
        fired.push_back(net.tick(Host(1)));
    }
    CHECK(fired == std::vector<std::size_t>{1, 0, 0, 0, 1, 0, 0, 0});
}
