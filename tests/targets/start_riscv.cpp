// A 32-bit RISC-V without an operating system or a C library, on QEMU's board `virt`.
#include "target.hpp"

#include <cstddef>

extern "C" {
int main();

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

// The sequence by which an emulator tells a call from a breakpoint; its instructions have 4 bytes.
std::uint32_t semihost(std::uint32_t operation, const void* argument) {
    register std::uint32_t a0 asm("a0") = operation;
    register const void* a1 asm("a1") = argument;
    asm volatile(
        ".balign 16\n.option push\n.option norvc\n"
        "slli x0, x0, 0x1f\nebreak\nsrai x0, x0, 7\n.option pop"
        : "+r"(a0)
        : "r"(a1)
        : "memory");
    return a0;
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
    std::uint32_t n;
    asm volatile(".option push\n.option arch, +zicsr\ncsrr %0, minstret\n.option pop" : "=r"(n));
    return n;
}

}  // namespace target

// Loaded where it runs, and memory is zero at power-on: nothing to copy or to clear.
extern "C" void run() { target::stop(main()); }
asm(".section .start, \"ax\"\n.globl _start\n_start: la sp, stack_top\ncall run\n");
