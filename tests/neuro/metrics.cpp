// Distances of spike trains and measures of populations, against values derived by hand.
#include <nibble/neuro/metric_profiles.hpp>
#include <nibble/neuro/metric_rates.hpp>

#include <nibble/value/rounding.hpp>

#include <doctest/doctest.h>

#include <vector>

using namespace nibble;
using Train = std::vector<std::uint32_t>;

namespace {

Train random_train(std::uint64_t seed, std::uint32_t steps, std::uint32_t one_in) {
    Random random(seed);
    Train t;
    for (std::uint32_t s = 0; s < steps; ++s)
        if (random.below(one_in) == 0) t.push_back(s);
    return t;
}

/// Victor and Purpura's recursion as they state it, over the whole table.
double edit_cost(const Train& a, const Train& b, double cost) {
    std::vector<std::vector<double>> g(a.size() + 1, std::vector<double>(b.size() + 1));
    for (std::size_t i = 0; i <= a.size(); ++i)
        for (std::size_t j = 0; j <= b.size(); ++j) {
            if (i == 0 || j == 0) {
                g[i][j] = static_cast<double>(i + j);
                continue;
            }
            const double move = cost * std::fabs(static_cast<double>(a[i - 1]) - b[j - 1]);
            g[i][j] = std::min({g[i - 1][j] + 1, g[i][j - 1] + 1, g[i - 1][j - 1] + move});
        }
    return g[a.size()][b.size()];
}

/// The filtered trains' product as the double sum that it is.
double product(const Train& a, const Train& b, double tau) {
    double sum = 0.0;
    for (const std::uint32_t t : a)
        for (const std::uint32_t u : b)
            sum += 0.5 * std::exp(-std::fabs(static_cast<double>(t) - u) / tau);
    return sum;
}

}  // namespace

TEST_CASE("coincidences use every spike once") {
    CHECK(coincidences(Train{10, 20}, Train{12, 18}, 2) == 2);
    CHECK(coincidences(Train{10, 20}, Train{12, 18}, 1) == 0);
    CHECK(coincidences(Train{10}, Train{9, 10, 11}, 2) == 1);
    CHECK(coincidences(Train{10, 11, 12}, Train{11}, 5) == 1);
    CHECK(coincidences(Train{}, Train{1}, 5) == 0);
    CHECK(coincidences(Train{0xFFFFFFFFu}, Train{0}, 5) == 0);  // no wrapping around
    CHECK(coincidences(Train{0}, Train{0xFFFFFFFFu}, 0xFFFFFFFFu) == 1);
}

TEST_CASE("van Rossum: one spike shifted, one missing, trains far apart") {
    const double tau = 10.0;
    CHECK(van_rossum_distance(Train{5, 50}, Train{5, 50}, tau) == doctest::Approx(0.0));
    CHECK(van_rossum_distance(Train{}, Train{}, tau) == 0.0);
    CHECK(van_rossum_distance(Train{100}, Train{}, tau) == doctest::Approx(0.5));
    CHECK(van_rossum_distance(Train{}, Train{100}, tau) == doctest::Approx(0.5));
    // D^2 = 1/2 + 1/2 - e^(-s / tau)
    CHECK(van_rossum_distance(Train{100}, Train{107}, tau) ==
          doctest::Approx(1.0 - std::exp(-0.7)));
    CHECK(van_rossum_distance(Train{100}, Train{100'000}, tau) == doctest::Approx(1.0));
    // Two spikes against none: 1/2 each, and once e^(-d / tau) for the pair.
    CHECK(van_rossum_distance(Train{100, 105}, Train{}, tau) ==
          doctest::Approx(1.0 + std::exp(-0.5)));
    const Train a = random_train(1, 1000, 8), b = random_train(2, 1000, 11);
    CHECK(van_rossum_product(a, b, tau) == doctest::Approx(product(a, b, tau)));
    CHECK(van_rossum_product(b, a, tau) == doctest::Approx(product(a, b, tau)));
    CHECK(van_rossum_product(a, a, 3.0) == doctest::Approx(product(a, a, 3.0)));
}

TEST_CASE("Victor-Purpura: moving against removing and adding") {
    CHECK(victor_purpura_distance(Train{5, 50}, Train{5, 50}, 0.1) == 0.0);
    CHECK(victor_purpura_distance(Train{}, Train{}, 0.1) == 0.0);
    CHECK(victor_purpura_distance(Train{1, 2, 3}, Train{}, 0.1) == 3.0);
    CHECK(victor_purpura_distance(Train{}, Train{1, 2}, 0.1) == 2.0);
    CHECK(victor_purpura_distance(Train{10}, Train{17}, 0.1) == doctest::Approx(0.7));
    CHECK(victor_purpura_distance(Train{10}, Train{30}, 0.1) == doctest::Approx(2.0));
    CHECK(victor_purpura_distance(Train{10}, Train{500}, 0.1) == doctest::Approx(2.0));
    CHECK(victor_purpura_distance(Train{10}, Train{500}, 0.0) == 0.0);  // only numbers count
    CHECK(victor_purpura_distance(Train{10, 500}, Train{500}, 0.0) == 1.0);
    CHECK(victor_purpura_distance(Train{10, 20}, Train{11}, 1e9) == 3.0);  // only equals count
    // 10 is moved to 12 (0.2), 20 is removed (1), 33 is moved to 30 (0.3).
    CHECK(victor_purpura_distance(Train{10, 20, 33}, Train{12, 30}, 0.1) == doctest::Approx(1.5));
    for (const double cost : {0.0, 0.01, 0.1, 0.7, 5.0})
        for (std::uint64_t seed = 0; seed < 6; ++seed) {
            const Train a = random_train(seed, 700, 3 + 9 * static_cast<std::uint32_t>(seed % 3));
            const Train b = random_train(seed + 50, 700, 5 + static_cast<std::uint32_t>(seed * 7));
            CHECK(victor_purpura_distance(a, b, cost) == doctest::Approx(edit_cost(a, b, cost)));
        }
}

TEST_CASE("ISI-distance and SPIKE-distance") {
    CHECK(isi_distance(Train{3, 9}, Train{3, 9}, 20) == 0.0);
    CHECK(spike_distance(Train{3, 9}, Train{3, 9}, 20) == 0.0);
    CHECK(isi_distance(Train{}, Train{}, 20) == 0.0);
    CHECK(spike_distance(Train{}, Train{}, 20) == 0.0);
    CHECK(isi_distance(Train{0}, Train{}, 0) == 0.0);

    // Intervals 10 and 4 up to step 4, then 10 and 6: 0.6 * 4 + 0.4 * 6 of 10.
    CHECK(isi_distance(Train{0, 10}, Train{0, 4, 10}, 10) == doctest::Approx(0.48));
    // The spike at 4 is 4 from 0: s rises from 0 to 4 and falls to 0; means 2 and 2; so
    // 2 * 2 * 10 / 14^2 for 4 steps and 2 * 2 * 10 / 16^2 for 6.
    CHECK(spike_distance(Train{0, 10}, Train{0, 4, 10}, 10) ==
          doctest::Approx((4.0 * 40 / 196 + 6.0 * 40 / 256) / 10));

    // One spike each, two steps apart: intervals 4 and 6, 6 and 6, 6 and 4; s = 2 throughout.
    CHECK(isi_distance(Train{4}, Train{6}, 10) == doctest::Approx((4.0 / 3 + 4.0 / 3) / 10));
    CHECK(spike_distance(Train{4}, Train{6}, 10) == doctest::Approx((3.2 + 2.0 / 3) / 10));

    // A silent train has a spike at each end: intervals 10 against 5 and 5; the spike at 5 is 5 from
    // either end, those at the ends 5 from it. s = 5 in both, so 2 * (5 * 5 + 5 * 10) / 15^2.
    CHECK(isi_distance(Train{5}, Train{}, 10) == doctest::Approx(0.5));
    CHECK(spike_distance(Train{5}, Train{}, 10) == doctest::Approx(150.0 / 225));

    // Clocks of equal period, one late by 1 of 10: s = r = 1, so 2 * (10 + 10) / 20^2 all the time
    // but at the ends, where the intervals count 10 as well.
    Train clock, late;
    for (std::uint32_t t = 5; t < 200; t += 10) clock.push_back(t), late.push_back(t + 1);
    CHECK(isi_distance(clock, late, 200) == doctest::Approx(0.0));
    CHECK(spike_distance(clock, late, 200) == doctest::Approx(0.1));

    for (std::uint64_t seed = 0; seed < 10; ++seed) {
        const Train a = random_train(seed, 300, 7), b = random_train(seed + 99, 300, 12);
        const double isi = isi_distance(a, b, 300), spike = spike_distance(a, b, 300);
        CHECK((isi > 0.0 && isi < 1.0));
        CHECK((spike > 0.0 && spike < 1.0));
        CHECK(isi_distance(b, a, 300) == doctest::Approx(isi));
        CHECK(spike_distance(b, a, 300) == doctest::Approx(spike));
    }
}

TEST_CASE("CV of intervals") {
    CHECK(interval_cv(Train{10, 20, 30, 40}) == 0.0);
    CHECK(interval_cv(Train{0, 1, 4, 5, 8}) == doctest::Approx(0.5));  // 1 3 1 3
    CHECK(std::isnan(interval_cv(Train{})));
    CHECK(std::isnan(interval_cv(Train{1, 2})));
    CHECK(interval_cv(random_train(5, 200'000, 100)) == doctest::Approx(0.995).epsilon(0.05));
    CHECK(mean_interval_cv(std::vector<Train>{{0, 1, 4, 5, 8}, {}, {1, 2, 3}}) ==
          doctest::Approx(0.25));
    CHECK(std::isnan(mean_interval_cv(std::vector<Train>{{1}, {}})));
}

TEST_CASE("rates") {
    CHECK(rate_error(Train{10, 20}, Train{11, 17}) == doctest::Approx(100.0 * 4 / 30));
    CHECK(rate_error(Train{0, 0}, Train{0, 0}) == 0.0);
    CHECK(std::isinf(rate_error(Train{0}, Train{1})));
    CHECK(rate_correlation(Train{1, 2, 3}, Train{2, 4, 6}) == doctest::Approx(1.0));
    CHECK(rate_correlation(Train{1, 2, 3}, Train{6, 4, 2}) == doctest::Approx(-1.0));
    CHECK(rate_correlation(Train{1, 2, 3}, Train{1, 3, 2}) == doctest::Approx(0.5));
    CHECK(rate_correlation(Train{2, 2}, Train{2, 2}) == 1.0);
    CHECK(rate_correlation(Train{2, 2}, Train{3, 3}) == 0.0);
    // The same rates on other neurons are no distance; one spike more of 4 neurons in 10 steps is.
    CHECK(rate_emd({1, 5, 9, 0}, {9, 0, 1, 5}, 10) == 0.0);
    CHECK(rate_emd({1, 5, 9, 0}, {9, 0, 2, 5}, 10) == doctest::Approx(1.0 / 40));
    CHECK(rate_emd({0, 10}, {5, 5}, 10) == doctest::Approx(0.5));
    CHECK(rate_emd({}, {}, 0) == 0.0);
}

TEST_CASE("pair correlation is the mean over all pairs") {
    const std::vector<Train> alike = {{0, 20}, {1, 29}};  // bins of 10: 1 0 1 0 in both
    CHECK(pair_correlation(alike, 40, 10) == doctest::Approx(1.0));
    const std::vector<Train> opposite = {{0, 20}, {10, 30}};
    CHECK(pair_correlation(opposite, 40, 10) == doctest::Approx(-1.0));
    // Pairs 1, -1, -1; a neuron without variance and one in a piece of a bin do not count.
    const std::vector<Train> mixed = {{0, 20}, {1, 29}, {10, 30}, {}, {5, 15, 25, 35}, {44}};
    CHECK(pair_correlation(mixed, 45, 10) == doctest::Approx(-1.0 / 3));
    CHECK(std::isnan(pair_correlation(std::vector<Train>{{0}, {}}, 40, 10)));
    CHECK(std::isnan(pair_correlation(std::vector<Train>{}, 0, 10)));

    std::vector<Train> trains;
    for (std::uint64_t k = 0; k < 12; ++k)
        trains.push_back(random_train(k, 900, 4 + static_cast<std::uint32_t>(k)));
    double sum = 0.0, pairs = 0.0;
    for (std::size_t i = 0; i < trains.size(); ++i)
        for (std::size_t j = 0; j < i; ++j, pairs += 1.0) {
            std::vector<std::uint32_t> a(90), b(90);
            for (const std::uint32_t t : trains[i]) ++a[t / 10];
            for (const std::uint32_t t : trains[j]) ++b[t / 10];
            sum += rate_correlation(a, b);
        }
    CHECK(pair_correlation(trains, 900, 10) == doctest::Approx(sum / pairs));
}
