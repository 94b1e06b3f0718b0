// The standard networks behave as published, and at INT8 as they do at FP32.
//
// A recurrent network is chaotic: spikes cannot agree, statistics can. Rates, the variation of intervals
// and the correlation of pairs at INT8 (weights and states) must lie as near to FP32's as FP32's own do
// from one seed to the next.
#include <nibble/neuro/compare.hpp>
#include <nibble/neuro/standard_networks.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

using namespace nibble;

namespace {

/// Spikes a second of a neuron, mean CV of intervals, mean correlation of counts of 5 ms.
struct Statistics {
    double rate = 0.0, cv = 0.0, correlation = 0.0;
};

double mean_pair_correlation(const std::vector<std::vector<std::uint32_t>>& trains,
                             std::size_t steps) {
    const std::size_t bins = steps / 50;
    std::vector<std::vector<double>> scores;
    for (std::size_t i = 0; i < trains.size() && scores.size() < 150; i += 7) {
        std::vector<double> n(bins);
        for (const std::uint32_t t : trains[i])
            if (t / 50 < bins) n[t / 50] += 1.0;
        double mean = 0.0, square = 0.0;
        for (const double x : n) mean += x / static_cast<double>(bins);
        for (double& x : n) square += (x - mean) * (x - mean), x -= mean;
        if (square == 0.0) continue;
        for (double& x : n) x /= std::sqrt(square);
        scores.push_back(n);
    }
    double sum = 0.0, pairs = 0.0;
    for (std::size_t i = 0; i < scores.size(); ++i)
        for (std::size_t j = 0; j < i; ++j, pairs += 1.0)
            for (std::size_t k = 0; k < bins; ++k) sum += scores[i][k] * scores[j][k];
    return pairs == 0.0 ? 0.0 : sum / pairs;
}

template <class Net>
Statistics measure(Net net, std::size_t steps) {
    const Host on(1);
    for (int t = 0; t < 1000; ++t) net.tick(on);
    const SpikeRecording r = net.run(on, steps);
    const auto trains = r.trains();
    return {static_cast<double>(r.spikes()) /
                (static_cast<double>(net.neurons()) * 1e-4 * static_cast<double>(steps)),
            mean_interval_cv(trains), mean_pair_correlation(trains, steps)};
}

/// Whether the mean of b is as near to the mean of a as the values of a are to each other.
bool within_spread(std::vector<double> a, const std::vector<double>& b) {
    double mean_a = 0.0, mean_b = 0.0;
    for (const double x : a) mean_a += x / static_cast<double>(a.size());
    for (const double x : b) mean_b += x / static_cast<double>(b.size());
    std::ranges::sort(a);
    return std::fabs(mean_a - mean_b) <= a.back() - a.front();
}

template <class Make32, class Make8>
void compare_precisions(const char* name, Make32 at32, Make8 at8, std::size_t steps,
                        const std::vector<std::uint64_t>& seeds) {
    std::vector<double> value[3][2];
    for (const std::uint64_t seed : seeds) {
        const Statistics s[2] = {measure(at32(seed), steps), measure(at8(seed), steps)};
        for (int p = 0; p < 2; ++p) {
            value[0][p].push_back(s[p].rate);
            value[1][p].push_back(s[p].cv);
            value[2][p].push_back(s[p].correlation);
            MESSAGE(std::string(name)
                    << (p == 0 ? " fp32 " : " int8 ") << seed << ": " << s[p].rate << " Hz, CV "
                    << s[p].cv << ", correlation " << s[p].correlation);
        }
    }
    for (const auto& v : value) CHECK(within_spread(v[0], v[1]));
}

}  // namespace

TEST_CASE("COBA: self-sustained, irregular, and the same at INT8") {
    const Statistics s = measure(coba_network(4000, 1), 5000);
    CHECK(s.rate > 12.0);
    CHECK(s.rate < 30.0);
    CHECK(s.cv > 0.9);
    compare_precisions(
        "coba", [](std::uint64_t seed) { return coba_network(4000, seed); },
        [](std::uint64_t seed) { return coba_network<Int8Value, Int8Value>(4000, seed); }, 5000,
        {1, 2, 4, 5});
}

TEST_CASE("CUBA: rates of a few Hz, and the same at INT8") {
    const Statistics s = measure(cuba_network(4000, 1), 5000);
    CHECK(s.rate > 4.0);
    CHECK(s.rate < 8.0);
    compare_precisions(
        "cuba", [](std::uint64_t seed) { return cuba_network(4000, seed); },
        [](std::uint64_t seed) { return cuba_network<Int8Value, Int8Value>(4000, seed); }, 5000,
        {1, 2, 3, 4});
}

TEST_CASE("Brunel: the rate of the published regime, and the same at INT8") {
    const auto fp32 = measure(brunel_network(10'000, BrunelDrive::constant, 1), 2000);
    const auto int8 =
        measure(brunel_network<Int8Value, Int8Value>(10'000, BrunelDrive::constant, 1), 2000);
    MESSAGE("brunel fp32: " << fp32.rate << " Hz, CV " << fp32.cv << ", correlation "
                            << fp32.correlation);
    MESSAGE("brunel int8: " << int8.rate << " Hz, CV " << int8.cv << ", correlation "
                            << int8.correlation);
    CHECK(fp32.rate > 38.0);
    CHECK(fp32.rate < 47.0);
    CHECK(int8.rate == doctest::Approx(fp32.rate).epsilon(0.03));
}
