// What the JSON reader refuses that its parser would let pass.
#include <nibble/io/json.hpp>

#include <doctest/doctest.h>

#include "support/temporary.hpp"

using namespace nibble;
using test::contains;
using test::message_of;

TEST_CASE("a strict document") {
    const Json j = parse_json(R"({"a": {"b": [1, 2.5, "x", null, true]}, "c": 7} )", "f");
    CHECK(j["a"]["b"].size() == 5);
    CHECK(json_integer(j, "c", 0, 7, "f") == 7);
    CHECK(contains(message_of([&] { (void)json_integer(j, "c", 0, 6, "f"); }),
                   "f: \"c\" is 7, expected a whole number from 0 to 6"));
    CHECK(contains(message_of([&] { (void)json_integer(j, "d", 0, 6, "f"); }), "f: no \"d\""));
}

TEST_CASE("what is refused") {
    const auto refused = [](std::string_view text, std::string_view because) {
        const std::string message = message_of([&] { (void)parse_json(text, "f"); });
        INFO(message);
        CHECK(contains(message, because));
    };
    refused("", "does not begin with '{'");
    refused(" {}", "does not begin with '{'");
    refused("\xEF\xBB\xBF{}", "does not begin with '{'");
    refused("[]", "does not begin with '{'");
    refused(R"({"a":1,"a":1})", "key \"a\" twice");
    refused(R"({"x":{"a":1,"\u0061":1}})", "key \"a\" twice");
    refused(std::string_view("{}\0{", 4), "zero byte at offset 2");
    refused("{} {}", "at byte");
    refused("{\"a\":1", "at byte");
    refused("{\"a\":\"\xFF\"}", "at byte");
    refused("{\"a\":\"\xC0\xAF\"}", "at byte");
    refused(R"({"a":"\ud800"})", "at byte");
    refused(R"({"a":01})", "at byte");
    refused(R"({"a":1e999})", "overflow");
    refused(R"({"a":NaN})", "at byte");
    refused(R"({'a':1})", "at byte");
    refused(R"({"a":1,})", "at byte");

    std::string deep = "{\"a\":";
    for (int i = 0; i < 100'000; ++i) deep += '[';
    refused(deep, "deeper than 64 levels");
    CHECK(contains(message_of([] {
                       (void)parse_json("{    }", "f", {4, 1});
                   }),
                   "JSON of 6 bytes, at most 4"));
    for (const char* number : {"-1", "1.0", "1e0", "\"1\"", "18446744073709551616"})
        CHECK_THROWS_AS((void)json_integer(parse_json("{\"n\":" + std::string(number) + "}", "f"),
                                           "n", 0, ~std::uint64_t{0}, "f"),
                        Error);
}

TEST_CASE("text to JSON") {
    CHECK(json_string("a\"\n\xC3\xA9", "f") == "\"a\\\"\\n\xC3\xA9\"");
    CHECK(contains(message_of([] { (void)json_string("\xFF", "f"); }), "not valid UTF-8"));
}
