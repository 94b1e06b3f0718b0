// Brains in files: at any burst, at any precision, and what is refused.
#include <nibble/neuro/brain_file.hpp>

#include <doctest/doctest.h>

#include "support/temporary.hpp"

using namespace nibble;

namespace {

/// Two areas with plasticity, limits and refractory periods, a memory that watches the first and
/// repeats it in a twin.
template <class V>
Brain<V> build() {
    Brain<V> brain(BrainOptions{.memory_room = 64});
    AreaProperties a;
    a.id = "cA______";
    a.name = "\xC3\xA9";
    a.dimensions = {5, 4, 3};
    a.threshold = 10;
    a.threshold_gradient = {0.5, 0, 0.25};
    a.leak = 0.1;
    a.refractory = 2;
    a.consecutive_fire_limit = 3;
    a.snooze = 4;
    a.excitability = 0.7;
    a.psp = 6;
    a.mp_driven_psp = true;
    AreaProperties b = a, memory, twin = a;
    b.id = "cB______";
    b.charge_accumulation = false;
    b.mp_driven_psp = false;
    memory.id = "mM______";
    memory.kind = AreaKind::memory;
    memory.memory.temporal_depth = 1;
    twin.id = "cT______";
    for (const AreaProperties& p : {a, b, memory, twin}) brain.add(p);
    std::vector<BrainSynapse> synapses;
    for (std::uint32_t i = 0; i < 60; ++i)
        for (std::uint32_t k = 1; k < 4; ++k)
            synapses.push_back({i, 60 + (i * 7 + k * 11) % 60, static_cast<std::uint8_t>(k), 6,
                                k == 3, static_cast<std::uint8_t>(1 + k % 2)});
    brain.add(synapses);
    brain.add(PlasticityRule{0, 1, 2, 1, 1, 1, true, 6});
    brain.add(PairRule{1, 0, {}, true, 7});
    brain.watch({2, {0}, {{0, 3, 12.0f}}});
    brain.keep_spikes(1, 5);
    return brain;
}

template <class V>
std::uint64_t advance(Brain<V>& brain, int from, int to) {
    const Host on(1);
    std::uint64_t spikes = 0;
    for (int t = from; t < to; ++t) {
        for (std::uint32_t i = 0; i < 60; ++i)
            if ((i * 13 + static_cast<std::uint32_t>(t) * 29) % 7 == 0) brain.inject(0, i, 8.0);
        spikes = spikes * 31 + brain.burst(on).fired;
    }
    return spikes;
}

template <class V>
void goes_on_from_a_file() {
    const test::Temporary folder;
    for (const int stop : {0, 1, 13, 40}) {
        auto brain = build<V>();
        static_cast<void>(advance(brain, 0, stop));
        brain.inject(1, 3, 2.5);  // staged, not yet run
        const BrainState state = BrainArchive::save(brain);
        save_brain(folder / "b", state);
        const BrainFile read = load_brain(folder / "b");
        CHECK(read.state == state);
        CHECK_FALSE(read.genome.has_value());
        auto again = BrainArchive::load<V>(read.state);
        CHECK(advance(again, stop, 80) == advance(brain, stop, 80));
        CHECK(BrainArchive::save(again) == BrainArchive::save(brain));
    }
}

std::string error_of(const std::string& path) {
    try {
        static_cast<void>(load_brain(path));
    } catch (const Error& e) {
        return e.what();
    }
    return "none";
}

}  // namespace

TEST_CASE("a brain goes on from its file in every bit") {
    goes_on_from_a_file<float>();
    goes_on_from_a_file<Int8Value>();
}

TEST_CASE("a brain goes on at another precision, with the genome it grew from") {
    const test::Temporary folder;
    auto brain = build<float>();
    static_cast<void>(advance(brain, 0, 20));
    Genome genome;
    genome.title = "t";
    genome.areas.resize(1);
    genome.areas[0].id = cortical_id("cA");
    genome.areas[0].name = "eye";
    save_brain(folder / "b", BrainArchive::save(brain), &genome);
    const BrainFile read = load_brain(folder / "b");
    REQUIRE(read.genome.has_value());
    CHECK(same_brain(*read.genome, genome));
    CHECK(read.state.value == "fp32");
    auto small = BrainArchive::load<Int8Value>(read.state);
    CHECK(small.bursts() == 20);
    CHECK(small.synapses() == brain.synapses());
    double apart = 0;
    std::size_t compared = 0;
    for (std::uint32_t i = 0; i < 180; ++i) {
        if (std::fabs(brain.potential(i)) > 10) continue;  // beyond the range of INT8
        apart = std::max(apart, std::fabs(small.potential(i) - brain.potential(i)));
        ++compared;
    }
    CHECK(compared > 100);
    CHECK(apart < 0.2);  // of thresholds of 10 and more
    CHECK(advance(small, 20, 40) != 0);
}

TEST_CASE("damage, other files and other versions are refused") {
    const test::Temporary folder;
    auto brain = build<float>();
    static_cast<void>(advance(brain, 0, 5));
    const std::string path = folder / "b", bad = folder / "bad";
    save_brain(path, BrainArchive::save(brain));
    const std::string bytes = test::read_file(path);
    for (const std::size_t at : {bytes.size() - 1, bytes.size() / 2}) {
        std::string damaged = bytes;
        damaged[at] = static_cast<char>(damaged[at] ^ 1);
        test::write_file(bad, damaged);
        CHECK(error_of(bad).find("nibble: \"" + bad + "\":") == 0);
    }
    test::write_file(bad, bytes.substr(0, bytes.size() - 8));
    CHECK(error_of(bad) != "none");
    CHECK(error_of(folder / "gone") != "none");
    {
        SafetensorsWriter other(bad);
        other.commit();
    }
    CHECK(error_of(bad).find("not a brain's file") != std::string::npos);
    {
        SafetensorsWriter other(bad);
        other.set("nibble.brain", "2");
        other.set("nibble.brain.values", "{}");
        other.commit();
    }
    CHECK(error_of(bad).find("of version \"2\", expected \"1\"") != std::string::npos);
    {
        SafetensorsWriter other(bad);
        other.set("nibble.brain", "1");
        other.set("nibble.brain.values", R"({"value":"fp32","burst":"-1"})");
        other.commit();
    }
    CHECK(error_of(bad).find("\"burst\" is \"-1\", expected a whole number") != std::string::npos);
    // Too few potentials for the neurons that are claimed.
    BrainState state = BrainArchive::save(brain);
    state.areas[0].potential.pop_back();
    save_brain(bad, state);
    CHECK(error_of(bad).find("number of potentials is 59, expected 60") != std::string::npos);
    // An unfinished write leaves what was there.
    CHECK(load_brain(path).state == BrainArchive::save(brain));
}
