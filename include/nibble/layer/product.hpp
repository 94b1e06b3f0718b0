// SPDX-License-Identifier: BSL-1.0
// The matrix product of a layer, by the kernel that its precision's activations ask for.
#pragma once

#include <nibble/kernel/matmul.hpp>
#include <nibble/kernel/matmul_int8.hpp>
#include <nibble/layer/keep.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// y = x w^T: int8 products with int32 sums when activation_t<P> is Int8Value and w holds integers,
/// float ones otherwise.
template <LayerPrecision P, class On, class F, class Memory>
void product(On& on, const Matrix<F, Memory>& w, const Tensor<float, Memory>& x,
             Tensor<float, Memory>& y) {
    if constexpr (std::is_same_v<activation_t<P>, Int8Value> && is_integer_value<value_of<F>>)
        matmul_int8(on, w, x.view(), y.view());
    else matmul(on, w, x.view(), y.view());
}

}  // namespace nibble
