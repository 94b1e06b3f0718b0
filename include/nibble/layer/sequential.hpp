// SPDX-License-Identifier: BSL-1.0
// Sequential<L...>: layers one after the other, forward in order, backward in reverse, all at compile
// time. Parameters are named by position: "0.weight", "2.bias".
#pragma once

#include <nibble/layer/layer.hpp>

#include <tuple>

namespace nibble::inline NIBBLE_ARCH {

/// A chain of layers; each one's output is the next one's input.
template <class... L>
    requires(sizeof...(L) > 0 && sizeof...(L) <= 100)
struct Sequential {
    using Activations = typename std::tuple_element_t<0, std::tuple<L...>>::Activations;
    template <class Q>
    using rebind = Sequential<rebind_t<L, Q>...>;

    std::tuple<L...> layers;

    /// What backward needs: each layer's own.
    using Saved = std::tuple<typename L::Saved...>;

    Sequential() = default;
    explicit Sequential(L... l) : layers(std::move(l)...) {}

    /// Layer I of the chain.
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
        }(std::index_sequence_for<L...>{});
    }

    template <class On>
    [[nodiscard]] Activations forward(On& on, Activations x, Saved* saved = nullptr) const {
        [&]<std::size_t... I>(std::index_sequence<I...>) {
            ((x = std::get<I>(layers).forward(on, std::move(x),
                                              saved ? &std::get<I>(*saved) : nullptr)),
             ...);
        }(std::index_sequence_for<L...>{});
        return x;
    }

    template <class On>
    [[nodiscard]] Activations backward(On& on, const Saved& saved, Activations dy,
                                       rebind<float>& gradient) const {
        constexpr std::size_t last = sizeof...(L) - 1;
        [&]<std::size_t... I>(std::index_sequence<I...>) {
            ((dy = std::get<last - I>(layers).backward(on, std::get<last - I>(saved), std::move(dy),
                                                       std::get<last - I>(gradient.layers))),
             ...);
        }(std::index_sequence_for<L...>{});
        return dy;
    }

private:
    template <std::size_t I, class F, class... S>
    static void visit_one(F& f, S&... s) {
        // "0" to "99" without a heap.
        constexpr char tens = static_cast<char>('0' + I / 10),
                       ones = static_cast<char>('0' + I % 10);
        constexpr char one[] = {ones, '\0'}, two[] = {tens, ones, '\0'};
        f(I < 10 ? one : two, std::get<I>(s.layers)...);
    }
};

}  // namespace nibble
