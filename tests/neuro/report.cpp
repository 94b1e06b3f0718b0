// A comparison as figures, text, JSON and a picture.
#include <nibble/neuro/plot.hpp>
#include <nibble/neuro/report.hpp>

#include <doctest/doctest.h>
#include <support/temporary.hpp>

#include <string>
#include <vector>

using namespace nibble;

namespace {

/// Neuron i fires in the steps of its train; neurons without one stay silent.
SpikeRecording record(std::size_t neurons, std::size_t steps,
                      const std::vector<std::vector<std::size_t>>& trains) {
    SpikeRecording r(neurons, steps);
    for (std::size_t t = 0; t < steps; ++t) {
        r.begin_step();
        for (std::size_t i = 0; i < trains.size(); ++i)
            if (std::find(trains[i].begin(), trains[i].end(), t) != trains[i].end()) r.add(i);
    }
    return r;
}

std::size_t times(const std::string& text, const std::string& part) {
    std::size_t n = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
        ++n;
    return n;
}

}  // namespace

TEST_CASE("a neuron shifted by one step, one that lost a spike: every figure by hand") {
    const SpikeRecording a = record(3, 100, {{10, 50}, {20, 60}});
    const SpikeRecording b = record(3, 100, {{11, 51}, {20}});
    const SpikeSimilarity s = compare_spikes(a, b, {.tolerance = 1});
    CHECK(s.reference_spikes == 4);
    CHECK(s.other_spikes == 3);
    CHECK(s.rate_error == doctest::Approx(25.0));
    // Counts (2, 2, 0) and (2, 1, 0): 2 / sqrt(8/3 * 2).
    CHECK(s.rate_correlation == doctest::Approx(2.0 / std::sqrt(16.0 / 3)));
    CHECK(s.jaccard == doctest::Approx(1.0 / 6));
    // Chance is 3 * m / 100: 0.06 and 0.03; coincidences 2 and 1.
    CHECK(s.coincidence ==
          doctest::Approx((2 - 0.12 + 1 - 0.06) / (2 * (1 - 0.06) + 1.5 * (1 - 0.03))));
    const double e = std::exp(-0.1), far = std::exp(-4.0);
    const double one = 2 * (1 - e) + 2 * far - std::exp(-4.1) - std::exp(-3.9), two = 0.5;
    CHECK(s.van_rossum == doctest::Approx(1.0 - (one + two) / (2 * (1 + far) + 1 + far + 0.5)));
    CHECK(s.victor_purpura == doctest::Approx((0.1 + 0.1 + 1.0) / 7));
    CHECK(s.rate_emd == doctest::Approx(1.0 / 300));
    CHECK(std::isnan(s.reference_cv));
    CHECK(s.neurons == 3);
    CHECK(s.steps == 100);
    CHECK_THROWS_AS((void)compare_spikes(a, b, {.tau = 0.0}), Error);
    CHECK_THROWS_AS((void)compare_spikes(a, b, {.cost = NAN}), Error);
    CHECK_THROWS_AS((void)compare_spikes(a, b, {.bin = 0}), Error);
}

TEST_CASE("equal, silent and empty recordings at every measure") {
    const SpikeRecording a = record(3, 60, {{10, 20, 40}, {1, 3, 7, 50}});
    const SpikeRecording silent = record(3, 60, {});
    for (const SpikeSimilarity& s : {compare_spikes(a, a), compare_spikes(silent, silent),
                                     compare_spikes(SpikeRecording(0, 0), SpikeRecording(0, 0))}) {
        CHECK(s.rate_error == 0.0);
        CHECK(s.rate_correlation == doctest::Approx(1.0));
        CHECK(s.jaccard == 1.0);
        CHECK(s.coincidence == doctest::Approx(1.0));
        CHECK(s.van_rossum == doctest::Approx(1.0));
        CHECK(s.victor_purpura == 0.0);
        CHECK(s.isi_distance == 0.0);
        CHECK(s.spike_distance == 0.0);
        CHECK(s.rate_emd == 0.0);
    }
    const SpikeSimilarity lost = compare_spikes(a, silent);
    CHECK(lost.rate_error == 100.0);
    CHECK(lost.van_rossum == doctest::Approx(0.0));
    CHECK(lost.victor_purpura == 1.0);
    CHECK(lost.isi_distance > 0.4);
    CHECK(lost.spike_distance > 0.25);
    CHECK(lost.reference_cv == doctest::Approx((1.0 / 3 + interval_cv(a.trains()[1])) / 2));
    CHECK(std::isnan(lost.other_cv));
}

TEST_CASE("the report names every figure, and prints what it returns") {
    const SpikeRecording a = record(3, 100, {{10, 50}, {20, 60}});
    const SpikeRecording b = record(3, 100, {{11, 51}, {20}});
    test::Temporary folder;
    const std::string path = folder / "report.txt";
    std::FILE* out = std::fopen(path.c_str(), "w+");
    REQUIRE(out != nullptr);
    const SpikeSimilarity s = report_similarity(a, b, "int8", {}, out);
    std::rewind(out);
    std::string text(4096, '\0');
    text.resize(std::fread(text.data(), 1, text.size(), out));
    std::fclose(out);
    CHECK(text == similarity_text(s, "int8"));
    CHECK(text.find("int8: 3 neurons, 100 steps, 3 spikes (reference: 4)") == 0);
    CHECK(text.find("25.000 %") != std::string::npos);
    CHECK(times(text, "\n") == 12);

    const std::string json = similarity_json(s);
    CHECK(json.find("{\"rate_error_percent\":25,\"rate_correlation\":0.866025404,") == 0);
    CHECK(json.find("\"reference_cv\":null") != std::string::npos);
    CHECK(json.find("\"other_spikes\":3}") != std::string::npos);
    CHECK(json.find("nan") == std::string::npos);
    CHECK(similarity_json(compare_spikes(record(3, 100, {}), a)).find("percent\":null") !=
          std::string::npos);
}

TEST_CASE("a part of a recording is those neurons") {
    std::vector<std::vector<std::size_t>> trains(150);
    for (std::size_t i = 0; i < 150; ++i) trains[i] = {i % 7, 10 + i % 5};
    const SpikeRecording all = record(150, 20, trains);
    for (const std::size_t first : {0u, 1u, 63u, 64u, 100u, 150u})
        for (const std::size_t n : {0u, 1u, 50u, 64u, 86u}) {
            if (first + n > 150) continue;
            const SpikeRecording part = all.part(first, n);
            CHECK(part.steps() == 20);
            CHECK(part.spikes() == 2 * n);
            std::size_t wrong = 0;
            for (std::size_t t = 0; t < 20; ++t)
                for (std::size_t i = 0; i < n; ++i)
                    wrong += part.fired(t, i) != all.fired(t, first + i) ? 1u : 0u;
            CHECK(wrong == 0);
        }
    CHECK_THROWS_AS((void)all.part(100, 51), Error);
    CHECK_THROWS_AS((void)all.part(151, 0), Error);
}

TEST_CASE("a picture has a mark for each spike, in the colour of who fired") {
    const SpikeRecording a = record(3, 100, {{10, 50}, {20, 60}});
    const SpikeRecording b = record(3, 100, {{11, 50}, {20}});
    const std::string alone = plot_svg(a, {.title = "a < b & \"c\"\n"});
    CHECK(alone.find("<svg xmlns=") == 0);
    CHECK(alone.find("a &lt; b &amp; &quot;c&quot; </text>") != std::string::npos);
    CHECK(times(alone, "H") == 4 + 1);  // the spikes and the axis
    const std::string both = plot_svg(b, {}, &a);
    CHECK(times(both, "H") == 5 + 1);               // 10, 11, 50, 20, 60
    CHECK(times(both, "stroke=\"#1668c8\"") == 2);  // lost spikes, and the reference's rate
    CHECK(times(both, "stroke=\"#d22\"") == 2);
    CHECK(times(both, "<path") == times(both, "/>") - 1);  // and the background
    CHECK(times(both, "nan") == 0);

    CHECK(times(plot_svg(a, {.first_step = 30, .steps = 25}), "H") == 1 + 1);
    CHECK(times(plot_svg(a, {.neurons = 1}), "H") == 2 + 1);
    CHECK(plot_svg(SpikeRecording(0, 0)).find("nan") == std::string::npos);
    CHECK_THROWS_AS((void)plot_svg(a, {.first_step = 101}), Error);
    CHECK_THROWS_AS((void)plot_svg(a, {.bin = 0}), Error);
    CHECK_THROWS_AS((void)plot_svg(a, {.width = 0}), Error);
    const SpikeRecording small(2, 5);
    CHECK_THROWS_AS((void)plot_svg(a, {}, &small), Error);
}
