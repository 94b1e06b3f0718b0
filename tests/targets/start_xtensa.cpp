// Xtensa LX106 (ESP8266) without an operating system or a C library, on QEMU's machine `sim`, which
// starts it at the reset vector and prints by `simcall`. It has no floating-point unit, and its
// compiler's library no floating point: a program that needs any does not link. (Division and 64-bit
// products are not in it either, because the chip has them in its ROM; here they are below.)
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

std::uint32_t __umodsi3(std::uint32_t a, std::uint32_t b) {
    std::uint32_t rest = 0;
    for (int bit = 31; bit >= 0; --bit) {
        rest = rest << 1 | (a >> bit & 1u);
        if (rest >= b) rest -= b;
    }
    return rest;
}
std::uint32_t __udivsi3(std::uint32_t a, std::uint32_t b) {
    std::uint32_t rest = 0, quotient = 0;
    for (int bit = 31; bit >= 0; --bit) {
        rest = rest << 1 | (a >> bit & 1u);
        if (rest >= b) {
            rest -= b;
            quotient |= std::uint32_t{1} << bit;
        }
    }
    return quotient;
}
std::int32_t __divsi3(std::int32_t a, std::int32_t b) {
    const auto size = [](std::int32_t x) {
        const auto u = static_cast<std::uint32_t>(x);
        return x < 0 ? 0u - u : u;
    };
    const std::uint32_t q = __udivsi3(size(a), size(b));
    return static_cast<std::int32_t>((a < 0) != (b < 0) ? 0u - q : q);
}
std::uint64_t __muldi3(std::uint64_t a, std::uint64_t b) {
    const auto low = [](std::uint64_t x) { return static_cast<std::uint32_t>(x); };
    const auto high = [](std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); };
    const std::uint32_t a0 = low(a) & 0xFFFFu, a1 = low(a) >> 16;
    const std::uint32_t b0 = low(b) & 0xFFFFu, b1 = low(b) >> 16;
    const std::uint32_t first = a0 * b0, middle = a1 * b0 + (first >> 16);
    const std::uint32_t other = a0 * b1 + (middle & 0xFFFFu);
    const std::uint32_t top = a1 * b1 + (middle >> 16) + (other >> 16);
    const std::uint32_t word = top + low(a) * high(b) + high(a) * low(b);
    return std::uint64_t{word} << 32 | (other << 16 | (first & 0xFFFFu));
}
}

namespace {

void simcall(std::uint32_t operation, std::uint32_t a, const void* b, std::uint32_t c) {
    register std::uint32_t a2 asm("a2") = operation;
    register std::uint32_t a3 asm("a3") = a;
    register const void* a4 asm("a4") = b;
    register std::uint32_t a5 asm("a5") = c;
    asm volatile("simcall" : "+r"(a2), "+r"(a3) : "r"(a4), "r"(a5) : "memory");
}

}  // namespace

namespace target {

void put(const char* text) {
    std::uint32_t n = 0;
    while (text[n] != '\0') ++n;
    simcall(4, 1, text, n);  // write to standard output
}
void stop(int code) {
    simcall(1, static_cast<std::uint32_t>(code), nullptr, 0);
    for (;;) {
    }
}
std::uint32_t instructions() { return 0; }

}  // namespace target

extern "C" void run() { target::stop(main()); }
// The reset vector holds an instruction; the literal that the stack's address needs comes after it.
asm(".section .start, \"ax\"\n.globl _start\n_start: j begin\n.align 4\n.literal_position\n.align "
    "4\n"
    "begin: movi a1, stack_top\ncall0 run\n");
