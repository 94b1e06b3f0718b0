// Genomes out of JSON and into it.
#include <nibble/neuro/genome_read.hpp>
#include <nibble/neuro/genome_write.hpp>

#include <doctest/doctest.h>

#include "support/temporary.hpp"

using namespace nibble;

namespace {

using Kind = GenomeNote::Kind;

/// A genome of two areas, "i_in" and "c_out": its blueprint's further members and its other sections.
std::string flat(const std::string& more, const std::string& rest = "") {
    return R"({"version":"2.0","blueprint":{
        "_____10c-iic400-cx-___bbx-i":4,"_____10c-iic400-cx-___bby-i":3,"_____10c-iic400-cx-___bbz-i":2,
        "_____10c-c__out-cx-___bbx-i":5,"_____10c-c__out-cx-___bby-i":1,"_____10c-c__out-cx-___bbz-i":1)" +
           more + "}" + rest + "}";
}

ReadGenome read(const std::string& text, bool repair = true) {
    GenomeOptions options;
    options.repair = repair;
    return parse_genome(text, "g.json", options);
}

std::string error_of(const std::string& text, bool repair = true) {
    try {
        static_cast<void>(read(text, repair));
    } catch (const Error& e) {
        return e.what();
    }
    return "none";
}

/// The note on a path; a note of kind "assumed" without an action when there is none.
GenomeNote note_on(const ReadGenome& r, const std::string& path) {
    for (const GenomeNote& n : r.report.notes)
        if (n.path == path) return n;
    return {Kind::assumed, path, "", "", ""};
}

const GenomeArea& out_of(const ReadGenome& r) {
    return r.genome.areas.at(r.genome.index(r.genome.find("c__out")));
}
const GenomeArea& in_of(const ReadGenome& r) {
    return r.genome.areas.at(r.genome.index(r.genome.find("iic400")));
}

}  // namespace

TEST_CASE("ids: spellings and what old ones have become") {
    CHECK(to_base64(power_id) == "X19fcG93ZXI=");
    CHECK(from_base64("X19fcG93ZXI=") == power_id);
    CHECK_FALSE(from_base64("X19fcG93ZXI").has_value());
    CHECK_FALSE(from_base64("X19fcG93ZXJ=").has_value());  // bits beyond the eighth byte
    CHECK_FALSE(from_base64("enp6enp6eno=").has_value());  // begins with z
    CHECK(fixed_successor("iic400")->id == cortical_io_id('i', "svi", 9, 4, 0));
    CHECK(fixed_successor("iv00TR")->id == cortical_io_id('i', "svi", 9, 8, 0));
    CHECK(fixed_successor("omot00")->id == cortical_io_id('o', "mot", 5, 0, 0));
    CHECK(fixed_successor("ogaz01")->id == cortical_io_id('o', "gaz", 1, 1, 0));
    CHECK(fixed_successor("___pwr")->id == power_id);
    CHECK_FALSE(fixed_successor("iic900").has_value());

    std::set<CorticalId> taken;
    CHECK(read_cortical_id("_power", taken).id == power_id);
    CHECK(read_cortical_id("c__for", taken).id == cortical_id("c__for__"));
    CHECK(read_cortical_id("i___id", taken).id == cortical_io_id('i', "mis", 10, 0, 0));
    CHECK(read_cortical_id("i__pro", taken).id == cortical_io_id('i', "mis", 10, 0, 1));
    CHECK(read_cortical_id("o__mot", taken).id == cortical_io_id('o', "mis", 10, 0, 0));
    CHECK(read_cortical_id("t_mFor", taken).id == cortical_id("ct_mFor_"));
    CHECK(read_cortical_id("cABCDEFG", taken).why.empty());
    // The same eight bytes are never given twice, and any text gets an id that begins with a kind.
    for (const char* text : {"___pwr", "thalamus_vision", "cABCDEFG", "a b", "\xC3\xA9"}) {
        const std::size_t before = taken.size();
        CHECK(is_cortical_kind(read_cortical_id(text, taken).id.kind()));
        CHECK(taken.size() == before + 1);
    }
}

TEST_CASE("the form is found from the content") {
    CHECK(read(flat("")).report.form == GenomeForm::flat);
    CHECK(read(R"({"version":"3.0","blueprint":{"_____10c-X19fcG93ZXI=-cx-___bbx-i":1}})")
              .report.form == GenomeForm::flat_64);
    const ReadGenome nested = read(R"({"version":"2.0","blueprint":{"c__out":
        {"cortical_name":"out","block_boundaries":[5,1,2],"cortical_type":"OPU"}}})");
    CHECK(nested.report.form == GenomeForm::nested);
    CHECK(out_of(nested).size == std::array<std::uint32_t, 3>{5, 1, 2});
    CHECK(out_of(nested).group == "OPU");
    CHECK(out_of(nested).name == "out");
}

TEST_CASE("every form of a mapping rule is kept") {
    const ReadGenome r = read(flat(R"(,"_____10c-iic400-cx-dstmap-d":{"c__out":[
        ["projector",[1,1,1],2,false],
        ["a","3",-300,true,2,3,4],
        ["memory",[1,"2x",3],1.0,true,2,3,4,9],
        {"morphology_id":"b","morphology_scalar":[1,1,1],"postSynapticCurrent_multiplier":7,
         "plasticity_flag":true,"plasticity_constant":1,"ltp_multiplier":2,"ltd_multiplier":3,
         "plasticity_window":4,"synapse_attractivity":50,"colour":"red"},
        ["short",1]],
        "//c__out":[["projector",[1,1,1],1,false]]})",
                                   R"(,"physiology":{"plasticity_queue_depth":6})"));
    const auto& rules = in_of(r).mappings;
    REQUIRE(rules.size() == 6);
    const std::string path = "/blueprint/_____10c-iic400-cx-dstmap-d/c__out/";
    const CorticalId out = cortical_id("c__out__");
    CHECK(rules[0].target == out);
    CHECK(rules[0].morphology == "projector");
    CHECK(rules[0].multiplier == 2);
    CHECK_FALSE(rules[0].plastic);
    CHECK(rules[0].window == 6);

    CHECK(rules[1].scalar == std::array<double, 3>{3, 3, 3});
    CHECK(rules[1].multiplier == -255);
    CHECK(rules[1].plastic);
    CHECK(rules[1].ltd == 4);
    CHECK(rules[1].window == 6);
    CHECK(note_on(r, path + "1/2").kind == Kind::repaired);
    CHECK(note_on(r, path + "1").action == "plasticity_queue_depth, 6");

    CHECK(rules[2].morphology == "episodic_memory");
    CHECK(note_on(r, path + "2/0").kind == Kind::migrated);
    CHECK(rules[2].window == 9);
    CHECK(note_on(r, path + "2/1/1").kind == Kind::ignored);

    CHECK(rules[3].attractivity == 50);
    CHECK(rules[3].ltp == 2);
    CHECK(rules[3].other.at("colour") == R"("red")");
    CHECK(note_on(r, path + "3/colour").kind == Kind::ignored);

    CHECK(rules[4].morphology == "short");
    CHECK(note_on(r, path + "4").expected == "4, 7 or 8 elements");

    CHECK_FALSE(rules[5].target);
    CHECK(rules[5].named == "//c__out");
    CHECK(note_on(r, "/blueprint/_____10c-iic400-cx-dstmap-d/~1~1c__out").kind == Kind::ignored);
}

TEST_CASE("what cannot be is repaired, and said with path, value and expectation") {
    struct Case {
        const char *key, *value, *expected;
        double (*got)(const GenomeArea&);
        double is;
    };
    const Case cases[] = {
        {"nx-leak_c-f", "10", "a number from 0 to 1", [](const GenomeArea& a) { return a.leak; },
         1},
        {"nx-leak_c-f", "-0.5", "a number from 0 to 1", [](const GenomeArea& a) { return a.leak; },
         0},
        {"nx-pstcr_-f", "500", "a number from 0 to 255", [](const GenomeArea& a) { return a.psp; },
         255},
        {"cx-_n_cnt-i", "0", "a number from 1 to 65535",
         [](const GenomeArea& a) { return double(a.neurons_per_voxel); }, 1},
        {"cx-___bbz-i", "0", "a number from 1 to 1000000",
         [](const GenomeArea& a) { return double(a.size[2]); }, 1},
        {"nx-refrac-i", "\"7\"", "a number from 0 to 65535",
         [](const GenomeArea& a) { return double(a.refractory); }, 7},
        {"nx-snooze-i", "1.5", "a whole number from 0 to 65535",
         [](const GenomeArea& a) { return double(a.snooze); }, 2},
        {"nx-pstcr_-f", "0.9", "a whole number from 0 to 255",
         [](const GenomeArea& a) { return a.psp; }, 1},
        {"cx-mem_gr-i", "2.4", "a whole number from 0 to 4294967295",
         [](const GenomeArea& a) { return a.lifespan_growth; }, 2},
        {"nx-mp_acc-b", "1", "true or false",
         [](const GenomeArea& a) { return double(a.charge_accumulation); }, 1},
    };
    for (const Case& c : cases) {
        CAPTURE(c.key);
        // The last axis stands in the genome already.
        std::string text = flat(std::string(",\"_____10c-c__out-") + c.key + "\":" + c.value);
        if (std::string_view(c.key) == "cx-___bbz-i") {
            text = flat("");
            text.replace(text.find("c__out-cx-___bbz-i\":1") + 20, 1, c.value);
        }
        const std::string path = std::string("/blueprint/_____10c-c__out-") + c.key;
        const ReadGenome r = read(text);
        CHECK(c.got(out_of(r)) == c.is);
        const GenomeNote note = note_on(r, path);
        CHECK(note.kind == Kind::repaired);
        CHECK(note.value == c.value);
        CHECK(note.expected == c.expected);
        // Without leave to repair it is an error that says the same.
        CHECK(error_of(text, false) ==
              "nibble: g.json: " + path + " is " + c.value + ", expected " + c.expected);
    }
}

TEST_CASE("what cannot be read is refused with path, value and expectation") {
    CHECK(error_of("[]") == "nibble: g.json: JSON does not begin with '{'");
    CHECK(error_of("{}") == "nibble: g.json: no \"blueprint\", expected an object of areas");
    CHECK(error_of(R"({"blueprint":3})") ==
          "nibble: g.json: /blueprint is 3, expected an object of areas");
    CHECK(error_of(R"({"blueprint":{"c__out":[1]}})") ==
          "nibble: g.json: /blueprint/c__out is [1], expected an object of an area's properties");
    CHECK(error_of(flat(R"(,"_____10c-c__out-nx-fire_t-f":"high")")) ==
          "nibble: g.json: /blueprint/_____10c-c__out-nx-fire_t-f is \"high\", expected a number");
    CHECK(error_of(flat(R"(,"_____10c-c__out-cx-dstmap-d":{"c__out":[5]})"))
              .find("/c__out/0 is 5, expected a rule of 4, 7 or 8 elements or an object") !=
          std::string::npos);
    CHECK(error_of(flat("", R"(,"neuron_morphologies":{"m":{"type":"vectors","parameters":
          {"vectors":[[1,2]]}}})")) ==
          "nibble: g.json: /neuron_morphologies/m/parameters/vectors/0 "
          "is [1,2], expected three numbers");
    CHECK(error_of(R"({"blueprint":{"c__out":{},"c__out":{}}})") ==
          "nibble: g.json: key \"c__out\" twice");
}

TEST_CASE("the precision in any spelling; missing is fp32 and says so") {
    const auto precision = [](const char* json) {
        return read(
            flat("", std::string(R"(,"physiology":{"quantization_precision":)") + json + "}"));
    };
    for (const char* text : {"\"int8\"", "\"INT8\"", "\"i8\"", "\" Int8 \""})
        CHECK(precision(text).genome.physiology.precision.value == ValueKind::int8);
    for (const char* text : {"\"f16\"", "\"FP16\"", "\"half\"", "\"float16\""})
        CHECK(precision(text).genome.physiology.precision.value == ValueKind::fp16);
    CHECK(precision("\"int4-g64\"").genome.physiology.precision.group == 64);
    CHECK(precision("\"int4\"").genome.physiology.precision.value == ValueKind::int4);
    CHECK(precision("\"int4\"").report.notes.size() == 2);  // the two ids
    const ReadGenome wrong = precision("\"int9\"");
    CHECK(wrong.genome.physiology.precision.value == ValueKind::fp32);
    CHECK(note_on(wrong, "/physiology/quantization_precision").kind == Kind::repaired);
    const ReadGenome none = read(flat(""));
    CHECK(none.genome.physiology.precision.value == ValueKind::fp32);
    CHECK(note_on(none, "/physiology/quantization_precision").action == "taken as fp32");
}

TEST_CASE("morphologies of today and of the oldest genomes") {
    const ReadGenome r = read(flat("", R"(,"neuron_morphologies":{
        "v":{"type":"vectors","parameters":{"vectors":[[1,-2,3]]},"class":"core"},
        "p":{"type":"patterns","parameters":{"patterns":[[["*","?","!"],[4,"*",0]]]}},
        "f":{"type":"functions","parameters":{}},
        "t":{"type":"composite","parameters":{"src_seed":[16,8,1],"src_pattern":[[1,0],[2,1],[1,1]],
             "mapper_morphology":"projector"}},
        "old":{"patterns":[[1,1,1],["*","*","*"]]},"older":{"functions":true},"none":{},
        "bi_directional_stdp":{"type":"functions"},
        "odd":{"type":"spline","parameters":{"knots":3}}})"));
    const auto& m = r.genome.morphologies;
    CHECK(m.at("v").vectors == std::vector<std::array<std::int32_t, 3>>{{1, -2, 3}});
    CHECK(m.at("v").group == "core");
    const Pattern& p = m.at("p").patterns.at(0);
    CHECK(p.source[1].kind == PatternStep::Kind::same);
    CHECK(p.source[2].kind == PatternStep::Kind::other);
    CHECK(p.destination[0] == PatternStep{PatternStep::Kind::exactly, 4});
    CHECK(m.at("f").type == Morphology::Type::functions);
    CHECK(m.at("t").choose == std::array<std::uint32_t, 3>{1, 2, 1});
    CHECK(m.at("t").mapper == "projector");
    CHECK(m.at("old").type == Morphology::Type::patterns);
    CHECK(m.at("older").type == Morphology::Type::functions);
    CHECK(m.at("none").type == Morphology::Type::none);
    CHECK(m.contains("associative_memory"));
    CHECK(m.at("odd").type == Morphology::Type::none);
    CHECK(note_on(r, "/neuron_morphologies/odd/type").kind == Kind::ignored);
    CHECK(note_on(r, "/neuron_morphologies/odd/parameters/knots").kind == Kind::ignored);
}

TEST_CASE("older spellings of properties, and values given twice") {
    const ReadGenome r =
        read(flat(R"(,"_____10c-c__out-nx-snooze-f":3,"_____10c-c__out-nx-snooze-i":4,
        "_____10c-c__out-cx-pstcr_-f":9,"_____10c-c__out-cx-2dcorx-i":null,
        "_____10c-c__out-cx-whatis-x":[1],"_____10b-s":1)"));
    CHECK(out_of(r).snooze == 3);
    CHECK(note_on(r, "/blueprint/_____10c-c__out-nx-snooze-i").kind == Kind::ignored);
    CHECK(out_of(r).psp == 9);
    CHECK(note_on(r, "/blueprint/_____10c-c__out-cx-2dcorx-i").kind == Kind::assumed);
    CHECK(out_of(r).other.at("cx-whatis-x") == "[1]");
    CHECK(r.genome.other.at("blueprint/_____10b-s") == "1");
}

TEST_CASE("nested areas that take their neurons from a kind") {
    const ReadGenome r = read(R"({"blueprint":{"cortical_areas":{
        "eye":{"cortical_id":"sens_1","dimensions":{"x":10,"y":9,"z":8},"location":{"x":1,"y":-2,"z":3},
               "cortical_mapping_dstn":{"hand":{"cortical_mapping_type":"fully_connected",
               "postsynaptic_current":50}},"morphology_id":"lif","refractory_period":5},
        "hand":{"cortical_id":"m_1","dimensions":{"width":2,"height":3,"depth":4}}}},
        "morphologies":{"lif":{"parameters":{"firing_threshold_starting_value":50.5,
                        "refractory_period":2,"degeneracy":1}}}})");
    const GenomeArea& eye = r.genome.areas.at(r.genome.index(r.genome.find("sens_1")));
    CHECK(eye.size == std::array<std::uint32_t, 3>{10, 9, 8});
    CHECK(eye.position == std::array<std::int32_t, 3>{1, -2, 3});
    CHECK(eye.threshold == 50.5);
    CHECK(eye.refractory == 5);  // its own before its kind's
    REQUIRE(eye.mappings.size() == 1);
    CHECK(eye.mappings[0].morphology == "all_to_all");
    CHECK(eye.mappings[0].psp == 50);
    CHECK(to_string(eye.mappings[0].target) == "m_1_____");
    CHECK(note_on(r, "/morphologies/lif/parameters/degeneracy").kind == Kind::ignored);
}

TEST_CASE("regions") {
    const ReadGenome r =
        read(flat("", R"(,"brain_regions":{"root":{"title":"all","description":null,
        "parent_region_id":null,"coordinate_2d":[1,2],"coordinate_3d":[3,4,5],"areas":["iic400"],
        "cortical_areas":["c__out","iic400"],"regions":["r1","ghost"],"inputs":["gone"],"outputs":["c__out"]},
        "r1":{"title":"part","parent_region_id":"root"}},"brain_regions_root":"root")"));
    const BrainRegion& root = r.genome.regions.at("root");
    CHECK(root.areas == std::vector{r.genome.find("iic400"), r.genome.find("c__out")});
    CHECK(root.inputs.empty());
    CHECK(root.regions == std::vector<std::string>{"r1"});
    CHECK(note_on(r, "/brain_regions/root/regions/1").kind == Kind::ignored);
    CHECK(note_on(r, "/brain_regions/root/inputs/0").kind == Kind::ignored);
    CHECK(root.position == std::array<std::int32_t, 3>{3, 4, 5});
    CHECK(r.genome.regions.at("r1").parent == "root");
    CHECK(r.genome.root_region == "root");
}

TEST_CASE("a size that is not understood is said") {
    const ReadGenome r = read(R"({"blueprint":{"cAAAAAAA":{"block_boundaries":null},
        "cBBBBBBB":{"block_boundaries":{"w":5,"height":4}},
        "cCCCCCCC":{"block_boundaries":[5,4,3,9]},
        "cDDDDDDD":{"block_boundaries":{"x":7,"width":8,"y":1,"z":1}},
        "cEEEEEEE":{"block_boundaries":[2,2,2],"2d_coordinate":{"x":1,"y":2,"z":3}}}})");
    const auto size = [&](const char* id) {
        return r.genome.areas.at(r.genome.index(cortical_id(id))).size;
    };
    CHECK(note_on(r, "/blueprint/cAAAAAAA/block_boundaries").value == "null");
    CHECK(note_on(r, "/blueprint/cAAAAAAA/block_boundaries").action == "each taken as 1");
    const std::string b = "/blueprint/cBBBBBBB/block_boundaries/";
    CHECK(size("cBBBBBBB") == std::array<std::uint32_t, 3>{1, 4, 1});
    CHECK(note_on(r, b + "w").kind == Kind::ignored);
    CHECK(note_on(r, b + "x").action == "taken as 1");
    CHECK(note_on(r, b + "y").action.empty());
    CHECK(note_on(r, b + "z").action == "taken as 1");
    CHECK(size("cCCCCCCC") == std::array<std::uint32_t, 3>{5, 4, 3});
    CHECK(note_on(r, "/blueprint/cCCCCCCC/block_boundaries/3").kind == Kind::ignored);
    CHECK(size("cDDDDDDD")[0] == 8);
    CHECK(note_on(r, "/blueprint/cDDDDDDD/block_boundaries/x").action == "given before; not used");
    CHECK(note_on(r, "/blueprint/cEEEEEEE/2d_coordinate/z").kind == Kind::ignored);

    const ReadGenome f = read(R"({"blueprint":{"_____10c-cAAAAAAA-cx-___bbx-i":3,
        "_____10c-cAAAAAAA-nx-___bbx-i":7,"_____10c-cAAAAAAA-cx-___bby-i":2}})");
    CHECK(f.genome.areas.at(0).size == std::array<std::uint32_t, 3>{3, 2, 1});
    CHECK(note_on(f, "/blueprint/_____10c-cAAAAAAA-nx-___bbx-i").kind == Kind::ignored);
    CHECK(note_on(f, "/blueprint/_____10c-cAAAAAAA-cx-___bbz-i").action == "taken as 1");
}

TEST_CASE("whole numbers of rules are the nearest") {
    const ReadGenome r = read(flat(R"(,"_____10c-iic400-cx-dstmap-d":{"c__out":[
        ["projector",[1,1,1],0.5,true,1.2,-2.5,3.7,4],
        {"morphology_id":"b","postSynapticCurrent_multiplier":-1.4,"postsynaptic_current":0.9}]})"));
    const std::string path = "/blueprint/_____10c-iic400-cx-dstmap-d/c__out/";
    const auto& rules = in_of(r).mappings;
    CHECK(rules.at(0).multiplier == 1);
    CHECK(rules.at(0).plasticity_constant == 1);
    CHECK(rules.at(0).ltp == -3);
    CHECK(rules.at(0).ltd == 4);
    CHECK(rules.at(1).multiplier == -1);
    CHECK(rules.at(1).psp == 1);
    for (const char* at :
         {"0/2", "0/4", "0/5", "0/6", "1/postSynapticCurrent_multiplier", "1/postsynaptic_current"})
        CHECK(note_on(r, path + at).kind == Kind::repaired);
}

TEST_CASE("only the places of neurons have names for truths") {
    const ReadGenome r =
        read(R"({"blueprint":{"cAAAAAAA":{"location_generation_type":"random"}}})");
    CHECK(r.genome.areas.at(0).random_locations);
    CHECK(error_of(R"({"blueprint":{"cAAAAAAA":{"is_mem_type":"random"}}})") ==
          "nibble: g.json: /blueprint/cAAAAAAA/is_mem_type is \"random\", expected true or false");
}

TEST_CASE("load, save, load gives the same brain in every form") {
    const ReadGenome r = read(flat(
        R"(,"_____10c-iic400-cx-dstmap-d":{"c__out":[["projector",[1,2.5,1],-2,true,2,3,4],
        {"morphology_id":"b","synapse_attractivity":50,"colour":"red"},["m",["x",1,1],1,false]],
        "gone":[["projector",[1,1,1],1,false]]},
        "_____10c-c__out-nx-leak_c-f":0.1,"_____10c-c__out-cx-__name-t":"\u00e9t\u00e9",
        "_____10c-c__out-cx-whatis-x":[1],"_____10c-c__out-cx-long_word":2,"_____10b-s":1,
        "_____10c-c__out-cx-__rand-b":true,"_____10c-t_mFor-nx-fire_t-f":0.3)",
        R"(,"neuron_morphologies":{"b":{"type":"vectors","parameters":{"vectors":[[0,0,1]]}},
        "p":{"type":"patterns","parameters":{"patterns":[[["*","?","!"],[4,"*",0]]]}},
        "t":{"type":"composite","parameters":{"src_seed":[16,8,1],"src_pattern":[[1,0],[2,1],[1,1]],
             "mapper_morphology":"projector"}},"odd":{"type":"spline","knots":3}},
        "physiology":{"quantization_precision":"I8","sleep":{"a":[1,2.5]}},"signatures":{"g":"0"},
        "timestamp":1713187080.019076,"genome_title":"t","surprise":[null,{"a":1}],
        "brain_regions":{"root":{"title":"all","areas":["iic400"],"signature":"s"}})"));
    CHECK(r.genome.areas.size() == 3);
    for (const GenomeForm form : {GenomeForm::flat, GenomeForm::nested, GenomeForm::flat_64}) {
        CAPTURE(name_of(form));
        const std::string text = genome_text(r.genome, form);
        const ReadGenome again = parse_genome(text, "again");
        CHECK(again.report.form == form);
        CHECK(same_brain(again.genome, r.genome));
        CHECK(again.report.count(Kind::repaired) == 0);
        CHECK(again.report.count(Kind::migrated) == 0);
        CHECK(genome_text(again.genome, form) == text);
    }
    // A difference is seen.
    Genome other = r.genome;
    other.areas[1].leak = 0.2;
    CHECK_FALSE(same_brain(other, r.genome));
}

TEST_CASE("genome files") {
    const test::Temporary folder;
    const std::string path = folder / "g.json";
    const ReadGenome r = read(flat(""));
    write_genome(r.genome, path, GenomeForm::flat_64);
    CHECK(same_brain(read_genome(path).genome, r.genome));
    CHECK_THROWS_AS(static_cast<void>(read_genome(folder / "none.json")), Error);
}
