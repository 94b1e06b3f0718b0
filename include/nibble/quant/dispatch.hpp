// SPDX-License-Identifier: BSL-1.0
// From a spec known at run time to a format known at compile time, over a closed list.
#pragma once

#include <nibble/quant/format.hpp>
#include <nibble/store/error.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// Carries a format as a function argument: `[]<class F>(FormatTag<F>) { ... }`.
template <Format F>
struct FormatTag {
    using type = F;
};

/// The formats that dispatch reaches by default. Each costs a copy of what it calls.
using StockFormats = TypeList<
    float, half, bfloat16, PerTensor<fp8_e4m3>, PerRow<fp8_e4m3>, PerRow<fp8_e5m2>,
    PerTensor<Int8Value>, PerRow<Int8Value>, Grouped<Int8Value, 32>, Grouped<Int8Value, 64>,
    Grouped<Int8Value, 128>, Grouped<Int4Value, 32>, Grouped<Int4Value, 64>,
    Grouped<Int4Value, 128>, Grouped<Int4Value, 32, half, Offset::stored>,
    Grouped<Int4Value, 64, half, Offset::stored>, Grouped<Int4Value, 128, half, Offset::stored>,
    PerRow<Int4Value>, Grouped<fp4_e2m1, 32, E8M0>, Grouped<Nf4, 64>, Grouped<Int2Value, 32>,
    Grouped<Ternary, 32>>;

/// Calls f(FormatTag<F>{}) for the F in the list whose spec is `spec`; false when there is none.
template <class... F, class Function>
constexpr bool dispatch(TypeList<F...>, const QuantizationSpec& spec, Function&& f) {
    return ((spec_of<F>() == spec ? (static_cast<void>(f(FormatTag<F>{})), true) : false) || ...);
}

/// The same over StockFormats; a spec that is not among them is an Error that lists them.
template <class Function>
void dispatch(const QuantizationSpec& spec, Function&& f) {
    if (dispatch(StockFormats{}, spec, f)) return;
    std::string known;
    []<class... F>(TypeList<F...>, std::string& names) {
        ((names += (names.empty() ? "" : ", ") + to_string(spec_of<F>())), ...);
    }(StockFormats{}, known);
    fail("dispatch: no kernel is built for " + to_string(spec) + "; built are " + known);
}

}  // namespace nibble
