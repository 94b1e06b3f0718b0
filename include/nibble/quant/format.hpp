// SPDX-License-Identifier: BSL-1.0
// Formats: a value type plus the run of elements that shares a scale, named at compile time.
//
//     bfloat16                      a bare value: no scale
//     PerRow<Int8Value>             one scale for each row
//     Grouped<Int4Value, 32>        one scale for each 32 neighbours
//     Grouped<Int4Value, 128, half, Offset::stored>      asymmetric: code * scale + offset
//     Grouped<fp4_e2m1, 32, E8M0>   MXFP4
//
// And precisions: formats by role. A bare format means "these weights, float activations".
#pragma once

#include <nibble/quant/spec.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// Whether a scale comes with an offset of the same type.
enum class Offset : bool { none, stored };

/// A type that may hold scales.
template <class S>
concept ScaleValue = std::same_as<S, float> || std::same_as<S, half> || std::same_as<S, fp8_e4m3> ||
                     std::same_as<S, E8M0>;

/// E8M0 has no zero and no sign: a scale may be one, an offset may not.
template <class S, Offset O>
concept OffsetFits = O == Offset::none || !std::same_as<S, E8M0>;

/// One scale for the whole matrix.
template <NeuralValue V, ScaleValue S = half, Offset O = Offset::none>
    requires OffsetFits<S, O>
struct PerTensor {};
/// One scale for each row.
template <NeuralValue V, ScaleValue S = half, Offset O = Offset::none>
    requires OffsetFits<S, O>
struct PerRow {};
/// One scale for each G neighbours of a row; G a multiple of 8.
template <NeuralValue V, std::size_t G, ScaleValue S = half, Offset O = Offset::none>
    requires(G > 0 && G % 8 == 0 && OffsetFits<S, O>)
struct Grouped {};

/// What the library knows about a format.
template <class F>
struct format_traits {};

template <class V, class S, Offset O, Granularity Kind, std::size_t G>
struct format_description {
    using Value = V;
    using Scale = S;
    static constexpr bool scaled = Kind != Granularity::none;
    static constexpr bool has_offset = O == Offset::stored;
    static constexpr Granularity granularity = Kind;
    static constexpr std::size_t group = G;
    static constexpr QuantizationSpec spec{kind_of<V>, Kind, static_cast<std::uint32_t>(G),
                                           !has_offset, kind_of<S>};
};
template <class V>
    requires(NeuralValue<V> && !std::same_as<V, E8M0>)
struct format_traits<V> : format_description<V, half, Offset::none, Granularity::none, 0> {};
template <class V, class S, Offset O>
struct format_traits<PerTensor<V, S, O>> : format_description<V, S, O, Granularity::tensor, 0> {};
template <class V, class S, Offset O>
struct format_traits<PerRow<V, S, O>> : format_description<V, S, O, Granularity::row, 0> {};
template <class V, std::size_t G, class S, Offset O>
struct format_traits<Grouped<V, G, S, O>> : format_description<V, S, O, Granularity::group, G> {};

template <class F>
concept Format = requires { typename format_traits<F>::Value; };

/// The value type whose codes a format stores.
template <Format F>
using value_of = typename format_traits<F>::Value;

/// The run-time mirror of F.
template <Format F>
[[nodiscard]] constexpr QuantizationSpec spec_of() noexcept {
    return format_traits<F>::spec;
}

/// Formats by role. Activations are float, or half or bfloat16 for what backward keeps, or int8 for the
/// integer kernels, quantized on the fly: Int8Value with a scale for each 32, Grouped<Int8Value, 128>
/// or PerRow<Int8Value> with fewer; Cache is the format of keys and values.
template <Format Weight, Format Activation = float, Format Cache = float>
struct Mixed {};

/// One precision for each kind of component of a model: attention in one, MLP in another.
template <class Attention, class Mlp, class Embedding = Attention>
struct PerComponent {};

template <class P>
struct precision_traits;
template <Format F>
struct precision_traits<F> {
    using Weight = F;
    using Activation = float;
    using Cache = float;
};
template <Format W, Format A, Format C>
struct precision_traits<Mixed<W, A, C>> {
    using Weight = W;
    using Activation = A;
    using Cache = C;
};

template <class P>
struct component_traits {
    using Attention = P;
    using Mlp = P;
    using Embedding = P;
};
template <class A, class M, class E>
struct component_traits<PerComponent<A, M, E>> {
    using Attention = A;
    using Mlp = M;
    using Embedding = E;
};

/// A precision that a single layer can take.
template <class P>
concept LayerPrecision = requires { typename precision_traits<P>::Weight; };
/// A precision that a model can take: a layer's, or one for each component.
template <class P>
concept Precision = LayerPrecision<typename component_traits<P>::Attention> &&
                    LayerPrecision<typename component_traits<P>::Mlp> &&
                    LayerPrecision<typename component_traits<P>::Embedding>;

template <LayerPrecision P>
using weight_t = typename precision_traits<P>::Weight;
template <LayerPrecision P>
using activation_t = typename precision_traits<P>::Activation;
template <LayerPrecision P>
using cache_t = typename precision_traits<P>::Cache;
template <Precision P>
using attention_t = typename component_traits<P>::Attention;
template <Precision P>
using mlp_t = typename component_traits<P>::Mlp;
template <Precision P>
using embedding_t = typename component_traits<P>::Embedding;

/// Common precisions by their usual names: weights, activations.
using W4A16 = Mixed<Grouped<Int4Value, 64>, half>;
using W4A8 = Mixed<Grouped<Int4Value, 32>, Int8Value>;
using W8A8 = Mixed<PerRow<Int8Value>, Int8Value>;

}  // namespace nibble
