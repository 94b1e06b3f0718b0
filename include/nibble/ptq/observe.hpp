// SPDX-License-Identifier: BSL-1.0
// Observers of activations: how large the numbers are that go through a place, and from that the range
// which fixed (static) quantization should cover. What lies beyond a range is clipped to its end.
//
//     range        the largest magnitude seen
//     percentile   the magnitude that p percent of all numbers do not exceed
//     mse          the least square error: step^2 / 12 within the range, what is cut off beyond it
//     entropy      the least divergence of the rounded distribution from the one seen (as in Migacz 2017,
//                  "8-bit inference with TensorRT")
//
// An observer keeps 2048 counts, whatever it is shown: when a larger number comes, neighbours are added
// and the bins are twice as wide. So its memory is fixed and the order of what it sees hardly matters.
#pragma once

#include <nibble/ptq/network.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

namespace nibble::inline NIBBLE_ARCH {
namespace ptq {

/// How an observer's counts become a range.
enum class RangeBy : std::uint8_t { range, percentile, mse, entropy };

/// Counts of magnitudes.
class Observer {
public:
    static constexpr std::size_t bins = 2048;

    /// Takes all of x in. NaN and infinity are counted apart.
    void see(View<const float> x) {
        float most = 0;
        for (std::size_t r = 0; r < x.rows; ++r)
            for (std::size_t k = 0; k < x.cols; ++k) {
                const float size = std::fabs(x(r, k));
                if (std::isfinite(size)) most = size > most ? size : most;
            }
        widen(most);
        const double by = width_ > 0 ? 1 / width_ : 0;
        for (std::size_t r = 0; r < x.rows; ++r)
            for (std::size_t k = 0; k < x.cols; ++k) {
                const float size = std::fabs(x(r, k));
                if (!std::isfinite(size)) {
                    ++not_finite_;
                    continue;
                }
                const auto bin = static_cast<std::size_t>(static_cast<double>(size) * by);
                ++counts_[bin < bins ? bin : bins - 1];
                ++seen_;
            }
        largest_ = most > largest_ ? most : largest_;
    }
    [[nodiscard]] std::uint64_t seen() const noexcept { return seen_; }
    [[nodiscard]] std::uint64_t not_finite() const noexcept { return not_finite_; }
    [[nodiscard]] float largest() const noexcept { return largest_; }

    /// The magnitude that a symmetric grid of `steps` steps on either side of zero (127 for int8) should
    /// reach; 0 when nothing but zeros was seen. `percent` is for RangeBy::percentile, in (0, 100].
    [[nodiscard]] float magnitude(RangeBy method, int steps = 127, double percent = 99.99) const {
        if (steps < 1 || !(percent > 0 && percent <= 100))
            fail("ptq: a range of " + std::to_string(steps) + " steps at " +
                 std::to_string(percent) + " percent, expected at least 1 and (0, 100]");
        if (largest_ == 0 || method == RangeBy::range) return largest_;
        if (method == RangeBy::percentile) return at_percentile(percent);
        float best = largest_;
        double least = std::numeric_limits<double>::infinity();
        const std::size_t used = std::min<std::size_t>(
            bins, static_cast<std::size_t>(static_cast<double>(largest_) / width_) + 1);
        const auto first = std::min<std::size_t>(static_cast<std::size_t>(steps) + 1, used);
        for (std::size_t end = first; end <= used; end += 1 + used / 256) {
            const float range =
                end == used ? largest_ : static_cast<float>(static_cast<double>(end) * width_);
            const double cost =
                method == RangeBy::mse ? square_error(range, steps) : divergence(end, used, steps);
            if (cost < least) {
                least = cost;
                best = range;
            }
        }
        return best;
    }

private:
    void widen(float most) {
        if (most == 0) return;
        const auto reach = static_cast<double>(most);
        if (width_ == 0) width_ = reach / (bins - 1);
        while (reach >= width_ * bins) {
            for (std::size_t i = 0; i < bins; ++i)
                counts_[i] = i < bins / 2 ? counts_[2 * i] + counts_[2 * i + 1] : 0;
            width_ *= 2;
        }
    }
    [[nodiscard]] float at_percentile(double percent) const {
        const double wanted = percent / 100 * static_cast<double>(seen_);
        double below = 0;
        for (std::size_t i = 0; i < bins; ++i) {
            below += static_cast<double>(counts_[i]);
            if (below >= wanted)
                return std::min(static_cast<float>(static_cast<double>(i + 1) * width_), largest_);
        }
        return largest_;
    }
    [[nodiscard]] double square_error(float range, int steps) const {
        const double step = static_cast<double>(range) / steps;
        double sum = 0;
        for (std::size_t i = 0; i < bins; ++i) {
            const double x = (static_cast<double>(i) + 0.5) * width_;
            const double over = x - static_cast<double>(range);
            // Within the first half step everything is rounded to zero, and that is all the error.
            const double within = x < step / 2 ? x * x : step * step / 12;
            sum += static_cast<double>(counts_[i]) * (over > 0 ? over * over : within);
        }
        return sum;
    }
    /// KL between what was seen, with all beyond bin `end` moved into the last bin, and the same after
    /// its bins are merged into `steps` and spread evenly over those that were not empty.
    [[nodiscard]] double divergence(std::size_t end, std::size_t used, int steps) const {
        double beyond = 0, sum = 0;
        for (std::size_t i = end; i < used; ++i) beyond += static_cast<double>(counts_[i]);
        const auto all = static_cast<double>(seen_);
        const auto merged = static_cast<std::size_t>(steps);
        double lost = 0;
        for (std::size_t s = 0; s < merged; ++s) {
            const std::size_t from = s * end / merged, to = (s + 1) * end / merged;
            double total = 0;
            std::size_t filled = 0;
            for (std::size_t i = from; i < to; ++i) {
                total += static_cast<double>(counts_[i]);
                filled += counts_[i] != 0 ? 1u : 0u;
            }
            for (std::size_t i = from; i < to; ++i) {
                const double p = static_cast<double>(counts_[i]) + (i + 1 == end ? beyond : 0);
                if (p == 0) continue;
                const double q = filled != 0 ? total / static_cast<double>(filled) : 0;
                // A last bin that only holds what was cut off: no rounding gives that.
                if (q == 0) lost += p;
                else sum += p / all * std::log(p / q);
            }
        }
        return lost > 0 ? sum + lost / all * 20 : sum;
    }

    std::array<std::uint64_t, bins> counts_{};
    double width_ = 0;
    float largest_ = 0;
    std::uint64_t seen_ = 0, not_finite_ = 0;
};

/// Makes a network round the input of every product whose range is known to a symmetric grid of
/// `steps` steps on either side, fixed for the whole tensor: what static quantization of activations
/// does, to be evaluated. Undone by `net.on->seen = {}`.
inline void fix_activations(Network& net, std::map<std::string, float> ranges, int steps = 127) {
    net.on->seen = [&net, ranges = std::move(ranges), steps, rounded = Tensor<float>()](
                       const void* weight, View<const float> x) mutable -> View<const float> {
        const Parameter* p = net.of_weight(weight);
        const auto found = p == nullptr ? ranges.end() : ranges.find(p->name);
        if (found == ranges.end() || !(found->second > 0)) return x;
        const float scale = found->second / static_cast<float>(steps);
        rounded = Tensor<float>(Shape{x.rows, x.cols});
        const auto most = static_cast<float>(steps);
        for (std::size_t r = 0; r < x.rows; ++r)
            for (std::size_t k = 0; k < x.cols; ++k)
                rounded(r, k) = std::clamp(std::nearbyint(x(r, k) / scale), -most, most) * scale;
        return rounded.view();
    };
}

}  // namespace ptq
}  // namespace nibble
