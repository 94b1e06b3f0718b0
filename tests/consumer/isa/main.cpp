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
    for (int i = 0; i < 4; ++i) {
        const float difference = std::fabs(got.sums[i] - expected.sums[i]);
        if (!(difference <= 1e-4f * std::fabs(expected.sums[i]))) {
            std::printf("%s: sum %d is %g, the baseline's %g\n", isa, i, double(got.sums[i]),
                        double(expected.sums[i]));
            ++failures;
        }
    }
    std::printf("%s: %g %g %g %g\n", isa, double(got.sums[0]), double(got.sums[1]),
                double(got.sums[2]), double(got.sums[3]));
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
