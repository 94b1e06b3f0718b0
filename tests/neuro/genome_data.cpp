// Real genomes keep every area and rule.
#include <nibble/neuro/genome_read.hpp>
#include <nibble/neuro/genome_write.hpp>
#include <nibble/neuro/growth.hpp>

#include <doctest/doctest.h>

#include "support/data.hpp"

using namespace nibble;

TEST_CASE("the essential genome: 24 areas, 18 rules, 56 morphologies") {
    const ReadGenome r = read_genome(test::data_file("genomes/essential_genome.json").string());
    CHECK(r.report.form == GenomeForm::flat);
    CHECK(r.genome.areas.size() == 24);
    CHECK(r.genome.rules() == 18);
    CHECK(r.genome.morphologies.size() == 56);
    CHECK(r.genome.physiology.precision.value == ValueKind::fp16);
    for (const GenomeArea& a : r.genome.areas)
        for (const MappingRule& rule : a.mappings)
            CHECK(r.genome.index(rule.target) != r.genome.areas.size());
    // One psp of 500 and four leaks of 10; the sleep of the physiology has no effect here.
    CHECK(r.report.count(GenomeNote::Kind::repaired) == 5);
    CHECK(r.report.count(GenomeNote::Kind::migrated) == 24);
    CHECK(r.report.count(GenomeNote::Kind::ignored) == 1);
    for (const GenomeForm form : {GenomeForm::flat, GenomeForm::nested, GenomeForm::flat_64})
        CHECK(same_brain(parse_genome(genome_text(r.genome, form)).genome, r.genome));
}

TEST_CASE("the INT8 genome: nested, with neurons of a kind and an unusual rule") {
    const ReadGenome r = read_genome(test::data_file("genomes/example_int8_genome.json").string());
    CHECK(r.report.form == GenomeForm::nested);
    CHECK(r.genome.physiology.precision.value == ValueKind::int8);
    CHECK(r.genome.areas.size() == 2);
    REQUIRE(r.genome.rules() == 1);
    const GenomeArea& motor = r.genome.areas.at(r.genome.index(r.genome.find("motor_1")));
    CHECK(motor.mappings.at(0).target == r.genome.find("sens_1"));
    CHECK(motor.threshold == 50);
    CHECK(motor.leak == 0.97);
    CHECK(motor.charge_accumulation);
    for (const GenomeForm form : {GenomeForm::flat, GenomeForm::nested, GenomeForm::flat_64})
        CHECK(same_brain(parse_genome(genome_text(r.genome, form)).genome, r.genome));
}

TEST_CASE("synapses are as many as the geometry says, from every form") {
    const MappedFile file = MappedFile::open(test::data_file("feagi-vectors.json").string());
    const auto bytes = file.bytes();
    const Json facts = parse_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()},
                                  "feagi-vectors.json");
    const Json& known = facts.at("genomes").at("files").at("essential_genome.json");
    const Genome genome =
        read_genome(test::data_file("genomes/essential_genome.json").string()).genome;
    const GrownBrain brain = grow(genome);
    CHECK(brain.notes.empty());
    CHECK(brain.neurons() == known.at("neurons").get<std::uint64_t>());
    for (const auto& [name, neurons] : known.at("area_neurons").items())
        CHECK(brain.plan.areas.at(genome.index(genome.find(name))).neurons() ==
              neurons.get<std::uint64_t>());
    std::size_t compared = 0;
    for (const Json& m : known.at("mappings")) {
        if (m.at("geometric_synapses").is_null()) continue;
        const std::size_t from = genome.index(genome.find(m.at("src").get<std::string>()));
        const std::size_t to = genome.index(genome.find(m.at("dst").get<std::string>()));
        for (const GrownMapping& made : brain.mappings)
            if (made.source_area == from && made.target_area == to) {
                CHECK(made.synapses == m.at("geometric_synapses").get<std::uint64_t>());
                ++compared;
            }
    }
    CHECK(compared == 18);
    for (const GenomeForm form : {GenomeForm::flat, GenomeForm::nested, GenomeForm::flat_64}) {
        const GrownBrain again = grow(parse_genome(genome_text(genome, form)).genome);
        CHECK(again.plan.areas == brain.plan.areas);
        CHECK(again.plan.synapses == brain.plan.synapses);
    }
    const GrownBrain int8 =
        grow(read_genome(test::data_file("genomes/example_int8_genome.json").string()).genome);
    CHECK(int8.neurons() == 150);
    CHECK(int8.plan.synapses.size() == 5000);
}
