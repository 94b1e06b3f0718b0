// SPDX-License-Identifier: BSL-1.0
// The one thing a layer says about itself, and what follows from it.
//
// A layer is a struct with public members and a static
//
//     template <class F, class... L>
//     static void parameters(F&& f, L&... l) {
//         f("weight", l.weight...);          // a Matrix<Format> or a Tensor<float>
//         f("bias", l.bias...);
//         f("blocks", l.blocks...);          // or a child layer, or a std::vector of them
//     }
//
// It is variadic so that one visit walks a model, its gradient and its moments in step. Counting,
// files, optimizers, quantizers and copies between precisions are visitors; none is written twice.
// A parameter that a layer does without (no bias) is an empty tensor: visitors pass over it.
//
// What a layer must know besides its parameters (heads, strides, rates) is a public member `config`
// of a plain struct, which goes along when a model is copied to another precision.
//
// A layer also has `template <class Q> using rebind` (itself at another precision), a nested `Saved`
// (what backward needs from forward, nothing else), and
//
//     Tensor<float> forward(On& on, Tensor<float> x, Saved* saved = nullptr) const;
//     Tensor<float> backward(On& on, const Saved& saved, Tensor<float> dy,
//                            rebind<float>& gradient) const;      // adds to gradient
#pragma once

#include <nibble/quant/matrix.hpp>

#include <string>

namespace nibble::inline NIBBLE_ARCH {

template <class T>
inline constexpr bool is_matrix = false;
template <class F, class Memory>
inline constexpr bool is_matrix<Matrix<F, Memory>> = true;

template <class T>
inline constexpr bool is_tensor = false;
template <class V, class Memory>
inline constexpr bool is_tensor<Tensor<V, Memory>> = true;

/// A std::vector of layers, or what can be used like one.
template <class T>
inline constexpr bool is_layer_list = requires(T& list, std::size_t i) {
    typename T::value_type;
    list[i];
    list.resize(i);
};

/// The layer or model L at another precision.
template <class L, class Q>
using rebind_t = typename L::template rebind<Q>;

namespace visit {

inline std::string join(const std::string& prefix, const std::string& name) {
    return prefix.empty() ? name : prefix + "." + name;
}

template <class F, class First, class... Rest>
void walk(const std::string& name, F& f, First& first, Rest&... rest) {
    using T = std::remove_const_t<First>;
    if constexpr (is_matrix<T> || is_tensor<T>) {
        f(name, first, rest...);
    } else if constexpr (is_layer_list<T>) {
        if (((rest.size() != first.size()) || ...))
            fail("layers \"" + name + "\": lists of different lengths are visited together");
        for (std::size_t i = 0; i < first.size(); ++i)
            walk(join(name, std::to_string(i)), f, first[i], rest[i]...);
    } else {
        T::parameters(
            [&](const char* child, auto&... member) { walk(join(name, child), f, member...); },
            first, rest...);
    }
}

}  // namespace visit

/// Calls f(name, parameter...) for every parameter of one layer, or of several of the same shape in
/// step; names join with dots: "h.0.attn.c_attn.weight". Fails on lists of different lengths.
template <class F, class... L>
void for_each_parameter(F&& f, L&... layers) {
    visit::walk(std::string{}, f, layers...);
}

/// How many numbers a layer holds.
template <class L>
[[nodiscard]] std::size_t parameter_count(const L& layer) {
    std::size_t n = 0;
    for_each_parameter([&](const std::string&, const auto& p) { n += p.size(); }, layer);
    return n;
}

/// Bytes that a layer's parameters occupy, as allocated: codes, scales, offsets and padding.
template <class L>
[[nodiscard]] std::size_t parameter_bytes(const L& layer) {
    std::size_t n = 0;
    for_each_parameter([&](const std::string&, const auto& p) { n += p.bytes(); }, layer);
    return n;
}

namespace visit {

template <class To, class From>
void shape_like(To& to, const From& from) {
    if constexpr (is_matrix<To>) {
        to = To(from.rows(), from.cols());
    } else if constexpr (is_tensor<To>) {
        to = To(from.shape());
    } else if constexpr (is_layer_list<To>) {
        to.resize(from.size());
        for (std::size_t i = 0; i < from.size(); ++i) shape_like(to[i], from[i]);
    } else {
        if constexpr (requires { to.config = from.config; }) to.config = from.config;
        From::parameters([](const char*, const auto& a, auto& b) { shape_like(b, a); }, from, to);
    }
}

}  // namespace visit

/// A layer of type To with the shapes and configuration of `from` and all parameters zero: gradients
/// and moments.
template <class To, class From>
[[nodiscard]] To zeros_like(const From& from) {
    To to;
    visit::shape_like(to, from);
    return to;
}

/// Sets every parameter to zero, as a gradient before a step.
template <class L>
void clear_parameters(L& layer) {
    for_each_parameter(
        [](const std::string&, auto& p) {
            if constexpr (is_matrix<std::remove_cvref_t<decltype(p)>>) {
                p.codes().clear();
                p.scales().clear();
                p.offsets().clear();
            } else {
                p.clear();
            }
        },
        layer);
}

/// Calls f(layer) for `layer` and each layer inside it, outermost first.
template <class F, class L>
void for_each_layer(F&& f, L& layer) {
    using T = std::remove_const_t<L>;
    if constexpr (is_layer_list<T>) {
        for (auto& one : layer) for_each_layer(f, one);
    } else if constexpr (!is_matrix<T> && !is_tensor<T>) {
        f(layer);
        T::parameters([&](const char*, auto& child) { for_each_layer(f, child); }, layer);
    }
}

/// Tells every layer that draws random numbers (Dropout) which training step comes next. With
/// gradient accumulation, count each forward pass as a step.
template <class L>
void begin_step(L& model, std::uint64_t step) {
    for_each_layer(
        [&](auto& layer) {
            if constexpr (requires { layer.step = step; }) layer.step = step;
        },
        model);
}

}  // namespace nibble
