// Allocation under a budget, and the report as text, JSON and a page.
#include <nibble/io/json.hpp>
#include <nibble/ptq/report_html.hpp>

#include <doctest/doctest.h>

#include "support/temporary.hpp"

using namespace nibble;
using test::contains;
using test::message_of;

namespace {

ptq::Choice choice(const char* spec, std::size_t bytes, double kl) {
    return {parse_spec(spec).spec, bytes, kl};
}

/// Two tensors quantized by hand, one vector.
ptq::Report some_report() {
    ptq::Report report;
    report.model = "a <model> & \"more\"\n\xFF\xC3\xA9";
    report.method = "by hand";
    Random random(4);
    for (const char* name : {"good.weight", "bad.weight"}) {
        Tensor<float> w(Shape{4, 32});
        for (std::size_t r = 0; r < 4; ++r)
            for (std::size_t k = 0; k < 32; ++k) w(r, k) = float(random.uniform() - 0.5);
        Host on(1);
        const auto spec = parse_spec(name[0] == 'g' ? "int8" : "int2-g32").spec;
        const auto q = ptq::quantize_weight(on, w.view(), nullptr, spec, ptq::Method::search);
        ptq::TensorOutcome t;
        t.name = name;
        t.spec = q.spec;
        t.rows = 4;
        t.cols = 32;
        t.bytes = ptq::stored_bytes(q.spec, 4, 32);
        t.error = ptq::error_of(w.view(), q);
        report.tensors.push_back(t);
    }
    ptq::TensorOutcome bias;
    bias.name = "bias";
    bias.rows = 1;
    bias.cols = 4;
    bias.bytes = 16;
    report.tensors.push_back(bias);
    ptq::Evaluation before, after;
    before.loss = 2;
    before.accuracy = 0.5;
    before.tokens = 64;
    after = before;
    after.loss = 2.25;
    after.accuracy = 0.45;
    after.kl = 0.125;
    report.before = before;
    report.after = after;
    report.sensitivity = {
        {"good.weight", {choice("int4-g32", 72, 0.5), choice("int8", 136, 0.01)}}};
    return report;
}

}  // namespace

TEST_CASE("a budget buys what saves most, and never more than it has") {
    const std::vector<ptq::Sensitivity> all = {
        {"a", {choice("int2", 100, 1.0), choice("int4", 200, 0.1), choice("int8", 400, 0.0)}},
        {"b", {choice("int2", 100, 0.2), choice("int4", 200, 0.05), choice("int8", 400, 0.04)}},
        // int4 lies above the line from int2 to int8, int3 is worse than int2: never chosen.
        {"c",
         {choice("int2", 100, 0.4), choice("int3", 150, 0.5), choice("int4", 200, 0.38),
          choice("int8", 300, 0.0)}}};
    const auto bytes = [&](std::size_t budget) {
        const auto policy = ptq::allocate(all, budget);
        std::string text;
        for (const auto& rule : policy.rules) text += to_string(rule.spec).substr(0, 4) + " ";
        return text;
    };
    CHECK(bytes(300) == "int2 int2 int2 ");
    CHECK(bytes(399) == "int2 int2 int2 ");
    CHECK(bytes(400) == "int4 int2 int2 ");
    CHECK(bytes(500) == "int4 int4 int2 ");  // c's step does not fit, b's does
    CHECK(bytes(600) == "int4 int2 int8 ");
    CHECK(bytes(700) == "int4 int4 int8 ");
    CHECK(bytes(100000) == "int8 int8 int8 ");
    CHECK(contains(message_of([&] { (void)bytes(299); }),
                   "a budget of 299 bytes for the matrices, which take at least 300"));
}

TEST_CASE("budgets are read or refused") {
    CHECK(ptq::parse_budget("3.5bpw", 1000) == 437);
    CHECK(ptq::parse_budget("120KB", 1) == 120000);
    CHECK(ptq::parse_budget("1.25MB", 1) == 1250000);
    CHECK(ptq::parse_budget("77", 1) == 77);
    for (const char* text : {"", "bpw", "3,5bpw", "3.5.1bpw", "-3bpw", "3.5 bpw", "1e9", ".5MB",
                             "0", "99999999999999GB", "4kb"})
        CHECK(contains(message_of([&] { (void)ptq::parse_budget(text, 1000); }),
                       "expected bits a weight"));
}

TEST_CASE("the JSON is JSON, with every number where it belongs") {
    const ptq::Report report = some_report();
    const Json json = parse_json(ptq::to_json(report), "report");
    CHECK(json["model"] == "a <model> & \"more\"\n?\xC3\xA9");
    CHECK(json["numbers"] == 260);
    CHECK(json["bytes"] == 4 * 32 + 8 + 32 + 8 + 16);
    CHECK(json["before"]["loss"] == 2.0);
    CHECK(json["after"]["kl"] == 0.125);
    CHECK(json["tensors"].size() == 3);
    const Json& bad = json["tensors"][1];
    CHECK(bad["format"] == "int2-g32");
    std::size_t sum = 0;
    for (const auto& n : bad["histogram"]) sum += n.get<std::size_t>();
    CHECK(sum == 128);
    CHECK(bad["output_sqnr_db"].is_null());
    CHECK(bad["sqnr_db"].get<double>() < 15);
    CHECK(json["tensors"][0]["sqnr_db"].get<double>() > 35);
    CHECK_FALSE(json["tensors"][2].contains("mse"));
    CHECK(json["sensitivity"][0]["kl"]["int8-row"] == 0.01);
}

TEST_CASE("text and page put the worst first and let no name break out") {
    const ptq::Report report = some_report();
    const std::string text = ptq::to_text(report);
    CHECK(text.find("bad.weight") < text.find("good.weight"));
    CHECK(contains(text, "loss +0.2500  top-1 kept 90.00 %"));
    const std::string page = ptq::to_html(report);
    CHECK(contains(page, "a &lt;model&gt; &amp; &quot;more&quot;"));
    CHECK_FALSE(contains(page, "<model>"));
    CHECK(page.rfind("<td>bad.weight") < page.rfind("<td>good.weight"));
    for (const char* part : {"Memory by format", "Memory by tensor", "noise", "Errors of the worst",
                             "Sensitivity", "prefers-color-scheme:dark", "+0.2500"})
        CHECK_MESSAGE(contains(page, part), part);
    CHECK_FALSE(contains(page, "http"));
    CHECK_FALSE(contains(page, "nan"));
    // Nothing measured, nothing quantized: still a report.
    const ptq::Report empty;
    CHECK(contains(ptq::to_text(empty), "0 numbers"));
    CHECK_FALSE(contains(ptq::to_html(empty), "nan"));
    CHECK(parse_json(ptq::to_json(empty), "empty")["bytes"] == 0);
}
