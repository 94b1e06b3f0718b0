// What happens to a brain between bursts: saving, loading, changes to neurons and synapses; and what it
// remembers.
#include <nibble/neuro/brain_state.hpp>

#include <doctest/doctest.h>

#include "support/brain_twins.hpp"

using namespace nibble;
using test::Twins;

namespace {

const BasicHost<Isa> one(1);

std::vector<std::uint32_t> fired(const Brain<float>& brain, std::size_t area) {
    std::vector<std::uint32_t> all;
    brain.for_fired(area, [&](const FiredNeuron& n) { all.push_back(n.neuron); });
    return all;
}

}  // namespace

TEST_CASE("a brain that was saved and loaded after any burst goes on in every bit") {
    for (int at = 0; at < 24; ++at) {
        CAPTURE(at);
        Twins twins(static_cast<std::uint64_t>(at) + 50, UpdateMode::candidates, {40, 70, 30});
        twins.wire(900, 4);
        PlasticityRule r{0, 1, 3, 2, 3, 1};
        r.associative = true;
        twins.brain.add(r);
        twins.oracle.rules.push_back(r);
        for (int t = 0; t < 30; ++t) {
            if (t == at) {
                const BrainState state = BrainArchive::save(twins.brain);
                twins.brain = BrainArchive::load<float>(
                    state, BrainOptions{.update = UpdateMode::candidates});
                const BrainState again = BrainArchive::save(twins.brain);
                CHECK(again == state);
            }
            REQUIRE(twins.step(one, 20));
        }
    }
}

TEST_CASE("a state with wrong sizes is refused") {
    Twins twins(1);
    twins.wire(50, 1);
    CHECK(twins.step(one, 20));
    const BrainState good = BrainArchive::save(twins.brain);
    const auto refused = [&](auto&& spoil) {
        BrainState bad = good;
        spoil(bad);
        CHECK_THROWS_AS(static_cast<void>(BrainArchive::load<float>(bad)), Error);
    };
    refused([](BrainState& s) { s.areas[0].potential.pop_back(); });
    refused([](BrainState& s) { s.areas[1].countdown.push_back(1); });
    refused([](BrainState& s) { s.areas[1].spikes.clear(); });
    refused([](BrainState& s) { s.areas[0].kept = 0; });
    refused([](BrainState& s) { s.areas[0].neurons = 7; });
    refused([](BrainState& s) { s.areas[1].threshold.each.resize(3); });
    refused([](BrainState& s) { s.areas[0].candidates.clear(); });
    refused([](BrainState& s) { s.areas[0].staged.emplace_back(70u, 1.0f); });
    refused([](BrainState& s) { s.areas[0].potential[3] = std::nan(""); });
    refused([](BrainState& s) { s.synapses.push_back({1000, 0}); });
    refused([](BrainState& s) { s.memory_places.push_back({0, 0}); });
    refused([](BrainState& s) { s.replays.push_back({5, 0, 70, 1.0f}); });
    refused([](BrainState& s) { s.areas[0].spikes.back() |= std::uint64_t{1} << 63; });
    refused([](BrainState& s) { s.areas[0].candidates.back() |= std::uint64_t{1} << 63; });
}

TEST_CASE("synapses come, change, are asked for and go") {
    Twins twins(5, UpdateMode::candidates, {30, 40});
    twins.wire(400, 3);
    CHECK(twins.step(one, 20));
    auto& oracle = twins.oracle.synapses;
    for (int round = 0; round < 12; ++round) {
        CAPTURE(round);
        const std::uint32_t a = twins.any(), b = twins.any();
        const BrainSynapse extra{a, b, static_cast<std::uint8_t>(round), 3, round % 2 == 0};
        twins.brain.add(extra);
        oracle.push_back(extra);
        const auto from_a = [&](const BrainSynapse& s) { return s.source == a; };
        CHECK(twins.brain.outgoing(a).size() ==
              static_cast<std::size_t>(std::count_if(oracle.begin(), oracle.end(), from_a)));
        for (const BrainSynapse& s : twins.brain.incoming(b)) {
            CHECK(s.target == b);
            CHECK(std::find(oracle.begin(), oracle.end(), s) != oracle.end());
        }
        std::size_t set = 0;
        for (BrainSynapse& s : oracle)
            if (s.source == a && s.target == b) s.weight = 77, ++set;
        CHECK(twins.brain.set_weight(a, b, 77) == set);
        CHECK(twins.step(one, 10));
        const std::uint32_t c = twins.any();
        if (round % 3 == 0) {
            const std::size_t gone = std::erase_if(oracle, from_a);
            CHECK(twins.brain.remove_from(std::span(&a, 1)) == gone);
        } else if (round % 3 == 1) {
            const std::uint32_t from[] = {a, b, c}, to[] = {3, 33, 34, 35, b};
            const auto in = [](std::span<const std::uint32_t> x, std::uint32_t n) {
                return std::find(x.begin(), x.end(), n) != x.end();
            };
            const std::size_t gone = std::erase_if(oracle, [&](const BrainSynapse& s) {
                return in(from, s.source) && in(to, s.target);
            });
            CHECK(twins.brain.remove_between(from, to) == gone);
        } else {
            const std::size_t gone =
                std::erase_if(oracle, [](const BrainSynapse& s) { return s.weight == 0; });
            CHECK(twins.brain.prune() == gone);
        }
        CHECK(twins.brain.synapses() == oracle.size());
        CHECK(twins.step(one, 10));
    }
    const std::size_t there = twins.brain.set_weight(0, 1, 1);
    CHECK(twins.brain.remove(0, 1) == there);
}

TEST_CASE("an area of many blocks of targets") {
    for (const int threads : {1, 3}) {
        Twins twins(9, UpdateMode::candidates, {3, 40, 70'000});
        twins.wire(60'000, 1);
        std::vector<BrainSynapse> more;
        for (std::uint32_t k = 0; k < 5000; ++k)
            more.push_back({k % 3, 43 + (k * 7919u) % 70'000u, 9, 9, false});
        twins.brain.add(more);
        twins.oracle.synapses.insert(twins.oracle.synapses.end(), more.begin(), more.end());
        const BasicHost<Isa> on(threads);
        for (int t = 0; t < 5; ++t) REQUIRE(twins.step(on, 3000));
    }
}

TEST_CASE("parameters are checked and neurons can be removed") {
    Brain<float> brain;
    const auto area = brain.add({.id = "cust01", .dimensions = {10, 1, 1}, .threshold = 2.0});
    using enum NeuronParameter;
    for (const double bad : {-0.1, 1.5, std::nan("")}) {
        CHECK_THROWS_AS(brain.set(area, leak, bad), Error);
        CHECK_THROWS_AS(brain.set(area, excitability, bad), Error);
    }
    CHECK_THROWS_AS(brain.set(area, refractory, 70000), Error);
    CHECK_THROWS_AS(brain.set(area, refractory, 1.5), Error);
    CHECK_THROWS_AS(brain.set(area, charge_accumulation, 2), Error);
    CHECK_THROWS_AS(brain.set(area, threshold, INFINITY), Error);
    CHECK_THROWS_AS(brain.add({.id = "x", .leak = 2.0}), Error);
    CHECK_THROWS_AS(brain.inject(area, 10, 1.0), Error);
    CHECK_THROWS_AS(brain.inject(area, 1, std::nan("")), Error);
    CHECK_THROWS_AS(brain.add(BrainSynapse{0, 10}), Error);
    CHECK_THROWS_AS(brain.add(PlasticityRule{0, 1}), Error);
    CHECK_THROWS_AS(static_cast<void>(brain.place(first_memory_neuron)), Error);
    const std::uint32_t gone[] = {4};
    brain.add(BrainSynapse{3, 4});
    brain.remove_neurons(gone);
    CHECK(brain.synapses() == 0);
    for (std::size_t i = 0; i < 10; ++i) brain.inject(area, i, 5.0);
    const BurstResult r = brain.burst(one);
    CHECK(r.fired == 9);
    CHECK(r.candidates == 9);
    brain.set(area, threshold, 100.0);
    for (std::size_t i = 0; i < 10; ++i) brain.inject(area, i, 5.0);
    CHECK(brain.burst(one).fired == 0);
    CHECK(brain.potential(3) == 5.0);
    CHECK(brain.potential(4) == 0.0);
}

TEST_CASE("brains without neurons, synapses of weight 0") {
    Brain<float> none;
    CHECK(none.burst(BasicHost<Isa>(2)).candidates == 0);
    none.add({.id = "empty", .dimensions = {0, 4, 4}});
    CHECK(none.burst(one).candidates == 0);
    Brain<float> brain;
    const auto area =
        brain.add({.id = "area", .dimensions = {2, 1, 1}, .threshold = 10, .leak = 0.5});
    brain.add(BrainSynapse{0, 1, 0, 200});
    brain.inject(area, 0, 20.0);
    brain.inject(area, 1, 8.0);
    CHECK(brain.burst(one).fired == 1);
    CHECK(brain.potential(1) == 4.0);
    const BurstResult r = brain.burst(one);  // a weight of 0 makes a candidate, which leaks
    CHECK(r.candidates == 1);
    CHECK(brain.potential(1) == 2.0);
    CHECK(brain.burst(one).candidates == 0);
    CHECK(brain.potential(1) == 2.0);
}

TEST_CASE("neurons in another order do the same") {
    // Whole contributions: sums do not depend on order.
    Random dice(77);
    constexpr std::uint32_t n = 150;
    std::vector<std::uint32_t> order(n);
    for (std::uint32_t i = 0; i < n; ++i) order[i] = i;
    for (std::uint32_t i = n; i-- > 1;) std::swap(order[i], order[dice.below(i + 1)]);
    Brain<float> plain, shuffled;
    AreaProperties p{.id = "area"};
    p.dimensions = {n, 1, 1};
    p.threshold = 6;
    p.leak = 0.25;
    p.excitability = 0.7;
    p.refractory = 1;
    p.consecutive_fire_limit = 2;
    p.snooze = 2;
    p.psp_uniform_distribution = true;
    plain.add(p);
    shuffled.add(p);
    std::vector<std::uint32_t> keys(n);
    for (std::uint32_t i = 0; i < n; ++i) keys[order[i]] = i;
    shuffled.set_chance_keys(0, keys);
    for (int k = 0; k < 2000; ++k) {
        const auto a = static_cast<std::uint32_t>(dice.below(n));
        const auto b = static_cast<std::uint32_t>(dice.below(n));
        const BrainSynapse s{a, b, static_cast<std::uint8_t>(dice.below(3)), 1, dice.below(3) == 0};
        plain.add(s);
        shuffled.add(BrainSynapse{order[a], order[b], s.weight, s.psp, s.inhibitory});
    }
    std::size_t spikes = 0;
    for (int t = 0; t < 50; ++t) {
        for (int k = 0; k < 20; ++k) {
            const std::uint64_t i = dice.below(n);
            plain.inject(0, i, 5.0);
            shuffled.inject(0, order[i], 5.0);
        }
        plain.burst(one);
        shuffled.burst(one);
        std::vector<std::uint32_t> expected;
        for (const std::uint32_t i : fired(plain, 0)) expected.push_back(order[i]);
        std::sort(expected.begin(), expected.end());
        CHECK(fired(shuffled, 0) == expected);
        spikes += expected.size();
    }
    CHECK(spikes > 100);
}

TEST_CASE("power and fatigue, sampling and the fire ledger") {
    Brain<float> brain;
    brain.add({.id = "_death", .kind = AreaKind::death});
    const auto power = brain.add({.id = "_power", .kind = AreaKind::power, .threshold = 1.0});
    const auto tired = brain.add(
        {.id = "_fatigue", .kind = AreaKind::fatigue, .dimensions = {2, 3, 1}, .threshold = 2.0});
    brain.keep_spikes(tired, 4);
    brain.sample(tired, true);
    CHECK(brain.burst(one).fired == 1);
    CHECK(fired(brain, power) == std::vector<std::uint32_t>{1});
    brain.set_power(3.0f);
    brain.set_fatigue(true);
    CHECK(brain.burst(one).fired == 7);
    std::vector<FiredNeuron> sampled;
    brain.for_fired(tired, [&](const FiredNeuron& f) { sampled.push_back(f); });
    REQUIRE(sampled.size() == 6);
    CHECK(sampled[5].neuron == 7);
    CHECK(sampled[4].voxel == Voxels{1, 1, 0});
    CHECK(sampled[0].potential == 3.0f);
    brain.set_fatigue(false);
    brain.burst(one);
    CHECK(brain.spikes(tired, 0)[0] == 0);
    CHECK(brain.spikes(tired, 1)[0] == 0x3F);
    CHECK(brain.spikes(tired, 2)[0] == 0);
    CHECK(brain.spikes(tired, 3).empty());  // before the first burst
    CHECK(brain.spikes(power, 1).empty());  // not kept
}
