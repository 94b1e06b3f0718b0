// Tensors with random and hand-made contents, and comparisons that tests of kernels share.
#pragma once

#include <nibble/store/tensor.hpp>
#include <nibble/value/float.hpp>
#include <nibble/value/rounding.hpp>

#include <cmath>
#include <cstring>

namespace test {

/// Numbers uniform in [-size, size).
inline nibble::Tensor<float> noise(nibble::Shape shape, std::uint64_t seed, double size = 1.0) {
    nibble::Tensor<float> t(shape);
    nibble::Random random(seed);
    for (std::size_t r = 0; r < t.rows(); ++r)
        for (std::size_t c = 0; c < t.cols(); ++c)
            t(r, c) = static_cast<float>(size * (2.0 * random.uniform() - 1.0));
    return t;
}

/// The largest |a - b| / (1 + |b|); NaN when either has one.
inline double difference(const nibble::Tensor<float>& a, const nibble::Tensor<float>& b) {
    double worst = 0.0;
    for (std::size_t r = 0; r < b.rows(); ++r)
        for (std::size_t c = 0; c < b.cols(); ++c) {
            const double x = static_cast<double>(a(r, c)), y = static_cast<double>(b(r, c));
            const double d = std::fabs(x - y) / (1.0 + std::fabs(y));
            if (!(d <= worst)) worst = d;
        }
    return worst;
}

/// The same bytes, padding included.
inline bool same_bits(const nibble::Tensor<float>& a, const nibble::Tensor<float>& b) {
    return a.shape() == b.shape() && std::memcmp(a.data(), b.data(), a.bytes()) == 0;
}

/// True when all padding is zero.
inline bool padding_is_zero(const nibble::Tensor<float>& t) {
    for (std::size_t r = 0; r < t.rows(); ++r)
        for (std::size_t c = t.cols(); c < t.stride(); ++c)
            if (t.data()[r * t.stride() + c] != 0.0f) return false;
    return true;
}

}  // namespace test
