// SPDX-License-Identifier: BSL-1.0
// What synapses add up for the ports of a population: 16-bit or 32-bit integers, or floats.
//
// Where all weights that reach a population are whole multiples of one unit a sum of integers is exact,
// so it depends neither on order nor on threads, and 16-bit sums take half the cache: they are taken
// where no sum can pass their range.
#pragma once

#include <nibble/kernel/shorts.hpp>
#include <nibble/store/buffer.hpp>
#include <nibble/store/view.hpp>

#include <cmath>
#include <span>
#include <vector>

namespace nibble::inline NIBBLE_ARCH {

enum class SumKind : std::uint8_t { int16, int32, real };

/// What the weights that arrive at a port are like, over all of its projections.
struct WeightRange {
    double quantum = 0.0;  ///< the weights are whole multiples of it, in real units; 0: of nothing
    double most = 0.0;     ///< the largest sum of sizes of weights onto one target
};

/// The sums of the ports of `neurons` neurons.
class PortSums {
public:
    PortSums() = default;
    PortSums(std::size_t neurons, std::size_t ports)
        : neurons_(padded(neurons)), units_(ports, 1.0), extra_(ports) {
        choose({});
    }

    /// Takes the kind that fits the weights, port by port: `in[p]` are the projections onto port p.
    void choose(const std::vector<std::vector<WeightRange>>& in) {
        kind_ = SumKind::int16;
        for (std::size_t p = 0; p < in.size(); ++p) {
            const double unit = common_unit(in[p]);
            double most = 0.0;
            for (const WeightRange& w : in[p]) most += unit == 0.0 ? 0.0 : w.most / unit;
            units_[p] = unit;
            const SumKind kind = unit == 0.0 || most >= 0x1p31 ? SumKind::real
                                 : most > 32767.0              ? SumKind::int32
                                                               : SumKind::int16;
            kind_ = kind > kind_ ? kind : kind_;
        }
        if (kind_ == SumKind::real) units_.assign(units_.size(), 1.0);
        const std::size_t n = neurons_ * units_.size();
        shorts_ = Buffer<std::int16_t>(kind_ == SumKind::int16 ? n : 0);
        ints_ = Buffer<std::int32_t>(kind_ == SumKind::int32 ? n : 0);
        reals_ = Buffer<float>(kind_ == SumKind::real ? n : 0);
    }

    [[nodiscard]] SumKind kind() const noexcept { return kind_; }
    [[nodiscard]] std::size_t ports() const noexcept { return units_.size(); }
    /// What 1 in a sum of port p means, in real units.
    [[nodiscard]] double unit(std::size_t p) const noexcept { return units_[p]; }
    template <class Sum>
    [[nodiscard]] std::span<Sum> sums(std::size_t p) noexcept {
        if constexpr (std::is_same_v<Sum, std::int16_t>)
            return {shorts_.data() + p * neurons_, neurons_};
        else if constexpr (std::is_same_v<Sum, std::int32_t>)
            return {ints_.data() + p * neurons_, neurons_};
        else return {reals_.data() + p * neurons_, neurons_};
    }
    /// Input in real units beside the sums, there once asked for; empty before.
    [[nodiscard]] std::span<float> extra(std::size_t p) {
        if (extra_[p].size() == 0) extra_[p] = Buffer<float>(neurons_);
        return {extra_[p].data(), neurons_};
    }
    [[nodiscard]] float* extra_or_null(std::size_t p) noexcept { return extra_[p].data(); }
    [[nodiscard]] std::size_t bytes() const noexcept {
        std::size_t n = shorts_.size() * 2 + ints_.size() * 4 + reals_.size() * 4;
        for (const auto& x : extra_) n += x.size() * 4;
        return n;
    }

private:
    // The largest unit, the smallest quantum or a small fraction of it, of which all are multiples.
    static double common_unit(const std::vector<WeightRange>& in) {
        double least = 0.0;
        for (const WeightRange& w : in) {
            if (w.most == 0.0) continue;
            if (w.quantum == 0.0) return 0.0;
            least = least == 0.0 || w.quantum < least ? w.quantum : least;
        }
        if (least == 0.0) return 1.0;
        for (int part = 1; part <= 16; ++part) {
            const double unit = least / part;
            bool whole = true;
            for (const WeightRange& w : in) {
                const double n = w.quantum / unit;
                // Weights were rounded to floats on their way here.
                whole = whole && (w.most == 0.0 || std::fabs(n - std::nearbyint(n)) <= 1e-6 * n);
            }
            if (whole) return unit;
        }
        return 0.0;
    }

    std::size_t neurons_ = 0;
    SumKind kind_ = SumKind::int16;
    std::vector<double> units_;
    std::vector<Buffer<float>> extra_;
    Buffer<std::int16_t> shorts_;
    Buffer<std::int32_t> ints_;
    Buffer<float> reals_;
};

/// `lanes` sums from p as floats.
template <class A, class Sum>
[[nodiscard]] NIBBLE_INLINE Batch<float, A> load_sums(const Sum* p) noexcept {
    if constexpr (std::is_same_v<Sum, std::int16_t>) return to_float(load_shorts<A>(p));
    else if constexpr (std::is_same_v<Sum, std::int32_t>)
        return to_float(Batch<std::int32_t, A>::load(p));
    else return Batch<float, A>::load(p);
}

}  // namespace nibble
