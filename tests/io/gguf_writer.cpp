// GGUF files written and read back: values, blocks, what a writer refuses, and how well blocks fit.
#include <nibble/io/gguf_writer.hpp>
#include <nibble/kernel/executor.hpp>
#include <nibble/value/rounding.hpp>

#include <doctest/doctest.h>

#include "support/temporary.hpp"

#include <cmath>
#include <vector>

using namespace nibble;
using test::contains;
using test::message_of;

namespace {

/// Weights as a trained network has them: nearly normal, a few large ones.
Tensor<float> weights(std::size_t rows, std::size_t cols, std::uint64_t seed = 1) {
    Tensor<float> x(Shape{rows, cols});
    Random random(seed);
    for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t k = 0; k < cols; ++k) {
            double sum = -3;
            for (int i = 0; i < 6; ++i) sum += random.uniform();
            x(r, k) = static_cast<float>(0.03 * sum * (random.below(500) == 0 ? 4 : 1));
        }
    return x;
}

/// Decibels of signal over error after quantization to t.
double sqnr(GgufType t, const Tensor<float>& x, const float* importance = nullptr) {
    Host on(1);
    const auto blocks = quantize_blocks(on, "t", t, x.view(), importance);
    std::vector<float> back(x.cols());
    double signal = 0, error = 0;
    for (std::size_t r = 0; r < x.rows(); ++r) {
        REQUIRE(to_floats(t, blocks.data() + r * row_bytes_of(t, x.cols()), x.cols(), back.data()));
        for (std::size_t k = 0; k < x.cols(); ++k) {
            const double w = importance != nullptr ? static_cast<double>(importance[k]) : 1.0;
            const double a = static_cast<double>(x(r, k)), b = static_cast<double>(back[k]);
            signal += w * a * a;
            error += w * (a - b) * (a - b);
        }
    }
    return 10 * std::log10(signal / error);
}

}  // namespace

TEST_CASE("what is written reads back: values, tensors, checksum") {
    test::Temporary folder;
    const float x[6] = {1, 2, 3, 4, 5, 6};
    GgufWriter writer(folder / "w");
    writer.set("general.architecture", "test");
    writer.set("n", 1);
    writer.set("n", std::uint32_t{7});
    writer.set("yes", true);
    writer.set("f", 0.5f);
    writer.set("d", -0.25);
    writer.set("big", std::int64_t{-5});
    const std::string_view tokens[] = {"a", "", "\xE2\x96\x81the"};
    writer.set_array("tokens", tokens);
    writer.set_array("scores", std::span<const float>(x));
    writer.add("m", GgufType::F32, {2, 3}, std::as_bytes(std::span(x)));
    writer.add("scalar", GgufType::F32, {}, std::as_bytes(std::span(x).first(1)));
    writer.add("empty", GgufType::Q4_0, {0, 32}, {});
    writer.commit();

    const GgufFile file = GgufFile::open(folder / "w");
    file.verify();
    CHECK(file.text("general.architecture") == "test");
    CHECK(file.value("n")->kind == GgufKind::u32);
    CHECK(file.integer("n", 0, 9) == 7);
    CHECK(file.boolean("yes"));
    CHECK(file.number("f") == 0.5);
    CHECK(file.number("d") == -0.25);
    CHECK(file.value("big")->kind == GgufKind::i64);
    CHECK(file.strings("tokens") == std::vector<std::string_view>{"a", "", "\xE2\x96\x81the"});
    CHECK(file.array<float>("scores") == std::vector<float>(x, x + 6));
    CHECK(file.integer("general.quantization_version", 0, 99) == 2);
    CHECK(std::memcmp(file.bytes(file.at("m")).data(), x, sizeof(x)) == 0);
    CHECK(file.at("m").begin % 32 == 0);
    CHECK(file.at("m").extents[0] == 2);
    CHECK(file.at("scalar").size() == 1);

    // Every value goes over into another file as it is.
    GgufWriter copy(folder / "c");
    for (const GgufValue& v : file.values()) copy.set(v);
    for (const GgufTensor& t : file.tensors())
        copy.add(std::string(t.name), t.type, {t.shape().begin(), t.shape().end()}, file.bytes(t));
    copy.commit();
    CHECK(test::read_file(folder / "c") == test::read_file(folder / "w"));

    std::string damaged = test::read_file(folder / "w");
    std::size_t passed = 0;
    for (std::size_t bit = 0; bit < 8 * damaged.size(); ++bit) {
        const auto flip = static_cast<char>(1 << bit % 8);
        damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ flip);
        try {
            const auto bytes = std::as_bytes(std::span(damaged.data(), damaged.size()));
            GgufFile::from_bytes(bytes, "f").verify();
            ++passed;
        } catch (const Error&) {
        }
        damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ flip);
    }
    CHECK(passed == 0);
}

TEST_CASE("what a writer refuses") {
    test::Temporary folder;
    Host on(1);
    const float x[32] = {};
    const auto bytes = std::as_bytes(std::span(x));
    GgufWriter w(folder / "w");
    const auto fails = [](auto&& f, std::string_view because) {
        const std::string message = message_of(f);
        INFO(message);
        CHECK(contains(message, because));
    };
    fails([&] { w.add("t", GgufType::F32, {2}, bytes); },
          "has 128 bytes, shape [2] of F32 takes 8");
    fails([&] { w.add("t", GgufType::Q4_0, {2, 16}, bytes); }, "rows of 16 elements");
    fails([&] { w.add("t", GgufType::F32, {1, 1, 1, 1, 32}, bytes); }, "over 4 extents");
    fails([&] { w.add("", GgufType::F32, {32}, bytes); }, "1 to 63 bytes of UTF-8");
    fails([&] { w.add(std::string(64, 'n'), GgufType::F32, {32}, bytes); }, "1 to 63 bytes");
    fails([&] { w.add("t", GgufType::F64, {std::uint64_t{1} << 62}, bytes); }, "too large");
    fails([&] { w.set("", 1); }, "1 to 65535 bytes");
    fails([&] { w.set("a", "\xFF"); }, "not valid UTF-8");
    fails([&] { w.commit(); }, "no general.architecture");
    w.set("general.architecture", "test");
    w.add("t", GgufType::F32, {32}, bytes);
    w.add("t", GgufType::F32, {32}, bytes);
    fails([&] { w.commit(); }, "tensor \"t\" twice");
    CHECK_FALSE(std::filesystem::exists(folder / "w"));

    Tensor<float> bad(Shape{2, 32});
    bad(1, 3) = INFINITY;
    fails([&] { (void)quantize_blocks(on, "t", GgufType::Q8_0, bad.view()); },
          "tensor \"t\": row 1 has an infinity or NaN, which Q8_0 cannot hold");
    CHECK(quantize_blocks(on, "t", GgufType::F16, bad.view()).size() == 128);
    fails([&] { (void)quantize_blocks(on, "t", GgufType::Q4_K, bad.view()); }, "blocks of 256");
    fails([&] { (void)quantize_blocks(on, "t", GgufType::Q5_K, bad.view()); }, "not written");
}

TEST_CASE("Q4_0 and Q8_0 are the reference's bytes") {
    // d = -2 / -8; codes trunc(x / d + 8.5), limited to 15.
    float x[32] = {-2, 2, 0.3f, -0.3f, 1.9f};
    std::uint8_t b[34];
    quantize_q4_0(x, b);
    CHECK(half_at(b) == 0.25f);
    CHECK(b[2] == (0 | 8 << 4));
    CHECK((b[3] & 15) == 15);
    CHECK((b[4] & 15) == 9);
    CHECK((b[5] & 15) == 7);
    CHECK((b[6] & 15) == 15);
    float y[32] = {127, -126.5f, 0.5f, -0.5f, 1.49f};  // half away from zero
    quantize_q8_0(y, b);
    CHECK(half_at(b) == 1);
    const int expected[5] = {127, -127, 1, -1, 1};
    for (unsigned i = 0; i < 5; ++i) CHECK(static_cast<std::int8_t>(b[2 + i]) == expected[i]);
}

TEST_CASE("zeros, tiny and huge numbers, one value all over") {
    Host on(1);
    for (const GgufType t :
         {GgufType::Q4_0, GgufType::Q8_0, GgufType::Q4_K, GgufType::Q6_K, GgufType::MXFP4})
        for (const float value : {0.0f, 1e-45f, -1e-40f, 1e-9f, -1.0f, 3.0f, 1e6f, -1e38f}) {
            Tensor<float> x(Shape{1, 256});
            for (float& v : x.row(0).units()) v = value;
            const auto blocks = quantize_blocks(on, "t", t, x.view());
            float back[256];
            REQUIRE(to_floats(t, blocks.data(), 256, back));
            INFO(name_of(t), " ", value);
            const bool fits = std::fabs(value) >= 1e-4f && std::fabs(value) < 1e5f;
            // A negative run has a minimum only: one value exactly, but for the scales' rounding.
            const float tolerance = t == GgufType::MXFP4 ? 0.2f : 0.04f;
            for (const float v : back) {
                REQUIRE(std::isfinite(v));
                if (fits) REQUIRE(std::fabs(v - value) <= tolerance * std::fabs(value));
                if (value == 0) REQUIRE(v == 0);
            }
        }
}

TEST_CASE("searched scales err less: decibels on nearly normal weights") {
    const Tensor<float> x = weights(64, 1024);
    const double q4_0 = sqnr(GgufType::Q4_0, x), q4_k = sqnr(GgufType::Q4_K, x),
                 q6_k = sqnr(GgufType::Q6_K, x), q8_0 = sqnr(GgufType::Q8_0, x);
    MESSAGE("Q4_0 ", q4_0, " Q4_K ", q4_k, " Q6_K ", q6_k, " Q8_0 ", q8_0);
    CHECK(q4_0 > 20);
    CHECK(q4_k > q4_0 + 1);
    CHECK(q6_k > 33);
    CHECK(q8_0 > 43);
    // Columns that matter more err less.
    std::vector<float> importance(1024, 0.05f);
    for (std::size_t k = 0; k < 1024; k += 4) importance[k] = 5;
    const auto weighted = [&](const float* searched) {
        Host on(1);
        const auto blocks = quantize_blocks(on, "t", GgufType::Q4_K, x.view(), searched);
        std::vector<float> back(1024);
        double error = 0;
        for (std::size_t r = 0; r < x.rows(); ++r) {
            REQUIRE(to_floats(GgufType::Q4_K, blocks.data() + r * 576, 1024, back.data()));
            for (std::size_t k = 0; k < 1024; ++k)
                error +=
                    static_cast<double>(importance[k] * (x(r, k) - back[k]) * (x(r, k) - back[k]));
        }
        return error;
    };
    CHECK(weighted(importance.data()) < 0.85 * weighted(nullptr));
}

TEST_CASE("blocks do not depend on threads") {
    const Tensor<float> x = weights(40, 512, 3);
    Host one(1), three(3);
    for (const GgufType t : {GgufType::Q4_K, GgufType::Q6_K, GgufType::Q4_0})
        CHECK(quantize_blocks(one, "t", t, x.view()) == quantize_blocks(three, "t", t, x.view()));
}

TEST_CASE("a matrix to blocks and back keeps every bit") {
    test::Temporary folder;
    Host on(1);
    const auto check = [&]<class F>(F, GgufType t) {
        Matrix<F> m(5, 96);
        Random random(9);
        for (std::size_t r = 0; r < 5; ++r)
            for (auto& unit : m.codes().row(r).units())
                unit = std::bit_cast<std::remove_reference_t<decltype(unit)>>(
                    static_cast<std::uint8_t>(random.below(256)));
        for (auto& s : m.scales().row(0).units())
            if constexpr (std::is_same_v<F, Grouped<fp4_e2m1, 32, E8M0>>)
                s = E8M0{static_cast<std::uint8_t>(random.below(255))};
            else s = half::from_bits(static_cast<std::uint16_t>(random.below(0x7C00)));
        const auto blocks = blocks_of(m);
        GgufWriter writer(folder / "m");
        writer.set("general.architecture", "test");
        writer.add("m", t, {5, 96}, blocks);
        writer.commit();
        const GgufFile file = GgufFile::open(folder / "m");
        Matrix<F> back(5, 96);
        REQUIRE(read_blocks(on, file, file.at("m"), back));
        CHECK(std::memcmp(back.codes().data(), m.codes().data(), m.codes().bytes()) == 0);
        CHECK(std::memcmp(back.scales().data(), m.scales().data(), m.scales().bytes()) == 0);
    };
    check(Grouped<Int4Value, 32>{}, GgufType::Q4_0);
    check(Grouped<Int8Value, 32>{}, GgufType::Q8_0);
    check(Grouped<fp4_e2m1, 32, E8M0>{}, GgufType::MXFP4);
    CHECK(blocks_of(Matrix<PerRow<Int8Value>>(2, 32)).empty());
}
