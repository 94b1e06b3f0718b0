// Numbers for nets of fixed sizes, and their products in double.
#pragma once

#include <nibble/fixed/parameters.hpp>

#include <cmath>
#include <cstdint>
#include <vector>

namespace numbers {

using namespace nibble;

using List = std::vector<double>;

struct Numbers {
    std::uint64_t seed;
    float operator()(double size = 1.0) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        return static_cast<float>(size * (static_cast<double>(seed >> 40) / 8388608.0 - 1));
    }
};

template <class W>
void fill(W& w, Numbers& draw, double size) {
    float row[W::cols()];
    for (std::size_t r = 0; r < W::rows(); ++r) {
        for (float& x : row) x = draw(size);
        w.set_row(r, row);
    }
}
template <GateOrder O, class A>
void fill(fixed::Bias<O, A>& b, Numbers& draw, double size) {
    for (std::size_t r = 0; r < b.size(); ++r) b[r] = draw(size);
}
template <class Net>
void fill_all(Net& net, std::uint64_t seed, double size = 0.5) {
    Numbers draw{seed};
    fixed::for_each_parameter([&](const char*, auto& p) { fill(p, draw, size); }, net);
}

template <class W, class X>
List product(const W& w, const X& x) {
    List y(w.rows());
    for (std::size_t r = 0; r < w.rows(); ++r)
        for (std::size_t k = 0; k < w.cols(); ++k) y[r] += double{w(r, k)} * double(x[k]);
    return y;
}

/// What int8 activations add to the error of a product, for inputs of at most one.
template <class P>
constexpr double activation_error = std::is_same_v<activation_t<P>, Int8Value> ? 0.02 : 0.0;

inline double sigmoid_of(double x) { return 1 / (1 + std::exp(-x)); }

}  // namespace numbers
