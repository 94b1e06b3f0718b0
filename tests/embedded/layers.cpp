// Layers in inference without exceptions, RTTI and xsimd: a decoder step from end to end.
#include <nibble/layer/embedding.hpp>
#include <nibble/layer/mlp.hpp>
#include <nibble/layer/norm.hpp>
#include <nibble/layer/residual.hpp>
#include <nibble/layer/sequential.hpp>
#include <nibble/layer/split_attention.hpp>

#include <cmath>
#include <cstdio>

#if defined(__cpp_exceptions) || defined(__GXX_RTTI)
#error "this test is built with -fno-exceptions -fno-rtti"
#endif

using namespace nibble;

namespace {

template <class P>
bool decodes() {
    Host on(1);
    const Embedding<P> table({.count = 20, .width = 32}, Seed{4});
    const Attention<P> attention({.channels = 32, .heads = 2}, Seed{1});
    const Sequential rest(RmsNorm<P>(NormConfig{.width = 32}),
                          GatedMlp<P>({.in = 32, .hidden = 64}, Seed{2}));
    auto cache = attention.cache(8, true);  // the oldest gives way
    for (std::int32_t id = 0; id < 12; ++id) {
        const std::int32_t ids[] = {id};
        auto y = attention.forward(on, table.forward(on, ids), cache);
        y = rest.forward(on, std::move(y));
        const auto logits = table.project(on, std::move(y));
        for (std::size_t c = 0; c < logits.cols(); ++c)
            if (!std::isfinite(logits(0, c))) return false;
    }
    return cache.length() == 12 && cache.held() == 8;
}

}  // namespace

int main() {
    const bool good = decodes<float>() && decodes<W8A8>() &&
                      decodes<Mixed<Grouped<Int4Value, 32>, half, PerRow<Int8Value>>>();
    std::puts(good ? "decoded" : "FAILED");
    return good ? 0 : 1;
}
