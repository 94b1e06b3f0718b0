#include <nibble/runtime/cpu.hpp>

#include <doctest/doctest.h>

#include "support/isa.hpp"

#include <array>

using namespace nibble;

namespace {

constexpr std::array<const char*, 4> names{"sse2", "avx2", "avx512", "avx512-vnni"};

std::string message_of(const char* wanted, const Cpu& cpu) {
    try {
        static_cast<void>(choose_isa(names, cpu, wanted));
    } catch (const Error& e) {
        return e.what();
    }
    return "";
}

}  // namespace

TEST_CASE("this unit's instruction sets run here") {
    const Cpu cpu = Cpu::here();
    test::each_instruction_set([&]<class A>() {
        CAPTURE(A::name);
        CHECK(cpu.has(A::name));
    });
    CHECK(!cpu.has("avx"));
    CHECK(!cpu.has(""));
}

TEST_CASE("each set implies those below it") {
    const Cpu cpu = Cpu::here();
    CHECK((!cpu.avx512_bf16 || cpu.avx512_vnni));
    CHECK((!cpu.avx512_vnni || cpu.avx512));
    CHECK((!cpu.avx512 || cpu.avx2));
    CHECK((!cpu.avx_vnni || cpu.avx2));
    CHECK((!cpu.avx2 || cpu.sse41));
    CHECK((!cpu.neon_i8mm || cpu.neon_dotprod));
}

TEST_CASE("the best set is chosen, or the one that is asked for") {
    Cpu cpu;
    CHECK(choose_isa(names, cpu, nullptr) == 0);
    CHECK(choose_isa(names, cpu, "") == 0);
    cpu.sse2 = cpu.sse41 = cpu.avx2 = true;
    CHECK(choose_isa(names, cpu, nullptr) == 1);
    CHECK(choose_isa(names, cpu, "sse2") == 0);
    cpu.avx512 = cpu.avx512_vnni = true;
    CHECK(choose_isa(names, cpu, nullptr) == 3);
    for (std::size_t i = 0; i < names.size(); ++i) CHECK(choose_isa(names, cpu, names[i]) == i);
}

TEST_CASE("a set that is unknown or does not run is refused with the choice") {
    Cpu cpu;
    cpu.sse2 = cpu.sse41 = cpu.avx2 = true;
    CHECK(message_of("avx512", cpu) ==
          "nibble: NIBBLE_ISA: 'avx512' was met, expected one of sse2, avx2 (this program was "
          "built for sse2, avx2, avx512, avx512-vnni)");
    CHECK(message_of("AVX2", cpu).find("'AVX2' was met") != std::string::npos);
    CHECK(message_of("avx2 ", cpu) != "");
    CHECK(message_of("sse4.1", cpu) != "");  // runs here, but the program has no such variant
}
