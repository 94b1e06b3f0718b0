// A brain of FEAGI's rules the slow way: one neuron and one synapse at a time, in plain lists. What
// Brain<float> must equal bit for bit.
#pragma once

#include <nibble/neuro/brain_rules.hpp>
#include <nibble/neuro/brain_types.hpp>

#include <algorithm>
#include <limits>
#include <vector>

namespace test {

struct OracleNeuron {
    float threshold = 1, limit = std::numeric_limits<float>::infinity(), leak = 0, excitability = 1;
    std::uint16_t refractory = 0, fire_limit = 0, snooze = 0;
    bool accumulates = true;
    std::size_t area = 0;
    float v = 0, at_firing = 0;
    std::uint32_t countdown = 0, count = 0;
};

struct OracleArea {
    bool uniform = false, driven = false;
};

/// Neurons are numbered area by area; synapses are taken by target area, source area, delay and source.
struct BrainOracle {
    std::vector<OracleArea> areas;
    std::vector<OracleNeuron> neurons;
    std::vector<nibble::BrainSynapse> synapses;
    std::vector<nibble::PlasticityRule> rules;
    bool every_step = false;

    std::uint64_t burst = 0, events = 0, candidates = 0;
    std::vector<std::vector<bool>> history;      // by burst, by neuron
    std::vector<std::vector<float>> potentials;  // at firing, by burst

    std::vector<std::uint32_t> step(const std::vector<std::pair<std::uint32_t, float>>& inject) {
        using namespace nibble;
        ++burst;
        const std::size_t n = neurons.size();
        std::vector<float> sum(n, 0.0f);
        std::vector<bool> touched(n, every_step);
        for (OracleNeuron& x : neurons)
            if (!x.accumulates) x.v = 0.0f;
        for (const auto& [i, x] : inject) {
            sum[i] += x;
            touched[i] = true;
        }
        std::vector<std::uint32_t> fan(n, 0);
        for (const BrainSynapse& s : synapses) ++fan[s.source];
        std::stable_sort(synapses.begin(), synapses.end(), [&](const auto& a, const auto& b) {
            const auto key = [&](const BrainSynapse& s) {
                return std::tuple(neurons[s.target].area, neurons[s.source].area, s.delay,
                                  s.source);
            };
            return key(a) < key(b);
        });
        events = 0;
        for (const BrainSynapse& s : synapses) {
            if (burst <= s.delay || !history[burst - s.delay - 1][s.source]) continue;
            const OracleArea& from = areas[neurons[s.source].area];
            const std::uint8_t psp =
                from.driven ? driven_psp(potentials[burst - s.delay - 1][s.source]) : s.psp;
            float c = static_cast<float>(contribution(s.weight, psp, s.inhibitory));
            if (!from.uniform && fan[s.source] > 1) c /= static_cast<float>(fan[s.source]);
            sum[s.target] += c;
            touched[s.target] = true;
            ++events;
        }
        std::vector<std::uint32_t> fired;
        candidates = 0;
        for (std::uint32_t i = 0; i < n; ++i) {
            if (!touched[i]) continue;
            ++candidates;
            if (update(neurons[i], i, sum[i])) fired.push_back(i);
        }
        history.emplace_back(n, false);
        potentials.emplace_back(n, 0.0f);
        for (const std::uint32_t i : fired) {
            history.back()[i] = true;
            potentials.back()[i] = neurons[i].at_firing;
        }
        for (const PlasticityRule& r : rules) learn(r);
        return fired;
    }

private:
    bool update(OracleNeuron& x, std::uint32_t i, float input) const {
        using namespace nibble;
        const bool limited = x.fire_limit != 0 && x.fire_limit != 0xFFFF;
        if (x.countdown > 0) {
            --x.countdown;
            if (x.countdown == 0 && limited && x.count >= x.fire_limit) x.count = 0;
            return false;
        }
        x.v += input;
        if (x.v >= x.threshold && x.v <= x.limit) {
            if (limited && x.count >= x.fire_limit) {
                x.count = 0;
                return false;
            }
            if (x.excitability >= 0.999f ||
                (x.excitability > 0 && excitability_random(i, burst) < x.excitability)) {
                x.at_firing = x.v;
                x.v = 0;
                if (limited) ++x.count;
                x.countdown = x.refractory;
                if (limited && x.count >= x.fire_limit) x.countdown += x.snooze;
                return true;
            }
        }
        if (limited) x.count = 0;
        x.v *= 1.0f - x.leak;
        return false;
    }
    void learn(const nibble::PlasticityRule& r) {
        if (burst < r.window) return;
        const auto fired = [&](std::uint32_t i, bool all) {
            std::uint32_t n = 0;
            for (std::uint32_t ago = 0; ago < r.window; ++ago) n += history[burst - 1 - ago][i];
            return all ? n == r.window : n > 0;
        };
        const int up = std::clamp(r.constant * r.ltp, 0, 255);
        const int down = std::clamp(r.constant * r.ltd, 0, 255);
        const auto concerns = [&](std::uint32_t s, std::uint32_t t) {
            return neurons[s].area == r.source_area && neurons[t].area == r.target_area;
        };
        for (nibble::BrainSynapse& s : synapses) {
            if (!concerns(s.source, s.target)) continue;
            const int now = s.weight;
            if (fired(s.source, true) && fired(s.target, true))
                s.weight = static_cast<std::uint8_t>(std::min(255, now + up));
            else if (fired(s.source, false) || fired(s.target, false))
                s.weight = static_cast<std::uint8_t>(std::max(0, now - down));
        }
        if (!r.associative || up == 0) return;
        const std::size_t before = synapses.size();
        for (std::uint32_t s = 0; s < neurons.size(); ++s)
            for (std::uint32_t t = 0; t < neurons.size(); ++t) {
                if (!concerns(s, t) || !fired(s, true) || !fired(t, true)) continue;
                bool there = false;
                for (std::size_t k = 0; k < before; ++k)
                    there = there || (synapses[k].source == s && synapses[k].target == t);
                if (!there)
                    synapses.push_back({s, t, static_cast<std::uint8_t>(up), r.psp, r.inhibitory});
            }
    }
};

}  // namespace test
