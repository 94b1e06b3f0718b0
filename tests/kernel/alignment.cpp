// Kernels on views that start anywhere: 16 offsets of every operand, strides that keep nothing aligned,
// widths around the register sizes. The same numbers must come out as from aligned tensors, and what
// lies around a view must stay as it was.
#include <doctest/doctest.h>

#include <nibble/kernel/matmul.hpp>
#include <nibble/kernel/matmul_int8.hpp>
#include <nibble/kernel/norm.hpp>
#include <nibble/kernel/quantize.hpp>
#include <nibble/kernel/softmax.hpp>
#include <nibble/kernel/transform.hpp>

#include <algorithm>
#include <cmath>

using namespace nibble;

namespace {

constexpr float guard = -12345.0f;

/// A view inside a block of guards, `offset` floats after a 64-byte boundary.
struct Placed {
    Tensor<float> block;
    View<float> view;

    Placed(std::size_t rows, std::size_t cols, std::size_t offset)
        : block(Shape{1, (rows + 2) * (cols + 19) + 64}) {
        for (std::size_t i = 0; i < block.cols(); ++i) block(0, i) = guard;
        view = {block.data() + 16 + offset, rows, cols, cols + 19, false};
    }
    void fill(const Tensor<float>& from) {
        for (std::size_t r = 0; r < view.rows; ++r)
            for (std::size_t c = 0; c < view.cols; ++c) view(r, c) = from(r, c);
    }
    /// How many floats outside the view are no longer the guard.
    [[nodiscard]] std::size_t touched() const {
        std::size_t count = 0;
        for (std::size_t i = 0; i < block.cols(); ++i) {
            const float* at = block.data() + i;
            bool inside = false;
            for (std::size_t r = 0; r < view.rows && !inside; ++r)
                inside = at >= view.data + r * view.stride &&
                         at < view.data + r * view.stride + view.cols;
            count += !inside && *at != guard ? 1u : 0u;
        }
        return count;
    }
};

Tensor<float> numbers(std::size_t rows, std::size_t cols, std::uint64_t seed) {
    Tensor<float> t(Shape{rows, cols});
    Random random(seed);
    for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t c = 0; c < cols; ++c)
            t(r, c) = static_cast<float>(random.uniform() * 2 - 1);
    return t;
}

/// Numbers of a placed view and an aligned tensor that differ by more than `bound`.
std::size_t differences(const Placed& got, const Tensor<float>& expected, float bound) {
    std::size_t count = 0;
    for (std::size_t r = 0; r < got.view.rows; ++r)
        for (std::size_t c = 0; c < got.view.cols; ++c)
            count += std::fabs(got.view(r, c) - expected(r, c)) <= bound ? 0u : 1u;
    return count;
}

constexpr std::size_t widths[] = {1, 7, 15, 16, 17, 33, 64, 65, 96};

}  // namespace

TEST_CASE_TEMPLATE("matrix products at every alignment", F, float, half, PerRow<Int8Value>,
                   Grouped<Int4Value, 32>) {
    Host on(1);
    for (const std::size_t k : widths)
        for (const std::size_t m : {std::size_t{1}, std::size_t{9}}) {
            const std::size_t n = 21;
            Matrix<F> w(n, k);
            const auto weights = numbers(n, k, 1);
            quantize(on, weights.view(), w);
            const auto x = numbers(m, k, 2), dy = numbers(m, n, 3);
            Tensor<float> y(Shape{m, n}), dx(Shape{m, k}), dw(Shape{n, k});
            matmul(on, w, x.view(), y.view());
            matmul_transposed(on, w, dy.view(), dx.view());
            matmul_gradient(on, dy.view(), x.view(), dw.view());
            for (std::size_t offset = 0; offset < 16; ++offset) {
                CAPTURE(k);
                CAPTURE(m);
                CAPTURE(offset);
                Placed px(m, k, offset), py(m, n, 15 - offset), pdy(m, n, offset),
                    pdx(m, k, (offset * 7) % 16), pdw(n, k, (offset * 5) % 16);
                px.fill(x);
                pdy.fill(dy);
                matmul(on, w, View<const float>(px.view), py.view);
                matmul_transposed(on, w, View<const float>(pdy.view), pdx.view);
                for (std::size_t r = 0; r < n; ++r)
                    for (std::size_t c = 0; c < k; ++c) pdw.view(r, c) = 0.0f;
                matmul_gradient(on, View<const float>(pdy.view), View<const float>(px.view),
                                pdw.view);
                CHECK(differences(py, y, 2e-5f) == 0);
                CHECK(differences(pdx, dx, 2e-5f) == 0);
                CHECK(differences(pdw, dw, 2e-5f) == 0);
                CHECK(px.touched() + py.touched() + pdy.touched() + pdx.touched() + pdw.touched() ==
                      0);
            }
        }
}

TEST_CASE_TEMPLATE("integer products at every alignment, exactly", F, PerRow<Int8Value>,
                   Grouped<Int4Value, 32>, Grouped<Ternary, 32>) {
    Host on(1);
    for (const std::size_t k : widths) {
        const auto weights = numbers(13, k, 4), x = numbers(5, k, 5);
        Matrix<F> w(13, k);
        quantize(on, weights.view(), w);
        Tensor<float> y(Shape{5, 13});
        matmul_int8(on, w, x.view(), y.view());
        for (std::size_t offset = 0; offset < 16; ++offset) {
            CAPTURE(k);
            CAPTURE(offset);
            Placed px(5, k, offset), py(5, 13, (offset * 3) % 16);
            px.fill(x);
            matmul_int8(on, w, View<const float>(px.view), py.view);
            CHECK(differences(py, y, 0.0f) == 0);
            CHECK(px.touched() + py.touched() == 0);
        }
    }
}

TEST_CASE("norms, softmax, sums and quantization at every alignment") {
    Host on(1);
    for (const std::size_t k : widths) {
        const auto x = numbers(6, k, 6), gain = numbers(1, k, 7), bias = numbers(1, k, 8);
        Tensor<float> normed(Shape{6, k}), rms(Shape{6, k}), shares = x, sum = x;
        layer_norm(on, x.view(), gain.view(), bias.view(), 1e-5f, normed.view());
        rms_norm(on, x.view(), gain.view(), 1e-5f, rms.view());
        softmax(on, shares.view());
        add_to(on, x.view(), sum.view());
        Matrix<Grouped<Int4Value, 32>> codes(6, k);
        quantize(on, x.view(), codes);
        for (std::size_t offset = 0; offset < 16; ++offset) {
            CAPTURE(k);
            CAPTURE(offset);
            Placed px(6, k, offset), py(6, k, 15 - offset), pz(6, k, (offset * 7) % 16),
                ps(6, k, (offset * 5) % 16), pg(1, k, offset), pb(1, k, 15 - offset);
            px.fill(x);
            ps.fill(x);
            pg.fill(gain);
            pb.fill(bias);
            layer_norm(on, View<const float>(px.view), View<const float>(pg.view),
                       View<const float>(pb.view), 1e-5f, py.view);
            rms_norm(on, View<const float>(px.view), View<const float>(pg.view), 1e-5f, pz.view);
            CHECK(differences(py, normed, 2e-5f) == 0);
            CHECK(differences(pz, rms, 2e-5f) == 0);
            softmax(on, ps.view);
            CHECK(differences(ps, shares, 1e-6f) == 0);
            ps.fill(x);
            add_to(on, View<const float>(px.view), ps.view);
            CHECK(differences(ps, sum, 0.0f) == 0);
            Matrix<Grouped<Int4Value, 32>> again(6, k);
            quantize(on, View<const float>(px.view), again);
            CHECK(std::equal(again.codes().units().begin(), again.codes().units().end(),
                             codes.codes().units().begin()));
            CHECK(px.touched() + py.touched() + pz.touched() + ps.touched() == 0);
        }
    }
}
