// SPDX-License-Identifier: BSL-1.0
// Scales as they are stored, and values rounded in registers: what calibration is built from.
#pragma once

#include <nibble/kernel/codec.hpp>
#include <nibble/quant/format.hpp>
#include <nibble/value/clip_limits.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// What the end code of V stands for when a scale is chosen. Values of 16 bits and more are scaled
/// to [-1, 1], far from their ends, where they are as exact as anywhere.
template <NeuralValue V>
[[nodiscard]] NIBBLE_INLINE constexpr float reach(V end) noexcept {
    const auto x = static_cast<float>(decode(end));
    return bits_v<V> >= 16 ? (x < 0 ? -1.0f : 1.0f) : x;
}

/// 1 / scale; 0 for the scale 0 of a run of zeros. A stored scale is at least 2^-127 or 0, so this is
/// finite.
[[nodiscard]] NIBBLE_INLINE constexpr float inverse_scale(float scale) noexcept {
    return scale == 0.0f ? 0.0f : 1.0f / scale;
}

/// The number nearest to x that S holds, within its finite range.
template <ScaleValue S>
[[nodiscard]] NIBBLE_INLINE constexpr float stored_number(float x) noexcept {
    constexpr float lowest = decode(value_traits<S>::lowest());
    constexpr float highest = decode(value_traits<S>::highest());
    return decode(encode<S>(x < lowest ? lowest : x > highest ? highest : x));
}

/// The smallest positive scale of S. For float it is the smallest normal number: the inverses of
/// smaller ones are infinite.
template <ScaleValue S>
inline constexpr float smallest_scale = std::is_same_v<S, float>  ? 0x1p-126f
                                        : std::is_same_v<S, half> ? 0x1p-24f
                                        : std::is_same_v<S, E8M0> ? 0x1p-127f
                                                                  : 0x1p-9f;

/// The scale nearest to x that S holds: not zero unless x is, not infinite.
template <ScaleValue S>
[[nodiscard]] NIBBLE_INLINE constexpr float stored_scale(float x) noexcept {
    if (x == 0.0f) return std::is_same_v<S, E8M0> ? smallest_scale<S> : 0.0f;
    if (x > -smallest_scale<S> && x < smallest_scale<S>)
        return x < 0 && !std::is_same_v<S, E8M0> ? -smallest_scale<S> : smallest_scale<S>;
    return stored_number<S>(x);
}

/// The next larger scale of S > 0; itself at the end of the range.
template <ScaleValue S>
[[nodiscard]] NIBBLE_INLINE constexpr float larger_scale(float scale) noexcept {
    if constexpr (std::is_same_v<S, float>) {
        return scale;  // nearest is within 2^-24 of what was wanted: nothing clips
    } else if constexpr (std::is_same_v<S, E8M0>) {
        return scale < 0x1p127f ? scale * 2 : scale;
    } else {
        const S stored = encode<S>(scale);
        if (stored.bits() >= value_traits<S>::highest().bits()) return scale;
        return decode(S::from_bits(static_cast<typename S::Bits>(stored.bits() + 1)));
    }
}

/// The scale under which numbers up to `magnitude` do not clip: nearest to magnitude / reach, or the
/// next larger one when that would clip.
template <NeuralValue V, ScaleValue S>
[[nodiscard]] NIBBLE_INLINE constexpr float covering_scale(float magnitude) noexcept {
    const float scale = stored_scale<S>(magnitude / reach<V>(value_traits<V>::highest()));
    const auto top = static_cast<compute_t<V>>(magnitude * inverse_scale(scale));
    return value_traits<V>::clips(top) ? larger_scale<S>(scale) : scale;
}

/// The number of V nearest to each lane, saturating, as floats: what decoding the encoded lanes gives,
/// but for ties in NF4 and the sign of zero. Values of 16 bits and more stay as they are.
template <NeuralValue V, class A>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> nearest_lanes(Batch<float, A> x) noexcept {
    using B = Batch<float, A>;
    using I = Batch<std::int32_t, A>;
    if constexpr (bits_v<V> >= 16) {
        return x;
    } else {
        constexpr float low = decode(value_traits<V>::lowest());
        constexpr float high = decode(value_traits<V>::highest());
        const B inside = min(max(x, B(low)), B(high));
        if constexpr (is_integer_value<V>) {
            return round_nearest(inside);
        } else if constexpr (small_float_shape<V>::is) {
            // Adding and taking away 2^(23-M) times the number's power of two cuts it to M bits.
            constexpr int M = small_float_shape<V>::mantissa_bits;
            const I bits = bit_cast_to<std::int32_t>(inside);
            const I power = max(bits & I(0x7F800000), I((127 + V::min_exponent) << 23));
            const B magic = bit_cast_to<float>(power + I((23 - M) << 23));
            const B size = (abs(inside) + magic) - magic;
            return select(inside < B(0.0f), -size, size);
        } else {
            static_assert(std::is_same_v<V, Nf4>);
            B nearest(Nf4::ascending[0]);
            for (int i = 1; i < 16; ++i) {
                const B middle((Nf4::ascending[i - 1] + Nf4::ascending[i]) / 2);
                nearest = select(inside > middle, B(Nf4::ascending[i]), nearest);
            }
            return nearest;
        }
    }
}

/// The largest magnitude among n numbers; infinity or NaN when one of them is not finite.
template <class A>
[[nodiscard]] NIBBLE_INLINE float magnitude_of(const float* x, std::size_t n) noexcept {
    using B = Batch<float, A>;
    using I = Batch<std::int32_t, A>;
    // Without the sign, floats are ordered as their bits are, NaN last.
    const auto bits = [](B v) { return bit_cast_to<std::int32_t>(v) & I(0x7FFFFFFF); };
    I most(0);
    std::size_t i = 0;
    for (; i + B::lanes <= n; i += B::lanes) most = max(most, bits(B::load(x + i)));
    if (i < n) most = max(most, bits(B::load_first(x + i, n - i)));
    return std::bit_cast<float>(reduce_max(most));
}

/// n <= 64 covering scales from n finite magnitudes, and their inverses, in registers. All three
/// arrays have 64 elements; magnitudes beyond n are any positive numbers.
template <NeuralValue V, ScaleValue S, class A>
NIBBLE_INLINE void covering_scales(const float* magnitudes, std::size_t n, float* scales,
                                   float* inverses) noexcept {
    using B = Batch<float, A>;
    if constexpr (std::is_same_v<S, E8M0> || std::is_same_v<S, float>) {
        for (std::size_t i = 0; i < n; ++i) {
            scales[i] = covering_scale<V, S>(magnitudes[i]);
            inverses[i] = inverse_scale(scales[i]);
        }
    } else {
        constexpr float highest = decode(value_traits<S>::highest());
        S codes[64];
        for (std::size_t i = 0; i < n; i += B::lanes) {
            const B magnitude = B::load(magnitudes + i);
            const B wanted = min(magnitude / B(reach<V>(value_traits<V>::highest())), B(highest));
            encode_lanes<S, A>(codes, i, wanted);
            const B scale = decode_lanes<S, A>(codes, i);
            const B inverse = B(1.0f) / scale;
            scale.store(scales + i);
            inverse.store(inverses + i);
            // Too small for S, or about to clip: rare, and decided one by one. Also runs of zeros.
            const B clip(clip_limits<V>.high);
            if (any((scale < B(smallest_scale<S>)) | (magnitude * inverse >= clip)))
                for (std::size_t k = i; k < n && k < i + B::lanes; ++k) {
                    scales[k] = covering_scale<V, S>(magnitudes[k]);
                    inverses[k] = inverse_scale(scales[k]);
                }
        }
    }
}

}  // namespace nibble
