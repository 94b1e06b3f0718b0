// Products in double precision, random matrices of every format, and views with hostile neighbours.
#pragma once

#include <nibble/kernel/matmul.hpp>

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <string>
#include <vector>

namespace test {

using namespace nibble;

/// Codes over the format's whole range, scales around `scale`, offsets of both signs.
template <class F>
void fill(Matrix<F>& w, Random& random, double scale = 0.1) {
    using V = value_of<F>;
    const float top = decode(value_traits<V>::highest()), low = decode(value_traits<V>::lowest());
    const bool wide = !(top < 500.0f);
    for (std::size_t r = 0; r < w.rows(); ++r)
        for (std::size_t k = 0; k < w.cols(); ++k) {
            const double u = random.uniform();
            const double x = wide ? 4 * u - 2 : u * (double(top) - double(low)) + double(low);
            w.codes().row(r).set(k, encode<V>(static_cast<float>(x)));
        }
    using S = typename format_traits<F>::Scale;
    for (std::size_t i = 0; i < w.scales().size(); ++i)
        w.scales().data()[i] = encode<S>(static_cast<float>(scale * (0.5 + random.uniform())));
    if constexpr (format_traits<F>::has_offset)
        for (std::size_t i = 0; i < w.offsets().size(); ++i)
            w.offsets().data()[i] = encode<S>(static_cast<float>(random.uniform() - 0.5));
}

/// A matrix of floats inside a wider one whose other elements are NaN; or, `whole`, a tensor's own.
struct Window {
    Tensor<float> storage;
    View<float> view;
    bool whole;

    Window(std::size_t rows, std::size_t cols, bool whole_)
        : storage(Shape{rows, whole_ ? cols : cols + 24}), whole(whole_) {
        for (std::size_t i = 0; !whole && i < rows; ++i)
            for (std::size_t k = 0; k < storage.cols(); ++k) storage(i, k) = NAN;
        view = whole ? storage.view() : storage.view().col_block(11, cols);
    }
    void fill(Random& random) {
        for (std::size_t i = 0; i < view.rows; ++i)
            for (std::size_t k = 0; k < view.cols; ++k)
                view(i, k) = static_cast<float>(2 * random.uniform() - 1);
    }
    /// Everything but the window's elements is as it was: NaN, or zero padding.
    [[nodiscard]] bool surroundings_intact() const {
        for (std::size_t i = 0; i < storage.rows(); ++i)
            for (std::size_t k = 0; k < storage.stride(); ++k) {
                const float x = storage.data()[i * storage.stride() + k];
                const bool inside = whole ? k < view.cols : k >= 11 && k < 11 + view.cols;
                if (inside) continue;
                if (k < storage.cols() ? x == x : x != 0.0f) return false;
            }
        return true;
    }
};

/// got against sum of products, within what float rounding of `terms` additions may lose.
struct Sum {
    double value = 0, size = 0;
    void add(double a, double b) {
        value += a * b;
        size += std::fabs(a * b);
    }
    [[nodiscard]] bool near(float got, std::size_t terms) const {
        return std::fabs(double(got) - value) <= size * double(terms + 4) * 0x1p-24;
    }
};

/// w as doubles: code * scale + offset without float rounding; and the size of its two parts.
template <class F>
struct Exact {
    std::vector<double> value, size;
    std::size_t cols;
    explicit Exact(const Matrix<F>& w)
        : value(w.rows() * w.cols()), size(w.rows() * w.cols()), cols(w.cols()) {
        for (std::size_t r = 0; r < w.rows(); ++r)
            for (std::size_t k = 0; k < cols; ++k) {
                const double product = double(decode(w.codes().row(r)[k])) * double(w.scale(r, k));
                value[r * cols + k] = product + double(w.offset(r, k));
                size[r * cols + k] = std::fabs(product) + std::fabs(double(w.offset(r, k)));
            }
    }
};

template <class A, class F>
void check_forms(std::size_t m, std::size_t n, std::size_t k, Random& random) {
    INFO(std::string(A::name), " ", to_string(spec_of<F>()), ": ", m, " x ", n, " x ", k);
    const BasicHost<A> on(1);
    const bool whole = random.below(2) == 0;
    Matrix<F> w(n, k);
    fill(w, random);
    const Exact<F> exact(w);
    Window x(m, k, whole), y(m, n, whole);
    x.fill(random);
    matmul(on, w, x.view, y.view);
    std::size_t bad = 0;
    for (std::size_t i = 0; i < m; ++i)
        for (std::size_t j = 0; j < n; ++j) {
            Sum sum;
            for (std::size_t l = 0; l < k; ++l) {
                sum.value += double(x.view(i, l)) * exact.value[j * k + l];
                sum.size += std::fabs(double(x.view(i, l))) * exact.size[j * k + l];
            }
            bad += sum.near(y.view(i, j), k) ? 0 : 1;
        }
    REQUIRE(bad == 0);
    REQUIRE(y.surroundings_intact());

    Window dy(m, n, whole), dx(m, k, whole);
    dy.fill(random);
    matmul_transposed(on, w, dy.view, dx.view);
    for (std::size_t i = 0; i < m; ++i)
        for (std::size_t l = 0; l < k; ++l) {
            Sum sum;
            for (std::size_t j = 0; j < n; ++j) {
                sum.value += double(dy.view(i, j)) * exact.value[j * k + l];
                sum.size += std::fabs(double(dy.view(i, j))) * exact.size[j * k + l];
            }
            bad += sum.near(dx.view(i, l), n) ? 0 : 1;
        }
    REQUIRE(bad == 0);
    REQUIRE(dx.surroundings_intact());
}

template <class A>
void check_gradient(std::size_t m, std::size_t n, std::size_t k, Random& random) {
    INFO(std::string(A::name), ": gradient of ", m, " x ", n, " x ", k);
    const bool whole = random.below(2) == 0;
    Window dy(m, n, whole), x(m, k, whole), dw(n, k, whole);
    dy.fill(random);
    x.fill(random);
    dw.fill(random);
    const Tensor<float> before = dw.storage;
    const std::size_t first = whole ? 0 : 11;
    matmul_gradient(BasicHost<A>(1), dy.view, x.view, dw.view);
    std::size_t bad = 0;
    for (std::size_t j = 0; j < n; ++j)
        for (std::size_t l = 0; l < k; ++l) {
            Sum sum;
            sum.add(double(before(j, first + l)), 1);
            for (std::size_t i = 0; i < m; ++i)
                sum.add(double(dy.view(i, j)), double(x.view(i, l)));
            bad += sum.near(dw.view(j, l), m + 1) ? 0 : 1;
        }
    REQUIRE(bad == 0);
    REQUIRE(dw.surroundings_intact());
}

/// Shapes around the tiles: each pair of widths with a few numbers of rows, all of which occur.
template <class Check>
void for_shapes(Check check) {
    constexpr std::size_t rows[] = {1, 0, 2, 5, 6, 7, 8, 9, 17, 33};
    constexpr std::size_t widths[] = {1, 7, 8, 63, 64, 65, 96, 100, 120, 128, 130};
    std::size_t turn = 0;
    for (const std::size_t n : widths)
        for (const std::size_t k : widths)
            for (int i = 0; i < 2; ++i) check(rows[turn++ % std::size(rows)], n, k);
    check(3, 70, 300);
    check(19, 70, 530);
    check(530, 9, 24);
}

template <class A, class... F>
void check_formats(TypeList<F...>) {
    Random random(11);
    (for_shapes(
         [&](std::size_t m, std::size_t n, std::size_t k) { check_forms<A, F>(m, n, k, random); }),
     ...);
}

}  // namespace test
