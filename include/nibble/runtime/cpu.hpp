// SPDX-License-Identifier: BSL-1.0
// Which instruction sets this processor and its system run, for programs that carry a kernel several
// times and choose (nibble_add_dispatched in cmake/dispatch.cmake).
//
// A processor's word (CPUID) is not enough: registers of 256 and 512 bits are usable only when the
// system saves them, which XCR0 tells.
#pragma once

#include <nibble/kernel/isa.hpp>
#include <nibble/store/error.hpp>

#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace nibble::inline NIBBLE_ARCH {

/// What of isa:: can run here.
struct Cpu {
    bool sse2 = false, sse41 = false, avx2 = false, avx_vnni = false, avx512 = false,
         avx512_vnni = false, avx512_bf16 = false;
    bool neon = false, neon_dotprod = false, neon_i8mm = false;

    /// Of the processor that asks.
    [[nodiscard]] static Cpu here() noexcept {
        Cpu cpu;
#if defined(__x86_64__) || defined(__i386__)
        unsigned a = 0, b = 0, c = 0, d = 0;
        if (__get_cpuid(1, &a, &b, &c, &d) == 0) return cpu;
        const auto bit = [](unsigned word, int i) { return (word >> i & 1) != 0; };
        cpu.sse2 = bit(d, 26);
        cpu.sse41 = cpu.sse2 && bit(c, 0) && bit(c, 9) && bit(c, 19);  // SSE3, SSSE3, SSE4.1
        const unsigned saved = bit(c, 27) ? xcr0() : 0;                // OSXSAVE
        const bool avx = bit(c, 28) && (saved & 0x06) == 0x06;
        const bool fma = bit(c, 12) && bit(c, 29);  // with F16C
        if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return cpu;
        const unsigned subleaves = a;
        cpu.avx2 = cpu.sse41 && avx && fma && bit(b, 5);
        cpu.avx512 = cpu.avx2 && (saved & 0xE6) == 0xE6 && bit(b, 16) && bit(b, 17) && bit(b, 30) &&
                     bit(b, 31);  // F, DQ, BW, VL
        cpu.avx512_vnni = cpu.avx512 && bit(c, 11);
        if (subleaves == 0 || __get_cpuid_count(7, 1, &a, &b, &c, &d) == 0) return cpu;
        cpu.avx_vnni = cpu.avx2 && bit(a, 4);
        cpu.avx512_bf16 = cpu.avx512_vnni && bit(a, 5);
#elif defined(__aarch64__)
        cpu.neon = true;
#if defined(__linux__)
        cpu.neon_dotprod = (getauxval(AT_HWCAP) >> 20 & 1) != 0;
        cpu.neon_i8mm = cpu.neon_dotprod && (getauxval(AT_HWCAP2) >> 13 & 1) != 0;
#elif defined(__APPLE__)
        cpu.neon_dotprod = true;  // every processor of the kind
#endif
#endif
        return cpu;
    }

    /// By the name of the tag ("avx512-vnni"). False for a name that is none.
    [[nodiscard]] bool has(std::string_view isa) const noexcept {
        return isa == isa::Scalar::name || (sse2 && isa == isa::Sse2::name) ||
               (sse41 && isa == isa::Sse41::name) || (avx2 && isa == isa::Avx2::name) ||
               (avx_vnni && isa == isa::AvxVnni::name) || (avx512 && isa == isa::Avx512::name) ||
               (avx512_vnni && isa == isa::Avx512Vnni::name) ||
               (avx512_bf16 && isa == isa::Avx512Bf16::name) || (neon && isa == isa::Neon::name) ||
               (neon_dotprod && isa == isa::NeonDot::name) ||
               (neon_i8mm && isa == isa::NeonI8mm::name);
    }

private:
#if defined(__x86_64__) || defined(__i386__)
    // The registers that the system saves: bits 1 and 2 for AVX, 5 to 7 for AVX-512.
    static unsigned xcr0() noexcept {
        unsigned low = 0, high = 0;
        asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        return low;
    }
#endif
};

/// The place in `names`, which ascend from what every processor of the kind has, of the best that runs
/// here, or of `wanted`: what the environment variable NIBBLE_ISA says. Fails, naming the choice, when
/// `wanted` is no name or does not run here.
[[nodiscard]] inline std::size_t choose_isa(std::span<const char* const> names, const Cpu& cpu,
                                            const char* wanted) {
    if (wanted == nullptr || *wanted == '\0') {
        std::size_t best = 0;
        for (std::size_t i = 1; i < names.size(); ++i)
            if (cpu.has(names[i])) best = i;
        return best;
    }
    std::string built, runs;
    for (std::size_t i = 0; i < names.size(); ++i) {
        const std::string name = names[i];
        if (name == wanted && (i == 0 || cpu.has(name))) return i;
        built += (built.empty() ? "" : ", ") + name;
        if (i == 0 || cpu.has(name)) runs += (runs.empty() ? "" : ", ") + name;
    }
    fail(std::string("NIBBLE_ISA: '") + wanted + "' was met, expected one of " + runs +
         " (this program was built for " + built + ")");
}

/// The same for this processor and this environment.
[[nodiscard]] inline std::size_t choose_isa(std::span<const char* const> names) {
    return choose_isa(names, Cpu::here(), std::getenv("NIBBLE_ISA"));
}

}  // namespace nibble
