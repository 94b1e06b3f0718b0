// Products of bfloat16 with bfloat16: against double precision, and the same bits on every instruction
// set that fuses multiply-adds.
#include "matmul_reference.hpp"

#include <nibble/kernel/math.hpp>
#include <nibble/kernel/pack.hpp>
#include <nibble/kernel/packed_bf16.hpp>

using namespace nibble;

namespace {

template <class A>
void check(std::size_t m, std::size_t n, std::size_t k, Random& random) {
    INFO(std::string(A::name), ": ", m, " x ", n, " x ", k);
    const BasicHost<A> on(1);
    const bool whole = random.below(2) == 0;
    Matrix<bfloat16> w(n, k);
    test::fill(w, random);
    const auto packed = pack(on, w);
    test::Window x(m, k, whole), y(m, n, whole);
    x.fill(random);
    matmul_bf16(on, packed, x.view, y.view);
    std::size_t bad = 0, different = 0;
    for (std::size_t i = 0; i < m; ++i)
        for (std::size_t j = 0; j < n; ++j) {
            test::Sum sum;
            float chain = 0;
            for (std::size_t l = 0; l < k; l += 2) {
                const auto product = [&](std::size_t at) {
                    const float a = at < k ? decode(encode<bfloat16>(x.view(i, at))) : 0.0f;
                    const float b = at < k ? decode(w.codes()(j, at)) : 0.0f;
                    sum.add(double(a), double(b));
                    chain = std::fma(a, b, chain);
                };
                product(l + 1);
                product(l);
            }
            bad += sum.near(y.view(i, j), k) ? 0 : 1;
            different += chain == y.view(i, j) ? 0 : 1;
        }
    REQUIRE(bad == 0);
    if (is_avx<A> || is_neon<A>) REQUIRE(different == 0);
    REQUIRE(y.surroundings_intact());
}

}  // namespace

TEST_CASE_TEMPLATE("bfloat16 with bfloat16", A, isa::Scalar, Isa) {
    Random random(31);
    for (std::size_t m = 1; m <= 27; ++m)
        check<A>(m, 1 + random.below(70), 1 + random.below(140), random);
    test::for_shapes(
        [&](std::size_t m, std::size_t n, std::size_t k) { check<A>(m, n, k, random); });
    check<A>(14, 33, 1501, random);
    check<A>(30, 40, 1200, random);
}

#if NIBBLE_SIMD && defined(__AVX512BF16__) && defined(NIBBLE_HAS_AVX512)
TEST_CASE("bfloat16 widened for want of vdpbf16ps gives its bits") {
    Random random(32);
    test::for_shapes([&](std::size_t m, std::size_t n, std::size_t k) {
        check<isa::Avx512>(m, n, k, random);
        check<isa::Avx2>(m, n, k, random);
    });
}
#endif

TEST_CASE_TEMPLATE("activations round to bfloat16 as values do", A, isa::Scalar, Isa) {
    using B = Batch<float, A>;
    Random random(33);
    for (int i = 0; i < 20000; ++i) {
        float in[B::lanes];
        std::uint32_t out[B::lanes];
        for (float& v : in)
            v = std::bit_cast<float>(static_cast<std::uint32_t>(random.below(0x100000000u)));
        in[0] = i % 2 == 0 ? NAN : -INFINITY;
        round_to_bf16<A>(B::load(in)).store(out);
        for (std::size_t j = 0; j < B::lanes; ++j) {
            const float expected = decode(encode<bfloat16>(in[j]));
            const float got = std::bit_cast<float>(out[j]);
            REQUIRE((got == expected || (got != got && expected != expected)));
        }
    }
}

TEST_CASE("bfloat16 products: threads, epilogues, shapes") {
    Random random(34);
    Matrix<bfloat16> w(300, 700);
    test::fill(w, random);
    const auto packed = pack(Host(1), w);
    for (const std::size_t m : {1u, 9u, 500u}) {
        test::Window x(m, 700, true);
        x.fill(random);
        Tensor<float> first({m, 300}), y({m, 300}), z({m, 300});
        matmul_bf16(Host(1), packed, x.view, first.view());
        for (const int threads : {2, 3}) {
            matmul_bf16(Host(threads), packed, x.view, y.view());
            REQUIRE(std::memcmp(y.data(), first.data(), y.bytes()) == 0);
        }
        matmul_bf16(Host(1), packed, x.view, z.view(), Apply{[](auto v) { return relu(v); }});
        for (std::size_t i = 0; i < m; ++i)
            for (std::size_t n = 0; n < 300; ++n)
                REQUIRE(z(i, n) == (first(i, n) > 0 ? first(i, n) : 0.0f));
    }
    Tensor<float> narrow({2, 32}), y({2, 300});
    CHECK_THROWS_WITH_AS(matmul_bf16(Host(1), packed, narrow, y),
                         "nibble: matmul_bf16: x is [2, 32], expected [2, 700]", Error);
}
