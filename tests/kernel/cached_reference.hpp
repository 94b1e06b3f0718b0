// A cache of random numbers, and attention over it as double precision has it: what the tests of
// attention_cached share.
#pragma once

#include <nibble/kernel/attention_cached.hpp>

#include <doctest/doctest.h>
#include <support/fill.hpp>

#include <algorithm>
#include <vector>

namespace cached {

using namespace nibble;
using test::noise;

struct Case {
    std::size_t heads, kv_heads, head_size, capacity, length, queries, window = 0;
};

/// A cache after `length` positions of uniform numbers; every 37th is 20 times as large.
template <class F, class A>
KvStore<F> filled(const Case& c) {
    KvStore<F> cache({c.capacity, c.kv_heads, c.head_size});
    Random random(1);
    std::vector<float> key(c.kv_heads * c.head_size), value(key.size());
    for (std::size_t p = 0; p < c.length; ++p) {
        for (float& x : key) x = static_cast<float>(3.0 * random.uniform() - 1.5);
        for (float& x : value) x = static_cast<float>(2.0 * random.uniform() - 1.0);
        if (p % 37 == 5) value[p % value.size()] *= 20.0f, key[p % key.size()] *= 20.0f;
        cache.template write<A>(p % c.capacity, key.data(), value.data());
    }
    return cache;
}

inline CachedShape shape_of(const Case& c) {
    return {.heads = c.heads, .queries = c.queries, .length = c.length, .window = c.window};
}

/// The result, and the largest of the head's values that a query sees.
template <class F>
std::vector<double> reference(const Case& c, const KvStore<F>& cache, const Tensor<float>& q,
                              std::vector<double>& size) {
    std::vector<double> out(c.queries * c.heads * c.head_size);
    size.assign(out.size(), 0.0);
    std::vector<float> key(c.head_size), value(c.head_size);
    for (std::size_t i = 0; i < c.queries; ++i)
        for (std::size_t h = 0; h < c.heads; ++h) {
            const std::size_t end = c.length - c.queries + i + 1;
            std::size_t first = c.length > c.capacity ? c.length - c.capacity : 0;
            if (c.window != 0 && end > c.window) first = std::max(first, end - c.window);
            std::vector<double> p;
            double top = -1e300, total = 0.0, largest = 0.0;
            const std::size_t kv = h / (c.heads / c.kv_heads);
            for (std::size_t t = first; t < end; ++t) {
                cache.read(t % c.capacity, kv, key.data(), value.data());
                double dot = 0.0;
                for (std::size_t d = 0; d < c.head_size; ++d)
                    dot += static_cast<double>(q(i, h * c.head_size + d)) *
                           static_cast<double>(key[d]);
                p.push_back(dot / std::sqrt(static_cast<double>(c.head_size)));
                top = std::max(top, p.back());
            }
            for (double& x : p) total += x = std::exp(x - top);
            for (std::size_t t = first; t < end; ++t) {
                cache.read(t % c.capacity, kv, key.data(), value.data());
                for (std::size_t d = 0; d < c.head_size; ++d) {
                    const std::size_t at = (i * c.heads + h) * c.head_size + d;
                    out[at] += p[t - first] / total * static_cast<double>(value[d]);
                    largest = std::max(largest, std::fabs(static_cast<double>(value[d])));
                }
            }
            std::fill_n(size.begin() + static_cast<std::ptrdiff_t>((i * c.heads + h) * c.head_size),
                        c.head_size, largest);
        }
    return out;
}

/// The largest error over the largest value; for integer codes 5e-4 is promised.
template <class F, class A>
void check(const BasicHost<A>& on, const Case& c) {
    const auto cache = filled<F, A>(c);
    const Tensor<float> q = noise(Shape{c.queries, c.heads * c.head_size}, 3, 2.0);
    Tensor<float> out(q.shape());
    for (float& x : out.units()) x = 9.0f;
    attention_cached(on, shape_of(c), q, cache, out);
    std::vector<double> size;
    const std::vector<double> right = reference(c, cache, q, size);
    double worst = 0.0;
    for (std::size_t r = 0; r < q.rows(); ++r)
        for (std::size_t k = 0; k < q.cols(); ++k) {
            const std::size_t at = r * q.cols() + k;
            const double off =
                std::fabs(static_cast<double>(out(r, k)) - right[at]) / (size[at] + 1e-30);
            if (!(off <= worst)) worst = off;
        }
    INFO(to_string(spec_of<F>()) << " on " << A::name << ", head size " << c.head_size << ", "
                                 << c.queries << " queries of " << c.length);
    CHECK(worst < (has_pairs<value_of<F>> ? 5e-4 : 5e-6));
    CHECK(test::padding_is_zero(out));
}

}  // namespace cached
