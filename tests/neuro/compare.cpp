// Measures of similarity on trains whose answer is known.
#include <nibble/neuro/compare.hpp>

#include <doctest/doctest.h>

#include <nibble/value/rounding.hpp>

#include <vector>

using namespace nibble;

namespace {

/// Random trains of `rate`, delayed by `shift` steps (around the end).
SpikeRecording trains(std::size_t neurons, std::size_t steps, double rate, std::uint64_t seed,
                      std::size_t shift = 0) {
    SpikeRecording r(neurons, steps);
    for (std::size_t t = 0; t < steps; ++t) {
        r.begin_step();
        const Dither dice(seed, (t + steps - shift) % steps);
        for (std::size_t i = 0; i < neurons; ++i)
            if (static_cast<double>(dice(i)) * 0x1p-32 < rate * static_cast<double>(i % 5 + 1))
                r.add(i);
    }
    return r;
}

}  // namespace

TEST_CASE("identical recordings are equal in every measure") {
    const SpikeRecording a = trains(100, 500, 0.01, 1);
    const SpikeSimilarity s = compare_spikes(a, a);
    CHECK(s.rate_error == 0.0);
    CHECK(s.rate_correlation == doctest::Approx(1.0));
    CHECK(s.jaccard == 1.0);
    CHECK(s.coincidence == doctest::Approx(1.0));
    CHECK(s.reference_spikes == a.spikes());
}

TEST_CASE("recordings without spikes") {
    const SpikeRecording a = trains(100, 500, 0.01, 1), none = trains(100, 500, 0.0, 1);
    const SpikeSimilarity both = compare_spikes(none, none);
    CHECK(both.rate_error == 0.0);
    CHECK(both.rate_correlation == 1.0);
    CHECK(both.jaccard == 1.0);
    CHECK(both.coincidence == 1.0);
    const SpikeSimilarity lost = compare_spikes(a, none);
    CHECK(lost.rate_error == doctest::Approx(100.0));
    CHECK(lost.rate_correlation == 0.0);
    CHECK(lost.jaccard == 0.0);
    CHECK(lost.coincidence == 0.0);
    CHECK(std::isinf(compare_spikes(none, a).rate_error));
    CHECK(compare_spikes(SpikeRecording(0, 0), SpikeRecording(0, 0)).jaccard == 1.0);
}

TEST_CASE("a shift within the tolerance coincides, one beyond it does not") {
    const SpikeRecording a = trains(100, 2000, 0.005, 1);
    const SpikeSimilarity near = compare_spikes(a, trains(100, 2000, 0.005, 1, 2));
    CHECK(near.rate_error == 0.0);
    CHECK(near.rate_correlation == doctest::Approx(1.0));
    CHECK(near.jaccard < 0.05);
    CHECK(near.coincidence > 0.98);
    const SpikeSimilarity far = compare_spikes(a, trains(100, 2000, 0.005, 1, 40));
    CHECK(far.rate_error == 0.0);
    CHECK(std::fabs(far.coincidence) < 0.05);
    CHECK(compare_spikes(a, trains(100, 2000, 0.005, 1, 2), {.tolerance = 1}).coincidence < 0.05);
}

TEST_CASE("independent trains of one rate have the coincidences of chance") {
    const SpikeSimilarity s =
        compare_spikes(trains(200, 5000, 0.005, 1), trains(200, 5000, 0.005, 2));
    CHECK(std::fabs(s.coincidence) < 0.05);
    CHECK(s.rate_correlation > 0.85);  // the rates do depend on the neuron
    CHECK(s.jaccard < 0.05);
}

TEST_CASE("one spike more is one spike of error") {
    SpikeRecording a(3, 10), b(3, 10);
    for (std::size_t t = 0; t < 10; ++t) {
        a.begin_step();
        b.begin_step();
        if (t % 2 == 0) a.add(0), b.add(0);
        if (t == 3) b.add(2);
    }
    const SpikeSimilarity s = compare_spikes(a, b);
    CHECK(s.rate_error == doctest::Approx(20.0));
    CHECK(s.jaccard == doctest::Approx(5.0 / 6.0));
    CHECK_THROWS_AS((void)compare_spikes(a, SpikeRecording(4, 10)), Error);
    CHECK_THROWS_AS((void)compare_spikes(a, SpikeRecording(3, 10)), Error);
}

TEST_CASE("a neuron that fires all the time has no coincidence factor and spoils no other's") {
    SpikeRecording a(2, 100), b(2, 100), c(2, 100);
    for (std::size_t t = 0; t < 100; ++t) {
        a.begin_step(), b.begin_step(), c.begin_step();
        a.add(0), b.add(0);
        if (t % 25 == 5) a.add(1);
        if (t % 25 == 6) b.add(1);
        if (t == 50) c.add(0);
    }
    CHECK(compare_spikes(a, b).coincidence == doctest::Approx(1.0));
    CHECK(compare_spikes(a, b, {.tolerance = 0}).coincidence == doctest::Approx(-0.04 / 0.96));
    CHECK(compare_spikes(b, a).coincidence == doctest::Approx(1.0));
    // Equal or not is all that is left without a neuron that has a factor.
    SpikeRecording always(1, 10);
    for (std::size_t t = 0; t < 10; ++t) always.begin_step(), always.add(0);
    CHECK(compare_spikes(always, always).coincidence == 1.0);
}

TEST_CASE("a recording is a ring, and takes words at any offset") {
    SpikeRecording r(150, 4);
    const std::uint64_t words[2] = {0x8000000000000001u, 0x3u};  // neurons 0, 63, 64, 65 of 70
    for (std::size_t t = 0; t < 6; ++t) {
        r.begin_step();
        r.add(words, 75, 70);
        r.add(t);
    }
    CHECK(r.steps() == 4);
    CHECK(r.begun() == 6);
    CHECK(r.spikes() == 20);
    for (std::size_t t = 0; t < 4; ++t) {
        CHECK(r.fired(t, t + 2));
        for (const std::size_t i : {75u, 138u, 139u, 140u}) CHECK(r.fired(t, i));
        CHECK(!r.fired(t, 76));
    }
    CHECK(r.counts()[138] == 4);
    CHECK(r.trains()[139] == std::vector<std::uint32_t>{0, 1, 2, 3});
    CHECK_THROWS_AS(r.add(words, 100, 70), Error);
    CHECK_THROWS_AS(r.add(150), Error);
}
