// SPDX-License-Identifier: BSL-1.0
// Pieces of a row, up to 64 runs of it: decoded to floats, and floats encoded under scales that are
// known. What rows.hpp is made of.
#pragma once

#include <nibble/kernel/scales.hpp>
#include <nibble/quant/matrix.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// How many runs are measured before they are encoded. A multiple of 8, so that such a piece of a row
/// starts at a whole register whatever the run is.
inline constexpr std::size_t runs_at_once = 64;

/// Scales, their inverses and offsets of some neighbouring runs.
struct RunScales {
    alignas(64) float scale[runs_at_once];
    alignas(64) float inverse[runs_at_once];
    alignas(64) float offset[runs_at_once];
};

/// One number for each lane from one for each run; element i of a piece is the first lane's.
template <class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> spread(const float* each, std::size_t i,
                                                   std::size_t run, std::size_t runs) noexcept {
    using B = Batch<float, A>;
    const std::size_t first = i / run;
    if (first * run + run >= i + B::lanes || first + 1 >= runs) return B(each[first]);
    float lane[B::lanes];
    for (std::size_t j = 0; j < B::lanes; ++j)
        lane[j] = each[(i + j) / run < runs ? (i + j) / run : runs - 1];
    return B::load(lane);
}

/// Decodes n elements of a row from `first` on; writes whole registers.
template <NeuralValue V, bool Scaled, bool HasOffset, class A>
NIBBLE_INLINE void decode_piece(const unit_t<V>* row, std::size_t first, std::size_t n,
                                const RunScales& by, std::size_t run, std::size_t runs,
                                float* out) noexcept {
    using B = Batch<float, A>;
    const auto decoded = [&](std::size_t i, B scale, B offset) {
        B x = decode_lanes<V, A>(row, first + i);
        if constexpr (HasOffset) x = fma(x, scale, offset);
        else if constexpr (Scaled) x = x * scale;
        x.store(out + first + i);
    };
    if (!Scaled || run % B::lanes == 0 || runs == 1) {
        for (std::size_t j = 0, i = 0; j < runs; ++j) {
            const B scale(Scaled ? by.scale[j] : 1.0f), offset(HasOffset ? by.offset[j] : 0.0f);
            for (; i < n && i < (j + 1) * run; i += B::lanes) decoded(i, scale, offset);
        }
    } else {
        for (std::size_t i = 0; i < n; i += B::lanes)
            decoded(i, spread<A>(by.scale, i, run, runs),
                    HasOffset ? spread<A>(by.offset, i, run, runs) : B(0.0f));
    }
}

/// n stored scales (or offsets) from `first` on, as floats.
template <ScaleValue S, class A>
NIBBLE_INLINE void load_scales(const S* from, std::size_t n, float* to) noexcept {
    using B = Batch<float, A>;
    std::size_t i = 0;
    if constexpr (!std::is_same_v<S, E8M0>)
        for (; i + B::lanes <= n; i += B::lanes) decode_lanes<S, A>(from + i, 0).store(to + i);
    for (; i < n; ++i) to[i] = decode(from[i]);
}

/// n representable scales (or offsets) to their stored type.
template <ScaleValue S, class A>
NIBBLE_INLINE void store_scales(const float* from, std::size_t n, S* to) noexcept {
    using B = Batch<float, A>;
    std::size_t i = 0;
    if constexpr (!std::is_same_v<S, E8M0>)
        for (; i + B::lanes <= n; i += B::lanes) encode_lanes<S, A>(to + i, 0, B::load(from + i));
    for (; i < n; ++i) to[i] = encode<S>(from[i]);
}

/// Encodes registers of a row and counts what clips.
template <NeuralValue V, bool Scaled, bool HasOffset, class A, class Rounding>
struct PieceEncoder {
    using B = Batch<float, A>;
    unit_t<V>* row;
    Rounding rounding;
    std::uint64_t base;
    B saturated = B(0.0f), nan = B(0.0f);

    NIBBLE_INLINE void store(std::size_t i, B x, B inverse, B offset) noexcept {
        const B one(1.0f), zero(0.0f);
        if constexpr (!Scaled) nan = nan + select(x != x, one, zero);
        if constexpr (HasOffset) x = x - offset;
        if constexpr (Scaled) x = x * inverse;
        if constexpr (bits_v<V> < 32) {
            const auto out = (x <= B(clip_limits<V>.low)) | (x >= B(clip_limits<V>.high));
            saturated = saturated + select(out, one, zero);
        }
        // A scaled format must not make an infinity out of a number.
        if constexpr (Scaled && small_float_shape<V>::is)
            x = min(max(x, B(decode(value_traits<V>::lowest()))),
                    B(decode(value_traits<V>::highest())));
        encode_lanes<V, A>(row, i, x, rounding, base);
    }
    /// The same for numbers that are known to lie within the range of codes.
    NIBBLE_INLINE void store_within(std::size_t i, B x, B inverse) noexcept {
        encode_within<V, A>(row, i, x * inverse);
    }
};

/// Asks for the memory `ahead` bytes after p, whatever is there.
NIBBLE_INLINE void prefetch_after(const float* p, std::size_t ahead) noexcept {
#if defined(__GNUC__)
    __builtin_prefetch(reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(p) + ahead));
#endif
}

/// Encodes n elements of a row from `first` on, counting what clips; writes whole registers. With
/// scales all n numbers must be finite. Fits says that none of them clips. The next piece's memory is
/// asked for while this one, which is in the cache already, keeps the arithmetic busy.
template <NeuralValue V, bool Scaled, bool HasOffset, class A, bool Fits = false, class Rounding>
NIBBLE_INLINE Clipped encode_piece(unit_t<V>* row, const float* in, std::size_t first,
                                   std::size_t n, const RunScales& by, std::size_t run,
                                   std::size_t runs, Rounding rounding,
                                   std::uint64_t base) noexcept {
    using B = Batch<float, A>;
    const B one(1.0f), zero(0.0f);
    PieceEncoder<V, Scaled, HasOffset, A, Rounding> piece{row, rounding, base};
    const auto inverse_at = [&](std::size_t i) {
        return Scaled ? spread<A>(by.inverse, i, run, runs) : one;
    };
    const auto offset_at = [&](std::size_t i) {
        return HasOffset ? spread<A>(by.offset, i, run, runs) : zero;
    };
    const bool ahead = n <= std::size_t{1} << 16;  // not more than a second-level cache holds
    // Two copies of the code that encodes: registers that lie in one run, and all others.
    std::size_t i = 0;
    if (!Scaled || run % B::lanes == 0 || runs == 1)
        for (std::size_t j = 0; j < runs; ++j) {
            const B inverse = Scaled ? B(by.inverse[j]) : one;
            const B offset = HasOffset ? B(by.offset[j]) : zero;
            const std::size_t end =
                (j + 1) * run < n / B::lanes * B::lanes ? (j + 1) * run : n / B::lanes * B::lanes;
            for (; i < end; i += B::lanes) {
                const B x = B::load(in + first + i);
                if (ahead) prefetch_after(in + first + i, n * sizeof(float));
                if constexpr (Fits) piece.store_within(first + i, x, inverse);
                else piece.store(first + i, x, inverse, offset);
            }
        }
    for (; i < n; i += B::lanes) {
        float lane[B::lanes];
        const float* from = in + first + i;
        const B offset = offset_at(i);
        if (i + B::lanes > n) {
            // Lanes beyond the row are the padding: numbers equal to the offset have code zero.
            offset.store(lane);
            for (std::size_t j = 0; i + j < n; ++j) lane[j] = from[j];
            from = lane;
        }
        piece.store(first + i, B::load(from), inverse_at(i), offset);
    }
    return {static_cast<std::size_t>(reduce_add(piece.saturated)),
            static_cast<std::size_t>(reduce_add(piece.nan))};
}

/// encode_lanes for two registers at a time, keeping the largest magnitude. Where the end says that it
/// is not below a limit, some NaN among the numbers may have become anything.
template <NeuralValue V, class A, class Rounding>
struct PairEncoder {
    using B = Batch<float, A>;
    using U = Batch<std::uint32_t, A>;
    using I = Batch<std::int32_t, A>;
    static constexpr bool upper =
        is_avx<A> && std::is_same_v<V, bfloat16> && std::is_same_v<Rounding, ToNearest>;
    I most = I(0), most2 = I(0);

    NIBBLE_INLINE void store(unit_t<V>* row, std::size_t i, B x, B y, Rounding rounding,
                             std::uint64_t base) noexcept {
#if NIBBLE_SIMD && defined(__AVX2__)
#if defined(NIBBLE_HAS_AVX512)
        if constexpr (upper && is_avx512<A>) {
            // Upper and lower halves apart: eight instructions for 32 numbers.
            x86::store_bfloat16<A>(row + i, x, y, most);
            return;
        } else
#endif
            if constexpr (upper) {
            // Almost half a unit is added, and the rest where the number kept is odd.
            const auto rounded_up = [](B v) {
                const U word = bit_cast_to<std::uint32_t>(v);
                return word + U(0x7FFFu) + ((word >> 16) & U(1));
            };
            x86::store_upper_halves<A>(row + i, rounded_up(x), rounded_up(y));
        } else
#endif
        {
            encode_lanes<V, A>(row, i, x, rounding, base);
            encode_lanes<V, A>(row, i + B::lanes, y, rounding, base);
        }
        most = max(most, bit_cast_to<std::int32_t>(x) & I(0x7FFFFFFF));
        most2 = max(most2, bit_cast_to<std::int32_t>(y) & I(0x7FFFFFFF));
    }
    /// Whether all magnitudes are below `limit` (for bfloat16 perhaps not where they nearly reach it).
    [[nodiscard]] NIBBLE_INLINE bool below(float limit) const noexcept {
        if constexpr (upper && is_avx512<A>) {
            const std::int32_t high = reduce_max(max(most >> 16, most & I(0xFFFF)));
            return high < std::bit_cast<std::int32_t>(limit) >> 16;
        } else {
            return std::bit_cast<float>(reduce_max(max(most, most2))) < limit;
        }
    }
};

/// Encodes n numbers as they are, without scales, and counts what clips and what is NaN. The encoding
/// takes care of both itself, so they are counted only where a run of 1024 has one: all others pay two
/// instructions a register for that, and half and bfloat16 run at the speed of the second-level cache.
template <NeuralValue V, class A, class Rounding>
Clipped encode_plain(unit_t<V>* row, const float* in, std::size_t n, Rounding rounding,
                     std::uint64_t base) noexcept {
    using B = Batch<float, A>;
    constexpr std::size_t piece = 1024;
    constexpr float limit =
        -clip_limits<V>.low < clip_limits<V>.high ? -clip_limits<V>.low : clip_limits<V>.high;
    const RunScales none{};
    Clipped clipped;
    for (std::size_t first = 0; first < n; first += piece) {
        const std::size_t end = n - first < piece ? n : first + piece;
        const std::size_t full = end - (end - first) % (2 * B::lanes);
        PairEncoder<V, A, Rounding> pairs;
        for (std::size_t i = first; i < full; i += 2 * B::lanes)
            pairs.store(row, i, B::load(in + i), B::load(in + i + B::lanes), rounding, base);
        const std::size_t from = pairs.below(limit) ? full : first;
        if (from < end) {
            // The end of a row, or all of it again, with counting.
            clipped += encode_piece<V, false, false, A>(row, in, from, end - from, none, end - from,
                                                        1, rounding, base);
        }
    }
    return clipped;
}

}  // namespace nibble
