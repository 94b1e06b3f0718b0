// SPDX-License-Identifier: BSL-1.0
// The library's version and all of its macros. Nothing else in nibble defines a macro.
#pragma once

#if !(__cplusplus >= 202002L || (defined(_MSVC_LANG) && _MSVC_LANG >= 202002L))
// A missing include ends the compilation, so an old compiler prints this line and nothing after it.
#include "nibble needs C++20: compile with -std=c++20 or newer (g++ 12, clang 14 or later)"
#endif

#define NIBBLE_VERSION_MAJOR 0
#define NIBBLE_VERSION_MINOR 1
#define NIBBLE_VERSION_PATCH 0
#define NIBBLE_VERSION "0.1.0"

// Functions that must melt into their caller: register codecs (a call per register made a kernel
// eight times slower) and everything below rank 3, so that units built for different instruction
// sets share no out-of-line copy of code that one of the machines cannot run.
#if defined(_MSC_VER)
#define NIBBLE_INLINE __forceinline
#else
#define NIBBLE_INLINE inline __attribute__((always_inline))
#endif

// On the lambdas of a micro-kernel, after the parameters: one that is called and not inlined takes the
// address of the accumulators, which then live in memory (2.2 times slower).
#if defined(_MSC_VER)
#define NIBBLE_INLINE_LAMBDA
#else
#define NIBBLE_INLINE_LAMBDA __attribute__((always_inline))
#endif

// 1 when kernels use xsimd, 0 for the scalar registers. Define it to 0 before including nibble to
// do without xsimd. xsimd does not compile for a target that has no SIMD at all.
#if !defined(NIBBLE_SIMD)
#if __has_include(<xsimd/xsimd.hpp>) && \
    (defined(__SSE2__) || defined(__ARM_NEON) || defined(_M_X64))
#define NIBBLE_SIMD 1
#else
#define NIBBLE_SIMD 0
#endif
#endif

// Everything lives in `namespace nibble::inline NIBBLE_ARCH`, named after the instruction set that the
// unit is compiled for. Users write nibble::; the linker sees different names in units built with
// different flags, and never lets one run the other's code (tests/consumer/isa).
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#define NIBBLE_HAS_AVX512 1
#endif
#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#define NIBBLE_HAS_AVX2 1
#endif
#if defined(NIBBLE_HAS_AVX512) && defined(__AVX512VNNI__) && defined(__AVX512BF16__)
#define NIBBLE_TARGET avx512_bf16
#elif defined(NIBBLE_HAS_AVX512) && defined(__AVX512VNNI__)
#define NIBBLE_TARGET avx512_vnni
#elif defined(NIBBLE_HAS_AVX512)
#define NIBBLE_TARGET avx512
#elif defined(NIBBLE_HAS_AVX2) && defined(__AVXVNNI__)
#define NIBBLE_TARGET avx_vnni
#elif defined(NIBBLE_HAS_AVX2)
#define NIBBLE_TARGET avx2
#elif defined(__AVX__)
#define NIBBLE_TARGET avx
#elif defined(__SSE4_1__)
#define NIBBLE_TARGET sse41
#elif defined(__ARM_NEON) && defined(__ARM_FEATURE_DOTPROD) && defined(__ARM_FEATURE_MATMUL_INT8)
#define NIBBLE_TARGET neon_i8mm
#elif defined(__ARM_NEON) && defined(__ARM_FEATURE_DOTPROD)
#define NIBBLE_TARGET neon_dotprod
#else
#define NIBBLE_TARGET baseline
#endif
#if NIBBLE_SIMD
#define NIBBLE_ARCH NIBBLE_TARGET
#else
#define NIBBLE_ARCH_SCALAR(target) target##_scalar
#define NIBBLE_ARCH_OF(target) NIBBLE_ARCH_SCALAR(target)
#define NIBBLE_ARCH NIBBLE_ARCH_OF(NIBBLE_TARGET)
#endif

// A broken precondition is the caller's bug: checked in debug builds, free otherwise.
#if defined(NDEBUG) && !defined(NIBBLE_CHECKED)
#define NIBBLE_EXPECT(condition) static_cast<void>(0)
#else
#include <cassert>
#define NIBBLE_EXPECT(condition) assert(condition)
#endif
