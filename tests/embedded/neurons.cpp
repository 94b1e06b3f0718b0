// Spiking neurons as a microcontroller has them: a fixed number, no heap, no exceptions, no RTTI; and,
// where the compiler can be told so, no floating-point register at all.
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__)
#pragma GCC target("general-regs-only")
#endif

#include <nibble/neuro/lif_fixed.hpp>

#if defined(__cpp_exceptions) || defined(__cpp_rtti)
#error "this file is built with -fno-exceptions -fno-rtti"
#endif
#if defined(XSIMD_HPP)
#error "fixed-size neurons must not include xsimd"
#endif

using namespace nibble;

namespace {

constinit LifArray<Fixed16<8>, 256> retina{{.leak = 0.9, .threshold = 1.0, .reset = 0.0}};
constinit LifArray<Int8Value, 256> cortex{{.leak = 0.9, .threshold = 1.0, .reset = 0.0},
                                          {.scale = 1.0 / 127}};
constinit LifArray<Int4Value, 256, Isa, 3> small{
    {.leak = 0.9, .threshold = 1.0, .reset = 0.0, .refractory = 3}};
static_assert(sizeof(retina) <= 512 + 48 && sizeof(cortex) <= 256 + 48);
static_assert(sizeof(small) <= 128 + 64 + 48);

// FNV-1a over the steps and indices of all spikes.
struct Spikes {
    std::uint32_t hash = 2166136261u;
    std::uint32_t count = 0;
    std::uint32_t step = 0;

    void operator()(std::size_t i) {
        ++count;
        for (const std::uint32_t word : {step, static_cast<std::uint32_t>(i)})
            for (int byte = 0; byte < 4; ++byte)
                hash = (hash ^ (word >> (8 * byte) & 0xFFu)) * 16777619u;
    }
};

template <class Neurons>
Spikes run(Neurons& neurons, int full) {
    using V = typename Neurons::Value;
    ValueArray<V, 256> current{};
    Spikes spikes;
    for (spikes.step = 0; spikes.step < 100; ++spikes.step) {
        const Dither dice(1, spikes.step);
        for (std::size_t i = 0; i < 256; ++i)  // 0 to a quarter of the threshold
            current.set(i, from_code<V>(static_cast<std::int32_t>(
                               (dice(i) >> 16) * static_cast<std::uint32_t>(full) >> 18)));
        neurons.step(current, spikes);
    }
    return spikes;
}

}  // namespace

// The same spikes on every machine: 256 neurons, 100 steps.
int main() {
    const Spikes a = run(retina, 256), b = run(cortex, 127), c = run(small, 8);
    if (a.count != 1493 || a.hash != 0xfc415861u) return 1;
    if (b.count != 1453 || b.hash != 0x1897a91au) return 2;
    if (c.count != 329 || c.hash != 0x6bcc5b6au) return 3;
    return 0;
}
