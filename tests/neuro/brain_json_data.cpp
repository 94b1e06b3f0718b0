// What FEAGI computed, case by case: inputs and outputs of its kernels and whole bursts.
#include <nibble/neuro/brain.hpp>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "support/data.hpp"

#include <fstream>

using namespace nibble;
using nlohmann::json;

namespace {

const json& vectors() {
    static const json all = [] {
        std::ifstream in(test::data_file("feagi-vectors.json"));
        REQUIRE(in.good());
        return json::parse(in);
    }();
    return all;
}

double limit_from(const json& x) { return x.is_string() ? 0.0 : x.get<double>(); }

// Bit for bit, but +0 and -0 are one: a file that says 0.0 does not tell which.
bool same(double x, const json& expected) { return static_cast<float>(x) == expected.get<float>(); }

/// A brain of one neuron set a trace or a scenario: which place each of its neurons has.
struct Grown {
    Brain<float> brain{BrainOptions{.count_always = true}};
    std::vector<std::uint32_t> number;  // by neuron of the case
};

Grown grow(const json& trace) {
    Grown g;
    const json& neurons = trace["neurons"];
    std::map<int, std::size_t> area_of;
    std::map<int, std::uint32_t> size;
    for (const json& n : neurons) ++size[n[8].get<int>()];
    for (const json& a : trace["areas"]) {
        const int index = a["cortical_idx"];
        AreaProperties p{.id = "area" + std::to_string(index)};
        p.dimensions = {size[index], 1, 1};
        p.psp_uniform_distribution = a["psp_uniform_distribution"];
        p.mp_driven_psp = a["mp_driven_psp"];
        area_of[index] = g.brain.add(p);
    }
    std::map<int, std::vector<std::uint32_t>> members;
    for (std::uint32_t k = 0; k < neurons.size(); ++k) {
        const int index = neurons[k][8];
        const std::size_t area = area_of.at(index);
        const std::uint32_t number =
            g.brain.area(area).first + static_cast<std::uint32_t>(members[index].size());
        g.number.push_back(number);
        members[index].push_back(k);
        using enum NeuronParameter;
        const json& n = neurons[k];
        const auto put = [&](NeuronParameter p, double x) {
            g.brain.set(std::span(&number, 1), p, std::span(&x, 1));
        };
        put(threshold, n[0]);
        put(threshold_limit, limit_from(n[1]));
        put(leak, n[2]);
        put(refractory, n[3]);
        put(excitability, n[4]);
        put(consecutive_fire_limit, n[5]);
        put(snooze, n[6]);
        put(charge_accumulation, n[7].get<bool>() ? 1.0 : 0.0);
    }
    for (const auto& [index, keys] : members) g.brain.set_chance_keys(area_of[index], keys);
    std::vector<BrainSynapse> synapses;
    for (const json& s : trace["synapses"])
        synapses.push_back({g.number[s[0].get<std::size_t>()], g.number[s[1].get<std::size_t>()],
                            s[2], s[3], s[4].get<int>() != 0});
    g.brain.add(synapses);
    for (const json& r : trace["stdp"]) {
        PlasticityRule rule;
        rule.source_area = static_cast<std::uint32_t>(area_of.at(r.value("src", 0)));
        rule.target_area = static_cast<std::uint32_t>(area_of.at(r.value("dst", 0)));
        rule.window = r.at("window");
        rule.constant = r.at("constant");
        rule.ltp = r.at("ltp");
        rule.ltd = r.at("ltd");
        rule.associative = r.value("bidirectional", false);
        rule.psp = r.value("psp", std::uint8_t{1});
        g.brain.add(rule);
    }
    return g;
}

std::vector<int> fired(const Grown& g) {
    std::vector<std::uint32_t> numbers;
    for (std::size_t a = 0; a < g.brain.areas(); ++a)
        g.brain.for_fired(a, [&](const FiredNeuron& n) { numbers.push_back(n.neuron); });
    std::vector<int> all;
    for (std::size_t k = 0; k < g.number.size(); ++k)
        if (std::find(numbers.begin(), numbers.end(), g.number[k]) != numbers.end())
            all.push_back(static_cast<int>(k));
    return all;
}

}  // namespace

TEST_CASE("the kernels of one neuron and one synapse") {
    const json& x = vectors()["executed"];
    for (const json& c : x["pcg_hash"]) {
        CHECK(pcg_hash(c[0]) == c[1].get<std::uint32_t>());
        CHECK(pcg_unit(c[0]) == c[2].get<float>());
    }
    for (const json& c : x["excitability_random"])
        CHECK(excitability_random(c[0], c[1]) == c[2].get<float>());
    for (const json& c : x["should_fire"])
        CHECK(should_fire(c[0], c[1], c[2], c[3]) == c[4].get<bool>());
    for (const json& c : x["contribution"])
        CHECK(static_cast<float>(contribution(c[0], c[1], c[2].get<int>() != 0)) ==
              c[3].get<float>());
    for (const json& c : x["float_to_weight"])
        CHECK(weight_from_float(c[0]) == c[1].get<std::uint8_t>());
    for (const json& c : x["apply_weight_change"])
        CHECK(changed_weight(c[0], c[1]) == c[2].get<std::uint8_t>());
    for (const json& c : x["apply_refractory"])
        CHECK(silence_after(c[0], c[1], c[2], c[3]) == c[4].get<std::uint16_t>());
    for (const json& c : x["lif_f32"]) {
        const LifOutcome out = lif_step(c[0], c[3], c[1], c[2]);
        CHECK(out.fired == c[4].get<bool>());
        CHECK(same(static_cast<double>(out.potential), c[5]));
    }
}

TEST_CASE("pairs of spikes, patterns and the life of a memory neuron") {
    const json& x = vectors()["executed"];
    for (const json& c : x["stdp_exponential"]) {
        CHECK(pair_change({}, c[0]) == c[1].get<float>());
        const std::uint8_t before[] = {0, 1, 10, 128, 250, 255};
        for (std::size_t k = 0; k < 6; ++k)
            CHECK(pair_weight({}, before[k], c[0]) == c[2][k].get<std::uint8_t>());
    }
    for (const json& c : x["pattern_hash"]) {
        PatternHash hash;
        for (const json& frame : c["frames"]) {
            auto set = frame.get<std::vector<std::uint32_t>>();
            std::sort(set.begin(), set.end());
            hash.add(set);
        }
        CHECK(hash.total() == c["total"].get<std::size_t>());
        CHECK(std::to_string(hash.digest()) == c["xxh64_seed0"].get<std::string>());
    }
    for (const json& c : x["memory_lifecycle"]) {
        MemoryProperties p;
        p.initial_lifespan = c["initial_lifespan"];
        p.lifespan_growth = c["growth"];
        p.longterm_threshold = c["longterm_threshold"];
        MemoryNeurons neurons(p, 10);
        for (const json& op : c["ops"]) {
            const std::string what = op[0];
            CAPTURE(what);
            if (what == "create") {
                bool fresh = false;
                CHECK(first_memory_neuron + neurons.meet(42, fresh) == op[1].get<std::uint32_t>());
            } else if (what == "age") {
                std::size_t died = 0;
                neurons.age([&](std::uint32_t) { ++died; });
                CHECK(died == op[1].get<std::size_t>());
            } else if (what == "reactivate") {
                CHECK(neurons.wake(0) == op[1].get<bool>());
            } else {
                CHECK(what == "check_ltm");
                CHECK(neurons.settle() == op[1].get<std::size_t>());
            }
            const MemoryNeurons::Neuron& n = neurons.neurons()[0];
            CHECK((what == "check_ltm" ? n.longterm : n.alive) == (op[2].get<int>() != 0));
            CHECK(n.lifespan == op[3].get<double>());
        }
    }
}

TEST_CASE("traces of whole bursts") {
    const Host one(1);
    for (const json& trace : vectors()["executed"]["npu_traces"]) {
        CAPTURE(trace["id"].get<std::string>());
        Grown g = grow(trace);
        for (const json& b : trace["bursts"]) {
            for (const json& i : b["inject"])
                g.brain.inject(g.number[i[0].get<std::size_t>()], i[1]);
            const BurstResult r = g.brain.burst(one);
            CAPTURE(r.burst);
            CHECK(fired(g) == b["fired"].get<std::vector<int>>());
            CHECK(r.candidates == b["candidates"].get<std::uint64_t>());
            CHECK(r.events == b["synaptic_injections"].get<std::uint64_t>());
            CHECK(r.fired == b["fired"].size());
        }
        for (std::size_t k = 0; k < g.number.size(); ++k) {
            const json& state = trace["final_state"][k];
            CAPTURE(k);
            CHECK(same(g.brain.potential(g.number[k]), state[0]));
            CHECK(g.brain.timer(g.number[k]).countdown == state[1].get<int>());
            CHECK(g.brain.timer(g.number[k]).count == state[2].get<int>());
        }
    }
}

TEST_CASE("scenarios of its tests") {
    const Host one(1);
    for (const json& scenario : vectors()["documented"]["scenarios"]) {
        CAPTURE(scenario["name"].get<std::string>());
        Brain<float> brain(BrainOptions{.count_always = true});
        std::map<std::string, std::uint32_t> at;
        for (const auto& [name, n] : scenario["neurons"].items()) {
            AreaProperties p{.id = name};
            p.threshold = n["threshold"];
            p.threshold_limit = limit_from(n["threshold_limit"]);
            p.leak = n["leak"];
            p.refractory = n["refractory"];
            p.excitability = n["excitability"];
            p.consecutive_fire_limit = n["consecutive_fire_limit"];
            p.snooze = n["snooze"];
            p.charge_accumulation = n["accumulate"];
            p.psp_uniform_distribution = n["uniform"];
            p.mp_driven_psp = n["mp_driven"];
            at[name] = brain.area(brain.add(p)).first;
        }
        std::vector<BrainSynapse> synapses;
        for (const json& s : scenario["synapses"])
            synapses.push_back({at.at(s[0]), at.at(s[1]), s[2], s[3], s[4].get<int>() != 0});
        brain.add(synapses);
        for (const json& b : scenario["bursts"]) {
            for (const auto& [name, x] : b["inject"].items()) brain.inject(at.at(name), x);
            brain.burst(one);
            const auto fires = [&](const std::string& name) {
                return (brain.spikes(brain.place(at.at(name)).area)[0] & 1u) != 0;
            };
            const json yes = b.value("fired", json::array()), no = b.value("not_fired", yes);
            if (b.contains("fired"))
                for (const json& name : yes) CHECK(fires(name));
            if (b.contains("not_fired"))
                for (const json& name : no) CHECK_FALSE(fires(name));
            const json after = b.value("membrane_after", json::object());
            for (const auto& [name, v] : after.items())
                CHECK(same(brain.potential(at.at(name)), v));
        }
    }
}

TEST_CASE("plasticity scenarios of its tests") {
    const Host one(1);
    for (const json& scenario : vectors()["documented"]["stdp_scenarios"]) {
        CAPTURE(scenario["name"].get<std::string>());
        Brain<float> brain;
        const auto area = [&](const char* name) {
            return static_cast<std::uint32_t>(
                brain.add({.id = name, .dimensions = {4, 1, 1}, .threshold = 1.0, .psp = 1}));
        };
        PlasticityRule rule;
        rule.source_area = area("src");
        rule.target_area = area("dst");
        rule.window = scenario["window"];
        rule.constant = scenario["constant"];
        rule.ltp = scenario["ltp"];
        rule.ltd = scenario["ltd"];
        rule.associative = scenario["bidirectional"];
        rule.psp = scenario["psp"];
        brain.add(rule);
        if (scenario.contains("initial_weight"))
            brain.add(BrainSynapse{0, 4, scenario["initial_weight"], rule.psp, false});
        int number = 0;
        for (const json& b : scenario["bursts"]) {
            ++number;
            if (!b[0].is_null()) brain.inject(rule.source_area, b[0].get<std::size_t>(), 10);
            if (!b[1].is_null()) brain.inject(rule.target_area, b[1].get<std::size_t>(), 10);
            brain.burst(one);
            const json& expect = scenario["expect"];
            const std::string after = "after_burst_" + std::to_string(number);
            const json now = expect.is_string() ? expect : expect.value(after, json());
            if (now.is_string()) CHECK(brain.synapses() == 0);
            if (!now.is_object()) continue;
            REQUIRE(brain.synapses() == 1);
            const LocalSynapse s = brain.projections().front().list().front();
            CHECK(s.weight == now["weight"].get<int>());
            if (now.contains("psp")) CHECK(s.psp == now["psp"].get<int>());
            if (now.contains("type")) CHECK(s.inhibitory == (now["type"].get<int>() != 0));
        }
    }
}

TEST_CASE("threshold gradients") {
    for (const json& c : vectors()["documented"]["threshold_gradient"]) {
        AreaProperties p{.id = "gradient"};
        p.dimensions = {c["dims"][0], c["dims"][1], c["dims"][2]};
        p.neurons_per_voxel = c["npv"];
        p.threshold = c["base"];
        p.threshold_gradient = c["inc"].get<std::array<double, 3>>();
        Brain<float> brain;
        brain.add(p);
        std::vector<double> all;
        for (std::uint32_t i = 0; i < brain.neurons(); ++i)
            all.push_back(brain.get(i, NeuronParameter::threshold));
        if (c.contains("count")) CHECK(all.size() == c["count"].get<std::size_t>());
        if (c.contains("first")) CHECK(all.front() == c["first"].get<double>());
        if (c.contains("last")) CHECK(all.back() == c["last"].get<double>());
        if (c.contains("all"))
            for (const double x : all) CHECK(x == c["all"].get<double>());
        if (c.contains("list")) CHECK(all == c["list"].get<std::vector<double>>());
    }
}
