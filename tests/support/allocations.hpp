// Counts the requests of the program for memory. Replaces operator new, so at most one file of a
// test program includes it.
#pragma once

#include <cstdlib>
#include <new>

#include "support/allocation_count.hpp"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define NIBBLE_TEST_HOOKS
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define NIBBLE_TEST_HOOKS
#endif
#endif

#if defined(NIBBLE_TEST_HOOKS)
// The sanitizers' runtimes define every form of operator new and want new and delete to be a pair;
// the thread sanitizer's does not let a program replace them at all.
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*)(const volatile void*,
                                                                  std::size_t),
                                                         void (*)(const volatile void*));
namespace support {
/// True when what the threads' runtimes ask for is counted too.
inline constexpr bool counts_runtimes = true;
inline const int hooks = __sanitizer_install_malloc_and_free_hooks(
    [](const volatile void*, std::size_t size) { ++counted, counted_bytes += size; },
    [](const volatile void*) {});
}
#else
namespace support {
inline constexpr bool counts_runtimes = false;
inline void* count_and_allocate(std::size_t size, std::size_t alignment) {
    if (++counted == refused.load()) throw std::bad_alloc();
    counted_bytes += size;
    size = (size + alignment - 1) / alignment * alignment;
    if (void* p = std::aligned_alloc(alignment, size == 0 ? alignment : size)) return p;
    throw std::bad_alloc();
}
}  // namespace support

// Not inlined: g++ would otherwise see free() meet operator new and warn.
[[gnu::noinline]] void* operator new(std::size_t size) {
    return support::count_and_allocate(size, alignof(std::max_align_t));
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment) {
    return support::count_and_allocate(size, static_cast<std::size_t>(alignment));
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t, std::align_val_t) noexcept {
    std::free(p);
}
#endif
