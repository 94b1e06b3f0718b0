// SPDX-License-Identifier: BSL-1.0
// The integer product for weights that are still plain, as in training: each tile is packed on its way
// into the kernel of packed_int8.hpp, whose results these are, bit for bit.
//
// Packing costs 3.8 instructions a 4-bit weight, as much as some twenty rows of x (counted by
// tests/instructions, AVX2). Whenever weights stay the same, pack them once (pack.hpp).
#pragma once

#include <nibble/kernel/pack.hpp>
#include <nibble/kernel/packed_int8.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// y = epilogue(x w^T) with x quantized to Q on the way. Fails when the shapes do not match.
template <ActivationFormat Q = Int8Value, class A, Format F, class E = AsIs>
    requires(is_integer_value<value_of<F>> && !is_packed<F> && EpilogueOn<E, A>)
void matmul_int8(const BasicHost<A>& on, const Matrix<F>& w, View<const float> x, View<float> y,
                 const E& epilogue = {}) {
    const PackedLayout<F> layout(w.rows(), w.cols(), w.run());
    constexpr std::size_t all = ~std::size_t{0};
    int8_product<Q>(on, layout, x, y, epilogue, all, [&](auto&& range) {
        on.parallel_for(layout.tiles(), int8_grain(x.rows, w.cols()),
                        [&](std::size_t t0, std::size_t t1) {
                            // A tile of zeros: what no row of w overwrites adds nothing.
                            Matrix<Packed<F>> scratch(16, w.cols());
                            range(t0, t1, [&](std::size_t t) {
                                pack_tile(w, layout, t, scratch.tile(0));
                                return std::as_const(scratch).tile(0);
                            });
                        });
    });
}

}  // namespace nibble
