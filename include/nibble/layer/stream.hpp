// SPDX-License-Identifier: BSL-1.0
// Layers whose sizes are known at run time, one sample at a time: the form that a trained layer is
// copied into for streaming.
//
//     Lstm<float> lstm({.in = 1, .hidden = 20}, Seed{1});            // trained, or loaded
//     LstmStream amp(lstm);  LinearStream head(linear);
//     const float y = head.step(amp.step({&x, 1}))[0];
//
// A stream holds the weights as float in the order of column products (kernel/columns.hpp), its state
// and its results; after construction nothing allocates, locks or throws. step's result lies in the
// stream until the next step. The kernels for a layer's width are chosen when the stream is made.
#pragma once

#include <nibble/kernel/columns.hpp>
#include <nibble/kernel/gated_step.hpp>
#include <nibble/layer/activation.hpp>
#include <nibble/layer/conv1d.hpp>
#include <nibble/layer/gru.hpp>
#include <nibble/layer/linear.hpp>
#include <nibble/layer/lstm.hpp>
#include <nibble/store/buffer.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// out = start + W x + U h over n and m columns, for T registers of rows.
template <class A, std::size_t T>
void sum_columns(const float* w, const float* x, std::size_t n, const float* u, const float* h,
                 std::size_t m, std::size_t width, const float* start, float* out) noexcept {
    using B = Batch<float, A>;
    constexpr std::size_t sets = column_sets(T, 16);
    B sum[T];
    unroll<T>([&](auto t) NIBBLE_INLINE_LAMBDA { sum[t] = B::load(start + t * B::lanes); });
    add_columns<float, A, T, 1>(w, 0, width, x, n, sum);
    if (m != 0) add_columns<float, A, T, sets>(u, 0, width, h, m, sum);
    unroll<T>([&](auto t) NIBBLE_INLINE_LAMBDA { sum[t].store(out + t * B::lanes); });
}
template <class A, std::size_t T>
void sum_long_columns(const float* w, const float* x, std::size_t n, const float* u, const float* h,
                      std::size_t m, std::size_t width, const float* start, float* out) noexcept {
    sum_columns<A, T>(u, h, m, w, x, n, width, start, out);
}

/// Rows dealt to lanes, for sums of one or two products.
template <class A>
class ColumnSums {
public:
    ColumnSums() = default;
    /// `width` floats a column, a multiple of the register's lanes.
    ColumnSums(std::size_t width, std::size_t n, std::size_t m)
        : w_(width * n), u_(width * m), start_(width), width_(width), n_(n), m_(m) {
        constexpr std::size_t lanes = Batch<float, A>::lanes;
        const std::size_t registers = width / lanes;
        const std::size_t tiles = (registers + column_tile<A> - 1) / column_tile<A>;
        tile_ = tiles == 0 ? 1 : (registers + tiles - 1) / tiles;
        rest_ = registers % tile_;
        kernel_ = kernel_of(tile_);
        rest_kernel_ = rest_ == 0 ? nullptr : kernel_of(rest_);
    }
    [[nodiscard]] float* w(std::size_t k) noexcept { return w_.data() + k * width_; }
    [[nodiscard]] float* u(std::size_t k) noexcept { return u_.data() + k * width_; }
    [[nodiscard]] float* start() noexcept { return start_.data(); }
    [[nodiscard]] std::size_t width() const noexcept { return width_; }

    void operator()(const float* x, const float* h, float* out) const noexcept {
        const std::size_t step = tile_ * Batch<float, A>::lanes;
        // A product of nothing has no weights, and there is no place in them.
        const float* const w = n_ == 0 ? start_.data() : w_.data();
        const float* const u = m_ == 0 ? start_.data() : u_.data();
        std::size_t i = 0;
        for (; i + step <= width_; i += step)
            kernel_(w + i, x, n_, u + i, h, m_, width_, start_.data() + i, out + i);
        if (rest_ != 0)
            rest_kernel_(w + i, x, n_, u + i, h, m_, width_, start_.data() + i, out + i);
    }

private:
    using Kernel = void (*)(const float*, const float*, std::size_t, const float*, const float*,
                            std::size_t, std::size_t, const float*, float*) noexcept;
    // The longer product gets the interleaved sums.
    [[nodiscard]] Kernel kernel_of(std::size_t registers) const noexcept {
        Kernel found = nullptr;
        unroll<column_tile<A>>([&](auto t) {
            if (t + 1 == registers)
                found = n_ > m_ ? &sum_long_columns<A, t + 1> : &sum_columns<A, t + 1>;
        });
        return found;
    }

    Buffer<float> w_, u_, start_;
    std::size_t width_ = 0, n_ = 0, m_ = 0, tile_ = 1, rest_ = 0;
    Kernel kernel_ = nullptr, rest_kernel_ = nullptr;
};

/// Lstm, a sample at a time.
template <class A = Isa>
class LstmStream {
public:
    template <LayerPrecision P, class On>
    explicit LstmStream(const Lstm<P, On>& layer)
        : in_(layer.in()),
          units_(layer.hidden()),
          plan_(4, units_),
          sums_(plan_.width, in_, units_),
          gate_(plan_.width),
          c_(padded(units_)),
          h_(padded(units_)) {
        for (std::size_t r = 0; r < 4 * units_; ++r) {
            const std::size_t lane = plan_.order.lane(r);
            for (std::size_t k = 0; k < in_; ++k) sums_.w(k)[lane] = layer.weight_ih(r, k);
            for (std::size_t k = 0; k < units_; ++k) sums_.u(k)[lane] = layer.weight_hh(r, k);
            sums_.start()[lane] = layer.bias_ih.data()[r] + layer.bias_hh.data()[r];
        }
    }
    /// The next sample: h after it.
    std::span<const float> step(std::span<const float> x) noexcept {
        NIBBLE_EXPECT(x.size() == in_);
        sums_(x.data(), h_.data(), gate_.data());
        lstm_update(plan_, gate_.data(), c_.data(), h_.data());
        return {h_.data(), units_};
    }
    /// Back to the state of zeros.
    void reset() noexcept {
        for (float& v : c_) v = 0.0f;
        for (float& v : h_) v = 0.0f;
    }

private:
    std::size_t in_, units_;
    GatePlan<A> plan_;
    ColumnSums<A> sums_;
    Buffer<float> gate_, c_, h_;
};
template <LayerPrecision P, class On>
LstmStream(const Lstm<P, On>&) -> LstmStream<typename On::InstructionSet>;

/// Gru, a sample at a time.
template <class A = Isa>
class GruStream {
public:
    template <LayerPrecision P, class On>
    explicit GruStream(const Gru<P, On>& layer)
        : in_(layer.in()),
          units_(layer.hidden()),
          plan_(3, units_),
          input_(plan_.width, in_, 0),
          state_(plan_.width, 0, units_),
          a_(plan_.width),
          b_(plan_.width),
          h_(padded(units_)) {
        for (std::size_t r = 0; r < 3 * units_; ++r) {
            const std::size_t lane = plan_.order.lane(r);
            for (std::size_t k = 0; k < in_; ++k) input_.w(k)[lane] = layer.weight_ih(r, k);
            for (std::size_t k = 0; k < units_; ++k) state_.u(k)[lane] = layer.weight_hh(r, k);
            input_.start()[lane] = layer.bias_ih.data()[r];
            state_.start()[lane] = layer.bias_hh.data()[r];
        }
    }
    /// The next sample: h after it.
    std::span<const float> step(std::span<const float> x) noexcept {
        NIBBLE_EXPECT(x.size() == in_);
        input_(x.data(), nullptr, a_.data());
        state_(nullptr, h_.data(), b_.data());
        gru_update(plan_, a_.data(), b_.data(), h_.data());
        return {h_.data(), units_};
    }
    /// Back to the state of zeros.
    void reset() noexcept {
        for (float& v : h_) v = 0.0f;
    }

private:
    std::size_t in_, units_;
    GatePlan<A> plan_;
    ColumnSums<A> input_, state_;
    Buffer<float> a_, b_, h_;
};
template <LayerPrecision P, class On>
GruStream(const Gru<P, On>&) -> GruStream<typename On::InstructionSet>;

/// Linear, or with a window of the past Conv1d, a sample at a time, and an activation after it.
template <class A = Isa>
class LinearStream {
public:
    template <LayerPrecision P, class On>
    explicit LinearStream(const Linear<P, On>& layer) : LinearStream(layer, 1, 1) {}
    /// kind(W x + b); tanh by short_tanh (kernel/gates.hpp).
    template <LayerPrecision P, class On>
    LinearStream(const Linear<P, On>& layer, Activation kind) : LinearStream(layer, 1, 1) {
        follow(kind);
    }
    template <LayerPrecision P, class On>
    explicit LinearStream(const Conv1d<P, On>& layer)
        : LinearStream(layer, layer.config.kernel, layer.config.dilation) {}
    template <LayerPrecision P, class On>
    LinearStream(const Conv1d<P, On>& layer, Activation kind) : LinearStream(layer) {
        follow(kind);
    }

    /// The next sample.
    std::span<const float> step(std::span<const float> x) noexcept {
        NIBBLE_EXPECT(x.size() == in_);
        const float* from = x.data();
        if (taps_ > 1) {
            newest_ = newest_ + 1 == slots_ ? 0 : newest_ + 1;
            for (std::size_t i = 0; i < in_; ++i) past_[newest_ * in_ + i] = from[i];
            for (std::size_t j = 0; j < taps_; ++j) {
                const std::size_t back = (taps_ - 1 - j) * dilation_;
                const std::size_t slot = newest_ >= back ? newest_ - back : newest_ + slots_ - back;
                for (std::size_t i = 0; i < in_; ++i) window_[j * in_ + i] = past_[slot * in_ + i];
            }
            from = window_.data();
        }
        sums_(from, nullptr, y_.data());
        if (function_ != nullptr) function_(y_.data(), sums_.width());
        return {y_.data(), out_};
    }
    /// Back to a past of zeros.
    void reset() noexcept {
        for (float& v : past_) v = 0.0f;
    }

private:
    template <class L>
    LinearStream(const L& layer, std::size_t taps, std::size_t dilation)
        : in_(layer.weight.cols() / taps),
          out_(layer.weight.rows()),
          taps_(taps),
          dilation_(dilation),
          slots_((taps - 1) * dilation + 1),
          sums_((out_ + lanes - 1) / lanes * lanes, in_ * taps, 0),
          y_(sums_.width()),
          past_(slots_ * in_),
          window_(taps * in_) {
        for (std::size_t r = 0; r < out_; ++r) {
            for (std::size_t k = 0; k < layer.weight.cols(); ++k)
                sums_.w(k)[r] = layer.weight(r, k);
            if (!layer.bias.empty()) sums_.start()[r] = layer.bias.data()[r];
        }
    }
    template <class F>
    static void map(float* y, std::size_t n) noexcept {
        for (std::size_t i = 0; i < n; i += lanes)
            F::value(Batch<float, A>::load(y + i)).store(y + i);
    }
    struct ShortTanh {
        static NIBBLE_INLINE Batch<float, A> value(Batch<float, A> x) { return short_tanh(x); }
    };
    void follow(Activation kind) {
        function_ = &map<ShortTanh>;
        if (kind != Activation::tanh) dispatch(kind, [&]<class F>(F) { function_ = &map<F>; });
    }

    static constexpr std::size_t lanes = Batch<float, A>::lanes;
    std::size_t in_, out_, taps_, dilation_, slots_, newest_ = 0;
    ColumnSums<A> sums_;
    Buffer<float> y_, past_, window_;
    void (*function_)(float*, std::size_t) noexcept = nullptr;
};
template <LayerPrecision P, class On, class... More>
LinearStream(const Linear<P, On>&, More...) -> LinearStream<typename On::InstructionSet>;
template <LayerPrecision P, class On, class... More>
LinearStream(const Conv1d<P, On>&, More...) -> LinearStream<typename On::InstructionSet>;

}  // namespace nibble
