// Inference in steady state asks the system for no memory: every allocation of this program counts.
#include "check.hpp"

#include <nibble/kernel/thread_pool.hpp>
#include <nibble/layer/embedding.hpp>
#include <nibble/layer/mlp.hpp>
#include <nibble/layer/norm.hpp>
#include <nibble/layer/residual.hpp>
#include <nibble/layer/sequential.hpp>
#include <nibble/layer/split_attention.hpp>

#include <support/allocations.hpp>

#include <vector>

using namespace nibble;
using namespace check;

namespace {

/// Requests to the system during a call, once two have been made. On several threads it may take a
/// while until each has run each part once: there requests must come to an end, ten calls without.
template <class F>
std::size_t requests_of(const Host& on, F f) {
    f();
    f();
    std::size_t requests = 0, quiet = 0;
    for (int call = 0; call < (on.threads() == 1 ? 1 : 1000) && quiet < 10; ++call) {
        const std::size_t before = support::allocations();
        CHECK(before > 0);  // it does count
        f();
        requests = support::allocations() - before;
        quiet = requests == 0 ? quiet + 1 : 0;
    }
    return requests;
}

template <class P>
void steady(Host on) {
    const Sequential net(
        Residual(LayerNorm<P>(NormConfig{.width = 64}),
                 Attention<P>({.channels = 64, .heads = 4, .rotary_base = 100.0f}, Seed{1})),
        Residual(RmsNorm<P>(NormConfig{.width = 64}),
                 GatedMlp<P>({.in = 64, .hidden = 160}, Seed{2})),
        Mlp<P>({.in = 64, .hidden = 96, .out = 7}, Seed{3}));
    const Embedding<P> table({.count = 20, .width = 64}, Seed{4});
    const std::vector<std::int32_t> ids = {1, 2, 3, 19};
    CHECK(requests_of(on, [&] {
              const auto y = net.forward(on, table.forward(on, ids));
              CHECK(y.shape() == Shape{4, 7});
          }) == 0);

    const SplitAttention<P> attention({.channels = 64, .heads = 4, .rotary_base = 100.0f}, Seed{5});
    auto cache = attention.cache(16, true);  // steady: positions without end
    CHECK(requests_of(on, [&] {
              const auto y = attention.forward(on, table.forward(on, ids), cache);
              CHECK(table.project(on, y).cols() == 20);
          }) == 0);
}

}  // namespace

TEST_CASE("Inference and decoding ask the system for nothing") {
    ThreadPool pool(3);
    for (const Host& on : {Host(1), Host(2), Host(pool.executor())}) {
        steady<float>(on);
        steady<W8A8>(on);
        steady<Mixed<Grouped<Int4Value, 32>, half, Grouped<Int8Value, 32>>>(on);
    }
}

TEST_CASE("Saved takes x over instead of copying it") {
    Host on(1);
    const Linear<float> layer({.in = 64, .out = 64}, Seed{1});
    auto x = normal(Shape{4, 64}, 1);
    const float* const storage = x.data();
    Linear<float>::Saved saved;
    static_cast<void>(layer.forward(on, std::move(x), &saved));
    CHECK(saved.x.data() == storage);
}
