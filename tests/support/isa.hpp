// The instruction sets that this unit's flags allow, so that each can be held against the others.
#pragma once

#include <nibble/kernel/isa.hpp>
#include <nibble/value/list.hpp>

namespace test {

template <class... Lists>
struct joined;
template <class... A>
struct joined<nibble::TypeList<A...>> {
    using type = nibble::TypeList<A...>;
};
template <class... A, class... B, class... Rest>
struct joined<nibble::TypeList<A...>, nibble::TypeList<B...>, Rest...> {
    using type = typename joined<nibble::TypeList<A..., B...>, Rest...>::type;
};

/// isa::Scalar, the unit's own Isa, and everything between.
using InstructionSets = typename joined<nibble::TypeList<nibble::isa::Scalar>
#if NIBBLE_SIMD
#if defined(__SSE2__)
                                        ,
                                        nibble::TypeList<nibble::isa::Sse2>
#endif
#if defined(__SSE4_1__)
                                        ,
                                        nibble::TypeList<nibble::isa::Sse41>
#endif
#if defined(NIBBLE_HAS_AVX2)
                                        ,
                                        nibble::TypeList<nibble::isa::Avx2>
#if defined(__AVXVNNI__)
                                        ,
                                        nibble::TypeList<nibble::isa::AvxVnni>
#endif
#endif
#if defined(NIBBLE_HAS_AVX512)
                                        ,
                                        nibble::TypeList<nibble::isa::Avx512>
#if defined(__AVX512VNNI__)
                                        ,
                                        nibble::TypeList<nibble::isa::Avx512Vnni>
#if defined(__AVX512BF16__)
                                        ,
                                        nibble::TypeList<nibble::isa::Avx512Bf16>
#endif
#endif
#endif
#if defined(__ARM_NEON)
                                        ,
                                        nibble::TypeList<nibble::isa::Neon>
#if defined(__ARM_FEATURE_DOTPROD)
                                        ,
                                        nibble::TypeList<nibble::isa::NeonDot>
#if defined(__ARM_FEATURE_MATMUL_INT8)
                                        ,
                                        nibble::TypeList<nibble::isa::NeonI8mm>
#endif
#endif
#endif
#endif
                                        >::type;

/// Calls f.template operator()<A>() for each of them.
template <class F>
void each_instruction_set(F&& f) {
    [&]<class... A>(nibble::TypeList<A...>) {
        (f.template operator()<A>(), ...);
    }(InstructionSets{});
}

}  // namespace test
