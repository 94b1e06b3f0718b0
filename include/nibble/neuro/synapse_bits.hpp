// SPDX-License-Identifier: BSL-1.0
// Synapses as a matrix of bits: a row a source, a bit a target, one weight for all.
//
// From a density of some 5 % on a row of bits is shorter than a list of targets, and rows add up
// without a jump: the bits of many rows are counted, for 64 targets a word at once, in binary digits
// that lie in bit planes (carry-save addition: a full adder takes three bits of one weight to one of
// the same and one of the double weight). Then the counts times the weight go to the sums. Counting is
// exact, so the order of rows does not matter.
#pragma once

#include <nibble/kernel/executor.hpp>
#include <nibble/kernel/shorts.hpp>
#include <nibble/store/buffer.hpp>
#include <nibble/store/view.hpp>

#include <algorithm>
#include <bit>
#include <span>
#include <vector>

namespace nibble::inline NIBBLE_ARCH {

template <class A = Isa>
class SynapseBits {
public:
    SynapseBits() = default;
    /// For synapses of at most `rows` of the sources.
    SynapseBits(std::size_t sources, std::size_t targets, std::size_t rows)
        : targets_(targets),
          stride_((targets + chunk - 1) / chunk * chunk_words),
          rows_(rows * stride_),
          row_of_(sources, no_row),
          fan_out_(sources) {}

    /// Sets the bit of a pair; false where it is set already.
    bool set(std::uint32_t source, std::uint32_t target) noexcept {
        if (row_of_[source] == no_row) row_of_[source] = used_++;
        std::uint32_t& word = rows_[row_of_[source] * stride_ + target / 32];
        const std::uint32_t bit = std::uint32_t{1} << (target % 32);
        if ((word & bit) != 0) return false;
        word |= bit;
        ++fan_out_[source];
        ++synapses_;
        return true;
    }
    [[nodiscard]] std::size_t synapses() const noexcept { return synapses_; }
    [[nodiscard]] std::size_t fan_out(std::size_t source) const noexcept {
        return fan_out_.empty() ? 0 : fan_out_[source];
    }
    [[nodiscard]] std::size_t bytes() const noexcept {
        return rows_.size() * 4 + (fan_out_.capacity() + row_of_.capacity()) * 4;
    }

    /// sums[t] += weight for every bit t of the rows in `spikes`; returns how many there are. `sums`
    /// covers padded(targets).
    template <class Sum>
    std::size_t deliver(const BasicHost<A>& on, std::span<const std::uint32_t> spikes,
                        std::span<Sum> sums, Sum weight) const {
        if (synapses_ == 0) return 0;
        // A part of the columns for each thread.
        on.parallel_for(stride_ / chunk_words, 4, [&](std::size_t first, std::size_t end) {
            // Counts stay below 2^planes: that many rows at a time, in pieces that a near cache holds.
            for (std::size_t piece = first; piece < end; piece += most_chunks) {
                const std::size_t n = end - piece < most_chunks ? end - piece : most_chunks;
                std::uint32_t rows[most_rows];
                for (std::size_t s = 0; s < spikes.size();) {
                    std::size_t found = 0;
                    for (; s < spikes.size() && found < most_rows; ++s) {
                        rows[found] = row_of_[spikes[s]];
                        found += rows[found] != no_row ? 1u : 0u;
                    }
                    if (found != 0) count({rows, found}, piece, n, sums, weight);
                }
            }
        });
        std::size_t events = 0;
        for (const std::uint32_t s : spikes) events += fan_out_[s];
        return events;
    }

    /// Calls f(source, target) for every synapse.
    template <class F>
    void for_each(F&& f) const {
        for (std::size_t s = 0; s < fan_out_.size(); ++s)
            for (std::size_t w = 0; w < stride_ && row_of_[s] != no_row; ++w)
                for (std::uint32_t left = rows_[row_of_[s] * stride_ + w]; left != 0;
                     left &= left - 1)
                    f(static_cast<std::uint32_t>(s),
                      static_cast<std::uint32_t>(w * 32 +
                                                 static_cast<std::size_t>(std::countr_zero(left))));
    }

private:
    using U = Batch<std::uint32_t, A>;
    static constexpr std::size_t chunk = 512;  // targets whose bits are the widest register
    static constexpr std::size_t most_chunks = 32, planes = 8, most_rows = 255;
    static constexpr std::size_t chunk_words = chunk / 32;

    // low, high = a + b + c, bit by bit.
    static NIBBLE_INLINE void add(U& low, U& high, U a, U b, U c) noexcept {
        const U either = a ^ b;
        low = either ^ c;
        high = (a & b) | (either & c);
    }

    template <class Sum>
    void count(std::span<const std::uint32_t> rows, std::size_t piece, std::size_t n,
               std::span<Sum> sums, Sum weight) const noexcept {
        // Plane k holds digit k of the counts.
        alignas(64) std::uint32_t digits[planes][most_chunks * chunk_words];
        const std::size_t words = n * chunk_words;
        const auto used = static_cast<std::size_t>(std::bit_width(rows.size()));
        for (std::size_t k = 0; k < (used < 3 ? 3 : used); ++k)
            for (std::size_t i = 0; i < words; ++i) digits[k][i] = 0;
        alignas(64) static constexpr std::uint32_t none[most_chunks * chunk_words] = {};
        const auto take = [&](const std::uint32_t*(&row)[8], std::size_t s) {
            for (std::size_t r = 0; r < 8; ++r)
                row[r] = s + r < rows.size()
                             ? rows_.data() + rows[s + r] * stride_ + piece * chunk_words
                             : none;
        };
        const std::uint32_t *row[8], *next[8];
        take(row, 0);
        for (std::size_t s = 0; s < rows.size(); s += 8) {
            take(next, s + 8);
            add_rows(row, next, digits, words, used);
            std::copy_n(next, 8, row);
        }
        for (std::size_t i = 0; i < words; i += 2) {
            const std::size_t target = (piece * chunk_words + i) * 32;
            if (target >= targets_) break;
            std::uint64_t digit[planes];
            for (std::size_t k = 0; k < used; ++k)
                digit[k] = digits[k][i] | std::uint64_t{digits[k][i + 1]} << 32;
            spread(digit, used, sums.data() + target, weight);
        }
    }
    // Eight rows into the digits 0 to 2, what they carry into those above; asks for the next rows, which
    // lie anywhere in a large matrix.
    static void add_rows(const std::uint32_t* const (&row)[8],
                         const std::uint32_t* const (&next)[8],
                         std::uint32_t (&digits)[planes][most_chunks * chunk_words],
                         std::size_t words, std::size_t used) noexcept {
        for (std::size_t i = 0; i < words; i += U::lanes) {
#if defined(__GNUC__)
            for (std::size_t r = 0; r < 8; ++r) __builtin_prefetch(next[r] + i);
#endif
            U ones = U::load(digits[0] + i), twos = U::load(digits[1] + i);
            U fours = U::load(digits[2] + i), a, b, c, d, carry;
            const auto load = [&](std::size_t r)
                                  NIBBLE_INLINE_LAMBDA { return U::load(row[r] + i); };
            add(ones, a, ones, load(0), load(1));
            add(ones, b, ones, load(2), load(3));
            add(twos, c, twos, a, b);
            add(ones, a, ones, load(4), load(5));
            add(ones, b, ones, load(6), load(7));
            add(twos, d, twos, a, b);
            add(fours, carry, fours, c, d);
            ones.store(digits[0] + i);
            twos.store(digits[1] + i);
            fours.store(digits[2] + i);
            for (std::size_t k = 3; k < used; ++k) {
                const U was = U::load(digits[k] + i);
                (was ^ carry).store(digits[k] + i);
                carry = carry & was;
            }
        }
    }
    // sums[i] += weight * count of target i, for 64 targets.
    template <class Sum>
    static NIBBLE_INLINE void spread(const std::uint64_t (&digit)[planes], std::size_t used,
                                     Sum* sums, Sum weight) noexcept {
        if constexpr (std::is_same_v<Sum, std::int16_t> && has_shorts<A>) {
            using S = Shorts<A>;
            for (std::size_t i = 0; i < 64; i += S::lanes) {
                S sum = S::load(sums + i);
                for (std::size_t k = 0; k < used; ++k)
                    sum = add_where(S::Mask::from_bits(digit[k] >> i), sum,
                                    S(static_cast<std::int16_t>(weight * (1 << k))));
                sum.store(sums + i);
            }
        } else {
            std::uint8_t count[64] = {};
            for (std::size_t k = 0; k < used; ++k)
                for (std::size_t i = 0; i < 64; ++i)
                    count[i] = static_cast<std::uint8_t>(count[i] | (digit[k] >> i & 1u) << k);
            // Wraps as add_charge does.
            using Wide = std::conditional_t<std::is_floating_point_v<Sum>, Sum, std::uint32_t>;
            for (std::size_t i = 0; i < 64; ++i)
                sums[i] = static_cast<Sum>(static_cast<Wide>(sums[i]) +
                                           static_cast<Wide>(count[i]) * static_cast<Wide>(weight));
        }
    }

    static constexpr std::uint32_t no_row = 0xFFFFFFFFu;
    std::size_t targets_ = 0, stride_ = 0, synapses_ = 0;
    std::uint32_t used_ = 0;
    Buffer<std::uint32_t> rows_;
    std::vector<std::uint32_t> row_of_;  // by source
    std::vector<std::uint32_t> fan_out_;
};

}  // namespace nibble
