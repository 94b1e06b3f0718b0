// Policies: which rule a name meets, and what bad text is answered with.
#include <nibble/ptq/policy.hpp>

#include <doctest/doctest.h>

#include "support/temporary.hpp"

using namespace nibble;
using test::contains;
using test::message_of;

TEST_CASE("patterns match whole names") {
    CHECK(ptq::matches("*", ""));
    CHECK(ptq::matches("*.weight", "h.0.attn.c_attn.weight"));
    CHECK_FALSE(ptq::matches("*.weight", "h.0.attn.c_attn.bias"));
    CHECK(ptq::matches("h.?.mlp.*", "h.3.mlp.c_fc.weight"));
    CHECK_FALSE(ptq::matches("h.?.mlp.*", "h.13.mlp.c_fc.weight"));
    CHECK(ptq::matches("a*b*c", "a-b-b-c"));
    CHECK_FALSE(ptq::matches("a*b*c", "a-b-b-c-"));
    CHECK_FALSE(ptq::matches("wte", "wte.weight"));
    CHECK_FALSE(ptq::matches("", "x"));
    CHECK(ptq::matches("**x**", "x"));
    // What would take forever by trying all ways.
    CHECK_FALSE(ptq::matches("*a*a*a*a*a*a*a*a*a*a*b", std::string(2000, 'a')));
}

TEST_CASE("the first rule that matches wins; nothing named stays float") {
    const ptq::Policy policy = ptq::parse_policy(
        "# a comment\n\n  wte.weight\tint8-row  # table\r\n*.weight int4-g128\nwte.* int2-g32",
        "p");
    REQUIRE(policy.rules.size() == 3);
    CHECK(to_string(policy("wte.weight")) == "int8-row");
    CHECK(to_string(policy("h.0.mlp.c_fc.weight")) == "int4-g128");
    CHECK(to_string(policy("wte.other")) == "int2-g32");
    CHECK(policy("ln_f.bias") == QuantizationSpec{});
}

TEST_CASE("bad policies are refused with their line") {
    const auto said = [](const char* text) {
        return message_of([&] { (void)ptq::parse_policy(text, "\"p.txt\""); });
    };
    CHECK(contains(said("a int4\nb int5"), "\"p.txt\", line 2: precision \"int5\": unknown"));
    CHECK(contains(said("a"), "line 1: 1 words, expected a pattern and a format"));
    CHECK(contains(said("\n\na int4 gptq"), "line 3: 3 words"));
    CHECK(contains(said("a int4-g7"), "positive multiple of 8"));
    CHECK(ptq::parse_policy("", "p").rules.empty());
}
