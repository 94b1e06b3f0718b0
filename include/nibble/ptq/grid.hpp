// SPDX-License-Identifier: BSL-1.0
// The numbers that a format can hold, known at run time: what every method here rounds to. One code
// path serves INT8, INT4, NF4, FP4 and the rest, so a method is compiled once.
#pragma once

#include <nibble/kernel/scales.hpp>
#include <nibble/quant/spec.hpp>
#include <nibble/store/error.hpp>

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

namespace nibble::inline NIBBLE_ARCH {
namespace ptq {

/// The nearest scale that `kind` holds, see stored_scale: not zero unless x is.
[[nodiscard]] inline float stored_scale_of(ValueKind kind, float x) noexcept {
    switch (kind) {
        case ValueKind::fp32: return stored_scale<float>(x);
        case ValueKind::e4m3: return stored_scale<fp8_e4m3>(x);
        case ValueKind::e8m0: return stored_scale<E8M0>(x);
        default: return stored_scale<half>(x);
    }
}

/// The nearest offset that `kind` holds, within its finite range.
[[nodiscard]] inline float stored_offset_of(ValueKind kind, float x) noexcept {
    switch (kind) {
        case ValueKind::fp32: return stored_number<float>(x);
        case ValueKind::e4m3: return stored_number<fp8_e4m3>(x);
        default: return stored_number<half>(x);
    }
}

/// A format's codes in ascending order, as numbers, and how scales are rounded.
class Grid {
public:
    /// Fails for a format without scales and for values of more than eight bits: there is nothing
    /// for a method to choose.
    explicit Grid(const QuantizationSpec& spec) : spec_(spec) {
        if (spec.granularity == Granularity::none || bits_of(spec.value) > 8)
            fail("ptq: " + to_string(spec) +
                 " has no scales to be found; a method takes formats with scales and values of "
                 "at most 8 bits");
        dispatch_value(spec.value, [this]<class V>(V) {
            integer_ = is_integer_value<V>;
            if constexpr (bits_v<V> <= 8 && !std::is_same_v<V, E8M0>) {
                for (unsigned bits = 0; bits < 1u << bits_v<V>; ++bits) {
                    V v{};
                    if constexpr (requires { value_traits<V>::from_bits(std::uint8_t{}); })
                        v = value_traits<V>::from_bits(static_cast<std::uint8_t>(bits));
                    else v = V::from_bits(static_cast<std::uint8_t>(bits));
                    const float x = static_cast<float>(nibble::decode(v));
                    if (std::isfinite(x) &&
                        nibble::decode(nibble::encode<V>(static_cast<compute_t<V>>(x))) ==
                            static_cast<compute_t<V>>(x))
                        levels_.push_back(x);
                }
            }
        });
        std::sort(levels_.begin(), levels_.end());
        levels_.erase(std::unique(levels_.begin(), levels_.end()), levels_.end());
        low_ = levels_.front();
        high_ = levels_.back();
    }

    [[nodiscard]] const QuantizationSpec& spec() const noexcept { return spec_; }
    [[nodiscard]] int bits() const noexcept { return bits_of(spec_.value); }
    [[nodiscard]] bool integer() const noexcept { return integer_; }
    [[nodiscard]] bool symmetric() const noexcept { return spec_.symmetric; }
    /// The lowest and the highest code as numbers.
    [[nodiscard]] float low() const noexcept { return low_; }
    [[nodiscard]] float high() const noexcept { return high_; }
    [[nodiscard]] std::span<const float> levels() const noexcept { return levels_; }
    /// True when a negative scale reaches further than a positive one: -8 has no positive twin.
    [[nodiscard]] bool lopsided() const noexcept {
        return -low_ > high_ && spec_.scale != ValueKind::e8m0;
    }

    /// The code nearest to y, as a number; ties of integers go to even.
    [[nodiscard]] float nearest(float y) const noexcept {
        if (!(y > low_)) return y <= low_ ? low_ : 0.0f;
        if (y >= high_) return high_;
        if (integer_) return std::nearbyint(y);
        const auto above = std::upper_bound(levels_.begin(), levels_.end(), y);
        const float up = *above, down = *(above - 1);
        return y - down <= up - y ? down : up;
    }
    [[nodiscard]] float stored_scale(float x) const noexcept {
        return stored_scale_of(spec_.scale, x);
    }
    [[nodiscard]] float stored_offset(float x) const noexcept {
        return spec_.symmetric ? 0.0f : stored_offset_of(spec_.scale, x);
    }

private:
    QuantizationSpec spec_;
    std::vector<float> levels_;
    float low_ = 0, high_ = 0;
    bool integer_ = false;
};

}  // namespace ptq
}  // namespace nibble
