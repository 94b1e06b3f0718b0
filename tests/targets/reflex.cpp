// A genome that became a table while this was built: eight sensors, eight motors, each sensor moving the
// motor beside it and holding the next one.
#include "reflex.hpp"

#include <nibble/neuro/fixed_brain.hpp>

#include <cstdio>

using namespace nibble;

// quote: genome
constinit FixedBrain<reflex> brain;  // `reflex` is the genome, as a constant in reflex.hpp
// end quote

namespace {

constexpr std::uint32_t eye = reflex.areas[0].first, leg = reflex.areas[1].first;
static_assert(reflex.areas.size() == 2 && reflex.neurons == 16);
static_assert(reflex.synapses.size() == 8 + 7, "projector and a step to the right");
static_assert(reflex.areas[1].refractory == 2);

std::uint32_t moved(std::uint32_t seen) {
    for (std::uint32_t i = 0; i < 8; ++i)
        if ((seen >> i & 1u) != 0) brain.inject(eye + i, brain.threshold_code(reflex.areas[0]));
    brain.burst();
    brain.burst();
    return brain.spikes()[0] >> leg & 0xFFu;
}

}  // namespace

int main() {
    const std::uint32_t one = moved(0x01);  // motor 0; motor 1 is held
    for (int rest = 0; rest < 4; ++rest) brain.burst();
    const std::uint32_t pair = moved(0x30);  // 4 and 5: the second is held by the first
    std::printf("%x %x\n", one, pair);
    return one == 0x01 && pair == 0x10 ? 0 : 1;
}
