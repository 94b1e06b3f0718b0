// Cortex-M without an operating system or a C library: vectors, start-up, printing by semihosting. Runs
// on QEMU's mps2 boards, where a SysTick at 25 MHz sees 40 instructions under `-icount shift=0`.
#include "target.hpp"

#include <cstddef>

extern "C" {
extern std::uint32_t data_load, data_begin, data_end, bss_begin, bss_end, stack_top;
int main();
void reset();

// The compiler calls these by name.
void* memset(void* to, int value, std::size_t n) {
    auto* at = static_cast<volatile unsigned char*>(to);
    while (n-- != 0) *at++ = static_cast<unsigned char>(value);
    return to;
}
void* memcpy(void* to, const void* from, std::size_t n) {
    auto* at = static_cast<volatile unsigned char*>(to);
    const auto* source = static_cast<const unsigned char*>(from);
    while (n-- != 0) *at++ = *source++;
    return to;
}
}

namespace {

std::uint32_t semihost(std::uint32_t operation, const void* argument) {
    register std::uint32_t r0 asm("r0") = operation;
    register const void* r1 asm("r1") = argument;
    asm volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}
volatile std::uint32_t& systick(std::uint32_t offset) {
    return *reinterpret_cast<volatile std::uint32_t*>(0xE000E010u + offset);
}

}  // namespace

namespace target {

void put(const char* text) { semihost(0x04, text); }
void stop(int) {
    semihost(0x18, reinterpret_cast<const void*>(0x20026u));
    for (;;) {
    }
}
std::uint32_t instructions() {
    if ((systick(0) & 1u) == 0) {
        systick(4) = 0xFFFFFF;
        systick(8) = 0;
        systick(0) = 5;
        while (systick(8) == 0) {
        }  // until it has been reloaded
    }
    return (0xFFFFFFu - (systick(8) & 0xFFFFFFu)) * 40;
}

}  // namespace target

extern "C" void reset() {
#if defined(__ARM_FP)
    // The floating-point unit is off after a reset.
    *reinterpret_cast<volatile std::uint32_t*>(0xE000ED88u) |= 0xFu << 20;
    asm volatile("dsb\nisb" ::: "memory");
#endif
    const std::uint32_t* from = &data_load;
    for (volatile std::uint32_t* to = &data_begin; to < &data_end;) *to++ = *from++;
    for (volatile std::uint32_t* to = &bss_begin; to < &bss_end;) *to++ = 0;
    target::stop(main());
}

namespace {
void fault() {
    target::put("FAULT\n");
    target::stop(1);
}
}  // namespace

[[gnu::used, gnu::section(".vectors")]] void (*const vectors[4])() = {
    reinterpret_cast<void (*)()>(&stack_top), reset, fault, fault};
