// SPDX-License-Identifier: BSL-1.0
// The factors of a symmetric positive matrix that error compensation needs, in double.
//
//     A = L L^T,  L lower triangular
//
// Columns in blocks of 64: a block's own rows first, then all below it in parallel. Each element is
// one sum in a fixed order, so the result does not depend on the number of threads.
#pragma once

#include <nibble/kernel/executor.hpp>

#include <cmath>
#include <vector>

namespace nibble::inline NIBBLE_ARCH {
namespace ptq {

/// A square matrix of doubles, row by row.
struct Square {
    std::size_t n = 0;
    std::vector<double> data;

    Square() = default;
    explicit Square(std::size_t size) : n(size), data(size * size) {}
    [[nodiscard]] double* row(std::size_t i) noexcept { return data.data() + i * n; }
    [[nodiscard]] const double* row(std::size_t i) const noexcept { return data.data() + i * n; }
};

/// The sum of a[k] * b[k], over eight partial sums.
[[nodiscard]] inline double dot(const double* a, const double* b, std::size_t n) noexcept {
    double part[8] = {};
    std::size_t k = 0;
    for (; k + 8 <= n; k += 8)
        for (std::size_t i = 0; i < 8; ++i) part[i] += a[k + i] * b[k + i];
    for (; k < n; ++k) part[0] += a[k] * b[k];
    return ((part[0] + part[4]) + (part[2] + part[6])) +
           ((part[1] + part[5]) + (part[3] + part[7]));
}

/// Replaces the lower half of `a` by L; what is above the diagonal is not read and stays. False when
/// `a` is not positive definite: its contents are then of no use.
[[nodiscard]] inline bool cholesky(Host& on, Square& a) {
    constexpr std::size_t block = 64;
    for (std::size_t first = 0; first < a.n; first += block) {
        const std::size_t end = first + block < a.n ? first + block : a.n;
        for (std::size_t i = first; i < end; ++i) {
            for (std::size_t j = first; j < i; ++j)
                a.row(i)[j] = (a.row(i)[j] - dot(a.row(i), a.row(j), j)) / a.row(j)[j];
            const double rest = a.row(i)[i] - dot(a.row(i), a.row(i), i);
            if (!(rest > 0) || !std::isfinite(rest)) return false;
            a.row(i)[i] = std::sqrt(rest);
        }
        on.parallel_for(a.n - end, 8, [&](std::size_t from, std::size_t to) {
            for (std::size_t i = end + from; i < end + to; ++i)
                for (std::size_t j = first; j < end; ++j)
                    a.row(i)[j] = (a.row(i)[j] - dot(a.row(i), a.row(j), j)) / a.row(j)[j];
        });
    }
    return true;
}

}  // namespace ptq
}  // namespace nibble
