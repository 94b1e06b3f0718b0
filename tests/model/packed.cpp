// A model with packed weights: the same answers, and the same bits when it is plain again.
#include <doctest/doctest.h>

#include <nibble/layer/pack.hpp>
#include <nibble/model/generate.hpp>
#include <nibble/model/gpt2.hpp>

#include <cmath>
#include <cstring>
#include <vector>

using namespace nibble;

namespace {

constexpr Gpt2Config small{
    .vocabulary = 67, .context = 32, .layers = 2, .heads = 2, .channels = 64};

template <class T>
bool same(const T& a, const T& b) {
    if constexpr (is_matrix<T>)
        return same(a.codes(), b.codes()) && same(a.scales(), b.scales()) &&
               same(a.offsets(), b.offsets());
    else
        return a.bytes() == b.bytes() &&
               (a.bytes() == 0 || std::memcmp(a.data(), b.data(), a.bytes()) == 0);
}

}  // namespace

TEST_CASE_TEMPLATE("a packed GPT-2 answers as the plain one", P, float, half,
                   Grouped<Int4Value, 32>, W4A8, Mixed<PerRow<Int8Value>, PerRow<Int8Value>>,
                   Mixed<nibble::bfloat16, nibble::bfloat16>,
                   PerComponent<W8A8, W4A8, Grouped<Nf4, 64>>) {
    Host on(2);
    const Gpt2<P> plain(small, Seed{5});
    std::vector<std::int32_t> ids(24);
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int32_t>(i * 7 % 67);
    const auto expected = plain.forward(on, {ids, 24});

    Gpt2<packed_t<P>> fast = pack_weights(on, Gpt2<P>(plain));
    CHECK(parameter_count(fast) == parameter_count(plain));
    for (const std::size_t length : {24u, 12u, 1u}) {
        const auto got = fast.forward(on, {ids, length});
        const auto wanted = plain.forward(on, {ids, length});
        double worst = 0, size = 0;
        for (std::size_t i = 0; i < got.rows(); ++i)
            for (std::size_t k = 0; k < got.cols(); ++k) {
                const double d = double(got(i, k)) - double(wanted(i, k));
                worst = std::fmax(worst, std::fabs(d));
                size = std::fmax(size, std::fabs(double(wanted(i, k))));
            }
        // Sums in another order; bfloat16 products round their activations once more.
        CHECK(worst <= size * 0.02);
        CHECK(size > 0.1);
    }

    const Gpt2<P> again = unpack_weights(on, std::move(fast));
    for_each_parameter(
        [](const std::string& name, const auto& a, const auto& b) {
            CAPTURE(name);
            CHECK(same(a, b));
        },
        plain, again);
    CHECK(again.config.heads == 2);
}

TEST_CASE("a packed model generates what the plain one does") {
    Host on(1);
    const Gpt2<W4A8> plain(small, Seed{9});
    const auto fast = pack_weights(on, Gpt2<W4A8>(plain));
    const std::vector<std::int32_t> prompt{1, 2, 3, 4, 5};
    const auto speak = [&]<class Model>(const Model& model) {
        Session<Model> session(model);
        std::vector<std::int32_t> text;
        generate(on, session, prompt, {.tokens = 20},
                 [&](std::int32_t token) { return text.push_back(token), true; });
        return text;
    };
    CHECK(speak(plain) == speak(fast));
}
