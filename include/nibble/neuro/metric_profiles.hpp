// SPDX-License-Identifier: BSL-1.0
// Distances of two spike trains without a parameter: means over time of a dissimilarity in [0, 1].
//
//     ISI     Kreuz et al. 2007   |x - y| / max(x, y), x and y the intervals between the spikes
//                                 around the moment
//     SPIKE   Kreuz et al. 2013   (s y + r x) / (2 m^2), m = (x + y) / 2. At a spike, s is the
//                                 distance to the nearest spike of the other train, and linear in
//                                 between; r the same for the other train
//
// Time runs from 0 to `steps`. At the ends, as is usual: the interval to an end counts no less than
// the train's nearest interval, s keeps the value of the nearest spike, and a train without spikes
// has one at each end. Two trains without spikes are at distance 0.
#pragma once

#include <nibble/neuro/metric_trains.hpp>

#include <algorithm>

namespace nibble::inline NIBBLE_ARCH {

/// One train on the way through time, beside the other one.
class TrainWalk {
public:
    TrainWalk(SpikeTrain train, SpikeTrain other, std::uint32_t steps) noexcept
        : train_(train), other_(other), steps_(steps) {
        measure();
    }

    /// When what is below changes next; `steps` at the end.
    [[nodiscard]] double until() const noexcept {
        return next_ < train_.size() ? static_cast<double>(train_[next_]) : steps_;
    }
    /// Goes past the spike at until().
    void advance() noexcept {
        if (next_ == train_.size()) return;
        ++next_;
        measure();
    }
    /// The interval between spikes.
    [[nodiscard]] double interval() const noexcept { return interval_; }
    /// The distance to the other train's spikes.
    [[nodiscard]] double apart(double t) const noexcept {
        if (next_ == 0) return ahead_;
        if (next_ == train_.size()) return behind_;
        const double f = (t - static_cast<double>(train_[next_ - 1])) / interval_;
        return behind_ + (ahead_ - behind_) * f;
    }

private:
    [[nodiscard]] double at(std::size_t i) const noexcept { return static_cast<double>(train_[i]); }
    [[nodiscard]] double nearest(std::size_t i) const noexcept {
        const auto after = std::lower_bound(other_.begin(), other_.end(), train_[i]);
        double d = INFINITY;
        if (after != other_.end()) d = static_cast<double>(*after) - at(i);
        if (after != other_.begin()) d = std::fmin(d, at(i) - static_cast<double>(*(after - 1)));
        return d;
    }
    void measure() noexcept {
        const std::size_t n = train_.size();
        behind_ = next_ > 0 ? nearest(next_ - 1) : 0.0;
        ahead_ = next_ < n ? nearest(next_) : 0.0;
        if (next_ == 0) interval_ = n > 1 ? std::fmax(at(0), at(1) - at(0)) : at(0);
        else if (next_ < n) interval_ = at(next_) - at(next_ - 1);
        else
            interval_ =
                n > 1 ? std::fmax(steps_ - at(n - 1), at(n - 1) - at(n - 2)) : steps_ - at(0);
    }

    SpikeTrain train_, other_;
    double steps_;
    std::size_t next_ = 0;
    double interval_ = 0.0, behind_ = 0.0, ahead_ = 0.0;
};

/// Calls f(walk of a, walk of b, from, to) for every stretch of time without a spike.
template <class F>
void walk_trains(SpikeTrain a, SpikeTrain b, std::uint32_t steps, F&& f) {
    const std::uint32_t ends[2] = {0, steps};
    const SpikeTrain one = a.empty() ? SpikeTrain(ends) : a, two = b.empty() ? SpikeTrain(ends) : b;
    TrainWalk x(one, two, steps), y(two, one, steps);
    for (double now = 0.0; now < static_cast<double>(steps);) {
        const double to = std::fmin(x.until(), y.until());
        if (to > now) f(x, y, now, to);
        now = to;
        if (x.until() == to) x.advance();
        if (y.until() == to) y.advance();
    }
}

/// The ISI-distance of two trains in a recording of `steps` steps.
[[nodiscard]] inline double isi_distance(SpikeTrain a, SpikeTrain b, std::uint32_t steps) {
    if (steps == 0 || (a.empty() && b.empty())) return 0.0;
    double sum = 0.0;
    walk_trains(a, b, steps, [&](const TrainWalk& x, const TrainWalk& y, double from, double to) {
        const double one = x.interval(), two = y.interval();
        sum += std::fabs(one - two) / std::fmax(one, two) * (to - from);
    });
    return sum / steps;
}

/// The SPIKE-distance of two trains in a recording of `steps` steps.
[[nodiscard]] inline double spike_distance(SpikeTrain a, SpikeTrain b, std::uint32_t steps) {
    if (steps == 0 || (a.empty() && b.empty())) return 0.0;
    double sum = 0.0;
    walk_trains(a, b, steps, [&](const TrainWalk& x, const TrainWalk& y, double from, double to) {
        const double one = x.interval(), two = y.interval();
        const auto at = [&](double t) { return x.apart(t) * two + y.apart(t) * one; };
        const double middle = 0.5 * (at(from) + at(to));  // linear in between
        sum += 2.0 * middle / ((one + two) * (one + two)) * (to - from);
    });
    return sum / steps;
}

}  // namespace nibble
