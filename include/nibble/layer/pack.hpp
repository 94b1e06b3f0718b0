// SPDX-License-Identifier: BSL-1.0
// A model with its weights packed for inference (quant/packed.hpp), and its plain form again.
//
//     auto fast = pack_weights(on, load<Gpt2<W4A8>>(path));      // a Gpt2<packed_t<W4A8>>
//     auto logits = fast.forward(on, tokens);
//     save(unpack_weights(on, std::move(fast)), other);
//
// Each weight takes the place of the plain one in its turn, so the peak is the model and one matrix.
// Include this header where packed models are used: it brings the kernels that read them.
#pragma once

#include <nibble/kernel/pack.hpp>
#include <nibble/kernel/packed_bf16.hpp>
#include <nibble/kernel/packed_float.hpp>
#include <nibble/kernel/packed_int8.hpp>
#include <nibble/layer/layer.hpp>

namespace nibble::inline NIBBLE_ARCH {

namespace visit {

/// Moves one parameter, or all those of a layer, to another form of the same weights.
template <class On, class To, class From>
void repack(On& on, To& to, From& from) {
    if constexpr (is_matrix<To> && !std::is_same_v<To, From>) {
        if constexpr (requires { to = pack(on, std::move(from)); }) to = pack(on, std::move(from));
        else {
            to = unpack(on, from);
            from = From();
        }
    } else if constexpr (is_matrix<To> || is_tensor<To>) {
        to = std::move(from);
    } else if constexpr (is_layer_list<To>) {
        to.resize(from.size());
        for (std::size_t i = 0; i < from.size(); ++i) repack(on, to[i], from[i]);
    } else {
        if constexpr (requires { to.config = from.config; }) to.config = from.config;
        From::parameters([&](const char*, auto& a, auto& b) { repack(on, b, a); }, from, to);
    }
}

}  // namespace visit

/// The model `from` as a To: the same layers with their weights packed, or plain again. For models that
/// are not a template of a precision and a place; see pack_weights for those that are.
template <class To, class On, class From>
[[nodiscard]] To repack_as(On& on, From&& from) {
    static_assert(std::is_rvalue_reference_v<From&&>, "give the model away: std::move(model)");
    To to;
    visit::repack(on, to, from);
    return to;
}

/// The model with its weights packed.
template <class On, template <class, class> class Model, class P, class Place>
[[nodiscard]] Model<packed_t<P>, Place> pack_weights(On& on, Model<P, Place>&& model) {
    return repack_as<Model<packed_t<P>, Place>>(on, std::move(model));
}

template <class P>
struct plain_precision {
    using type = P;
};
template <Format F>
struct plain_precision<Packed<F>> {
    using type = F;
};
template <Format W, Format A, Format C>
struct plain_precision<Mixed<Packed<W>, A, C>> {
    using type = Mixed<W, A, C>;
};
template <class A, class M, class E>
struct plain_precision<PerComponent<A, M, E>> {
    using type = PerComponent<typename plain_precision<A>::type, typename plain_precision<M>::type,
                              typename plain_precision<E>::type>;
};

/// The model with its weights plain again, bit for bit: for files and for training.
template <class On, template <class, class> class Model, class P, class Place>
[[nodiscard]] auto unpack_weights(On& on, Model<P, Place>&& model) {
    return repack_as<Model<typename plain_precision<P>::type, Place>>(on, std::move(model));
}

}  // namespace nibble
