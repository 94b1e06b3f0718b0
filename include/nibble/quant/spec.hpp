// SPDX-License-Identifier: BSL-1.0
// QuantizationSpec: a format named at run time, and its spelling.
//
//     value [-row | -tensor | -gN | -none] [-asym] [-scale=VALUE]   any case; '_' in place of '-' too
//     "int8" = "int8-row"    "int4" = "int4-g32"    "int4-g128-asym"    "fp8-tensor-scale=fp32"
//     "int8-none" is the bare value, without a scale
#pragma once

#include <nibble/value/list.hpp>

#include <string>

namespace nibble::inline NIBBLE_ARCH {

/// Which run of elements shares one scale.
enum class Granularity : std::uint8_t {
    none,    ///< no scale: the value's own number is the number
    tensor,  ///< one for the whole matrix
    row,     ///< one for each row (channel)
    group,   ///< one for each `group` neighbours of a row
};

/// The run-time mirror of a Format.
struct QuantizationSpec {
    ValueKind value = ValueKind::fp32;
    Granularity granularity = Granularity::none;
    std::uint32_t group = 0;  ///< elements that share a scale; 0 unless granularity is group
    bool symmetric = true;    ///< false: an offset beside each scale
    ValueKind scale = ValueKind::fp16;  ///< fp32, fp16, fp8_e4m3 or e8m0; ignored without a scale

    friend constexpr bool operator==(const QuantizationSpec& a,
                                     const QuantizationSpec& b) noexcept {
        return a.value == b.value && a.granularity == b.granularity && a.group == b.group &&
               (a.granularity == Granularity::none ||
                (a.symmetric == b.symmetric && a.scale == b.scale));
    }
};

/// What parse_spec found: a spec, or a message that names the text and lists what is valid.
struct ParsedSpec {
    QuantizationSpec spec;
    std::string error;  ///< empty on success
    explicit operator bool() const noexcept { return error.empty(); }
};

/// Every value name that parse_spec knows, for messages and --help.
inline constexpr std::string_view precision_names =
    "fp32 (f32, float32, float), fp16 (f16, float16, half), bf16 (bfloat16), fp8 (fp8_e4m3, e4m3), "
    "fp8_e5m2 (e5m2), fp4 (fp4_e2m1, mxfp4), nf4, int8 (i8), int4 (i4), int3 (i3), int2 (i2), "
    "ternary";

/// The spec a bare value name stands for: the granularity that suits it.
[[nodiscard]] constexpr QuantizationSpec default_spec(ValueKind value) noexcept {
    switch (value) {
        case ValueKind::int8:
        case ValueKind::e4m3:
        case ValueKind::e5m2: return {value, Granularity::row, 0};
        case ValueKind::int4:
        case ValueKind::int3:
        case ValueKind::int2:
        case ValueKind::ternary: return {value, Granularity::group, 32};
        case ValueKind::nf4: return {value, Granularity::group, 64};
        case ValueKind::e2m1: return {value, Granularity::group, 32, true, ValueKind::e8m0};
        default: return {value, Granularity::none, 0};
    }
}

/// "int4-g32", "int8-row", "bf16": reads back to the same spec.
[[nodiscard]] inline std::string to_string(const QuantizationSpec& spec) {
    std::string text(name_of(spec.value));
    if (spec.granularity == Granularity::none)
        return default_spec(spec.value).granularity == Granularity::none ? text : text + "-none";
    if (spec.granularity == Granularity::tensor) text += "-tensor";
    if (spec.granularity == Granularity::row) text += "-row";
    if (spec.granularity == Granularity::group) text += "-g" + std::to_string(spec.group);
    if (!spec.symmetric) text += "-asym";
    if (spec.scale != default_spec(spec.value).scale)
        text += "-scale=" + std::string(name_of(spec.scale));
    return text;
}

/// The value a name stands for; fp32 and `found = false` for a name that is none.
[[nodiscard]] constexpr ValueKind parse_value(std::string_view name, bool& found) noexcept {
    struct Spelling {
        std::string_view name;
        ValueKind kind;
    };
    constexpr Spelling spellings[] = {
        {"fp32", ValueKind::fp32},     {"f32", ValueKind::fp32},
        {"float32", ValueKind::fp32},  {"float", ValueKind::fp32},
        {"fp16", ValueKind::fp16},     {"f16", ValueKind::fp16},
        {"float16", ValueKind::fp16},  {"half", ValueKind::fp16},
        {"bf16", ValueKind::bf16},     {"bfloat16", ValueKind::bf16},
        {"fp8", ValueKind::e4m3},      {"fp8-e4m3", ValueKind::e4m3},
        {"e4m3", ValueKind::e4m3},     {"fp8-e5m2", ValueKind::e5m2},
        {"e5m2", ValueKind::e5m2},     {"fp4", ValueKind::e2m1},
        {"fp4-e2m1", ValueKind::e2m1}, {"e2m1", ValueKind::e2m1},
        {"mxfp4", ValueKind::e2m1},    {"nf4", ValueKind::nf4},
        {"e8m0", ValueKind::e8m0},     {"int8", ValueKind::int8},
        {"i8", ValueKind::int8},       {"int4", ValueKind::int4},
        {"i4", ValueKind::int4},       {"int3", ValueKind::int3},
        {"i3", ValueKind::int3},       {"int2", ValueKind::int2},
        {"i2", ValueKind::int2},       {"ternary", ValueKind::ternary},
    };
    for (const Spelling& s : spellings)
        if (s.name == name) {
            found = true;
            return s.kind;
        }
    found = false;
    return ValueKind::fp32;
}

/// Reads a spec from text in any case. Never throws for bad text: see ParsedSpec::error.
[[nodiscard]] inline ParsedSpec parse_spec(std::string_view text) {
    std::string name;
    for (const char c : text)
        name += c == '_' || c == '/' || c == ':' ? '-'
                : c >= 'A' && c <= 'Z'           ? static_cast<char>(c - 'A' + 'a')
                                                 : c;
    const auto bad = [&](const std::string& why) {
        return ParsedSpec{{}, "precision \"" + std::string(text) + "\": " + why};
    };
    // The longest prefix that is a value name: "fp8-e5m2-row" starts with two.
    std::size_t end = name.size();
    bool found = false;
    ValueKind value = parse_value(name, found);
    while (!found && (end = name.rfind('-', end - 1)) != std::string::npos && end != 0)
        value = parse_value(std::string_view(name).substr(0, end), found);
    if (!found || value == ValueKind::e8m0)
        return bad("unknown; valid are " + std::string(precision_names) +
                   ", each with -row, -tensor, -g32 (or another multiple of 8), -none, -asym, "
                   "-scale=fp32");
    QuantizationSpec spec = default_spec(value);
    while (end < name.size()) {
        const std::size_t next = std::min(name.find('-', end + 1), name.size());
        const std::string option = name.substr(end + 1, next - end - 1);
        end = next;
        if (option == "row" || option == "tensor" || option == "none") {
            spec.granularity = option == "row"      ? Granularity::row
                               : option == "tensor" ? Granularity::tensor
                                                    : Granularity::none;
            spec.group = 0;
        } else if (option == "asym" || option == "sym") {
            spec.symmetric = option == "sym";
        } else if (option.size() > 1 && option.size() < 8 && option[0] == 'g' &&
                   option.find_first_not_of("0123456789", 1) == std::string::npos) {
            spec.granularity = Granularity::group;
            spec.group = static_cast<std::uint32_t>(std::stoul(option.substr(1)));
            if (spec.group == 0 || spec.group % 8 != 0)
                return bad("a group must be a positive multiple of 8");
        } else if (std::string_view(option).starts_with("scale=")) {
            // A scale's name may itself hold a dash: "scale=fp8-e4m3".
            std::string scale = option.substr(6);
            if (std::string_view(name).substr(end).starts_with("-e4m3")) {
                scale += "-e4m3";
                end += 5;
            }
            spec.scale = parse_value(scale, found);
            if (!found || (spec.scale != ValueKind::fp32 && spec.scale != ValueKind::fp16 &&
                           spec.scale != ValueKind::e4m3 && spec.scale != ValueKind::e8m0))
                return bad("a scale is fp32, fp16, fp8 or e8m0, not \"" + scale + "\"");
        } else {
            return bad("unknown option \"" + option +
                       "\"; valid are row, tensor, gN, none, asym, sym, scale=NAME");
        }
    }
    if (!spec.symmetric && spec.granularity == Granularity::none)
        return bad("an offset needs a scale: add -row, -tensor or -gN");
    if (!spec.symmetric && spec.scale == ValueKind::e8m0)
        return bad("e8m0 has no zero and no sign, so it cannot hold an offset: add -scale=fp16");
    return {spec, {}};
}

/// parse_spec that never fails: unknown text becomes fp32, and `report` says what was replaced.
[[nodiscard]] inline QuantizationSpec parse_spec_or_fp32(std::string_view text,
                                                         std::string& report) {
    ParsedSpec parsed = parse_spec(text);
    if (!parsed) report += parsed.error + "; using fp32 instead\n";
    return parsed ? parsed.spec : QuantizationSpec{};
}

}  // namespace nibble
