// Brains of integer and other types: sums without order, the firing of FP32, memory, allocations.
#include <nibble/neuro/brain_state.hpp>
#include <nibble/neuro/compare.hpp>

#include <doctest/doctest.h>

#include "support/allocation_count.hpp"
#include "support/neurons.hpp"

using namespace nibble;

namespace {

const BasicHost<Isa> one(1);

/// The open-loop protocol with FEAGI's rules: FEAGI leaks after it adds, and refractory periods only
/// pass in bursts that touch a neuron, so all are touched in every burst.
template <class V>
SpikeRecording run_feagi_protocol(UpdateMode mode) {
    constexpr std::size_t populations = 40, each = 12, steps = 1000;
    const auto parameters = test::protocol_parameters(populations);
    Brain<V> brain(BrainOptions{.update = mode});
    for (const LifParameters& p : parameters)
        brain.add({.id = "area",
                   .dimensions = {each, 1, 1},
                   .threshold = p.threshold,
                   .leak = 1.0 - p.leak,
                   .refractory = static_cast<std::uint16_t>(p.refractory)});
    SpikeRecording recording(populations * each, steps);
    for (std::size_t t = 0; t < steps; ++t) {
        for (std::size_t k = 0; k < populations; ++k)
            for (std::size_t i = 0; i < each; ++i) {
                const double x = test::protocol_current(parameters[k], k, i, t);
                if (x != 0.0) brain.inject(k, i, x);
            }
        brain.burst(one);
        recording.begin_step();
        for (std::size_t k = 0; k < populations; ++k)
            recording.add(brain.spikes(k), k * each, each);
    }
    return recording;
}

template <class V>
SpikeSimilarity likeness(const SpikeRecording& reference, UpdateMode mode) {
    const SpikeSimilarity s = compare_spikes(reference, run_feagi_protocol<V>(mode));
    MESSAGE(std::string(value_traits<V>::name)
            << (mode == UpdateMode::candidates ? ", candidates" : ", every step") << ": rate error "
            << s.rate_error << " %, correlation " << s.rate_correlation << ", Jaccard " << s.jaccard
            << ", coincidence " << s.coincidence);
    return s;
}

template <class V, class A = Isa>
Brain<V, A> random_brain(std::uint32_t n, std::uint32_t each, std::uint64_t seed, bool backwards,
                         std::uint64_t strongest = 200) {
    Brain<V, A> brain;
    AreaProperties p{.id = "area"};
    p.dimensions = {n, 1, 1};
    p.threshold = 30;
    p.leak = 0.1;
    p.refractory = 2;
    p.consecutive_fire_limit = 4;
    p.snooze = 3;
    brain.add(p);  // contributions are divided by the number of synapses
    std::vector<BrainSynapse> all;
    for (std::uint32_t k = 0; k < n * each; ++k) {
        const std::uint64_t r = splitmix64(seed + k);
        all.push_back({k / each, static_cast<std::uint32_t>(r >> 33) % n,
                       static_cast<std::uint8_t>(r % strongest),
                       static_cast<std::uint8_t>(1 + r % 7), r % 5 == 0,
                       static_cast<std::uint8_t>(1 + r % 3)});
    }
    if (backwards) std::reverse(all.begin(), all.end());
    brain.add(all);
    return brain;
}

}  // namespace

TEST_CASE("open loop with FEAGI's rules: INT8 fires as FP32 does") {
    for (const UpdateMode mode : {UpdateMode::candidates, UpdateMode::every_step}) {
        const SpikeRecording reference = run_feagi_protocol<float>(mode);
        const SpikeSimilarity int8 = likeness<Int8Value>(reference, mode);
        CHECK(int8.rate_error <= 1.5);
        CHECK(int8.rate_correlation >= 0.999);
        CHECK(int8.jaccard >= 0.95);
        CHECK(int8.coincidence >= 0.90);
        const SpikeSimilarity int4 = likeness<Int4Value>(reference, mode);
        CHECK(int4.rate_error <= 5.0);
        CHECK(int4.rate_correlation >= 0.995);
    }
}

TEST_CASE("integer brains do not depend on order, threads or instruction set") {
    auto a = random_brain<Int8Value>(300, 12, 5, false);
    auto b = random_brain<Int8Value>(300, 12, 5, true);
    auto c = random_brain<Int8Value, isa::Scalar>(300, 12, 5, false);
    Random dice(4);
    std::size_t spikes = 0;
    for (int t = 0; t < 60; ++t) {
        for (int k = 0; k < 25; ++k) {
            const std::size_t i = dice.below(300);
            const double x = 60.0 * dice.uniform();
            a.inject(0, i, x);
            b.inject(0, i, x);
            c.inject(0, i, x);
        }
        c.burst(BasicHost<isa::Scalar>(1));
        if (t == 30) {
            const BrainState state = BrainArchive::save(b);
            b = BrainArchive::load<Int8Value>(state);
            CHECK(BrainArchive::save(b) == state);
        }
        const BurstResult x = a.burst(one), y = b.burst(BasicHost<Isa>(3));
        CHECK(x.fired == y.fired);
        CHECK(x.events == y.events);
        CHECK(x.candidates == y.candidates);
        CHECK(std::equal(a.spikes(0).begin(), a.spikes(0).end(), b.spikes(0).begin()));
        CHECK(std::equal(a.spikes(0).begin(), a.spikes(0).end(), c.spikes(0).begin()));
        spikes += x.fired;
    }
    CHECK(spikes > 300);
    for (std::uint32_t i = 0; i < 300; ++i) {
        CHECK(a.potential(i) == b.potential(i));
        CHECK(a.potential(i) == c.potential(i));
    }
}

TEST_CASE("potentials that leave the range of their type are counted") {
    Brain<Int8Value> brain;
    brain.add({.id = "area", .dimensions = {70, 1, 1}, .threshold = 10.0});
    brain.inject(0, 3, -1000.0);
    brain.inject(0, 69, -5.0);
    CHECK(brain.burst(one).saturated == 1);
    CHECK(brain.area(0).saturated == 1);
    CHECK(brain.potential(3) < -9.0);
    CHECK(brain.potential(69) == doctest::Approx(-5.0).epsilon(0.01));
    brain.inject(0, 3, 1e30);  // fires: nothing is stored
    const BurstResult r = brain.burst(one);
    CHECK(r.fired == 1);
    CHECK(r.saturated == 0);
}

TEST_CASE("integer sums of more synapses than fit at whole units") {
    static constexpr std::uint32_t n = 20000;
    // n sources at full weight and psp, the first `inhibiting` of them negative, onto one neuron.
    const auto fires = [](std::uint32_t inhibiting, double threshold, double input) {
        Brain<Int8Value> brain;
        brain.add({.id = "many", .dimensions = {n, 1, 1}, .psp_uniform_distribution = true});
        brain.add({.id = "one", .threshold = threshold});
        brain.connect(0, 1, n, [&](std::size_t e) {
            const auto i = static_cast<std::uint32_t>(e);
            return LocalSynapse{i, 0, 255, 255, i < inhibiting};
        });
        for (std::uint32_t i = 0; i < n; ++i) brain.inject(0, i, 5.0);
        CHECK(brain.burst(one).fired == n);
        brain.inject(1, 0, input);
        return brain.burst(one).fired == 1;
    };
    constexpr double all = n * 65025.0;
    CHECK(fires(0, 1000.0, 0.0));
    CHECK(fires(0, 0.99 * all, 0.0));
    CHECK_FALSE(fires(0, 1.01 * all, 0.0));
    CHECK(fires(0, 1.01 * all, 0.02 * all));
    CHECK(fires(0, 1000.0, 1e30));
    CHECK_FALSE(fires(n, 1000.0, 0.0));
    CHECK_FALSE(fires(n, 1000.0, -1e30));
    CHECK_FALSE(fires(n / 2, 1000.0, 0.0));
    CHECK(fires(n / 2 - 1, 1000.0, 0.0));
}

TEST_CASE("memory of a neuron and a synapse") {
    static constexpr std::uint32_t n = 157 * 64, each = 50;
    const auto measure = [&]<class V>(V, double most, std::uint16_t limit) {
        Brain<V> brain;
        brain.add({.id = "area",
                   .dimensions = {n, 1, 1},
                   .threshold = 10.0,
                   .refractory = 3,
                   .consecutive_fire_limit = limit,
                   .snooze = 10});
        brain.connect(0, 0, n * each, [](std::size_t e) {
            return LocalSynapse{static_cast<std::uint32_t>(e / each),
                                static_cast<std::uint32_t>(splitmix64(e) % n), 3, 2, false};
        });
        brain.burst(one);
        const double neuron = static_cast<double>(brain.state_bytes()) / n;
        const double synapse = static_cast<double>(brain.synapse_bytes()) / (n * each);
        MESSAGE(std::string(value_traits<V>::name)
                << ": " << neuron << " bytes a neuron, " << synapse << " a synapse; "
                << 320 * 1024 / static_cast<std::size_t>(neuron + 10 * 2 + 4)
                << " neurons with 10 synapses each in 320 KiB");
        CHECK(neuron <= most);
        CHECK(synapse <= 3.0);
    };
    measure(Int8Value{}, 2.5, 0);
    measure(Int8Value{}, 2.5, 7);
    measure(float{}, 6.0, 0);
    measure(float{}, 6.0, 7);
}

TEST_CASE("a burst allocates nothing in steady state") {
    auto brain = random_brain<Int8Value>(2000, 10, 8, false);
    const auto run = [&](std::uint64_t seed) {
        Random dice(seed);
        std::size_t fired = 0;
        for (int t = 0; t < 40; ++t) {
            for (int k = 0; k < 100; ++k) brain.inject(0, dice.below(2000), 100.0);
            fired += brain.burst(one).fired;
        }
        return fired;
    };
    CHECK(run(1) > 1000);
    const std::size_t before = support::allocations();
    CHECK(run(2) > 1000);
    CHECK(support::allocations() == before);
}

TEST_CASE_TEMPLATE("every value type runs a brain", V, half, fp8_e4m3, Int4Value, Fixed16<8>,
                   double) {
    auto brain = random_brain<V>(100, 8, 3, false, 40);
    auto reference = random_brain<float>(100, 8, 3, false, 40);
    Random dice(4);
    double fired = 0, expected = 0;
    for (int t = 0; t < 200; ++t) {
        for (int k = 0; k < 10; ++k) {
            const std::size_t i = dice.below(100);
            const double x = 25.0 * dice.uniform();
            brain.inject(0, i, x);
            reference.inject(0, i, x);
        }
        fired += static_cast<double>(brain.burst(one).fired);
        expected += static_cast<double>(reference.burst(one).fired);
    }
    CHECK(expected > 300);
    CHECK(fired == doctest::Approx(expected).epsilon(0.06));
}
