// The trained character-GPT with weights and activations in INT8, through the integer kernels.
#include "ptq/chargpt.hpp"

using namespace nibble;
using test::Bench;

TEST_CASE("weights and activations in int8, from a file that was smoothed and rounded") {
    Bench b;
    test::Temporary folder;
    test::Model copy = b.model;
    auto net = linked_network(b.on, copy);
    const auto outcome = ptq::quantize(net, b.calibration,
                                       {.policy = ptq::parse_policy("*.weight int8-row", "policy"),
                                        .method = ptq::Method::nearest,
                                        .smooth = true});
    save_quantized(copy, outcome, folder / "w8");
    Host on;
    const auto stored = load<Gpt2<Mixed<PerRow<Int8Value>, PerRow<Int8Value>>>>(folder / "w8");
    const auto after = ptq::evaluate(
        on, b.validation,
        [&](const ptq::Sequences& s) {
            return stored.forward(on, Tokens{s.ids, s.length});
        },
        &b.exact);
    MESSAGE("W8A8: loss " << after.loss - b.before.loss << " above, KL " << after.kl);
    CHECK(std::fabs(after.loss - b.before.loss) < 0.001);
}
