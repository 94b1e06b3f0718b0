// A GPT-2 of 124 million weights (768 channels, 12 layers, 12 heads, 50,257 tokens), packed, with made-up
// weights: tokens a second one after the other, and of a prompt of 512. Keys and values are INT8.
//
// of_read is the share of the rate at which memory is read, with every weight read once for a token: the
// bound of decoding. A prompt's share is that of the byte dot product's peak.
#include "support/floor.hpp"

#include <nibble/layer/pack.hpp>
#include <nibble/model/generate.hpp>
#include <nibble/model/gpt2.hpp>

namespace {

using namespace nibble;

using Int4 = W4A8;
using Int8 = Mixed<Grouped<Int8Value, 32>, Int8Value>;

/// The model with codes at random and scales that keep the activations in range.
template <class P>
const Gpt2<packed_t<P>>& model() {
    static const auto made = [] {
        Host on;
        Gpt2<P> plain(Gpt2Config{});
        std::uint32_t bits = 1;
        for_each_parameter(
            [&](const std::string&, auto& p) {
                if constexpr (is_matrix<std::remove_cvref_t<decltype(p)>>) {
                    if (p.scales().size() == 0) return;  // positions stay zero
                    auto* const codes = reinterpret_cast<std::byte*>(p.codes().data());
                    for (std::size_t i = 0; i < p.codes().bytes(); ++i)
                        codes[i] = std::byte((bits = bits * 1664525 + 1013904223) >> 24);
                    using V = typename std::remove_cvref_t<decltype(p)>::V;
                    for (std::size_t i = 0; i < p.scales().size(); ++i)
                        p.scales().data()[i] = half(bits_v<V> == 4 ? 0.005f : 0.0003f);
                }
            },
            plain);
        return pack_weights(on, std::move(plain));
    }();
    return made;
}

template <class P>
Session<Gpt2<packed_t<P>>> session() {
    const auto& m = model<P>();
    return {m, KvSequence<>::of<PerRow<Int8Value>>(m.kv_config())};
}

/// Tokens 64 to 192 of a text, one after the other.
template <class P>
void decode(benchmark::State& state) {
    const int threads = int(state.range(0));
    Host on(threads);
    auto s = session<P>();
    std::vector<std::int32_t> text(64);
    for (std::size_t i = 0; i < text.size(); ++i) text[i] = std::int32_t(i * 761 % 50257);
    static_cast<void>(s.feed_last(on, text));
    for (auto _ : state) {
        if (s.position() == 192) s.rewind(64);
        const std::int32_t token = std::int32_t(s.position() * 331 % 50257);
        benchmark::DoNotOptimize(s.feed_last(on, {&token, 1}).data());
    }
    const auto bytes = double(parameter_bytes(model<P>()) - model<P>().wpe.weight.bytes());
    bench::count_read(state, bytes, threads);
    state.counters["tokens"] = benchmark::Counter(1, benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(decode<Int4>)->Name("decode/int4")->Arg(1);
BENCHMARK(decode<Int4>)->Name("decode/int4/two_threads")->Arg(2)->UseRealTime();
BENCHMARK(decode<Int8>)->Name("decode/int8")->Arg(1);
BENCHMARK(decode<Int8>)->Name("decode/int8/two_threads")->Arg(2)->UseRealTime();

/// 512 tokens at once.
template <class P>
void prompt(benchmark::State& state) {
    const int threads = int(state.range(0));
    Host on(threads);
    auto s = session<P>();
    std::vector<std::int32_t> text(512);
    for (std::size_t i = 0; i < text.size(); ++i) text[i] = std::int32_t(i * 761 % 50257);
    for (auto _ : state) {
        s.reset();
        benchmark::DoNotOptimize(s.feed_last(on, text).data());
    }
    const double weights = 12.0 * 12 * 768 * 768;  // those of the blocks; the head reads one row
    bench::count_byte_ops(state, 2 * weights * 512, threads);
    state.counters["tokens"] =
        benchmark::Counter(512, benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(prompt<Int4>)->Name("prompt/int4")->Arg(1);
BENCHMARK(prompt<Int4>)->Name("prompt/int4/two_threads")->Arg(2)->UseRealTime();
BENCHMARK(prompt<Int8>)->Name("prompt/int8")->Arg(1);
BENCHMARK(prompt<Int8>)->Name("prompt/int8/two_threads")->Arg(2)->UseRealTime();

}  // namespace
