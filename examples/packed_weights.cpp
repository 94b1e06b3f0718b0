// Weights packed for inference: loaded or quantized once, packed once, and plain again for a file.
#include <nibble/kernel/matmul.hpp>
#include <nibble/kernel/quantize.hpp>
#include <nibble/layer/mlp.hpp>
#include <nibble/layer/pack.hpp>

#include <cmath>
#include <cstdio>

using namespace nibble;

int main() {
    Host on;
    Mlp<W4A8> model({.in = 256, .hidden = 512, .out = 10}, Seed{1});
    Tensor<float> x({3, 256});
    Random random(2);
    for (std::size_t i = 0; i < x.rows(); ++i)
        for (std::size_t k = 0; k < x.cols(); ++k) x(i, k) = static_cast<float>(random.uniform());
    const auto before = model.forward(on, Tensor<float>(x));

    // quote: pack
    Mlp<packed_t<W4A8>> fast =
        pack_weights(on, std::move(model));  // each weight in place of the plain one
    const auto y = fast.forward(on, x);
    Mlp<W4A8> plain = unpack_weights(on, std::move(fast));  // the same bits again
    // end quote

    double worst = 0;
    for (std::size_t i = 0; i < y.rows(); ++i)
        for (std::size_t k = 0; k < y.cols(); ++k)
            worst = std::fmax(worst, std::fabs(double(y(i, k)) - double(before(i, k))));
    std::printf("3 x 256 to 3 x 10: largest difference between packed and plain %g\n", worst);
    std::printf("%zu bytes of weights, plain again\n", parameter_bytes(plain));
    return worst < 1e-3 ? 0 : 1;
}
