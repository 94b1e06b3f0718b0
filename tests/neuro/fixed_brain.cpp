// The engine for chips against a plain one that computes the same rule on the same table with lists and
// 64-bit numbers, and against the plan in double; what a table takes; what it refuses.
#include <nibble/neuro/compare.hpp>
#include <nibble/neuro/fixed_brain.hpp>
#include <nibble/neuro/lif_fixed.hpp>
#include <nibble/neuro/table_writer.hpp>

#include <targets/brain_int4.hpp>
#include <targets/brain_int8.hpp>
#include <targets/plan.hpp>

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <vector>

using namespace nibble;

namespace {

/// FEAGI's rule in words, one neuron at a time, on a table.
template <const auto& table>
struct PlainBrain {
    using V = typename std::remove_cvref_t<decltype(table)>::Value;
    static constexpr std::size_t n = std::remove_cvref_t<decltype(table)>::neurons;
    std::vector<std::int64_t> v = std::vector<std::int64_t>(n);
    std::vector<int> countdown = std::vector<int>(n), count = std::vector<int>(n);
    std::vector<std::size_t> fired;
    std::uint32_t burst_number = 0, saturated = 0;

    static std::int64_t clip(std::int64_t x, std::int64_t low, std::int64_t high) {
        return std::min(std::max(x, low), high);
    }
    void burst(const std::vector<std::pair<std::size_t, std::int32_t>>& injected) {
        ++burst_number;
        std::vector<std::vector<std::int64_t>> inputs(n);
        for (const auto& [i, code] : injected) inputs[i].push_back(code);
        for (const std::size_t s : fired)
            table.synapses.for_each(
                s, [&](std::size_t t, std::int32_t code) { inputs[t].push_back(code); });
        fired.clear();
        for (const TableArea& a : table.areas)
            for (std::size_t i = a.first; i < a.first + a.size; ++i) {
                if (!a.accumulates) v[i] = 0;
                if (a.power && i == a.first)
                    inputs[i].push_back((a.threshold * 16 + a.gain - 1) / a.gain);
                if (inputs[i].empty() && !table.every_step) continue;
                if (countdown[i] > 0) {
                    if (--countdown[i] == 0 && a.consecutive > 0 && count[i] >= a.consecutive)
                        count[i] = 0;
                    continue;
                }
                std::int64_t sum = 0;
                for (const std::int64_t x : inputs[i]) sum += x;
                const int f = 16 - bits_v<V>;
                const auto raw = static_cast<std::int64_t>(
                    std::floor((static_cast<double>(v[i]) * std::exp2(f + 4) +
                                static_cast<double>(sum * a.gain) + 8) /
                               16));
                const std::int64_t x = clip(raw, -32768, 32767);
                saturated += x != raw ? 1u : 0u;
                const std::int64_t least =
                    table.thresholds.size() != 0 ? table.thresholds[i] : a.threshold;
                std::int64_t keep = a.keep;
                if (x >= least && x <= a.limit) {
                    std::uint32_t h =
                        static_cast<std::uint32_t>(i) * 2654435761u + burst_number * 1597334677u;
                    h = h * 747796405u + 2891336453u;
                    h = ((h >> ((h >> 28) + 4)) ^ h) * 277803737u;
                    h = (h >> 22) ^ h;
                    if (a.consecutive > 0 && count[i] >= a.consecutive) {
                        count[i] = 0;
                        keep = 32768;
                    } else if (a.chance == 0xFFFFFFFFu || h < a.chance) {
                        v[i] = 0;
                        if (a.consecutive > 0) ++count[i];
                        countdown[i] = a.refractory;
                        if (a.consecutive > 0 && count[i] >= a.consecutive)
                            countdown[i] += a.snooze;
                        fired.push_back(i);
                        continue;
                    } else {
                        count[i] = 0;
                    }
                } else {
                    count[i] = 0;
                }
                const double most = bits_v<V> == 8 ? 127 : 7;
                const double dither =
                    bits_v<V> == 8 ? 0.5 : Dither(1, burst_number)(i) * std::exp2(-32);
                const double y = static_cast<double>(x * keep) / std::exp2(15 + f);
                v[i] = static_cast<std::int64_t>(
                    std::fmin(std::fmax(std::floor(y + dither), -most - 1), most));
            }
    }
};

template <const auto& table>
void runs_as_the_plain_one(std::int32_t dose_in_64ths) {
    static FixedBrain<table> brain;
    brain = {};
    PlainBrain<table> plain;
    std::size_t spikes = 0, wrong = 0;
    const std::int32_t dose =
        FixedBrain<table>::threshold_code(table.areas[1]) * dose_in_64ths / 64;
    for (std::size_t t = 0; t < 500; ++t) {
        std::vector<std::pair<std::size_t, std::int32_t>> injected;
        const Dither dice(3, t);
        for (std::size_t i = 1; i < FixedBrain<table>::neurons; ++i)
            if (dice(i) < 0x28000000u)
                injected.emplace_back(i, i % 7 == 0 ? -dose : i % 5 == 0 ? 0 : dose);
        for (const auto& [i, code] : injected) brain.inject(i, code);
        const std::uint32_t n = brain.burst();
        plain.burst(injected);
        std::vector<std::size_t> fired;
        brain.for_each_spike([&](std::size_t i) { fired.push_back(i); });
        wrong += fired != plain.fired || n != fired.size() ? 1u : 0u;
        for (std::size_t i = 0; i < FixedBrain<table>::neurons; ++i)
            wrong += code_of(brain.potential()[i]) != plain.v[i] ? 1u : 0u;
        spikes += fired.size();
    }
    CHECK(wrong == 0);
    CHECK(spikes > 500);
    CHECK(brain.saturated() == plain.saturated);
    CHECK(brain.bursts() == 500);
}

constexpr auto every_step_of(auto table) {
    table.every_step = true;
    return table;
}
constexpr auto all_int8 = every_step_of(brain_int8);
constexpr auto all_int4 = every_step_of(brain_int4);
constexpr auto long_rests = [] {
    auto table = brain_int8;
    table.areas[2].refractory = 20;  // more than fits into half a byte
    table.areas[2].consecutive = 17;
    return table;
}();
constexpr auto no_rests = [] {
    auto table = brain_int8;
    table.areas[2].refractory = table.areas[3].snooze = 0;
    return table;
}();

std::string file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

/// The plan in double, without any rounding.
SpikeRecording in_double(const BrainPlan& plan, std::size_t bursts, double dose) {
    std::vector<const AreaProperties*> area;
    std::vector<double> threshold;
    for (const AreaProperties& a : plan.areas)
        for (std::uint64_t i = 0; i < a.neurons(); ++i) {
            area.push_back(&a);
            threshold.push_back(a.threshold_at(a.voxel(i)));
        }
    const std::size_t n = area.size();
    std::vector<std::size_t> fan_out(n);
    for (const BrainSynapse& s : plan.synapses) ++fan_out[s.source];
    std::vector<double> v(n), countdown(n), count(n);
    SpikeRecording r(n, bursts);
    for (std::size_t t = 0; t < bursts; ++t) {
        std::vector<double> input(n);
        std::vector<bool> touched(n);
        const Dither dice(2, t);
        for (std::size_t i = 1; i < 49; ++i)
            if (dice(i) < 0x33333333u) input[i] += dose, touched[i] = true;
        for (const BrainSynapse& s : plan.synapses)
            if (t > 0 && r.fired(t - 1, s.source)) {
                input[s.target] += (s.inhibitory ? -1.0 : 1.0) * s.weight * s.psp /
                                   (area[s.source]->psp_uniform_distribution
                                        ? 1.0
                                        : static_cast<double>(fan_out[s.source]));
                touched[s.target] = true;
            }
        r.begin_step();
        for (std::size_t i = 0; i < n; ++i) {
            const AreaProperties& a = *area[i];
            if (a.kind == AreaKind::power) input[i] = a.threshold, touched[i] = true;
            if (!a.charge_accumulation) v[i] = 0.0;
            if (!touched[i]) continue;
            const double limit = a.consecutive_fire_limit;
            if (countdown[i] > 0) {
                if (--countdown[i] == 0 && limit > 0 && count[i] >= limit) count[i] = 0;
                continue;
            }
            v[i] += input[i];
            std::uint32_t h = static_cast<std::uint32_t>(i) * 2654435761u +
                              static_cast<std::uint32_t>(t + 1) * 1597334677u;
            h = h * 747796405u + 2891336453u;
            h = ((h >> ((h >> 28) + 4)) ^ h) * 277803737u;
            const bool lucky = ((h >> 22) ^ h) * 0x1p-32 < a.excitability;
            if (v[i] >= threshold[i] && (a.threshold_limit == 0.0 || v[i] <= a.threshold_limit)) {
                if (limit > 0 && count[i] >= limit) {
                    count[i] = 0;
                    continue;
                }
                if (lucky || a.excitability >= 0.999) {
                    r.add(i);
                    v[i] = 0.0;
                    if (limit > 0) ++count[i];
                    countdown[i] = a.refractory + (limit > 0 && count[i] >= limit ? a.snooze : 0);
                    continue;
                }
            }
            count[i] = 0;
            v[i] *= 1.0 - a.leak;
        }
    }
    return r;
}

template <std::size_t N, NeuralValue W>
constexpr std::size_t bytes_of = [] {
    // 8-bit potentials, 16-bit charges, a bit for spikes; what a table of 10 synapses each takes.
    return N + 2 * N + (N + 31) / 32 * 4 + 8 + sizeof(BrainTable<Int8Value, W, 1, N, 10 * N>);
}();

}  // namespace

TEST_CASE("the brain of the targets, burst for burst as the plain engine") {
    runs_as_the_plain_one<brain_int8>(48);
    runs_as_the_plain_one<brain_int4>(48);
    runs_as_the_plain_one<all_int8>(48);
    runs_as_the_plain_one<all_int4>(40);
    runs_as_the_plain_one<long_rests>(48);
    runs_as_the_plain_one<no_rests>(48);
    runs_as_the_plain_one<brain_int8>(300);  // more than the range of potentials
}

TEST_CASE("the table in the tree is what the writer writes") {
    const BrainPlan plan = test::target_plan();
    const TableSource int8 = write_brain_table<Int8Value>(plan, {.name = "brain_int8"});
    CHECK(int8.text == file(NIBBLE_SOURCE_DIR "/tests/targets/brain_int8.hpp"));
    CHECK(int8.notes.empty());
    CHECK(write_brain_table<Int4Value>(plan, {.name = "brain_int4"}).text ==
          file(NIBBLE_SOURCE_DIR "/tests/targets/brain_int4.hpp"));
}

TEST_CASE("a table at INT8 fires as its plan does in double") {
    const BrainPlan plan = test::target_plan();
    static FixedBrain<brain_int8> brain;
    const std::int32_t code = FixedBrain<brain_int8>::threshold_code(brain_int8.areas[1]) * 3 / 4;
    // What one code is in real units: gain / 16 wide numbers, 32640 of which are the threshold 10.
    const double dose = code * (brain_int8.areas[1].gain / 16.0) * 10.0 / 32640.0;
    const SpikeRecording reference = in_double(plan, 2000, dose);
    SpikeRecording low(reference.neurons(), 2000);
    for (std::size_t t = 0; t < 2000; ++t) {
        const Dither dice(2, t);
        for (std::size_t i = 1; i < 49; ++i)
            if (dice(i) < 0x33333333u) brain.inject(i, code);
        brain.burst();
        low.begin_step();
        brain.for_each_spike([&](std::size_t i) { low.add(i); });
    }
    const SpikeSimilarity s = compare_spikes(reference, low);
    MESSAGE("rate error " << s.rate_error << " %, correlation " << s.rate_correlation
                          << ", coincidence " << s.coincidence << " of " << s.reference_spikes);
    CHECK(s.rate_error <= 2.0);
    CHECK(s.rate_correlation >= 0.999);
    CHECK(s.coincidence >= 0.6);
}

TEST_CASE("bytes of state: 2.1 a neuron and 2 of charge") {
    // Potential, both timers, spike.
    constexpr double hot = (sizeof(FixedBrain<brain_int8>) - 2.0 * 121) / 121;
    MESSAGE("INT8: " << hot << " bytes of state a neuron and 2 of charge, "
                     << static_cast<double>(sizeof(brain_int8.synapses)) / 544
                     << " bytes a synapse with where its row begins");
    CHECK(hot <= 2.5);
    CHECK(sizeof(brain_int8.synapses.target[0]) + sizeof(brain_int8.synapses.weight[0]) <= 3);
}

TEST_CASE("how many neurons with 10 synapses each fit into 320 KB, structure and all") {
    static_assert(sizeof(FixedBrain<brain_int8>) <= 121 * (1 + 2 + 1) + 16 + 8 + 4);
    constexpr std::size_t room = 320 * 1024;
    CHECK(bytes_of<9300, Int8Value> <= room);
    CHECK(bytes_of<10800, Int4Value> <= room);
    MESSAGE("INT8: 9300 neurons in "
            << bytes_of<9300, Int8Value> << " bytes; with INT4 weights 10800 in "
            << bytes_of<10800, Int4Value> << " of " << room);
}

TEST_CASE("synapses from a list, of every width") {
    constexpr FixedSynapses<Int4Value, 3, 300, 4> few(
        {{{2, 299, -8}, {0, 1, 7}, {2, 0, 3}, {0, 2, 1}}});
    static_assert(few.begin(0) == 0 && few.begin(1) == 2 && few.begin(2) == 2 && few.begin(3) == 4);
    static_assert(few.code(0) == 7 && few.code(1) == 1 && few.code(2) == -8 && few.code(3) == 3);
    static_assert(few.largest_sums()[299] == 8 && few.largest_sums()[1] == 7 &&
                  sizeof(few) <= 4 + 8 + 2 + 2);
    std::int32_t charge[300] = {};
    few.deliver(2, charge, 100);
    CHECK(charge[299] == -800);
    CHECK(charge[0] == 300);

    // More than 65,535 synapses: rows of 64 sources share a base.
    std::vector<std::uint32_t> want;
    static FixedSynapses<Int8Value, 7000, 7000, 70'000> many;
    static std::array<std::uint32_t, 7001> starts;
    static std::array<std::uint16_t, 70'000> targets;
    static std::array<int, 70'000> weights;
    for (std::size_t s = 0; s <= 7000; ++s)
        starts[s] = static_cast<std::uint32_t>(s * 10 + (s % 3 == 1 && s < 7000 ? 5 : 0));
    for (std::size_t k = 0; k < 70'000; ++k) {
        targets[k] = static_cast<std::uint16_t>(k * 7919 % 7000);
        weights[k] = static_cast<int>(k % 255) - 127;
    }
    many = {starts, targets, weights};
    std::size_t wrong = 0, k = 0;
    for (std::size_t s = 0; s < 7000; ++s) {
        wrong += many.begin(s) != starts[s] ? 1u : 0u;
        many.for_each(s, [&](std::size_t t, std::int32_t code) {
            wrong += t != targets[k] || code != weights[k] ? 1u : 0u;
            ++k;
        });
    }
    CHECK(wrong == 0);
    CHECK(k == 70'000);
}

TEST_CASE("what a table cannot hold is refused, what it leaves out is named") {
    const auto refuses = [](auto&& change, const char* what) {
        BrainPlan plan = test::target_plan();
        change(plan);
        try {
            (void)write_brain_table<Int8Value>(plan);
        } catch (const Error& e) {
            INFO(e.what());
            return std::string(e.what()).find(what) != std::string::npos;
        }
        return false;
    };
    CHECK(refuses([](BrainPlan& p) { p.areas[2].mp_driven_psp = true; }, "c00000: mp_driven_psp"));
    CHECK(refuses([](BrainPlan& p) { p.areas[3].snooze = 256; }, "snooze 256"));
    CHECK(refuses([](BrainPlan& p) { p.areas[3].consecutive_fire_limit = 300; }, "limit 300"));
    CHECK(refuses([](BrainPlan& p) { p.areas[1].leak = 1.5; }, "leak 1.5"));
    CHECK(refuses([](BrainPlan& p) { p.areas[1].leak = NAN; }, "leak"));
    CHECK(refuses([](BrainPlan& p) { p.areas[1].threshold = INFINITY; }, "threshold"));
    CHECK(refuses([](BrainPlan& p) { p.synapses[7].target = 121; }, "to 121 of 121"));
    CHECK(refuses([](BrainPlan& p) { p.synapses[7].delay = 2; }, "delay 2"));
    const auto long_snooze = [](BrainPlan& p) {
        p.areas[2].snooze = 300;
        p.areas[2].consecutive_fire_limit = 0xFFFF;
    };
    CHECK_FALSE(refuses(long_snooze, "snooze 300"));  // no limit: the snooze never comes

    BrainPlan plan = test::target_plan();
    plan.plasticity.push_back({});
    plan.areas[1].leak_variability = 0.1;
    plan.synapses[60].weight = 255;
    plan.synapses[60].psp = 255;
    const TableSource t = write_brain_table<Int8Value>(plan);
    CHECK(t.notes.size() == 3);
    CHECK(t.text.find("rules of plasticity are left out") != std::string::npos);
    const TableSource empty = write_brain_table<Int8Value>(BrainPlan{});
    CHECK(empty.text.find("Int8Value, 0, 0, 0, 0>") != std::string::npos);
}
