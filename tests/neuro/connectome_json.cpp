// A connectome that is asked and changed while its brain lives.
#include <nibble/neuro/connectome.hpp>

#include <doctest/doctest.h>

#include "support/temporary.hpp"

using namespace nibble;

namespace {

using V = Int8Value;

MappingRule rule(const char* to, const char* morphology, double weight = 1) {
    MappingRule r;
    r.target = cortical_id(to);
    r.morphology = morphology;
    r.multiplier = weight;
    r.window = 3;
    return r;
}

/// Areas A (4 x 3), B (6 x 2), a memory M that watches A, and C; A to A, A to B, B to C.
Genome plan() {
    Genome g;
    const std::pair<const char*, std::array<std::uint32_t, 3>> areas[] = {
        {"cA", {4, 3, 1}}, {"cB", {6, 2, 1}}, {"cC", {2, 1, 1}}, {"mM", {1, 1, 1}}};
    for (const auto& a : areas) {
        g.areas.emplace_back();
        g.areas.back().id = cortical_id(a.first);
        g.areas.back().name = a.first;
        g.areas.back().size = a.second;
        g.areas.back().threshold = 10;
        g.areas.back().psp = 4;
        g.areas.back().charge_accumulation = true;
        g.areas.back().psp_uniform_distribution = true;
    }
    g.areas[3].memory = true;
    g.areas[0].mappings = {rule("cA", "lateral_+x"), rule("cB", "all_to_all", -1),
                           rule("mM", "episodic_memory")};
    g.areas[0].mappings[0].plastic = true;
    g.areas[1].mappings = {rule("cC", "projector", 2)};
    g.regions["root"].areas = {cortical_id("cA")};
    g.regions["root"].regions = {"part"};
    g.regions["part"].areas = {cortical_id("cB"), cortical_id("cC")};
    return g;
}

/// Some bursts with input to A.
void live(Connectome<V>& c, int bursts) {
    const Host on(1);
    for (int t = 0; t < bursts; ++t) {
        for (std::size_t i = 0; i < 12; ++i)
            if ((i + static_cast<std::size_t>(t)) % 3 == 0) c.brain().inject(c.area("cA"), i, 7.0);
        static_cast<void>(c.brain().burst(on));
    }
}

std::vector<double> potentials(const Connectome<V>& c, const char* area) {
    const auto& a = c.brain().area(c.area(area));
    std::vector<double> x;
    for (std::uint32_t i = 0; i < a.neurons; ++i) x.push_back(a.real_potential(i));
    return x;
}

}  // namespace

TEST_CASE("questions and statistics") {
    const Connectome<V> c(plan());
    CHECK(c.notes().empty());
    CHECK(c.area("cB______") == 1);
    CHECK(c.area("mM") == 3);
    CHECK_THROWS_AS(static_cast<void>(c.area("gone")), Error);
    CHECK(c.neurons_at(1, {2, 1, 0}) == std::vector<std::uint32_t>{12 + 2 * 2 + 1});
    CHECK_THROWS_AS(static_cast<void>(c.neurons_at(1, {6, 0, 0})), Error);
    CHECK_THROWS_AS(static_cast<void>(c.neurons_at(3, {0, 0, 0})), Error);
    CHECK(c.mapping(0, 1).size() == 1);
    CHECK(c.mapping(1, 0).empty());
    CHECK(c.upstream(1) == std::vector<std::size_t>{0});
    CHECK(c.downstream(0) == std::vector<std::size_t>{0, 1, 3});
    CHECK(c.region_of(1) == "part");
    CHECK(c.region_of(3).empty());
    CHECK(c.areas_of("root") == std::vector<std::size_t>{0, 1, 2});
    const ConnectomeStatistics s = c.statistics();
    // 3 x 3 lateral, 12 x 12 inhibitory, 12 projected.
    CHECK(s.neurons == 26);
    CHECK(s.synapses == 9 + 144 + 12);
    CHECK(s.inhibitory == 144);
    CHECK(s.excitatory == 21);
    CHECK(s.most_outgoing == 13);
    CHECK(s.areas[1].incoming == 144);
    CHECK(s.areas[0].outgoing == 153);
    CHECK(s.regions == 2);
    CHECK(s.rules == 4);
}

TEST_CASE("a change keeps the state, synapses and weights that it does not touch") {
    Connectome<V> c(plan());
    live(c, 9);
    static_cast<void>(c.brain().set_weight(0, 3, 77));
    c.brain().add(BrainSynapse{1, 2, 9, 9, false, 3});
    const auto a = potentials(c, "cA"), b = potentials(c, "cB");
    const auto memories = c.brain().memories().at(0).neurons.neurons().size();
    CHECK(memories > 0);
    const auto bursts = c.brain().bursts();

    c.rename(0, "eye");
    CHECK(c.genome().areas[0].name == "eye");
    CHECK(c.brain().area(0).properties.name == "eye");
    CHECK(potentials(c, "eye") == a);

    c.resize(2, {3, 2, 1}, 2);
    CHECK(c.brain().area(2).neurons == 12);
    CHECK(c.brain().bursts() == bursts);
    CHECK(potentials(c, "cA") == a);
    CHECK(potentials(c, "cB") == b);
    CHECK(c.brain().memories().at(0).neurons.neurons().size() == memories);
    // The projector to C grew for its new size, 6 x 2 to 3 x 2 with two neurons a voxel.
    CHECK(c.statistics().areas[2].incoming == 24);
    bool kept = false, added = false;
    for (const BrainSynapse& s : c.brain().outgoing(0))
        kept = kept || (s.target == 3 && s.weight == 77);
    for (const BrainSynapse& s : c.brain().outgoing(1)) added = added || s.delay == 3;
    CHECK(kept);
    CHECK(added);

    c.set_mapping(0, 1, {rule("", "block_to_block", 3)});
    CHECK(c.statistics().areas[1].incoming == 8);  // 4 x 3 into 6 x 2
    CHECK(potentials(c, "cB") == b);
    c.set_mapping(0, 1, {});
    CHECK(c.statistics().areas[1].incoming == 0);

    GenomeArea more;
    more.id = cortical_id("cAA");
    more.size = {5, 1, 1};
    more.mappings = {rule("cB", "last_to_first", 2)};
    c.add(more);
    CHECK_THROWS_AS(c.add(more), Error);
    CHECK(c.area("cAA") == 0);  // areas stand by their ids: all numbers have moved
    CHECK(potentials(c, "eye") == a);
    CHECK(potentials(c, "cB") == b);
    CHECK(c.statistics().areas[c.area("cB")].incoming == 1);
    kept = false;
    for (const BrainSynapse& s : c.brain().outgoing(5))
        kept = kept || (s.target == 8 && s.weight == 77);
    CHECK(kept);
    live(c, 5);

    c.remove(c.area("cAA"));
    CHECK(c.genome().areas.size() == 4);
    CHECK(c.statistics().areas[1].incoming == 0);
    c.move(3, "minds");
    CHECK(c.region_of(3) == "minds");
    live(c, 5);
    CHECK(c.brain().bursts() == bursts + 10);
}

TEST_CASE("what cannot be leaves everything as it was") {
    GrowthOptions growth;
    growth.most_neurons = 1000;
    Connectome<V> c(plan(), growth);
    live(c, 4);
    const BrainState before = BrainArchive::save(c.brain());
    CHECK_THROWS_AS(c.resize(1, {100, 100, 1}, 1), Error);
    CHECK_THROWS_AS(c.resize(1, {0, 1, 1}, 1), Error);
    CHECK(same_brain(c.genome(), plan()));
    // A file's genome may need more than the growth that goes on with it allows.
    const test::Temporary folder;
    c.save(folder / "c");
    growth.most_synapses = 1;
    auto small = Connectome<V>::load(folder / "c", growth);
    CHECK_THROWS_AS(small.rename(0, "other"), Error);
    CHECK(small.genome().areas[0].name == "cA");
    CHECK(BrainArchive::save(c.brain()) == before);
}

TEST_CASE("a connectome goes on from its file") {
    const test::Temporary folder;
    Connectome<V> c(plan());
    live(c, 7);
    c.save(folder / "c");
    auto again = Connectome<V>::load(folder / "c");
    CHECK(same_brain(again.genome(), c.genome()));
    live(c, 6);
    live(again, 6);
    CHECK(BrainArchive::save(again.brain()) == BrainArchive::save(c.brain()));
    again.resize(0, {2, 2, 2}, 1);
    CHECK(again.brain().area(0).neurons == 8);
    save_brain(folder / "bare", BrainArchive::save(c.brain()));
    CHECK_THROWS_AS(static_cast<void>(Connectome<V>::load(folder / "bare")), Error);
    Genome other = plan();
    other.areas.pop_back();
    save_brain(folder / "other", BrainArchive::save(c.brain()), &other);
    CHECK_THROWS_AS(static_cast<void>(Connectome<V>::load(folder / "other")), Error);
}
