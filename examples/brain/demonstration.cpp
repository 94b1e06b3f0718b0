#include "demonstration.hpp"

#include <algorithm>

namespace example {

using namespace nibble;

namespace {

GenomeArea area(const char* id, const char* name, const char* group,
                std::array<std::uint32_t, 3> size) {
    GenomeArea a;
    a.id = cortical_id(id);
    a.name = name;
    a.group = group;
    a.size = size;
    a.charge_accumulation = true;
    a.psp_uniform_distribution = true;
    return a;
}

void connect(GenomeArea& from, const char* to, const char* morphology, double weight,
             double percent = 100) {
    MappingRule rule;
    rule.target = cortical_id(to);
    rule.morphology = morphology;
    rule.multiplier = weight;
    rule.attractivity = percent;
    rule.window = 3;
    from.mappings.push_back(std::move(rule));
}

}  // namespace

Genome demonstration() {
    Genome g;
    g.id = "demonstration";
    g.title = "A demonstration brain";
    Morphology edge;
    edge.type = Morphology::Type::vectors;
    edge.vectors = {{-1, 0, 0}, {0, 0, 0}, {1, 0, 0}};
    g.morphologies["edge"] = edge;
    Morphology flank = edge;
    flank.vectors = {{0, -1, 0}, {0, 1, 0}};
    g.morphologies["flank"] = flank;

    GenomeArea eye = area("ieye0001", "eye", "IPU", {32, 32, 1});
    eye.psp = 10;
    eye.refractory = 1;
    connect(eye, "cedges01", "edge", 3);
    connect(eye, "cedges01", "flank", -2);

    GenomeArea edges = area("cedges01", "edges", "CUSTOM", {32, 32, 1});
    edges.threshold = 35;
    edges.leak = 0.2;
    edges.refractory = 2;
    edges.psp = 10;
    connect(edges, "cexcite1", "projector", 4);

    GenomeArea excitatory = area("cexcite1", "cortex, excitatory", "CUSTOM", {24, 24, 1});
    excitatory.threshold = 40;
    excitatory.leak = 0.1;
    excitatory.refractory = 2;
    excitatory.psp = 4;
    connect(excitatory, "cexcite1", "all_to_all", 2, 4);
    connect(excitatory, "cinhibi1", "all_to_all", 2, 6);
    connect(excitatory, "omotor01", "projector", 5);
    excitatory.mappings.front().plastic = true;

    GenomeArea inhibitory = area("cinhibi1", "cortex, inhibitory", "CUSTOM", {12, 12, 1});
    inhibitory.threshold = 40;
    inhibitory.leak = 0.15;
    inhibitory.refractory = 1;
    inhibitory.psp = 2;
    connect(inhibitory, "cexcite1", "all_to_all", -3, 12);
    connect(inhibitory, "cinhibi1", "all_to_all", -2, 6);

    GenomeArea motors = area("omotor01", "motors", "OPU", {8, 1, 1});
    motors.threshold = 30;
    motors.leak = 0.3;
    motors.consecutive_fire_limit = 4;
    motors.snooze = 3;

    GenomeArea power = area("___power", "power", "CORE", {1, 1, 1});
    power.threshold = 0.5;
    power.charge_accumulation = false;

    g.areas = {eye, edges, excitatory, inhibitory, motors, power};
    std::sort(g.areas.begin(), g.areas.end(),
              [](const GenomeArea& a, const GenomeArea& b) { return a.id < b.id; });
    return g;
}

}  // namespace example
