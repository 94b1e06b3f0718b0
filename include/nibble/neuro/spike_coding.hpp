// SPDX-License-Identifier: BSL-1.0
// Numbers as spike trains, one neuron a number, and back: by rate and by latency.
//
//     rate, Poisson    a spike in each step with probability value * most
//     rate, regular    a spike whenever the sum of value * most passes a whole number
//     latency, linear  one spike, at (1 - value) * (steps - 1)
//     latency, RC      one spike when a membrane with that input passes the threshold:
//                      tau ln(value / (value - threshold)) steps, none when it never does
#pragma once

#include <nibble/neuro/recording.hpp>
#include <nibble/value/rounding.hpp>

#include <algorithm>
#include <cmath>

namespace nibble::inline NIBBLE_ARCH {

/// Refuses a number that is not from 0 to 1.
inline void expect_unit_numbers(std::span<const float> values, const char* who) {
    for (std::size_t i = 0; i < values.size(); ++i)
        if (!(values[i] >= 0.0f && values[i] <= 1.0f))
            fail(std::string(who) + ": number " + std::to_string(i) + " is " +
                 std::to_string(values[i]) + ", expected 0 to 1");
}

/// How rates code numbers.
struct RateCode {
    double most = 0.5;       ///< spikes a step for the number 1; above 0, at most 1
    bool regular = false;    ///< equal intervals instead of Poisson's
    std::uint64_t seed = 1;  ///< of Poisson trains
};

/// Trains of `steps` steps for numbers from 0 to 1. Errors: a number or a rate out of range.
[[nodiscard]] inline SpikeRecording encode_rates(std::span<const float> values, std::size_t steps,
                                                 const RateCode& code = {}) {
    if (!(code.most > 0.0 && code.most <= 1.0))
        fail("encode_rates: at most " + std::to_string(code.most) +
             " spikes a step, expected above 0 to 1");
    expect_unit_numbers(values, "encode_rates");
    SpikeRecording r(values.size(), steps);
    for (std::size_t t = 0; t < steps; ++t) {
        r.begin_step();
        const Dither dice(code.seed, t);
        for (std::size_t i = 0; i < values.size(); ++i) {
            const double rate = code.most * static_cast<double>(values[i]);
            const auto step = static_cast<double>(t);
            if (code.regular ? std::floor((step + 1.0) * rate) > std::floor(step * rate)
                             : static_cast<double>(dice(i)) * 0x1p-32 < rate)
                r.add(i);
        }
    }
    return r;
}

/// The numbers whose rates these are; above 1 where a neuron fired more than code.most allows.
[[nodiscard]] inline std::vector<float> decode_rates(const SpikeRecording& r,
                                                     const RateCode& code = {}) {
    std::vector<float> values;
    const double all = static_cast<double>(r.steps()) * code.most;
    for (const std::uint32_t n : r.counts())
        values.push_back(all > 0.0 ? static_cast<float>(static_cast<double>(n) / all) : 0.0f);
    return values;
}

/// How latencies code numbers.
struct LatencyCode {
    double tau = 0.0;         ///< steps, of an RC membrane; 0: linear
    double threshold = 0.01;  ///< RC: numbers up to it have no spike; linear: below it
};

/// One spike a number from 0 to 1, the earlier the larger it is. Errors: a number out of range.
[[nodiscard]] inline SpikeRecording encode_latencies(std::span<const float> values,
                                                     std::size_t steps,
                                                     const LatencyCode& code = {}) {
    expect_unit_numbers(values, "encode_latencies");
    if (!(code.tau >= 0.0 && code.threshold >= 0.0) || (code.tau > 0.0 && code.threshold == 0.0))
        fail("encode_latencies: tau " + std::to_string(code.tau) + ", threshold " +
             std::to_string(code.threshold) + "; expected 0 or more, and above 0 for an RC code");
    SpikeRecording r(values.size(), steps);
    std::vector<std::vector<std::size_t>> at(steps);
    for (std::size_t i = 0; i < values.size() && steps != 0; ++i) {
        const auto v = static_cast<double>(values[i]);
        const double last = static_cast<double>(steps - 1);
        if (v < code.threshold || (code.tau > 0.0 && v == code.threshold)) continue;
        const double t =
            code.tau > 0.0 ? code.tau * std::log(v / (v - code.threshold)) : (1.0 - v) * last;
        if (t <= last) at[static_cast<std::size_t>(std::nearbyint(t))].push_back(i);
    }
    for (const auto& neurons : at) {
        r.begin_step();
        for (const std::size_t i : neurons) r.add(i);
    }
    return r;
}

/// The numbers by each neuron's first spike; 0 for a neuron without one.
[[nodiscard]] inline std::vector<float> decode_latencies(const SpikeRecording& r,
                                                         const LatencyCode& code = {}) {
    std::vector<float> values(r.neurons(), 0.0f);
    const auto trains = r.trains();
    for (std::size_t i = 0; i < trains.size(); ++i) {
        if (trains[i].empty()) continue;
        const auto t = static_cast<double>(trains[i].front());
        const double last = static_cast<double>(r.steps() - 1);
        double v = last > 0.0 ? 1.0 - t / last : 1.0;
        if (code.tau > 0.0) v = std::fmin(1.0, code.threshold / (1.0 - std::exp(-t / code.tau)));
        values[i] = static_cast<float>(v);
    }
    return values;
}

}  // namespace nibble
