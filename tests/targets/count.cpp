// How many instructions a neuron takes in a step, where they can be counted.
#include "target.hpp"

#include <nibble/neuro/fixed_brain.hpp>
#include <nibble/neuro/lif_fixed.hpp>

using namespace nibble;

namespace {

constexpr std::uint32_t n = 1024, steps = 200;

constinit LifArray<Int8Value, n> lif{{.leak = 0.9, .threshold = 1.0, .reset = 0.0}};

// Neurons that leak in every burst, without synapses and with 10 each.
template <std::size_t PerNeuron>
constexpr auto brain_of = [] {
    BrainTable<Int8Value, Int8Value, 1, n, PerNeuron * n> t;
    t.areas[0] = {.first = 0, .size = n, .threshold = 32640, .keep = 29491, .gain = 40};
    std::array<FixedSynapse, PerNeuron * n> list{};
    for (std::uint32_t k = 0; k < list.size(); ++k)
        list[k] = {k / 10, (k / 10 + 37 * (k % 10) + 1) % n, k % 2 == 0 ? -60 : 60};
    t.synapses = FixedSynapses<Int8Value, n, n, PerNeuron * n>(list);
    t.every_step = true;
    return t;
}();
constexpr auto alone = brain_of<0>;
constexpr auto ring = brain_of<10>;
constinit FixedBrain<alone> lone_brain;
constinit FixedBrain<ring> ring_brain;

std::int32_t charge[n];

void put_hundredths(std::uint32_t x) {
    char text[16];
    char* at = text + 15;
    *at = '\0';
    for (int digit = 0; digit < 3 || x != 0; ++digit, x /= 10) {
        if (digit == 2) *--at = '.';
        *--at = static_cast<char>('0' + x % 10);
    }
    target::put(at);
}
bool report(const char* what, std::uint64_t instructions, std::uint64_t times, std::uint32_t most) {
    const auto hundredths = static_cast<std::uint32_t>(instructions * 100 / times);
    target::put(what);
    target::put(" ");
    put_hundredths(hundredths);
    target::put(hundredths <= 100 * most ? "\n" : " TOO MANY\n");
    return hundredths <= 100 * most && hundredths != 0;
}

struct Cost {
    std::uint64_t instructions = 0, spikes = 0;
};

template <class Brain>
Cost run(Brain& brain) {
    Cost cost;
    for (std::uint32_t t = 0; t < steps; ++t) {
        const Dither dice(2, t);
        for (std::uint32_t i = 0; i < n; ++i)
            brain.inject(i, static_cast<std::int32_t>(dice(i) & 0x1FFFu) - 3000);
        const std::uint32_t begin = target::instructions();
        cost.spikes += brain.burst();
        cost.instructions += target::instructions() - begin;
    }
    return cost;
}

}  // namespace

int main() {
    Cost lif_cost;
    for (std::uint32_t t = 0; t < steps; ++t) {
        const Dither dice(1, t);
        for (std::uint32_t i = 0; i < n; ++i)
            charge[i] = static_cast<std::int32_t>((dice(i) >> 16) * 127 >> 6);
        const std::uint32_t begin = target::instructions();
        lif_cost.spikes += lif.step(std::span<const std::int32_t>(charge), [](std::size_t) {});
        lif_cost.instructions += target::instructions() - begin;
    }
    const Cost lone = run(lone_brain), connected = run(ring_brain);
    const std::uint64_t all = std::uint64_t{n} * steps;
    // What a machine counts is known to a few dozen instructions for each of the calls.
    bool good = report("LifArray<Int8Value>, instructions a neuron and step", lif_cost.instructions,
                       all, 20);
    report("  spikes of 100 neuron-steps", lif_cost.spikes * 100, all, 100);
    good =
        report("FixedBrain at INT8, instructions a neuron and step", lone.instructions, all, 20) &&
        good;
    report("  spikes of 100 neuron-steps", lone.spikes * 100, all, 100);
    good = report("FixedBrain at INT8, instructions a synaptic event",
                  connected.instructions - lone.instructions, 10 * connected.spikes, 20) &&
           good;
    target::put(good ? "PASSED\n" : "FAILED\n");
    target::stop(good ? 0 : 1);
}
