// What a chip carries to run neurons and a brain from a table: nothing but this is linked, without a C
// library, and its text and constants are measured.
#include "brain_int8.hpp"
#include "target.hpp"

#include <nibble/neuro/fixed_brain.hpp>
#include <nibble/neuro/lif_fixed.hpp>

using namespace nibble;

// quote: chip
namespace {
constinit LifArray<Int8Value, 256> retina{{.leak = 0.9, .threshold = 1.0, .reset = 0.0}};
constinit FixedBrain<brain_int8> brain;
std::int32_t charge[256];
}  // namespace

int main() {
    for (;;) {
        retina.step(std::span<const std::int32_t>(charge), [](std::size_t i) {
            if (i < 48) brain.inject(1 + i, 100);  // retina to eye
        });
        brain.burst();
        brain.for_each_spike([](std::size_t i) { charge[i] += 1; });  // and something back
    }
}
// end quote
