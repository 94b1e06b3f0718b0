// Calls each unit that this machine can run and compares what they say.
#include "unit.hpp"

#include <cmath>
#include <cstdio>
#include <cstring>

namespace {

bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
bool has_avx512() {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

int compare(const IsaResult& expected, const IsaResult& got, const char* isa) {
    int failures = 0;
    if (std::strcmp(got.isa, isa) != 0) {
        std::printf("the unit built for %s runs %s\n", isa, got.isa);
        ++failures;
    }
    std::printf("%s:", isa);
    for (std::size_t i = 0; i < isa_sums; ++i) {
        const double difference = std::fabs(got.sums[i] - expected.sums[i]);
        std::printf(" %.9g", got.sums[i]);
        if (!(difference <= 1e-6 * std::fabs(expected.sums[i]))) {
            std::printf(" (the baseline says %.9g)", expected.sums[i]);
            ++failures;
        }
    }
    std::printf("\n");
    return failures;
}

}  // namespace

int main() {
    const IsaResult baseline = isa_baseline();
    int failures = compare(baseline, baseline, "sse2");
    if (has_avx2()) failures += compare(baseline, isa_avx2(), "avx2");
    if (has_avx512()) failures += compare(baseline, isa_avx512(), "avx512");
    return failures == 0 ? 0 : 1;
}
