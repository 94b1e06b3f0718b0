// SPDX-License-Identifier: BSL-1.0
// The parts of a BrainState by name, for whoever writes or reads them: brain_file.hpp.
//
// visit_brain(v, state) calls, in a fixed order,
//
//     v.value(name, x)          a number, truth or text
//     v.list(name, vector)      numbers, as many as there are
//     v.rows(name, vector, columns)   structures: columns(c) calls c(name, &Structure::member)
//     v.items(name, vector, f)  parts of their own: f(v, item) below "name.<number>."
#pragma once

#include <nibble/neuro/brain_state.hpp>

namespace nibble::inline NIBBLE_ARCH {

template <class Visitor>
void visit_area(Visitor& v, AreaProperties& p) {
    v.value("id", p.id);
    v.value("name", p.name);
    v.value("kind", p.kind);
    v.value("x", p.dimensions.x);
    v.value("y", p.dimensions.y);
    v.value("z", p.dimensions.z);
    v.value("neurons_per_voxel", p.neurons_per_voxel);
    v.value("position_x", p.position[0]);
    v.value("position_y", p.position[1]);
    v.value("position_z", p.position[2]);
    v.value("threshold", p.threshold);
    v.value("threshold_x", p.threshold_gradient[0]);
    v.value("threshold_y", p.threshold_gradient[1]);
    v.value("threshold_z", p.threshold_gradient[2]);
    v.value("threshold_limit", p.threshold_limit);
    v.value("leak", p.leak);
    v.value("leak_variability", p.leak_variability);
    v.value("excitability", p.excitability);
    v.value("refractory", p.refractory);
    v.value("consecutive_fire_limit", p.consecutive_fire_limit);
    v.value("snooze", p.snooze);
    v.value("charge_accumulation", p.charge_accumulation);
    v.value("psp", p.psp);
    v.value("psp_uniform_distribution", p.psp_uniform_distribution);
    v.value("mp_driven_psp", p.mp_driven_psp);
    v.value("degeneration", p.degeneration);
    v.value("temporal_depth", p.memory.temporal_depth);
    v.value("initial_lifespan", p.memory.initial_lifespan);
    v.value("lifespan_growth", p.memory.lifespan_growth);
    v.value("longterm_threshold", p.memory.longterm_threshold);
}

template <class Visitor>
void visit_area(Visitor& v, AreaState& a) {
    visit_area(v, a.properties);
    v.value("neurons", a.neurons);
    v.value("room", a.room);
    v.value("kept", a.kept);
    v.value("saturated", a.saturated);
    v.list("potential", a.potential);
    v.list("countdown", a.countdown);
    v.list("count", a.count);
    const auto plane = [&](const std::string& name, StatePlane& p) {
        v.value(name + "_common", p.common);
        v.list(name + "_each", p.each);
    };
    plane("neuron_threshold", a.threshold);
    plane("neuron_limit", a.limit);
    plane("neuron_keep", a.keep);
    plane("neuron_excitability", a.excitability);
    plane("neuron_refractory", a.refractory);
    plane("neuron_fire_limit", a.fire_limit);
    plane("neuron_snooze", a.snooze);
    v.list("candidates", a.candidates);
    v.list("forgetful", a.forgetful);
    v.list("removed", a.removed);
    v.list("spikes", a.spikes);
    v.list("fired_psp", a.fired_psp);
    v.list("fired_potential", a.fired_potential);
    v.list("keys", a.keys);
    using Staged = std::pair<std::uint32_t, float>;
    v.rows("staged", a.staged, [](auto&& column) {
        column("neuron", &Staged::first);
        column("input", &Staged::second);
    });
}

template <class Visitor>
void visit_memory(Visitor& v, MemoryState& m) {
    v.value("area", m.links.area);
    v.list("upstream", m.links.upstream);
    using Twin = MemoryLinks::Twin;
    v.rows("twins", m.links.twins, [](auto&& column) {
        column("upstream", &Twin::upstream);
        column("twin", &Twin::twin);
        column("potential", &Twin::potential);
    });
    using Neuron = MemoryNeurons::Neuron;
    v.rows("neurons", m.neurons, [](auto&& column) {
        column("pattern", &Neuron::pattern);
        column("lifespan", &Neuron::lifespan);
        column("met", &Neuron::met);
        column("alive", &Neuron::alive);
        column("longterm", &Neuron::longterm);
    });
    v.items("frames", m.frames, [](auto& inner, std::vector<ReplayFrame>& frames) {
        inner.rows("", frames, [](auto&& column) {
            column("offset", &ReplayFrame::offset);
            column("upstream", &ReplayFrame::upstream);
            column("neuron", &ReplayFrame::neuron);
        });
    });
}

template <class Visitor>
void visit_brain(Visitor& v, BrainState& s) {
    v.value("value", s.value);
    v.value("burst", s.burst);
    v.value("power", s.power);
    v.value("fatigue", s.fatigue);
    v.items("area", s.areas, [](auto& inner, AreaState& a) { visit_area(inner, a); });
    v.rows("synapse", s.synapses, [](auto&& column) {
        column("source", &BrainSynapse::source);
        column("target", &BrainSynapse::target);
        column("weight", &BrainSynapse::weight);
        column("psp", &BrainSynapse::psp);
        column("inhibitory", &BrainSynapse::inhibitory);
        column("delay", &BrainSynapse::delay);
    });
    v.rows("plasticity", s.plasticity, [](auto&& column) {
        column("source_area", &PlasticityRule::source_area);
        column("target_area", &PlasticityRule::target_area);
        column("window", &PlasticityRule::window);
        column("constant", &PlasticityRule::constant);
        column("ltp", &PlasticityRule::ltp);
        column("ltd", &PlasticityRule::ltd);
        column("associative", &PlasticityRule::associative);
        column("psp", &PlasticityRule::psp);
    });
    v.items("pair", s.pairs, [](auto& inner, PairState& p) {
        inner.value("source_area", p.rule.source_area);
        inner.value("target_area", p.rule.target_area);
        inner.value("tau_plus", p.rule.stdp.tau_plus);
        inner.value("tau_minus", p.rule.stdp.tau_minus);
        inner.value("a_plus", p.rule.stdp.a_plus);
        inner.value("a_minus", p.rule.stdp.a_minus);
        inner.value("nearest", p.rule.nearest);
        inner.value("seed", p.rule.seed);
        inner.list("source", p.source);
        inner.list("target", p.target);
    });
    v.items("memory", s.memories, [](auto& inner, MemoryState& m) { visit_memory(inner, m); });
    v.rows("memory_place", s.memory_places, [](auto&& column) {
        column("area", &NeuronPlace::area);
        column("neuron", &NeuronPlace::i);
    });
    v.rows("replay", s.replays, [](auto&& column) {
        column("burst", &ReplayInput::burst);
        column("area", &ReplayInput::area);
        column("neuron", &ReplayInput::neuron);
        column("potential", &ReplayInput::potential);
    });
    v.list("ledger", s.ledger);
}

}  // namespace nibble
