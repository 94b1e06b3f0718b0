// Ten lines: a layer whose weights are INT4, and what it costs in accuracy.
// quote: first
#include <nibble/nibble.hpp>

#include <cstdio>

using namespace nibble;

int main() {
    Host on;                                                                // threads
    Linear<float> exact({.in = 256, .out = 16}, Seed{1});                   // 4 bytes a weight
    Linear<Grouped<Int4Value, 32>> small({.in = 256, .out = 16}, Seed{1});  // 4.5 bits
    Tensor<float> x({1, 256});
    for (std::size_t i = 0; i < 256; ++i) x(0, i) = float(i % 7) - 3.0f;
    const auto y = exact.forward(on, x), z = small.forward(on, x);
    for (std::size_t i = 0; i < 4; ++i)
        std::printf("%8.4f %8.4f\n", double(y(0, i)), double(z(0, i)));
    std::printf("%zu and %zu bytes\n", parameter_bytes(exact), parameter_bytes(small));
}
// end quote
