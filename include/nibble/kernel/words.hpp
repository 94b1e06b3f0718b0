// SPDX-License-Identifier: BSL-1.0
// Products of a small integer matrix with one vector that is quantized to int8 on the fly.
//
//     sum[r] += sum over groups g of ws[r, g] xs[g] (sum over k in g of code[r, k] q[k])
//                                  + wo[r, g] xs[g] (sum over k in g of q[k])
//
// q = x / xs rounded to nearest in [-127, 127], xs = max |x| / 127, for each 32 columns (or the part of
// 32 that divides the weights' run). As in matmul_int8 a group below 2^-100 counts as zero, and an
// infinity or NaN makes the sums NaN.
//
// Weights lie in words of 32 bits, rows side by side in lanes: bits [b c, b c + b) of byte i of a word
// hold the code of column 4 c + i of its 32 / b. A shift puts the codes of four columns at the top of
// their bytes, so they are signed bytes 2^(8 - b) times as large, and dot products take them as they
// are, with activations as the unsigned operand, q + 128; the 128 is taken off by the number that a
// sum starts from, which is kept with the weights. For int8 that is one byte product and no other
// instruction a register; for int4 two of each, with one shift and two masks.
#pragma once

#include <nibble/kernel/columns.hpp>
#include <nibble/kernel/dot.hpp>

#include <limits>

namespace nibble::inline NIBBLE_ARCH {

/// Codes in a word of 32 bits.
template <class V>
inline constexpr std::size_t word_codes = 32 / bits_v<V>;
/// Words that n columns take.
template <class V>
[[nodiscard]] constexpr std::size_t words_for(std::size_t n) noexcept {
    return (n + word_codes<V> - 1) / word_codes<V>;
}

/// N numbers as bytes q + 128, padded with 128, and the scales of their groups (and, with Sums, what
/// their q add up to); Run is the weights'.
template <class V, std::size_t N, std::size_t Run, bool Sums, class A>
struct ByteVector {
    /// Columns that share a scale of x, and how many such groups there are.
    static constexpr std::size_t lowest = Run & (~Run + 1);
    static constexpr std::size_t group = Run == N || lowest > 32 ? 32 : lowest;
    static constexpr std::size_t groups = (N + group - 1) / group;
    static constexpr std::size_t size = N;
    static constexpr int shift = 8 - bits_v<V>;
    using B = Batch<float, A>;
    using I = Batch<std::int32_t, A>;

    alignas(64) std::uint8_t code[(N + 63) / 64 * 64];
    float scale[groups];           ///< times 2^-shift
    float sum[Sums ? groups : 1];  ///< of q

    /// The number that the products of a group start from, from the sum of a row's codes in it.
    [[nodiscard]] static constexpr std::int32_t start(std::int32_t codes) noexcept {
        return -128 * codes * (1 << shift);
    }

    /// Reads whole registers: the padding of x is finite.
    explicit NIBBLE_INLINE ByteVector(const float* x) noexcept {
        for (std::size_t g = 0; g < groups; ++g) {
            const std::size_t first = g * group;
            I most(0);
            for (std::size_t i = first; i < N && i < first + group; i += B::lanes)
                most =
                    max(most, bit_cast_to<std::int32_t>(part(x, i, first + group)) & I(0x7FFFFFFF));
            // Without the sign, floats are ordered as their bits are, NaN last.
            const float magnitude = std::bit_cast<float>(reduce_max(most));
            const float inverse = magnitude < 0x1p-100f ? 0.0f : 127.0f / magnitude;
            // magnitude - magnitude is 0, or NaN.
            constexpr float unit = 1.0f / 127 / static_cast<float>(1 << shift);
            scale[g] = magnitude < 0x1p-100f ? 0.0f : magnitude * unit + (magnitude - magnitude);
            for (std::size_t i = first; i < first + group && i < (N + 31) / 32 * 32;
                 i += B::lanes) {
                const B by = i < N ? part(x, i, first + group) * B(inverse) : B(0.0f);
                store_bytes(code + i, to_int_nearest(by) + I(128));
            }
        }
        for (std::size_t i = (N + 31) / 32 * 32; i < sizeof(code); ++i) code[i] = 128;
        if constexpr (Sums) add_up();
    }

    /// Four bytes from k on, in every lane.
    [[nodiscard]] NIBBLE_INLINE I four(std::size_t k) const noexcept {
        std::int32_t word;
        std::memcpy(&word, code + k, 4);
        return I(word);
    }

private:
    NIBBLE_INLINE void add_up() noexcept {
        for (std::size_t g = 0; g < groups; ++g) {
            std::int32_t all = 0;
            for (std::size_t k = g * group; k < N && k < (g + 1) * group; ++k) all += code[k] - 128;
            sum[g] = static_cast<float>(all);
        }
    }
    // The register at i, zeros from the end of the group or of x on.
    [[nodiscard]] static NIBBLE_INLINE B part(const float* x, std::size_t i,
                                              std::size_t end) noexcept {
        const B v = B::load(x + i);
        end = end < N ? end : N;
        if (i + B::lanes <= end) return v;
        return select(I::iota(0) < I(static_cast<std::int32_t>(end - i)), v, B(0.0f));
    }
    static NIBBLE_INLINE void store_bytes(std::uint8_t* to, I codes) noexcept {
#if NIBBLE_SIMD && defined(__AVX2__)
        if constexpr (is_avx<A>) {
            x86::store_codes<8, A>(to, bit_cast_to<std::uint32_t>(codes));
        } else
#endif
        {
            std::int32_t lane[I::lanes];
            codes.store(lane);
            for (std::size_t j = 0; j < I::lanes; ++j) to[j] = static_cast<std::uint8_t>(lane[j]);
        }
    }
};

/// `lanes` words from bytes. On x86 a register is loaded as one: through an array, g++ at -O2 copies it in
/// halves, which a load of the whole then waits for.
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<std::uint32_t, A> load_word_lanes(const void* p) noexcept {
    if constexpr (is_avx<A> || is_sse<A>)
        return Batch<std::uint32_t, A>::load(static_cast<const std::uint32_t*>(p));
    else return load_words<std::uint32_t, A>(p);
}

/// sum plus the products of a word's codes with the bytes of its columns, four in each of `by`.
template <class V, std::size_t C = 0, class A>
[[nodiscard]] NIBBLE_INLINE Batch<std::int32_t, A> dot_word(
    Batch<std::int32_t, A> sum, Batch<std::uint32_t, A> word,
    const Batch<std::int32_t, A>* by) noexcept {
    constexpr std::size_t planes = word_codes<V> / 4;
    constexpr std::uint32_t top = (0xFFu << (8 - bits_v<V>)) & 0xFFu;
    constexpr int up = 8 - bits_v<V> * static_cast<int>(C + 1);
    auto plane = word;
    if constexpr (up != 0) plane = plane << up;
    if constexpr (planes != 1) plane = plane & Batch<std::uint32_t, A>(top * 0x01010101u);
    sum = dot4<false>(sum, by[C], bit_cast_to<std::int32_t>(plane));
    if constexpr (C + 1 < planes) return dot_word<V, C + 1>(sum, word, by);
    else return sum;
}

/// sum += w x for T registers of rows from lane `first` on and Count columns of group g.
template <class A, std::size_t T, std::size_t Count, Format F, class X>
NIBBLE_INLINE void add_word_group(const Columns<F>& w, const std::int32_t* starts,
                                  std::size_t first, std::size_t g, const X& x,
                                  Batch<float, A> (&sum)[T]) noexcept {
    using B = Batch<float, A>;
    using I = Batch<std::int32_t, A>;
    using U = Batch<std::uint32_t, A>;
    using V = typename Columns<F>::V;
    using S = typename Columns<F>::S;
    constexpr std::size_t in_word = word_codes<V>, planes = in_word / 4;
    const auto* words = reinterpret_cast<const unsigned char*>(w.codes);
    I dots[T];
    unroll<T>([&](auto t) NIBBLE_INLINE_LAMBDA {
        dots[t] = I::load(starts + g * w.width + first + t * B::lanes);
    });
    for (std::size_t i = 0; i < words_for<V>(Count); ++i) {
        const std::size_t k = g * X::group + i * in_word;
        I by[planes];
        unroll<planes>([&](auto c) NIBBLE_INLINE_LAMBDA { by[c] = x.four(k + 4 * c); });
        unroll<T>([&](auto t) NIBBLE_INLINE_LAMBDA {
            const std::size_t at = k / in_word * w.width + first + t * B::lanes;
            const U word = load_word_lanes<A>(words + 4 * at);
            dots[t] = dot_word<V>(dots[t], word, by);
        });
    }
    const B by(x.scale[g]);
    const std::size_t at = g * X::group / w.run * w.width + first;
    unroll<T>([&](auto t) NIBBLE_INLINE_LAMBDA {
        const B part = to_float(dots[t]) * by;
        if constexpr (!Columns<F>::Traits::scaled) sum[t] = sum[t] + part;
        else sum[t] = fma(part, scale_lanes<S, A>(w.scales, at + t * B::lanes), sum[t]);
    });
    if constexpr (Columns<F>::Traits::has_offset) {
        const B all(x.sum[g] * x.scale[g] * static_cast<float>(1 << X::shift));
        unroll<T>([&](auto t) NIBBLE_INLINE_LAMBDA {
            sum[t] = fma(all, scale_lanes<S, A>(w.offsets, at + t * B::lanes), sum[t]);
        });
    }
}

/// sum += w x for T registers of rows from lane `first` on; starts are ByteVector::start of each group
/// and lane.
template <class A, std::size_t T, Format F, class X>
NIBBLE_INLINE void add_words(const Columns<F>& w, const std::int32_t* starts, std::size_t first,
                             const X& x, Batch<float, A> (&sum)[T]) noexcept {
    constexpr std::size_t whole = X::size / X::group, rest = X::size % X::group;
    for (std::size_t g = 0; g < whole; ++g)
        add_word_group<A, T, X::group>(w, starts, first, g, x, sum);
    if constexpr (rest != 0) add_word_group<A, T, rest>(w, starts, first, whole, x, sum);
}

}  // namespace nibble
