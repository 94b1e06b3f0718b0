// SPDX-License-Identifier: BSL-1.0
// One pass over a parameter, its gradient and its optimizer states, row by row.
//
// A rule sees plain floats: it is written once and serves every storage format. Rows that are stored
// as float are handed over in place; others are decoded into a buffer, updated, and rounded back.
// Rows are independent, so the work is split between threads without changing a result.
#pragma once

#include <nibble/kernel/executor.hpp>
#include <nibble/kernel/quantize.hpp>
#include <nibble/layer/layer.hpp>

#include <array>
#include <tuple>

namespace nibble::inline NIBBLE_ARCH {

/// Every store of N parameters to nearest.
template <std::size_t N>
[[nodiscard]] constexpr std::array<ToNearest, N> all_to_nearest() noexcept {
    return {};  // an array costs every inclusion less than a tuple
}

/// A parameter's rows as floats: in place for float storage, through a buffer otherwise.
template <class T>
class RowAccess;

template <class Memory>
class RowAccess<Tensor<float, Memory>> {
public:
    explicit RowAccess(Tensor<float, Memory>& tensor) : tensor_(&tensor) {}
    template <class A>
    float* open(std::size_t row, float*) const {
        return tensor_->data() + row * tensor_->stride();
    }
    template <class A, class Rounding>
    void close(std::size_t, const float*, Rounding) const {}
    template <class A, class Rounding>
    void finish(BasicHost<A>&, Rounding) const {}

private:
    Tensor<float, Memory>* tensor_;
};

template <Format F, class Memory>
class RowAccess<Matrix<F, Memory>> {
public:
    explicit RowAccess(Matrix<F, Memory>& matrix) : matrix_(&matrix) {
        // A scale for the whole matrix is known only when every row is: rows wait in a float copy.
        if constexpr (per_tensor)
            whole_ = Tensor<float>::uninitialized({matrix.rows(), matrix.cols()});
    }
    template <class A>
    float* open(std::size_t row, float* buffer) {
        if constexpr (in_place) {
            return matrix_->codes().data() + row * matrix_->codes().stride();
        } else {
            float* to = per_tensor ? whole_.data() + row * whole_.stride() : buffer;
            load_row<A>(std::as_const(*matrix_), row, to);
            return to;
        }
    }
    template <class A, class Rounding>
    void close(std::size_t row, const float* values, Rounding rounding) const {
        if constexpr (!in_place && !per_tensor) store_row<A>(*matrix_, row, values, rounding);
    }
    template <class A, class Rounding>
    void finish(BasicHost<A>& on, Rounding rounding) {
        if constexpr (per_tensor)
            store_matrix(on, std::as_const(whole_).view(), *matrix_, rounding);
    }

private:
    static constexpr bool in_place = std::is_same_v<F, float>;
    static constexpr bool per_tensor = format_traits<F>::granularity == Granularity::tensor;
    Matrix<F, Memory>* matrix_;
    Tensor<float> whole_;
};

/// How a parameter of type T is rounded when stored: low-precision stochastically.
template <class T>
inline constexpr bool stored_exactly = is_tensor<T>;
template <class Memory>
inline constexpr bool stored_exactly<Matrix<float, Memory>> = true;

/// Row r of a float parameter.
template <class T>
[[nodiscard]] const float* float_row(const T& parameter, std::size_t r) noexcept {
    if constexpr (is_tensor<T>) return parameter.data() + r * parameter.stride();
    else return parameter.codes().data() + r * parameter.codes().stride();
}

/// Calls rule(row, n, g, w, s...) for every row of `weight`, where g is the gradient's row, w the
/// weight's and s... the states', all as n floats; what the rule writes to w and s is stored back.
/// `roundings` is a tuple: first the weight's rounding, then each state's.
template <class A, class G, class W, class... S, class Rule, class Roundings>
void update_rows(BasicHost<A>& on, const G& gradient, const Roundings& roundings, Rule&& rule,
                 W& weight, S&... states) {
    const std::size_t rows = weight.rows(), cols = weight.cols();
    if (gradient.rows() != rows || gradient.cols() != cols)
        fail("update: a gradient of " + to_string(gradient.shape()) + " for a parameter of " +
             to_string(weight.shape()));
    const auto expect_state = [&](const auto& state) {
        if (state.rows() != rows || state.cols() != cols)
            fail("update: an optimizer's state of " + to_string(state.shape()) +
                 " for a parameter of " + to_string(weight.shape()));
    };
    (expect_state(states), ...);
    if (rows == 0 || cols == 0) return;
    std::tuple<RowAccess<W>, RowAccess<S>...> access{RowAccess<W>(weight), RowAccess<S>(states)...};
    constexpr std::size_t count = 1 + sizeof...(S);
    const std::size_t grain = cols >= 4096 ? 1 : 4096 / cols;
    on.parallel_for(rows, grain, [&](std::size_t first, std::size_t last) {
        auto buffers = Tensor<float>::uninitialized({count, cols});
        for (std::size_t r = first; r < last; ++r) {
            [&]<std::size_t... I>(std::index_sequence<I...>) {
                float* const open[] = {std::get<I>(access).template open<A>(
                    r, buffers.data() + I * buffers.stride())...};
                const float* g = float_row(gradient, r);
                rule(r, cols, g, open[I]...);
                (std::get<I>(access).template close<A>(r, open[I], std::get<I>(roundings)), ...);
            }(std::make_index_sequence<count>{});
        }
    });
    [&]<std::size_t... I>(std::index_sequence<I...>) {
        (std::get<I>(access).template finish<A>(on, std::get<I>(roundings)), ...);
    }(std::make_index_sequence<count>{});
}

}  // namespace nibble
