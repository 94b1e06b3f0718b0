// SPDX-License-Identifier: BSL-1.0
// Rotary positions for the rows of a batch: row r is at position `first` + r % time.
#pragma once

#include <nibble/kernel/rotary.hpp>
#include <nibble/store/tensor.hpp>

#include <span>

namespace nibble::inline NIBBLE_ARCH {

/// A list of row positions in recycled memory, so that decoding asks the system for nothing.
template <class On>
class Positions {
public:
    Positions(std::size_t rows, std::size_t time, std::size_t first)
        : rows_(rows), at_(static_cast<std::int32_t*>(On::Memory::allocate(rows * sizeof *at_))) {
        for (std::size_t r = 0; r < rows; ++r)
            std::construct_at(at_ + r, static_cast<std::int32_t>(first + r % time));
    }
    ~Positions() { On::Memory::release(at_, rows_ * sizeof *at_); }
    Positions(const Positions&) = delete;
    Positions& operator=(const Positions&) = delete;

    [[nodiscard]] std::span<const std::int32_t> span() const noexcept { return {at_, rows_}; }

private:
    std::size_t rows_;
    std::int32_t* at_;
};

/// Which way rotate turns: forward, or back for a gradient.
enum class Turn : bool { forward, back };

/// Turns the heads of x by the angles of their rows' positions.
template <class On>
void rotate(On& on, const RotaryShape& shape, std::size_t time, std::size_t first, View<float> x,
            Turn turn) {
    const Positions<On> positions(x.rows, time, first);
    // Whole sequences share the angles of each position: worth a table.
    if (first == 0 && x.rows > 1)
        rotary(on, shape, rotary_table(on, shape, time), x, positions.span(), turn == Turn::back);
    else
        rotary(on, shape, x, positions.span(), turn == Turn::back);
}

}  // namespace nibble
