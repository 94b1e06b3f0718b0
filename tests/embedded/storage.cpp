// Values and fixed storage as a microcontroller uses them: no exceptions, no RTTI, no heap.
#include <nibble/quant/spec.hpp>
#include <nibble/store/array.hpp>
#include <nibble/value/list.hpp>

#include <cstdio>
#include <cstdlib>

#if defined(__cpp_exceptions) || defined(__cpp_rtti)
#error "this file is built with -fno-exceptions -fno-rtti"
#endif

// The heap is not there.
void* operator new(std::size_t) { std::abort(); }
void* operator new[](std::size_t) { std::abort(); }
void operator delete(void*) noexcept {}
void operator delete[](void*) noexcept {}
void operator delete(void*, std::size_t) noexcept {}
void operator delete[](void*, std::size_t) noexcept {}

namespace {

using namespace nibble;

int failures = 0;

void check(bool ok, const char* what) {
    if (!ok) {
        std::printf("failed: %s\n", what);
        ++failures;
    }
}

constexpr ValueArray<Int4Value, 64> ramp() {
    ValueArray<Int4Value, 64> a;
    for (std::size_t i = 0; i < 64; ++i)
        a.set(i, encode<Int4Value>(static_cast<float>(i % 16) - 8));
    return a;
}
constinit ValueArray<Int4Value, 64> codes = ramp();
static_assert(sizeof(codes) == 32, "4 bits a value");

template <class V>
void stores_and_loads() {
    ValueArray<V, 13> a;
    for (std::size_t i = 0; i < a.size(); ++i) check(decode(a[i]) == compute_t<V>{}, "zero");
    for (std::size_t i = 0; i < a.size(); ++i) a.set(i, value_traits<V>::highest());
    a.set(6, V{});
    for (std::size_t i = 0; i < a.size(); ++i)
        check(a[i] == (i == 6 ? V{} : value_traits<V>::highest()), "a write changed a neighbour");
}

template <class... V>
void stores_and_loads(TypeList<V...>) {
    (stores_and_loads<V>(), ...);
}

}  // namespace

int main() {
    for (std::size_t i = 0; i < 64; ++i)
        check(decode(codes[i]) == static_cast<float>(i % 16) - 8, "ramp");
    stores_and_loads(FloatValues{});
    stores_and_loads<Fixed8<4>>();
    stores_and_loads<Fixed16<8>>();
    return failures == 0 ? 0 : 1;
}
