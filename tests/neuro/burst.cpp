// Synapses and the burst engine: against brute force, for any number of threads, without allocation.
#include <nibble/neuro/balanced.hpp>
#include <nibble/neuro/compare.hpp>
#include <nibble/neuro/standard_networks.hpp>

#include <doctest/doctest.h>
#include <support/allocations.hpp>
#include <support/neurons.hpp>

#include <algorithm>
#include <map>
#include <vector>

using namespace nibble;

namespace {

bool same(const SpikeRecording& a, const SpikeRecording& b) {
    if (a.steps() != b.steps() || a.neurons() != b.neurons()) return false;
    for (std::size_t t = 0; t < a.steps(); ++t)
        if (!std::ranges::equal(a.step(t), b.step(t))) return false;
    return true;
}

std::vector<Synapse> some_synapses(std::size_t sources, std::size_t targets, std::size_t n,
                                   double weight, std::uint64_t seed) {
    Random random(seed);
    std::vector<Synapse> list;
    for (std::size_t k = 0; k < n; ++k)
        list.push_back({static_cast<std::uint32_t>(random.below(sources)),
                        static_cast<std::uint32_t>(random.below(targets)),
                        weight * (0.25 * static_cast<double>(1 + random.below(4)))});
    return list;
}

}  // namespace

TEST_CASE_TEMPLATE("delivery adds the weights that the projection lists", V, float, half, fp8_e4m3,
                   Int8Value, Int4Value, Fixed16<8>, double) {
    constexpr std::size_t sources = 500, targets = 3000;
    const LifArray<V> target(targets);
    const Projection<V> p(
        sources, targets,
        RandomSynapses{.per_source = 40, .weight = -0.2, .spread = 0.9, .seed = 3},
        target.charge_per_unit());
    CHECK(p.synapses() == sources * 40);
    std::vector<std::uint32_t> spikes;
    for (std::uint32_t s = 0; s < sources; s += 3) spikes.push_back(s);
    std::vector<double> expected(targets);
    std::size_t n = 0, events = 0;
    p.for_each([&](const Synapse& s) {
        ++n;
        CHECK(s.weight <= 0.0);
        CHECK(s.weight >= -0.385);
        if (s.source % 3 == 0) expected[s.target] += s.weight;
    });
    CHECK(n == p.synapses());
    std::vector<charge_t<V>> one(targets), three(targets);
    p.deliver(BasicHost<>(1), spikes, one);
    p.deliver(BasicHost<>(3), spikes, three);
    CHECK(one == three);
    for (const std::uint32_t s : spikes) events += p.fan_out(s);
    CHECK(events == spikes.size() * 40);
    for (std::size_t i = 0; i < targets; ++i)
        CHECK(static_cast<double>(one[i]) / target.charge_per_unit() ==
              doctest::Approx(expected[i]).epsilon(1e-5));
}

TEST_CASE_TEMPLATE("weights are within half a step of what was asked", V, float, half, Int8Value,
                   Int4Value, Fixed16<8>) {
    const LifArray<V> target(100);
    const auto list = some_synapses(50, 100, 1000, 0.03, 1);
    const Projection<V> p(50, 100, list, target.charge_per_unit());
    std::map<std::pair<std::uint32_t, std::uint32_t>, double> asked, got;
    std::map<std::pair<std::uint32_t, std::uint32_t>, int> times;
    for (const Synapse& s : list) asked[{s.source, s.target}] += s.weight;
    p.for_each([&](const Synapse& s) {
        got[{s.source, s.target}] += s.weight;
        ++times[{s.source, s.target}];
    });
    CHECK(asked.size() == got.size());
    const double step = integer_state<V> ? p.scale() * 0.5001 : 1e-4 * 0.03 * 5;
    for (const auto& [edge, w] : asked) CHECK(std::fabs(got[edge] - w) <= step * times[edge]);
}

TEST_CASE_TEMPLATE("integer sums do not depend on the order of synapses", V, Int8Value, Int4Value,
                   Fixed16<8>) {
    auto list = some_synapses(200, 2000, 20'000, 0.05, 9);
    const LifArray<V> target(2000);
    const Projection<V> a(200, 2000, list, target.charge_per_unit());
    std::ranges::reverse(list);
    const Projection<V> b(200, 2000, list, target.charge_per_unit());
    std::vector<std::uint32_t> all(200);
    for (std::uint32_t s = 0; s < 200; ++s) all[s] = s;
    std::vector<std::int32_t> x(2000), y(2000);
    a.deliver(Host(1), all, x);
    b.deliver(Host(2), all, y);
    CHECK(x == y);
}

TEST_CASE("random rules") {
    const LifArray<Int8Value> target(1000);
    const double unit = target.charge_per_unit();
    std::vector<int> in(1000), out(400);
    Projection<Int8Value>(400, 1000, RandomSynapses{.per_target = 20, .seed = 4}, unit)
        .for_each([&](const Synapse& s) { ++in[s.target], ++out[s.source]; });
    CHECK(std::ranges::all_of(in, [](int n) { return n == 20; }));
    CHECK(*std::ranges::max_element(out) < 90);  // 50 on average
    CHECK(*std::ranges::min_element(out) > 20);
    // The seed decides which pairs, not the type.
    std::vector<std::pair<std::uint32_t, std::uint32_t>> a, b;
    const RandomSynapses rule{.per_source = 7, .spread = 0.5, .seed = 8};
    Projection<Int8Value>(400, 1000, rule, unit).for_each([&](const Synapse& s) {
        a.emplace_back(s.source, s.target);
    });
    Projection<float>(400, 1000, rule, 1.0).for_each([&](const Synapse& s) {
        b.emplace_back(s.source, s.target);
    });
    CHECK(a == b);
    CHECK_THROWS_AS((Projection<float>(4, 4, RandomSynapses{}, 1.0)), Error);
    CHECK_THROWS_AS(
        (Projection<float>(4, 4, RandomSynapses{.per_source = 1, .per_target = 1}, 1.0)), Error);
    const Synapse wrong[] = {{4, 0, 1.0}};
    CHECK_THROWS_AS((Projection<float>(4, 4, wrong, 1.0)), Error);
    CHECK(Projection<float>(0, 4, RandomSynapses{.per_target = 3}, 1.0).synapses() == 0);
}

TEST_CASE("bytes of a synapse") {
    const auto bytes = [](const auto& p) { return p.bytes_per_synapse(); };
    const RandomSynapses rule{.per_source = 1000, .spread = 0.5};
    // A target of two bytes and a weight; row starts are 4 bytes a source and tile.
    CHECK(bytes(Projection<Int8Value>(2000, 2000, rule, 1e5)) <= 3.01);
    CHECK(bytes(Projection<Int4Value>(2000, 2000, rule, 1e5)) <= 2.51);
    CHECK(bytes(Projection<float>(2000, 2000, rule, 1.0)) <= 6.01);
    // Equal weights are stored once.
    CHECK(bytes(Projection<float>(2000, 2000, RandomSynapses{.per_source = 1000}, 1.0)) <= 2.01);
}

TEST_CASE("the engine equals brute force, spike for spike") {
    // All numbers are multiples of powers of two with few bits, so double sums are exact in any order
    // and the leak of a half rounds nowhere that matters.
    constexpr std::size_t n = 150, m = 90, steps = 400;
    const LifParameters p{.leak = 0.5, .threshold = 1.0, .reset = 0.0, .refractory = 2};
    const auto forth = some_synapses(n, m, 2500, 0.25, 1),
               back = some_synapses(m, n, 2500, -0.25, 2),
               within = some_synapses(n, n, 3000, 0.125, 3);
    SpikingNetwork<double> net;
    net.add(
        {.neurons = n, .neuron = p, .drive = {.current = 0.5625, .rate = 0.25, .weight = 0.25}});
    net.add({.neurons = m, .neuron = p, .drive = {.rate = 1.0, .weight = 0.125, .seed = 5}});
    net.connect(0, 1, forth);
    net.connect(1, 0, back);
    net.connect(0, 0, within);

    // The drive alone, from arrays that integrate nothing: what the engine adds, by the same seeds.
    DriveSource<double> drive[2] = {{n, {.current = 0.5625, .rate = 0.25, .weight = 0.25}, 1.0},
                                    {m, {.rate = 1.0, .weight = 0.125, .seed = 5}, 1.0}};
    std::vector<test::PlainNeuron> a(n, test::PlainNeuron{p}), b(m, test::PlainNeuron{p});
    std::vector<char> fired_a(n), fired_b(m);
    std::size_t spikes = 0;
    for (std::size_t t = 0; t < steps; ++t) {
        std::vector<double> ca(n), cb(m);
        for (const Synapse& s : forth) cb[s.target] += fired_a[s.source] ? s.weight : 0.0;
        for (const Synapse& s : back) ca[s.target] += fired_b[s.source] ? s.weight : 0.0;
        for (const Synapse& s : within) ca[s.target] += fired_a[s.source] ? s.weight : 0.0;
        drive[0].add(t, 0, n, ca);
        drive[1].add(t, 0, m, cb);
        const std::size_t before = spikes;
        for (std::size_t i = 0; i < n; ++i) spikes += (fired_a[i] = a[i].step(ca[i])) ? 1u : 0u;
        for (std::size_t i = 0; i < m; ++i) spikes += (fired_b[i] = b[i].step(cb[i])) ? 1u : 0u;
        REQUIRE(net.tick(Host(2)) == spikes - before);
        for (std::size_t i = 0; i < n; ++i)
            REQUIRE((net.area(0).spikes()[i / 64] >> i % 64 & 1) == (fired_a[i] ? 1u : 0u));
    }
    CHECK(spikes > 1000);
    CHECK(net.events() > 10'000);
}

TEST_CASE("the Poisson drive has its mean, and does not depend on how it is cut") {
    const DriveSource<Int8Value> drive(1000, {.rate = 1.5, .weight = 1.0, .seed = 2}, 1000.0);
    double sum = 0.0, squares = 0.0;
    for (std::uint64_t t = 0; t < 200; ++t) {
        std::vector<std::int32_t> whole(1024), cut(1024);
        drive.add(t, 0, 1000, whole);
        drive.add(t, 0, 448, cut);
        drive.add(t, 448, 1000, cut);
        CHECK(whole == cut);
        for (const std::int32_t c : whole) {
            sum += c / 1000.0;
            squares += c / 1000.0 * c / 1000.0;
        }
    }
    const double mean = sum / 2e5, variance = squares / 2e5 - mean * mean;
    CHECK(mean == doctest::Approx(1.5).epsilon(0.01));
    CHECK(variance == doctest::Approx(1.5).epsilon(0.02));
    CHECK_THROWS_AS((DriveSource<float>(1, {.rate = 17.0}, 1.0)), Error);
}

TEST_CASE_TEMPLATE("charges beyond every range wrap or are cut, and are refused when no numbers", V,
                   Int8Value, Int4Value, Fixed16<8>) {
    const double most = 1e12, nan = std::nan("");
    SpikingNetwork<V> net;
    net.add({.neurons = 70,
             .neuron = {.leak = 0.9},
             .drive = {.current = most, .rate = 16.0, .weight = most}});
    for (int t = 0; t < 50; ++t) {
        for (int i = 0; i < 100; ++i) net.inject(0, 3, most);
        net.tick(Host(1));
    }
    CHECK(net.ticks() == 50);
    CHECK_THROWS_WITH_AS(net.inject(0, 3, nan), "nibble: SpikingNetwork: a current is nan", Error);
}

TEST_CASE_TEMPLATE("threads do not change a spike", V, float, half, Int8Value, Int4Value,
                   Fixed16<8>) {
    const BalancedNetwork n{.neurons = 6000, .inputs = 40, .seed = 3};
    const SpikeRecording one = simulate<V>(Host(1), n, 60);
    CHECK(one.spikes() > 3000);
    CHECK(same(one, simulate<V>(Host(2), n, 60)));
    CHECK(same(one, simulate<V>(Host(3), n, 60)));
}

TEST_CASE_TEMPLATE("synapses of weight zero change nothing", V, float, Int8Value, Int4Value) {
    const auto run = [](bool connected) {
        SpikingNetwork<V> net;
        net.add(
            {.neurons = 200, .neuron = {.leak = 0.9}, .drive = {.current = 0.12, .spread = 0.5}});
        net.add({.neurons = 0});
        if (connected) {
            net.connect(0, 0, RandomSynapses{.per_source = 30, .weight = 0.0});
            net.connect(0, 1, RandomSynapses{.per_source = 30, .weight = 1.0});
            net.connect(1, 0, RandomSynapses{.per_target = 30, .weight = 1.0});
        }
        return net.run(Host(1), 200);
    };
    CHECK(run(false).spikes() > 0);
    CHECK(same(run(false), run(true)));
}

TEST_CASE("a tick allocates nothing") {
    auto net = build_network<Int8Value>(BalancedNetwork{.neurons = 2000, .inputs = 50});
    auto floats = build_network<half>(BalancedNetwork{.neurons = 2000, .inputs = 50});
    // Models, per-synapse delays, rows of bits and a Poisson drive; the first tick makes the rings.
    auto models = brunel_network<float>(2000, BrunelDrive::poisson);
    models.connect(0, 0, RandomSynapses{.per_source = 3, .spread = 0.5, .delay_spread = 20});
    SpikeRecording recording(2000, 50);
    const Host on(1);
    net.tick(on, recording);
    floats.tick(on, recording);
    models.tick(on, recording);
    const std::size_t before = support::allocations();
    CHECK(before > 0);  // it does count
    for (int t = 0; t < 100; ++t) net.tick(on, recording);
    for (int t = 0; t < 100; ++t) floats.tick(on, recording);
    for (int t = 0; t < 300; ++t) models.tick(on, recording);
    CHECK(models.events() > 0);
    CHECK(support::allocations() == before);
}

TEST_CASE("a recurrent network at every precision") {
    const BalancedNetwork n{.neurons = 2000, .inputs = 60, .seed = 1};
    const Host on(2);
    const SpikeRecording reference = simulate<float>(on, n, 600);
    const auto compare = [&](const SpikeRecording& r) { return compare_spikes(reference, r); };
    // The network is chaotic: a spike that moves by a step moves others. Rates are what can agree.
    CHECK(compare(simulate<half>(on, n, 600)).rate_error <= 3.0);
    const SpikeSimilarity int8 = compare(simulate<Int8Value>(on, n, 600));
    CHECK(int8.rate_error <= 3.0);
    CHECK(int8.rate_correlation >= 0.995);
    const SpikeSimilarity int4 = compare(simulate<Int4Value>(on, n, 600));
    CHECK(int4.rate_error <= 6.0);
    CHECK(int4.rate_correlation >= 0.985);
    CHECK(build_network<Int8Value>(n).bytes_per_neuron() <= 1.5);
    CHECK(build_network<float>(n).bytes_per_neuron() <= 4.6);
    CHECK_THROWS_AS((void)build_network<float>(BalancedNetwork{.neurons = 0}), Error);
    SpikingNetwork<float> empty;
    CHECK_THROWS_AS(empty.connect(0, 1, RandomSynapses{.per_source = 1}), Error);
}
