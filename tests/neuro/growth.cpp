// Growth against plain searches over all pairs of voxels.
#include <nibble/neuro/growth.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <set>

using namespace nibble;

namespace {

using Type = Morphology::Type;
using Kind = PatternStep::Kind;
constexpr PatternStep any{Kind::any, 0}, same{Kind::same, 0}, other{Kind::other, 0};
constexpr PatternStep at(std::uint32_t x) { return {Kind::exactly, x}; }

using Pair = std::pair<std::uint64_t, std::uint64_t>;

/// Two areas, "c_______" before "cb______", and one rule from the first to the second.
Genome two(std::array<std::uint32_t, 3> from, std::array<std::uint32_t, 3> to, std::string name,
           const Morphology& m = {}) {
    Genome g;
    g.areas.resize(2);
    g.areas[0].id = cortical_id("cA");
    g.areas[1].id = cortical_id("cB");
    g.areas[0].size = from;
    g.areas[1].size = to;
    MappingRule rule;
    rule.target = g.areas[1].id;
    rule.morphology = std::move(name);
    if (m.type != Type::none) g.morphologies[rule.morphology] = m;
    g.areas[0].mappings.push_back(std::move(rule));
    return g;
}

std::set<Pair> pairs(const Genome& g, const GrowthOptions& options = {}) {
    const GrownBrain b = grow(g, options);
    std::set<Pair> found;
    for (const BrainSynapse& s : b.plan.synapses)
        CHECK(found.insert({s.source, s.target - b.first[1]}).second);
    return found;
}

/// All pairs of voxels for which f(source, target) holds.
template <class F>
std::set<Pair> search(const Genome& g, F&& f) {
    std::set<Pair> found;
    const auto &a = g.areas[0].size, &b = g.areas[1].size;
    std::uint64_t i = 0;
    for (std::uint32_t x = 0; x < a[0]; ++x)
        for (std::uint32_t y = 0; y < a[1]; ++y)
            for (std::uint32_t z = 0; z < a[2]; ++z, ++i) {
                std::uint64_t k = 0;
                for (std::uint32_t u = 0; u < b[0]; ++u)
                    for (std::uint32_t v = 0; v < b[1]; ++v)
                        for (std::uint32_t w = 0; w < b[2]; ++w, ++k)
                            if (f(std::array{x, y, z}, std::array{u, v, w})) found.insert({i, k});
            }
    return found;
}

using At = std::array<std::uint32_t, 3>;

}  // namespace

TEST_CASE("vectors: offsets times the scalar, outside dropped, met twice made once") {
    Morphology m;
    m.type = Type::vectors;
    m.vectors = {{1, 0, -1}, {0, 2, 0}, {1, 0, -1}};
    Genome g = two({4, 5, 3}, {5, 4, 3}, "v", m);
    const auto meets = [](std::array<int, 3> v) {
        return [v](At s, At t) {
            for (std::size_t i = 0; i < 3; ++i)
                if (int(t[i]) != int(s[i]) + v[i]) return false;
            return true;
        };
    };
    CHECK(pairs(g) == search(g, [&](At s, At t) {
              return meets({1, 0, -1})(s, t) || meets({0, 2, 0})(s, t);
          }));
    g.areas[0].mappings[0].scalar = {3, -0.5, 1.9};
    CHECK(pairs(g) == search(g, [&](At s, At t) {
              return meets({3, 0, -1})(s, t) || meets({0, -1, 0})(s, t);
          }));
}

TEST_CASE("patterns: numbers, *, ? and !, several at once") {
    Morphology m;
    m.type = Type::patterns;
    m.patterns = {{{any, at(2), any}, {same, other, any}},
                  {{at(1), same, other}, {at(0), any, same}}};
    for (const At to : {At{5, 4, 3}, At{1, 1, 2}, At{7, 1, 1}}) {
        const Genome g = two({3, 4, 2}, to, "p", m);
        CHECK(pairs(g) == search(g, [](At s, At t) {
                  return (s[1] == 2 && t[0] == s[0] && t[1] != s[1]) ||
                         (s[0] == 1 && t[0] == 0 && t[2] == s[2]);
              }));
    }
    Genome beyond = two({2, 2, 2}, {2, 2, 2}, "p", m);
    beyond.morphologies["p"].patterns = {{{any, any, any}, {at(5), any, any}}};
    CHECK(pairs(beyond).empty());
}

TEST_CASE("projector: every axis scaled, and with axes swapped") {
    const auto meets = [](std::uint32_t s, std::uint32_t from, std::uint32_t t, std::uint32_t to) {
        if (from == to) return s == t;
        const float ratio = from > to ? float(from) / float(to) : float(to) / float(from);
        return from > to ? std::uint32_t(float(s) / ratio) == t
                         : std::uint32_t(float(t) / ratio) == s;
    };
    const std::pair<At, At> sizes[] = {{{7, 3, 4}, {3, 7, 4}},
                                       {{1, 1, 1}, {5, 2, 3}},
                                       {{16, 16, 3}, {1, 1, 1}},
                                       {{5, 8, 2}, {8, 5, 9}}};
    for (const auto& size : sizes) {
        const At a = size.first, b = size.second;
        const Genome g = two(a, b, "projector");
        const auto found = search(g, [&](At s, At t) {
            return meets(s[0], a[0], t[0], b[0]) && meets(s[1], a[1], t[1], b[1]) &&
                   meets(s[2], a[2], t[2], b[2]);
        });
        CHECK(pairs(g) == found);
        CHECK_FALSE(found.empty());
        const Genome xy = two(a, b, "projector_xy");
        CHECK(pairs(xy) == search(xy, [&](At s, At t) {
                  return meets(s[1], a[1], t[0], b[0]) && meets(s[0], a[0], t[1], b[1]) &&
                         meets(s[2], a[2], t[2], b[2]);
              }));
        const Genome yz = two(a, b, "projector_yz");
        CHECK(pairs(yz) == search(yz, [&](At s, At t) {
                  return meets(s[0], a[0], t[0], b[0]) && meets(s[2], a[2], t[1], b[1]) &&
                         meets(s[1], a[1], t[2], b[2]);
              }));
        const Genome end = two(a, b, "project_from_end_y");
        CHECK(pairs(end) == search(end, [&](At s, At t) {
                  return meets(s[0], a[0], t[0], b[0]) && s[1] == a[1] - 1 && t[1] == 0 &&
                         meets(s[2], a[2], t[2], b[2]);
              }));
    }
}

TEST_CASE("the other functions") {
    const Genome reducer = two({37, 2, 1}, {5, 2, 2}, "reducer_x");
    CHECK(pairs(reducer) == search(reducer, [](At s, At t) {
              return t[1] == 0 && t[2] == 0 && (s[0] >> t[0] & 1u) != 0;
          }));
    const Genome expander = two({3, 2, 4}, {7, 5, 2}, "expander_x");
    CHECK(pairs(expander) == search(expander, [](At s, At t) {
              return t[0] == std::uint32_t(float(s[0]) * (7.0f / 3.0f)) &&
                     t[1] == std::uint32_t(float(s[1]) * 2.5f) &&
                     t[2] == std::uint32_t(float(s[2]) * 0.5f);
          }));
    const Genome laterals = two({5, 2, 2}, {4, 2, 2}, "lateral_pairs_x");
    CHECK(pairs(laterals) == search(laterals, [](At s, At t) {
              return t[1] == s[1] && t[2] == s[2] && t[0] == (s[0] % 2 == 0 ? s[0] + 1 : s[0] - 1);
          }));
    const Genome last = two({3, 4, 5}, {2, 2, 2}, "last_to_first");
    CHECK(pairs(last) == std::set<Pair>{{59, 0}});
    Morphology function;
    function.type = Type::functions;
    const Genome block = two({4, 2, 3}, {3, 3, 1}, "block_to_block", function);
    CHECK(pairs(block) == search(block, [](At s, At t) {
              return t[0] == std::min(s[0], 2u) && t[1] == s[1] && t[2] == 0;
          }));
    // As vectors, which is what genomes say, it is dropped outside.
    const Genome strict = two({4, 2, 3}, {3, 3, 1}, "block_to_block");
    CHECK(pairs(strict) == search(strict, [](At s, At t) { return s == t; }));
    const Genome tenth = two({25, 2, 1}, {3, 2, 1}, "block_connection");
    CHECK(pairs(tenth) == search(tenth, [](At s, At t) {
              return t[0] == s[0] / 10 && t[1] == s[1] && t[2] == s[2];
          }));
}

TEST_CASE("the randomizer and attractivity: by the seed, about as many as asked for") {
    const Genome random = two({20, 20, 5}, {7, 3, 2}, "randomizer");
    const auto once = pairs(random);
    CHECK(once.size() == 2000);
    CHECK(pairs(random) == once);
    GrowthOptions reseeded;
    reseeded.seed = 2;
    CHECK(pairs(random, reseeded) != once);
    std::vector<int> hits(42);
    for (const Pair& p : once) ++hits[p.second];
    for (const int n : hits) CHECK((n > 20 && n < 80));  // 47.6 expected

    Genome all = two({20, 20, 1}, {10, 10, 1}, "all_to_all");
    CHECK(pairs(all).size() == 40000);
    all.areas[1].attractivity = 30;
    const auto third = pairs(all);
    CHECK(std::abs(double(third.size()) - 12000) < 400);  // 92 is one standard deviation
    CHECK(pairs(all) == third);
    CHECK(pairs(all, reseeded) != third);
    all.areas[0].mappings[0].attractivity = 100;  // the rule's own before the area's
    CHECK(pairs(all).size() == 40000);
    all.areas[0].mappings[0].attractivity = 0;
    CHECK(pairs(all).empty());
}

TEST_CASE("composites: the mapper over each block that is chosen") {
    Morphology tile;
    tile.type = Type::composite;
    tile.seed = {4, 2, 1};
    tile.choose = {1, 1, 1};
    tile.skip = {1, 0, 0};
    tile.mapper = "projector";
    // Blocks of 4 x 2: those at x = 0, 8; the one at 16 does not fit. The last row of y neither.
    const Genome g = two({18, 5, 2}, {2, 2, 1}, "tile", tile);
    CHECK(pairs(g) == search(g, [](At s, At t) {
              return s[0] / 4 % 2 == 0 && s[0] < 16 && s[1] < 4 && t[0] == s[0] % 4 / 2 &&
                     t[1] == s[1] % 2;
          }));
    Genome lost = g;
    lost.morphologies["tile"].mapper = "nobody";
    CHECK(grow(lost).notes.size() == 1);
    lost.morphologies["tile"].mapper = "tile";
    CHECK(pairs(lost).empty());
}

TEST_CASE("weights, signs, neurons of a voxel, rules of plasticity") {
    Genome g = two({2, 1, 1}, {2, 1, 1}, "block_to_block");
    g.areas[0].neurons_per_voxel = 2;
    g.areas[1].neurons_per_voxel = 3;
    g.areas[0].psp = 7.9;
    MappingRule& rule = g.areas[0].mappings[0];
    rule.multiplier = -3;
    rule.plastic = true;
    rule.window = 5;
    rule.ltp = 4;
    const GrownBrain b = grow(g);
    CHECK(b.neurons() == 10);
    REQUIRE(b.plan.synapses.size() == 12);
    CHECK(b.plan.synapses[0] == BrainSynapse{0, 4, 3, 8, true});
    CHECK(b.plan.synapses.back() == BrainSynapse{3, 9, 3, 8, true});
    REQUIRE(b.plan.plasticity.size() == 1);
    CHECK(b.plan.plasticity[0] == PlasticityRule{0, 1, 5, 1, 4, 1, false, 8});
    CHECK(b.mappings.at(0).synapses == 12);
    rule.psp = 100;
    rule.morphology = "associative_memory";
    const GrownBrain c = grow(g);
    CHECK(c.plan.synapses.empty());
    CHECK(c.plan.plasticity.at(0).associative);
    CHECK(c.plan.plasticity.at(0).psp == 100);
}

TEST_CASE("memory areas have no neurons of their own and know whom they listen to") {
    Genome g = two({2, 2, 1}, {3, 1, 1}, "episodic_memory");
    g.areas[1].memory = true;
    g.areas[1].temporal_depth = 4;
    const GrownBrain b = grow(g);
    CHECK(b.plan.areas[1].kind == AreaKind::memory);
    CHECK(b.plan.areas[1].memory.temporal_depth == 4);
    CHECK(b.neurons() == 4);
    CHECK(b.memories == std::vector{MemoryLink{0, 1, 0, false}});
    CHECK(b.notes.empty());
    g.areas[1].memory = false;
    CHECK(grow(g).notes.size() == 1);
}

TEST_CASE("what makes no synapses is said") {
    Genome g = two({2, 2, 1}, {3, 1, 1}, "nobody");
    CHECK(to_string(grow(g).notes.at(0)) ==
          "not understood: /blueprint/cA______/cortical_mapping_dst/cB______/0 is \"nobody\": no "
          "such morphology: no synapses");
    g.morphologies["nobody"].type = Type::functions;
    CHECK(grow(g).notes.at(0).action == "a morphology without a rule: no synapses");
    g.areas[0].mappings[0].target = {};
    g.areas[0].mappings[0].named = "//gone";
    CHECK(grow(g).notes.at(0).action == "no such area: no synapses");
    CHECK(grow(g).notes.at(0).path == "/blueprint/cA______/cortical_mapping_dst/~1~1gone/0");
    // The number is that among the rules to the same target; of a file, it is where the rule stood.
    g.areas[0].mappings.push_back(g.areas[0].mappings[0]);
    g.areas[0].mappings[1].named = "nowhere";
    CHECK(grow(g).notes.at(1).path == "/blueprint/cA______/cortical_mapping_dst/nowhere/0");
    g.areas[0].mappings[1].path = {"/blueprint/7"};
    CHECK(grow(g).notes.at(1).path == "/blueprint/7");
    g = two({2, 2, 1}, {3, 1, 1}, "projector");
    g.areas[0].excitability = 5;
    const GrownBrain b = grow(g);
    CHECK(b.notes.at(0).kind == GenomeNote::Kind::assumed);
    CHECK(b.plan.areas[0].excitability == 0.05);
    CHECK(b.plan.areas[1].excitability == 1.0);
}

TEST_CASE("fractions of a genome made in code are the nearest whole numbers") {
    Genome g = two({2, 2, 1}, {2, 2, 1}, "block_to_block");
    g.areas[0].psp = 0.9;
    g.areas[0].lifespan_growth = 1.6;
    g.areas[0].mappings[0].plastic = true;
    g.areas[0].mappings[0].ltp = -1.7;
    g.areas[0].mappings[0].multiplier = 2.6;
    const GrownBrain b = grow(g);
    CHECK(b.plan.synapses.at(0).psp == 1);
    CHECK(b.plan.synapses.at(0).weight == 3);
    CHECK(b.plan.areas[0].memory.lifespan_growth == 2);
    CHECK(b.plan.plasticity.at(0).ltp == -2);
}

TEST_CASE("growth has no more room than the engine") {
    CHECK(GrowthOptions{}.most_neurons == first_memory_neuron);
}

TEST_CASE("too much is refused before it is allocated") {
    const auto message = [](const Genome& g, const GrowthOptions& options = {}) {
        try {
            static_cast<void>(grow(g, options));
        } catch (const Error& e) {
            return std::string(e.what());
        }
        return std::string("none");
    };
    Genome huge = two({1000000, 1000000, 1000000}, {1, 1, 1}, "projector");
    huge.areas[0].neurons_per_voxel = 65535;
    CHECK(message(huge) ==
          "nibble: growth: /blueprint/cA______ of 1000000 x 1000000 x 1000000 voxels with 65535 "
          "neurons each, after 0 neurons, expected at most 50000000 neurons in all");
    GrowthOptions few;
    few.most_synapses = 100;
    CHECK(message(two({10, 10, 1}, {1, 1, 1}, "all_to_all"), few) == "none");
    CHECK(message(two({10, 10, 1}, {2, 1, 1}, "all_to_all"), few) ==
          "nibble: growth: /blueprint/cA______/cortical_mapping_dst/cB______/0 makes more synapses "
          "than are left of 100");
    few.most_neurons = 200'000'000;
    CHECK(message(two({1, 1, 1}, {10000, 10000, 1}, "projector"), few) != "none");
}

TEST_CASE("stages are told in order") {
    Genome g = two({2, 2, 1}, {3, 1, 1}, "all_to_all");
    std::vector<GrowthProgress> told;
    GrowthOptions options;
    options.progress = [&](const GrowthProgress& p) { told.push_back(p); };
    static_cast<void>(grow(g, options));
    REQUIRE_FALSE(told.empty());
    std::set<GrowthStage> stages;
    for (std::size_t i = 0; i < told.size(); ++i) {
        stages.insert(told[i].stage);
        CHECK(told[i].done <= told[i].total);
        if (i != 0) CHECK(told[i].stage >= told[i - 1].stage);
    }
    CHECK(stages.size() == 4);
    CHECK(told.back().synapses == 12);
    CHECK(told.back().neurons == 7);
}
