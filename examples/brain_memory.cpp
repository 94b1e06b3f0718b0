// A brain built by hand: an eye, a hidden area with plastic synapses, a memory that recalls what the eye
// saw into its twin. The same at every precision.
#include <nibble/neuro/brain_state.hpp>

#include <CLI/CLI.hpp>

#include <cstdio>
#include <string>

using namespace nibble;

namespace {

template <class V>
int run(std::uint64_t bursts) {
    // quote: build
    Brain<V> brain;
    const auto eye = brain.add({.id = "eye", .dimensions = {8, 8, 1}, .threshold = 1.0});
    const auto hidden = brain.add({.id = "hidden",
                                   .dimensions = {16, 1, 1},
                                   .threshold = 12.0,
                                   .leak = 0.2,
                                   .refractory = 2,
                                   .psp_uniform_distribution = true});
    std::vector<BrainSynapse> synapses;
    for (std::uint32_t i = 0; i < 64; ++i)
        for (std::uint32_t k = 0; k < 4; ++k)
            synapses.push_back({.source = i, .target = 64 + (i * 7 + k * 3) % 16, .weight = 90});
    brain.set_psp_uniform_distribution(eye, false);  // contributions are divided by 4
    brain.add(synapses);
    brain.add(PlasticityRule{.source_area = 0, .target_area = 1, .window = 2, .ltp = 3});
    // end quote
    // quote: memory
    const auto memory =
        brain.add({.id = "memory", .kind = AreaKind::memory, .memory = {.temporal_depth = 2}});
    const auto twin = brain.add({.id = "twin", .dimensions = {8, 8, 1}, .threshold = 1.0});
    const auto at = [](std::size_t area) { return static_cast<std::uint32_t>(area); };
    brain.watch({.area = at(memory), .upstream = {at(eye)}, .twins = {{at(eye), at(twin), 2.0f}}});
    // end quote
    // quote: burst
    const Host on;
    std::uint64_t fired = 0, events = 0, recalled = 0;
    for (std::uint64_t t = 0; t < bursts; ++t) {
        for (std::size_t k = 0; k < 6; ++k) brain.inject(eye, (t % 4) * 9 + k * 5, 2.0);
        const BurstResult r = brain.burst(on);
        fired += r.fired;
        events += r.events;
        brain.for_fired(twin, [&](const FiredNeuron&) { ++recalled; });
    }
    // end quote
    std::printf("%-5s %llu spikes, %llu synaptic events, %llu recalled, %zu memories\n",
                std::string(value_traits<V>::name).c_str(), static_cast<unsigned long long>(fired),
                static_cast<unsigned long long>(events), static_cast<unsigned long long>(recalled),
                brain.memories().front().neurons.alive());
    std::printf("      %llu potentials of the hidden area were cut to the range of their type\n",
                static_cast<unsigned long long>(brain.area(hidden).saturated));
    // quote: state
    const BrainState state = BrainArchive::save(brain);
    Brain<V> again = BrainArchive::load<V>(state);  // goes on in every bit
    // end quote
    return brain.burst(on).fired == again.burst(on).fired ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"A small brain with plastic synapses and a memory, at several precisions"};
    std::uint64_t bursts = 200;
    app.add_option("--bursts", bursts, "how many bursts to run")->check(CLI::Range(1, 1000000));
    CLI11_PARSE(app, argc, argv);
    return run<float>(bursts) + run<half>(bursts) + run<Int8Value>(bursts);
}
