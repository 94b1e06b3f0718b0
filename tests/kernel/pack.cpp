// Packing loses nothing: every code, scale and offset comes back, whatever the shape.
#include <nibble/kernel/pack.hpp>

#include "matmul_reference.hpp"

#include <cstring>

using namespace nibble;

namespace {

template <class T>
bool same(const T& a, const T& b) {
    return a.bytes() == b.bytes() &&
           (a.bytes() == 0 || std::memcmp(a.data(), b.data(), a.bytes()) == 0);
}

/// Every code of V in turn, NaNs and negative zeros of floats among them.
template <class F>
void fill_codes(Matrix<F>& w, Random& random) {
    test::fill(w, random);
    using V = value_of<F>;
    if constexpr (bits_v<V> <= 8) {
        unsigned code = 0;
        for (std::size_t r = 0; r < w.rows(); ++r)
            for (std::size_t k = 0; k < w.cols(); ++k, ++code)
                if constexpr (bits_v<V> < 8) {
                    w.codes().row(r).set(k, value_traits<V>::from_bits(static_cast<std::uint8_t>(
                                                code % (1u << bits_v<V>))));
                } else {
                    const auto byte = static_cast<std::uint8_t>(code);
                    std::memcpy(w.codes().data() + r * w.codes().stride() + k, &byte, 1);
                }
    }
}

template <class F>
void check(std::size_t rows, std::size_t cols) {
    INFO(to_string(spec_of<F>()), " ", rows, " x ", cols);
    Random random(rows * 1000 + cols);
    Matrix<F> w(rows, cols);
    fill_codes(w, random);
    for (const int threads : {1, 3}) {
        const Host on(threads);
        const Matrix<Packed<F>> packed = pack(on, w);
        REQUIRE(packed.rows() == rows);
        REQUIRE(packed.cols() == cols);
        REQUIRE(packed.spec() == w.spec());
        const Matrix<F> back = unpack(on, packed);
        REQUIRE(same(back.codes(), w.codes()));
        REQUIRE(same(back.scales(), w.scales()));
        REQUIRE(same(back.offsets(), w.offsets()));
        {
            std::vector<float> plain(padded(cols)), fast(padded(cols), 7.0f);
            std::size_t different = 0;
            for (std::size_t r = 0; r < rows; ++r) {
                load_row(w, r, plain.data());
                load_row(packed, r, fast.data());
                for (std::size_t k = 0; k < padded(cols); ++k) {
                    different += std::memcmp(&plain[k], &fast[k], 4) == 0 ||
                                         (plain[k] != plain[k] && fast[k] != fast[k]) ||
                                         (plain[k] == 0 && fast[k] == 0)
                                     ? 0
                                     : 1;
                    if (k >= cols) continue;
                    // Not their sum of products: how often that is rounded is the compiler's choice.
                    const auto code = decode(w.codes().row(r)[k]);
                    different += decode(packed.code(r, k)) == code || code != code ? 0 : 1;
                    different += packed.scale(r, k) == w.scale(r, k) ? 0 : 1;
                    different += packed.offset(r, k) == w.offset(r, k) ? 0 : 1;
                }
            }
            REQUIRE(different == 0);
        }
    }
}

}  // namespace

TEST_CASE_TEMPLATE("a packed matrix gives back every bit", F, float, half, nibble::bfloat16,
                   fp8_e4m3, PerTensor<fp8_e5m2, float>, Grouped<fp4_e2m1, 32, E8M0>,
                   Grouped<Nf4, 64>, Int8Value, PerRow<Int8Value>, PerTensor<Int8Value>,
                   Grouped<Int8Value, 32, float>, Grouped<Int8Value, 128, half, Offset::stored>,
                   Grouped<Int4Value, 32>, Grouped<Int4Value, 64>, Grouped<Int4Value, 128>,
                   Grouped<Int4Value, 32, fp8_e4m3>, Grouped<Int4Value, 40, half, Offset::stored>,
                   PerRow<Int4Value, float, Offset::stored>, Grouped<Int2Value, 32>,
                   Grouped<Ternary, 8>, PerRow<Ternary>) {
    for (const std::size_t rows : {1u, 15u, 16u, 33u})
        for (const std::size_t cols : {1u, 7u, 8u, 31u, 32u, 40u, 64u, 96u, 120u, 129u, 320u})
            check<F>(rows, cols);
    // Nothing to keep, but the shape.
    const Host on(1);
    CHECK(unpack(on, pack(on, Matrix<F>(0, 32))).shape() == Shape{0, 32});
    CHECK(unpack(on, pack(on, Matrix<F>(5, 0))).shape() == Shape{5, 0});
}

TEST_CASE("a packed matrix lies in lines and takes the place of the plain one") {
    const Matrix<Packed<Grouped<Int4Value, 32>>> w(4096, 4096);
    CHECK(w.bytes() == 4096 * 4096 / 2 + 4096 * 4096 / 32 * 2);
    CHECK(reinterpret_cast<std::uintptr_t>(w.tile(0)) % 64 == 0);
    CHECK(w.layout().tile_bytes % 64 == 0);
    CHECK(w(4095, 4095) == 0.0f);
}
