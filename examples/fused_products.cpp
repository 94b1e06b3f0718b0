// Products that end with more than a sum: packed weights, bias, activation, residual and rounding while
// the outputs are in registers. Explained in docs/kernels.md.
#include <nibble/kernel/math.hpp>
#include <nibble/kernel/matmul_batched.hpp>
#include <nibble/kernel/pack.hpp>
#include <nibble/kernel/packed_bf16.hpp>
#include <nibble/kernel/packed_float.hpp>
#include <nibble/kernel/quantize.hpp>

#include <cmath>
#include <cstdio>

using namespace nibble;

namespace {

Tensor<float> some_numbers(Shape shape, double phase) {
    Tensor<float> x(shape);
    for (std::size_t r = 0; r < x.rows(); ++r)
        for (std::size_t k = 0; k < x.cols(); ++k)
            x(r, k) = static_cast<float>(std::sin(phase + double(r * x.cols() + k)));
    return x;
}

}  // namespace

int main() {
    Host on;
    const std::size_t rows = 5, in = 96, out = 40;
    const Tensor<float> w = some_numbers({out, in}, 0.1), bias = some_numbers({out}, 0.2);
    const Tensor<float> x = some_numbers({rows, in}, 0.3),
                        residual = some_numbers({rows, out}, 0.4);

    // quote: fused
    const auto packed = pack(on, quantize<Grouped<Int4Value, 32>>(on, w.view()));
    Tensor<float> y({rows, out});
    const auto gelu_of = Apply{[](auto v) { return gelu(v); }};
    matmul(on, packed, x, y, then(AddBias{bias}, gelu_of, AddRows{residual}));

    // The next layer wants int8: the floats are never written.
    Tensor<Int8Value> codes({rows, out});
    const float scale = 0.25f;  // found by calibration
    const View<float> shape{nullptr, rows, out, out};
    matmul(on, packed, x, shape, then(AddBias{bias}, gelu_of, Requantize{codes.view(), 1 / scale}));
    // end quote

    // The same in steps.
    Tensor<float> steps({rows, out});
    matmul(on, packed, x, steps);
    double worst = 0;
    for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t n = 0; n < out; ++n) {
            const double v = double(steps(r, n)) + double(bias(0, n));
            const double u = 0.7978845608028654 * (v + 0.044715 * v * v * v);
            const double expected = v / 2 * (1 + std::tanh(u));
            worst =
                std::fmax(worst, std::fabs(double(y(r, n)) - expected - double(residual(r, n))));
            const double code = std::fmin(std::fmax(expected / double(scale), -127.0), 127.0);
            if (std::fabs(double(codes(r, n).code) - code) > 0.5001) return 1;
        }
    std::printf("fused and in steps differ by %.1e at most\n", worst);

    // quote: batched
    // Eight products of 5 x 12 and 4 x 12, stacked by rows.
    const Tensor<float> left = some_numbers({8 * 5, 12}, 0.5),
                        right = some_numbers({8 * 4, 12}, 0.6);
    Tensor<float> products({8 * 5, 4});
    matmul_batched(on, 8, right.view(), left.view(), products.view());
    // end quote
    std::printf("the last of the batch: %.4f\n", double(products(39, 3)));
    return worst < 1e-4 ? 0 : 1;
}
