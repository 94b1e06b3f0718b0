// A model quantized by a policy of several formats, saved, and read again.
#include <nibble/model/gpt2.hpp>
#include <nibble/model/links.hpp>
#include <nibble/model/load.hpp>
#include <nibble/model/save_quantized.hpp>

#include <doctest/doctest.h>

#include "support/temporary.hpp"

using namespace nibble;
using test::contains;
using test::message_of;

namespace {

using Model = Gpt2<float, ptq::Watched>;

/// Two blocks of 32 channels with weights of a trained model's size, and a text to calibrate with.
struct Small {
    ptq::Watched on{1};
    Model model{{.vocabulary = 40, .context = 16, .layers = 2, .heads = 2, .channels = 32},
                Seed{5}};
    std::vector<std::int32_t> ids;
    ptq::Windows text;

    Small() {
        Random random(3);
        for (int i = 0; i < 600; ++i)
            ids.push_back(std::int32_t(random.below(random.below(2) != 0u ? 40 : 8)));
        for_each_parameter(
            [&](const std::string&, auto& p) {
                if constexpr (is_matrix<std::remove_cvref_t<decltype(p)>>) {
                    for (float& x : p.codes().units()) x *= 5;
                } else {
                    for (std::size_t i = 0; i < p.cols(); ++i)
                        p.view()(0, i) += 0.1f * float(random.uniform() - 0.5);
                }
            },
            model);
        text = ptq::windows_of(ids, 16);
    }
    ptq::Network network() { return linked_network(on, model); }
    double difference(const Tensor<float>& before) {
        const auto now = network().forward(text.sequences().part(0, 2));
        double most = 0;
        for (std::size_t r = 0; r < now.rows(); ++r)
            for (std::size_t i = 0; i < now.cols(); ++i)
                most = std::max(most, std::fabs(double(now(r, i) - before(r, i))));
        return most;
    }
};

}  // namespace

TEST_CASE("channel scaling, smoothing and rotation leave the model's function as it was") {
    for (int change = 0; change < 3; ++change) {
        CAPTURE(change);
        Small s;
        auto net = s.network();
        const auto before = net.forward(s.text.sequences().part(0, 2));
        auto seen = ptq::gather(net, s.text);
        const auto weight = net.at("h.1.attn.c_attn.weight").value(64, 3);
        if (change == 0) ptq::smooth(net, seen);
        if (change == 1)
            CHECK(ptq::scale_by_activations(
                      net, [](const std::string&) { return parse_spec("int3-g32").spec; }, seen) >
                  0);
        if (change == 2) CHECK(ptq::rotate_heads(net, seen) == 2);
        CHECK(net.at("h.1.attn.c_attn.weight").value(64, 3) != weight);
        CHECK(s.difference(before) < 2e-4);
        // What is known of the inputs has moved along.
        const auto again = ptq::gather(net, s.text);
        for (const auto& [name, statistics] : again)
            for (std::size_t i = 0; i < statistics.hessian.rows(); i += 5)
                CHECK(seen.at(name).hessian(i, i / 2) ==
                      doctest::Approx(double(statistics.hessian(i, i / 2))).epsilon(2e-3));
    }
}

TEST_CASE("a mixture of formats comes back bit for bit, as float and in its own formats") {
    test::Temporary folder;
    Small s;
    auto net = s.network();
    const auto exact = ptq::reference_of(s.on, s.text, net.forward);
    const ptq::Policy policy = ptq::parse_policy(
        "wpe.weight bf16\nwte.* int4-g32\nh.0.attn.* int3-g32\nh.0.mlp.* int4-g16-asym\n"
        "h.1.mlp.c_fc.weight fp8-tensor\nh.1.mlp.c_proj.weight nf4-g32-scale=fp32\n"
        "h.1.* ternary-g8\nln_f.* bf16",
        "p");
    std::size_t reports = 0;
    const auto outcome =
        ptq::quantize(net, s.text, {.policy = policy, .tune = {.steps = 4, .batch = 2}},
                      [&](const std::string&, std::size_t done, std::size_t total) {
                          ++reports;
                          CHECK(done <= total);
                      });
    CHECK(reports > 10);
    CHECK(outcome.all.size() == net.parameters.size());
    CHECK(outcome.tensors.size() == 9);
    save_quantized(s.model, outcome, folder / "q", {{"note", "kept"}});

    const auto back = load<Gpt2<float>>(folder / "q");
    for_each_parameter(
        [](const std::string& name, const auto& a, const auto& b) {
            CAPTURE(name);
            REQUIRE(a.shape() == b.shape());
            bool same = true;
            for (std::size_t r = 0; r < a.shape().rows(); ++r)
                for (std::size_t k = 0; k < a.shape().cols(); ++k) {
                    if constexpr (is_matrix<std::remove_cvref_t<decltype(a)>>)
                        same = same && a(r, k) == b(r, k);
                    else same = same && a.view()(r, k) == b.view()(r, k);
                }
            CHECK(same);
        },
        s.model, back);
    CHECK(*SafetensorsFile::open(folder / "q").metadata("note") == "kept");

    // In its own format: the codes are those that were chosen, and saving again gives the same bytes.
    using Four = Gpt2<Grouped<Int4Value, 32>>;
    const auto four = load<Four>(folder / "q");
    const ptq::Quantized& table = outcome.tensors.at("wte.weight");
    const ptq::Quantized& three = outcome.tensors.at("h.0.attn.c_attn.weight");
    for (std::size_t k = 0; k < 32; ++k) {
        CHECK(float(four.wte.weight.codes().row(7)[k].code) == table.codes(7, k));
        CHECK(float(four.h[0].attn.c_attn.weight.codes().row(50)[k].code) == three.codes(50, k));
    }
    save(four, folder / "four");
    save(load<Four>(folder / "four"), folder / "again");
    CHECK(test::read_file(folder / "four") == test::read_file(folder / "again"));
}

TEST_CASE("rows that no group divides come back, whatever group was wanted") {
    test::Temporary folder;
    for (const char* format : {"int4-g128", "int4-g32-asym", "int3-g8", "int4-g64"}) {
        CAPTURE(format);
        ptq::Quantized q(parse_spec(format).spec, 3, 172);
        REQUIRE(q.run == 172);
        for (std::size_t r = 0; r < 3; ++r) {
            q.scales(r, 0) = 0.25f * float(r + 1);
            if (!q.offsets.empty()) q.offsets(r, 0) = -0.5f;
            for (std::size_t k = 0; k < 172; ++k) q.codes(r, k) = float((r + 3 * k) % 7) - 3;
        }
        SafetensorsWriter writer(folder / "q");
        add_parameter(writer, "w", q);
        writer.commit();
        const auto file = SafetensorsFile::open(folder / "q");
        const std::string text = *file.metadata("nibble.tensor.w");
        CHECK(text == std::string(format) + " 3x172");
        const StoredMatrix m = stored_matrix(file, "w", text);
        REQUIRE(m.run == 172);
        std::vector<float> row(172), work;
        for (std::size_t r = 0; r < 3; ++r) {
            decode_row(m, r, row.data(), work);
            bool same = true;
            for (std::size_t k = 0; k < 172; ++k) same = same && row[k] == q(r, k);
            CHECK(same);
        }
    }
    ptq::Quantized q(parse_spec("int4-g32").spec, 2, 172);
    q.codes(1, 171) = -5;
    q.scales(1, 0) = 0.5f;
    CHECK(ptq::to_matrix<Grouped<Int4Value, 32>>(q)(1, 171) == -2.5f);
}

TEST_CASE("what a recipe cannot do is said") {
    Small s;
    auto net = s.network();
    const ptq::Policy four = ptq::parse_policy("*.weight int4-g32", "p");
    CHECK(contains(message_of([&] { (void)ptq::quantize(net, {}, {.policy = four}); }),
                   "gptq needs a text to calibrate with"));
    CHECK(contains(message_of([&] { (void)ptq::windows_of(std::span(s.ids).first(9), 16); }),
                   "a text of 9 tokens does not fill a window of 16"));
    CHECK(contains(message_of([] { (void)ptq::method_named("magic"); }),
                   "no method \"magic\"; there are nearest, search, hqq, awq, gptq"));
    net.at("h.1.ln_1.bias").value(0, 2) = INFINITY;
    CHECK(contains(message_of([&] {
                       (void)ptq::quantize(net, {},
                                           {.policy = four, .method = ptq::Method::nearest});
                   }),
                   "h.1.ln_1.bias has inf at row 0, column 2"));
    // A model without any text still goes through the methods that need none.
    Small other;
    auto plain = other.network();
    CHECK(ptq::quantize(plain, {}, {.policy = four, .method = ptq::Method::hqq}).tensors.size() ==
          10);
}

TEST_CASE("a Llama's residual path and heads rotate without a change of its function") {
    for (const bool tied : {false, true}) {
        CAPTURE(tied);
        ptq::Watched on{1};
        Llama<float, ptq::Watched> model({.vocabulary = 30,
                                          .context = 12,
                                          .layers = 2,
                                          .heads = 4,
                                          .kv_heads = 2,
                                          .channels = 48,
                                          .hidden = 40,
                                          .head_size = 8,
                                          .tied = tied},
                                         Seed{9});
        Random random(1);
        for_each_parameter(
            [&](const std::string&, auto& p) {
                if (p.empty()) return;
                if constexpr (is_matrix<std::remove_cvref_t<decltype(p)>>) {
                    for (float& x : p.codes().units()) x *= 8;
                } else {
                    for (std::size_t i = 0; i < p.cols(); ++i)
                        p.view()(0, i) = 0.5f + float(random.uniform());
                }
            },
            model);
        std::vector<std::int32_t> ids;
        for (int i = 0; i < 49; ++i) ids.push_back(std::int32_t(random.below(30)));
        const auto text = ptq::windows_of(ids, 12);
        auto net = linked_network(on, model);
        const auto before = net.forward(text.sequences());
        auto seen = ptq::gather(net, text);
        CHECK(ptq::rotate_residual(net, seen) == !tied);
        CHECK(ptq::rotate_heads(net, seen) == 2);
        ptq::smooth(net, seen);
        const auto after = net.forward(text.sequences());
        double most = 0, size = 0;
        for (std::size_t r = 0; r < after.rows(); ++r)
            for (std::size_t i = 0; i < after.cols(); ++i) {
                most = std::max(most, std::fabs(double(after(r, i) - before(r, i))));
                size = std::max(size, std::fabs(double(before(r, i))));
            }
        CHECK(most < 1e-4 * size);
        const auto again = ptq::gather(net, text);
        for (const auto& [key, statistics] : again) {
            const std::string name = key;
            CAPTURE(name);
            for (std::size_t i = 0; i < statistics.hessian.rows(); i += 5)
                CHECK(seen.at(name).hessian(i, i) ==
                      doctest::Approx(double(statistics.hessian(i, i))).epsilon(2e-3));
        }
    }
}
