// SPDX-License-Identifier: BSL-1.0
// Byte-pair merging (Sennrich et al. 2016): of all adjacent pairs of symbols that can merge, the best
// does, the leftmost on a tie, until none is left. A heap of candidates, so n symbols take n log n.
#pragma once

#include <nibble/store/error.hpp>

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

namespace nibble::inline NIBBLE_ARCH {

/// A run of bytes of a piece, and its token; -1 when it is none.
struct Symbol {
    std::uint32_t begin = 0, size = 0;
    std::int32_t id = -1;
    std::int32_t previous = -1, next = -1;  ///< its neighbours; -1 at the ends
};

/// What a pair would become: lower keys first.
struct Merge {
    double key = 0;
    std::int32_t id = -1;  ///< -1: the pair cannot merge
};

/// Symbols of one piece and the candidates among them. Reused from piece to piece.
class Merger {
public:
    void clear() noexcept { symbols_.clear(); }
    void add(std::uint32_t begin, std::uint32_t size, std::int32_t id) {
        const auto n = static_cast<std::int32_t>(symbols_.size());
        if (n != 0) symbols_.back().next = n;
        symbols_.push_back({begin, size, id, n - 1, -1});
    }
    /// Merges; pair(a, b) is the Merge of two adjacent symbols. Then calls take(symbol) for each.
    template <class Pair, class Take>
    void run(const Pair& pair, Take&& take) {
        queue_.clear();
        const auto propose = [&](std::int32_t left, std::int32_t right) {
            if (left < 0 || right < 0) return;
            const Symbol &a = at(left), &b = at(right);
            if (const Merge m = pair(a, b); m.id >= 0) {
                queue_.push_back({m, left, right, a.size + b.size});
                std::push_heap(queue_.begin(), queue_.end(), later);
            }
        };
        for (std::int32_t i = 1; i < static_cast<std::int32_t>(symbols_.size()); ++i)
            propose(i - 1, i);
        while (!queue_.empty()) {
            std::pop_heap(queue_.begin(), queue_.end(), later);
            const Candidate c = queue_.back();
            queue_.pop_back();
            Symbol &a = at(c.left), &b = at(c.right);
            // One of them has merged with another since.
            if (a.size == 0 || b.size == 0 || a.size + b.size != c.size) continue;
            a.size = c.size;
            a.id = c.merge.id;
            a.next = b.next;
            if (b.next >= 0) at(b.next).previous = c.left;
            b.size = 0;
            propose(a.previous, c.left);
            propose(c.left, a.next);
        }
        for (std::int32_t i = symbols_.empty() ? -1 : 0; i >= 0; i = at(i).next) take(at(i));
    }

private:
    struct Candidate {
        Merge merge;
        std::int32_t left, right;
        std::uint32_t size;  ///< of both, when they were proposed
    };
    static bool later(const Candidate& a, const Candidate& b) noexcept {
        return a.merge.key != b.merge.key ? a.merge.key > b.merge.key : a.left > b.left;
    }
    Symbol& at(std::int32_t i) noexcept { return symbols_[static_cast<std::size_t>(i)]; }

    std::vector<Symbol> symbols_;
    std::vector<Candidate> queue_;
};

}  // namespace nibble
