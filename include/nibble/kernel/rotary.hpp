// SPDX-License-Identifier: BSL-1.0
// Rotary position embedding (Su et al. 2021): pairs of a head's numbers turn by an angle that grows
// with the row's position,
//
//     angle(i) = position * base^(-2i / size),   i < size / 2
//
// A pair is (i, i + size/2) of each head ("split": GPT-NeoX, Llama in safetensors) or (2i, 2i + 1)
// ("interleaved": the paper, Llama in GGUF). Turning back by the same angle is the gradient.
#pragma once

#include <nibble/kernel/transform.hpp>

#include <algorithm>
#include <span>

namespace nibble::inline NIBBLE_ARCH {

/// How turning is slowed down for contexts longer than a model was trained with.
enum class RotaryScalingKind : std::uint8_t {
    none,
    linear,  ///< all angles divided by factor (Chen et al. 2023, position interpolation)
    llama3,  ///< only those that turn slowly: see rotary_scaled
};

/// The kind and its numbers.
struct RotaryScaling {
    RotaryScalingKind kind = RotaryScalingKind::none;
    double factor = 1.0;
    double low = 1.0;   ///< llama3: a pair that turns less often in the original context is slowed
    double high = 4.0;  ///< llama3: one that turns more often is not
    double context = 8192.0;  ///< llama3: the original context
};

/// An angle per position as the scaling has it. llama3 (Llama 3.1's report): with n turns in the original
/// context, f / factor for n < low, f for n > high, and a straight line in n between them.
[[nodiscard]] inline double rotary_scaled(double f, const RotaryScaling& s) noexcept {
    if (s.kind == RotaryScalingKind::none) return f;
    if (s.kind == RotaryScalingKind::linear) return f / s.factor;
    const double turns = s.context * f / 6.283185307179586;
    if (turns > s.high) return f;
    if (turns < s.low) return f / s.factor;
    const double smooth = (turns - s.low) / (s.high - s.low);
    return (1 - smooth) * f / s.factor + smooth * f;
}

/// Which numbers of a head, and how fast they turn.
struct RotaryShape {
    std::size_t heads = 1;
    std::size_t head_size = 0;
    std::size_t size = 0;  ///< the first `size` numbers of each head turn, an even count; 0: all
    double base = 10000.0;
    bool interleaved = false;
    RotaryScaling scaling{};

    [[nodiscard]] std::size_t turning() const noexcept { return size == 0 ? head_size : size; }
};

/// cos and sin for positions 0, 1, ...: computed once, in double, and used by every layer.
struct RotaryTable {
    Tensor<float> cosines;  ///< [positions, turning]: one factor for each number of a head
    Tensor<float>
        sines;  ///< the factor of the number's partner: -sin for a pair's first, then +sin
};

/// One row of the table.
template <class A>
void rotary_factors(const RotaryShape& s, std::size_t position, float* cosines, float* sines) {
    const std::size_t n = s.turning(), pairs = n / 2;
    for (std::size_t i = 0; i < pairs; ++i) {
        const double angle =
            static_cast<double>(position) *
            rotary_scaled(std::pow(s.base, -2.0 * static_cast<double>(i) / static_cast<double>(n)),
                          s.scaling);
        const auto c = static_cast<float>(std::cos(angle)), d = static_cast<float>(std::sin(angle));
        const std::size_t first = s.interleaved ? 2 * i : i;
        const std::size_t second = s.interleaved ? 2 * i + 1 : i + pairs;
        cosines[first] = cosines[second] = c;
        sines[first] = -d;
        sines[second] = d;
    }
}

/// The table for positions below `positions`.
template <class A>
[[nodiscard]] RotaryTable rotary_table(const BasicHost<A>& on, const RotaryShape& s,
                                       std::size_t positions) {
    RotaryTable table{Tensor<float>(Shape{positions, s.turning()}),
                      Tensor<float>(Shape{positions, s.turning()})};
    on.parallel_for(positions, 16, [&](std::size_t first, std::size_t end) {
        for (std::size_t p = first; p < end; ++p)
            rotary_factors<A>(s, p, table.cosines.view().row(p), table.sines.view().row(p));
    });
    return table;
}

inline void expect_rotary(const RotaryShape& s, View<const float> x,
                          std::span<const std::int32_t> positions) {
    expect_shape(x, positions.size(), s.heads * s.head_size, "rotary", "the input");
    if (s.turning() % 2 != 0 || s.turning() > s.head_size)
        fail("rotary: " + std::to_string(s.turning()) + " of " + std::to_string(s.head_size) +
             " numbers turn, expected an even count of at most all");
}

/// Turns the heads of one row. `partner` is scratch for one head.
template <class A>
void rotate_row(const RotaryShape& s, float* x, const float* cosines, const float* sines,
                bool inverse, float* partner) noexcept {
    using B = Batch<float, A>;
    const std::size_t n = s.turning(), pairs = n / 2;
    const B direction(inverse ? -1.0f : 1.0f);
    for (std::size_t h = 0; h < s.heads; ++h, x += s.head_size) {
        if (s.interleaved) {
            for (std::size_t i = 0; i < n; i += 2) {
                partner[i] = x[i + 1];
                partner[i + 1] = x[i];
            }
        } else {
            std::copy(x, x + pairs, partner + pairs);
            std::copy(x + pairs, x + n, partner);
        }
        for (std::size_t i = 0; i < n; i += B::lanes) {
            const std::size_t left = n - i;
            const B turned = load_part<A>(sines + i, left, true) * direction *
                             load_part<A>(partner + i, left, true);
            store_part(fma(load_part<A>(x + i, left, false), load_part<A>(cosines + i, left, true),
                           turned),
                       x + i, left, false);
        }
    }
}

/// Turns each row of x by its position's angle, in place; `inverse` turns back: from the gradient of
/// the result to that of the input. A position outside the table is an Error.
template <class A>
void rotary(const BasicHost<A>& on, const RotaryShape& s, const RotaryTable& table, View<float> x,
            std::span<const std::int32_t> positions, bool inverse = false) {
    expect_rotary(s, x, positions);
    expect_equal(table.cosines.cols(), s.turning(), "rotary", "the table's width");
    for (std::size_t i = 0; i < positions.size(); ++i)
        if (positions[i] < 0 || static_cast<std::size_t>(positions[i]) >= table.cosines.rows())
            fail("rotary: position " + std::to_string(i) + " is " + std::to_string(positions[i]) +
                 ", but the table has " + std::to_string(table.cosines.rows()));
    on.parallel_for(x.rows, 8192 / (x.cols + 1) + 1, [&](std::size_t first, std::size_t end) {
        auto partner = Tensor<float>(Shape{s.turning()});
        for (std::size_t r = first; r < end; ++r) {
            const auto p = static_cast<std::size_t>(positions[r]);
            rotate_row<A>(s, x.row(r), table.cosines.view().row(p), table.sines.view().row(p),
                          inverse, partner.data());
        }
    });
}

/// The same without a table, for a few rows: positions of any size.
template <class A>
void rotary(const BasicHost<A>& on, const RotaryShape& s, View<float> x,
            std::span<const std::int32_t> positions, bool inverse = false) {
    expect_rotary(s, x, positions);
    for (std::size_t i = 0; i < positions.size(); ++i)
        if (positions[i] < 0)
            fail("rotary: position " + std::to_string(i) + " is " + std::to_string(positions[i]));
    on.parallel_for(x.rows, 16, [&](std::size_t first, std::size_t end) {
        Tensor<float> scratch(Shape{3, s.turning()});
        const View<float> rows = scratch;
        for (std::size_t r = first; r < end; ++r) {
            const auto p = static_cast<std::size_t>(positions[r]);
            if (r == first || positions[r] != positions[r - 1])
                rotary_factors<A>(s, p, rows.row(0), rows.row(1));
            rotate_row<A>(s, x.row(r), rows.row(0), rows.row(1), inverse, rows.row(2));
        }
    });
}

}  // namespace nibble
