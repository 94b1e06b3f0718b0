// Memory neurons, replay, and exponential plasticity.
#include <nibble/neuro/brain_state.hpp>

#include <doctest/doctest.h>

using namespace nibble;

namespace {

const BasicHost<Isa> one(1);

std::vector<std::uint32_t> fired(const Brain<float>& brain, std::size_t area) {
    std::vector<std::uint32_t> all;
    brain.for_fired(area, [&](const FiredNeuron& n) { all.push_back(n.neuron); });
    return all;
}

struct Remembering {
    Brain<float> brain;
    std::uint32_t eye, memory, twin;

    explicit Remembering(const MemoryProperties& p, std::uint32_t room = 64)
        : brain(BrainOptions{.memory_room = room}) {
        eye = static_cast<std::uint32_t>(brain.add({.id = "eye", .dimensions = {4, 3, 1}}));
        memory = static_cast<std::uint32_t>(
            brain.add({.id = "memory", .kind = AreaKind::memory, .memory = p}));
        twin = static_cast<std::uint32_t>(brain.add({.id = "twin", .dimensions = {4, 3, 1}}));
        brain.watch({memory, {eye}, {{eye, twin, 5.0f}}});
    }
    void see(std::initializer_list<std::size_t> pixels) {
        for (const std::size_t i : pixels) brain.inject(eye, i, 2.0);
        brain.burst(one);
    }
    const MemoryNeurons& neurons() const { return brain.memories().front().neurons; }
};

}  // namespace

TEST_CASE("a pattern makes a neuron, meeting it again wakes the same") {
    Remembering r({.temporal_depth = 2,
                   .initial_lifespan = 6,
                   .lifespan_growth = 3,
                   .longterm_threshold = 1000});
    r.see({1, 2});
    CHECK(r.neurons().alive() == 0);  // one burst of two
    r.see({5});
    CHECK(r.neurons().alive() == 1);
    r.see({});  // {5}, {} is another pattern
    CHECK(r.neurons().alive() == 2);
    CHECK(fired(r.brain, r.memory) == std::vector<std::uint32_t>{first_memory_neuron});
    r.see({});  // nothing at all is none
    CHECK(fired(r.brain, r.memory) == std::vector<std::uint32_t>{first_memory_neuron + 1});
    CHECK(r.neurons().alive() == 2);
    r.see({1, 2});
    r.see({5});
    CHECK(r.neurons().neurons()[0].met == 2);
    CHECK(r.neurons().neurons()[0].lifespan == 6 - 4 + 3);
    r.see({});
    CHECK(fired(r.brain, r.memory).front() == first_memory_neuron);
    CHECK(r.brain.place(first_memory_neuron + 1) == NeuronPlace{r.memory, 1});
}

TEST_CASE("lifespans end, long-term memories stay, rooms are used again") {
    Remembering r({.temporal_depth = 1,
                   .initial_lifespan = 3,
                   .lifespan_growth = 2,
                   .longterm_threshold = 6});
    r.see({1});
    for (int k = 0; k < 3; ++k) r.see({2});  // the neuron of {1} is 3 bursts older then
    CHECK(r.neurons().alive() == 1);
    CHECK_FALSE(r.neurons().neurons()[0].alive);
    r.see({2});
    r.see({2});
    r.see({2});
    CHECK(r.neurons().neurons()[1].longterm);
    for (int k = 0; k < 20; ++k) r.see({});
    CHECK(r.neurons().alive() == 1);
    r.brain.add(BrainSynapse{first_memory_neuron, 0});
    r.see({3});  // takes the room of {1}, without its synapses
    CHECK(r.neurons().alive() == 2);
    CHECK(r.brain.synapses() == 0);
}

TEST_CASE("patterns beyond the room are counted and dropped") {
    Remembering r({.temporal_depth = 1, .initial_lifespan = 1000}, 64);
    for (std::size_t a = 0; a < 12; ++a)
        for (std::size_t b = 0; b <= a; ++b) r.see({a, b});
    CHECK(r.neurons().alive() == 64);
    CHECK(r.neurons().refused() == 78 - 64);
    CHECK(r.brain.area(r.memory).neurons == 64);
}

TEST_CASE("a state whose memories do not fit their areas is refused") {
    Remembering r({.temporal_depth = 1, .initial_lifespan = 50});
    const auto other = static_cast<std::uint32_t>(
        r.brain.add({.id = "other", .kind = AreaKind::memory, .memory = {.temporal_depth = 1}}));
    r.brain.watch({other, {r.twin}, {}});
    r.see({1, 2});
    const BrainState good = BrainArchive::save(r.brain);
    REQUIRE(good.memories.size() == 2);
    REQUIRE(good.memories[0].frames.size() == 1);
    CHECK(BrainArchive::save(BrainArchive::load<float>(good)) == good);
    const auto refused = [&](auto&& spoil) {
        BrainState bad = good;
        spoil(bad);
        CHECK_THROWS_AS(static_cast<void>(BrainArchive::load<float>(bad)), Error);
    };
    refused([](BrainState& s) { s.memories.push_back(s.memories[0]); });
    refused([](BrainState& s) { s.memories[1] = s.memories[0]; });
    refused([](BrainState& s) { s.areas[1].room = 0xFFFFFFC0u; });  // before it is allocated
    refused([](BrainState& s) { s.memories[0].frames.resize(2); });
    refused([](BrainState& s) { s.memories[0].frames[0].push_back({0, 9, 0}); });
    refused([](BrainState& s) { s.memories[0].frames[0].push_back({0, 0, 12}); });
}

TEST_CASE("a memory neuron replays what it met into the twin area") {
    Remembering r({.temporal_depth = 3, .initial_lifespan = 50});
    r.see({1, 2});
    r.see({});
    r.see({7});
    const std::uint32_t first = r.brain.area(r.twin).first;
    r.see({});  // burst 4: the memory neuron fires
    CHECK(fired(r.brain, r.memory) == std::vector<std::uint32_t>{first_memory_neuron});
    CHECK(fired(r.brain, r.twin).empty());
    r.see({});  // 5: frame 0, and the neuron of {} {7} {} begins its own
    CHECK(fired(r.brain, r.twin) == std::vector<std::uint32_t>{first + 1, first + 2});
    const BrainState state = BrainArchive::save(r.brain);
    r.brain = BrainArchive::load<float>(state, {.memory_room = 64});
    CHECK(BrainArchive::save(r.brain) == state);
    r.see({});  // 6: frame 1 of the first, frame 0 of the second: nothing
    CHECK(fired(r.brain, r.twin).empty());
    r.see({});  // 7: frames 2, 1 and 0 of {..} {} {7}, {} {7} {} and {7} {} {}
    CHECK(fired(r.brain, r.twin) == std::vector<std::uint32_t>{first + 7});
    for (int k = 0; k < 3; ++k) {
        r.see({});
        CHECK(fired(r.brain, r.twin).empty());
    }
}

TEST_CASE("memory neurons learn by association") {
    Remembering r({.temporal_depth = 1, .initial_lifespan = 50});
    PlasticityRule rule{r.memory, r.eye, 1, 4, 5, 1};
    rule.associative = true;
    rule.psp = 2;
    r.brain.add(rule);
    r.see({1});
    r.see({9});  // the neuron of {1} and pixel 9 fire together
    REQUIRE(r.brain.synapses() == 1);
    CHECK(r.brain.outgoing(first_memory_neuron).front() ==
          BrainSynapse{first_memory_neuron, 9, 20, 2});
    r.see({});  // the memory of {1} brings pixel 9 back
    CHECK(fired(r.brain, r.eye) == std::vector<std::uint32_t>{9});
}

TEST_CASE("links are checked") {
    Remembering r({});
    CHECK_THROWS_AS(r.brain.watch({r.eye, {r.memory}, {}}), Error);
    CHECK_THROWS_AS(r.brain.watch({r.memory, {9}, {}}), Error);
    CHECK_THROWS_AS(r.brain.watch({r.memory, {r.eye}, {{r.twin, r.eye, 1.0f}}}), Error);
    Brain<float> brain;
    const auto area =
        brain.add({.id = "m", .kind = AreaKind::memory, .memory = {.temporal_depth = 0}});
    CHECK_THROWS_AS(brain.watch({static_cast<std::uint32_t>(area), {}, {}}), Error);
}

TEST_CASE("pair plasticity is the sum over pairs of spikes") {
    // One synapse, spikes at random; all pairs by hand against traces, in real numbers by averaging
    // the random rounding over many equal synapses.
    constexpr std::uint32_t copies = 20'000;
    Brain<float> brain;
    brain.add({.id = "pre"});
    brain.add({.id = "post", .dimensions = {copies, 1, 1}});
    brain.connect(0, 1, copies, [](std::size_t e) {
        return LocalSynapse{0, static_cast<std::uint32_t>(e), 100, 0, false};
    });
    const PairStdp stdp{10.0f, 15.0f, 0.02f, 0.012f};
    brain.add(PairRule{0, 1, stdp});
    Random dice(3);
    std::vector<std::int32_t> pre, post;
    for (std::int32_t t = 0; t < 40; ++t) {
        if (dice.below(4) == 0) pre.push_back(t), brain.inject(0, 0, 5.0);
        if (dice.below(4) == 0) {
            post.push_back(t);
            for (std::size_t i = 0; i < copies; ++i) brain.inject(1, i, 5.0);
        }
        brain.burst(one);
    }
    double expected = 100.0;
    for (const std::int32_t a : pre)
        for (const std::int32_t b : post)
            expected += 255.0 * static_cast<double>(pair_change(stdp, b - a));
    double mean = 0.0;
    brain.for_synapses([&](const BrainSynapse& s) { mean += s.weight; });
    mean /= copies;
    MESSAGE("expected " << expected << ", mean " << mean);
    CHECK(std::fabs(expected - 100.0) > 2.0);
    CHECK(std::fabs(mean - expected) < 0.1);
}
