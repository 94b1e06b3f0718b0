// SPDX-License-Identifier: BSL-1.0
// From a grown brain to the engine that runs it, at the value type that a genome's precision names.
#pragma once

#include <nibble/neuro/brain.hpp>
#include <nibble/neuro/grown_brain.hpp>
#include <nibble/quant/dispatch.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// The value types that dispatch_brain reaches. Each costs a copy of what it calls.
using BrainValues = TypeList<float, half, bfloat16, fp8_e4m3, Int8Value, Int4Value>;

/// Calls f(FormatTag<V>{}) for the value type V of a precision: INT8 is Int8Value, INT4 is Int4Value.
/// Scales are the engine's (BrainOptions::range), so that granularity and scale of the precision do not
/// matter. Error: a value type that is not among BrainValues; it lists them.
template <class Function>
void dispatch_brain(const QuantizationSpec& precision, Function&& f) {
    const QuantizationSpec bare{precision.value, Granularity::none, 0};
    if (dispatch(BrainValues{}, bare, f)) return;
    fail("dispatch_brain: no brain is built for " + std::string(name_of(precision.value)) +
         "; built are fp32, fp16, bf16, fp8_e4m3, int8, int4");
}

/// What memory areas watch and repeat, as the engine takes it.
[[nodiscard]] inline std::vector<MemoryLinks> memory_links(const GrownBrain& grown) {
    std::map<std::uint32_t, MemoryLinks> links;
    for (const MemoryLink& l : grown.memories) {
        if (grown.plan.areas.at(l.memory).kind != AreaKind::memory) continue;
        MemoryLinks& to = links[l.memory];
        to.area = l.memory;
        if (std::find(to.upstream.begin(), to.upstream.end(), l.upstream) == to.upstream.end())
            to.upstream.push_back(l.upstream);
        // A twin fires when its upstream did: the input is its threshold.
        if (l.replay)
            to.twins.push_back(
                {l.upstream, l.area, static_cast<float>(grown.plan.areas.at(l.area).threshold)});
    }
    std::vector<MemoryLinks> all;
    for (auto& [memory, l] : links) all.push_back(std::move(l));
    return all;
}

/// The engine of a grown brain, at rest.
template <NeuralValue V, class A = Isa>
[[nodiscard]] Brain<V, A> make_brain(const GrownBrain& grown, const BrainOptions& options = {}) {
    Brain<V, A> brain(grown.plan, options);
    for (MemoryLinks& l : memory_links(grown)) brain.watch(std::move(l));
    return brain;
}

}  // namespace nibble
