// SPDX-License-Identifier: BSL-1.0
// The instruction-set tags that every kernel names, and the one this unit is built for.
//
// A unit built for one set can name every older set of its family too: a test calls all of them.
// Alone in a header so that code without a heap (fixed-size neurons on a chip) can name them too.
#pragma once

#include <nibble/version.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// Instruction sets: tags that a unit's compiler flags choose between. Each has its name, the family of
/// its registers, and whether it has a dot product of bytes and one of bfloat16 numbers.
namespace isa {

/// What registers look like: 8 lanes in plain loops, 128, 256, 512 or 128 bits.
enum class Family { scalar, sse, avx2, avx512, neon };

struct Scalar {
    static constexpr const char* name = "scalar";
    static constexpr Family family = Family::scalar;
    static constexpr bool byte_dot = false, bf16_dot = false;
};
/// The x86-64 baseline.
struct Sse2 {
    static constexpr const char* name = "sse2";
    static constexpr Family family = Family::sse;
    static constexpr bool byte_dot = false, bf16_dot = false;
};
/// With SSSE3, as every processor that has SSE4.1.
struct Sse41 {
    static constexpr const char* name = "sse4.1";
    static constexpr Family family = Family::sse;
    static constexpr bool byte_dot = false, bf16_dot = false;
};
/// With FMA and F16C.
struct Avx2 {
    static constexpr const char* name = "avx2";
    static constexpr Family family = Family::avx2;
    static constexpr bool byte_dot = false, bf16_dot = false;
};
/// Avx2 with vpdpbusd.
struct AvxVnni {
    static constexpr const char* name = "avx-vnni";
    static constexpr Family family = Family::avx2;
    static constexpr bool byte_dot = true, bf16_dot = false;
};
/// F, BW, DQ and VL.
struct Avx512 {
    static constexpr const char* name = "avx512";
    static constexpr Family family = Family::avx512;
    static constexpr bool byte_dot = false, bf16_dot = false;
};
struct Avx512Vnni {
    static constexpr const char* name = "avx512-vnni";
    static constexpr Family family = Family::avx512;
    static constexpr bool byte_dot = true, bf16_dot = false;
};
/// Avx512Vnni with vdpbf16ps.
struct Avx512Bf16 {
    static constexpr const char* name = "avx512-bf16";
    static constexpr Family family = Family::avx512;
    static constexpr bool byte_dot = true, bf16_dot = true;
};
struct Neon {
    static constexpr const char* name = "neon";
    static constexpr Family family = Family::neon;
    static constexpr bool byte_dot = false, bf16_dot = false;
};
/// With sdot, for signed bytes.
struct NeonDot {
    static constexpr const char* name = "neon-dotprod";
    static constexpr Family family = Family::neon;
    static constexpr bool byte_dot = true, bf16_dot = false;
};
/// NeonDot with usdot, for unsigned weights.
struct NeonI8mm {
    static constexpr const char* name = "neon-i8mm";
    static constexpr Family family = Family::neon;
    static constexpr bool byte_dot = true, bf16_dot = false;
};
}  // namespace isa

template <class A>
inline constexpr bool is_sse = A::family == isa::Family::sse;
template <class A>
inline constexpr bool is_avx2 = A::family == isa::Family::avx2;
template <class A>
inline constexpr bool is_avx512 = A::family == isa::Family::avx512;
/// AVX2 or AVX-512.
template <class A>
inline constexpr bool is_avx = is_avx2<A> || is_avx512<A>;
template <class A>
inline constexpr bool is_neon = A::family == isa::Family::neon;
/// Whether dot4 is one instruction for weights below 16.
template <class A>
inline constexpr bool has_byte_dot = A::byte_dot;
/// Whether dot2 of bfloat16 is one instruction.
template <class A>
inline constexpr bool has_bf16_dot = A::bf16_dot;

// The same conditions, in the same order, as for the namespace in version.hpp.
#if !NIBBLE_SIMD
using Isa = isa::Scalar;
#elif defined(NIBBLE_HAS_AVX512) && defined(__AVX512VNNI__) && defined(__AVX512BF16__)
using Isa = isa::Avx512Bf16;
#elif defined(NIBBLE_HAS_AVX512) && defined(__AVX512VNNI__)
using Isa = isa::Avx512Vnni;
#elif defined(NIBBLE_HAS_AVX512)
using Isa = isa::Avx512;
#elif defined(NIBBLE_HAS_AVX2) && defined(__AVXVNNI__)
using Isa = isa::AvxVnni;
#elif defined(NIBBLE_HAS_AVX2)
using Isa = isa::Avx2;
#elif defined(__SSE4_1__)
using Isa = isa::Sse41;
#elif defined(__SSE2__) || defined(_M_X64)
using Isa = isa::Sse2;
#elif defined(__ARM_NEON) && defined(__ARM_FEATURE_DOTPROD) && defined(__ARM_FEATURE_MATMUL_INT8)
using Isa = isa::NeonI8mm;
#elif defined(__ARM_NEON) && defined(__ARM_FEATURE_DOTPROD)
using Isa = isa::NeonDot;
#elif defined(__ARM_NEON)
using Isa = isa::Neon;
#else
using Isa = isa::Scalar;
#endif

}  // namespace nibble
