// A grown brain in the engine: the precision that a genome names is the precision that runs.
#include <nibble/neuro/brain_growth.hpp>
#include <nibble/neuro/growth.hpp>

#include <doctest/doctest.h>

using namespace nibble;

namespace {

/// Two areas of 4 voxels: what fires in the first fires in the second a burst later.
Genome chain() {
    Genome g;
    g.areas.resize(2);
    for (std::size_t k = 0; k < 2; ++k) {
        g.areas[k].id = cortical_id(k == 0 ? "cA" : "cB");
        g.areas[k].size = {4, 1, 1};
        g.areas[k].threshold = 10;
        g.areas[k].psp = 20;
    }
    MappingRule rule;
    rule.target = g.areas[1].id;
    rule.morphology = "lateral_+x";
    g.areas[0].mappings.push_back(rule);
    return g;
}

/// The second area's spikes in the second burst, after two neurons of the first were driven.
template <class V>
std::vector<std::uint64_t> spikes_of(const GrownBrain& grown) {
    auto brain = make_brain<V>(grown);
    brain.inject(0, 1, 12.0);
    brain.inject(0, 3, 12.0);
    const Host on(1);
    static_cast<void>(brain.burst(on));
    static_cast<void>(brain.burst(on));
    return {brain.spikes(1).begin(), brain.spikes(1).end()};
}

}  // namespace

TEST_CASE("a precision is dispatched to its value type, and to no other") {
    const GrownBrain grown = grow(chain());
    std::size_t runs = 0;
    const std::pair<const char*, std::string_view> wanted[] = {
        {"FP32", value_traits<float>::name},         {"int8", value_traits<Int8Value>::name},
        {"i8", value_traits<Int8Value>::name},       {"int4", value_traits<Int4Value>::name},
        {"INT4-g64", value_traits<Int4Value>::name}, {"float16", value_traits<half>::name},
        {"bf16", value_traits<bfloat16>::name},      {"fp8", value_traits<fp8_e4m3>::name}};
    for (const auto& want : wanted) {
        const std::string text = want.first;
        const std::string_view name = want.second;
        CAPTURE(text);
        std::string_view ran;
        std::vector<std::uint64_t> spikes;
        dispatch_brain(parse_spec(text).spec, [&]<class V>(FormatTag<V>) {
            ran = value_traits<V>::name;
            if constexpr (!std::is_same_v<V, float> && !integer_state<V>) return;
            else spikes = spikes_of<V>(grown);
        });
        CHECK(ran == name);
        // Neuron 1 goes to 2; 3 has no neighbour to go to.
        CHECK((spikes.empty() || spikes == std::vector<std::uint64_t>{4}));
        runs += spikes.size();
    }
    CHECK(runs == 5);
    CHECK_THROWS_AS(dispatch_brain(parse_spec("nf4").spec, [](auto) {}), Error);
}

TEST_CASE("episodic memory and its twin come from the genome") {
    Genome g = chain();
    g.areas.resize(4);
    g.areas[2].id = cortical_id("cT");
    g.areas[2].size = {4, 1, 1};
    g.areas[2].threshold = 3;
    g.areas[2].twin_of = "cA______";
    g.areas[3].id = cortical_id("mM");
    g.areas[3].memory = true;
    MappingRule remember, replay;
    remember.target = g.areas[3].id;
    remember.morphology = "episodic_memory";
    replay.target = g.areas[2].id;
    replay.morphology = "memory_replay";
    g.areas[0].mappings.push_back(remember);
    g.areas[3].mappings.push_back(replay);
    const GrownBrain grown = grow(g);
    CHECK(grown.notes.empty());
    const auto links = memory_links(grown);
    REQUIRE(links.size() == 1);
    CHECK(links[0].area == 3);
    CHECK(links[0].upstream == std::vector<std::uint32_t>{0});
    CHECK(links[0].twins == std::vector{MemoryLinks::Twin{0, 2, 3.0f}});
    auto brain = make_brain<float>(grown);
    const Host on(1);
    // The pattern {0, 2} is met twice; then its twin repeats it.
    bool repeated = false;
    for (int t = 0; t < 8; ++t) {
        if (t == 0 || t == 3) {
            brain.inject(0, 0, 12.0);
            brain.inject(0, 2, 12.0);
        }
        static_cast<void>(brain.burst(on));
        repeated = repeated || brain.spikes(2)[0] == 5;
    }
    CHECK(brain.memories().at(0).neurons.neurons().size() >= 1);
    CHECK(repeated);
    g.areas[2].twin_of = "nobody";
    CHECK(grow(g).notes.size() == 1);
}
