// The program that every target runs: neurons in integers and a brain from a table, fixed in size. It
// prints a hash of all spikes for each and says whether it is the one that every machine must get; on
// machines that count instructions, also how many a neuron takes.
#include "brain_int4.hpp"
#include "brain_int8.hpp"
#include "target.hpp"

#include <nibble/neuro/fixed_brain.hpp>
#include <nibble/neuro/lif_fixed.hpp>

using namespace nibble;

namespace {

// FNV-1a over steps and indices.
struct Spikes {
    std::uint32_t hash = 2166136261u, count = 0, step = 0;

    void operator()(std::size_t i) {
        ++count;
        for (const std::uint32_t word : {step, static_cast<std::uint32_t>(i)})
            for (unsigned byte = 0; byte < 4; ++byte)
                hash = (hash ^ (word >> (8 * byte) & 0xFFu)) * 16777619u;
    }
};

constinit LifArray<Int8Value, 256> lif8{{.leak = 0.9, .threshold = 1.0, .reset = 0.0}};
constinit LifArray<Int4Value, 256, Isa, 3> lif4{
    {.leak = 0.9, .threshold = 1.0, .reset = 0.0, .refractory = 3}};
constinit LifArray<Fixed16<8>, 256> lif16{{.leak = 0.9, .threshold = 1.0, .reset = 0.0}};

#if !defined(__XTENSA__)  // has neither a floating-point unit nor a library for one
// A leak of one half: its product is exact, so fused and separate multiply-adds agree.
constinit LifArray<float, 256> lif32{{.leak = 0.5, .threshold = 1.0, .reset = 0.0}};
float current[256];

Spikes run_floats() {
    Spikes spikes;
    for (spikes.step = 0; spikes.step < 100; ++spikes.step) {
        const Dither dice(1, spikes.step);
        for (std::size_t i = 0; i < 256; ++i)  // 0 to 1
            current[i] = static_cast<float>(dice(i) >> 8) * 0x1p-24f;
        lif32.step(std::span<const float>(current), spikes);
    }
    return spikes;
}
#endif

constinit FixedBrain<brain_int8> brain8;
constinit FixedBrain<brain_int4> brain4;
// 121 neurons: codes, 16-bit charges, spikes, timers; counters.
static_assert(sizeof(brain8) <= 121 * 4 + 16 + 16 && sizeof(brain4) <= 121 * 4 - 60 + 16 + 16);

void put_number(std::uint32_t x, std::uint32_t base) {
    char text[12];
    char* at = text + 11;
    *at = '\0';
    do {
        *--at = "0123456789abcdef"[x % base];
        x /= base;
    } while (x != 0);
    target::put(at);
}

bool report(const char* name, const Spikes& s, std::uint32_t expected) {
    target::put(name);
    target::put(" spikes ");
    put_number(s.count, 10);
    target::put(" hash ");
    put_number(s.hash, 16);
    target::put(s.hash == expected ? "\n" : " DIFFERS\n");
    return s.hash == expected;
}

std::int32_t charge[256];

template <class Neurons>
Spikes run_neurons(Neurons& neurons) {
    using V = typename Neurons::Value;
    constexpr auto full = static_cast<std::uint32_t>(Membrane<V>::high);
    Spikes spikes;
    for (spikes.step = 0; spikes.step < 100; ++spikes.step) {
        const Dither dice(1, spikes.step);
        for (std::size_t i = 0; i < 256; ++i)  // 0 to a quarter of the range
            charge[i] = static_cast<std::int32_t>((dice(i) >> 16) * full >> 6)
                        << (bits_v<V> < 8 ? 4 : 0);
        if constexpr (bits_v<V> == 16)
            for (std::size_t i = 0; i < 256; ++i)
                charge[i] = static_cast<std::int32_t>(dice(i) >> 18);
        neurons.step(std::span<const charge_t<V>>(charge), spikes);
    }
    return spikes;
}

template <class Brain>
Spikes run_brain(Brain& brain, const TableArea& eye) {
    const std::int32_t dose = Brain::threshold_code(eye) * 3 / 4;
    Spikes spikes;
    for (spikes.step = 0; spikes.step < 300; ++spikes.step) {
        const Dither dice(2, spikes.step);
        for (std::size_t i = 1; i < 49; ++i)  // the eye, a fifth of it
            if (dice(i) < 0x33333333u) brain.inject(i, dose);
        brain.burst();
        brain.for_each_spike(spikes);
    }
    return spikes;
}

}  // namespace

int main() {
    bool good = report("lif int8", run_neurons(lif8), 0x8b8cf410u);
    good = report("lif int4", run_neurons(lif4), 0x93652098u) && good;
    good = report("lif fixed16", run_neurons(lif16), 0xec9a24e5u) && good;
#if !defined(__XTENSA__)
    good = report("lif float", run_floats(), 0x0f7b2be6u) && good;
#endif
    good = report("brain int8", run_brain(brain8, brain_int8.areas[1]), 0xc53df435u) && good;
    good = report("brain int4", run_brain(brain4, brain_int4.areas[1]), 0xe4a4bc80u) && good;
    target::put(good ? "PASSED\n" : "FAILED\n");
    target::stop(good ? 0 : 1);
}
