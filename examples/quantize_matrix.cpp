// Quantize a matrix: what a format costs in bits and in accuracy, and how the scale is found.
// Explained in docs/quantization.md.
#include <nibble/kernel/error_report.hpp>
#include <nibble/quant/dispatch.hpp>

#include <cmath>
#include <cstdio>

using namespace nibble;

// Weights as a trained network has them: normal, with a few large ones.
Tensor<float> some_weights(std::size_t rows, std::size_t cols) {
    Tensor<float> w({rows, cols});
    Random random(1);
    for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t k = 0; k < cols; ++k) {
            const double radius = std::sqrt(-2 * std::log(1 - random.uniform()));
            const double x = radius * std::cos(6.283185307179586 * random.uniform());
            w(r, k) = static_cast<float>(0.02 * x * (random.below(500) == 0 ? 5 : 1));
        }
    return w;
}

int main() {
    const Tensor<float> w = some_weights(256, 1024);
    Host on;

    // A format is a type: INT4, one half-precision scale for each 64 neighbours.
    // [quantize]
    Matrix<Grouped<Int4Value, 64>> q = quantize<Grouped<Int4Value, 64>>(on, w.view());
    Tensor<float> back(w.shape());
    dequantize(on, q, back.view());
    std::printf("%zu bytes instead of %zu; w(0, 2) was %.4f and is %.4f\n", q.bytes(), w.bytes(),
                static_cast<double>(w(0, 2)), static_cast<double>(back(0, 2)));
    // [quantize]

    // Three ways to find the scales, and what each costs.
    // [calibration]
    for (const auto& [name, how] :
         {std::pair{"absmax", by_absmax}, std::pair{"percentile 97", by_percentile(97.0f)},
          std::pair{"mse", by_mse}}) {
        const Clipped clipped = quantize(on, w.view(), q, ToNearest{}, how);
        const ErrorReport report = quantization_error(on, w.view(), q);
        std::printf("%-16s %s (%zu clipped)\n", name, to_string(report).c_str(), clipped.saturated);
    }
    // [calibration]

    // A format named at run time: on the command line, in a file.
    // [run time]
    for (const char* name : {"bf16", "fp8", "int8", "int4-g128", "int4-g32-asym", "nf4", "mxfp4"}) {
        const ParsedSpec parsed = parse_spec(name);
        if (!parsed) fail(parsed.error);
        dispatch(parsed.spec, [&]<class F>(FormatTag<F>) {
            const auto stored = quantize<F>(on, w.view());
            std::printf("%-16s %s\n", name,
                        to_string(quantization_error(on, w.view(), stored)).c_str());
        });
    }
    // [run time]

    // Stochastic rounding: the mean over many stores is the number itself, so a weight can take steps
    // that are far smaller than its format's.
    // [stochastic]
    const float exact = 0.3f;
    Tensor<float> one({1, 8});
    for (std::size_t k = 0; k < 8; ++k) one(0, k) = k == 0 ? 1.0f : exact;
    Matrix<PerRow<Int4Value>> small(1, 8);
    double mean = 0;
    for (std::uint64_t step = 0; step < 1000; ++step) {
        store_matrix(on, one.view(), small, StochasticFrom{Dither(42, step)});
        mean += static_cast<double>(small(0, 1)) / 1000;
    }
    store_matrix(on, one.view(), small);
    std::printf("0.3 in INT4: to nearest %.3f, stochastically %.3f on average\n",
                static_cast<double>(small(0, 1)), mean);
    // [stochastic]
}
