// SPDX-License-Identifier: BSL-1.0
// Weights of nets of fixed sizes: codes and scales in place, in the order in which one product with
// one vector reads them, and nowhere else.
//
//     columns   code (r, k) is element k * width + lane(r): rows in lanes (kernel/columns.hpp)
//     rows      code (r, k) is element r * width + k: for a few rows of many columns, where summing
//               across lanes is the shorter way
//     words     integers for products with activations in int8 (kernel/words.hpp): rows in lanes, and
//               in a lane's 32 bits the codes of the next 4, 8 or 16 columns
//
// Every code and scale keeps its bits: (r, k) can be read back, and what came from a Matrix<F> equals
// it. The padding of lanes has code 0.
#pragma once

#include <nibble/fixed/vector.hpp>
#include <nibble/kernel/columns.hpp>
#include <nibble/kernel/gates.hpp>
#include <nibble/kernel/scales.hpp>
#include <nibble/kernel/words.hpp>
#include <nibble/store/array.hpp>

namespace nibble::inline NIBBLE_ARCH {

namespace fixed {

/// Columns that share a scale in a row of `cols`: Matrix's rule (the format's group, fitted).
template <Format F>
[[nodiscard]] constexpr std::size_t run_of(std::size_t cols) noexcept {
    using Traits = format_traits<F>;
    if (Traits::granularity != Granularity::group) return cols;
    std::size_t g = Traits::group < cols ? Traits::group / 8 * 8 : cols / 8 * 8;
    for (; g >= 8; g -= 8)
        if (cols % g == 0) return g;
    return cols;
}

/// Whether a product of rows and columns is shorter row by row.
template <Format F, class A>
[[nodiscard]] constexpr bool by_rows(std::size_t rows, std::size_t cols) noexcept {
    constexpr std::size_t lanes = Batch<float, A>::lanes;
    constexpr std::size_t across = std::is_same_v<A, isa::Scalar> ? 1 : 6;
    return run_of<F>(cols) == cols && !format_traits<F>::has_offset &&
           rows * ((cols + lanes - 1) / lanes + across) < cols * ((rows + lanes - 1) / lanes);
}

/// How weights lie; see above.
enum class Form : std::uint8_t { columns, rows, words };

/// The form of P's weights in a product of a layer with `cols` inputs: words where activations are
/// quantized and groups are whole words, else columns.
template <LayerPrecision P>
[[nodiscard]] constexpr Form form_of(std::size_t cols) noexcept {
    using F = weight_t<P>;
    if constexpr (std::is_same_v<activation_t<P>, Int8Value> && is_integer_value<value_of<F>>) {
        const std::size_t run = run_of<F>(cols);
        return run == cols || run % word_codes<value_of<F>> == 0 ? Form::words : Form::columns;
    } else {
        return Form::columns;
    }
}

/// order.gates * order.units rows of Cols numbers in format F.
template <Format F, GateOrder Order, std::size_t Cols, class A, Form How = Form::columns>
struct Weights {
    using Traits = format_traits<F>;
    using V = typename Traits::Value;
    using S = typename Traits::Scale;
    using B = Batch<float, A>;
    static constexpr std::size_t row_count = Order.gates * Order.units;
    static constexpr std::size_t run = run_of<F>(Cols);
    static constexpr std::size_t groups = Traits::scaled ? Cols / run : 0;
    static constexpr std::size_t width =
        How == Form::rows ? whole_registers<A>(Cols) : Order.size();
    static constexpr std::size_t scale_width = How == Form::rows ? row_count : width;
    static constexpr std::size_t code_count =
        width * (How == Form::rows      ? row_count
                 : How == Form::columns ? Cols
                                        : words_for<V>(Cols) * word_codes<V>);
    using Bytes = ByteVector<V, Cols, run, Traits::has_offset, A>;
    template <int>
    struct None {};  // empty members of one type would take room
    template <bool There, int I>
    using Scales = std::conditional_t<There, S[There ? groups * scale_width : 1], None<I>>;
    using Sums =
        std::conditional_t<How == Form::words, std::int32_t[Bytes::groups * width], None<2>>;

    alignas(register_bytes<A>) ValueArray<V, code_count> codes{};
    [[no_unique_address]] Scales<Traits::scaled, 0> scales{};
    [[no_unique_address]] Scales<Traits::has_offset, 1> offsets{};
    alignas(How == Form::words ? register_bytes<A> : 1) [[no_unique_address]] Sums sums{};

    [[nodiscard]] static constexpr std::size_t rows() noexcept { return row_count; }
    [[nodiscard]] static constexpr std::size_t cols() noexcept { return Cols; }
    [[nodiscard]] static constexpr std::size_t size() noexcept { return row_count * Cols; }

    /// The code at (r, k).
    [[nodiscard]] V code(std::size_t r, std::size_t k) const noexcept { return codes[place(r, k)]; }
    /// The scale of the group that column k of row r lies in; 1 without scales.
    [[nodiscard]] float scale(std::size_t r, std::size_t k) const noexcept {
        if constexpr (!Traits::scaled) return 1.0f;
        else return decode(scales[scale_place(r, k / run)]);
    }
    /// Likewise the offset; 0 without.
    [[nodiscard]] float offset(std::size_t r, std::size_t k) const noexcept {
        if constexpr (!Traits::has_offset) return 0.0f;
        else return decode(offsets[scale_place(r, k / run)]);
    }
    /// The number at (r, k).
    [[nodiscard]] float operator()(std::size_t r, std::size_t k) const noexcept {
        return static_cast<float>(decode(code(r, k))) * scale(r, k) + offset(r, k);
    }

    /// Stores row r: the nearest codes under scales that cover the largest magnitude of each group
    /// (per-tensor formats get a scale for each row too). x is finite.
    void set_row(std::size_t r, std::span<const float, Cols> x) noexcept {
        for (std::size_t first = 0; first < Cols; first += run) {
            float by = 1.0f, from = 0.0f;
            if constexpr (Traits::scaled) {
                float low = 0.0f, high = 0.0f;
                for (std::size_t k = first; k < first + run; ++k) {
                    low = x[k] < low ? x[k] : low;
                    high = x[k] > high ? x[k] : high;
                }
                if constexpr (Traits::has_offset) {
                    constexpr float bottom = reach<V>(value_traits<V>::lowest());
                    constexpr float top = reach<V>(value_traits<V>::highest());
                    from = stored_number<S>(low - bottom * ((high - low) / (top - bottom)));
                    const float up = (high - from) / top, down = (low - from) / bottom;
                    by = covering_scale<V, S>((up > down ? up : down) * top);
                    offsets[scale_place(r, first / run)] = encode<S>(from);
                } else {
                    by = covering_scale<V, S>(high > -low ? high : -low);
                }
                scales[scale_place(r, first / run)] = encode<S>(by);
                by = inverse_scale(by);
            }
            for (std::size_t k = first; k < first + run; ++k)
                codes.set(place(r, k), encode<V>((x[k] - from) * by));
        }
        sum_row(r);
    }

    /// Copies a Matrix of any format, or other Weights, of the same shape. Codes and scales of the same
    /// format are copied bit for bit, any other is stored again row by row. False when the shapes
    /// differ; nothing is changed then.
    template <class M>
    bool copy(const M& from) noexcept {
        if (from.rows() != rows() || from.cols() != cols()) return false;
        if constexpr (std::is_same_v<typename M::Traits, Traits>) {
            for (std::size_t r = 0; r < rows(); ++r)
                for (std::size_t k = 0; k < Cols; ++k) {
                    codes.set(place(r, k), code_of(from, r, k));
                    if constexpr (Traits::scaled)
                        scales[scale_place(r, k / run)] = encode<S>(from.scale(r, k));
                    if constexpr (Traits::has_offset)
                        offsets[scale_place(r, k / run)] = encode<S>(from.offset(r, k));
                }
            for (std::size_t r = 0; r < rows(); ++r) sum_row(r);
        } else {
            for (std::size_t r = 0; r < rows(); ++r) {
                float row[Cols];
                for (std::size_t k = 0; k < Cols; ++k) row[k] = from(r, k);
                set_row(r, std::span<const float, Cols>(row));
            }
        }
        return true;
    }

    /// What add takes for x: x itself, or its codes.
    [[nodiscard]] NIBBLE_INLINE auto prepare(const float* x) const noexcept {
        if constexpr (How == Form::words) return Bytes(x);
        else return x;
    }

    /// sum += this matrix times x, for T registers of lanes from `first` on.
    template <std::size_t T, class X>
    NIBBLE_INLINE void add(std::size_t first, const X& x, B (&sum)[T]) const noexcept
        requires(How != Form::rows)
    {
        Columns<F> w{codes.storage.data(), nullptr, nullptr, width, Cols, run};
        if constexpr (Traits::scaled) w.scales = scales;
        if constexpr (Traits::has_offset) w.offsets = offsets;
        if constexpr (How == Form::words) add_words<A, T>(w, sums, first, x, sum);
        else add_product<A, T, column_sets(T, run)>(w, first, x, sum);
    }

    /// The product of row r with x, whose padding is finite.
    [[nodiscard]] NIBBLE_INLINE float dot(std::size_t r, const float* x) const noexcept
        requires(How == Form::rows)
    {
        constexpr std::size_t steps = width / B::lanes, sets = steps < 4 ? steps : 4;
        B part[sets];
        unroll<sets>([&](auto s) NIBBLE_INLINE_LAMBDA { part[s] = B(0.0f); });
        unroll<steps>([&](auto i) NIBBLE_INLINE_LAMBDA {
            part[i % sets] = fma(decode_lanes<V, A>(codes.storage.data(), r * width + i * B::lanes),
                                 B::load(x + i * B::lanes), part[i % sets]);
        });
        unroll<sets - 1>([&](auto s) NIBBLE_INLINE_LAMBDA { part[0] = part[0] + part[s + 1]; });
        if constexpr (Traits::scaled) return reduce_add(part[0]) * decode_one<S, A>(scales[r]);
        else return reduce_add(part[0]);
    }

private:
    [[nodiscard]] static constexpr std::size_t place(std::size_t r, std::size_t k) noexcept {
        if (How == Form::rows) return r * width + k;
        if (How == Form::columns) return k * width + Order.lane(r);
        constexpr std::size_t in_word = word_codes<V>, in_byte = in_word / 4;
        return (k / in_word * width + Order.lane(r)) * in_word + k % 4 * in_byte + k / 4 % in_byte;
    }
    [[nodiscard]] static constexpr std::size_t scale_place(std::size_t r, std::size_t g) noexcept {
        return How == Form::rows ? r : g * scale_width + Order.lane(r);
    }
    void sum_row([[maybe_unused]] std::size_t r) noexcept {
        if constexpr (How == Form::words)
            for (std::size_t g = 0; g < Bytes::groups; ++g) {
                std::int32_t sum = 0;
                for (std::size_t k = g * Bytes::group; k < Cols && k < (g + 1) * Bytes::group; ++k)
                    sum += code(r, k).code;
                sums[g * width + Order.lane(r)] = Bytes::start(sum);
            }
    }
    template <class M>
    static V code_of(const M& from, std::size_t r, std::size_t k) noexcept {
        if constexpr (requires { from.code(r, k); }) return from.code(r, k);
        else return from.codes().row(r)[k];
    }
};

/// A number for each row: a bias.
template <GateOrder Order, class A>
struct Bias {
    alignas(register_bytes<A>) float lane[Order.size()] = {};

    [[nodiscard]] static constexpr std::size_t size() noexcept { return Order.gates * Order.units; }
    [[nodiscard]] float& operator[](std::size_t r) noexcept { return lane[Order.lane(r)]; }
    [[nodiscard]] float operator[](std::size_t r) const noexcept { return lane[Order.lane(r)]; }
    /// Copies a Tensor of as many numbers, or another Bias; an empty one gives zeros. False when the
    /// sizes differ.
    template <class T>
    bool copy(const T& from) noexcept {
        if (from.size() != 0 && from.size() != size()) return false;
        for (std::size_t r = 0; r < size(); ++r)
            if constexpr (requires { from.row(0); })
                (*this)[r] = from.size() == 0 ? 0.0f : from.row(0)[r];
            else (*this)[r] = from[r];
        return true;
    }
};

}  // namespace fixed

}  // namespace nibble
