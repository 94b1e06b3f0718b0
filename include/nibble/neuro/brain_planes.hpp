// SPDX-License-Identifier: BSL-1.0
// Per-neuron and per-synapse numbers that take memory only where they differ.
#pragma once

#include <nibble/version.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace nibble::inline NIBBLE_ARCH {

/// n numbers: one that all share, or an array when some differ.
template <class T>
class Plane {
public:
    Plane() = default;
    explicit Plane(T common) : common_(common) {}

    [[nodiscard]] NIBBLE_INLINE T operator[](std::size_t i) const noexcept {
        return each_.empty() ? common_ : each_[i];
    }
    [[nodiscard]] bool is_common() const noexcept { return each_.empty(); }
    [[nodiscard]] T common() const noexcept { return common_; }
    /// The array, or null when all are common().
    [[nodiscard]] const T* data() const noexcept { return each_.empty() ? nullptr : each_.data(); }
    [[nodiscard]] T* data() noexcept { return each_.empty() ? nullptr : each_.data(); }

    /// All n become x; the array goes.
    void fill(T x) {
        common_ = x;
        std::vector<T>().swap(each_);
    }
    /// Number i of n becomes x; an array appears when it differs.
    void set(std::size_t i, T x, std::size_t n) {
        if (each_.empty()) {
            if (x == common_) return;
            each_.assign(n, common_);
        }
        each_[i] = x;
    }
    /// An array of n, whether they differ or not.
    T* spread(std::size_t n) {
        if (each_.empty()) each_.assign(n, common_);
        return each_.data();
    }
    /// Takes an array; one whose numbers are all equal becomes common.
    void assign(std::vector<T>&& each) {
        bool equal = true;
        for (const T& x : each) equal = equal && x == each.front();
        if (equal) fill(each.empty() ? common_ : each.front());
        else each_ = std::move(each);
    }
    /// The largest of n numbers.
    [[nodiscard]] T largest() const noexcept {
        T most = each_.empty() ? common_ : each_.front();
        for (const T& x : each_) most = most < x ? x : most;
        return most;
    }
    [[nodiscard]] std::size_t bytes() const noexcept { return each_.capacity() * sizeof(T); }

private:
    T common_{};
    std::vector<T> each_;
};

/// A refractory countdown and a count of consecutive spikes for each neuron, in planes of bits: bit k of
/// 64 neurons' numbers is a word, so that they take as few bits as the largest needs and 64 countdowns
/// go down by one in a few word operations.
class Timers {
public:
    /// What a neuron's timer holds.
    struct Timer {
        std::uint16_t countdown = 0, count = 0;
    };

    Timers() = default;
    /// n timers of zero for numbers up to these.
    Timers(std::size_t n, std::uint16_t longest, std::uint16_t most)
        : blocks_((n + 63) / 64),
          down_(static_cast<unsigned>(std::bit_width(longest))),
          bits_(down_ + static_cast<unsigned>(std::bit_width(most))),
          words_(blocks_ * bits_, 0) {}

    /// Makes room for n numbers up to these; keeps what is there and fits.
    void resize(std::size_t n, std::uint16_t longest, std::uint16_t most) {
        Timers next(n, longest, most);
        for (std::size_t i = 0; i < 64 * blocks_ && i < n; ++i) next.set(i, get(i));
        *this = std::move(next);
    }
    [[nodiscard]] Timer get(std::size_t i) const noexcept {
        const std::uint64_t* const w = words_.data() + i / 64 * bits_;
        const auto number = [&](unsigned first, unsigned last) {
            unsigned x = 0;
            for (unsigned k = first; k < last; ++k)
                x |= static_cast<unsigned>(w[k] >> i % 64 & 1u) << (k - first);
            return static_cast<std::uint16_t>(x);
        };
        return {number(0, down_), number(down_, bits_)};
    }
    /// Numbers that are larger than there is room for are cut to the largest.
    void set(std::size_t i, Timer t) noexcept {
        std::uint64_t* const w = words_.data() + i / 64 * bits_;
        const auto put = [&](unsigned first, unsigned last, unsigned x) {
            const unsigned most = (1u << (last - first)) - 1u;
            x = x < most ? x : most;
            for (unsigned k = first; k < last; ++k)
                w[k] = (w[k] & ~(std::uint64_t{1} << i % 64)) | std::uint64_t{x >> (k - first) & 1u}
                                                                    << i % 64;
        };
        put(0, down_, t.countdown);
        put(down_, bits_, t.count);
    }
    /// The countdowns of the neurons `which` of a block, all above 0, go down by one. Returns those of
    /// the block that are still above 0.
    NIBBLE_INLINE std::uint64_t tick(std::size_t block, std::uint64_t which) noexcept {
        std::uint64_t* const w = words_.data() + block * bits_;
        std::uint64_t left = 0;
        for (unsigned k = 0; k < down_; ++k) {
            const std::uint64_t plane = w[k];
            w[k] = plane ^ which;
            which &= ~plane;
            left |= w[k];
        }
        return left;
    }
    /// Starts the countdowns of neurons of a block, all at 0.
    NIBBLE_INLINE void start(std::size_t block, std::uint64_t which, unsigned period) noexcept {
        std::uint64_t* const w = words_.data() + block * bits_;
        for (unsigned k = 0; k < down_; ++k)
            if ((period >> k & 1u) != 0) w[k] |= which;
    }
    /// Bits that a neuron takes.
    [[nodiscard]] unsigned bits() const noexcept { return bits_; }
    [[nodiscard]] std::size_t bytes() const noexcept { return words_.capacity() * 8; }

private:
    std::size_t blocks_ = 0;
    unsigned down_ = 0, bits_ = 0;  // bits of a countdown, of both
    std::vector<std::uint64_t> words_;
};

}  // namespace nibble
