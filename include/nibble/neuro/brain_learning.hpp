// SPDX-License-Identifier: BSL-1.0
// What a brain learns after each burst: window and pair plasticity of synapses, memory neurons and what
// they replay.
#pragma once

#include <nibble/neuro/brain_memory.hpp>
#include <nibble/neuro/brain_plasticity.hpp>
#include <nibble/neuro/brain_wiring.hpp>
#include <nibble/neuro/pair_stdp.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// A brain's neurons and synapses with the rules that change them.
template <NeuralValue V, class A = Isa>
class BrainLearning : public BrainWiring<V, A> {
    using Net = BrainWiring<V, A>;

public:
    using Net::add;
    using Net::areas;
    using typename Net::Area;

    BrainLearning() = default;
    explicit BrainLearning(const BrainOptions& options) : Net(options) {}

    /// Makes synapses from one area to another plastic; a second rule of a pair replaces the first.
    /// Error: areas that are not there, a window of 0.
    void add(const PlasticityRule& rule) {
        expect_pair(rule.source_area, rule.target_area);
        if (rule.window == 0) fail("Brain: a plasticity window is 0, expected 1 burst or more");
        std::erase_if(rules_, [&](const PlasticityRule& r) {
            return r.source_area == rule.source_area && r.target_area == rule.target_area;
        });
        rules_.push_back(rule);
        stale_ = true;
    }
    /// The same for exponential pair STDP; a pair of areas may have both.
    void add(const PairRule& rule) {
        expect_pair(rule.source_area, rule.target_area);
        if (!(rule.stdp.tau_plus > 0.0f && rule.stdp.tau_minus > 0.0f))
            fail("Brain: time constants of STDP are " + std::to_string(rule.stdp.tau_plus) +
                 " and " + std::to_string(rule.stdp.tau_minus) + ", expected more than 0");
        std::erase_if(pairs_, [&](const auto& r) {
            return r.first.source_area == rule.source_area &&
                   r.first.target_area == rule.target_area;
        });
        pairs_.emplace_back(rule, PairTraces{});
        stale_ = true;
    }
    /// What a memory area watches and where it replays. Error: areas that are not there or not memory.
    void watch(MemoryLinks links) {
        const auto there = [&](std::uint32_t a) {
            if (a >= areas())
                fail("Brain: memory links name area " + std::to_string(a) + " of " +
                     std::to_string(areas()));
        };
        there(links.area);
        const Area& a = areas_[links.area];
        if (a.properties.kind != AreaKind::memory)
            fail("Brain: area '" + a.properties.id + "' watches others, but is no memory area");
        for (const std::uint32_t u : links.upstream) there(u);
        for (const auto& t : links.twins) {
            there(t.twin);
            if (std::find(links.upstream.begin(), links.upstream.end(), t.upstream) ==
                links.upstream.end())
                fail("Brain: area '" + a.properties.id + "' replays area " +
                     std::to_string(t.upstream) + ", which it does not watch");
        }
        std::sort(links.upstream.begin(), links.upstream.end());
        MemoryArea* m = memory_of(links.area);
        if (m == nullptr) {
            memory_.push_back({{}, MemoryNeurons(a.properties.memory, a.room), {}});
            m = &memory_.back();
        }
        m->links = std::move(links);
        stale_ = true;
    }

    [[nodiscard]] const std::vector<PlasticityRule>& plasticity() const noexcept { return rules_; }
    [[nodiscard]] const std::vector<std::pair<PairRule, PairTraces>>& pair_rules() const noexcept {
        return pairs_;
    }
    /// The memory areas that watch something.
    [[nodiscard]] const std::vector<MemoryArea>& memories() const noexcept { return memory_; }

protected:
    using Net::areas_;
    using Net::projections_;
    using Net::stale_;

    /// Raises the numbers of bursts that areas must keep to what the rules look back at.
    void need(std::vector<std::uint32_t>& kept) const {
        const auto raise = [&](std::uint32_t area, std::uint32_t n) {
            kept[area] = std::max(kept[area], n);
        };
        for (const PlasticityRule& r : rules_) {
            raise(r.source_area, r.window);
            raise(r.target_area, r.window);
        }
        for (const MemoryArea& m : memory_)
            for (const std::uint32_t u : m.links.upstream)
                raise(u, m.neurons.properties().temporal_depth);
    }
    /// Pairs of areas whose weights may grow.
    [[nodiscard]] std::vector<std::pair<std::uint32_t, std::uint32_t>> plastic_pairs() const {
        std::vector<std::pair<std::uint32_t, std::uint32_t>> all;
        for (const PlasticityRule& r : rules_) all.emplace_back(r.source_area, r.target_area);
        for (const auto& r : pairs_) all.emplace_back(r.first.source_area, r.first.target_area);
        return all;
    }
    /// Stages what replays have due in this burst.
    void stage_replays() {
        std::erase_if(replays_, [&](const ReplayInput& r) {
            if (r.burst > burst_) return false;
            if (r.burst == burst_) areas_[r.area].staged.emplace_back(r.neuron, r.potential);
            return true;
        });
    }
    /// After a burst.
    void learn() {
        for (const MemoryArea& m : memory_) schedule(m);
        for (const PlasticityRule& r : rules_) {
            if (burst_ < r.window) continue;
            if (apply_window_rule(r, areas_, projections_, burst_, activity_)) stale_ = true;
            if (r.associative) associate(r);
        }
        for (auto& [rule, traces] : pairs_) learn_pairs(rule, traces);
        for (MemoryArea& m : memory_) remember(m);
    }

    std::uint64_t burst_ = 0;
    std::vector<PlasticityRule> rules_;
    std::vector<std::pair<PairRule, PairTraces>> pairs_;
    std::vector<MemoryArea> memory_;
    std::vector<ReplayInput> replays_;

private:
    [[nodiscard]] std::span<const std::uint64_t> row(std::uint32_t area, std::uint32_t ago) const {
        return {areas_[area].row(burst_ - ago), areas_[area].blocks()};
    }
    void expect_pair(std::uint32_t from, std::uint32_t to) const {
        if (from >= areas() || to >= areas())
            fail("Brain: plasticity from area " + std::to_string(from) + " to " +
                 std::to_string(to) + " of " + std::to_string(areas()));
    }
    [[nodiscard]] MemoryArea* memory_of(std::uint32_t area) {
        for (MemoryArea& m : memory_)
            if (m.links.area == area) return &m;
        return nullptr;
    }
    void associate(const PlasticityRule& r) {
        new_synapses(r, projections_, activity_, created_);
        if (created_.empty()) return;
        this->append(r.source_area, r.target_area, 1, created_);
    }
    void learn_pairs(const PairRule& rule, PairTraces& traces) {
        const auto from = row(rule.source_area, 0), to = row(rule.target_area, 0);
        traces.decay(rule, from, areas_[rule.source_area].room, areas_[rule.target_area].room);
        for (auto& p : projections_)
            if (p.source_area == rule.source_area && p.target_area == rule.target_area)
                traces.learn(rule, from, to, p, burst_);
        traces.close(rule, to);
    }

    // Lifespans first, then the pattern of the bursts that just ended; its neuron fires in the next.
    void remember(MemoryArea& m) {
        Area& a = areas_[m.links.area];
        const auto bit = [](std::uint32_t i) { return std::uint64_t{1} << i % lif_block; };
        m.neurons.settle();
        m.neurons.age([&](std::uint32_t i) {
            if (a.removed.empty()) a.removed.assign(a.blocks(), 0);
            a.removed[i / lif_block] |= bit(i);
        });
        const std::uint32_t depth = m.neurons.properties().temporal_depth;
        if (burst_ < depth || m.links.upstream.empty()) return;
        PatternHash hash;
        for (std::uint32_t ago = depth; ago-- > 0;)
            for (const std::uint32_t u : m.links.upstream) {
                set_.clear();
                for_each_spike(row(u, ago), [&](std::size_t i) {
                    set_.push_back(this->number({u, static_cast<std::uint32_t>(i)}));
                });
                hash.add(set_);
            }
        if (hash.total() == 0) return;
        bool fresh = false;
        const std::uint32_t i = m.neurons.meet(hash.digest(), fresh);
        if (i == MemoryNeurons::none) return;
        if (i == a.neurons) this->number_next(m.links.area);
        if (fresh && !a.removed.empty() && (a.removed[i / lif_block] & bit(i)) != 0) {
            const std::uint32_t reused = this->number({m.links.area, i});
            this->remove_neurons(std::span(&reused, 1));  // the synapses of the one that died
            a.removed[i / lif_block] &= ~bit(i);
        }
        if (fresh) keep_frames(m, i, depth);
        a.staged.emplace_back(i, 1.5f);
    }
    void keep_frames(MemoryArea& m, std::uint32_t i, std::uint32_t depth) {
        if (m.frames.size() <= i) m.frames.resize(i + 1);
        m.frames[i].clear();
        for (const std::uint32_t u : m.links.upstream) {
            const auto replayed = [u](const MemoryLinks::Twin& t) { return t.upstream == u; };
            if (std::none_of(m.links.twins.begin(), m.links.twins.end(), replayed)) continue;
            for (std::uint32_t ago = depth; ago-- > 0;)
                for_each_spike(row(u, ago), [&](std::size_t n) {
                    m.frames[i].push_back({depth - 1 - ago, u, static_cast<std::uint32_t>(n)});
                });
        }
    }
    // A memory neuron that fired puts what it met into the twin areas, in the voxels where it was.
    void schedule(const MemoryArea& m) {
        if (m.links.twins.empty()) return;
        for_each_spike(row(m.links.area, 0), [&](std::size_t i) {
            if (i >= m.frames.size()) return;
            for (const auto& t : m.links.twins)
                for (const ReplayFrame& f : m.frames[i]) {
                    if (f.upstream != t.upstream) continue;
                    const AreaProperties& from = areas_[t.upstream].properties;
                    const AreaProperties& to = areas_[t.twin].properties;
                    const Voxels at = from.voxel(f.neuron), size = to.dimensions;
                    if (from.kind == AreaKind::memory || to.kind == AreaKind::memory ||
                        at.x >= size.x || at.y >= size.y || at.z >= size.z)
                        continue;
                    replays_.push_back({burst_ + f.offset + 1, t.twin,
                                        static_cast<std::uint32_t>(to.neuron(at)), t.potential});
                }
        });
    }

    WindowActivity activity_;
    std::vector<LocalSynapse> created_;
    std::vector<std::uint32_t> set_;
};

}  // namespace nibble
