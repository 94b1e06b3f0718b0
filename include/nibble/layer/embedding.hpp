// SPDX-License-Identifier: BSL-1.0
// Embedding: rows of a table by number. Tokens and learned positions are one each; `project` uses the
// same table as the output layer of a language model (Press and Wolf 2017).
//
//     y[i] = W[id[i]]                 dW[id[i]] += dy[i]
//     project: logits = x W^T         dx = dlogits W,   dW += dlogits^T x
#pragma once

#include <nibble/kernel/gather.hpp>
#include <nibble/layer/product.hpp>
#include <nibble/layer/seed.hpp>

#include <span>

namespace nibble::inline NIBBLE_ARCH {

/// The sizes of an Embedding.
struct EmbeddingConfig {
    std::size_t count = 0;  ///< rows: tokens or positions
    std::size_t width = 0;  ///< features of a row
};

/// A table of `count` rows of `width` features.
template <LayerPrecision P, class On = Host>
struct Embedding {
    using Memory = typename On::Memory;
    using Activations = Tensor<float, Memory>;
    template <class Q>
    using rebind = Embedding<Q, On>;

    Matrix<weight_t<P>, Memory> weight;  ///< count rows of width columns

    /// What backward needs.
    struct Saved {
        Buffer<std::int32_t> ids;
    };
    /// What project_backward needs.
    struct ProjectSaved {
        Tensor<kept_t<P>, Memory> x;
    };

    Embedding() = default;
    /// All zeros.
    explicit Embedding(EmbeddingConfig c)
        : weight(at_least_one(c.count, "Embedding", "count"),
                 at_least_one(c.width, "Embedding", "width")) {}
    /// Normal numbers of the given deviation.
    Embedding(EmbeddingConfig c, Seed seed, double deviation = 0.02) : Embedding(c) {
        On on;
        Random random(seed.value);
        draw_normal(on, random, deviation, weight);
    }

    template <class F, class... L>
    static void parameters(F&& f, L&... l) {
        f("weight", l.weight...);
    }

    /// Row ids[i] of the table for each i: [ids, width]. Fails on an id outside [0, count).
    [[nodiscard]] Activations forward(On& on, std::span<const std::int32_t> ids,
                                      Saved* saved = nullptr) const {
        if (ids.empty()) fail("Embedding: no ids, expected at least one");
        for (std::size_t i = 0; i < ids.size(); ++i)
            if (ids[i] < 0 || static_cast<std::size_t>(ids[i]) >= weight.rows())
                fail("Embedding: id " + std::to_string(ids[i]) + " at position " +
                     std::to_string(i) + ", expected 0 to " + std::to_string(weight.rows()) +
                     " exclusive");
        auto y = Activations::uninitialized(Shape{ids.size(), weight.cols()});
        gather_rows(on, weight, ids, y.view());
        if (saved != nullptr) saved->ids = copied(ids);
        return y;
    }

    /// Adds dy [ids, width] to the rows of gradient that forward took.
    void backward(On& on, const Saved& saved, const Activations& dy,
                  rebind<float>& gradient) const {
        if (dy.rows() != saved.ids.size() || dy.cols() != weight.cols())
            expect_gradient("Embedding", dy.shape(), Shape{saved.ids.size(), weight.cols()});
        scatter_add_rows(on, saved.ids.span(), dy.view(), gradient.weight.codes().view());
    }

    /// Logits of every row of the table: x [..., width] to [..., count].
    [[nodiscard]] Activations project(On& on, Activations x, ProjectSaved* saved = nullptr) const {
        expect_features("Embedding::project", x.shape(), weight.cols());
        round_activation<P>(on, x);
        auto logits = Activations::uninitialized(x.shape().with_cols(weight.rows()));
        product<P>(on, weight, x, logits);
        if (saved != nullptr) saved->x = keep<P>(on, std::move(x));
        return logits;
    }

    /// dlogits [..., count] to dx [..., width]; adds to gradient.
    [[nodiscard]] Activations project_backward(On& on, const ProjectSaved& saved,
                                               const Activations& dlogits,
                                               rebind<float>& gradient) const {
        expect_gradient("Embedding::project", dlogits.shape(),
                        saved.x.shape().with_cols(weight.rows()));
        const auto& x = widened(on, saved.x);
        matmul_gradient(on, dlogits.view(), x.view(), gradient.weight.codes().view());
        auto dx = Activations::uninitialized(saved.x.shape());
        matmul_transposed(on, weight, dlogits.view(), dx.view());
        return dx;
    }

private:
    static Buffer<std::int32_t> copied(std::span<const std::int32_t> ids) {
        Buffer<std::int32_t> copy(ids.size());
        for (std::size_t i = 0; i < ids.size(); ++i) copy[i] = ids[i];
        return copy;
    }
};

}  // namespace nibble
