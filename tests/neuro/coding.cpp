// Numbers and images as spikes and back.
#include <nibble/neuro/spike_coding.hpp>
#include <nibble/neuro/voxel_coding.hpp>

#include <doctest/doctest.h>

#include <vector>

using namespace nibble;
using Spikes = std::vector<VoxelSpike>;
using Places = std::vector<std::uint32_t>;

namespace {

Spikes encoded(const PercentageLayout& layout, std::vector<float> values,
               std::uint32_t channel = 0) {
    Spikes out;
    encode_percentages(layout, channel, values, out);
    return out;
}
/// The places in a column.
Places column(const Spikes& spikes, std::uint32_t x) {
    Places z;
    for (const VoxelSpike& s : spikes) {
        CHECK(s.y == 0);
        CHECK(s.potential == 1.0f);
        if (s.x == x) z.push_back(s.z);
    }
    return z;
}
float decoded(const PercentageLayout& layout, const Spikes& spikes, float before = 9.0f) {
    std::vector<float> values(layout.dimensions, before);
    (void)decode_percentages(layout, spikes, values);
    return values[0];
}

constexpr PercentageLayout linear{.depth = 10};
constexpr PercentageLayout fraction{.depth = 8, .code = PercentageCode::fraction};
constexpr PercentageLayout signed_linear{.depth = 10, .is_signed = true};
constexpr PercentageLayout signed_fraction{
    .depth = 8, .is_signed = true, .code = PercentageCode::fraction};
PercentageLayout exact(PercentageLayout layout) {
    layout.rule = CoderRule::round_trip;
    return layout;
}

}  // namespace

TEST_CASE("linear percentages as FEAGI writes and reads them") {
    CHECK(encoded(linear, {1.0f}) == Spikes{{0, 0, 0, 1.0f}});
    CHECK(column(encoded(linear, {0.5f}), 0) == Places{5});
    CHECK(column(encoded(linear, {0.25f}), 0) == Places{7});
    CHECK(column(encoded(linear, {0.0f}), 0) == Places{10});  // outside of the area
    CHECK(decoded(linear, {{0, 0, 5, 1.0f}}) == 0.5f);
    CHECK(decoded(linear, {{0, 0, 0, 1.0f}}) == 1.0f);
    CHECK(decoded(linear, {{0, 0, 2, 1.0f}, {0, 0, 4, 3.0f}}) == doctest::Approx(0.7));
    CHECK(decoded(linear, {{0, 0, 10, 1.0f}, {0, 1, 3, 1.0f}, {1, 0, 3, 1.0f}, {0, 0, 3, 0.0f}}) ==
          9.0f);
    CHECK(column(encoded(signed_linear, {0.3f}), 0) == Places{7});
    CHECK(column(encoded(signed_linear, {-1.0f}), 1) == Places{0});
    CHECK(column(encoded(signed_linear, {-0.3f}), 1) == Places{0});  // whatever its size
    CHECK(decoded(signed_linear, {{1, 0, 6, 1.0f}}) == doctest::Approx(-0.4));
    CHECK(decoded(signed_linear, {{0, 0, 5, 1.0f}, {1, 0, 6, 1.0f}}) == doctest::Approx(0.1));
}

TEST_CASE("binary fractions as FEAGI writes and reads them") {
    CHECK(column(encoded(fraction, {0.5f}), 0) == Places{0});
    CHECK(column(encoded(fraction, {0.8125f}), 0) == Places{0, 1, 3});
    CHECK(column(encoded(fraction, {1.0f}), 0) == Places{0, 1, 2, 3, 4, 5, 6, 7});
    CHECK(column(encoded(fraction, {0.0f}), 0) == Places{7});
    CHECK(column(encoded(fraction, {0.001f}), 0) == Places{});
    CHECK(decoded(fraction, {{0, 0, 0, 1.0f}, {0, 0, 3, 1.0f}}) == 1.125f);  // twice what it was
    CHECK(column(encoded(signed_fraction, {-0.75f}), 1) == Places{0, 1});
    CHECK(column(encoded(signed_fraction, {-0.75f}), 0) == Places{});
    const Spikes zero = encoded(signed_fraction, {0.0f});
    CHECK(column(zero, 0) == Places{7});
    CHECK(column(zero, 1) == Places{7});
    CHECK(decoded(signed_fraction, zero) == 0.0f);
}

TEST_CASE("round trips come back to half a place") {
    for (const bool is_signed : {false, true})
        for (const auto code : {PercentageCode::linear, PercentageCode::fraction})
            for (const std::uint32_t depth : {1u, 2u, 10u, 24u, 100u})
                for (std::uint32_t dimensions = 1; dimensions <= 4; ++dimensions) {
                    const PercentageLayout layout = exact({.depth = depth,
                                                           .dimensions = dimensions,
                                                           .is_signed = is_signed,
                                                           .code = code});
                    const bool bits = code == PercentageCode::fraction;
                    const double step =
                        bits ? std::ldexp(1.0, -static_cast<int>(depth)) : 1.0 / depth;
                    std::size_t wrong = 0;
                    for (int k = is_signed ? -50 : 0; k <= 50; ++k) {
                        std::vector<float> values(dimensions);
                        for (std::size_t d = 0; d < values.size(); ++d)
                            values[d] = static_cast<float>((k + 7 * static_cast<int>(d)) % 51) / 50;
                        if (!is_signed)
                            for (float& v : values) v = std::fabs(v);
                        Spikes spikes = encoded(layout, values, 2);
                        std::vector<float> back(3 * dimensions, 9.0f);
                        const auto news = decode_percentages(layout, spikes, back);
                        wrong += news != std::vector<bool>{false, false, true} ? 1u : 0u;
                        for (std::size_t d = 0; d < values.size(); ++d) {
                            wrong += back[d] != 9.0f ? 1u : 0u;
                            const double off = back[2 * dimensions + d] - double{values[d]};
                            wrong += std::fabs(off) > step * 1.00001 + 1e-7 ? 1u : 0u;
                            // Sizes from half a place on come back with their sign.
                            if (std::fabs(values[d]) > 0.5 * step && !bits)
                                wrong += std::fabs(off) > 0.50001 * step + 1e-6 &&
                                                 std::fabs(values[d]) > step
                                             ? 1u
                                             : 0u;
                        }
                    }
                    CAPTURE(depth);
                    CAPTURE(is_signed);
                    CHECK(wrong == 0);
                }
}

TEST_CASE("several numbers of a channel lie side by side, signed ones in pairs") {
    const PercentageLayout three{.depth = 4, .dimensions = 3};
    CHECK(encoded(three, {1.0f, 0.75f, 0.5f}, 2) ==
          Spikes{{6, 0, 0, 1.0f}, {7, 0, 1, 1.0f}, {8, 0, 2, 1.0f}});
    const PercentageLayout four{.depth = 4, .dimensions = 4, .is_signed = true};
    CHECK(encoded(four, {1.0f, -1.0f, 0.5f, 0.75f}, 1) ==
          Spikes{{8, 0, 0, 1.0f}, {11, 0, 0, 1.0f}, {12, 0, 2, 1.0f}, {14, 0, 1, 1.0f}});
    std::vector<float> values(8, 0.0f);
    CHECK(decode_percentages(four, Spikes{{11, 0, 0, 1.0f}, {14, 0, 1, 1.0f}}, values) ==
          std::vector<bool>{false, true});
    CHECK(values == std::vector<float>{0, 0, 0, 0, 0, -1.0f, 0, 0.75f});
}

TEST_CASE("booleans and planes") {
    Spikes out;
    encode_booleans({true, false, true}, out);
    CHECK(out == Spikes{{0, 0, 0, 1.0f}, {1, 0, 0, 0.0f}, {2, 0, 0, 1.0f}});
    std::vector<bool> values{false, true, false, true};
    decode_booleans(out, values);
    CHECK(values == std::vector<bool>{true, false, true, true});

    const PlaneLayout image{.width = 3, .height = 2, .colours = 2};
    const std::vector<std::uint8_t> pixels{0, 1, 2, 3, 255, 0, 7, 0, 0, 9, 1, 200};
    out.clear();
    encode_plane(image, 1, pixels, out);
    CHECK(out == Spikes{{4, 1, 0, 2.0f},
                        {4, 1, 1, 3.0f},
                        {5, 1, 0, 255.0f},
                        {3, 0, 0, 7.0f},
                        {4, 0, 1, 9.0f},
                        {5, 0, 1, 200.0f}});
    std::vector<std::uint8_t> back(12, 77);
    CHECK(!decode_plane(image, 0, out, back));
    CHECK(back[0] == 77);
    CHECK(decode_plane(image, 1, out, back));
    CHECK(back == std::vector<std::uint8_t>{0, 0, 2, 3, 255, 0, 7, 0, 0, 9, 0, 200});
    CHECK(decode_plane(image, 0,
                       Spikes{{0, 0, 0, 1e9f},
                              {1, 0, 0, -5.0f},
                              {2, 0, 0, NAN},
                              {0, 2, 0, 1.0f},
                              {0, 0, 2, 1.0f},
                              {0, 0, 1, 2.5f}},
                       back));
    CHECK(back == std::vector<std::uint8_t>{0, 0, 0, 0, 0, 0, 255, 3, 0, 0, 0, 0});
}

TEST_CASE("blocks of numbers") {
    const BlockLayout block{.width = 2, .height = 3, .depth = 2};
    const std::vector<float> values{0.5f, 0, 0, -0.25f, 2.0f, 0, 0, 0.00005f, 0, 0, -9.0f, 1.0f};
    Spikes out;
    encode_block(block, 1, values, out);
    CHECK(out == Spikes{{2, 0, 0, 0.5f},
                        {2, 1, 1, -0.25f},
                        {2, 2, 0, 1.0f},
                        {3, 2, 0, -1.0f},
                        {3, 2, 1, 1.0f}});
    std::vector<float> back(12, 7.0f);
    CHECK(!decode_block(block, 0, out, back));
    CHECK(back[3] == 7.0f);
    CHECK(decode_block(block, 1, out, back));
    CHECK(back == std::vector<float>{0.5f, 0, 0, -0.25f, 1.0f, 0, 0, 0, 0, 0, -1.0f, 1.0f});
    CHECK(decode_block(
        block, 0, Spikes{{0, 3, 0, 1.0f}, {0, 0, 2, 1.0f}, {0, 0, 0, NAN}, {1, 0, 1, 5.0f}}, back));
    CHECK(back == std::vector<float>{0, 0, 0, 0, 0, 0, 0, 1.0f, 0, 0, 0, 0});
    CHECK_THROWS_AS(encode_block(block, 0, std::vector<float>(11), out), Error);
    CHECK_THROWS_AS(encode_block({}, 0, std::vector<float>{NAN}, out), Error);
    CHECK_THROWS_AS(encode_block({.width = 0}, 0, values, out), Error);
}

TEST_CASE("numbers and layouts out of range are refused") {
    CHECK_THROWS_WITH_AS((void)encoded(linear, {1.5f}, 3),
                         doctest::Contains("number 0 of channel 3 is 1.5"), Error);
    CHECK_THROWS_AS((void)encoded(linear, {-0.1f}), Error);
    CHECK_THROWS_AS((void)encoded(signed_linear, {-1.1f}), Error);
    CHECK_THROWS_AS((void)encoded(linear, {NAN}), Error);
    CHECK_THROWS_AS((void)encoded(linear, {0.5f, 0.5f}), Error);
    CHECK_THROWS_AS((void)encoded({.depth = 0}, {0.5f}), Error);
    CHECK_THROWS_AS((void)encoded({.dimensions = 5}, {1, 1, 1, 1, 1}), Error);
    CHECK_THROWS_AS((void)encoded({.dimensions = 4}, {1, 1, 1, 1}, 0x40000000u), Error);
    std::vector<float> three(3);
    CHECK_THROWS_AS((void)decode_percentages({.dimensions = 2}, Spikes{}, three), Error);
    Spikes out;
    std::vector<std::uint8_t> pixels(5);
    CHECK_THROWS_AS(encode_plane({.width = 2, .height = 2}, 0, pixels, out), Error);
    CHECK_THROWS_AS(encode_plane({.width = 0, .height = 2}, 0, pixels, out), Error);
}

TEST_CASE("rates come back, Poisson and regular") {
    const std::vector<float> values{0.0f, 0.1f, 0.35f, 0.5f, 1.0f};
    for (const bool regular : {false, true}) {
        const RateCode code{.most = 0.4, .regular = regular, .seed = 3};
        const SpikeRecording r = encode_rates(values, 20'000, code);
        const std::vector<float> back = decode_rates(r, code);
        // Poisson: a standard deviation is at most sqrt(0.4 * 0.6 / 20000) / 0.4 = 0.009.
        for (std::size_t i = 0; i < values.size(); ++i)
            CHECK(std::fabs(back[i] - values[i]) <= (regular ? 0.0002f : 0.03f));
        CHECK(back[0] == 0.0f);
    }
    const SpikeRecording clock =
        encode_rates(std::vector<float>{1.0f}, 12, {.most = 0.25, .regular = true});
    CHECK(clock.trains()[0] == Places{3, 7, 11});
    CHECK(encode_rates(values, 100).spikes() == encode_rates(values, 100).spikes());
    CHECK_THROWS_AS((void)encode_rates(std::vector<float>{1.1f}, 5), Error);
    CHECK_THROWS_AS((void)encode_rates(values, 5, {.most = 0.0}), Error);
    CHECK(decode_rates(SpikeRecording(2, 0)) == std::vector<float>{0.0f, 0.0f});
}

TEST_CASE("latencies come back, linear and by a membrane") {
    const std::vector<float> values{0.0f, 0.02f, 0.25f, 0.5f, 0.75f, 1.0f};
    const SpikeRecording r = encode_latencies(values, 101);
    CHECK(r.trains()[0].empty());
    CHECK(r.trains()[3] == Places{50});
    CHECK(r.trains()[5] == Places{0});
    const std::vector<float> back = decode_latencies(r);
    for (std::size_t i = 0; i < values.size(); ++i)
        CHECK(back[i] == doctest::Approx(values[i]).epsilon(0.001));

    const LatencyCode membrane{.tau = 40.0, .threshold = 0.2};
    const SpikeRecording m = encode_latencies(values, 101, membrane);
    CHECK(m.trains()[1].empty());        // below the threshold
    CHECK(m.trains()[2] == Places{64});  // 40 ln(0.25 / 0.05) = 64.4
    CHECK(m.trains()[5] == Places{9});   // 40 ln(1 / 0.8) = 8.9
    CHECK(decode_latencies(m, membrane)[2] == doctest::Approx(0.25).epsilon(0.01));
    CHECK(encode_latencies(std::vector<float>{0.2f, 0.201f}, 101, membrane).spikes() == 0);
    CHECK(encode_latencies(values, 0).steps() == 0);
    CHECK_THROWS_AS((void)encode_latencies(std::vector<float>{NAN}, 5), Error);
    CHECK_THROWS_AS((void)encode_latencies(values, 5, {.tau = -1.0}), Error);
    CHECK_THROWS_AS((void)encode_latencies(values, 5, {.tau = 1.0, .threshold = 0.0}), Error);
}
