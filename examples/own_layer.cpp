// A layer of your own: y = gain * tanh(x), a gain learned for each feature. It is used beside the
// library's layers, and gradcheck proves its backward. docs/layers.md walks through this file.
#include <nibble/layer/linear.hpp>
#include <nibble/layer/sequential.hpp>
#include <nibble/train/gradcheck.hpp>

#include <cmath>
#include <cstdio>

using namespace nibble;

template <LayerPrecision P, class On = Host>
struct ScaledTanh {
    using Activations = Tensor<float>;
    template <class Q>
    using rebind = ScaledTanh<Q, On>;

    Tensor<float> gain;
    struct Saved {
        Tensor<float> x;
    };

    ScaledTanh() = default;
    explicit ScaledTanh(std::size_t width) : gain(Shape{width}) {
        for (std::size_t c = 0; c < width; ++c) gain(0, c) = 1.0f;
    }

    template <class F, class... L>
    static void parameters(F&& f, L&... l) {
        f("gain", l.gain...);
    }

    Activations forward(On&, Activations x, Saved* saved = nullptr) const {
        expect_features("ScaledTanh", x.shape(), gain.cols());
        Activations y(x.shape());
        for (std::size_t r = 0; r < x.rows(); ++r)
            for (std::size_t c = 0; c < x.cols(); ++c) y(r, c) = gain(0, c) * std::tanh(x(r, c));
        if (saved != nullptr) saved->x = std::move(x);
        return y;
    }

    Activations backward(On&, const Saved& saved, Activations dy, rebind<float>& gradient) const {
        expect_gradient("ScaledTanh", dy.shape(), saved.x.shape());
        for (std::size_t r = 0; r < dy.rows(); ++r)
            for (std::size_t c = 0; c < dy.cols(); ++c) {
                const float t = std::tanh(saved.x(r, c));
                gradient.gain(0, c) += dy(r, c) * t;
                dy(r, c) *= gain(0, c) * (1.0f - t * t);
            }
        return dy;
    }
};

int main() {
    using P = PerRow<Int8Value>;
    Host on;
    const Sequential net(Linear<P>({.in = 20, .out = 32}, Seed{1}), ScaledTanh<P>(32),
                         Linear<P>({.in = 32, .out = 4}, Seed{2}));

    Tensor<float> x(Shape{6, 20});
    Random random(3);
    draw_normal(on, random, 1.0, x.view());

    const GradcheckReport report = gradcheck(on, net, x);
    std::printf("%s\n", report.text().c_str());
    for_each_parameter(
        [](const std::string& name, const auto& p) {
            std::printf("%-12s %-10s %6zu bytes\n", name.c_str(), to_string(p.shape()).c_str(),
                        p.bytes());
        },
        net);
    return report ? 0 : 1;
}
