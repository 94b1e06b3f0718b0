// SPDX-License-Identifier: BSL-1.0
// Numbers to the blocks of GGUF tensors: F32, F16, BF16, Q4_0, Q8_0, Q4_K, Q6_K, MXFP4.
//
// Q4_0 and Q8_0 are made as the format's reference makes them, byte for byte. Q4_K and Q6_K search: for
// each run of 32 (16) a scale (and minimum) by least squares for each of some 20 ways to cut the range
// into steps, then the best 6-bit (8-bit) codes of both beside those that rounding gives. The error is
// weighted by `importance`, one number for each column (mean squares of the layer's inputs, say); without
// it all columns count alike. Sums run in a fixed order: the bytes do not depend on threads.
#pragma once

#include <nibble/io/gguf_tensor.hpp>

#include <cmath>

namespace nibble::inline NIBBLE_ARCH {

/// True for the types that quantize_row makes.
[[nodiscard]] constexpr bool is_written(GgufType t) noexcept {
    using enum GgufType;
    return t == F32 || t == F16 || t == BF16 || t == Q4_0 || t == Q8_0 || t == Q4_K || t == Q6_K ||
           t == MXFP4;
}

/// x as the nearest finite half.
inline void put_half(float x, std::uint8_t* at) noexcept {
    const std::uint16_t bits = half(std::min(std::max(x, -65504.0f), 65504.0f)).bits();
    at[0] = static_cast<std::uint8_t>(bits);
    at[1] = static_cast<std::uint8_t>(bits >> 8);
}
/// The first half of a block's codes into low nibbles, the second into high ones.
inline void put_nibbles(const std::uint8_t* code, unsigned half_block, std::uint8_t* out) noexcept {
    for (unsigned i = 0; i < half_block; ++i)
        out[i] = static_cast<std::uint8_t>(code[i] | code[half_block + i] << 4);
}

inline void quantize_q4_0(const float* x, std::uint8_t* b) noexcept {
    float largest = 0, magnitude = 0;
    for (unsigned i = 0; i < 32; ++i)
        if (std::fabs(x[i]) > magnitude) magnitude = std::fabs(largest = x[i]);
    const float d = largest / -8, inverse = d != 0 ? 1 / d : 0;
    put_half(d, b);
    std::uint8_t code[32];
    float q[32];
    for (unsigned i = 0; i < 32; ++i) q[i] = x[i] * inverse;
#if defined(__GNUC__)
    __asm__("" : "+m"(q));  // rounded here: a fused 8.5 would give other codes than the reference's
#endif
    for (unsigned i = 0; i < 32; ++i)
        code[i] = static_cast<std::uint8_t>(std::min(15.0f, std::max(0.0f, q[i] + 8.5f)));
    put_nibbles(code, 16, b + 2);
}
inline void quantize_q8_0(const float* x, std::uint8_t* b) noexcept {
    float magnitude = 0;
    for (unsigned i = 0; i < 32; ++i) magnitude = std::max(magnitude, std::fabs(x[i]));
    const float d = magnitude / 127, inverse = d != 0 ? 1 / d : 0;
    put_half(d, b);
    for (unsigned i = 0; i < 32; ++i) {
        const float q = std::min(127.0f, std::max(-127.0f, x[i] * inverse));
        const int whole = static_cast<int>(q);
        const float rest = q - static_cast<float>(whole);  // half away from zero
        b[2 + i] = static_cast<std::uint8_t>(whole + (rest >= 0.5f) - (rest <= -0.5f));
    }
}
/// The power of two for which no number of the block is clipped by more than rounding would move it.
inline void quantize_mxfp4(const float* x, std::uint8_t* b) noexcept {
    float magnitude = 0;
    for (unsigned i = 0; i < 32; ++i) magnitude = std::max(magnitude, std::fabs(x[i]));
    // The largest E2M1 is 6: an exponent of floor(log2(max)) - 2, one more from 1.75 * 2^n on (7 of 6).
    int exponent = 0;
    const float fraction = std::frexp(magnitude, &exponent);  // in [0.5, 1)
    const int e = magnitude > 0 ? exponent - 1 - 2 + (fraction >= 0.875f ? 1 : 0) : -127;
    const int code = std::min(std::max(e + 127, 0), 254);
    const float inverse = std::ldexp(1.0f, 127 - code);
    b[0] = static_cast<std::uint8_t>(code);
    std::uint8_t codes[32];
    for (unsigned i = 0; i < 32; ++i) codes[i] = encode<fp4_e2m1>(x[i] * inverse).bits();
    put_nibbles(codes, 16, b + 1);
}

/// Weighted sums over a run of N (16 or 32) numbers and their codes, in eight lanes.
struct RunSums {
    float w = 0, wx = 0, wxx = 0, wq = 0, wqq = 0, wxq = 0;
};
template <unsigned N>
[[nodiscard]] inline RunSums run_sums(const float* x, const float* q, const float* w) noexcept {
    float lane[6][8] = {};
    for (unsigned i = 0; i < N; i += 8)
        for (unsigned k = 0; k < 8; ++k) {
            const float wi = w[i + k], xi = x[i + k], qi = q[i + k];
            lane[0][k] += wi;
            lane[1][k] += wi * xi;
            lane[2][k] += wi * xi * xi;
            lane[3][k] += wi * qi;
            lane[4][k] += wi * qi * qi;
            lane[5][k] += wi * xi * qi;
        }
    const auto sum = [](const float* l) {
        return ((l[0] + l[4]) + (l[1] + l[5])) + ((l[2] + l[6]) + (l[3] + l[7]));
    };
    return {sum(lane[0]), sum(lane[1]), sum(lane[2]), sum(lane[3]), sum(lane[4]), sum(lane[5])};
}
/// q[i] = the nearest code to (x[i] + minimum) * inverse in [low, high].
template <unsigned N>
inline void codes_of(const float* x, float minimum, float inverse, float low, float high,
                     float* q) noexcept {
    for (unsigned i = 0; i < N; ++i) {
        const float t = std::min(high, std::max(low, (x[i] + minimum) * inverse));
        // Moved to where a cut is a floor.
        q[i] = static_cast<float>(static_cast<int>(t + 64.5f) - 64);
    }
}
/// Weighted squared error of scale * q - minimum.
template <unsigned N>
[[nodiscard]] inline float run_error(const float* x, const float* w, float minimum, float scale,
                                     float low, float high, float* q) noexcept {
    codes_of<N>(x, minimum, scale != 0 ? 1 / scale : 0, low, high, q);
    float lane[8] = {};
    for (unsigned i = 0; i < N; i += 8)
        for (unsigned k = 0; k < 8; ++k) {
            const float e = scale * q[i + k] - minimum - x[i + k];
            lane[k] += w[i + k] * e * e;
        }
    return ((lane[0] + lane[4]) + (lane[1] + lane[5])) +
           ((lane[2] + lane[6]) + (lane[3] + lane[7]));
}

/// Scale and minimum (both at least 0) for codes 0 to 15 by which 32 numbers err least.
inline void fit_with_minimum(const float* x, const float* w, float& scale,
                             float& minimum) noexcept {
    float low = 0, high = x[0], q[32];
    for (unsigned i = 0; i < 32; ++i) {
        low = std::min(low, x[i]);
        high = std::max(high, x[i]);
    }
    scale = 0;
    minimum = -low;
    if (!(high > low)) return;
    float best = -1;  // of what the codes explain; all fits share the rest
    for (int step = -10; step <= 10; ++step) {
        const float inverse = (15 + 0.1f * static_cast<float>(step)) / (high - low);
        codes_of<32>(x, -low, inverse, 0, 15, q);
        const RunSums s = run_sums<32>(x, q, w);
        const float determinant = s.w * s.wqq - s.wq * s.wq;
        float a = (s.w * s.wxq - s.wx * s.wq) / determinant;
        float m = (s.wq * s.wxq - s.wqq * s.wx) / determinant;
        // One code all over leaves the line open; a positive minimum is none the format has.
        if (!(determinant > 1e-6f * s.w * s.wqq) || m < 0) {
            m = 0;
            a = s.wqq > 0 ? s.wxq / s.wqq : 0;
        }
        if (!(a > 0)) continue;
        const float explained =
            2 * (a * s.wxq - m * s.wx) - (a * a * s.wqq - 2 * a * m * s.wq + m * m * s.w);
        if (explained > best) {
            best = explained;
            scale = a;
            minimum = m;
        }
    }
}

inline void quantize_q4_k(const float* x, const float* w, std::uint8_t* b) noexcept {
    float scale[8], minimum[8], q[32];
    float most = 0, least = 0;
    for (unsigned j = 0; j < 8; ++j) {
        fit_with_minimum(x + 32 * j, w + 32 * j, scale[j], minimum[j]);
        most = std::max(most, scale[j]);
        least = std::max(least, minimum[j]);
    }
    put_half(most / 63, b);
    put_half(least / 63, b + 2);
    const float d = half_at(b), dmin = half_at(b + 2);
    std::uint8_t* packed = b + 4;
    std::fill(packed, packed + 12, std::uint8_t{0});
    std::uint8_t codes[256];
    for (unsigned j = 0; j < 8; ++j) {
        const auto nearest = [](float v, float unit) {
            return unit > 0 ? static_cast<int>(std::min(v / unit, 62.5f) + 0.5f) : 0;
        };
        const int s0 = nearest(scale[j], d), m0 = nearest(minimum[j], dmin);
        int s = s0, m = m0;
        float best = std::numeric_limits<float>::infinity();
        for (int ds = -1; ds <= 1; ++ds)
            for (int dm = -1; dm <= 1; ++dm) {
                const int si = s0 + ds, mi = m0 + dm;
                if (si < 0 || si > 63 || mi < 0 || mi > 63) continue;
                const float e = run_error<32>(x + 32 * j, w + 32 * j, dmin * static_cast<float>(mi),
                                              d * static_cast<float>(si), 0, 15, q);
                if (e < best) best = e, s = si, m = mi;
            }
        static_cast<void>(run_error<32>(x + 32 * j, w + 32 * j, dmin * static_cast<float>(m),
                                        d * static_cast<float>(s), 0, 15, q));
        for (unsigned i = 0; i < 32; ++i) codes[32 * j + i] = static_cast<std::uint8_t>(q[i]);
        const auto us = static_cast<unsigned>(s), um = static_cast<unsigned>(m);
        const auto add = [&](unsigned at, unsigned bits) {
            packed[at] = static_cast<std::uint8_t>(packed[at] | bits);
        };
        if (j < 4) {
            add(j, us);
            add(j + 4, um);
        } else {
            add(j + 4, (us & 15) | (um & 15) << 4);
            add(j - 4, us >> 4 << 6);
            add(j, um >> 4 << 6);
        }
    }
    for (unsigned pair = 0; pair < 4; ++pair)
        put_nibbles(codes + 64 * pair, 32, b + 16 + 32 * pair);
}

/// The scale, of either sign, for codes -32 to 31 by which 16 numbers err least.
[[nodiscard]] inline float fit_scale(const float* x, const float* w) noexcept {
    float largest = 0, q[16];
    for (unsigned i = 0; i < 16; ++i)
        if (std::fabs(x[i]) > std::fabs(largest)) largest = x[i];
    if (largest == 0) return 0;
    float scale = 0, best = 0;
    for (int step = -9; step <= 9; ++step) {
        codes_of<16>(x, 0, -(32 + 0.1f * static_cast<float>(step)) / largest, -32, 31, q);
        const RunSums s = run_sums<16>(x, q, w);
        if (s.wqq > 0 && s.wxq * s.wxq > best * s.wqq) {
            best = s.wxq * s.wxq / s.wqq;
            scale = s.wxq / s.wqq;
        }
    }
    return scale;
}

inline void quantize_q6_k(const float* x, const float* w, std::uint8_t* b) noexcept {
    float scale[16], largest = 0, q[16];
    for (unsigned k = 0; k < 16; ++k) {
        scale[k] = fit_scale(x + 16 * k, w + 16 * k);
        if (std::fabs(scale[k]) > std::fabs(largest)) largest = scale[k];
    }
    std::fill(b, b + 192, std::uint8_t{0});
    put_half(largest / -128, b + 208);
    const float d = half_at(b + 208);
    for (unsigned k = 0; k < 16; ++k) {
        const float ratio = d != 0 ? std::min(std::max(scale[k] / d, -128.0f), 127.0f) : 0;
        const int s0 = static_cast<int>(ratio + 256.5f) - 256;
        int s = 0;
        float best = std::numeric_limits<float>::infinity();
        for (int si = std::max(s0 - 1, -128); si <= std::min(s0 + 1, 127); ++si) {
            const float e =
                run_error<16>(x + 16 * k, w + 16 * k, 0, d * static_cast<float>(si), -32, 31, q);
            if (e < best) best = e, s = si;
        }
        static_cast<void>(
            run_error<16>(x + 16 * k, w + 16 * k, 0, d * static_cast<float>(s), -32, 31, q));
        b[192 + k] = static_cast<std::uint8_t>(s);
        const unsigned n = k / 8, g = k % 8 / 2, l = 16 * (k & 1);
        for (unsigned i = 0; i < 16; ++i) {
            const auto code = static_cast<unsigned>(static_cast<int>(q[i]) + 32);
            std::uint8_t &low = b[64 * n + 32 * (g & 1) + l + i], &high = b[128 + 32 * n + l + i];
            low = static_cast<std::uint8_t>(low | (code & 15) << 4 * (g >> 1));
            high = static_cast<std::uint8_t>(high | code >> 4 << 2 * g);
        }
    }
}

/// One row of `cols` numbers, a multiple of the type's block, to row_bytes_of(t, cols) bytes. Infinities
/// and NaN give codes without meaning in types with scales. `importance` has a weight above 0 for each column, or is null.
inline void quantize_row(GgufType t, const float* x, std::size_t cols, const float* importance,
                         std::byte* to) {
    float alike[256];
    std::fill(alike, alike + 256, 1.0f);
    const unsigned block = info_of(t).block, bytes = info_of(t).bytes;
    auto* b = reinterpret_cast<std::uint8_t*>(to);
    using enum GgufType;
    for (std::size_t i = 0; i < cols; i += block, b += bytes) {
        const float* w = importance != nullptr ? importance + i : alike;
        switch (t) {
            case F32: {
                const auto bits = std::bit_cast<std::uint32_t>(x[i]);
                for (unsigned k = 0; k < 4; ++k) b[k] = static_cast<std::uint8_t>(bits >> 8 * k);
                break;
            }
            case F16: {
                const std::uint16_t bits = half(x[i]).bits();
                b[0] = static_cast<std::uint8_t>(bits);
                b[1] = static_cast<std::uint8_t>(bits >> 8);
                break;
            }
            case BF16: {
                const std::uint16_t bits = bfloat16(x[i]).bits();
                b[0] = static_cast<std::uint8_t>(bits);
                b[1] = static_cast<std::uint8_t>(bits >> 8);
                break;
            }
            case Q4_0: quantize_q4_0(x + i, b); break;
            case Q8_0: quantize_q8_0(x + i, b); break;
            case Q4_K: quantize_q4_k(x + i, w, b); break;
            case Q6_K: quantize_q6_k(x + i, w, b); break;
            case MXFP4: quantize_mxfp4(x + i, b); break;
            default: fail("quantize to " + std::string(name_of(t)) + ": this type is not written");
        }
    }
}

}  // namespace nibble
