// SPDX-License-Identifier: BSL-1.0
// The instruction-set tags that every kernel names, and the one this unit is built for.
//
// Alone in a header so that code without a heap (fixed-size neurons on a chip) can name them too.
#pragma once

#include <nibble/version.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// Instruction sets: tags that a unit's compiler flags choose between.
namespace isa {
struct Scalar {
    static constexpr const char* name = "scalar";
};
struct Sse2 {
    static constexpr const char* name = "sse2";
};
struct Avx2 {
    static constexpr const char* name = "avx2";
};
struct Avx512 {
    static constexpr const char* name = "avx512";
};
struct Avx512Vnni {
    static constexpr const char* name = "avx512-vnni";
};
struct Neon {
    static constexpr const char* name = "neon";
};
}  // namespace isa

#if !NIBBLE_SIMD
using Isa = isa::Scalar;
#elif defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && \
    defined(__AVX512VL__) && defined(__AVX512VNNI__)
using Isa = isa::Avx512Vnni;
#elif defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && \
    defined(__AVX512VL__)
using Isa = isa::Avx512;
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
using Isa = isa::Avx2;
#elif defined(__SSE2__) || defined(_M_X64)
using Isa = isa::Sse2;
#elif defined(__ARM_NEON)
using Isa = isa::Neon;
#else
using Isa = isa::Scalar;
#endif

}  // namespace nibble
