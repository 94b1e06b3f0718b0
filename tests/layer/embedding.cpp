// Embedding, and its table as the output of a language model.
#include "check.hpp"

#include <nibble/layer/embedding.hpp>

#include <vector>

using namespace nibble;
using namespace check;

namespace {

template <class P>
void embedding_in() {
    Host on(1);
    const std::vector<std::int32_t> ids = {3, 0, 10, 3, 3, 7};
    const Embedding<P> table({.count = 11, .width = 40}, Seed{4}, 1.0);
    typename Embedding<P>::Saved saved;
    const auto y = table.forward(on, ids, &saved);
    CHECK(y.shape() == Shape{6, 40});
    CHECK(padding_is_zero(y));
    for (std::size_t i = 0; i < ids.size(); ++i)
        for (std::size_t c = 0; c < 40; ++c)
            CHECK(y(i, c) == table.weight(static_cast<std::size_t>(ids[i]), c));

    const auto dy = normal(y.shape(), 5);
    auto gradient = zeros_like<Embedding<float>>(table);
    table.backward(on, saved, dy, gradient);
    Mat expected(11, 40);
    for (std::size_t i = 0; i < ids.size(); ++i)
        for (std::size_t c = 0; c < 40; ++c)
            expected(static_cast<std::size_t>(ids[i]), c) += double{dy(i, c)};
    CHECK(distance(to_mat(gradient.weight), expected) < 1e-6);
    for (const int threads : {2, 3}) {
        Host more(threads);
        auto other = zeros_like<Embedding<float>>(table);
        CHECK(same_bits(y, table.forward(more, ids)));
        table.backward(more, saved, dy, other);
        CHECK(same_bits(gradient.weight.codes(), other.weight.codes()));
    }
}

/// The tied output as a layer of its own, for check_layer.
template <class P>
struct Tied {
    template <class Q>
    using rebind = Tied<Q>;
    using Saved = typename Embedding<P>::ProjectSaved;
    Embedding<P> table;
    template <class F, class... L>
    static void parameters(F&& f, L&... l) {
        f("table", l.table...);
    }
    Tensor<float> forward(Host& on, Tensor<float> x, Saved* saved = nullptr) const {
        return table.project(on, std::move(x), saved);
    }
    Tensor<float> backward(Host& on, const Saved& saved, Tensor<float> dy,
                           Tied<float>& gradient) const {
        return table.project_backward(on, saved, dy, gradient.table);
    }
};

template <class P>
void tied_in() {
    check_layer(
        Tied<P>{Embedding<P>({.count = 65, .width = 32}, Seed{6})}, normal(Shape{2, 4, 32}, 7),
        [](const std::vector<Mat>& p, const Mat& x) { return reference::linear(x, p[0], Mat()); });
}

}  // namespace

TEST_CASE("Embedding takes rows and adds their gradients") {
    embedding_in<float>();
    embedding_in<half>();
    embedding_in<PerRow<Int8Value>>();
    embedding_in<Grouped<Int4Value, 32>>();
}
TEST_CASE("Embedding as tied output") {
    tied_in<float>();
    tied_in<half>();
    tied_in<PerRow<Int8Value>>();
    tied_in<Grouped<Int4Value, 32>>();
}
