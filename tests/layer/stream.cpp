// Streams: step by step the same as the layer over the sequence, at every width.
#include "check.hpp"

#include <nibble/layer/stream.hpp>

using namespace nibble;
using namespace check;

namespace {

/// The largest difference of a stream's steps from the layer's rows.
template <class L, class S>
double wander(const L& layer, S stream, const Tensor<float>& x) {
    Host on(1);
    const Tensor<float> y = layer.forward(on, x);
    double worst = 0;
    for (int again = 0; again < 2; ++again) {
        stream.reset();
        for (std::size_t t = 0; t < x.rows(); ++t) {
            const auto got = stream.step({x.data() + t * x.stride(), x.cols()});
            REQUIRE(got.size() == y.cols());
            for (std::size_t i = 0; i < got.size(); ++i)
                worst = std::fmax(worst, std::fabs(double{got[i]} - double{y(t, i)}));
        }
    }
    return worst;
}

}  // namespace

TEST_CASE("Streams of every width follow their layers") {
    for (std::size_t H = 1; H <= 70; H += H < 42 ? 1 : 7) {
        INFO(H);
        const Lstm<float> lstm({.in = 1 + H % 3, .hidden = H}, Seed{H});
        CHECK(wander(lstm, LstmStream(lstm), normal(Shape{12, 1 + H % 3}, H)) < 3e-6);
        const Gru<float> gru({.in = 1 + H % 3, .hidden = H}, Seed{H});
        CHECK(wander(gru, GruStream(gru), normal(Shape{12, 1 + H % 3}, H)) < 3e-6);
        const Linear<float> linear({.in = 1 + H % 20, .out = H}, Seed{H});
        CHECK(wander(linear, LinearStream(linear), normal(Shape{2, 1 + H % 20}, H)) < 5e-6);
    }
    const Lstm<float> wide({.in = 40, .hidden = 200}, Seed{1});
    CHECK(wander(wide, LstmStream(wide), normal(Shape{5, 40}, 1)) < 3e-6);
    const Lstm<Grouped<Int4Value, 8>> coded({.in = 2, .hidden = 24}, Seed{1});
    CHECK(wander(coded, LstmStream(coded), normal(Shape{5, 2}, 1)) < 3e-6);
}

TEST_CASE("Streams of Conv1d remember the right samples") {
    for (std::size_t kernel = 1; kernel <= 5; ++kernel)
        for (std::size_t dilation = 1; dilation <= 4; ++dilation) {
            const Conv1d<float> conv(
                {.in = kernel, .out = 7 * dilation, .kernel = kernel, .dilation = dilation},
                Seed{kernel});
            CHECK(wander(conv, LinearStream(conv), normal(Shape{30, kernel}, 2)) < 5e-6);
        }
}

TEST_CASE("A stream's activation") {
    const Linear<float> linear({.in = 3, .out = 19}, Seed{1});
    const float x[] = {0.3f, -2.0f, 1.0f};
    LinearStream plain(linear);
    const auto y = plain.step(x);
    for (const Activation kind :
         {Activation::relu, Activation::gelu, Activation::silu, Activation::tanh}) {
        LinearStream curved(linear, kind);
        const auto z = curved.step(x);
        Tensor<float> wanted(Shape{1, 19});
        for (std::size_t i = 0; i < 19; ++i) wanted(0, i) = y[i];
        Host on(1);
        activate(on, kind, wanted.view(), wanted.view());
        for (std::size_t i = 0; i < 19; ++i)
            CHECK(std::fabs(double{z[i]} - double{wanted(0, i)}) < 1e-6);
    }
}
