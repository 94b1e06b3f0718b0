// The trained character-GPT at INT8, INT4, INT3 and INT2 by every method: what its loss may grow by.
// Calibrated on the training split.
#include "ptq/chargpt.hpp"

using namespace nibble;
using test::Bench;

TEST_CASE("the losses of a real model stay within their bounds") {
    Bench b;
    using ptq::Method;
    const ptq::TuneOptions tune{.steps = 40, .scale_rate = 4e-3f};
    const char* four = "wpe.weight bf16\n*.weight int4-g128";
    CHECK(std::fabs(b.loss_above("*.weight int8-row", {.method = Method::nearest})) < 0.001);
    CHECK(std::fabs(b.loss_above("*.weight int8-g128",
                                 {.method = Method::gptq, .sequential = false})) < 0.001);
    const double nearest = b.loss_above(four, {.method = Method::nearest});
    CHECK(nearest > 0.03);  // the guard: a test that rounding to nearest passes would prove nothing
    CHECK(b.loss_above(four, {.method = Method::hqq}) < nearest);
    CHECK(b.loss_above(four, {.method = Method::awq}) < nearest);
    double kept = 0;
    CHECK(b.loss_above(four, {}, &kept) < 0.012);
    CHECK(kept > 0.99);
    CHECK(b.loss_above(four, {.sequential = false, .tune = tune}, &kept) < 0.009);
    CHECK(kept > 0.99);
    CHECK(b.loss_above("wpe.weight bf16\n*.weight int4-g32", {.sequential = false}) < 0.009);
    CHECK(b.loss_above("wpe.weight bf16\nwte.* int4-g128\n*.weight int3-g128", {}) < 0.025);
    CHECK(b.loss_above("wpe.weight bf16\nwte.* int4-g128\n*.weight int2-g128", {.tune = tune}) <
          0.07);
}
