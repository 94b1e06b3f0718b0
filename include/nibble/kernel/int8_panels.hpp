// SPDX-License-Identifier: BSL-1.0
// Rows of activations as int8, in the order in which packed weights meet them.
//
// A span of columns shares a scale (quantize_group.hpp). Spans end where the weights' runs end, so that
// one scale of x meets one of w:
//
//     activation format       span
//     Int8Value               32 columns: an outlier spoils no more than its neighbours
//     Grouped<Int8Value, G>   G columns, at most the weights' run; G a multiple of 32
//     PerRow<Int8Value>       as wide as the weights' run: of a whole row when w has a scale a row
//
// Rows lie in blocks of up to 16, a block after the other: codes [chunk][row][32], factors
// [span][row]. A kernel reads both from first to last.
#pragma once

#include <nibble/kernel/executor.hpp>
#include <nibble/kernel/quantize_group.hpp>
#include <nibble/quant/packed.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// Formats that activations can be quantized to on the fly.
template <class Q>
concept ActivationFormat =
    std::same_as<Q, Int8Value> ||
    (Format<Q> && std::same_as<value_of<Q>, Int8Value> && !format_traits<Q>::has_offset &&
     format_traits<Q>::granularity != Granularity::tensor && format_traits<Q>::group % 32 == 0);

/// Columns that share a scale of x when w's runs are `run` long. At most 65536, so that sums of
/// products stay within 32 bits.
template <ActivationFormat Q>
[[nodiscard]] constexpr std::size_t activation_span(std::size_t run) noexcept {
    constexpr std::size_t most = 65536;
    constexpr std::size_t asked =
        std::same_as<Q, Int8Value> ? 32
        : format_traits<Q>::granularity == Granularity::group && format_traits<Q>::group < most
            ? format_traits<Q>::group
            : most;
    return run < asked ? run : asked;
}

/// The quantized rows of x.
template <class A>
class Int8Panels {
public:
    static constexpr std::size_t block_rows = 16, chunk = 32;

    /// run and span in columns, as above; `bias` is what the codes of w are stored too large by.
    Int8Panels(const BasicHost<A>& on, View<const float> x, std::size_t run, std::size_t span,
               std::int32_t bias)
        : rows_(x.rows),
          span_(span),
          run_(run),
          runs_(x.cols / run),
          chunks_(runs_ * ((run + chunk - 1) / chunk)),
          spans_(runs_ * ((run + span - 1) / span)) {
        const std::size_t blocks = (rows_ + block_rows - 1) / block_rows;
        const std::size_t room_for = (blocks - 1) * block_rows + room(blocks - 1);
        codes_ = Tensor<Int8Value>::uninitialized(Shape{room_for * chunks_ * chunk});
        scales_ = Tensor<float>::uninitialized(Shape{room_for * spans_});
        moments_ = Tensor<float>::uninitialized(Shape{room_for * spans_});
        starts_ = Buffer<std::int32_t>(room_for * spans_);
        on.parallel_for(blocks, 1 + (std::size_t{1} << 17) / (block_rows * x.cols),
                        [&](std::size_t first, std::size_t end) {
                            for (std::size_t b = first; b < end; ++b) fill(x, b, bias);
                        });
    }

    [[nodiscard]] std::size_t rows() const noexcept { return rows_; }
    [[nodiscard]] std::size_t blocks() const noexcept {
        return (rows_ + block_rows - 1) / block_rows;
    }
    /// Columns of a span; the last of a run may have fewer.
    [[nodiscard]] std::size_t span() const noexcept { return span_; }
    /// Rows that block b has room for: a number that kernels come in.
    [[nodiscard]] std::size_t room(std::size_t b) const noexcept {
        const std::size_t left = rows_ - b * block_rows;
        return left <= 2 ? left : left <= 4 ? 4 : left <= 8 ? 8 : 16;
    }
    /// Codes of block b: [chunk][row][32].
    [[nodiscard]] const std::int8_t* codes(std::size_t b) const noexcept {
        return bytes() + b * block_rows * chunks_ * chunk;
    }
    /// Scales of block b: [span][row]. starts: -bias times the sum of the span's codes; moments: the
    /// scale times that sum, for weights with offsets.
    [[nodiscard]] const float* scales(std::size_t b) const noexcept {
        return scales_.data() + b * block_rows * spans_;
    }
    [[nodiscard]] const std::int32_t* starts(std::size_t b) const noexcept {
        return starts_.data() + b * block_rows * spans_;
    }
    [[nodiscard]] const float* moments(std::size_t b) const noexcept {
        return moments_.data() + b * block_rows * spans_;
    }

private:
    [[nodiscard]] std::int8_t* bytes() const noexcept {
        return &const_cast<Int8Value*>(codes_.data())->code;
    }
    void fill(View<const float> x, std::size_t b, std::int32_t bias) {
        const std::size_t height = room(b), first = b * block_rows;
        const std::size_t rows = rows_ - first < height ? rows_ - first : height;
        std::int8_t* const codes = bytes() + first * chunks_ * chunk;
        float* const scales = scales_.data() + first * spans_;
        float* const moments = moments_.data() + first * spans_;
        std::int32_t* const starts = starts_.data() + first * spans_;
        const bool direct = span_ == chunk && (run_ % chunk == 0 || runs_ == 1);
        Buffer<std::int8_t> scratch(direct ? 0 : run_);
        for (std::size_t r = 0; r < height; ++r) {
            std::int8_t* const to = codes + r * chunk;
            if (r >= rows) {
                for (std::size_t c = 0; c < chunks_; ++c)
                    std::memset(to + c * height * chunk, 0, chunk);
                for (std::size_t s = 0; s < spans_; ++s) {
                    scales[s * height + r] = 0;
                    starts[s * height + r] = 0;
                }
                continue;
            }
            const float* const from = x.data + (first + r) * x.stride;
            if (direct) {
                quantize_groups<A>(from, x.cols, chunk,
                                   {to, height * chunk, scales + r, starts + r, height});
                if (x.cols % chunk != 0)
                    std::memset(to + (chunks_ - 1) * height * chunk + x.cols % chunk, 0,
                                chunk - x.cols % chunk);
                continue;
            }
            const std::size_t run_chunks = chunks_ / runs_, run_spans = spans_ / runs_;
            for (std::size_t g = 0; g < runs_; ++g) {
                quantize_groups<A>(from + g * run_, run_, span_,
                                   {scratch.data(), span_, scales + g * run_spans * height + r,
                                    starts + g * run_spans * height + r, height});
                for (std::size_t c = 0; c < run_chunks; ++c) {
                    const std::size_t left = run_ - c * chunk, n = left < chunk ? left : chunk;
                    std::int8_t* const place = to + (g * run_chunks + c) * height * chunk;
                    std::memcpy(place, scratch.data() + c * chunk, n);
                    std::memset(place + n, 0, chunk - n);
                }
            }
        }
        for (std::size_t i = 0; i < spans_ * height; ++i) {
            moments[i] = scales[i] * static_cast<float>(starts[i]);
            starts[i] *= -bias;
        }
    }

    std::size_t rows_, span_, run_, runs_, chunks_, spans_;
    Tensor<Int8Value> codes_;
    Tensor<float> scales_, moments_;
    Buffer<std::int32_t> starts_;
};

}  // namespace nibble
