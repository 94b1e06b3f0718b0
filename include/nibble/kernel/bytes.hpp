// SPDX-License-Identifier: BSL-1.0
// INT8 codes as registers of 32-bit integers, for arithmetic on the codes themselves.
#pragma once

#include <nibble/kernel/arch.hpp>
#include <nibble/value/integer.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// The codes of a register's worth of INT8, and back: the low 8 bits of each lane.
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<std::int32_t, A> load_bytes(const Int8Value* p) noexcept {
#if NIBBLE_SIMD && defined(__AVX2__)
    if constexpr (is_avx<A>) return x86::load_i8<A>(p);
#endif
    std::int32_t lane[Batch<float, A>::lanes];
    for (std::size_t j = 0; j < Batch<float, A>::lanes; ++j) lane[j] = p[j].code;
    return Batch<std::int32_t, A>::load(lane);
}
template <class A>
NIBBLE_INLINE void store_bytes(Int8Value* p, Batch<std::int32_t, A> codes) noexcept {
#if NIBBLE_SIMD && defined(__AVX2__)
    if constexpr (is_avx<A>) {
        x86::store_codes<8, A>(p, bit_cast_to<std::uint32_t>(codes & Batch<std::int32_t, A>(255)));
        return;
    }
#endif
    std::int32_t lane[Batch<float, A>::lanes];
    codes.store(lane);
    for (std::size_t j = 0; j < Batch<float, A>::lanes; ++j)
        p[j].code = static_cast<std::int8_t>(lane[j]);
}

}  // namespace nibble
