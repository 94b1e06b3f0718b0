// SPDX-License-Identifier: BSL-1.0
// Visiting the parameters of nets of fixed sizes, as layer/layer.hpp does for the others, and filling
// them. Nothing here allocates.
#pragma once

#include <nibble/fixed/weights.hpp>

namespace nibble::inline NIBBLE_ARCH {

namespace fixed {

template <class T>
inline constexpr bool is_parameter = false;
template <Format F, GateOrder O, std::size_t N, class A, Form How>
inline constexpr bool is_parameter<Weights<F, O, N, A, How>> = true;
template <GateOrder O, class A>
inline constexpr bool is_parameter<Bias<O, A>> = true;

template <class T>
inline constexpr bool is_bias = false;
template <GateOrder O, class A>
inline constexpr bool is_bias<Bias<O, A>> = true;

/// "2.weight_ih": the names on the way to a parameter, joined with dots; at most 63 characters.
struct Name {
    char text[64] = {};
    std::size_t length = 0;

    [[nodiscard]] Name operator/(const char* child) const noexcept {
        Name n = *this;
        if (n.length != 0 && n.length < 63) n.text[n.length++] = '.';
        for (; *child != '\0' && n.length < 63; ++child) n.text[n.length++] = *child;
        return n;
    }
};

template <class F, class First, class... Rest>
void walk(const Name& name, F& f, First& first, Rest&... rest) {
    if constexpr (is_parameter<std::remove_const_t<First>>)
        f(static_cast<const char*>(name.text), first, rest...);
    else
        std::remove_const_t<First>::parameters(
            [&](const char* child, auto&... member) { walk(name / child, f, member...); }, first,
            rest...);
}

/// Calls f(name, parameter...) for every Weights and Bias of a net, or of several nets of the same
/// structure in step, of which only the first need be of a fixed size.
template <class F, class Net, class... Others>
void for_each_parameter(F&& f, Net& net, Others&... others) {
    walk(Name{}, f, net, others...);
}

/// Copies all parameters from a net of the same structure: another fixed one, or the layers whose
/// sizes are known at run time (a Sequential for a Chain). Weights in the same format keep their bits.
/// False when a shape differs; what came before it has been copied.
template <class Net, class From>
[[nodiscard]] bool copy_parameters(const From& from, Net& net) {
    bool good = true;
    for_each_parameter(
        [&](const char*, auto& to, const auto& source) { good = good && to.copy(source); }, net,
        from);
    return good;
}

/// How many numbers a net holds.
template <class Net>
[[nodiscard]] std::size_t parameter_count(const Net& net) {
    std::size_t n = 0;
    for_each_parameter([&](const char*, const auto& p) { n += p.size(); }, net);
    return n;
}

}  // namespace fixed

}  // namespace nibble
