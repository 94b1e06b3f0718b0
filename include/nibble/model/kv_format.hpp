// SPDX-License-Identifier: BSL-1.0
// The formats of keys and values by name, and sequences in a format that is chosen at run time. Include this
// where that choice is made, in one file of a program: it brings attention in every format.
#pragma once

#include <nibble/model/kv_sequence.hpp>

#include <optional>

namespace nibble::inline NIBBLE_ARCH {

/// What keys and values are kept as. The 8-bit formats have a scale for each position and head; int4 has a
/// scale and an offset for each 64 features of them, or for a smaller head.
enum class KvFormat : std::uint8_t { fp32, fp16, bf16, fp8, int8, int4 };

/// "fp32", "fp16", "bf16", "fp8", "int8", "int4".
inline constexpr std::string_view kv_format_names[] = {"fp32", "fp16", "bf16",
                                                       "fp8",  "int8", "int4"};
[[nodiscard]] constexpr std::string_view name_of(KvFormat f) noexcept {
    return kv_format_names[static_cast<std::size_t>(f)];
}
/// The format of that name; nothing for a name that is none.
[[nodiscard]] constexpr std::optional<KvFormat> kv_format_named(std::string_view name) noexcept {
    for (std::size_t i = 0; i < std::size(kv_format_names); ++i)
        if (kv_format_names[i] == name) return static_cast<KvFormat>(i);
    return {};
}

/// Calls f.operator()<F>() with the format as a type.
template <class Function>
decltype(auto) dispatch(KvFormat format, Function&& f) {
    switch (format) {
        case KvFormat::fp16: return f.template operator()<half>();
        case KvFormat::bf16: return f.template operator()<bfloat16>();
        case KvFormat::fp8: return f.template operator()<PerRow<fp8_e4m3>>();
        case KvFormat::int8: return f.template operator()<PerRow<Int8Value>>();
        case KvFormat::int4:
            return f.template operator()<Grouped<Int4Value, 64, half, Offset::stored>>();
        default: return f.template operator()<float>();
    }
}

/// Pages for sequences of this shape in a format, to be shared by them.
template <class On = Host>
[[nodiscard]] std::shared_ptr<KvPages<typename On::Memory>> make_kv_pages(KvFormat format,
                                                                          const KvSequenceConfig& c,
                                                                          std::size_t pages) {
    const std::size_t bytes = dispatch(
        format, [&]<Format F>() { return KvStore<F, typename On::Memory>::page_bytes(c.shape()); });
    return std::make_shared<KvPages<typename On::Memory>>(pages, bytes);
}

/// An empty sequence in a format; with `pages`, over a pool that make_kv_pages made for it.
template <class On = Host>
[[nodiscard]] KvSequence<On> make_kv_sequence(
    KvFormat format, const KvSequenceConfig& c,
    std::shared_ptr<KvPages<typename On::Memory>> pages = nullptr) {
    return dispatch(
        format, [&]<Format F>() { return KvSequence<On>::template of<F>(c, std::move(pages)); });
}

}  // namespace nibble
