// SpikingMlp through a file: its neurons' settings come back, not those of a default one.
#include <nibble/layer/spiking_mlp.hpp>
#include <nibble/model/load.hpp>

#include <doctest/doctest.h>

#include "support/temporary.hpp"

using namespace nibble;

TEST_CASE("a SpikingMlp comes back with its neurons and its readout") {
    test::Temporary folder;
    using Net = SpikingMlp<float>;
    static_assert(Configured<Net>);
    const Net net({.in = 5,
                   .hidden = 8,
                   .out = 3,
                   .neuron = {.steps = 20,
                              .leak = 0.5f,
                              .threshold = 0.3f,
                              .subtract = false,
                              .surrogate = Surrogate::arctan,
                              .slope = 2.5f,
                              .range = 3.0f},
                   .readout = 0.2f},
                  Seed{1});
    save(net, folder / "net");
    const auto back = load<Net>(folder / "net");
    CHECK(back.config.readout == 0.2f);
    for (const LifConfig& c : {back.config.neuron, back.neurons.config}) {
        CHECK(c.steps == 20);
        CHECK(c.leak == 0.5f);
        CHECK(c.threshold == 0.3f);
        CHECK_FALSE(c.subtract);
        CHECK(c.surrogate == Surrogate::arctan);
        CHECK(c.slope == 2.5f);
        CHECK(c.range == 3.0f);
    }
    Host on;
    Tensor<float> x(Shape{4, 5});
    for (std::size_t r = 0; r < 4; ++r)
        for (std::size_t c = 0; c < 5; ++c) x(r, c) = static_cast<float>(r + c) * 0.25f;
    const auto y = net.forward(on, x), z = back.forward(on, x);
    REQUIRE(y.shape() == z.shape());
    CHECK(net.activity(on, x) > 0.0);
    for (std::size_t r = 0; r < 4; ++r)
        for (std::size_t c = 0; c < 3; ++c) CHECK(y(r, c) == z(r, c));
    save(back, folder / "again");
    CHECK(test::read_file(folder / "net") == test::read_file(folder / "again"));
}

TEST_CASE("settings of a SpikingMlp that no file can hold or no neuron can have are refused") {
    test::Temporary folder;
    SpikingMlp<float> net({.in = 5, .hidden = 8, .out = 3, .neuron = {.steps = 4}}, Seed{1});
    const auto refused = [&](auto&& spoil) {
        auto bad = net;
        spoil(bad.config);
        save(bad, folder / "net");
        CHECK_THROWS_AS(static_cast<void>(load<SpikingMlp<float>>(folder / "net")), Error);
    };
    refused([](SpikingMlpConfig& c) { c.neuron.leak = 1.5f; });
    refused([](SpikingMlpConfig& c) { c.neuron.surrogate = static_cast<Surrogate>(2); });
    refused([](SpikingMlpConfig& c) { c.readout = -1.0f; });
    refused([](SpikingMlpConfig& c) { c.hidden = std::size_t{1} << 40; });
}
