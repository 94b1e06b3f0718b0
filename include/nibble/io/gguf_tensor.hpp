// SPDX-License-Identifier: BSL-1.0
// From a GGUF tensor to numbers, or to a matrix with the same codes and scales.
#pragma once

#include <nibble/io/gguf.hpp>
#include <nibble/io/gguf_blocks.hpp>
#include <nibble/quant/matrix.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// Calls f(r) for each row of [0, rows), on the threads of `on` where there is enough work. A row of
/// `bytes` bytes takes about a nanosecond a byte.
template <class On, class F>
void for_each_row(On& on, std::size_t rows, std::size_t bytes, F&& f) {
    const std::size_t grain = 1 + 65536 / (bytes + 1);
    on.parallel_for(rows, grain, [&](std::size_t first, std::size_t end) {
        for (std::size_t r = first; r < end; ++r) f(r);
    });
}

/// Bytes of a row of `cols` elements, a multiple of the type's block.
[[nodiscard]] constexpr std::size_t row_bytes_of(GgufType t, std::size_t cols) noexcept {
    return cols / info_of(t).block * info_of(t).bytes;
}

/// A tensor's numbers into `out`: its last extent as columns, the others together as rows. Fails for a
/// type without a decoder, and when `out` has another shape. `on` is a Host.
template <class On>
void read_floats(On& on, const GgufFile& file, const GgufTensor& t, View<float> out) {
    if (!info_of(t.type).read)
        fail(file.name() + ": tensor " + in_quotes(t.name) + " is of type " +
             std::string(name_of(t.type)) + ", which is not decoded");
    const std::uint64_t cols = t.cols(), rows = t.size() == 0 ? 0 : t.size() / cols;
    if (out.rows != rows || out.cols != cols)
        fail(file.name() + ": tensor " + in_quotes(t.name) + " is " + to_string(t.shape()) +
             ", read into [" + std::to_string(out.rows) + ", " + std::to_string(out.cols) + "]");
    const std::byte* from = file.bytes(t).data();
    const std::size_t bytes = row_bytes_of(t.type, out.cols);
    for_each_row(on, out.rows, 4 * out.cols, [&](std::size_t r) {
        static_cast<void>(to_floats(t.type, from + r * bytes, out.cols, &out(r, 0)));
    });
}

/// The tensor type whose blocks hold exactly what a matrix of format F holds, when its run is 32;
/// nothing for a format that none does.
template <Format F>
[[nodiscard]] constexpr std::optional<GgufType> same_blocks() noexcept {
    if constexpr (std::is_same_v<F, float>) return GgufType::F32;
    else if constexpr (std::is_same_v<F, half>) return GgufType::F16;
    else if constexpr (std::is_same_v<F, bfloat16>) return GgufType::BF16;
    else if constexpr (std::is_same_v<F, Grouped<Int4Value, 32, half>>) return GgufType::Q4_0;
    else if constexpr (std::is_same_v<F, Grouped<Int8Value, 32, half>>) return GgufType::Q8_0;
    else if constexpr (std::is_same_v<F, Grouped<fp4_e2m1, 32, E8M0>>) return GgufType::MXFP4;
    else return {};
}

/// The nibbles of a block (elements 0 to 15 low, 16 to 31 high) as pairs of neighbours, and back; `flip`
/// is exclusive-ored to each.
inline void pair_nibbles(const std::uint8_t* from, std::uint8_t flip, std::uint8_t* to) noexcept {
    for (unsigned i = 0; i < 8; ++i) {
        const unsigned a = from[2 * i], b = from[2 * i + 1];
        to[i] = static_cast<std::uint8_t>(((a & 15) | (b & 15) << 4) ^ flip);
        to[8 + i] = static_cast<std::uint8_t>((a >> 4 | (b & 0xF0)) ^ flip);
    }
}
inline void split_nibbles(const std::uint8_t* from, std::uint8_t flip, std::uint8_t* to) noexcept {
    for (unsigned i = 0; i < 8; ++i) {
        const unsigned a = from[i] ^ unsigned { flip }, b = from[8 + i] ^ unsigned { flip };
        to[2 * i] = static_cast<std::uint8_t>((a & 15) | (b & 15) << 4);
        to[2 * i + 1] = static_cast<std::uint8_t>(a >> 4 | (b & 0xF0));
    }
}

/// Fills a matrix with a tensor's own codes and scales: no number changes (but that an E8M0 scale of
/// 255, which the block takes for 2^128, is NaN in a matrix). False, and nothing written,
/// when its format cannot hold them so or the shape differs; decode and quantize then.
template <class On, Format F, class Memory>
[[nodiscard]] bool read_blocks(On& on, const GgufFile& file, const GgufTensor& t,
                               Matrix<F, Memory>& to) {
    constexpr auto same = same_blocks<F>();
    if constexpr (same) {
        const std::uint64_t rows = t.size() == 0 ? 0 : t.size() / t.cols();
        if (t.type != *same || to.cols() != t.cols() || to.rows() != rows) return false;
        if (format_traits<F>::scaled && to.run() != 32) return false;
        const auto* from = reinterpret_cast<const std::uint8_t*>(file.bytes(t).data());
        const std::size_t bytes = row_bytes_of(t.type, to.cols());
        for_each_row(on, to.rows(), bytes, [&](std::size_t r) {
            const std::uint8_t* b = from + r * bytes;
            auto codes = to.codes().row(r).units();
            if constexpr (!format_traits<F>::scaled) {
                using V = typename Matrix<F, Memory>::V;
                copy_values<V>(reinterpret_cast<const std::byte*>(b), to.cols(), codes.data());
            } else {
                constexpr std::size_t block = info_of(*same).bytes;
                constexpr bool mx = *same == GgufType::MXFP4;
                auto* scale = to.scales().data() + r * to.runs();
                for (std::size_t k = 0; k < to.runs(); ++k, b += block) {
                    if constexpr (mx) scale[k] = E8M0{b[0]};
                    else scale[k] = half::from_bits(static_cast<std::uint16_t>(b[0] | b[1] << 8));
                    // 4-bit integers have 8 added in the file: the same bits with the top one turned.
                    if constexpr (mx) pair_nibbles(b + 1, 0, codes.data() + 16 * k);
                    else if constexpr (*same == GgufType::Q4_0)
                        pair_nibbles(b + 2, 0x88, codes.data() + 16 * k);
                    else std::memcpy(codes.data() + 32 * k, b + 2, 32);
                }
            }
        });
        return true;
    } else {
        return false;
    }
}

}  // namespace nibble
