// Batches of small products against double precision, at every small shape.
#include "matmul_reference.hpp"

#include <nibble/kernel/math.hpp>
#include <nibble/kernel/matmul_batched.hpp>

using namespace nibble;

namespace {

template <class A>
void check(std::size_t batch, std::size_t m, std::size_t n, std::size_t k, Random& random,
           int threads = 1) {
    INFO(std::string(A::name), ": ", batch, " of ", m, " x ", n, " x ", k);
    const bool whole = random.below(2) == 0;
    test::Window w(batch * n, k, whole), x(batch * m, k, whole), y(batch * m, n, whole);
    w.fill(random);
    x.fill(random);
    matmul_batched(BasicHost<A>(threads), batch, w.view, x.view, y.view);
    std::size_t bad = 0;
    for (std::size_t b = 0; b < batch; ++b)
        for (std::size_t i = 0; i < m; ++i)
            for (std::size_t j = 0; j < n; ++j) {
                test::Sum sum;
                for (std::size_t l = 0; l < k; ++l)
                    sum.add(double(x.view(b * m + i, l)), double(w.view(b * n + j, l)));
                bad += sum.near(y.view(b * m + i, j), k) ? 0 : 1;
            }
    REQUIRE(bad == 0);
    REQUIRE(y.surroundings_intact());
}

}  // namespace

TEST_CASE_TEMPLATE("batches of small products", A, isa::Scalar, Isa) {
    Random random(41);
    for (std::size_t size = 1; size <= 35; ++size) check<A>(3, size, size, size, random);
    for (int i = 0; i < 60; ++i)
        check<A>(1 + random.below(4), 1 + random.below(70), 1 + random.below(70),
                 1 + random.below(90), random);
    check<A>(2, 5, 6, 700, random);
    check<A>(2, 3, 4, 0, random);
    check<A>(900, 16, 16, 16, random, 3);
}

TEST_CASE("batches: threads, dense strides, epilogues, shapes") {
    Random random(42);
    constexpr std::size_t batch = 3000, s = 4;
    std::vector<float> w(batch * s * s), x(w.size()), y(w.size()), z(w.size());
    for (float& v : w) v = static_cast<float>(random.uniform());
    for (float& v : x) v = static_cast<float>(random.uniform());
    const auto view = [](auto& v) { return View<float>{v.data(), batch * s, s, s}; };
    matmul_batched(Host(1), batch, view(w), view(x), view(y));
    for (std::size_t b = 0; b < batch; ++b)
        for (std::size_t i = 0; i < s; ++i)
            for (std::size_t j = 0; j < s; ++j) {
                float sum = 0;
                for (std::size_t l = 0; l < s; ++l)
                    sum += x[(b * s + i) * s + l] * w[(b * s + j) * s + l];
                REQUIRE(y[(b * s + i) * s + j] == doctest::Approx(sum).epsilon(1e-6));
            }
    for (const int threads : {2, 3}) {
        matmul_batched(Host(threads), batch, view(w), view(x), view(z));
        REQUIRE(z == y);
    }
    matmul_batched(Host(2), batch, view(w), view(x), view(z), AddRows{view(y)});
    for (std::size_t i = 0; i < z.size(); ++i) REQUIRE(z[i] == y[i] + y[i]);
    Tensor<float> a({6, 8}), b({9, 8}), c({6, 3}), wrong({6, 4});
    matmul_batched(Host(1), 3, b.view(), a.view(), c.view());
    CHECK_THROWS_WITH_AS(matmul_batched(Host(1), 3, b.view(), a.view(), wrong.view()),
                         "nibble: matmul_batched: w is [9, 8], expected [12, 8]", Error);
    CHECK_THROWS_WITH_AS(matmul_batched(Host(1), 4, b.view(), a.view(), c.view()),
                         "nibble: matmul_batched: y is [6, 3], expected [4, 3]", Error);
}
