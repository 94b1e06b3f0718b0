// Calls every variant of the unit that this machine runs and compares what they say; then what the
// function that chooses between them says.
#include "unit.hpp"

#include <nibble/runtime/cpu.hpp>

#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

// VARIANTS, from the build: X(symbol, "name") for each.
#define X(symbol, name) extern const IsaUnit symbol;
VARIANTS
#undef X

namespace {

struct Variant {
    const IsaUnit* unit;
    const char* name;
};
constexpr Variant variants[] = {
#define X(symbol, name) {&symbol, name},
    VARIANTS
#undef X
};

int compare(const IsaUnit& first, const IsaUnit& unit, const char* name) {
    int failures = 0;
    if (std::strcmp(unit.isa, name) != 0) {
        std::printf("the unit built for %s runs %s\n", name, unit.isa);
        ++failures;
    }
    const auto expected = first.sums(), got = unit.sums();
    const std::uint64_t exact = first.integers(), integers = unit.integers();
    std::printf("%s: %016" PRIx64, name, integers);
    if (integers != exact) {
        std::printf(" (%s says %016" PRIx64 ")", first.isa, exact);
        ++failures;
    }
    for (std::size_t i = 0; i < isa_sums; ++i) {
        const double difference = std::fabs(got[i] - expected[i]);
        std::printf(" %.9g", got[i]);
        if (!(difference <= 1e-6 * std::fabs(expected[i]))) {
            std::printf(" (%s says %.9g)", first.isa, expected[i]);
            ++failures;
        }
    }
    std::printf("\n");
    return failures;
}

}  // namespace

int main() {
    const nibble::Cpu cpu = nibble::Cpu::here();
    int failures = 0;
    const char* best = variants[0].name;
    for (const auto& [unit, name] : variants) {
        if (!cpu.has(name)) {
            std::printf("%s: not on this machine\n", name);
            continue;
        }
        failures += compare(*variants[0].unit, *unit, name);
        best = name;
    }

    const char* wanted = std::getenv("NIBBLE_ISA");
    try {
        const IsaUnit& chosen = isa_unit();
        std::printf("chosen: %s\n", chosen.isa);
        if (std::strcmp(chosen.isa, wanted != nullptr ? wanted : best) != 0) ++failures;
    } catch (const std::exception& e) {
        std::printf("%s\n", e.what());
        return 2;
    }
    return failures == 0 ? 0 : 1;
}
