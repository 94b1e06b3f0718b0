// The example as its user meets it: the built-in brain, a genome of its own, bad genomes and inputs.
// NIBBLE_BRAIN is the program's path.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "support/temporary.hpp"

#include <cstdlib>
#include <string>

#if !defined(_WIN32)
#include <sys/wait.h>
#endif

namespace {

using nlohmann::json;

struct Outcome {
    int status;
    std::string out, error;
};

Outcome run(const test::Temporary& folder, const std::string& arguments) {
    const std::string command = "\"" NIBBLE_BRAIN "\" " + arguments + " > \"" + folder / "out" +
                                "\" 2> \"" + folder / "error" + "\"";
    int status = std::system(command.c_str());
#if !defined(_WIN32)
    status = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
#endif
    return {status, test::read_file(folder / "out"), test::read_file(folder / "error")};
}

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

const char* const genome = R"({"version":"2.0","blueprint":{
    "_____10c-iic000-cx-___bbx-i":4,"_____10c-iic000-cx-___bby-i":1,"_____10c-iic000-cx-___bbz-i":1,
    "_____10c-iic000-nx-pstcr_-f":500,"_____10c-iic000-nx-fire_t-f":10,
    "_____10c-iic000-cx-dstmap-d":{"c__out":[["block_to_block",[1,1,1],1,false]]},
    "_____10c-c__out-cx-___bbx-i":4,"_____10c-c__out-cx-___bby-i":1,"_____10c-c__out-cx-___bbz-i":1,
    "_____10c-c__out-nx-fire_t-f":10},
    "physiology":{"quantization_precision":"int8"}})";

}  // namespace

TEST_CASE("without a genome: a table, every figure and a page") {
    const test::Temporary folder;
    const Outcome o =
        run(folder, "--bursts 60 --precision int4 --compare fp32 --json \"" + folder / "o.json" +
                        "\" --html \"" + folder / "o.html" + "\"");
    CAPTURE(o.error);
    REQUIRE(o.status == 0);
    for (const char* stage : {"corticogenesis", "voxelogenesis", "neurogenesis", "synaptogenesis"})
        CHECK(has(o.error, stage));
    for (const char* part :
         {"B/neuron", "B/synapse", "bursts/s", "events/s", "saturated", "Jaccard"})
        CHECK(has(o.out, part));
    const json figures = json::parse(test::read_file(folder / "o.json"));
    CHECK(figures.at("run").at("precision") == "int4");
    CHECK(figures.at("reference").at("precision") == "fp32");
    CHECK(figures.at("run").at("spikes").get<int>() > 100);
    CHECK(figures.at("run").at("events").get<int>() > 1000);
    CHECK(figures.at("run").at("neuron_bytes") < figures.at("reference").at("neuron_bytes"));
    CHECK(figures.at("similarity").at("rate_error_percent").get<double>() < 50);
    std::size_t synapses = 0;
    for (const json& area : figures.at("run").at("areas"))
        synapses += area.at("synapses").get<std::size_t>();
    CHECK(synapses == figures.at("synapses").get<std::size_t>());
    const std::string page = test::read_file(folder / "o.html");
    CHECK(has(page, "<svg"));
    CHECK(has(page, "prefers-color-scheme: dark"));
    // Of its own: nothing is fetched.
    CHECK_FALSE(has(page, "src="));
    CHECK_FALSE(has(page, "href="));
}

TEST_CASE("a genome runs at its own precision, and inputs go where they should") {
    const test::Temporary folder;
    test::write_file(folder / "g.json", genome);
    test::write_file(folder / "in.json", R"({"inputs":[
        {"area":"iic000","burst":1,"neurons":[0,2],"potential":20},
        {"area":"iic000","from":3,"to":10,"every":3,"voxels":[[1,0,0]],"potential":20}]})");
    const Outcome o = run(folder, "\"" + folder / "g.json" + "\" --bursts 10 --inject \"" +
                                      folder / "in.json" + "\" --json \"" + folder / "o.json" +
                                      "\" --save \"" + folder / "s.json" + "\"");
    CAPTURE(o.error);
    REQUIRE(o.status == 0);
    CHECK(has(o.error,
              "/blueprint/_____10c-iic000-nx-pstcr_-f is 500, expected a number from 0 to "
              "255: taken as 255"));
    const json figures = json::parse(test::read_file(folder / "o.json"));
    CHECK(figures.at("run").at("precision") == "int8");
    // Bursts 1, 3, 6 and 9 fire in the eye, and a burst later behind it.
    for (const json& area : figures.at("run").at("areas")) CHECK(area.at("spikes") == 5);
    CHECK(figures.at("mappings").at(0).at("synapses") == 4);
    CHECK(json::parse(test::read_file(folder / "s.json")).at("version") == "3.0");
}

TEST_CASE("inputs after the last burst are counted") {
    const test::Temporary folder;
    test::write_file(folder / "g.json", genome);
    test::write_file(folder / "in.json", R"({"inputs":[
        {"area":"iic000","burst":100,"all":true,"potential":20},
        {"area":"iic000","from":11,"all":true,"potential":20},
        {"area":"iic000","from":10,"to":99,"all":true,"potential":20}]})");
    const Outcome o = run(folder, "\"" + folder / "g.json" + "\" --bursts 10 --inject \"" +
                                      folder / "in.json" + "\"");
    CHECK(o.status == 0);
    CHECK(has(o.error, "2 of 3 inputs are after the last burst, 10"));
}

TEST_CASE("bad genomes, inputs and precisions are refused with where, what and what was expected") {
    const test::Temporary folder;
    const auto refused = [&](const std::string& arguments, const std::string& message) {
        const Outcome o = run(folder, arguments);
        CAPTURE(o.error);
        CHECK(o.status == 2);
        CHECK(has(o.error, message));
    };
    test::write_file(folder / "g.json", genome);
    const std::string good = "\"" + folder / "g.json" + "\" ";
    refused(good + "--strict",
            "/blueprint/_____10c-iic000-nx-pstcr_-f is 500, expected a number "
            "from 0 to 255");
    refused(good + "--precision int9", "precision \"int9\": unknown; valid are fp32");
    refused(good + "--precision nf4", "no brain is built for nf4; built are fp32");
    // What only the end needs is looked at before the work.
    for (const std::string late : {"--compare nf4", "--precision int9", "--json /nowhere/o.json",
                                   "--html /nowhere/o.html"}) {
        const Outcome o = run(folder, good + late);
        CHECK(o.status == 2);
        CHECK_FALSE(has(o.error, "corticogenesis"));
    }
    test::write_file(folder / "in.json",
                     R"({"inputs":[{"area":"iic000","neurons":[4],"potential":1}]})");
    refused(good + "--inject \"" + folder / "in.json" + "\"",
            "/inputs/0/neurons/0 is 4, expected a whole number from 0 to 3");
    test::write_file(folder / "in.json", R"({"inputs":[{"area":"gone","potential":1}]})");
    refused(good + "--inject \"" + folder / "in.json" + "\"",
            "/inputs/0/area is \"gone\", expected an area of the genome");
    const auto input = [&](const std::string& text, const std::string& message) {
        test::write_file(folder / "in.json", text);
        refused(good + "--inject \"" + folder / "in.json" + "\"", message);
    };
    input(R"({"inputs":[{"area":"iic000","all":"yes","potential":1}]})",
          "/inputs/0/all is \"yes\", expected true or false");
    input(R"({"inputs":[{"area":"iic000","all":false,"potential":1}]})",
          "/inputs/0/area is \"iic000\", expected \"neurons\", \"voxels\" or \"all\" beside it");
    input(R"({"inputs":[{"area":"iic000","all":true,"potential":1,"burst":2,"to":5}]})",
          "/inputs/0/to is 5, expected no \"burst\" beside it");
    input(R"({"inputs":[],"input":[]})", "/input is [], expected \"inputs\" alone");
    test::write_file(folder / "bad.json", R"({"blueprint":{"c__out":{"block_boundaries":[1,2]}}})");
    refused("\"" + folder / "bad.json" + "\"",
            "/blueprint/c__out/block_boundaries is [1,2], expected 3 "
            "numbers, or an object of x, y and z");
    test::write_file(folder / "bad.json",
                     R"({"blueprint":{"c__out":{"block_boundaries":[1e6,1e6,9]}}})");
    refused("\"" + folder / "bad.json" + "\"", "/blueprint/c__out of 1000000 x 1000000 x 9 voxels");
    test::write_file(folder / "bad.json", "{\"blueprint\":");
    refused("\"" + folder / "bad.json" + "\"", "not valid JSON at byte");
}
