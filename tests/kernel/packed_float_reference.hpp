// Products of float activations with packed weights against double precision, at every number of rows.
#pragma once

#include "matmul_reference.hpp"

#include <nibble/kernel/pack.hpp>
#include <nibble/kernel/packed_float.hpp>

namespace test {

template <class A, class F>
void check_packed(std::size_t m, std::size_t n, std::size_t k, Random& random) {
    INFO(std::string(A::name), " ", to_string(spec_of<F>()), ": ", m, " x ", n, " x ", k);
    const BasicHost<A> on(1);
    const bool whole = random.below(2) == 0;
    Matrix<F> w(n, k);
    fill(w, random);
    const Exact<F> exact(w);
    const Matrix<Packed<F>> packed = pack(on, w);
    Window x(m, k, whole), y(m, n, whole);
    x.fill(random);
    matmul(on, packed, x.view, y.view);
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
}

// Every number of rows up to two tiles and a bit; widths around runs, chunks and lines.
template <class A, class... F>
void check_packed_formats(TypeList<F...>) {
    Random random(21);
    constexpr std::size_t widths[] = {1, 7, 8, 24, 31, 32, 33, 40, 63, 64, 72, 96, 100, 160, 320};
    const auto each = [&]<class G>(G*) {
        for (std::size_t m = 0; m <= 27; ++m)
            check_packed<A, G>(m, 1 + random.below(70), widths[random.below(std::size(widths))],
                               random);
        for (const std::size_t n : {1u, 15u, 16u, 17u, 31u, 32u, 33u, 64u, 65u})
            for (const std::size_t m : {1u, 2u, 5u, 13u})
                check_packed<A, G>(m, n, widths[random.below(std::size(widths))], random);
        for (const std::size_t k : widths)
            for (const std::size_t m : {1u, 3u, 8u, 9u, 40u}) check_packed<A, G>(m, 20, k, random);
        check_packed<A, G>(1, 40, 1100, random);
        check_packed<A, G>(17, 40, 1000, random);
        check_packed<A, G>(30, 40, 600, random);
    };
    (each(static_cast<F*>(nullptr)), ...);
}

}  // namespace test
