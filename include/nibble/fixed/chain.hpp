// SPDX-License-Identifier: BSL-1.0
// Chain: layers of fixed sizes one after the other.
//
//     fixed::Chain<fixed::Lstm<float, 1, 20>, fixed::Linear<float, 20, 1>> amp;
//     float y = amp.forward(x)[0];                     // one sample in, one sample out
//
// Everything is in the object: it may be static, on the stack or in a plug-in's state. forward never
// allocates, locks or throws, and takes the same time for every sample.
#pragma once

#include <nibble/fixed/vector.hpp>

#include <tuple>

namespace nibble::inline NIBBLE_ARCH {

namespace fixed {

/// Layers in a row; each one's output is the next one's input. Parameters are named by position, as
/// in Sequential: "0.weight_ih".
template <class First, class... Rest>
    requires(sizeof...(Rest) < 100)
struct Chain {
    static constexpr std::size_t in = First::in;
    using Input = typename First::Input;

    std::tuple<First, Rest...> layers;

    /// Layer I.
    template <std::size_t I>
    [[nodiscard]] auto& get() noexcept {
        return std::get<I>(layers);
    }
    template <std::size_t I>
    [[nodiscard]] const auto& get() const noexcept {
        return std::get<I>(layers);
    }

    template <class F, class... S>
    static void parameters(F&& f, S&... s) {
        [&]<std::size_t... I>(std::index_sequence<I...>) {
            (visit_one<I>(f, s...), ...);
        }(std::make_index_sequence<1 + sizeof...(Rest)>{});
    }

    /// Every layer's state to zeros.
    void reset() noexcept {
        std::apply([](auto&... layer) { (layer.reset(), ...); }, layers);
    }

    /// The next sample.
    [[nodiscard]] NIBBLE_INLINE auto forward(const Input& x) noexcept {
        return through<1>(std::get<0>(layers).forward(x));
    }

private:
    template <std::size_t I, class X>
    [[nodiscard]] NIBBLE_INLINE auto through(const X& x) noexcept {
        if constexpr (I == 1 + sizeof...(Rest)) return x;
        else return through<I + 1>(std::get<I>(layers).forward(x));
    }
    template <std::size_t I, class F, class... S>
    static void visit_one(F& f, S&... s) {
        constexpr char tens = static_cast<char>('0' + I / 10),
                       ones = static_cast<char>('0' + I % 10);
        constexpr char one[] = {ones, '\0'}, two[] = {tens, ones, '\0'};
        f(I < 10 ? one : two, std::get<I>(s.layers)...);
    }
};

}  // namespace fixed

}  // namespace nibble
