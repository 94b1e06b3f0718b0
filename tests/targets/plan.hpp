// The brain that the tests of targets run: every kind of rule that a table has, in a few kilobytes.
#pragma once

#include <nibble/neuro/brain_types.hpp>
#include <nibble/value/rounding.hpp>

namespace test {

/// 1 + 48 + 60 + 12 neurons in four areas, some 500 synapses.
inline nibble::BrainPlan target_plan() {
    nibble::BrainPlan plan;
    nibble::AreaProperties power, eye, cortex, motor;
    power.id = "_power";
    power.kind = nibble::AreaKind::power;
    eye.id = "iv00_C";
    eye.name = "eye";
    eye.dimensions = {8, 6, 1};
    eye.threshold = 10.0;
    eye.leak = 0.25;
    eye.psp_uniform_distribution = true;
    cortex.id = "c00000";
    cortex.name = "cortex";
    cortex.dimensions = {5, 4, 3};
    cortex.threshold = 20.0;
    cortex.threshold_gradient = {1.0, 0.0, -2.0};
    cortex.leak = 0.05;
    cortex.refractory = 2;
    cortex.excitability = 0.8;
    cortex.psp_uniform_distribution = true;
    motor.id = "omot00";
    motor.name = "motor";
    motor.dimensions = {12, 1, 1};
    motor.threshold = 30.0;
    motor.threshold_limit = 90.0;
    motor.consecutive_fire_limit = 3;
    motor.snooze = 4;
    motor.charge_accumulation = false;
    plan.areas = {power, eye, cortex, motor};

    nibble::Random random(5);
    const auto connect = [&](std::uint32_t from, std::uint32_t sources, std::uint32_t to,
                             std::uint32_t targets, std::uint32_t n, std::uint32_t weight) {
        for (std::uint32_t s = 0; s < sources; ++s)
            for (std::uint32_t k = 0; k < n; ++k) {
                nibble::BrainSynapse synapse;
                synapse.source = from + s;
                synapse.target = to + static_cast<std::uint32_t>(random.below(targets));
                synapse.weight = static_cast<std::uint8_t>(1 + random.below(weight));
                synapse.inhibitory = random.below(5) == 0;
                plan.synapses.push_back(synapse);
            }
    };
    connect(0, 1, 1, 48, 4, 6);
    connect(1, 48, 49, 60, 5, 12);
    connect(49, 60, 49, 60, 3, 9);
    connect(49, 60, 109, 12, 2, 40);
    return plan;
}

}  // namespace test
