// SPDX-License-Identifier: BSL-1.0
// Where the axons of an area go: from a voxel of the source to voxels of the target, by a morphology.
// The rules are those of FEAGI (feagi/feagi-core, feagi-brain-development, connectivity/rules); the
// ratios are computed in float as there, so that the same voxels are met.
//
//     vectors        source + vector * scalar, dropped outside the target
//     patterns       every voxel that the destination pattern admits, for sources that the source
//                    pattern admits; one synapse however many patterns meet it
//     projector      each axis scaled to the target: many to one, or one to many; _xy, _xz, _yz swap
//                    two axes of the source; project_from_end_A takes only the last layer along A, to
//                    the target's first
//     expander       source * (target size / source size), one voxel
//     reducer        x as a binary number: bit b goes to voxel (b, 0, 0)
//     randomizer     one voxel, by the seed
//     lateral_pairs_x     x even: to x + 1, odd: to x - 1
//     last_to_first  the last voxel to the first
//     block_to_block the same voxel, cut to the target's size
//     block_connection    ten neighbours along x to one
//     composite      the source is cut into blocks, and the mapper goes from each block that is chosen
//                    to the whole target
//     episodic_memory, memory_replay, associative_memory    no voxel: the memory does the rest
#pragma once

#include <nibble/neuro/brain_types.hpp>
#include <nibble/neuro/genome.hpp>
#include <nibble/value/rounding.hpp>

#include <algorithm>
#include <cmath>

namespace nibble::inline NIBBLE_ARCH {

/// A morphology between two areas.
class Axon {
public:
    enum class Function : std::uint8_t {
        vectors,
        patterns,
        projector,
        expander,
        reducer,
        randomizer,
        lateral_pairs,
        last_to_first,
        same_voxel,
        tenth,
        memory,   ///< no synapses by geometry
        unknown,  ///< no synapses: there is no such rule
    };

    /// Voxels of `from` to voxels of `to`. `mapper` is a composite's; `key` decides what is random.
    Axon(std::string_view name, const Morphology& morphology, const Morphology* mapper, Voxels from,
         Voxels to, const std::array<double, 3>& scalar, std::uint64_t key)
        : from_(from), to_(to), scalar_(scalar), key_(key) {
        if (morphology.type == Morphology::Type::composite) {
            tiles_ = &morphology;
            from_ = {morphology.seed[0], morphology.seed[1], morphology.seed[2]};
            area_ = from;
            if (mapper != nullptr) choose(morphology.mapper, *mapper);
        } else {
            choose(name, morphology);
        }
        if (function_ == Function::projector)
            for (std::size_t axis = 0; axis < 3; ++axis) scale_axis(axis);
    }

    [[nodiscard]] Function function() const noexcept { return function_; }

    /// Puts the numbers of the target's voxels, ((x * Y) + y) * Z + z, into `voxels`: ascending, each
    /// once. `at` is a voxel of the source. Stops soon after `most` of them.
    void targets(Voxels at, std::vector<std::uint64_t>& voxels, std::uint64_t most) const {
        voxels.clear();
        if (tiles_ != nullptr && !enter_tile(at)) return;
        switch (function_) {
            case Function::vectors: by_vectors(at, voxels); break;
            case Function::patterns: by_patterns(at, voxels, most); break;
            case Function::projector: project(at, voxels, most); break;
            case Function::expander:
                add({expand(at.x, from_.x, to_.x), expand(at.y, from_.y, to_.y),
                     expand(at.z, from_.z, to_.z)},
                    voxels);
                break;
            case Function::reducer:
                for (std::uint32_t bit = 0; bit < 32 && bit < to_.x; ++bit)
                    if ((at.x >> bit & 1u) != 0) add({bit, 0, 0}, voxels);
                break;
            case Function::randomizer: {
                const std::uint64_t dice = splitmix64(key_ + number(from_, at));
                add({pick(dice, to_.x), pick(splitmix64(dice), to_.y),
                     pick(splitmix64(dice + 1), to_.z)},
                    voxels);
                break;
            }
            case Function::lateral_pairs:
                if (at.x % 2 != 0) add({at.x - 1, at.y, at.z}, voxels);
                else if (at.x + 1 < from_.x) add({at.x + 1, at.y, at.z}, voxels);
                break;
            case Function::last_to_first:
                if (at == Voxels{from_.x - 1, from_.y - 1, from_.z - 1}) add({0, 0, 0}, voxels);
                break;
            case Function::same_voxel:
                add({std::min(at.x, to_.x - 1), std::min(at.y, to_.y - 1),
                     std::min(at.z, to_.z - 1)},
                    voxels);
                break;
            case Function::tenth: add({at.x / 10, at.y, at.z}, voxels); break;
            case Function::memory:
            case Function::unknown: break;
        }
        std::sort(voxels.begin(), voxels.end());
        voxels.erase(std::unique(voxels.begin(), voxels.end()), voxels.end());
    }

    /// The number of a voxel in an area of that size.
    [[nodiscard]] static std::uint64_t number(Voxels size, Voxels at) noexcept {
        return (std::uint64_t{at.x} * size.y + at.y) * size.z + at.z;
    }

private:
    struct Run {
        std::uint32_t first = 0, last = 0;  ///< [first, last)
    };

    void choose(std::string_view name, const Morphology& m) {
        using Type = Morphology::Type;
        if (m.type == Type::vectors) function_ = Function::vectors;
        if (m.type == Type::patterns) function_ = Function::patterns;
        morphology_ = &m;
        if (m.type != Type::functions) return;
        const bool projects = name.starts_with("projector");
        const std::string_view suffix = projects ? name.substr(9) : "";
        if (suffix == "_xy") std::swap(source_axis_[0], source_axis_[1]);
        if (suffix == "_xz") std::swap(source_axis_[0], source_axis_[2]);
        if (suffix == "_yz") std::swap(source_axis_[1], source_axis_[2]);
        if (projects && (suffix.empty() || source_axis_ != std::array<std::size_t, 3>{0, 1, 2}))
            function_ = Function::projector;
        for (std::size_t axis = 0; axis < 3; ++axis)
            if (name == std::string("project_from_end_") + "xyz"[axis]) {
                function_ = Function::projector;
                last_of_ = axis;
            }
        constexpr std::pair<std::string_view, Function> others[] = {
            {"expander", Function::expander},
            {"expander_x", Function::expander},
            {"reducer", Function::reducer},
            {"reducer_x", Function::reducer},
            {"randomizer", Function::randomizer},
            {"lateral_pairs_x", Function::lateral_pairs},
            {"last_to_first", Function::last_to_first},
            {"block_to_block", Function::same_voxel},
            {"block_connection", Function::tenth},
            {"episodic_memory", Function::memory},
            {"memory_replay", Function::memory},
            {"associative_memory", Function::memory}};
        for (const auto& [other, function] : others)
            if (name == other) function_ = function;
    }

    [[nodiscard]] static std::array<std::uint32_t, 3> list(Voxels v) noexcept {
        return {v.x, v.y, v.z};
    }
    /// Number `at` of a block's voxels and true, when the voxel lies in a block that is taken.
    [[nodiscard]] bool enter_tile(Voxels& at) const noexcept {
        std::uint32_t* const here[] = {&at.x, &at.y, &at.z};
        for (std::size_t i = 0; i < 3; ++i) {
            const std::uint64_t seed = tiles_->seed[i], block = seed == 0 ? 0 : *here[i] / seed;
            const std::uint64_t period = std::uint64_t{tiles_->choose[i]} + tiles_->skip[i];
            if (seed == 0 || period == 0 || block % period >= tiles_->choose[i] ||
                (block + 1) * seed > list(area_)[i])
                return false;
            *here[i] = static_cast<std::uint32_t>(*here[i] % seed);
        }
        return true;
    }

    void add(Voxels at, std::vector<std::uint64_t>& voxels) const {
        if (at.x < to_.x && at.y < to_.y && at.z < to_.z) voxels.push_back(number(to_, at));
    }
    [[nodiscard]] static std::uint32_t pick(std::uint64_t dice, std::uint32_t n) noexcept {
        return static_cast<std::uint32_t>((dice >> 32) * n >> 32);
    }
    [[nodiscard]] static std::uint32_t expand(std::uint32_t at, std::uint32_t from,
                                              std::uint32_t to) noexcept {
        const float ratio = static_cast<float>(to) / static_cast<float>(from);
        return std::min(static_cast<std::uint32_t>(static_cast<float>(at) * ratio), to - 1);
    }

    void by_vectors(Voxels at, std::vector<std::uint64_t>& voxels) const {
        const auto here = list(at), size = list(to_);
        for (const auto& vector : morphology_->vectors) {
            std::array<std::uint32_t, 3> there{};
            bool inside = true;
            for (std::size_t i = 0; i < 3; ++i) {
                const double x = here[i] + std::trunc(vector[i] * scalar_[i]);
                inside = inside && x >= 0 && x < size[i];
                if (inside) there[i] = static_cast<std::uint32_t>(x);
            }
            if (inside) add({there[0], there[1], there[2]}, voxels);
        }
    }

    void by_patterns(Voxels at, std::vector<std::uint64_t>& voxels, std::uint64_t most) const {
        using Kind = PatternStep::Kind;
        const auto here = list(at), size = list(to_);
        for (const Pattern& p : morphology_->patterns) {
            bool admitted = true;
            std::array<Run, 3> runs;
            for (std::size_t i = 0; i < 3; ++i) {
                const PatternStep source = p.source[i], step = p.destination[i];
                admitted = admitted && (source.kind != Kind::exactly || source.at == here[i]);
                const std::uint32_t one = step.kind == Kind::same ? here[i] : step.at;
                const bool all = step.kind == Kind::any || step.kind == Kind::other;
                runs[i] = all ? Run{0, size[i]} : one < size[i] ? Run{one, one + 1} : Run{};
            }
            if (!admitted) continue;
            const auto skips = [&](std::size_t i, std::uint32_t x) {
                return p.destination[i].kind == Kind::other && x == here[i];
            };
            for (std::uint32_t x = runs[0].first; x < runs[0].last && voxels.size() <= most; ++x)
                for (std::uint32_t y = runs[1].first; y < runs[1].last && voxels.size() <= most;
                     ++y)
                    for (std::uint32_t z = runs[2].first; z < runs[2].last; ++z)
                        if (!skips(0, x) && !skips(1, y) && !skips(2, z))
                            voxels.push_back(number(to_, {x, y, z}));
        }
    }

    /// Finds, for every layer of the source along one axis, the layers of the target it projects to.
    void scale_axis(std::size_t axis) {
        const std::uint32_t from = list(from_)[source_axis_[axis]], to = list(to_)[axis];
        auto& runs = runs_[axis];
        runs.assign(from, {});
        if (last_of_ == axis) {
            runs.back() = {0, 1};
            return;
        }
        const bool grows = from < to;
        const float ratio = grows ? static_cast<float>(to) / static_cast<float>(from)
                                  : static_cast<float>(from) / static_cast<float>(to);
        const auto scaled = [&](std::uint32_t i) {
            return static_cast<std::uint32_t>(static_cast<float>(i) / ratio);
        };
        for (std::uint32_t i = 0; !grows && i < from; ++i) {
            const std::uint32_t target = from == to ? i : scaled(i);
            if (target < to) runs[i] = {target, target + 1};
        }
        for (std::uint32_t i = 0; grows && i < to; ++i) {
            const std::uint32_t source = scaled(i);
            if (source >= from) continue;
            if (runs[source].last == 0) runs[source].first = i;
            runs[source].last = i + 1;
        }
    }
    void project(Voxels at, std::vector<std::uint64_t>& voxels, std::uint64_t most) const {
        const auto here = list(at);
        const Run x = runs_[0][here[source_axis_[0]]], y = runs_[1][here[source_axis_[1]]],
                  z = runs_[2][here[source_axis_[2]]];
        for (std::uint32_t i = x.first; i < x.last && voxels.size() <= most; ++i)
            for (std::uint32_t j = y.first; j < y.last && voxels.size() <= most; ++j)
                for (std::uint32_t k = z.first; k < z.last; ++k)
                    voxels.push_back(number(to_, {i, j, k}));
    }

    const Morphology* morphology_ = nullptr;
    const Morphology* tiles_ = nullptr;
    Function function_ = Function::unknown;
    Voxels from_, to_, area_{};
    std::array<double, 3> scalar_;
    std::uint64_t key_;
    std::array<std::size_t, 3> source_axis_{0, 1, 2};
    std::size_t last_of_ = 3;
    std::array<std::vector<Run>, 3> runs_;
};

}  // namespace nibble
