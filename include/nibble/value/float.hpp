// SPDX-License-Identifier: BSL-1.0
// Binary floating-point values: double, float, and one template for every smaller format.
//
//     half       1 sign, 5 exponent, 10 mantissa   IEEE 754 binary16
//     bfloat16   1, 8, 7                           the upper half of a binary32
//     (fp8 and fp4 are in minifloat.hpp, from the same template)
//
// Conversions are our own integer arithmetic: constexpr, equal on every target, independent of
// _Float16 (which g++ 12 lacks on aarch64 and clang 14 on x86). Kernels use F16C and AVX-512 where
// the target has them (kernel/codec.hpp); the laws check that both agree.
#pragma once

#include <nibble/value/concept.hpp>

#include <bit>
#include <limits>

namespace nibble::inline NIBBLE_ARCH {

/// Which codes of a small float are not numbers.
enum class Special : std::uint8_t {
    ieee,      ///< all-ones exponent: infinity and NaN
    nan_only,  ///< all-ones exponent and mantissa: NaN; no infinity (OCP E4M3)
    none,      ///< every code is a number (OCP E2M1)
};

/// A sign, E exponent bits with bias 2^(E-1)-1, and M mantissa bits, with subnormals.
template <int E, int M, Special S>
class SmallFloat {
public:
    using Bits = std::conditional_t<(E + M >= 8), std::uint16_t, std::uint8_t>;

    constexpr SmallFloat() = default;
    /// The nearest value, ties to even.
    constexpr explicit SmallFloat(float x) noexcept : SmallFloat(encode(x, ToNearest{})) {}
    constexpr explicit operator float() const noexcept { return decode(*this); }

    [[nodiscard]] static NIBBLE_INLINE constexpr SmallFloat from_bits(Bits bits) noexcept {
        SmallFloat v;
        v.bits_ = bits;
        return v;
    }
    [[nodiscard]] NIBBLE_INLINE constexpr Bits bits() const noexcept { return bits_; }

    /// As the numbers compare: -0 == 0, and NaN differs from itself.
    friend constexpr bool operator==(SmallFloat a, SmallFloat b) noexcept {
        return decode(a) == decode(b);
    }

    static constexpr int width = 1 + E + M;
    static constexpr int bias = (1 << (E - 1)) - 1;
    static constexpr int min_exponent = 1 - bias;
    static constexpr std::uint32_t sign_bit = 1u << (E + M);
    /// The largest finite magnitude's code.
    static constexpr std::uint32_t max_code = S == Special::ieee       ? (((1u << E) - 1) << M) - 1
                                              : S == Special::nan_only ? sign_bit - 2
                                                                       : sign_bit - 1;

    [[nodiscard]] static NIBBLE_INLINE constexpr float decode(SmallFloat v) noexcept {
        const std::uint32_t code = v.bits_;
        const std::uint32_t sign = (code & sign_bit) << (31 - E - M);
        if constexpr (E == 8) {
            return std::bit_cast<float>(code << (32 - width));  // same exponent as binary32
        } else {
            const std::uint32_t magnitude = code & (sign_bit - 1);
            if (S != Special::none && magnitude > max_code) {
                const std::uint32_t mantissa = magnitude & ((1u << M) - 1);
                const bool infinite = S == Special::ieee && mantissa == 0;
                const std::uint32_t payload =
                    infinite ? 0u : 0x400000u | (S == Special::ieee ? mantissa << (23 - M) : 0u);
                return std::bit_cast<float>(sign | 0x7F800000u | payload);
            }
            if (magnitude < (1u << M)) {  // subnormal: an exact product
                constexpr float unit =
                    std::bit_cast<float>(static_cast<std::uint32_t>(127 + min_exponent - M) << 23);
                const float x = static_cast<float>(magnitude) * unit;
                return std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) | sign);
            }
            return std::bit_cast<float>(
                sign | ((magnitude << (23 - M)) + (static_cast<std::uint32_t>(127 - bias) << 23)));
        }
    }

    template <class Rounding>
    [[nodiscard]] static NIBBLE_INLINE constexpr SmallFloat encode(float x,
                                                                   Rounding rounding) noexcept {
        const std::uint32_t word = std::bit_cast<std::uint32_t>(x);
        const std::uint32_t sign = (word >> 31) << (E + M);
        const std::uint32_t magnitude = word & 0x7FFFFFFFu;
        if (magnitude > 0x7F800000u) return from_bits(nan_code(sign, magnitude));
        // The mantissa with its leading one, to be cut `shift` bits down; float subnormals have none.
        const bool normal = magnitude >= 0x800000u;
        int exponent = normal ? static_cast<int>(magnitude >> 23) - 127 : -126;
        const std::uint32_t mantissa = (magnitude & 0x7FFFFFu) | (normal ? 0x800000u : 0u);
        int shift = 23 - M;
        if (exponent < min_exponent) {
            shift += min_exponent - exponent;
            exponent = min_exponent;
        }
        const int cut = shift < 31 ? shift : 31;
        const std::uint32_t kept = mantissa >> cut;
        const std::uint32_t rest = mantissa & ((1u << cut) - 1);
        std::uint32_t code = (static_cast<std::uint32_t>(exponent - min_exponent) << M) + kept;
        if constexpr (std::is_same_v<Rounding, ToNearest>) {
            const std::uint32_t tie = 1u << (cut - 1);
            code += (rest > tie || (rest == tie && (kept & 1u))) ? 1u : 0u;
        } else {
            // Round up with probability rest / 2^shift, however small; beyond the range this never
            // rounds to infinity, so a store of a number within the range stays finite.
            const auto chance =
                (static_cast<std::uint64_t>(rest) << 32) >> (shift < 63 ? shift : 63);
            if (code < max_code) code += rounding.dither < chance ? 1u : 0u;
        }
        if (code > max_code) code = S == Special::ieee ? max_code + 1 : max_code;
        return from_bits(static_cast<Bits>(sign | code));
    }

    /// True from half a step beyond the largest magnitude: where nearest rounding leaves the range.
    [[nodiscard]] static NIBBLE_INLINE constexpr bool clips(float x) noexcept {
        constexpr float top = decode(from_bits(static_cast<Bits>(max_code)));
        constexpr float below = decode(from_bits(static_cast<Bits>(max_code - 1)));
        if constexpr (E == 8) {
            return (std::bit_cast<std::uint32_t>(x) & 0x7FFFFFFFu) >= 0x7F7F8000u && x == x;
        } else {
            constexpr float limit = top + (top - below) / 2;
            return x >= limit || x <= -limit;
        }
    }

private:
    static NIBBLE_INLINE constexpr Bits nan_code(std::uint32_t sign,
                                                 std::uint32_t magnitude) noexcept {
        if constexpr (S == Special::none) {
            return 0;
        } else if constexpr (S == Special::nan_only) {
            return static_cast<Bits>(sign | (max_code + 1));
        } else {
            const std::uint32_t payload = (magnitude & 0x7FFFFFu) >> (23 - M);
            return static_cast<Bits>(sign | (max_code + 1) | (1u << (M - 1)) | payload);
        }
    }

    Bits bits_ = 0;
};

using half = SmallFloat<5, 10, Special::ieee>;
using bfloat16 = SmallFloat<8, 7, Special::ieee>;

/// The traits that every SmallFloat shares; a format adds its name (and packing below 8 bits).
template <class V>
struct small_float_traits {
    using compute = float;
    static constexpr int bits = V::width;
    static NIBBLE_INLINE constexpr float decode(V v) noexcept { return V::decode(v); }
    template <class Rounding>
    static NIBBLE_INLINE constexpr V encode(float x, Rounding rounding) noexcept {
        return V::encode(x, rounding);
    }
    static NIBBLE_INLINE constexpr bool clips(float x) noexcept { return V::clips(x); }
    static NIBBLE_INLINE constexpr V lowest() noexcept {
        return V::from_bits(static_cast<typename V::Bits>(V::sign_bit | V::max_code));
    }
    static NIBBLE_INLINE constexpr V highest() noexcept {
        return V::from_bits(static_cast<typename V::Bits>(V::max_code));
    }
};

template <>
struct value_traits<half> : small_float_traits<half> {
    static constexpr std::string_view name = "fp16";
};
template <>
struct value_traits<bfloat16> : small_float_traits<bfloat16> {
    static constexpr std::string_view name = "bf16";
};

/// float and double store themselves; encoding never clips.
template <class T>
struct native_float_traits {
    using compute = T;
    static constexpr int bits = 8 * static_cast<int>(sizeof(T));
    static NIBBLE_INLINE constexpr T decode(T v) noexcept { return v; }
    template <class Rounding>
    static NIBBLE_INLINE constexpr T encode(T x, Rounding) noexcept {
        return x;
    }
    static NIBBLE_INLINE constexpr bool clips(T) noexcept { return false; }
    static NIBBLE_INLINE constexpr T lowest() noexcept { return std::numeric_limits<T>::lowest(); }
    static NIBBLE_INLINE constexpr T highest() noexcept { return std::numeric_limits<T>::max(); }
};
template <>
struct value_traits<float> : native_float_traits<float> {
    static constexpr std::string_view name = "fp32";
};
template <>
struct value_traits<double> : native_float_traits<double> {
    static constexpr std::string_view name = "fp64";
};

}  // namespace nibble
