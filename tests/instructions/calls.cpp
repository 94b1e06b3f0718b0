// A fixed set of kernel calls whose instructions are counted (count.cmake): each runs once to warm the
// memory lists and once while callgrind collects, which then dumps its count. Prints the names in order.
#include <nibble/kernel/attention_cached.hpp>
#include <nibble/kernel/gather.hpp>
#include <nibble/kernel/matmul.hpp>
#include <nibble/kernel/norm.hpp>
#include <nibble/kernel/pack.hpp>
#include <nibble/kernel/packed_float.hpp>
#include <nibble/kernel/packed_int8.hpp>
#include <nibble/kernel/quantize.hpp>
#include <nibble/kernel/softmax.hpp>
#include <nibble/neuro/lif.hpp>

#include <valgrind/callgrind.h>

#include <cstdio>
#include <vector>

using namespace nibble;

namespace {

Host on(1);

template <class F>
void call(const char* name, F f) {
    f();
    CALLGRIND_TOGGLE_COLLECT;
    f();
    CALLGRIND_TOGGLE_COLLECT;
    CALLGRIND_DUMP_STATS;
    std::printf("%s\n", name);
}

Tensor<float> noise(Shape shape) {
    Tensor<float> x(shape);
    Random random(1);
    for (std::size_t r = 0; r < x.rows(); ++r)
        for (std::size_t c = 0; c < x.cols(); ++c)
            x(r, c) = static_cast<float>(random.uniform() * 4 - 2);
    return x;
}

template <Format F>
Matrix<F> weights(std::size_t n, std::size_t k) {
    return quantize<F>(on, noise(Shape{n, k}));
}

constexpr std::size_t n = 256, k = 256;

template <class W>
void products(const char* one, const char* many, const W& w) {
    const Tensor<float> x1 = noise(Shape{1, k}), x32 = noise(Shape{32, k});
    Tensor<float> y1(Shape{1, n}), y32(Shape{32, n});
    call(one, [&] { matmul(on, w, x1, y1); });
    call(many, [&] { matmul(on, w, x32, y32); });
}

template <class W>
void integer_products(const char* one, const char* many, const W& w) {
    const Tensor<float> x1 = noise(Shape{1, k}), x32 = noise(Shape{32, k});
    Tensor<float> y1(Shape{1, n}), y32(Shape{32, n});
    call(one, [&] { matmul_int8(on, w, x1, y1); });
    call(many, [&] { matmul_int8(on, w, x32, y32); });
}

void elementwise() {
    const Tensor<float> x = noise(Shape{8, 1024}), gain = noise(Shape{1024});
    Tensor<float> y(x.shape());
    const auto apply = [&](const char* name, auto f) {
        call(name, [&] { transform(on, f, y, x); });
    };
    apply("exp/8x1024", [](auto v) { return exp(v); });
    apply("tanh/8x1024", [](auto v) { return tanh(v); });
    apply("sigmoid/8x1024", [](auto v) { return sigmoid(v); });
    apply("gelu/8x1024", [](auto v) { return gelu(v); });
    call("softmax/8x1024", [&] { softmax(on, y); });
    call("layer_norm/8x1024", [&] { layer_norm(on, x, gain, gain, 1e-5f, y); });
    call("rms_norm/8x1024", [&] { rms_norm(on, x, gain, 1e-5f, y); });
    Matrix<Grouped<Int8Value, 32>> q(8, 1024);
    call("quantize/int8-g32/8x1024", [&] { q = quantize<Grouped<Int8Value, 32>>(on, x); });
    const Matrix<half> h = quantize<half>(on, x);
    const std::vector<std::int32_t> ids{3, 1, 7, 0};
    Tensor<float> rows(Shape{4, 1024});
    call("gather/half/4x1024", [&] { gather_rows(on, h, ids, rows); });
}

template <Format F>
void decoding(const char* name) {
    constexpr std::size_t positions = 256;
    KvStore<F> cache({.capacity = positions, .heads = 2, .head_size = 64});
    const Tensor<float> rows = noise(Shape{positions, 128});
    for (std::size_t i = 0; i < positions; ++i) {
        const float* const row = rows.data() + i * rows.stride();
        cache.write(i, row, row);
    }
    const Tensor<float> q = noise(Shape{1, 512});
    Tensor<float> y(q.shape());
    call(name, [&] { attention_cached(on, {.heads = 8, .length = positions}, q, cache, y); });
}

template <class V>
void neurons(const char* name) {
    LifArray<V> cells(4096, {.leak = 0.9, .threshold = 1.0, .reset = 0.0});
    std::vector<charge_t<V>> charge(4096);
    for (std::size_t i = 0; i < charge.size(); ++i)
        charge[i] = static_cast<charge_t<V>>(static_cast<double>(i % 100) * 0.002 *
                                             cells.charge_per_unit());
    call(name, [&] { static_cast<void>(cells.step(charge)); });
}

}  // namespace

int main() {
    using G32 = Grouped<Int4Value, 32>;
    products("float/1x256x256", "float/32x256x256", noise(Shape{n, k}));
    products("packed float/1x256x256", "packed float/32x256x256", pack(on, weights<float>(n, k)));
    products("packed int4-g32/1x256x256", "packed int4-g32/32x256x256",
             pack(on, weights<G32>(n, k)));
    integer_products("int8 int4-g32/1x256x256", "int8 int4-g32/32x256x256", weights<G32>(n, k));
    integer_products("int8 packed int4-g32/1x256x256", "int8 packed int4-g32/32x256x256",
                     pack(on, weights<G32>(n, k)));
    integer_products("int8 packed int8-row/1x256x256", "int8 packed int8-row/32x256x256",
                     pack(on, weights<PerRow<Int8Value>>(n, k)));
    elementwise();
    decoding<half>("attention_cached/half/8x256x64");
    decoding<PerRow<Int8Value>>("attention_cached/int8/8x256x64");
    neurons<float>("lif/float/4096");
    neurons<Int8Value>("lif/int8/4096");
    return 0;
}
