// Brain against the scalar oracle, and what must hold for every brain.
#include <doctest/doctest.h>

#include "support/brain_twins.hpp"

using namespace nibble;
using test::Twins;

TEST_CASE("a brain of floats equals the oracle in every bit") {
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
        CAPTURE(seed);
        Twins twins(seed, seed % 3 == 0 ? UpdateMode::every_step : UpdateMode::candidates);
        twins.wire(2500, seed % 2 == 0 ? 5 : 1);
        const BasicHost<Isa> on(1 + static_cast<int>(seed % 3));
        std::size_t fired = 0;
        for (int t = 0; t < 40; ++t) {
            CAPTURE(t);
            REQUIRE(twins.step(on, 30));
            fired += twins.oracle.history.back().size();
        }
        CHECK(fired > 0);
    }
}

TEST_CASE("plastic brains equal the oracle in every bit") {
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
        CAPTURE(seed);
        Twins twins(seed, UpdateMode::candidates, {20, 30, 25});
        twins.wire(300, 1);
        for (std::uint32_t k = 0; k < 3; ++k) {
            const std::uint32_t to = (k + static_cast<std::uint32_t>(seed % 2)) % 3;
            PlasticityRule r{k % 3, to, 1 + k, 2, 3, static_cast<std::int32_t>(k)};
            r.associative = k % 2 == 0;
            r.psp = 2;
            twins.brain.add(r);
            std::erase_if(twins.oracle.rules, [&](const PlasticityRule& x) {
                return x.source_area == r.source_area && x.target_area == r.target_area;
            });
            twins.oracle.rules.push_back(r);
        }
        const BasicHost<Isa> on(2);
        for (int t = 0; t < 30; ++t) REQUIRE(twins.step(on, 25));
        CHECK(twins.brain.synapses() == twins.oracle.synapses.size());
        CHECK(twins.brain.synapses() > 300);
    }
}
