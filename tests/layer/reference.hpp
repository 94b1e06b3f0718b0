// Layers again, in double and as plainly as possible: what the library's layers are compared with,
// and what central differences are taken of.
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

namespace reference {

/// rows x cols numbers, no padding.
struct Mat {
    std::size_t rows = 0, cols = 0;
    std::vector<double> a;

    Mat() = default;
    Mat(std::size_t r, std::size_t c) : rows(r), cols(c), a(r * c) {}
    double& operator()(std::size_t r, std::size_t c) { return a[r * cols + c]; }
    double operator()(std::size_t r, std::size_t c) const { return a[r * cols + c]; }
};

/// x w^T + b; an empty b adds nothing.
inline Mat linear(const Mat& x, const Mat& w, const Mat& b) {
    Mat y(x.rows, w.rows);
    for (std::size_t m = 0; m < x.rows; ++m)
        for (std::size_t n = 0; n < w.rows; ++n) {
            double s = b.a.empty() ? 0.0 : b.a[n];
            for (std::size_t k = 0; k < w.cols; ++k) s += x(m, k) * w(n, k);
            y(m, n) = s;
        }
    return y;
}

inline double relu(double x) { return x > 0 ? x : 0; }
inline double silu(double x) { return x / (1 + std::exp(-x)); }
inline double gelu(double x) {
    const double u = std::sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x);
    return 0.5 * x * (1 + std::tanh(u));
}

template <class F>
Mat map(Mat x, F f) {
    for (double& v : x.a) v = f(v);
    return x;
}

inline Mat add(Mat x, const Mat& y) {
    for (std::size_t i = 0; i < x.a.size(); ++i) x.a[i] += y.a[i];
    return x;
}

inline Mat multiply(Mat x, const Mat& y) {
    for (std::size_t i = 0; i < x.a.size(); ++i) x.a[i] *= y.a[i];
    return x;
}

inline Mat layer_norm(Mat x, const Mat& gain, const Mat& bias, double epsilon) {
    const auto n = static_cast<double>(x.cols);
    for (std::size_t r = 0; r < x.rows; ++r) {
        double mean = 0, variance = 0;
        for (std::size_t c = 0; c < x.cols; ++c) mean += x(r, c) / n;
        for (std::size_t c = 0; c < x.cols; ++c) {
            const double d = x(r, c) - mean;
            variance += d * d / n;
        }
        for (std::size_t c = 0; c < x.cols; ++c)
            x(r, c) = (x(r, c) - mean) / std::sqrt(variance + epsilon) * gain.a[c] + bias.a[c];
    }
    return x;
}

inline Mat rms_norm(Mat x, const Mat& gain, double epsilon) {
    for (std::size_t r = 0; r < x.rows; ++r) {
        double square = 0;
        for (std::size_t c = 0; c < x.cols; ++c)
            square += x(r, c) * x(r, c) / static_cast<double>(x.cols);
        for (std::size_t c = 0; c < x.cols; ++c)
            x(r, c) = x(r, c) / std::sqrt(square + epsilon) * gain.a[c];
    }
    return x;
}

/// What the attention reference needs to know.
struct Heads {
    std::size_t batch, time, heads, key_heads, size;
    bool causal = true;
    std::size_t window = 0;
    double rotary_base = 0;
    bool interleaved = false;
};

/// Rotates each head of x by its row's position.
inline Mat rotary(Mat x, const Heads& h) {
    if (h.rotary_base == 0) return x;
    for (std::size_t r = 0; r < x.rows; ++r)
        for (std::size_t head = 0; head < x.cols / h.size; ++head)
            for (std::size_t i = 0; i < h.size / 2; ++i) {
                const double angle = static_cast<double>(r % h.time) *
                                     std::pow(h.rotary_base, -2.0 * static_cast<double>(i) /
                                                                 static_cast<double>(h.size));
                const std::size_t first = head * h.size + (h.interleaved ? 2 * i : i);
                const std::size_t second = first + (h.interleaved ? 1 : h.size / 2);
                const double a = x(r, first), b = x(r, second);
                x(r, first) = a * std::cos(angle) - b * std::sin(angle);
                x(r, second) = a * std::sin(angle) + b * std::cos(angle);
            }
    return x;
}

/// Softmax attention of q over k and v, [batch * time, heads * size] each.
inline Mat attention(const Mat& q, const Mat& k, const Mat& v, const Heads& h) {
    Mat y(q.rows, q.cols);
    for (std::size_t b = 0; b < h.batch; ++b)
        for (std::size_t head = 0; head < h.heads; ++head)
            for (std::size_t t = 0; t < h.time; ++t) {
                const std::size_t key_head = head / (h.heads / h.key_heads);
                const std::size_t row = b * h.time + t;
                std::vector<double> p(h.time, 0.0);
                double sum = 0;
                for (std::size_t u = 0; u < h.time; ++u) {
                    if ((h.causal && u > t) || (h.window != 0 && u + h.window <= t)) continue;
                    double dot = 0;
                    for (std::size_t i = 0; i < h.size; ++i)
                        dot += q(row, head * h.size + i) * k(b * h.time + u, key_head * h.size + i);
                    p[u] = std::exp(dot / std::sqrt(static_cast<double>(h.size)));
                    sum += p[u];
                }
                for (std::size_t u = 0; u < h.time; ++u)
                    for (std::size_t i = 0; i < h.size; ++i)
                        y(row, head * h.size + i) +=
                            p[u] / sum * v(b * h.time + u, key_head * h.size + i);
            }
    return y;
}

/// n columns of x from `first` on.
inline Mat columns(const Mat& x, std::size_t first, std::size_t n) {
    Mat y(x.rows, n);
    for (std::size_t r = 0; r < x.rows; ++r)
        for (std::size_t c = 0; c < n; ++c) y(r, c) = x(r, first + c);
    return y;
}

}  // namespace reference
