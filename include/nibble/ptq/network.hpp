// SPDX-License-Identifier: BSL-1.0
// A model as post-training quantization sees it: named matrices, a way to run it, a way to watch what
// goes into each product. Made once from a model's type by network_of; everything after that works on
// run-time data and is compiled once.
#pragma once

#include <nibble/kernel/gather.hpp>
#include <nibble/layer/layer.hpp>
#include <nibble/layer/product.hpp>

#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace nibble::inline NIBBLE_ARCH {
namespace ptq {

/// The CPU as a place that shows the input of every product with a weight. A model that is to be
/// quantized runs on it: Gpt2<float, ptq::Watched>.
class Watched : public Host {
public:
    using Host::Host;

    /// Called before each product: the weight's identity (its first code) and x [rows, in]. The
    /// product is then taken with what it returns, x itself or something of the same shape.
    std::function<View<const float>(const void* weight, View<const float> x)> seen;
    /// Called when the gradient dy [ids, width] of the rows ids of an embedding's table is added to
    /// the table's gradient, whose first number is at `gradient`.
    std::function<void(const float* gradient, std::span<const std::int32_t> ids,
                       View<const float> dy)>
        scattered;
};

/// The product of a layer on a watched place; found by the layers in the place of the kernel's.
template <class Memory>
void matmul(Watched& on, const Matrix<float, Memory>& w, View<const float> x, View<float> y) {
    if (on.seen) x = on.seen(w.codes().data(), x);
    nibble::matmul(static_cast<const Host&>(on), w, x, y);
}

/// The way back through an embedding on a watched place.
inline void scatter_add_rows(Watched& on, std::span<const std::int32_t> ids, View<const float> dy,
                             View<float> dw) {
    if (on.scattered) on.scattered(dw.data, ids, dy);
    nibble::scatter_add_rows(static_cast<const Host&>(on), ids, dy, dw);
}

/// Sequences of `length` ids, one after the other.
struct Sequences {
    std::span<const std::int32_t> ids;
    std::size_t length = 0;

    [[nodiscard]] std::size_t count() const noexcept {
        return length == 0 ? 0 : ids.size() / length;
    }
    /// n sequences from `first` on, as many as there are.
    [[nodiscard]] Sequences part(std::size_t first, std::size_t n) const {
        const std::size_t from = first < count() ? first : count();
        const std::size_t some = n < count() - from ? n : count() - from;
        return {ids.subspan(from * length, some * length), length};
    }
};

/// A parameter of the model, as floats that may be changed in place.
struct Parameter {
    std::string name;
    View<float> value;     ///< a vector is one row
    View<float> gradient;  ///< of the same shape; without data in a model that has no way back
    bool matrix = false;   ///< used in products, so a method may quantize it
};

/// What goes from one part of a model to the next by channels and through nothing that is not linear
/// in each: channel j may be made s[j] times smaller at the source and s[j] times larger at the users,
/// to the same result.
struct Link {
    /// Gains and biases with an element, or weights with a row, for each channel.
    std::vector<std::string> sources;
    std::size_t first = 0;           ///< the channels' first element or row in the sources
    std::vector<std::string> users;  ///< weights with a column for each channel
    std::size_t channels = 0;
    std::size_t head = 0;    ///< channels of an attention head; 0 where there are no heads
    std::size_t repeat = 1;  ///< how many heads of the users one head of the source serves

    /// The channel that column k of the users reads.
    [[nodiscard]] std::size_t channel(std::size_t k) const noexcept {
        return head == 0 ? k : k / head / repeat * head + k % head;
    }
};

/// The path that every block reads and adds to. Rotating its channels changes nothing when all that
/// write and all that read are rotated too, and nothing in between treats channels apart.
struct Residual {
    std::vector<std::string> tables;   ///< embeddings: a column for each channel
    std::vector<std::string> writers;  ///< weights with a row, biases with an element, a channel
    std::vector<std::string> readers;  ///< weights with a column for each channel
};

/// A float model that runs on a watched place.
struct Network {
    Watched* on = nullptr;
    std::vector<Parameter> parameters;
    std::vector<Link> links;
    Residual residual;  ///< empty where it cannot be rotated
    /// Logits of every position: [sequences * length, classes].
    std::function<Tensor<float>(const Sequences&)> forward;
    /// Runs forward, asks `slope` for d loss / d logits, and puts the gradient of every parameter
    /// into Parameter::gradient. Empty when the model has no way back.
    std::function<void(const Sequences&, const std::function<Tensor<float>(const Tensor<float>&)>&)>
        backward;

    [[nodiscard]] Parameter* find(std::string_view name) {
        for (Parameter& p : parameters)
            if (p.name == name) return &p;
        return nullptr;
    }
    [[nodiscard]] Parameter& at(std::string_view name) {
        if (Parameter* p = find(name)) return *p;
        fail("ptq: the model has no parameter \"" + std::string(name) + "\"");
    }
    [[nodiscard]] const Parameter* of_weight(const void* first) const {
        for (const Parameter& p : parameters)
            if (p.matrix && p.value.data == first) return &p;
        return nullptr;
    }
};

/// The network of a model on a watched place. `on` and `model` must outlive it. Vectors are views of
/// the model's own; the gradient is a second model of its size, made at the first backward.
template <class M>
[[nodiscard]] Network network_of(Watched& on, M& model) {
    Network net;
    net.on = &on;
    for_each_parameter(
        [&](const std::string& name, auto& p) {
            using T = std::remove_cvref_t<decltype(p)>;
            if (p.empty()) return;
            if constexpr (is_matrix<T>)
                net.parameters.push_back({name, p.codes().view(), {}, true});
            else net.parameters.push_back({name, p.view(), {}, false});
        },
        model);
    net.forward = [&on, &model](const Sequences& s) {
        return model.forward(on, {s.ids, s.length});
    };
    if constexpr (requires { typename M::Saved; }) {
        const auto gradient = std::make_shared<M>(zeros_like<M>(model));
        std::size_t i = 0;
        for_each_parameter(
            [&](const std::string&, auto& g) {
                using T = std::remove_cvref_t<decltype(g)>;
                if (g.empty()) return;
                if constexpr (is_matrix<T>) net.parameters[i++].gradient = g.codes().view();
                else net.parameters[i++].gradient = g.view();
            },
            *gradient);
        net.backward = [&on, &model, gradient](const Sequences& s, const auto& slope) {
            clear_parameters(*gradient);
            typename M::Saved saved;
            auto logits = model.forward(on, {s.ids, s.length}, &saved);
            static_cast<void>(model.backward(on, saved, slope(logits), *gradient));
        };
    }
    return net;
}

}  // namespace ptq
}  // namespace nibble
