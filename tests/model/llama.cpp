// Llama assembled from the layers: both rotary orders, its way back, and its forms on disk.
#include <nibble/model/generate.hpp>
#include <nibble/model/open.hpp>
#include <nibble/model/save_gguf.hpp>

#include <doctest/doctest.h>

#include "support/temporary.hpp"
#include "support/tiny_llama.hpp"

#include <cmath>
#include <cstring>

using namespace nibble;

namespace {

constexpr LlamaConfig small{.vocabulary = 67,
                            .context = 48,
                            .layers = 2,
                            .heads = 4,
                            .kv_heads = 2,
                            .channels = 64,
                            .hidden = 96};

std::vector<std::int32_t> text(std::size_t n) {
    std::vector<std::int32_t> ids(n);
    for (std::size_t i = 0; i < n; ++i) ids[i] = static_cast<std::int32_t>((i * i + 3 * i) % 67);
    return ids;
}

double greatest_difference(const Tensor<float>& a, const Tensor<float>& b) {
    double worst = 0;
    for (std::size_t r = 0; r < a.rows(); ++r)
        for (std::size_t c = 0; c < a.cols(); ++c)
            worst = std::fmax(worst, std::fabs(static_cast<double>(a(r, c) - b(r, c))));
    return worst;
}

/// True when all parameters have the same bits.
template <class M>
bool same(const M& a, const M& b) {
    bool all = true;
    const auto bytes = [&](const auto& x, const auto& y) {
        all = all && x.bytes() == y.bytes() &&
              (x.bytes() == 0 || std::memcmp(x.data(), y.data(), x.bytes()) == 0);
    };
    for_each_parameter(
        [&](const std::string&, const auto& x, const auto& y) {
            if constexpr (is_matrix<std::remove_cvref_t<decltype(x)>>) {
                bytes(x.codes(), y.codes());
                bytes(x.scales(), y.scales());
                bytes(x.offsets(), y.offsets());
            } else {
                bytes(x, y);
            }
        },
        a, b);
    return all;
}

/// Rows of heads of `head` rows: row k and k + head / 2 become neighbours.
void interleave(Matrix<float>& m, std::size_t head) {
    const Matrix<float> from = m;
    for (std::size_t r = 0; r < m.rows(); ++r) {
        const std::size_t in = r % head, to = r - in + (in < head / 2 ? 2 * in : 2 * in - head + 1);
        std::memcpy(m.codes().view().row(to), from.codes().view().row(r), m.cols() * sizeof(float));
    }
}

}  // namespace

TEST_CASE("rotary pairs as halves and as neighbours are the same model") {
    Host on(1);
    for (const RotaryScalingKind kind : {RotaryScalingKind::none, RotaryScalingKind::llama3}) {
        auto config = small;
        config.scaling = {.kind = kind, .factor = 8, .context = 16};
        const Llama<float> halves(config, Seed{3});
        config.interleaved = true;
        Llama<float> neighbours(config, Seed{3});
        const auto wrong = neighbours.forward(on, Tokens{text(20), 20});
        for (auto& b : neighbours.blocks) {
            interleave(b.self_attn.q_proj.weight, 16);
            interleave(b.self_attn.k_proj.weight, 16);
        }
        const auto expected = halves.forward(on, Tokens{text(20), 20});
        CHECK(greatest_difference(neighbours.forward(on, Tokens{text(20), 20}), expected) < 1e-5);
        CHECK(greatest_difference(wrong, expected) > 1e-4);
    }
}

TEST_CASE("angles are slowed down as linear and llama3 scaling say") {
    const RotaryScaling none, linear{.kind = RotaryScalingKind::linear, .factor = 4},
        llama3{.kind = RotaryScalingKind::llama3, .factor = 8};
    CHECK(rotary_scaled(0.3, none) == 0.3);
    CHECK(rotary_scaled(0.3, linear) == 0.075);
    // 8,192 positions: f turns 8192 f / 2 pi times.
    const double turn = 6.283185307179586 / 8192;
    CHECK(rotary_scaled(5 * turn, llama3) == 5 * turn);
    CHECK(rotary_scaled(0.9 * turn, llama3) == 0.9 * turn / 8);
    CHECK(rotary_scaled(2.5 * turn, llama3) == doctest::Approx(2.5 * turn * (0.5 / 8 + 0.5)));
}

TEST_CASE("the way back is the slope of the way forward, with a tied head and its own") {
    Host on(1);
    for (const bool tied : {false, true}) {
        auto config = small;
        config.tied = tied;
        Llama<float> model(config, Seed{4});
        for_each_parameter(
            [](const std::string&, auto& p) {  // larger than a start: slopes beyond rounding
                if constexpr (is_matrix<std::remove_cvref_t<decltype(p)>>)
                    for (std::size_t r = 0; r < p.rows(); ++r)
                        for (std::size_t c = 0; c < p.cols(); ++c) p.codes().view()(r, c) *= 5.0f;
            },
            model);
        const auto ids = text(24);
        Tensor<float> weight(Shape{2, 12, 67});
        for (std::size_t r = 0; r < 24; ++r)
            for (std::size_t c = 0; c < 67; ++c)
                weight(r, c) = static_cast<float>(std::sin(static_cast<double>(r * 67 + c)));
        const auto value = [&](const Llama<float>& m) {
            const auto y = m.forward(on, Tokens{ids, 12});
            double sum = 0;
            for (std::size_t r = 0; r < 24; ++r)
                for (std::size_t c = 0; c < 67; ++c)
                    sum += static_cast<double>(y(r, c)) * static_cast<double>(weight(r, c));
            return sum;
        };
        Llama<float>::Saved saved;
        auto gradient = zeros_like<Llama<float>>(model);
        static_cast<void>(model.forward(on, Tokens{ids, 12}, &saved));
        model.backward(on, saved, weight, gradient);
        // Along the gradient the value grows by its square.
        double square = 0;
        const auto each = [](auto&& f, auto& p, auto& g) {
            if constexpr (is_matrix<std::remove_cvref_t<decltype(p)>>)
                f(p.codes().view(), g.codes().view());
            else f(p.view(), g.view());
        };
        const auto moved = [&](double step) {
            Llama<float> m = model;
            square = 0;
            for_each_parameter(
                [&](const std::string&, auto& p, auto& g) {
                    each(
                        [&](View<float> x, View<const float> slope) {
                            for (std::size_t r = 0; r < x.rows; ++r)
                                for (std::size_t c = 0; c < x.cols; ++c) {
                                    x(r, c) += static_cast<float>(step) * slope(r, c);
                                    square += static_cast<double>(slope(r, c)) *
                                              static_cast<double>(slope(r, c));
                                }
                        },
                        p, g);
                },
                m, gradient);
            return value(m);
        };
        static_cast<void>(moved(0));
        const double step = 1e-2 / std::sqrt(square);
        const double slope = (moved(step) - moved(-step)) / (2 * step);
        CHECK(slope == doctest::Approx(square).epsilon(5e-3));
    }
}

TEST_CASE("a checkpoint of a mixture comes back bit for bit, with its rules") {
    using Mixture = PerComponent<Grouped<Int4Value, 32>, PerRow<Int8Value>, bfloat16>;
    test::Temporary folder;
    auto config = small;
    config.window = 20;
    config.rotary_base = 500000;
    config.scaling = {.kind = RotaryScalingKind::llama3, .factor = 8};
    config.interleaved = true;
    const Llama<Mixture> model(config, Seed{5});
    save(model, folder / "m.safetensors");
    const auto file = ModelFile::open(folder / "m.safetensors");
    CHECK(file.llama().window == 20);
    CHECK(file.llama().scaling.kind == RotaryScalingKind::llama3);
    CHECK(file.llama().rotary_base == 500000);
    Host on(1);
    CHECK(same(file.load<Llama<Mixture>>(on), model));
    CHECK(test::contains(
        test::message_of([&] { (void)load<Gpt2<Mixture>>(folder / "m.safetensors"); }),
        "a checkpoint of model \"llama\", expected \"gpt2\""));
}

TEST_CASE("GGUF keeps codes and scales, and says what model it holds") {
    using P = Grouped<Int4Value, 32>;
    test::Temporary folder;
    Host on(1);
    auto config = small;
    config.interleaved = true;  // as these files have it, so nothing is turned around
    const Llama<P> model(config, Seed{6});
    save_gguf(on, model, folder / "m.gguf", {}, [](GgufWriter&) {});
    const auto file = ModelFile::open(folder / "m.gguf");
    CHECK(file.kind() == ModelKind::llama);
    CHECK(file.llama().heads == 4);
    CHECK(file.llama().kv_heads == 2);
    CHECK_FALSE(file.llama().tied);
    CHECK(same(file.load<Llama<P>>(on), model));
    CHECK(test::contains(test::message_of([&] { (void)file.load<Gpt2<P>>(on); }),
                         "a llama, expected a gpt2"));
    const Gpt2<P> gpt({.vocabulary = 67, .context = 16, .layers = 1, .heads = 2, .channels = 64},
                      Seed{6});
    save_gguf(on, gpt, folder / "g.gguf", {}, [](GgufWriter&) {});
    CHECK(same(ModelFile::open(folder / "g.gguf").load<Gpt2<P>>(on), gpt));
}

TEST_CASE("llama2.c's form fills a model, and sizes that do not fit are refused") {
    test::Temporary folder;
    test::write_file(folder / "m.bin", test::tiny_llama({.vocabulary = -259}));
    Host on(1);
    const auto file = ModelFile::open(folder / "m.bin");
    CHECK_FALSE(file.llama().tied);
    const auto model = file.load<Llama<float>>(on);
    CHECK(model.lm_head.weight.rows() == 259);
    CHECK(model.embed_tokens.weight(1, 0) == static_cast<float>(0.5 * std::sin(17 * 1.7)));
    CHECK_THROWS_AS(Llama<float>({.context = 0}), Error);
    CHECK(parameter_count(Llama<Grouped<Int4Value, 32>>(ultra_small_fallback)) ==
          10000 * 256 + 2 * (2 * 256 + 256 * (2 * 256 + 2 * 128) + 3 * 256 * 688) + 256);
}
