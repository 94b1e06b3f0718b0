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

/// A refractory countdown and a count of consecutive spikes for each neuron, packed into as few bits
/// (0, 4, 8, 16 or 32) as the largest of each need.
class Timers {
public:
    /// What a neuron's timer holds.
    struct Timer {
        std::uint16_t countdown = 0, count = 0;
    };

    Timers() = default;
    /// n timers of zero for numbers up to these.
    Timers(std::size_t n, std::uint16_t longest, std::uint16_t most) : n_(n) {
        shape(longest, most);
    }

    /// Makes room for numbers up to these; keeps what is there and fits.
    void resize(std::size_t n, std::uint16_t longest, std::uint16_t most) {
        Timers next(n, longest, most);
        for (std::size_t i = 0; i < n_ && i < n; ++i) next.set(i, get(i));
        *this = std::move(next);
    }
    [[nodiscard]] NIBBLE_INLINE Timer get(std::size_t i) const noexcept {
        std::uint32_t word = 0;
        if (bits_ == 4) word = bytes_[i / 2] >> (i % 2 * 4) & 15u;
        else
            for (std::size_t k = 0; k < bits_ / 8; ++k)
                word |= std::uint32_t{bytes_[bits_ / 8 * i + k]} << (8 * k);
        return {static_cast<std::uint16_t>(word & ((1u << split_) - 1u)),
                static_cast<std::uint16_t>(word >> split_)};
    }
    /// Numbers that are larger than there is room for are cut to the largest.
    NIBBLE_INLINE void set(std::size_t i, Timer t) noexcept {
        const std::uint32_t longest = (1u << split_) - 1u, most = (1u << count_bits_) - 1u;
        const std::uint32_t word = (t.countdown < longest ? t.countdown : longest) |
                                   (t.count < most ? t.count : most) << split_;
        if (bits_ == 4) {
            std::uint8_t& two = bytes_[i / 2];
            const unsigned up = i % 2 * 4;
            two = static_cast<std::uint8_t>((two & ~(15u << up)) | word << up);
        }
        for (std::size_t k = 0; k < bits_ / 8; ++k)
            bytes_[bits_ / 8 * i + k] = static_cast<std::uint8_t>(word >> (8 * k));
    }
    [[nodiscard]] bool counts() const noexcept { return count_bits_ != 0; }
    [[nodiscard]] std::size_t bits() const noexcept { return bits_; }
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_.capacity(); }

private:
    void shape(std::uint16_t longest, std::uint16_t most) {
        split_ = static_cast<unsigned>(std::bit_width(longest));
        count_bits_ = static_cast<unsigned>(std::bit_width(most));
        const unsigned bits = split_ + count_bits_;
        bits_ = bits == 0 ? 0 : bits <= 4 ? 4 : bits <= 8 ? 8 : bits <= 16 ? 16 : 32;
        bytes_.assign((n_ * bits_ + 7) / 8, 0);
    }
    std::size_t n_ = 0, bits_ = 0;
    unsigned split_ = 0, count_bits_ = 0;
    std::vector<std::uint8_t> bytes_;
};

}  // namespace nibble
