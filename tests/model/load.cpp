// Saving and loading: the same bits back at every format, every mismatch with its own error, and no
// damage that goes unnoticed.
#include <nibble/model/load.hpp>
#include <nibble/quant/dispatch.hpp>

#include <doctest/doctest.h>

#include "support/temporary.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

using namespace nibble;
using test::contains;
using test::message_of;

namespace {

struct TinyConfig {
    std::size_t in = 0, out = 0, depth = 0;
    float slope = 0.1f;
    bool gated = false;

    template <class F, class... C>
    static void fields(F&& f, C&... c) {
        f("in", c.in...);
        f("out", c.out...);
        f("depth", c.depth...);
        f("slope", c.slope...);
        f("gated", c.gated...);
    }
    double weights() const { return double(in) * double(out) * double(depth); }
};

template <class P>
struct TinyPart {
    Matrix<weight_t<P>> weight;
    Tensor<float> bias;
    template <class F, class... L>
    static void parameters(F&& f, L&... l) {
        f("weight", l.weight...);
        f("bias", l.bias...);
    }
};

/// A list of parts, a norm and a bias that is turned off.
template <class P>
struct Tiny {
    static constexpr const char* name = "tiny";
    std::vector<TinyPart<P>> parts;
    Tensor<float> gain, off;
    TinyConfig config;

    Tiny() = default;
    explicit Tiny(TinyConfig c) : parts(c.depth), gain(Shape{c.in}), config(c) {
        for (auto& part : parts) {
            part.weight = Matrix<weight_t<P>>(c.out, c.in);
            part.bias = Tensor<float>(Shape{c.out});
        }
    }
    template <class F, class... L>
    static void parameters(F&& f, L&... l) {
        f("parts", l.parts...);
        f("gain", l.gain...);
        f("off", l.off...);
    }
};

/// A model without a configuration: sizes come from the file.
template <class P>
struct Plain {
    TinyPart<P> fc;
    template <class F, class... L>
    static void parameters(F&& f, L&... l) {
        f("fc", l.fc...);
    }
};

struct Other : Plain<float> {
    static constexpr const char* name = "other";
};

Tensor<float> some_numbers(Shape shape, std::uint64_t seed) {
    Random random(seed);
    Tensor<float> x(shape);
    for (std::size_t r = 0; r < x.rows(); ++r)
        for (std::size_t c = 0; c < x.cols(); ++c)
            x(r, c) = static_cast<float>(random.uniform() - 0.5);
    return x;
}

template <class P>
Tiny<P> some_model(TinyConfig c = {.in = 72, .out = 5, .depth = 2, .slope = 0.3f, .gated = true}) {
    Host on(1);
    Tiny<P> m(c);
    std::uint64_t seed = 1;
    for_each_parameter(
        [&](const std::string&, auto& p) {
            if (p.empty()) return;
            auto x = some_numbers(p.shape(), seed++);
            if constexpr (is_tensor<std::remove_cvref_t<decltype(p)>>) p = x;
            else quantize(on, x.view(), p);
        },
        m);
    return m;
}

template <class Unit>
bool same_bytes(std::span<Unit> a, std::span<Unit> b) {
    return a.size() == b.size() &&
           (a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0);
}

/// Every plane equal, padding included.
template <class M>
bool same_bits(const M& a, const M& b) {
    bool same = true;
    for_each_parameter(
        [&](const std::string&, const auto& x, const auto& y) {
            if constexpr (is_tensor<std::remove_cvref_t<decltype(x)>>) {
                same = same && x.shape() == y.shape() && same_bytes(x.units(), y.units());
            } else {
                same = same && x.shape() == y.shape() && x.run() == y.run() &&
                       same_bytes(x.codes().units(), y.codes().units()) &&
                       same_bytes(x.scales().units(), y.scales().units()) &&
                       same_bytes(x.offsets().units(), y.offsets().units());
            }
        },
        a, b);
    return same;
}

void expect_message(const std::string& message, std::string_view part) {
    INFO(message);
    CHECK(contains(message, part));
}

template <class... F>
struct Formats {};
using Everything =
    Formats<float, half, Int4Value, PerTensor<fp8_e4m3, float>, PerRow<Int8Value>,
            Grouped<Int4Value, 24>, Grouped<Int4Value, 32, fp8_e4m3, Offset::stored>,
            Grouped<fp4_e2m1, 32, E8M0>, Grouped<Ternary, 8>, Grouped<Int3Value, 24>>;

template <class... F, class Function>
void for_each_format(Formats<F...>, Function&& f) {
    (f(FormatTag<F>{}), ...);
}

}  // namespace

TEST_CASE("every format comes back bit for bit, sizes and settings too") {
    test::Temporary folder;
    for_each_format(Everything{}, [&]<class F>(FormatTag<F>) {
        INFO(to_string(spec_of<F>()));
        for (const std::size_t in : {72u, 7u}) {
            const auto model = some_model<F>({in, 5, 2, 0.3f, true});
            save(model, folder / "m");
            const auto back = load<Tiny<F>>(folder / "m");
            CHECK(same_bits(model, back));
            CHECK(back.config.depth == 2);
            CHECK(back.config.slope == 0.3f);
            CHECK(back.config.gated);
            save(back, folder / "again");
            CHECK(test::read_file(folder / "m") == test::read_file(folder / "again"));
        }
    });
}

TEST_CASE("every format loads from a float file as if quantized, and a quantized file into float") {
    test::Temporary folder;
    const auto exact = some_model<float>();
    save(exact, folder / "f32");
    for_each_format(Everything{}, [&]<class F>(FormatTag<F>) {
        INFO(to_string(spec_of<F>()));
        const auto model = some_model<F>();
        const auto quantized = load<Tiny<F>>(folder / "f32");
        CHECK(same_bits(model, quantized));

        save(model, folder / "q");
        const std::string bytes = test::read_file(folder / "q");  // not mapped: no byte to spare
        const auto wide = load<Tiny<float>>(
            SafetensorsFile::from_bytes(std::as_bytes(std::span(bytes.data(), bytes.size())), "q"));
        for (std::size_t i = 0; i < 2; ++i)
            for (std::size_t r = 0; r < 5; ++r)
                for (std::size_t c = 0; c < 72; ++c)
                    CHECK(wide.parts[i].weight(r, c) ==
                          doctest::Approx(double(model.parts[i].weight(r, c))).epsilon(1e-6));
        CHECK(same_bytes(wide.gain.units(), exact.gain.units()));
    });
}

TEST_CASE("one quantized format into another goes through its numbers") {
    test::Temporary folder;
    using From = Grouped<Int4Value, 24>;
    using To = PerRow<Int8Value>;
    const auto model = some_model<From>();
    save(model, folder / "q");
    Host on(1);
    Tiny<To> expected(model.config);
    for_each_parameter(
        [&]<class A, class B>(const std::string&, const A& a, B& b) {
            if (a.empty()) return;
            if constexpr (is_tensor<B>) {
                b = a;
            } else {
                Tensor<float> x(a.shape());
                for (std::size_t r = 0; r < x.rows(); ++r)
                    for (std::size_t c = 0; c < x.cols(); ++c) x(r, c) = a(r, c);
                quantize(on, x.view(), b);
            }
        },
        model, expected);
    CHECK(same_bits(load<Tiny<To>>(folder / "q"), expected));
    // A group that is fitted to the row is the same layout under another name.
    const auto fitted = some_model<Grouped<Int4Value, 72>>();
    save(fitted, folder / "q");
    const auto wider = load<Tiny<Grouped<Int4Value, 128>>>(folder / "q");
    CHECK(
        same_bytes(wider.parts[0].weight.codes().units(), fitted.parts[0].weight.codes().units()));
}

TEST_CASE("foreign files: names mapped, matrices transposed, tensors left aside, all float types") {
    test::Temporary folder;
    const auto w = some_numbers(Shape{6, 4}, 3);  // [in, out]
    std::vector<float> packed;
    for (std::size_t r = 0; r < 6; ++r)
        for (std::size_t c = 0; c < 4; ++c) packed.push_back(w(r, c));
    const double bias[4] = {1, 2, 3, 4};
    const std::int64_t count = 9;
    SafetensorsWriter writer(folder / "foreign");
    writer.add("model.fc.weight", DType::F32, {6, 4}, std::as_bytes(std::span(packed)));
    writer.add("model.fc.bias", DType::F64, {4}, std::as_bytes(std::span(bias)));
    writer.add("model.steps", DType::I64, {}, std::as_bytes(std::span(&count, 1)));
    writer.commit();
    LoadOptions options;
    options.name = [](const std::string& n) { return "model." + n; };
    options.transposed = [](const std::string& n) { return n == "fc.weight"; };
    expect_message(message_of([&] { (void)load<Plain<float>>(folder / "foreign", options); }),
                   "1 tensors that the model does not have: model.steps");
    options.ignored = [](const std::string& n) { return n == "model.steps"; };
    const auto net = load<Plain<float>>(folder / "foreign", options);
    REQUIRE(net.fc.weight.rows() == 4);
    for (std::size_t r = 0; r < 4; ++r)
        for (std::size_t c = 0; c < 6; ++c) CHECK(net.fc.weight(r, c) == w(c, r));
    CHECK(net.fc.bias(0, 3) == 4.0f);
    // Convolution weights fill a matrix by their first extent.
    SafetensorsWriter conv(folder / "conv");
    conv.add("fc.weight", DType::F32, {2, 3, 2, 2}, std::as_bytes(std::span(packed)));
    conv.commit();
    CHECK(load<Plain<float>>(folder / "conv").fc.weight.cols() == 12);
    // What does not say its sizes is loaded into a model that has them.
    expect_message(message_of([&] { (void)load<Tiny<float>>(folder / "conv"); }), "call load_into");
}

TEST_CASE("each mismatch has its own error that lists the names; the model stays as it was") {
    test::Temporary folder;
    save(some_model<float>(), folder / "m");
    Host on(1);
    auto other = some_model<float>({72, 6, 2});
    const auto before = other;
    expect_message(message_of([&] { load_into(on, other, folder / "m"); }),
                   "4 of the wrong shape: parts.0.weight is [5, 72], the model's is [6, 72], "
                   "parts.0.bias is [5], the model's is [6]");
    CHECK(same_bits(other, before));
    auto deeper = some_model<float>({72, 5, 3});
    expect_message(message_of([&] { load_into(on, deeper, folder / "m"); }),
                   "2 parameters missing from the file: parts.2.weight, parts.2.bias");
    auto flatter = some_model<float>({72, 5, 1});
    expect_message(message_of([&] { load_into(on, flatter, folder / "m"); }),
                   "2 tensors that the model does not have: parts.1.bias, parts.1.weight");
    auto far = some_model<float>({72, 5, 12});
    expect_message(message_of([&] { load_into(on, far, folder / "m"); }), " and 12 more");

    std::vector<std::int32_t> ints(24);
    SafetensorsWriter integers(folder / "ints");
    integers.add("fc.weight", DType::I32, {4, 6}, std::as_bytes(std::span(ints)));
    integers.commit();
    expect_message(message_of([&] { (void)load<Plain<float>>(folder / "ints"); }),
                   "1 of a type that is no floating-point number: fc.weight is I32");

    expect_message(message_of([&] { (void)load<Other>(folder / "m"); }),
                   "a checkpoint of model \"tiny\", expected \"other\"");
}

namespace {

/// A checkpoint of one int4 matrix with one thing wrong.
std::string broken(void (*change)(SafetensorsWriter&), const char* description = "int4-g8 2x12",
                   bool scales = true, std::uint64_t rows = 2, DType codes_type = DType::U8,
                   std::uint8_t last = 0) {
    test::Temporary folder;
    std::vector<std::uint8_t> codes(rows * 6, last);
    const std::uint16_t ones[4] = {0x3C00, 0x3C00, 0x3C00, 0x3C00};
    SafetensorsWriter w(folder / "w");
    w.set("nibble.format", "1");
    w.set("nibble.tensor.fc.weight", description);
    w.add("fc.weight", codes_type, {rows, 6}, std::as_bytes(std::span(codes)));
    if (scales)
        w.add("fc.weight.scales", DType::F16, {2, 1}, std::as_bytes(std::span(ones).first(2)));
    if (change != nullptr) change(w);
    w.commit();
    return message_of([&] { (void)load<Plain<Grouped<Int4Value, 8>>>(folder / "w"); });
}

}  // namespace

TEST_CASE("a quantized tensor that contradicts its description is refused") {
    CHECK(broken(nullptr) == "");
    expect_message(broken([](SafetensorsWriter& w) { w.set("nibble.format", "2"); }),
                   "checkpoint format \"2\", this library (version 0.1.0) reads up to 1");
    expect_message(broken(nullptr, "int4-g8 2x12", false), "no tensor \"fc.weight.scales\"");
    expect_message(broken(nullptr, "int4-g8-asym 2x12"), "no tensor \"fc.weight.offsets\"");
    expect_message(broken(nullptr, "int4-g8 2x13"),
                   "is U8 [2, 6], \"int4-g8 2x13\" needs U8 [2, 7]");
    expect_message(broken(nullptr, "int4-g8 3x12"), "needs U8 [3, 6]");
    expect_message(broken(nullptr, "int4-g8 2x12", true, 2, DType::I8), "needs U8 [2, 6]");
    expect_message(broken(nullptr, "int4-g8-scale=fp32 2x12"), "needs F32 [2, 1]");
    expect_message(broken(nullptr, "int4-tensor 2x12"), "needs F16 [1]");
    expect_message(broken(nullptr, "int5 2x12"), "precision \"int5\": unknown");
    for (const char* text :
         {"", "int4-g8", "int4-g8 2", "int4-g8 2x", "int4-g8 x12", "int4-g8 -2x12", "int4-g8 2x12 ",
          "int4-g8 0x12", "int4-g8 2x0", "int4-g8 4294967296x4294967296"})
        expect_message(broken(nullptr, text), "is not \"SPEC ROWSxCOLS\"");
    expect_message(broken(nullptr, "int4-g8 2x11", true, 2, DType::U8, 0x10),
                   "bits after the last code of row 0 are not zero");
    expect_message(broken(nullptr, "ternary-row 2x24", true, 2, DType::U8, 0x02),
                   "row 0 has a code that is not ternary");
}

TEST_CASE("sizes in the metadata that the file cannot hold are refused before they are allocated") {
    test::Temporary folder;
    const auto model = some_model<float>();
    const auto with = [&](const char* field, const char* value) {
        SafetensorsWriter w(folder / "w");
        w.set("nibble.format", "1");
        for (const char* f : {"in", "out", "depth", "slope", "gated"})
            w.set(std::string("nibble.config.") + f, "1");
        w.set(std::string("nibble.config.") + field, value);
        for_each_parameter(
            [&](const std::string& name, const auto& p) {
                if (!p.empty()) add_parameter(w, name, p);
            },
            model);
        w.commit();
        return message_of([&] { (void)load<Tiny<float>>(folder / "w"); });
    };
    expect_message(with("in", "99999999999"), "more weights than the file holds");
    expect_message(with("in", "99999999999999999999"), "no value of that field");
    expect_message(with("in", "-1"), "\"nibble.config.in\" is \"-1\"");
    expect_message(with("gated", "2"), "no value of that field");
    expect_message(with("slope", "x"), "no value of that field");
    SafetensorsWriter w(folder / "w");
    w.set("nibble.format", "1");
    w.commit();
    expect_message(message_of([&] { (void)load<Tiny<float>>(folder / "w"); }),
                   "no metadata \"nibble.config.in\"");
}

TEST_CASE("a saved model cut at any byte or with any bit flipped is refused or loads equal") {
    test::Temporary folder;
    const auto model = some_model<Grouped<Int4Value, 8>>({8, 2, 1});
    save(model, folder / "m");
    const std::string good = test::read_file(folder / "m");
    const auto load_bytes = [&](std::string_view text) {
        const auto file =
            SafetensorsFile::from_bytes(std::as_bytes(std::span(text.data(), text.size())), "m");
        return load<Tiny<Grouped<Int4Value, 8>>>(file);
    };
    CHECK(same_bits(load_bytes(good), model));
    for (std::size_t n = 0; n < good.size(); ++n)
        CHECK_THROWS_AS((void)load_bytes(good.substr(0, n)), Error);
    std::size_t refused = 0;
    for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
        std::string bad = good;
        bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
        try {
            const auto loaded = load_bytes(bad);
            CHECK(same_bits(loaded, model));
        } catch (const Error&) {
            ++refused;
        }
    }
    CHECK(refused == 8 * good.size());
}

TEST_CASE("a save that fails keeps the old file") {
    test::Temporary folder;
    const auto model = some_model<half>();
    save(model, folder / "m");
    const std::string old = test::read_file(folder / "m");
    CHECK_THROWS_AS(save(model, folder / "m", {{"bad", "\xFF"}}), Error);
    CHECK(test::read_file(folder / "m") == old);
    CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
    CHECK_THROWS_AS(save(model, folder / "no/m"), Error);
    if (std::filesystem::exists("/dev/full"))
        expect_message(message_of([&] { save(model, "/dev/full"); }),
                       "cannot write \"/dev/full\": No space left on device");
    save(model, folder / "m", {{"note", "kept"}});
    CHECK(*SafetensorsFile::open(folder / "m").metadata("note") == "kept");
}

TEST_CASE("what is not finite or does not fit is counted") {
    test::Temporary folder;
    const float numbers[4] = {1.0f, INFINITY, NAN, 1e6f};
    SafetensorsWriter w(folder / "w");
    w.add("fc.weight", DType::F32, {2, 2}, std::as_bytes(std::span(numbers)));
    w.commit();
    Plain<half> net;
    net.fc.weight = Matrix<half>(2, 2);
    Host on(1);
    const LoadReport report = load_into(on, net, folder / "w");
    CHECK(report.tensors == 1);
    CHECK(report.not_finite == 2);
    CHECK(report.clipped.nan == 1);
    CHECK(report.clipped.saturated >= 1);
}
