// SPDX-License-Identifier: BSL-1.0
// Rotary positions for the rows of a batch: row r is at position `first` + r % time.
#pragma once

#include <nibble/kernel/rotary.hpp>
#include <nibble/store/buffer.hpp>
#include <nibble/store/tensor.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// The positions of `rows` rows: first + r % time.
template <class On>
[[nodiscard]] Buffer<std::int32_t, typename On::Memory> positions_of(std::size_t rows,
                                                                     std::size_t time,
                                                                     std::size_t first) {
    Buffer<std::int32_t, typename On::Memory> at(rows);
    for (std::size_t r = 0; r < rows; ++r) at[r] = static_cast<std::int32_t>(first + r % time);
    return at;
}

/// Which way rotate turns: forward, or back for a gradient.
enum class Turn : bool { forward, back };

/// Turns the heads of x by the angles of their rows' positions.
template <class On>
void rotate(On& on, const RotaryShape& shape, std::size_t time, std::size_t first, View<float> x,
            Turn turn) {
    const auto positions = positions_of<On>(x.rows, time, first);
    // Whole sequences share the angles of each position: worth a table.
    if (first == 0 && x.rows > 1)
        rotary(on, shape, rotary_table(on, shape, time), x, positions.span(), turn == Turn::back);
    else rotary(on, shape, x, positions.span(), turn == Turn::back);
}

}  // namespace nibble
