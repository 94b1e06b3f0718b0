// Equal bits on every target: each function's results over a sample of all floats, as one recorded
// checksum. Builds for AVX-512, AVX2, SSE, NEON and without SIMD, from every compiler, compare with the
// same numbers, so they agree with each other. Where a function's numerics change, the checksum that
// the failing test prints is the new one.
#include <nibble/kernel/norm.hpp>
#include <nibble/kernel/softmax.hpp>
#include <nibble/value/rounding.hpp>

#include <doctest/doctest.h>

#include <cstring>
#include <string>

using namespace nibble;

namespace {

struct Checksum {
    std::uint64_t sum = 0xCBF29CE484222325u;

    void add(float x) {
        std::uint32_t word;
        std::memcpy(&word, &x, sizeof word);
        if (x != x) word = 0x7FC00000u;  // any NaN is a NaN
        sum = (sum ^ word) * 0x100000001B3u;
        sum ^= sum >> 29;
    }
};

// f over every 4001st float of all there are: NaN, infinities and subnormal numbers included.
template <class A, class F>
std::uint64_t of_floats(F f) {
    constexpr std::size_t lanes = Batch<float, A>::lanes;
    Checksum check;
    float in[16], out[16];
    std::size_t n = 0;
    for (std::uint64_t bits = 0; bits <= 0xFFFFFFFFu; bits += 4001) {
        const auto word = static_cast<std::uint32_t>(bits);
        std::memcpy(&in[n], &word, sizeof word);
        if (++n < 16) continue;
        n = 0;
        for (std::size_t i = 0; i < 16; i += lanes) f(Batch<float, A>::load(in + i)).store(out + i);
        for (const float y : out) check.add(y);
    }
    return check.sum;
}

void expect(const char* name, std::uint64_t got, std::uint64_t recorded) {
    INFO(std::string(name) << ": 0x" << [&] {
        char digits[17];
        std::snprintf(digits, sizeof digits, "%016llX", static_cast<unsigned long long>(got));
        return std::string(digits);
    }());
    CHECK(got == recorded);
}

constexpr std::size_t widths[] = {1, 5, 8, 15, 16, 17, 33, 64, 67, 100, 128, 131, 1024};

// f(host, x, y, gain, bias) over matrices of several widths; y's numbers.
template <class A, class F>
std::uint64_t of_rows(F f) {
    const BasicHost<A> on(2);
    Checksum check;
    Random random(5);
    const auto numbers = [&](std::size_t rows, std::size_t n, double size) {
        Tensor<float> t(Shape{rows, n});
        for (std::size_t r = 0; r < rows; ++r)
            for (std::size_t c = 0; c < n; ++c)
                t(r, c) = static_cast<float>(size * (random.uniform() - 0.4));
        return t;
    };
    for (const std::size_t n : widths) {
        const Tensor<float> x = numbers(5, n, 20.0), gain = numbers(1, n, 2.0),
                            bias = numbers(1, n, 2.0);
        Tensor<float> y = x;
        f(on, x, y, gain, bias);
        for (std::size_t r = 0; r < 5; ++r)
            for (std::size_t c = 0; c < n; ++c) check.add(y(r, c));
    }
    return check.sum;
}

#define EXPECT_ROWS(name, recorded, ...)                                      \
    expect(name " on native registers", of_rows<Isa>(__VA_ARGS__), recorded); \
    expect(name " on scalar registers", of_rows<isa::Scalar>(__VA_ARGS__), recorded)

#define EXPECT_BITS(function, recorded)                                                          \
    expect(#function " on native registers", of_floats<Isa>([](auto x) { return function(x); }), \
           recorded);                                                                            \
    expect(#function " on scalar registers",                                                     \
           of_floats<isa::Scalar>([](auto x) { return function(x); }), recorded)

}  // namespace

TEST_CASE("functions of one number have equal bits on every target") {
    EXPECT_BITS(exp, 0x16D772F58EBAFF79);
    EXPECT_BITS(expm1, 0xF7C8BFB553537761);
    EXPECT_BITS(log, 0xAAD9677FAFF06CB4);
    EXPECT_BITS(tanh, 0xF5B9736125AC363D);
    EXPECT_BITS(sigmoid, 0x671D75F6F2DE27B7);
    EXPECT_BITS(silu, 0x06936292D03F39B9);
    EXPECT_BITS(silu_slope, 0xDF43E33DE1100201);
    EXPECT_BITS(gelu, 0xB02470D7123174FC);
    EXPECT_BITS(gelu_slope, 0xB808D21512E8F43F);
    EXPECT_BITS(gelu_erf, 0x7D58596AEF024D0E);
    EXPECT_BITS(gelu_erf_slope, 0x84A5C048D9329333);
    EXPECT_BITS(tanh_slope, 0xC14AC2B17F6F23EC);
    EXPECT_BITS(sigmoid_slope, 0xA9A3B74AFEE4231C);
    EXPECT_BITS(relu, 0xDB88A856648F83EE);
}

TEST_CASE("functions of rows have equal bits on every target") {
    EXPECT_ROWS("softmax", 0x1B2BAC0DF7E382E4,
                [](auto& on, auto&, auto& y, auto&, auto&) { softmax(on, y); });
    EXPECT_ROWS("layer_norm", 0xAE6FCACD715D5C64, [](auto& on, auto& x, auto& y, auto& g, auto& b) {
        layer_norm(on, x, g, b, 1e-5f, y);
    });
    EXPECT_ROWS(
        "layer_norm without gain", 0xB13F22471D83C10D,
        [](auto& on, auto& x, auto& y, auto&, auto& b) { layer_norm(on, x, {}, b, 1e-5f, y); });
    EXPECT_ROWS("rms_norm", 0xFE2A3E5B323E4CA7,
                [](auto& on, auto& x, auto& y, auto& g, auto&) { rms_norm(on, x, g, 1e-5f, y); });
}
