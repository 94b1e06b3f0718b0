// SPDX-License-Identifier: BSL-1.0
// The blocks of GGUF tensors as numbers.
//
// A number is a product of a half-precision scale with small integers (24 bits of mantissa hold it
// exactly) and, in some types, a minimum taken off: each result is the float nearest to what the
// format says.
#pragma once

#include <nibble/io/dtype.hpp>
#include <nibble/io/gguf_type.hpp>

#include <algorithm>

namespace nibble::inline NIBBLE_ARCH {

/// decode(block, out): the numbers of one block of that type.
template <GgufType T>
struct GgufBlock;

/// The half-precision number at `at`.
[[nodiscard]] inline float half_at(const std::uint8_t* at) noexcept {
    return decode(half::from_bits(static_cast<std::uint16_t>(at[0] | at[1] << 8)));
}

/// out[i] = value(low nibble of q[i]), out[16 + i] = value(high nibble), for the types of 32 elements.
template <class Value>
NIBBLE_INLINE void decode_nibbles(const std::uint8_t* q, float* out, Value&& value) {
    for (unsigned i = 0; i < 16; ++i) out[i] = value(q[i] & 15, i);
    for (unsigned i = 0; i < 16; ++i) out[16 + i] = value(q[i] >> 4, 16 + i);
}

template <>
struct GgufBlock<GgufType::Q4_0> {
    static NIBBLE_INLINE void decode(const std::uint8_t* b, float* out) {
        const float d = half_at(b);
        decode_nibbles(b + 2, out, [=](int q, unsigned) { return static_cast<float>(q - 8) * d; });
    }
};
template <>
struct GgufBlock<GgufType::Q4_1> {
    static NIBBLE_INLINE void decode(const std::uint8_t* b, float* out) {
        const float d = half_at(b), m = half_at(b + 2);
        decode_nibbles(b + 4, out, [=](int q, unsigned) { return static_cast<float>(q) * d + m; });
    }
};
template <>
struct GgufBlock<GgufType::Q5_0> {
    static NIBBLE_INLINE void decode(const std::uint8_t* b, float* out) {
        const float d = half_at(b);
        const auto high = load_little<std::uint32_t>(reinterpret_cast<const std::byte*>(b + 2));
        decode_nibbles(b + 6, out, [=](int q, unsigned i) {
            return static_cast<float>((q | static_cast<int>(high >> i & 1) << 4) - 16) * d;
        });
    }
};
template <>
struct GgufBlock<GgufType::Q5_1> {
    static NIBBLE_INLINE void decode(const std::uint8_t* b, float* out) {
        const float d = half_at(b), m = half_at(b + 2);
        const auto high = load_little<std::uint32_t>(reinterpret_cast<const std::byte*>(b + 4));
        decode_nibbles(b + 8, out, [=](int q, unsigned i) {
            return static_cast<float>(q | static_cast<int>(high >> i & 1) << 4) * d + m;
        });
    }
};
template <>
struct GgufBlock<GgufType::Q8_0> {
    static NIBBLE_INLINE void decode(const std::uint8_t* b, float* out) {
        const float d = half_at(b);
        for (unsigned i = 0; i < 32; ++i)
            out[i] = static_cast<float>(static_cast<std::int8_t>(b[2 + i])) * d;
    }
};
template <>
struct GgufBlock<GgufType::Q8_1> {
    static NIBBLE_INLINE void decode(const std::uint8_t* b, float* out) {
        const float d = half_at(b);  // b + 2: d times the sum of the codes
        for (unsigned i = 0; i < 32; ++i)
            out[i] = static_cast<float>(static_cast<std::int8_t>(b[4 + i])) * d;
    }
};
template <>
struct GgufBlock<GgufType::Q8_K> {
    static NIBBLE_INLINE void decode(const std::uint8_t* b, float* out) {
        const float d =
            std::bit_cast<float>(load_little<std::uint32_t>(reinterpret_cast<const std::byte*>(b)));
        for (unsigned i = 0; i < 256; ++i)
            out[i] = static_cast<float>(static_cast<std::int8_t>(b[4 + i])) * d;
    }
};

/// The values that the codes of IQ4_NL and IQ4_XS stand for.
inline constexpr std::int8_t iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                               1,    13,   25,  38,  53,  69,  89,  113};

template <>
struct GgufBlock<GgufType::IQ4_NL> {
    static NIBBLE_INLINE void decode(const std::uint8_t* b, float* out) {
        const float d = half_at(b);
        decode_nibbles(b + 2, out,
                       [=](int q, unsigned) { return static_cast<float>(iq4_values[q]) * d; });
    }
};
template <>
struct GgufBlock<GgufType::IQ4_XS> {
    static NIBBLE_INLINE void decode(const std::uint8_t* b, float* out) {
        const float d = half_at(b);
        const unsigned high = b[2] | static_cast<unsigned>(b[3]) << 8;
        for (unsigned j = 0; j < 8; ++j) {
            const unsigned scale = (b[4 + j / 2] >> 4 * (j & 1) & 15u) | (high >> 2 * j & 3) << 4;
            const float s = d * static_cast<float>(static_cast<int>(scale) - 32);
            decode_nibbles(b + 8 + 16 * j, out + 32 * j,
                           [=](int q, unsigned) { return static_cast<float>(iq4_values[q]) * s; });
        }
    }
};
template <>
struct GgufBlock<GgufType::MXFP4> {
    static NIBBLE_INLINE void decode(const std::uint8_t* b, float* out) {
        // Twice E2M1, at half the scale: 2^-128 and 2^-127 are subnormal floats.
        constexpr std::int8_t values[16] = {0, 1,  2,  3,  4,  6,  8,  12,
                                            0, -1, -2, -3, -4, -6, -8, -12};
        const std::uint32_t e = b[0];
        const float d = std::bit_cast<float>(e < 2 ? 0x200000u << e : (e - 1) << 23);
        decode_nibbles(b + 1, out,
                       [=](int q, unsigned) { return static_cast<float>(values[q]) * d; });
    }
};

/// Scale and minimum of sub-block j (of 8) of Q4_K and Q5_K: 6 bits each, in 12 bytes.
struct ScaleAndMinimum {
    unsigned scale, minimum;
};
[[nodiscard]] inline ScaleAndMinimum k_scale(const std::uint8_t* s, unsigned j) noexcept {
    if (j < 4) return {s[j] & 63u, s[j + 4] & 63u};
    return {(s[j + 4] & 15u) | (s[j - 4] >> 6 & 3u) << 4, (s[j + 4] >> 4 & 15u) | (s[j] >> 6 & 3u)
                                                                                      << 4};
}

template <>
struct GgufBlock<GgufType::Q4_K> {
    static NIBBLE_INLINE void decode(const std::uint8_t* b, float* out) {
        const float d = half_at(b), dmin = half_at(b + 2);
        for (unsigned j = 0; j < 8; ++j) {
            const auto [scale, minimum] = k_scale(b + 4, j);
            const float s = d * static_cast<float>(scale), m = dmin * static_cast<float>(minimum);
            const std::uint8_t* q = b + 16 + 32 * (j / 2);
            const unsigned shift = 4 * (j & 1);
            for (unsigned l = 0; l < 32; ++l)
                out[32 * j + l] = s * static_cast<float>(q[l] >> shift & 15) - m;
        }
    }
};
template <>
struct GgufBlock<GgufType::Q5_K> {
    static NIBBLE_INLINE void decode(const std::uint8_t* b, float* out) {
        const float d = half_at(b), dmin = half_at(b + 2);
        const std::uint8_t* high = b + 16;
        for (unsigned j = 0; j < 8; ++j) {
            const auto [scale, minimum] = k_scale(b + 4, j);
            const float s = d * static_cast<float>(scale), m = dmin * static_cast<float>(minimum);
            const std::uint8_t* q = b + 48 + 32 * (j / 2);
            const unsigned shift = 4 * (j & 1);
            for (unsigned l = 0; l < 32; ++l)
                out[32 * j + l] =
                    s * static_cast<float>((q[l] >> shift & 15) | (high[l] >> j & 1) << 4) - m;
        }
    }
};
template <>
struct GgufBlock<GgufType::Q6_K> {
    static NIBBLE_INLINE void decode(const std::uint8_t* b, float* out) {
        const std::uint8_t *scales = b + 192, *high = b + 128;
        const float d = half_at(b + 208);
        for (unsigned k = 0; k < 16; ++k) {  // 16 elements share a scale
            const unsigned n = k / 8, g = k % 8 / 2, l = 16 * (k & 1);
            const float s = d * static_cast<float>(static_cast<std::int8_t>(scales[k]));
            const std::uint8_t *q = b + 64 * n + 32 * (g & 1) + l, *h = high + 32 * n + l;
            const unsigned shift = 4 * (g >> 1);
            for (unsigned i = 0; i < 16; ++i) {
                const int code = (q[i] >> shift & 15) | (h[i] >> 2 * g & 3) << 4;
                out[16 * k + i] = s * static_cast<float>(code - 32);
            }
        }
    }
};
template <>
struct GgufBlock<GgufType::Q2_K> {
    static NIBBLE_INLINE void decode(const std::uint8_t* b, float* out) {
        const float d = half_at(b + 80), dmin = half_at(b + 82);
        for (unsigned k = 0; k < 16; ++k) {
            const unsigned n = k / 8, g = k % 8 / 2, l = 16 * (k & 1);
            const float s = d * static_cast<float>(b[k] & 15),
                        m = dmin * static_cast<float>(b[k] >> 4);
            const std::uint8_t* q = b + 16 + 32 * n + l;
            for (unsigned i = 0; i < 16; ++i)
                out[16 * k + i] = s * static_cast<float>(q[i] >> 2 * g & 3) - m;
        }
    }
};
template <>
struct GgufBlock<GgufType::Q3_K> {
    static NIBBLE_INLINE void decode(const std::uint8_t* b, float* out) {
        const std::uint8_t *mask = b, *scales = b + 96;
        const float d = half_at(b + 108);
        for (unsigned k = 0; k < 16; ++k) {
            const unsigned n = k / 8, g = k % 8 / 2, l = 16 * (k & 1);
            const int scale = (scales[k & 7] >> 4 * (k >> 3) & 15) |
                              (scales[8 + (k & 3)] >> 2 * (k >> 2) & 3) << 4;
            const float s = d * static_cast<float>(scale - 32);
            const std::uint8_t* q = b + 32 + 32 * n + l;
            for (unsigned i = 0; i < 16; ++i) {
                const int low = q[i] >> 2 * g & 3, bit = mask[l + i] >> (4 * n + g) & 1;
                out[16 * k + i] = s * static_cast<float>(low + 4 * bit - 4);
            }
        }
    }
};

/// `count` elements of type t at `from` (any alignment) as floats; count is a multiple of the type's
/// block. False, and nothing written, for the types without a decoder (GgufTypeInfo::read).
[[nodiscard]] inline bool to_floats(GgufType t, const std::byte* from, std::size_t count,
                                    float* out) {
    const auto blocks = [&]<GgufType T>(std::integral_constant<GgufType, T>) {
        constexpr GgufTypeInfo info = info_of(T);
        for (std::size_t i = 0; i < count / info.block; ++i) {
            std::uint8_t block[info.bytes];  // a copy, which the compiler knows apart from out
            std::memcpy(block, from + i * info.bytes, info.bytes);
            GgufBlock<T>::decode(block, out + i * info.block);
        }
        return true;
    };
    using enum GgufType;
    switch (t) {
        case F32: return to_floats(DType::F32, from, count, out);
        case F16: return to_floats(DType::F16, from, count, out);
        case BF16: return to_floats(DType::BF16, from, count, out);
        case F64: return to_floats(DType::F64, from, count, out);
        case I8: return to_floats(DType::I8, from, count, out);
        case I16: return to_floats(DType::I16, from, count, out);
        case I32: return to_floats(DType::I32, from, count, out);
        case I64: return to_floats(DType::I64, from, count, out);
        case Q4_0: return blocks(std::integral_constant<GgufType, Q4_0>{});
        case Q4_1: return blocks(std::integral_constant<GgufType, Q4_1>{});
        case Q5_0: return blocks(std::integral_constant<GgufType, Q5_0>{});
        case Q5_1: return blocks(std::integral_constant<GgufType, Q5_1>{});
        case Q8_0: return blocks(std::integral_constant<GgufType, Q8_0>{});
        case Q8_1: return blocks(std::integral_constant<GgufType, Q8_1>{});
        case Q2_K: return blocks(std::integral_constant<GgufType, Q2_K>{});
        case Q3_K: return blocks(std::integral_constant<GgufType, Q3_K>{});
        case Q4_K: return blocks(std::integral_constant<GgufType, Q4_K>{});
        case Q5_K: return blocks(std::integral_constant<GgufType, Q5_K>{});
        case Q6_K: return blocks(std::integral_constant<GgufType, Q6_K>{});
        case Q8_K: return blocks(std::integral_constant<GgufType, Q8_K>{});
        case IQ4_NL: return blocks(std::integral_constant<GgufType, IQ4_NL>{});
        case IQ4_XS: return blocks(std::integral_constant<GgufType, IQ4_XS>{});
        case MXFP4: return blocks(std::integral_constant<GgufType, MXFP4>{});
        default: return false;
    }
}

}  // namespace nibble
