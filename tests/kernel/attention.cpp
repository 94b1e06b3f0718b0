// Attention against a plain double reference, forward and backward; backward also against central
// differences of that reference. Threads, register widths, windows, extreme scores, wrong shapes.
#include <nibble/kernel/attention_backward.hpp>

#include <doctest/doctest.h>
#include <support/fill.hpp>

#include <limits>
#include <vector>

using namespace nibble;
using test::noise;

namespace {

struct Reference {
    AttentionShape s;
    std::vector<double> q, k, v;  // rows without padding

    Reference(const AttentionShape& shape, const Tensor<float>& a, const Tensor<float>& b,
              const Tensor<float>& c)
        : s(shape) {
        auto copy = [](const Tensor<float>& t) {
            std::vector<double> x;
            for (std::size_t r = 0; r < t.rows(); ++r)
                for (std::size_t i = 0; i < t.cols(); ++i)
                    x.push_back(static_cast<double>(t(r, i)));
            return x;
        };
        q = copy(a), k = copy(b), v = copy(c);
    }
    // The output, and the log-sum-exp of each (batch, head, time).
    std::vector<double> forward(std::vector<double>* lse = nullptr) const {
        const std::size_t width = s.heads * s.head_size, narrow = s.kv_heads * s.head_size;
        std::vector<double> out(s.batch * s.time * width), p(s.time);
        for (std::size_t b = 0; b < s.batch; ++b)
            for (std::size_t h = 0; h < s.heads; ++h)
                for (std::size_t t = 0; t < s.time; ++t) {
                    const std::size_t column = h / s.group() * s.head_size;
                    double top = -1e300, total = 0.0;
                    for (std::size_t j = s.first_key(t); j < s.end_key(t); ++j) {
                        p[j] = 0.0;
                        for (std::size_t d = 0; d < s.head_size; ++d)
                            p[j] += q[(b * s.time + t) * width + h * s.head_size + d] *
                                    k[(b * s.time + j) * narrow + column + d];
                        p[j] *= static_cast<double>(s.factor());
                        top = std::max(top, p[j]);
                    }
                    for (std::size_t j = s.first_key(t); j < s.end_key(t); ++j)
                        total += p[j] = std::exp(p[j] - top);
                    if (lse != nullptr) lse->push_back(top + std::log(total));
                    for (std::size_t j = s.first_key(t); j < s.end_key(t); ++j)
                        for (std::size_t d = 0; d < s.head_size; ++d)
                            out[(b * s.time + t) * width + h * s.head_size + d] +=
                                p[j] / total * v[(b * s.time + j) * narrow + column + d];
                }
        return out;
    }
};

double distance(const Tensor<float>& a, const std::vector<double>& b) {
    double worst = 0.0;
    for (std::size_t r = 0; r < a.rows(); ++r)
        for (std::size_t c = 0; c < a.cols(); ++c) {
            const double right = b[r * a.cols() + c];
            const double d =
                std::fabs(static_cast<double>(a(r, c)) - right) / (1.0 + std::fabs(right));
            if (!(d <= worst)) worst = d;
        }
    return worst;
}

struct Data {
    Tensor<float> q, k, v, out, lse, dout, dq, dk, dv;
    explicit Data(const AttentionShape& s, double size = 1.5) {
        const Shape wide{s.batch * s.time, s.heads * s.head_size};
        const Shape narrow{s.batch * s.time, s.kv_heads * s.head_size};
        q = noise(wide, 1, size), k = noise(narrow, 2, size), v = noise(narrow, 3);
        dout = noise(wide, 4);
        // Outputs begin as garbage: kernels write all of them, padding too.
        out = dq = noise(wide, 5), dk = dv = noise(narrow, 6);
        for (Tensor<float>* t : {&out, &dq, &dk, &dv})
            for (float& x : t->units()) x = 77.0f;
        lse = Tensor<float>(Shape{s.batch * s.heads, s.time});
    }
    template <class A>
    void run(const BasicHost<A>& on, const AttentionShape& s) {
        attention(on, s, q, k, v, out, lse);
        attention_backward(on, s, q, k, v, lse, dout, dq, dk, dv);
    }
};

const std::vector<AttentionShape> shapes = {{2, 64, 4, 4, 16},
                                            {2, 70, 4, 2, 24},
                                            {1, 1, 1, 1, 8},
                                            {1, 13, 2, 1, 5},
                                            {1, 8, 3, 3, 7},
                                            {1, 9, 3, 1, 17},
                                            {1, 130, 2, 1, 64, 40},
                                            {1, 90, 2, 2, 20, 7},
                                            {1, 65, 2, 1, 12, 0, false},
                                            {1, 200, 1, 1, 8, 33},
                                            {2, 31, 2, 2, 6, 3, true, 0.7f},
                                            {1, 67, 12, 2, 33},
                                            {1, 129, 1, 1, 200},
                                            {1, 66, 3, 1, 1}};

template <class A>
void against_reference() {
    const BasicHost<A> on(1);
    for (const AttentionShape& s : shapes) {
        INFO(A::name << " time " << s.time << " head size " << s.head_size << " window "
                     << s.window);
        Data data(s);
        data.run(on, s);
        const Reference reference(s, data.q, data.k, data.v);
        std::vector<double> lse;
        CHECK(distance(data.out, reference.forward(&lse)) < 2e-6);
        CHECK(distance(data.lse, lse) < 2e-6);
        for (const Tensor<float>* t : {&data.out, &data.dq, &data.dk, &data.dv})
            CHECK(test::padding_is_zero(*t));

        // Central differences of sum(out * dout) along every number of q, k and v that a stride meets.
        auto loss = [&](const Reference& r) {
            const std::vector<double> out = r.forward();
            double total = 0.0;
            const std::size_t cols = data.dout.cols();
            for (std::size_t i = 0; i < out.size(); ++i)
                total += out[i] * static_cast<double>(data.dout(i / cols, i % cols));
            return total;
        };
        auto differences = [&](std::vector<double> Reference::*member, const Tensor<float>& got,
                               const char* name) {
            Reference moved = reference;
            const std::size_t n = (moved.*member).size(), step = n / 23 + 1;
            for (std::size_t i = 0; i < n; i += step) {
                double& x = (moved.*member)[i];
                const double old = x, h = 1e-4;
                x = old + h;
                const double up = loss(moved);
                x = old - h;
                const double down = loss(moved);
                x = old;
                const double right = (up - down) / (2 * h);
                const auto value = static_cast<double>(got(i / got.cols(), i % got.cols()));
                INFO(name << " element " << i);
                CHECK(std::fabs(value - right) < 5e-6 * (1.0 + std::fabs(right)));
            }
        };
        differences(&Reference::q, data.dq, "dq");
        differences(&Reference::k, data.dk, "dk");
        differences(&Reference::v, data.dv, "dv");
    }
}

}  // namespace

TEST_CASE("attention equals the reference, and its gradients central differences") {
    against_reference<Isa>();
}
TEST_CASE("attention on scalar registers") { against_reference<isa::Scalar>(); }

TEST_CASE("attention does not depend on threads") {
    for (const AttentionShape& s : shapes) {
        Data one(s);
        one.run(Host(1), s);
        // Many times: heads that share a register of a row once overwrote each other, now and then.
        for (int again = 0; again < 40; ++again) {
            const int threads = 2 + again % 3;
            Data more(s);
            more.run(Host(threads), s);
            CAPTURE(threads);
            CHECK(test::same_bits(one.out, more.out));
            CHECK(test::same_bits(one.dq, more.dq));
            CHECK(test::same_bits(one.dk, more.dk));
            CHECK(test::same_bits(one.dv, more.dv));
        }
    }
}

TEST_CASE("attention takes blocks of columns and leaves the neighbours alone") {
    const AttentionShape s{2, 19, 2, 1, 8};
    Data data(s);
    const Host on(1);
    data.run(on, s);
    Tensor<float> all(Shape{38, 16 + 8 + 8 + 3}), grad(Shape{38, 16 + 8 + 8 + 3}),
        out(data.out.shape());
    for (std::size_t r = 0; r < 38; ++r) {
        for (std::size_t c = 0; c < 16; ++c) all(r, c) = data.q(r, c);
        for (std::size_t c = 0; c < 8; ++c)
            all(r, 16 + c) = data.k(r, c), all(r, 24 + c) = data.v(r, c);
        for (std::size_t c = 32; c < 35; ++c) grad(r, c) = 5.0f;
    }
    const View<float> x = all, g = grad;
    Tensor<float> lse(data.lse.shape());
    attention(on, s, x.col_block(0, 16), x.col_block(16, 8), x.col_block(24, 8), out, lse);
    attention_backward(on, s, x.col_block(0, 16), x.col_block(16, 8), x.col_block(24, 8), lse,
                       data.dout, g.col_block(0, 16), g.col_block(16, 8), g.col_block(24, 8));
    CHECK(test::same_bits(out, data.out));
    bool same = true;
    for (std::size_t r = 0; r < 38; ++r) {
        for (std::size_t c = 0; c < 16; ++c) same = same && grad(r, c) == data.dq(r, c);
        for (std::size_t c = 0; c < 8; ++c)
            same = same && grad(r, 16 + c) == data.dk(r, c) && grad(r, 24 + c) == data.dv(r, c);
        for (std::size_t c = 32; c < 35; ++c) same = same && grad(r, c) == 5.0f;
    }
    CHECK(same);
    CHECK(test::padding_is_zero(grad));
}

TEST_CASE("What a causal query does not see never touches it, be it NaN") {
    // A zero weight times NaN is NaN: in tiles of queries a later value once reached earlier ones.
    const float nan = std::numeric_limits<float>::quiet_NaN();
    for (const AttentionShape& s :
         {AttentionShape{1, 40, 2, 1, 16}, AttentionShape{1, 150, 1, 1, 8},
          AttentionShape{1, 140, 4, 4, 24, 9}}) {
        Data clean(s), data(s);
        const Host on(1);
        attention(on, s, clean.q, clean.k, clean.v, clean.out);
        for (std::size_t bad = 0; bad < s.time; bad += 1 + s.time / 30) {
            data = clean;
            for (std::size_t c = 0; c < data.v.cols(); ++c) {
                data.v(bad, c) = nan;
                data.k(bad, c) = bad % 2 == 0 ? nan : data.k(bad, c);
            }
            attention(on, s, data.q, data.k, data.v, data.out);
            bool same = true, spread = true;
            for (std::size_t t = 0; t < s.time; ++t)
                for (std::size_t c = 0; c < data.out.cols(); ++c) {
                    const bool sees = s.first_key(t) <= bad && bad < s.end_key(t);
                    if (sees) spread = spread && std::isnan(data.out(t, c));
                    else same = same && data.out(t, c) == clean.out(t, c);
                }
            CAPTURE(bad);
            CHECK(same);
            CHECK(spread);
        }
    }
}

TEST_CASE("attention with huge scores picks the largest") {
    const AttentionShape s{1, 20, 1, 1, 4};
    Data data(s, 3000.0);
    data.run(Host(1), s);
    CHECK(distance(data.out, Reference(s, data.q, data.k, data.v).forward()) < 1e-4);
    for (const float x : data.dq.units()) CHECK(std::isfinite(x));
}

TEST_CASE("attention names the shapes that do not match") {
    const Host on(1);
    Tensor<float> q(Shape{8, 16}), k(Shape{8, 8}), v(Shape{8, 8}), out(Shape{8, 16});
    CHECK_THROWS_WITH_AS(attention(on, {1, 8, 2, 2, 8}, q, k, v, out),
                         doctest::Contains("k is [8, 8], expected [8, 16]"), Error);
    CHECK_THROWS_WITH_AS(attention(on, {1, 8, 3, 2, 8}, q, k, v, out),
                         doctest::Contains("3 heads are not a multiple of 2 key heads"), Error);
    CHECK_THROWS_WITH_AS(attention(on, {1, 7, 2, 1, 8}, q, k, v, out),
                         doctest::Contains("q is [8, 16], expected [7, 16]"), Error);
}
