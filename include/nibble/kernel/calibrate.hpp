// SPDX-License-Identifier: BSL-1.0
// Calibration: the scale (and offset) under which a run of numbers is stored.
//
//     absmax       the largest magnitude becomes the highest code
//     percentile   the p-th percentile of the magnitudes does; what lies above saturates
//     mse          the scale with the smallest mean square error: a geometric grid of clipped ranges,
//                  absmax among them, then least squares for the codes that the best one gives
//
// A scale is rounded to its stored type before any code is computed, upwards where the largest number
// would clip otherwise. Under mse an integer format may get a negative scale, so that its lowest
// code, which has no positive twin, serves the end that reaches further. Sums run over sixteen
// accumulators in a fixed order: equal bits for every instruction set with the same fused multiply.
#pragma once

#include <nibble/kernel/scales.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// How scales are found.
struct Calibration {
    enum class Method : std::uint8_t { absmax, percentile, mse };
    Method method = Method::absmax;
    float percentile = 99.9f;  ///< of the magnitudes in a run, in (0, 100]; for Method::percentile
};

inline constexpr Calibration by_absmax{};
inline constexpr Calibration by_mse{Calibration::Method::mse};
[[nodiscard]] constexpr Calibration by_percentile(float percentile) noexcept {
    return {Calibration::Method::percentile, percentile};
}

/// mse for values of at most four bits, absmax for the others.
template <Format F>
[[nodiscard]] constexpr Calibration default_calibration() noexcept {
    return bits_v<value_of<F>> <= 4 ? by_mse : by_absmax;
}

/// A scale and an offset, both as stored: representable in the format's scale type.
struct Affine {
    float scale = 0.0f;
    float offset = 0.0f;
};

/// The ends of a run, zero included.
struct Range {
    float low = 0.0f, high = 0.0f;
    [[nodiscard]] constexpr float magnitude() const noexcept { return -low > high ? -low : high; }
};

/// The smallest and the largest number of a run of n > 0 finite ones.
template <class A>
[[nodiscard]] Range range_of(const float* x, std::size_t n) noexcept {
    using B = Batch<float, A>;
    B low(x[0]), high(x[0]);
    std::size_t i = 0;
    for (; i + B::lanes <= n; i += B::lanes) {
        const B v = B::load(x + i);
        low = min(low, v);
        high = max(high, v);
    }
    Range range{-reduce_max(-low), reduce_max(high)};
    for (; i < n; ++i) {
        range.low = x[i] < range.low ? x[i] : range.low;
        range.high = x[i] > range.high ? x[i] : range.high;
    }
    return range;
}

/// What least squares needs to find a better scale and offset for the codes q of
/// y = (x - offset) / scale.
struct Fit {
    double yq = 0, qq = 0, y = 0, q = 0;
    Fit& operator+=(const Fit& o) noexcept {
        yq += o.yq;
        qq += o.qq;
        y += o.y;
        q += o.q;
        return *this;
    }
};

/// Sixteen sums of floats, the same ones for every width of register.
template <class A>
struct Sixteen {
    using B = Batch<float, A>;
    static constexpr std::size_t registers = 16 / B::lanes;
    B sum[registers];
    Sixteen() noexcept {
        for (B& s : sum) s = B(0.0f);
    }
    [[nodiscard]] NIBBLE_INLINE double total() const noexcept {
        float part[16];
        for (std::size_t i = 0; i < registers; ++i) sum[i].store(part + i * B::lanes);
        for (std::size_t width = 8; width != 0; width /= 2)
            for (std::size_t i = 0; i < width; ++i) part[i] += part[i + width];
        return static_cast<double>(part[0]);
    }
};

/// Calls add(j, y) with y = (x - offset) / scale for all n numbers, sixteen at a time; register j of
/// the sixteen.
template <bool HasOffset, class A, class Add>
NIBBLE_INLINE void each_scaled(const float* x, std::size_t n, Affine affine, Add&& add) noexcept {
    using B = Batch<float, A>;
    const B inverse(inverse_scale(affine.scale)), offset(affine.offset);
    const auto sixteen = [&](const float* p) {
        for (std::size_t j = 0; j < Sixteen<A>::registers; ++j) {
            B y = B::load(p + j * B::lanes);
            if constexpr (HasOffset) y = y - offset;
            add(j, y * inverse);
        }
    };
    std::size_t i = 0;
    for (; i + 16 <= n; i += 16) sixteen(x + i);
    if (i < n) {
        // Numbers equal to the offset have code zero and add nothing to any sum.
        float rest[16];
        for (std::size_t j = 0; j < 16; ++j) rest[j] = i + j < n ? x[i + j] : affine.offset;
        sixteen(rest);
    }
}

/// The squared distance of n finite numbers from V's nearest codes, in units of the scale squared.
template <NeuralValue V, bool HasOffset, class A>
[[nodiscard]] double error_of(const float* x, std::size_t n, Affine affine) noexcept {
    using B = Batch<float, A>;
    Sixteen<A> error;
    each_scaled<HasOffset, A>(x, n, affine, [&](std::size_t j, B y) {
        const B d = y - nearest_lanes<V, A>(y);
        error.sum[j] = fma(d, d, error.sum[j]);
    });
    return error.total();
}

/// The sums for least squares over the same codes.
template <NeuralValue V, bool HasOffset, class A>
[[nodiscard]] Fit fit_of(const float* x, std::size_t n, Affine affine) noexcept {
    using B = Batch<float, A>;
    Sixteen<A> yq, qq, ys, qs;
    each_scaled<HasOffset, A>(x, n, affine, [&](std::size_t j, B y) {
        const B q = nearest_lanes<V, A>(y);
        yq.sum[j] = fma(y, q, yq.sum[j]);
        qq.sum[j] = fma(q, q, qq.sum[j]);
        ys.sum[j] = ys.sum[j] + y;
        qs.sum[j] = qs.sum[j] + q;
    });
    return {yq.total(), qq.total(), ys.total(), qs.total()};
}

/// The scale and offset that cover a range, offset first: it is rounded, and the scale then reaches
/// both ends from where the offset really is.
template <NeuralValue V, ScaleValue S, bool HasOffset>
[[nodiscard]] Affine covering(Range range) noexcept {
    if constexpr (!HasOffset) {
        return {covering_scale<V, S>(range.magnitude()), 0.0f};
    } else {
        const float low = reach<V>(value_traits<V>::lowest()),
                    high = reach<V>(value_traits<V>::highest());
        // Halves, because the difference of the ends may be more than a float holds.
        const float step = (range.high / 2 - range.low / 2) / ((high - low) / 2);
        const float offset = stored_number<S>(range.low - low * step);
        const float up = (range.high - offset) / high, down = (range.low - offset) / low;
        return {covering_scale<V, S>((up > down ? up : down) * high), offset};
    }
}

/// The scale and offset with the smallest error. `error_at(affine)` and `fit_at(affine)` are error_of
/// and fit_of for all n numbers together; `range` holds their ends.
template <NeuralValue V, ScaleValue S, bool HasOffset, class Error, class Fits>
[[nodiscard]] Affine search_scale(Range range, std::size_t n, Error&& error_at, Fits&& fit_at) {
    Affine best = covering<V, S, HasOffset>(range);
    if (range.magnitude() == 0.0f || best.scale == 0.0f || bits_v < V >> 8) return best;
    const auto error = [&](Affine a) {
        return error_at(a) * static_cast<double>(a.scale) * static_cast<double>(a.scale);
    };
    double least = error(best);
    const auto better = [&](Affine candidate) {
        if (candidate.scale == 0.0f) return false;
        const double e = error(candidate);
        if (!(e < least)) return false;
        best = candidate;
        least = e;
        return true;
    };
    // Two bits have so few codes that the best range may be a small part of a heavy tail, and the
    // error is not unimodal on the way there; with more codes it is nearly so.
    constexpr int candidates = bits_v<V> <= 2 ? 40 : bits_v<V> <= 4 ? 20 : 12;
    constexpr int patience = bits_v<V> <= 2 ? candidates : 5;
    constexpr float low = reach<V>(value_traits<V>::lowest());
    constexpr float high = reach<V>(value_traits<V>::highest());
    constexpr bool lopsided = -low > high && !std::is_same_v<S, E8M0>;
    const float sign = lopsided && range.high > -range.low ? -1.0f : 1.0f;
    Affine last = best;
    float ratio = 1.0f;
    for (int k = 0, misses = 0; k < candidates && misses < patience; ++k, ratio *= 0.93f) {
        Affine next;
        if constexpr (HasOffset) {
            const float middle = range.low / 2 + range.high / 2;
            next = covering<V, S, true>(
                {middle + (range.low - middle) * ratio, middle + (range.high - middle) * ratio});
        } else {
            next.scale =
                stored_scale<S>(sign * range.magnitude() * ratio / (lopsided ? -low : high));
        }
        if (next.scale == last.scale && next.offset == last.offset) continue;
        last = next;
        misses = better(next) ? 0 : misses + 1;
    }
    for (int k = 0; k < 3; ++k) {
        Affine next = best;
        const Fit fit = fit_at(best);
        if constexpr (HasOffset) {
            const auto count = static_cast<double>(n);
            const double spread = count * fit.qq - fit.q * fit.q;
            if (!(spread > 0)) break;
            const double slope = (count * fit.yq - fit.y * fit.q) / spread;
            const double shift = (fit.y - slope * fit.q) / count;
            next.offset = stored_number<S>(
                static_cast<float>(best.offset + shift * static_cast<double>(best.scale)));
            next.scale =
                stored_scale<S>(static_cast<float>(slope * static_cast<double>(best.scale)));
        } else {
            if (!(fit.qq > 0)) break;
            next.scale = stored_scale<S>(
                static_cast<float>(fit.yq / fit.qq * static_cast<double>(best.scale)));
        }
        if ((next.scale == best.scale && next.offset == best.offset) || !better(next)) break;
    }
    return best;
}

/// The magnitude that p percent of all numbers do not exceed (nearest rank), by counting the leading
/// bytes of the float's bits: exact, and without a copy. `visit(f)` calls f(x, n) for each piece.
template <class Visit>
[[nodiscard]] float magnitude_percentile(std::size_t count, float p, Visit&& visit) {
    const double wanted = static_cast<double>(p) / 100.0 * static_cast<double>(count);
    auto rank = static_cast<std::size_t>(wanted);
    if (static_cast<double>(rank) < wanted || rank == 0) ++rank;
    if (rank > count) rank = count;
    std::uint32_t prefix = 0;
    for (int shift = 24; shift >= 0; shift -= 8) {
        std::size_t seen[256] = {};
        visit([&](const float* x, std::size_t n) {
            for (std::size_t i = 0; i < n; ++i) {
                const std::uint32_t bits = std::bit_cast<std::uint32_t>(x[i]) & 0x7FFFFFFFu;
                if (shift == 24 || bits >> (shift + 8) == prefix) ++seen[(bits >> shift) & 0xFFu];
            }
        });
        std::uint32_t byte = 0;
        while (byte < 255 && rank > seen[byte]) rank -= seen[byte++];
        prefix = prefix << 8 | byte;
    }
    return std::bit_cast<float>(prefix);
}

/// The range that percentile calibration covers: cut to the percentile, unless that is zero.
[[nodiscard]] constexpr Range cut_to(Range range, float limit) noexcept {
    if (limit > 0.0f) {
        range.low = range.low < -limit ? -limit : range.low > limit ? limit : range.low;
        range.high = range.high > limit ? limit : range.high < -limit ? -limit : range.high;
    }
    return range;
}

/// The scale and offset of one run of n > 0 finite numbers.
template <NeuralValue V, ScaleValue S, bool HasOffset, class A>
[[nodiscard]] Affine calibrate_run(const float* x, std::size_t n, Calibration how) {
    Range range = range_of<A>(x, n);
    if (how.method == Calibration::Method::mse)
        return search_scale<V, S, HasOffset>(
            range, n, [&](Affine a) { return error_of<V, HasOffset, A>(x, n, a); },
            [&](Affine a) { return fit_of<V, HasOffset, A>(x, n, a); });
    if (how.method == Calibration::Method::percentile)
        range = cut_to(range, magnitude_percentile(n, how.percentile, [&](auto f) { f(x, n); }));
    return covering<V, S, HasOffset>(range);
}

}  // namespace nibble
