// Specs: every spelling, the errors, the fallback, the way back to text, and dispatch.
#include <doctest/doctest.h>

#include <nibble/quant/dispatch.hpp>

#include <string>
#include <vector>

using namespace nibble;

namespace {

std::string upper(std::string text) {
    for (char& c : text)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    return text;
}

bool mentions(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("every spelling of every value, in any case") {
    const std::pair<std::vector<std::string>, QuantizationSpec> spellings[] = {
        {{"fp32", "f32", "float32", "float", "Float32"}, spec_of<float>()},
        {{"fp16", "f16", "float16", "half", "Half"}, spec_of<half>()},
        {{"bf16", "bfloat16", "BF16"}, spec_of<bfloat16>()},
        {{"fp8", "fp8_e4m3", "fp8-e4m3", "e4m3"}, spec_of<PerRow<fp8_e4m3>>()},
        {{"fp8_e5m2", "fp8-e5m2", "e5m2"}, spec_of<PerRow<fp8_e5m2>>()},
        {{"fp4", "fp4_e2m1", "e2m1", "mxfp4"}, spec_of<Grouped<fp4_e2m1, 32, E8M0>>()},
        {{"nf4"}, spec_of<Grouped<Nf4, 64>>()},
        {{"int8", "i8", "int8-row", "int8_row", "int8:row", "int8/row"},
         spec_of<PerRow<Int8Value>>()},
        {{"int4", "i4", "int4-g32", "int4_g32"}, spec_of<Grouped<Int4Value, 32>>()},
        {{"int3", "i3"}, spec_of<Grouped<Int3Value, 32>>()},
        {{"int2", "i2"}, spec_of<Grouped<Int2Value, 32>>()},
        {{"ternary"}, spec_of<Grouped<Ternary, 32>>()},
        {{"int4-g128-asym", "i4-asym-g128"},
         spec_of<Grouped<Int4Value, 128, half, Offset::stored>>()},
        {{"fp8-tensor-scale=fp32", "e4m3-scale=f32-tensor"}, spec_of<PerTensor<fp8_e4m3, float>>()},
        {{"fp4-g16-scale=fp8", "fp4-g16-scale=fp8_e4m3", "fp4-scale=e4m3-g16"},
         spec_of<Grouped<fp4_e2m1, 16, fp8_e4m3>>()},
        {{"fp8_e5m2-row-scale=e8m0"}, spec_of<PerRow<fp8_e5m2, E8M0>>()},
        {{"int8-none"}, spec_of<Int8Value>()},
        {{"bf16-asym-row", "bf16-row-asym"}, spec_of<PerRow<bfloat16, half, Offset::stored>>()},
        {{"int4-asym-sym"}, spec_of<Grouped<Int4Value, 32>>()},
    };
    for (const auto& [texts, spec] : spellings)
        for (const std::string& text : texts)
            for (const std::string& cased : {text, upper(text)}) {
                CAPTURE(cased);
                const ParsedSpec parsed = parse_spec(cased);
                CHECK_MESSAGE(parsed, parsed.error);
                CHECK(to_string(parsed.spec) == to_string(spec));
                CHECK(parsed.spec == spec);
            }
}

TEST_CASE("an error names the text and lists what is valid") {
    for (const std::string text :
         {"int5", "", "-", "--", "-g32", "gguf", "int", "e8m0", "fp", "8"}) {
        CAPTURE(text);
        const ParsedSpec parsed = parse_spec(text);
        CHECK_FALSE(parsed);
        CHECK(mentions(parsed.error, "\"" + text + "\""));
        for (const char* name : {"fp32", "float16", "bf16", "fp8_e5m2", "mxfp4", "nf4", "int8",
                                 "int4", "i2", "ternary", "-row", "-asym"})
            CHECK(mentions(parsed.error, name));
    }
    const std::pair<const char*, const char*> wrong[] = {
        {"int4-g33", "multiple of 8"},         {"int4-g0", "multiple of 8"},
        {"int4-g", "unknown option \"g\""},    {"int4-g99999999", "unknown option"},
        {"int4-g-8", "unknown option"},        {"int8-column", "valid are row, tensor, gN"},
        {"int8-", "unknown option \"\""},      {"int8-scale=int8", "fp32, fp16, fp8 or e8m0"},
        {"int8-scale=", "fp32, fp16"},         {"bf16-asym", "add -row, -tensor or -gN"},
        {"fp4-asym", "cannot hold an offset"},
    };
    for (const auto& pair : wrong) {
        const char* const text = pair.first;
        const char* const part = pair.second;
        const ParsedSpec parsed = parse_spec(text);
        CAPTURE(text);
        CAPTURE(parsed.error);
        CHECK_FALSE(parsed);
        CHECK(mentions(parsed.error, part));
        CHECK(mentions(parsed.error, text));
    }
}

TEST_CASE("every name listed in the message is one that is read") {
    std::string name;
    for (const char c : std::string(precision_names) + ",") {
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_') {
            name += c;
        } else if (!name.empty()) {
            CHECK_MESSAGE(parse_spec(name), name);
            name.clear();
        }
    }
}

TEST_CASE("the fallback reports what it replaced") {
    std::string report;
    CHECK(parse_spec_or_fp32("int4-g64", report) == spec_of<Grouped<Int4Value, 64>>());
    CHECK(report.empty());
    CHECK(parse_spec_or_fp32("int5", report) == spec_of<float>());
    CHECK(mentions(report, "\"int5\""));
    CHECK(mentions(report, "using fp32"));
    CHECK(report.back() == '\n');
}

TEST_CASE("text and spec lead to each other") {
    int specs = 0;
    for (int v = 0; v <= 12; ++v) {
        const auto value = static_cast<ValueKind>(v);
        if (value == ValueKind::e8m0 || value == ValueKind::fp64) continue;
        for (const Granularity g :
             {Granularity::none, Granularity::tensor, Granularity::row, Granularity::group})
            for (const std::uint32_t group : {8u, 32u, 128u, 4096u})
                for (const bool symmetric : {true, false})
                    for (const ValueKind scale :
                         {ValueKind::fp32, ValueKind::fp16, ValueKind::e4m3, ValueKind::e8m0}) {
                        if (!symmetric && (g == Granularity::none || scale == ValueKind::e8m0))
                            continue;
                        const QuantizationSpec spec{value, g, g == Granularity::group ? group : 0,
                                                    symmetric, scale};
                        const ParsedSpec parsed = parse_spec(to_string(spec));
                        CAPTURE(to_string(spec));
                        CHECK_MESSAGE(parsed, parsed.error);
                        CHECK(parsed.spec == spec);
                        ++specs;
                    }
    }
    CHECK(specs > 900);
}

TEST_CASE("dispatch reaches every stock format by its spec") {
    []<class... F>(TypeList<F...>) {
        const auto reach = []<class Wanted>(FormatTag<Wanted>) {
            bool same = false;
            dispatch(spec_of<Wanted>(),
                     [&]<class Found>(FormatTag<Found>) { same = std::is_same_v<Wanted, Found>; });
            return same;
        };
        CHECK((reach(FormatTag<F>{}) && ...));
    }(StockFormats{});
    CHECK_FALSE(dispatch(TypeList<float, half>{}, spec_of<bfloat16>(), [](auto) {}));
#if defined(__cpp_exceptions)
    try {
        dispatch(spec_of<Grouped<Int4Value, 8>>(), [](auto) {});
        FAIL("no error");
    } catch (const Error& e) {
        CHECK(mentions(e.what(), "int4-g8"));
        CHECK(mentions(e.what(), "int4-g128-asym"));
        CHECK(mentions(e.what(), "bf16"));
    }
#endif
}
