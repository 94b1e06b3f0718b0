// SPDX-License-Identifier: BSL-1.0
// The matrix product of a layer, by the kernel that its precision's activations ask for.
#pragma once

#include <nibble/kernel/matmul.hpp>
#include <nibble/kernel/matmul_int8.hpp>
#include <nibble/layer/keep.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// y = x w^T: products of bytes with int32 sums when activation_t<P> is int8 and w holds integers,
/// of bfloat16 pairs when both are that and w is packed, float ones otherwise. The product may end
/// with an epilogue where w is packed or integers.
template <LayerPrecision P, class On, class F, class Memory, class... Epilogue>
void product(On& on, const Matrix<F, Memory>& w, const Tensor<float, Memory>& x,
             Tensor<float, Memory>& y, const Epilogue&... epilogue) {
    using Q = activation_t<P>;
    if constexpr (ActivationFormat<Q> && is_integer_value<value_of<F>>)
        matmul_int8<Q>(on, w, x.view(), y.view(), epilogue...);
    else if constexpr (std::is_same_v<Q, bfloat16> && std::is_same_v<F, Packed<bfloat16>>)
        matmul_bf16(on, w, x.view(), y.view(), epilogue...);
    else matmul(on, w, x.view(), y.view(), epilogue...);
}

}  // namespace nibble
